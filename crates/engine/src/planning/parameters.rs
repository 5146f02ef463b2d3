//! Types of `$1`, `$2` …: declared by the client, written as a cast, or taken from where the parameter stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, InList};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, Expr, LogicalPlan, Operator};
use postgres_dialect::{PG_TYPE_METADATA, is_comparison};

/// More parameters than the protocol can carry are refused.
const PARAMETERS_MAX: usize = 65_535;

/// Digits behind the point of a `numeric` parameter that is only compared, and of one that is computed with. PostgreSQL
/// takes as many as the value has; the scale of what the parameter is compared with would round it.
const COMPARED_SCALE: i8 = 18;
const COMPUTED_SCALE: i8 = 10;
const PRECISION_MAX: u8 = 38;

/// What is known of each parameter, `$1` first.
pub(crate) type KnownTypes = Vec<Option<FieldRef>>;

/// A parameter's field of that type.
pub(crate) fn parameter_field(number: usize, data_type: DataType) -> FieldRef {
    // Nothing but an oid is unsigned.
    let name = match &data_type {
        DataType::UInt32 => Some("oid"),
        DataType::List(item) if item.data_type() == &DataType::UInt32 => Some("_oid"),
        _ => None,
    };
    let field = Arc::new(Field::new(format!("${number}"), data_type, true));
    match name {
        Some(name) => marked(&field, name),
        None => field,
    }
}

/// The field with the name of the PostgreSQL type that a client is told.
fn marked(field: &Field, name: &str) -> FieldRef {
    Arc::new(
        field
            .clone()
            .with_metadata([(PG_TYPE_METADATA.to_owned(), name.to_owned())].into()),
    )
}

/// What a parameter is that is cast by that function.
fn told_type(function: &str) -> Option<(DataType, &'static str)> {
    Some(match function {
        "lakegate_uuid" => (DataType::Utf8, "uuid"),
        "lakegate_json" => (DataType::Utf8, "json"),
        "lakegate_jsonb" => (DataType::Utf8, "jsonb"),
        "lakegate_oid" => (DataType::UInt32, "oid"),
        _ => return None,
    })
}

/// Completes `declared` by what the bound `plan` says; what stays unknown is text, as in PostgreSQL.
///
/// # Errors
/// `LimitExceeded` for a number beyond the protocol's, `Syntax` for a name that is no number.
pub(crate) fn infer(plan: &LogicalPlan, declared: &[Option<DataType>]) -> Result<Vec<FieldRef>> {
    let mut found: BTreeMap<usize, Option<DataType>> = BTreeMap::new();
    for (index, data_type) in declared.iter().enumerate() {
        found.insert(index + 1, data_type.clone());
    }
    let mut told = BTreeMap::new();
    let mut cast = BTreeSet::new();
    let mut computed = BTreeSet::new();
    let mut failure = None;
    walk(plan, &mut |expr| {
        let (id, data_type) = match expr {
            Expr::Cast(to) => match &*to.expr {
                Expr::Placeholder(placeholder) => {
                    cast.extend(number(&placeholder.id).ok());
                    (&placeholder.id, Some(to.field.data_type().clone()))
                }
                _ => return,
            },
            Expr::BinaryExpr(binary) if !is_comparison(binary.op) => {
                computed.extend(
                    [&*binary.left, &*binary.right]
                        .into_iter()
                        .filter_map(placeholder_number),
                );
                return;
            }
            // Casts to types that only PostgreSQL has are functions by now.
            Expr::ScalarFunction(function) => match (function.args.as_slice(), told_type(function.name())) {
                ([Expr::Placeholder(placeholder)], Some((data_type, name))) => {
                    if let Ok(number) = number(&placeholder.id) {
                        told.entry(number).or_insert(name);
                    }
                    (&placeholder.id, Some(data_type))
                }
                _ => return,
            },
            Expr::Placeholder(placeholder) => (
                &placeholder.id,
                placeholder.field.as_ref().map(|field| field.data_type().clone()),
            ),
            _ => return,
        };
        match number(id) {
            Ok(number) => {
                let known = found.entry(number).or_insert(None);
                if known.is_none() {
                    *known = data_type.filter(|data_type| *data_type != DataType::Null);
                }
            }
            Err(error) => failure = Some(error),
        }
    })?;
    if let Some(error) = failure {
        return Err(error);
    }
    let inferred = plan.get_parameter_fields().unwrap_or_default();
    let count = found.keys().next_back().copied().unwrap_or(0);
    let fields = (1..=count).map(|number| {
        let known = found.get(&number).cloned().flatten();
        let known = known.or_else(|| {
            let field = inferred.get(&format!("${number}")).cloned().flatten()?;
            Some(field.data_type().clone()).filter(|data_type| *data_type != DataType::Null)
        });
        let is_given = cast.contains(&number) || declared.get(number - 1).is_some_and(Option::is_some);
        let known = known.map(|known| match is_given {
            true => known,
            false => with_digits(
                known,
                if computed.contains(&number) {
                    COMPUTED_SCALE
                } else {
                    COMPARED_SCALE
                },
            ),
        });
        let limit = || is_row_count(plan, number).then_some(DataType::Int64);
        let field = parameter_field(number, plain(known.or_else(limit).unwrap_or(DataType::Utf8)));
        match told.get(&number) {
            Some(name) if declared.get(number - 1).is_none_or(Option::is_none) => marked(&field, name),
            _ => field,
        }
    });
    Ok(fields.collect())
}

/// A `numeric` with at least so many digits behind the point, as far as those in front of it leave room.
fn with_digits(data_type: DataType, digits: i8) -> DataType {
    let (DataType::Decimal32(precision, scale)
    | DataType::Decimal64(precision, scale)
    | DataType::Decimal128(precision, scale)) = data_type
    else {
        return data_type;
    };
    let whole = i16::from(precision) - i16::from(scale);
    let room = i8::try_from(i16::from(PRECISION_MAX) - whole).unwrap_or(scale);
    DataType::Decimal128(PRECISION_MAX, scale.max(digits.min(room)))
}

fn placeholder_number(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Placeholder(placeholder) => number(&placeholder.id).ok(),
        _ => None,
    }
}

/// Whether the values of the parameters tell the optimizer more than it knew when it made this plan: a condition that it
/// could bring to no scan because of a parameter, or that hides the bare column which files are chosen by.
///
/// # Errors
/// Only if the plan is not well formed.
pub(crate) fn gain_from_values(plan: &LogicalPlan) -> Result<bool> {
    let mut at_scans = BTreeSet::new();
    let mut above = BTreeSet::new();
    let mut gain = false;
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::TableScan(scan) => {
                for condition in scan.filters.iter().flat_map(split_conjunction) {
                    if has_parameter(condition)? {
                        gain |= !is_plain_condition(condition);
                        at_scans.insert(unqualified(condition)?);
                    }
                }
            }
            LogicalPlan::Filter(filter) => {
                for condition in split_conjunction(&filter.predicate) {
                    if has_parameter(condition)? {
                        gain |= !is_plain_condition(condition);
                        above.insert(unqualified(condition)?);
                    }
                }
            }
            LogicalPlan::Join(join) => {
                for condition in join
                    .filter
                    .iter()
                    .chain(join.on.iter().flat_map(|(left, right)| [left, right]))
                {
                    gain |= has_parameter(condition)?;
                }
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(gain || !above.is_subset(&at_scans))
}

fn has_parameter(expr: &Expr) -> datafusion::common::Result<bool> {
    expr.exists(|part| Ok(matches!(part, Expr::Placeholder(_))))
}

/// Whether a condition compares a column with parameters and constants, and does nothing else.
fn is_plain_condition(expr: &Expr) -> bool {
    let is_value = |expr: &Expr| matches!(expr, Expr::Placeholder(_) | Expr::Literal(..));
    let is_column = |expr: &Expr| matches!(expr, Expr::Column(_));
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            is_column(left) && is_value(right) || is_value(left) && is_column(right)
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And | Operator::Or,
            right,
        }) => is_plain_condition(left) && is_plain_condition(right),
        Expr::Between(Between { expr, low, high, .. }) => is_column(expr) && is_value(low) && is_value(high),
        Expr::InList(InList { expr, list, .. }) => is_column(expr) && list.iter().all(is_value),
        _ => false,
    }
}

/// A condition as text in which columns go by their names alone, as they do at a scan.
fn unqualified(condition: &Expr) -> datafusion::common::Result<String> {
    let condition = condition.clone().transform(|expr| {
        Ok(match expr {
            Expr::Column(column) => Transformed::yes(Expr::Column(Column::new_unqualified(column.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(condition.data.to_string())
}

/// Parameters arrive as plain values: no dictionary, no view.
fn plain(data_type: DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => plain(*value),
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        other => other,
    }
}

fn number(id: &str) -> Result<usize> {
    match id.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok()) {
        Some(number) if (1..=PARAMETERS_MAX).contains(&number) => Ok(number),
        Some(_) => Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("there is no parameter {id}"),
        )),
        None => Err(
            Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{id}\""))
                .with_hint("Parameters are written $1, $2 and so on."),
        ),
    }
}

fn walk(plan: &LogicalPlan, visit: &mut dyn FnMut(&Expr)) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                visit(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

fn is_row_count(plan: &LogicalPlan, number: usize) -> bool {
    let id = format!("${number}");
    let mut found = false;
    let is_it = |expr: &Option<Box<Expr>>| matches!(expr.as_deref(), Some(Expr::Placeholder(one)) if one.id == id);
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            found |= is_it(&limit.fetch) || is_it(&limit.skip);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.is_ok() && found
}

/// Casts each value to its parameter's type.
///
/// # Errors
/// `ProtocolViolation` if the number of values is wrong, `CannotCoerce` or a data exception if a value does not fit.
pub(crate) fn convert(values: Vec<ScalarValue>, fields: &[FieldRef]) -> Result<Vec<ScalarValue>> {
    if values.len() != fields.len() {
        return Err(Error::new(
            ErrorKind::ProtocolViolation,
            format!(
                "bind message supplies {} parameters, but the statement requires {}",
                values.len(),
                fields.len()
            ),
        ));
    }
    let cast = |(value, field): (ScalarValue, &FieldRef)| match value.data_type() == *field.data_type() {
        true => Ok(value),
        false => value.cast_to(field.data_type()).map_err(Error::from),
    };
    values.into_iter().zip(fields).map(cast).collect()
}
