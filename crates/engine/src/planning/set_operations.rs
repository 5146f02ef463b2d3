//! EXCEPT ALL and INTERSECT ALL: PostgreSQL pairs copies of a row off one by one, DataFusion takes all or none.

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Distinct, Expr, ExprFunctionExt, Join, LogicalPlan, LogicalPlanBuilder};

/// The number of a row among its copies, on either side.
const COPY: [&str; 2] = ["lakegate_copy_left", "lakegate_copy_right"];

/// Numbers the copies of each row of such an operation, in a plan that was just bound, and compares the number, too.
pub(crate) fn pair_copies(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::Join(join) if keeps_copies(join) => Ok(Transformed::yes(paired(join)?)),
        _ => Ok(Transformed::no(node)),
    })
    .map(|transformed| transformed.data)
}

/// Before the optimizer only EXCEPT and INTERSECT are joins in which NULLs are equal; without ALL, the rows to the left
/// are distinct.
fn keeps_copies(join: &Join) -> bool {
    matches!(join.join_type, JoinType::LeftAnti | JoinType::LeftSemi)
        && join.null_equality == NullEquality::NullEqualsNull
        && !matches!(join.left.as_ref(), LogicalPlan::Distinct(Distinct::All(_)))
}

fn paired(join: &Join) -> Result<LogicalPlan> {
    let [left_copy, right_copy] = COPY;
    let (left, right) = (numbered(&join.left, left_copy)?, numbered(&join.right, right_copy)?);
    let mut on = join.on.clone();
    on.push((
        Expr::Column(Column::from_name(left_copy)),
        Expr::Column(Column::from_name(right_copy)),
    ));
    let joined = Join::try_new(
        Arc::new(left),
        Arc::new(right),
        on,
        join.filter.clone(),
        join.join_type,
        join.join_constraint,
        join.null_equality,
        join.null_aware,
    )?;
    LogicalPlanBuilder::from(LogicalPlan::Join(joined))
        .project(columns(&join.left))?
        .build()
}

fn columns(plan: &LogicalPlan) -> Vec<Expr> {
    let fields = plan.schema().iter();
    fields.map(|field| Expr::Column(Column::from(field))).collect()
}

fn numbered(plan: &LogicalPlan, name: &str) -> Result<LogicalPlan> {
    let mut items = columns(plan);
    let number = row_number().partition_by(items.clone()).build()?;
    let windowed = LogicalPlanBuilder::from(plan.clone()).window([number])?.build()?;
    let last = windowed.schema().iter().last().map(Column::from);
    items.extend(last.map(|column| Expr::Column(column).alias(name)));
    LogicalPlanBuilder::from(windowed).project(items)?.build()
}
