//! Types of literals: PostgreSQL reads `1` as integer and only what does not fit as bigint; DataFusion reads all as
//! bigint. The type shows in what a client is told of a column.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, RecursiveQuery};
use postgres_dialect::NUMERIC_DIVIDE;

/// Makes each integer literal of a plan that was just bound as narrow as PostgreSQL reads it.
pub(crate) fn narrow_integers(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        // LIMIT and OFFSET are bigint in PostgreSQL too; a scan has no literals yet.
        if matches!(plan, LogicalPlan::Limit(_) | LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(plan));
        }
        let names = NamePreserver::new(&plan);
        let schema = merge_schema(&plan.inputs());
        let narrowed = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let narrowed = expr.transform_up(|expr| match expr {
                Expr::ScalarFunction(call) => whole_quotient(call, &schema),
                other => Ok(narrow(other)),
            })?;
            Ok(if narrowed.transformed {
                narrowed.update_data(|expr| name.restore(expr))
            } else {
                narrowed
            })
        })?;
        // Also where only an input changed: a parent's schema repeats the types of its inputs.
        narrowed.map_data(|plan| match plan {
            LogicalPlan::RecursiveQuery(query) => as_work_table(query),
            LogicalPlan::Values(rows) => LogicalPlanBuilder::values(rows.values)?.build(),
            plan if plan.inputs().is_empty() => Ok(plan),
            plan => plan.recompute_schema(),
        })
    })
    .map(|transformed| transformed.data)
}

/// Both terms of a recursion with the types of the work table, which were settled before literals became narrow.
fn as_work_table(mut query: RecursiveQuery) -> Result<LogicalPlan> {
    let mut schema = None;
    query.recursive_term.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && scan.table_name.table() == query.name
        {
            schema = Some(Arc::clone(&scan.projected_schema));
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    // A scan that gives some columns only is of no use; it gives all before the plan is optimized.
    if let Some(schema) = schema.filter(|schema| schema.fields().len() == query.static_term.schema().fields().len()) {
        let term = |term: &LogicalPlan| Ok(Arc::new(coerce_plan_expr_for_schema(term.clone(), &schema)?));
        let (first, then): (Result<_>, Result<_>) = (term(&query.static_term), term(&query.recursive_term));
        (query.static_term, query.recursive_term) = (first?, then?);
    }
    Ok(LogicalPlan::RecursiveQuery(query))
}

/// A quotient that was planned as one of `numeric`, since the sum of a literal was one of bigint by then, and is one of
/// integers.
fn whole_quotient(mut call: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let whole = |operand: &Expr| operand.get_type(schema).map(|data_type| data_type.is_integer());
    if call.func.name() == NUMERIC_DIVIDE
        && let [left, right] = call.args.as_mut_slice()
        && whole(left)?
        && whole(right)?
    {
        let operand = |operand: &mut Expr| Box::new(std::mem::take(operand));
        let quotient = BinaryExpr::new(operand(left), Operator::Divide, operand(right));
        return Ok(Transformed::yes(Expr::BinaryExpr(quotient)));
    }
    Ok(Transformed::no(Expr::ScalarFunction(call)))
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
