//! Floating point beside other numbers: PostgreSQL compares and computes in double precision, DataFusion in a decimal
//! of fifteen digits behind the point, which holds neither 1e22 nor NaN.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{BinaryExpr, InList, InSubquery, ScalarFunction, SetComparison};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::expr_schema::cast_subquery;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, Case, Expr, ExprSchemable, Join, LogicalPlan, Operator, Subquery, Union};
use datafusion::optimizer::AnalyzerRule;
use postgres_dialect::is_comparison;

use super::float_types::{as_type, constant, is_mixed, widest_float};
use super::mixed_values::settle_values;

/// Functions whose arguments all take one type, as the branches of CASE do.
const OF_ONE_TYPE: [&str; 6] = ["coalesce", "greatest", "least", "nvl", "nullif", "make_array"];

/// [`settle_floats`] for what is bound elsewhere: the rules of tables.
#[derive(Debug)]
pub(super) struct MixedNumbers;

impl AnalyzerRule for MixedNumbers {
    fn name(&self) -> &str {
        "mixed_numbers"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        settle_floats(plan)
    }
}

/// Gives the sides of each operator, the branches of each choice and the columns of each union in a plan that was just
/// bound the type that PostgreSQL gives them where one is floating point and another is not.
pub(crate) fn settle_floats(plan: LogicalPlan) -> Result<LogicalPlan> {
    // The schema of each node above a change repeats the types below.
    let mut changed = false;
    plan.transform_up_with_subqueries(|node| {
        if matches!(node, LogicalPlan::TableScan(_)) {
            return Ok(Transformed::no(node));
        }
        let schema = merge_schema(&node.inputs());
        let floats_below = schema.fields().iter().any(|field| holds_floats(field.data_type()));
        let names = NamePreserver::new(&node);
        let settled = node.map_expressions(|expr| {
            if !floats_below && !makes_floats(&expr)? {
                return Ok(Transformed::no(expr));
            }
            let name = names.save(&expr);
            let settled = expr.transform_up(|expr| settle(expr, &schema))?;
            Ok(if settled.transformed {
                settled.update_data(|expr| name.restore(expr))
            } else {
                settled
            })
        })?;
        changed |= settled.transformed;
        let settled = match settled.data {
            LogicalPlan::Join(join) => settle_join(join)?,
            LogicalPlan::Union(union) => settle_union(union, changed)?,
            LogicalPlan::Values(values) => settle_values(values)?,
            other => Transformed::no(other),
        };
        changed |= settled.transformed;
        if !changed {
            return Ok(settled);
        }
        let plan = match settled.data {
            plan if plan.inputs().is_empty() => plan,
            // The types of a recursion are those of its work table.
            plan @ LogicalPlan::RecursiveQuery(_) => plan,
            plan => plan.recompute_schema()?,
        };
        Ok(Transformed::yes(plan))
    })
    .map(|transformed| transformed.data)
}

fn holds_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => item.data_type().is_floating(),
        other => other.is_floating(),
    }
}

/// Whether an expression may have parts of floating point though its columns are not. A long chain of operators is not
/// asked for its type at each link unless it must be.
fn makes_floats(expr: &Expr) -> Result<bool> {
    expr.exists(|part| {
        Ok(match part {
            Expr::Literal(value, _) => value.data_type().is_floating(),
            Expr::Cast(cast) => holds_floats(cast.field.data_type()),
            Expr::TryCast(cast) => holds_floats(cast.field.data_type()),
            Expr::ScalarFunction(_)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::HigherOrderFunction(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Placeholder(_)
            | Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_) => true,
            _ => false,
        })
    })
}

fn settle(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    Ok(match expr {
        Expr::BinaryExpr(binary) if is_comparison(binary.op) || is_arithmetic(binary.op) => {
            settle_binary(binary, schema)?
        }
        Expr::Between(between) => settle_between(between, schema)?,
        Expr::InList(list) => settle_list(list, schema)?,
        Expr::InSubquery(membership) => settle_membership(membership, schema)?,
        Expr::SetComparison(comparison) => settle_quantified(comparison, schema)?,
        Expr::Case(case) => settle_case(case, schema)?,
        Expr::ScalarFunction(function) => settle_call(function, schema)?,
        other => Transformed::no(other),
    })
}

fn is_arithmetic(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo
    )
}

fn types_of<'e>(expressions: impl IntoIterator<Item = &'e Expr>, schema: &DFSchema) -> Option<Vec<DataType>> {
    // What has no type yet, such as a parameter of unknown type, is left to the planner.
    expressions.into_iter().map(|expr| expr.get_type(schema).ok()).collect()
}

/// Whether comparing with `other` as `real` says the same as comparing as double precision: an expression of a bare
/// column can be looked up in statistics of files.
fn is_exact_real(one: &DataType, other: &Expr) -> bool {
    *one == DataType::Float32
        && match other {
            Expr::Literal(value, _) => constant(value).is_some_and(|number| f64::from(number as f32) == number),
            _ => false,
        }
}

fn settle_binary(binary: BinaryExpr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let BinaryExpr { left, op, right } = binary;
    let unchanged = |left, right| Transformed::no(Expr::BinaryExpr(BinaryExpr::new(left, op, right)));
    let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
        return Ok(unchanged(left, right));
    };
    if left_type.is_null() || right_type.is_null() || !is_mixed([&left_type, &right_type]) {
        return Ok(unchanged(left, right));
    }
    let real = is_comparison(op) && (is_exact_real(&left_type, &right) || is_exact_real(&right_type, &left));
    let to = if real { DataType::Float32 } else { DataType::Float64 };
    let (left, right) = (as_type(*left, &to, schema)?, as_type(*right, &to, schema)?);
    Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(
        Box::new(left),
        op,
        Box::new(right),
    ))))
}

fn settle_between(between: Between, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Between {
        expr,
        negated,
        low,
        high,
    } = between;
    let types = types_of([&*expr, &*low, &*high], schema).filter(|types| is_mixed(types));
    let Some(types) = types else {
        return Ok(Transformed::no(Expr::Between(Between::new(expr, negated, low, high))));
    };
    let real = types
        .first()
        .is_some_and(|own| is_exact_real(own, &low) && is_exact_real(own, &high));
    let to = if real { DataType::Float32 } else { DataType::Float64 };
    let part = |expr: Box<Expr>| Ok::<_, datafusion::common::DataFusionError>(Box::new(as_type(*expr, &to, schema)?));
    Ok(Transformed::yes(Expr::Between(Between::new(
        part(expr)?,
        negated,
        part(low)?,
        part(high)?,
    ))))
}

fn settle_list(list: InList, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let InList { expr, list, negated } = list;
    let types = types_of(std::iter::once(&*expr).chain(&list), schema).filter(|types| is_mixed(types));
    let Some(types) = types else {
        return Ok(Transformed::no(Expr::InList(InList::new(expr, list, negated))));
    };
    // One alone is compared by the operator; several are made one array first, of the type of a choice among all.
    let alone = list.len() == 1 && !list.iter().all(|one| is_exact_real(&DataType::Float32, one));
    let to = if alone { DataType::Float64 } else { widest_float(&types) };
    let list = list.into_iter().map(|one| as_type(one, &to, schema));
    let list = list.collect::<Result<Vec<_>>>()?;
    let expr = Box::new(as_type(*expr, &to, schema)?);
    Ok(Transformed::yes(Expr::InList(InList::new(expr, list, negated))))
}

fn settle_membership(mut membership: InSubquery, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let changed = settle_subquery(&mut membership.expr, &mut membership.subquery, schema)?;
    Ok(Transformed::new_transformed(Expr::InSubquery(membership), changed))
}

fn settle_quantified(mut comparison: SetComparison, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let changed = settle_subquery(&mut comparison.expr, &mut comparison.subquery, schema)?;
    Ok(Transformed::new_transformed(Expr::SetComparison(comparison), changed))
}

/// A value and the rows of a subquery that it is compared with; whether they changed.
fn settle_subquery(expr: &mut Expr, subquery: &mut Subquery, schema: &DFSchema) -> Result<bool> {
    let own = expr.get_type(schema).ok();
    let mixed = own.is_some_and(|own| is_mixed([&own, subquery.subquery.schema().field(0).data_type()]));
    if mixed {
        *expr = as_type(expr.clone(), &DataType::Float64, schema)?;
        *subquery = cast_subquery(subquery.clone(), &DataType::Float64)?;
    }
    Ok(mixed)
}

fn settle_case(mut case: Case, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let mut changed = false;
    if let Some(value) = case.expr.take() {
        let whens = case.when_then_expr.iter().map(|(when, _)| &**when);
        let types = types_of(std::iter::once(&*value).chain(whens), schema);
        case.expr = Some(if types.is_some_and(|types| is_mixed(&types)) {
            changed = true;
            for (when, _) in &mut case.when_then_expr {
                **when = as_type((**when).clone(), &DataType::Float64, schema)?;
            }
            Box::new(as_type(*value, &DataType::Float64, schema)?)
        } else {
            value
        });
    }
    let results = case.when_then_expr.iter().map(|(_, then)| &**then);
    let types = types_of(results.chain(case.else_expr.as_deref()), schema);
    if let Some(types) = types.filter(|types| is_mixed(types)) {
        changed = true;
        let to = widest_float(&types);
        let results = case.when_then_expr.iter_mut().map(|(_, then)| then);
        for result in results.chain(&mut case.else_expr) {
            **result = as_type((**result).clone(), &to, schema)?;
        }
    }
    Ok(Transformed::new_transformed(Expr::Case(case), changed))
}

fn settle_call(function: ScalarFunction, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let ScalarFunction { func, args } = function;
    let unchanged = |args| Transformed::no(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&func), args)));
    let of_one_type = OF_ONE_TYPE.contains(&func.name());
    if !of_one_type && func.name() != "array_has" {
        return Ok(unchanged(args));
    }
    let Some(types) = types_of(&args, schema) else {
        return Ok(unchanged(args));
    };
    if of_one_type {
        if !is_mixed(&types) {
            return Ok(unchanged(args));
        }
        let to = match func.name() {
            // Compared by the operator.
            "nullif" => DataType::Float64,
            _ => widest_float(&types),
        };
        let args = args.into_iter().map(|one| as_type(one, &to, schema));
        let args = args.collect::<Result<Vec<_>>>()?;
        return Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
            func, args,
        ))));
    }
    let ([DataType::List(item), element], Ok([list, value])) = (types.as_slice(), <[Expr; 2]>::try_from(args.clone()))
    else {
        return Ok(unchanged(args));
    };
    if !is_mixed([item.data_type(), element]) {
        return Ok(unchanged(args));
    }
    let item = Field::clone(item).with_data_type(DataType::Float64);
    let args = vec![
        list.cast_to(&DataType::List(Arc::new(item)), schema)?,
        as_type(value, &DataType::Float64, schema)?,
    ];
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
        func, args,
    ))))
}

fn settle_join(mut join: Join) -> Result<Transformed<LogicalPlan>> {
    let mut changed = false;
    let (left_schema, right_schema) = (Arc::clone(join.left.schema()), Arc::clone(join.right.schema()));
    for (left, right) in &mut join.on {
        let (Ok(left_type), Ok(right_type)) = (left.get_type(&left_schema), right.get_type(&right_schema)) else {
            continue;
        };
        if is_mixed([&left_type, &right_type]) {
            changed = true;
            *left = as_type(left.clone(), &DataType::Float64, &left_schema)?;
            *right = as_type(right.clone(), &DataType::Float64, &right_schema)?;
        }
    }
    Ok(Transformed::new_transformed(LogicalPlan::Join(join), changed))
}

/// `below` says that the types of an input may have changed, which a union does not notice by itself.
fn settle_union(union: Union, below: bool) -> Result<Transformed<LogicalPlan>> {
    let wanted: Vec<Option<DataType>> = (0..union.schema.fields().len())
        .map(|column| {
            let field = |input: &Arc<LogicalPlan>| input.schema().fields().get(column).map(Arc::clone);
            let fields: Vec<_> = union.inputs.iter().filter_map(field).collect();
            let types = || fields.iter().map(|field| field.data_type());
            is_mixed(types()).then(|| widest_float(types()))
        })
        .collect();
    if wanted.iter().all(Option::is_none) {
        return Ok(match below {
            true => Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)),
            false => Transformed::no(LogicalPlan::Union(union)),
        });
    }
    let inputs = union.inputs.into_iter().map(|input| {
        let (qualifiers, fields): (Vec<_>, Vec<_>) = (input.schema().iter().zip(&wanted))
            .map(|((qualifier, field), wanted)| {
                let field = match wanted {
                    Some(to) => Arc::new(Field::clone(field).with_data_type(to.clone())),
                    None => Arc::clone(field),
                };
                (qualifier.cloned(), field)
            })
            .unzip();
        let schema = DFSchema::from_field_specific_qualified_schema(qualifiers, &Arc::new(Schema::new(fields)))?;
        Ok(Arc::new(coerce_plan_expr_for_schema(
            Arc::unwrap_or_clone(input),
            &schema,
        )?))
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(
        inputs,
    )?)))
}
