//! Types of literals: PostgreSQL reads `1` as integer and only what does not fit as bigint; DataFusion reads all as
//! bigint. The type shows in what a client is told of a column.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// Makes each integer literal of a plan that was just bound as narrow as PostgreSQL reads it.
pub(crate) fn narrow_integers(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        // LIMIT and OFFSET are bigint in PostgreSQL too; a scan has no literals yet.
        if matches!(plan, LogicalPlan::Limit(_) | LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        let narrowed = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let narrowed = expr.transform_up(|expr| Ok(narrow(expr)))?;
            Ok(if narrowed.transformed { narrowed.update_data(|expr| name.restore(expr)) } else { narrowed })
        })?;
        // Also where only an input changed: a parent's schema repeats the types of its inputs.
        narrowed.map_data(|plan| if plan.inputs().is_empty() && !is_values(&plan) { Ok(plan) } else { plan.recompute_schema() })
    })
    .map(|transformed| transformed.data)
}

fn is_values(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values(_))
}

fn narrow(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata)),
            Err(_) => Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata)),
        },
        other => Transformed::no(other),
    }
}
