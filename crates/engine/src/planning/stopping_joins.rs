//! Joins that compare every row with every row hear between comparisons that they are to stop.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use contract::Error;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use tokio_util::sync::CancellationToken;

/// Has the conditions of joins without keys fail once `token` has fired. To be called for each execution.
///
/// Such a join compares all of one side with a batch of the other before it gives way, whether rows come of it or not:
/// that can be seconds, in which a task that nobody waits for any more holds its thread.
pub(super) fn stopping(plan: Arc<dyn ExecutionPlan>, token: &CancellationToken) -> Result<Arc<dyn ExecutionPlan>> {
    if !compares(&plan) {
        return Ok(plan);
    }
    plan.transform_up(|node| {
        let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() else {
            return Ok(Transformed::no(node));
        };
        let Some(filter) = join.filter() else {
            return Ok(Transformed::no(node));
        };
        let condition = Arc::new(UntilStopped {
            condition: Arc::clone(filter.expression()),
            token: token.clone(),
        });
        let filter = JoinFilter::new(condition, filter.column_indices().to_vec(), Arc::clone(filter.schema()));
        let projection = join.projection().as_ref().map(|columns| columns.to_vec());
        let (left, right) = (Arc::clone(join.left()), Arc::clone(join.right()));
        let join = NestedLoopJoinExec::try_new(left, right, Some(filter), join.join_type(), projection)?;
        Ok(Transformed::yes(Arc::new(join) as Arc<dyn ExecutionPlan>))
    })
    .data()
}

fn compares(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<NestedLoopJoinExec>() || plan.children().into_iter().any(compares)
}

/// A condition that is an error once its query is to stop.
#[derive(Debug)]
struct UntilStopped {
    condition: Arc<dyn PhysicalExpr>,
    token: CancellationToken,
}

impl PartialEq for UntilStopped {
    fn eq(&self, other: &Self) -> bool {
        self.condition.as_ref() == other.condition.as_ref()
    }
}

impl Eq for UntilStopped {}

impl Hash for UntilStopped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.condition.hash(state);
    }
}

impl fmt::Display for UntilStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt(f)
    }
}

impl PhysicalExpr for UntilStopped {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.token.is_cancelled() {
            return Err(Error::canceled().into());
        }
        self.condition.evaluate(batch)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.condition.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.condition]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match <[_; 1]>::try_from(children) {
            Ok([condition]) => Ok(Arc::new(Self {
                condition,
                token: self.token.clone(),
            })),
            Err(_) => internal_err!("a condition has one part"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.condition.fmt_sql(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use contract::ErrorKind;
    use datafusion::physical_plan::collect;
    use datafusion::prelude::SessionContext;

    /// A million times a million comparisons, none of which brings a row: it ends because it is told to.
    #[tokio::test(flavor = "multi_thread")]
    async fn comparisons_stop_when_they_are_told() {
        let session = SessionContext::new();
        let sql =
            "SELECT count(*) FROM generate_series(1, 1000000) a(x) JOIN generate_series(1, 1000000) b(y) ON x + y < 0";
        let plan = session.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
        let token = CancellationToken::new();
        let plan = stopping(plan, &token).unwrap();
        let work = tokio::spawn(collect(plan, session.task_ctx()));
        token.cancel();
        let error = Error::from(work.await.unwrap().unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Canceled);
    }
}
