//! The keys of a join's one side, sent along with the statement of its other side.
//!
//! DataFusion's hash join collects its left side, puts what it found into a dynamic filter and only then asks its right
//! side for rows. Where the right side is a remote statement, the filter becomes a condition around it. What of the filter
//! has no equal there is left out: the join looks at every row again, so that a condition may let through too much and
//! never too little. No remote statement waits for a filter: one that is not complete when rows are asked for is not used.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column as Name, JoinType, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, cast, lit};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CaseExpr, CastExpr, Column, DynamicFilterPhysicalExpr, InListExpr, IsNullExpr, Literal, lit as value,
};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use policy::RemoteScanExec;

use crate::RemoteExec;
use crate::bound_exec::BoundExec;

/// The most keys that are sent one by one, each a parameter of the statement; of more only their range is sent. To be
/// what the engine tells DataFusion's joins to collect.
pub const JOIN_KEYS_MAX: usize = 1_000;

type Physical = Arc<dyn PhysicalExpr>;
type Plan = Arc<dyn ExecutionPlan>;

/// Lets remote statements to the right of hash joins take the keys of the left.
///
/// # Errors
/// If the plan cannot be put together again.
pub(crate) fn connect(plan: Plan) -> Result<Plan> {
    plan.transform_up(|node| {
        let Some(join) = node.downcast_ref::<HashJoinExec>() else {
            return Ok(Transformed::no(node));
        };
        if !same_types(join)? {
            return Ok(Transformed::no(node));
        }
        let keys: Vec<Physical> = join.on().iter().map(|(_, right)| Arc::clone(right)).collect();
        let own = join.dynamic_expressions_produced().into_iter().next();
        let own = own.and_then(|own| Arc::downcast::<DynamicFilterPhysicalExpr>(own).ok());
        // A plan that was kept has lost its filter.
        let filter = own.unwrap_or_else(|| Arc::new(DynamicFilterPhysicalExpr::new(keys.clone(), value(true))));
        let Some(right) = attached(join.right(), &filter, keys)? else {
            return Ok(Transformed::no(node));
        };
        let left = Arc::clone(join.left());
        let join = join.builder().with_new_children(vec![left, right])?.build()?;
        Ok(Transformed::yes(
            Arc::new(join.with_dynamic_filter_expr(filter)?) as Plan
        ))
    })
    .data()
}

/// Whether each key has one type on both sides. Of others DataFusion (55.2) makes a list of one type for a key of another
/// and fails.
fn same_types(join: &HashJoinExec) -> Result<bool> {
    let (left, right) = (join.left().schema(), join.right().schema());
    for (left_key, right_key) in join.on() {
        if left_key.data_type(&left)? != right_key.data_type(&right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `plan` with `filter` over `keys`, expressions over its columns, at the remote statements below; `None` if none is
/// there. Columns are followed by their place: names come twice above joins.
fn attached(plan: &Plan, filter: &Arc<DynamicFilterPhysicalExpr>, keys: Vec<Physical>) -> Result<Option<Plan>> {
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        let Some(remote) = scan.input().downcast_ref::<RemoteExec>() else {
            return Ok(None);
        };
        let filter = Arc::clone(filter) as Physical;
        let Ok(filter) = Arc::downcast::<DynamicFilterPhysicalExpr>(filter.with_new_children(keys)?) else {
            return Ok(None);
        };
        let remote = Arc::new(remote.clone().with_join_keys(filter));
        return Ok(Some(RemoteScanExec::over(remote, scan.reads().clone())));
    }
    let passes = plan.is::<CooperativeExec>()
        || plan.is::<RepartitionExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<BoundExec>();
    let (place, keys) = if passes {
        (0, Some(keys))
    } else if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let column = |index: usize| projection.expr().get(index).map(|column| Arc::clone(&column.expr));
        (0, replaced(keys, &column)?)
    } else if let Some(condition) = plan.downcast_ref::<FilterExec>() {
        let kept = condition.projection().as_deref();
        let column = |index: usize| {
            column_at(
                kept.map_or(Some(index), |kept| kept.get(index).copied())?,
                plan.children(),
            )
        };
        (0, replaced(keys, &column)?)
    } else if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        // Each row to the right stands for itself in the output of these.
        let before = match join.join_type() {
            JoinType::Inner | JoinType::Right => join.left().schema().fields().len(),
            JoinType::RightSemi | JoinType::RightAnti => 0,
            _ => return Ok(None),
        };
        let kept = join.projection.as_deref();
        let column = |index: usize| {
            let index = kept.map_or(Some(index), |kept| kept.get(index).copied())?;
            column_at(index.checked_sub(before)?, vec![join.right()])
        };
        (1, replaced(keys, &column)?)
    } else {
        return Ok(None);
    };
    let mut children: Vec<Plan> = plan.children().into_iter().cloned().collect();
    let (Some(child), Some(keys)) = (children.get_mut(place), keys) else {
        return Ok(None);
    };
    let Some(new) = attached(child, filter, keys)? else {
        return Ok(None);
    };
    *child = new;
    Ok(Some(replace_children_if_necessary(Arc::clone(plan), children)?))
}

fn column_at(index: usize, children: Vec<&Plan>) -> Option<Physical> {
    let schema = children.first()?.schema();
    let field = schema.fields().get(index)?;
    Some(Arc::new(Column::new(field.name(), index)))
}

/// Keys over the columns of an input; `None` if one is not of that input.
fn replaced(keys: Vec<Physical>, column: &dyn Fn(usize) -> Option<Physical>) -> Result<Option<Vec<Physical>>> {
    let mut found = true;
    let keys = keys
        .into_iter()
        .map(|key| {
            key.transform_down(|part| {
                let Some(old) = part.downcast_ref::<Column>() else {
                    return Ok(Transformed::no(part));
                };
                match column(old.index()) {
                    // What a column is replaced by has columns of the input, which are not to be replaced again.
                    Some(new) => Ok(Transformed::new(
                        new,
                        true,
                        datafusion::common::tree_node::TreeNodeRecursion::Jump,
                    )),
                    None => {
                        found = false;
                        Ok(Transformed::no(part))
                    }
                }
            })
            .data()
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(found.then_some(keys))
}

/// The conditions on the columns `c0`, `c1`, … of a statement that all rows fulfil which can match.
pub(crate) fn conditions(filter: &Physical) -> Vec<Expr> {
    let mut parts = Vec::new();
    split(filter, &mut parts);
    let listed: Vec<Expr> = parts
        .iter()
        .filter_map(|part| match part {
            Expr::InList(list) => Some(Expr::clone(&list.expr)),
            _ => None,
        })
        .collect();
    // Where each key is said, their range says no more.
    parts.retain(|part| match part {
        Expr::BinaryExpr(range) => !listed.contains(&range.left),
        _ => true,
    });
    parts
}

fn split(filter: &Physical, parts: &mut Vec<Expr>) {
    if let Some(dynamic) = filter.downcast_ref::<DynamicFilterPhysicalExpr>() {
        if let Ok(current) = dynamic.current() {
            split(&current, parts);
        }
        return;
    }
    match filter.downcast_ref::<BinaryExpr>() {
        Some(both) if *both.op() == Operator::And => {
            split(both.left(), parts);
            split(both.right(), parts);
        }
        _ => match filter.downcast_ref::<InListExpr>() {
            Some(list) => parts.extend(memberships(list)),
            None => parts.extend(condition(filter)),
        },
    }
}

/// A condition that holds wherever `filter` does; `None` if that is not known of any.
fn condition(filter: &Physical) -> Option<Expr> {
    if let Some(binary) = filter.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::And => conditions(filter).into_iter().reduce(Expr::and),
            Operator::Or => either(vec![condition(binary.left())?, condition(binary.right())?]),
            Operator::GtEq => Some(operand(binary.left())?.gt_eq(end_of_range(binary.right())?)),
            Operator::LtEq => Some(operand(binary.left())?.lt_eq(end_of_range(binary.right())?)),
            _ => None,
        };
    }
    if let Some(list) = filter.downcast_ref::<InListExpr>() {
        return memberships(list).into_iter().reduce(Expr::and);
    }
    if let Some(test) = filter.downcast_ref::<IsNullExpr>() {
        return Some(operand(test.arg())?.is_null());
    }
    if let Some(case) = filter.downcast_ref::<CaseExpr>() {
        // Which branch a row takes is this engine's own hash; it fulfils that of one.
        let branches = case.when_then_expr().iter().map(|(_, then)| then);
        let branches = branches
            .chain(case.else_expr())
            .map(condition)
            .collect::<Option<Vec<_>>>()?;
        return either(branches);
    }
    match filter.downcast_ref::<Literal>()?.value() {
        ScalarValue::Boolean(Some(false)) => Some(lit(false)),
        _ => None,
    }
}

/// One of `branches` holds; lists of one key are one list.
fn either(branches: Vec<Expr>) -> Option<Expr> {
    let mut lists: Vec<(Expr, Vec<Expr>)> = Vec::new();
    let mut others = Vec::new();
    for branch in branches {
        match branch {
            Expr::InList(list) if !list.negated => match lists.iter_mut().find(|(key, _)| *key == *list.expr) {
                Some((_, items)) => items.extend(list.list),
                None => lists.push((*list.expr, list.list)),
            },
            // Of a partition that is empty.
            branch if branch == lit(false) => {}
            branch => others.push(branch),
        }
    }
    if lists.iter().any(|(_, items)| items.len() > JOIN_KEYS_MAX) {
        return None;
    }
    let lists = lists.into_iter().map(|(key, items)| key.in_list(items, false));
    Some(lists.chain(others).reduce(Expr::or).unwrap_or_else(|| lit(false)))
}

/// What `list` says of each key by itself: of several keys together it says more.
fn memberships(list: &InListExpr) -> Vec<Expr> {
    if list.negated() {
        return Vec::new();
    }
    let values = list
        .list()
        .iter()
        .map(|value| Some(value.downcast_ref::<Literal>()?.value()));
    let Some(values) = values.collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    let several = list.expr().downcast_ref::<ScalarFunctionExpr>();
    let Some(keys) = several.filter(|call| call.name() == "struct") else {
        return membership(list.expr(), values.into_iter().cloned())
            .into_iter()
            .collect();
    };
    let of_key = |place: usize| -> Option<Vec<ScalarValue>> {
        let values = values.iter().map(|value| match value {
            ScalarValue::Struct(row) if row.is_null(0) => None,
            ScalarValue::Struct(row) => ScalarValue::try_from_array(row.columns().get(place)?, 0).ok(),
            _ => None,
        });
        values.collect()
    };
    let keys = keys.args().iter().enumerate();
    keys.filter_map(|(place, key)| membership(key, of_key(place)?.into_iter()))
        .collect()
}

/// `key` is one of `values`, of which NULL equals none.
fn membership(key: &Physical, values: impl Iterator<Item = ScalarValue>) -> Option<Expr> {
    let key = operand(key)?;
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    for value in values.filter(|value| !value.is_null()) {
        if seen.insert(value.clone()) {
            items.push(lit(value));
        }
        if items.len() > JOIN_KEYS_MAX {
            return None;
        }
    }
    Some(match items.is_empty() {
        true => lit(false),
        false => key.in_list(items, false),
    })
}

/// A column of the statement, or a cast of one.
fn operand(expression: &Physical) -> Option<Expr> {
    if let Some(column) = expression.downcast_ref::<Column>() {
        return Some(Expr::Column(Name::new_unqualified(format!("c{}", column.index()))));
    }
    let inner = expression.downcast_ref::<CastExpr>()?;
    Some(cast(operand(inner.expr())?, inner.cast_type().clone()))
}

/// The end of a range. Not of text, whose order may be another there by a column's collation, nor of floats.
fn end_of_range(expression: &Physical) -> Option<Expr> {
    let value = expression.downcast_ref::<Literal>()?.value();
    let data_type = value.data_type();
    let ordered = data_type.is_integer()
        || data_type.is_decimal()
        || matches!(
            data_type,
            datafusion::arrow::datatypes::DataType::Date32 | datafusion::arrow::datatypes::DataType::Timestamp(..)
        );
    (ordered && !value.is_null()).then(|| lit(value.clone()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_expr::expressions::{col, in_list, is_null};

    use super::*;

    fn schema() -> Schema {
        Schema::new(vec![
            Field::new("a", DataType::Int64, true),
            Field::new("b", DataType::Utf8, true),
            Field::new("f", DataType::Float64, true),
        ])
    }

    fn column(name: &str) -> Physical {
        col(name, &schema()).unwrap()
    }

    fn binary(left: Physical, operator: Operator, right: Physical) -> Physical {
        Arc::new(BinaryExpr::new(left, operator, right))
    }

    fn among(name: &str, values: Vec<Physical>) -> Physical {
        in_list(column(name), values, &false, &schema()).unwrap()
    }

    fn told(filter: Physical) -> Vec<String> {
        conditions(&filter).into_iter().map(|part| part.to_string()).collect()
    }

    fn range(name: &str, low: ScalarValue, high: ScalarValue) -> Physical {
        binary(
            binary(column(name), Operator::GtEq, value(low)),
            Operator::And,
            binary(column(name), Operator::LtEq, value(high)),
        )
    }

    #[test]
    fn keys_are_said_once_and_instead_of_their_range() {
        let keys = vec![
            value(3_i64),
            value(1_i64),
            value(3_i64),
            value(ScalarValue::Int64(None)),
        ];
        let both = binary(range("a", 1_i64.into(), 3_i64.into()), Operator::And, among("a", keys));
        assert_eq!(told(both), ["c0 IN ([Int64(3), Int64(1)])"]);
        assert_eq!(
            told(range("a", 1_i64.into(), 3_i64.into())),
            ["c0 >= Int64(1)", "c0 <= Int64(3)"]
        );
        let none = among("a", vec![value(ScalarValue::Int64(None))]);
        assert_eq!(told(none), ["Boolean(false)"]);
        assert_eq!(told(value(false)), ["Boolean(false)"]);
        assert!(told(value(true)).is_empty());
    }

    #[test]
    fn what_may_be_ordered_in_another_way_has_no_range() {
        assert!(told(range("b", "a".into(), "b".into())).is_empty());
        assert!(told(range("f", 1.0.into(), f64::NAN.into())).is_empty());
        assert!(told(range("a", ScalarValue::Int64(None), ScalarValue::Int64(None))).is_empty());
    }

    #[test]
    fn what_is_not_known_lets_all_rows_through() {
        let unknown = binary(column("a"), Operator::Plus, value(1_i64));
        let known = among("a", vec![value(1_i64)]);
        let or = |left: &Physical, right: &Physical| binary(Arc::clone(left), Operator::Or, Arc::clone(right));
        assert!(told(or(&unknown, &known)).is_empty());
        assert!(told(or(&known, &unknown)).is_empty());
        let and = binary(Arc::clone(&unknown), Operator::And, Arc::clone(&known));
        assert_eq!(told(or(&and, &known)).len(), 1);
        let negated = in_list(column("a"), vec![value(1_i64)], &true, &schema()).unwrap();
        assert!(told(negated).is_empty());
        let many = (0..=JOIN_KEYS_MAX as i64).map(value).collect();
        assert!(told(among("a", many)).is_empty());
        let kept = or(&known, &is_null(column("a")).unwrap());
        assert_eq!(told(kept), ["c0 IN ([Int64(1)]) OR c0 IS NULL"]);
    }

    /// Which partition's keys a row is looked up in goes by a hash that no other system has.
    #[test]
    fn keys_of_several_partitions_are_joined() {
        let branch = |key: i64| among("a", vec![value(key)]);
        let hash = binary(column("a"), Operator::Modulo, value(2_i64));
        let cases = vec![(value(0_i64), branch(1))];
        let case = |otherwise| Arc::new(CaseExpr::try_new(Some(Arc::clone(&hash)), cases.clone(), otherwise).unwrap());
        let both: Physical = case(Some(branch(2)));
        assert_eq!(told(both), ["c0 IN ([Int64(1), Int64(2)])"]);
        let empty: Physical = case(Some(value(false)));
        assert_eq!(told(empty), ["c0 IN ([Int64(1)])"]);
        let unknown: Physical = case(Some(value(true)));
        assert!(told(unknown).is_empty());
    }

    #[test]
    fn columns_are_followed_by_their_place() {
        let filter = Arc::new(DynamicFilterPhysicalExpr::new(vec![column("a")], value(true)));
        filter.update(among("a", vec![value(7_i64)])).unwrap();
        let other: Physical = Arc::new(Column::new("b", 5));
        let moved = (Arc::clone(&filter) as Physical)
            .with_new_children(vec![other])
            .unwrap();
        assert_eq!(told(moved), ["c5 IN ([Int64(7)])"]);
    }
}
