//! One DISTINCT aggregate beside others, which DataFusion computes in two steps: for each value, and over those.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::Transformed;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::optimizer::{ApplyOrder, Optimizer};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rules, with two steps only where the sum of sums has the type of the sum. That of bigints is numeric.
pub(super) fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let rules = Optimizer::new().rules.into_iter();
    rules
        .map(|rule| match rule.name() {
            "single_distinct_aggregation_to_group_by" => Arc::new(TwoSteps { inner: rule }) as Arc<_>,
            _ => rule,
        })
        .collect()
}

#[derive(Debug)]
struct TwoSteps {
    inner: Arc<dyn OptimizerRule + Send + Sync>,
}

impl OptimizerRule for TwoSteps {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.inner.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Aggregate(aggregate) = &plan
            && !keeps_types(aggregate)?
        {
            return Ok(Transformed::no(plan));
        }
        self.inner.rewrite(plan, config)
    }
}

/// Whether each aggregate without DISTINCT gives what it takes when it is applied to its own results.
fn keeps_types(aggregate: &Aggregate) -> Result<bool> {
    for expr in &aggregate.aggr_expr {
        if let Expr::AggregateFunction(AggregateFunction { func, params }) = expr
            && !params.distinct
        {
            let once = expr.get_type(aggregate.input.schema())?;
            let taken = func.coerce_types(std::slice::from_ref(&once));
            let taken = taken.unwrap_or_else(|_| vec![once.clone()]);
            if func.return_type(&taken).ok() != Some(once) {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
