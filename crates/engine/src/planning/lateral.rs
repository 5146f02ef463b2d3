//! LATERAL over nothing stored: `t, LATERAL (SELECT t.a + 1)`, `t, unnest(t.list)`. What reads no table of its own is
//! computed on the rows to its left; DataFusion's decorrelation knows only subqueries that read a table.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, JoinType, Result, ScalarValue, TableReference};
use datafusion::logical_expr::{Expr, Filter, Join, LogicalPlan, LogicalPlanBuilder, Projection};

/// Qualifies what a subquery computes, until its own alias does.
const COMPUTED: &str = "lakegate_lateral";

/// Takes such subqueries out of the joins of a plan that was just bound.
pub(crate) fn inline_laterals(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = &node else {
            return Ok(Transformed::no(node));
        };
        Ok(match inlined(join)? {
            Some(inlined) => Transformed::yes(inlined),
            None => Transformed::no(node),
        })
    })
    .map(|transformed| transformed.data)
}

fn inlined(join: &Join) -> Result<Option<LogicalPlan>> {
    let Some(subquery) = lateral(&join.right) else {
        return Ok(None);
    };
    let outer = join.join_type == JoinType::Left;
    let always = match &join.filter {
        None => true,
        Some(condition) => matches!(condition, Expr::Literal(ScalarValue::Boolean(Some(true)), _)),
    };
    if !join.on.is_empty() || !outer && join.join_type != JoinType::Inner || outer && !always {
        return Ok(None);
    }
    let Some(computed) = compute(subquery, &join.left)? else {
        return Ok(None);
    };
    if outer && !computed.one_each {
        return Ok(None);
    }
    let mut items = columns_of(join.left.schema());
    let named = join.right.schema().iter().zip(computed.columns);
    items.extend(named.map(|((qualifier, field), column)| {
        Expr::Column(column).alias_qualified(qualifier.cloned(), field.name().as_str())
    }));
    let mut plan = LogicalPlan::Projection(Projection::try_new(items, Arc::new(computed.plan))?);
    if let (Some(condition), false) = (&join.filter, always) {
        plan = LogicalPlan::Filter(Filter::try_new(condition.clone(), Arc::new(plan))?);
    }
    let names = |schema: &DFSchema| {
        let fields = schema.iter();
        fields
            .map(|(qualifier, field)| (qualifier.cloned(), field.name().clone()))
            .collect::<Vec<_>>()
    };
    Ok((names(plan.schema()) == names(&join.schema)).then_some(plan))
}

/// The subquery that the right side of a join is, if it reads the left side.
fn lateral(right: &LogicalPlan) -> Option<&LogicalPlan> {
    match right {
        LogicalPlan::SubqueryAlias(alias) => lateral(&alias.input),
        LogicalPlan::Subquery(subquery) if !subquery.outer_ref_columns.is_empty() => Some(&subquery.subquery),
        _ => None,
    }
}

/// A subquery computed on the rows to its left.
struct Computed {
    /// Gives the columns of the left side, then those of the subquery.
    plan: LogicalPlan,
    /// Where each column of the subquery is found.
    columns: Vec<Column>,
    /// Each row to the left gives exactly one.
    one_each: bool,
}

/// `None` if the subquery does more than compute, or reads a query further out.
fn compute(node: &LogicalPlan, left: &Arc<LogicalPlan>) -> Result<Option<Computed>> {
    match node {
        LogicalPlan::EmptyRelation(empty) if empty.produce_one_row => Ok(Some(Computed {
            plan: left.as_ref().clone(),
            columns: Vec::new(),
            one_each: true,
        })),
        LogicalPlan::SubqueryAlias(alias) => compute(&alias.input, left),
        LogicalPlan::Projection(projection) => {
            let Some(below) = compute(&projection.input, left)? else {
                return Ok(None);
            };
            let from = projection.input.schema();
            project(below, &projection.expr, from, left)
        }
        LogicalPlan::Filter(filter) => {
            let Some(mut below) = compute(&filter.input, left)? else {
                return Ok(None);
            };
            let Some(condition) = resolve(&filter.predicate, filter.input.schema(), &below.columns, left)? else {
                return Ok(None);
            };
            below.plan = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(below.plan))?);
            below.one_each = false;
            Ok(Some(below))
        }
        LogicalPlan::Unnest(unnest) => {
            let Some(below) = compute(&unnest.input, left)? else {
                return Ok(None);
            };
            let from = unnest.input.schema();
            let place = |column: &Column| {
                let index = from.maybe_index_of_column(column)?;
                below.columns.get(index).cloned()
            };
            let Some(lists) = unnest.exec_columns.iter().map(place).collect::<Option<Vec<_>>>() else {
                return Ok(None);
            };
            let mut options = unnest.options.clone();
            for recursion in &mut options.recursions {
                match place(&recursion.input_column) {
                    Some(column) => recursion.input_column = column,
                    None => return Ok(None),
                }
            }
            let plan = LogicalPlanBuilder::from(below.plan)
                .unnest_columns_with_options(lists, options)?
                .build()?;
            Ok(Some(placed(plan, node.schema().fields().len(), left, false)))
        }
        _ => Ok(None),
    }
}

/// The last `count` columns of a plan are those of the subquery.
fn placed(plan: LogicalPlan, count: usize, left: &LogicalPlan, one_each: bool) -> Computed {
    let columns = plan.schema().iter().skip(left.schema().fields().len()).take(count);
    let columns = columns.map(Column::from).collect();
    Computed {
        plan,
        columns,
        one_each,
    }
}

/// The columns to the left and `expressions`, which read the columns of `from`.
fn project(
    below: Computed,
    expressions: &[Expr],
    from: &DFSchema,
    left: &Arc<LogicalPlan>,
) -> Result<Option<Computed>> {
    let mut items = columns_of(left.schema());
    for (number, expr) in expressions.iter().enumerate() {
        let Some(expr) = resolve(expr, from, &below.columns, left)? else {
            return Ok(None);
        };
        let qualifier = Some(TableReference::bare(COMPUTED));
        items.push(expr.unalias().alias_qualified(qualifier, format!("column{number}")));
    }
    let plan = LogicalPlan::Projection(Projection::try_new(items, Arc::new(below.plan))?);
    Ok(Some(placed(plan, expressions.len(), left, below.one_each)))
}

fn columns_of(schema: &DFSchema) -> Vec<Expr> {
    schema.iter().map(|field| Expr::Column(Column::from(field))).collect()
}

/// `expr` with its outer columns found to the left and its own where they are computed.
fn resolve(expr: &Expr, from: &DFSchema, columns: &[Column], left: &LogicalPlan) -> Result<Option<Expr>> {
    let mut resolved = true;
    let expr = expr.clone().transform_up(|expr| {
        let found = match &expr {
            Expr::OuterReferenceColumn(_, column) => left.schema().has_column(column).then(|| column.clone()),
            Expr::Column(column) => from
                .maybe_index_of_column(column)
                .and_then(|index| columns.get(index).cloned()),
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => None,
            _ => return Ok(Transformed::no(expr)),
        };
        Ok(match found {
            Some(column) => Transformed::yes(Expr::Column(column)),
            None => {
                resolved = false;
                Transformed::no(expr)
            }
        })
    })?;
    Ok(resolved.then_some(expr.data))
}
