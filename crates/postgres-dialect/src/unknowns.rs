//! Text literals and parameters whose type PostgreSQL takes from the other side: `flag = 't'`, `list = '{1,2}'`,
//! `x = ANY ($1)`; and what else is settled once types are known: casts to `numeric`, dates beside timestamps.

use std::sync::Arc;

use arrow_schema::{DataType, Field, TimeUnit};
use contract::{DataException, Error};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Placeholder, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, Expr, ExprSchemable, LogicalPlan, Operator};

use crate::catalog::rows::{Cell, elements};
use crate::functions::{self, NUMERIC, numeric_cast};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Gives literals and parameters the type of what they are compared with, where DataFusion would not: Booleans and
/// arrays. To be called on the bound plan, before parameter types are asked for.
///
/// # Errors
/// `InvalidTextRepresentation` for a text that is no value of the type.
pub fn resolve_unknowns(plan: LogicalPlan) -> Result<LogicalPlan> {
    let resolved = plan.transform_up_with_subqueries(|node| {
        let inputs = node.inputs();
        let schema = if inputs.is_empty() {
            node.schema().as_ref().clone()
        } else {
            merge_schema(&inputs)
        };
        let names = NamePreserver::new(&node);
        let changed = node.map_expressions(|expr| {
            let saved = names.save(&expr);
            Ok(expr
                .transform_up(|expr| resolve(expr, &schema))?
                .update_data(|expr| saved.restore(expr)))
        })?;
        if changed.transformed {
            changed.map_data(LogicalPlan::recompute_schema)
        } else {
            Ok(changed)
        }
    })?;
    Ok(resolved.data)
}

fn resolve(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(op) => {
            if let Some(value) = typed(&right, &left, schema)? {
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                    left,
                    op,
                    right: Box::new(value),
                })));
            }
            if let Some(value) = typed(&left, &right, schema)? {
                return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                    left: Box::new(value),
                    op,
                    right,
                })));
            }
            Ok(by_day(BinaryExpr { left, op, right }, schema))
        }
        Expr::Between(Between {
            expr,
            negated,
            low,
            high,
        }) => {
            let bound = |bound: Box<Expr>, op| -> Result<(bool, Box<Expr>)> {
                if let Some(value) = typed(&bound, &expr, schema)? {
                    return Ok((true, Box::new(value)));
                }
                Ok(match day_bound(&expr, op, &bound, schema) {
                    Some(day) => (true, Box::new(day)),
                    None => (false, bound),
                })
            };
            let ((low_changed, low), (high_changed, high)) =
                (bound(low, Operator::GtEq)?, bound(high, Operator::LtEq)?);
            let between = Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            });
            Ok(if low_changed || high_changed {
                Transformed::yes(between)
            } else {
                Transformed::no(between)
            })
        }
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.name() == NUMERIC && args.len() == 1 => {
            let Some(argument) = args.pop() else {
                return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })));
            };
            let from = argument.get_type(schema).ok();
            Ok(Transformed::yes(numeric_cast(argument, from.as_ref())))
        }
        Expr::ScalarFunction(function) if function.func.name() == "array_has" => {
            let ScalarFunction { func, mut args } = function;
            let mut changed = false;
            if let [
                Expr::Placeholder(Placeholder {
                    field: field @ None, ..
                }),
                element,
            ] = args.as_mut_slice()
                && let Ok(element) = element.get_type(schema)
                && !element.is_null()
            {
                let item = Field::new_list_field(element, true);
                *field = Some(Arc::new(Field::new("parameter", DataType::List(Arc::new(item)), true)));
                changed = true;
            }
            let expr = Expr::ScalarFunction(ScalarFunction { func, args });
            Ok(if changed {
                Transformed::yes(expr)
            } else {
                Transformed::no(expr)
            })
        }
        Expr::Case(mut case) => {
            let branches = || case.when_then_expr.iter().map(|(_, then)| then).chain(&case.else_expr);
            let list = branches().find_map(|branch| {
                branch
                    .get_type(schema)
                    .ok()
                    .filter(|kind| matches!(kind, DataType::List(_)))
            });
            let Some(list) = list else {
                return Ok(Transformed::no(Expr::Case(case)));
            };
            let mut changed = false;
            for branch in case
                .when_then_expr
                .iter_mut()
                .map(|(_, then)| then)
                .chain(&mut case.else_expr)
            {
                if let Some(value) = as_type(branch, &list)? {
                    **branch = value;
                    changed = true;
                }
            }
            Ok(if changed {
                Transformed::yes(Expr::Case(case))
            } else {
                Transformed::no(Expr::Case(case))
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

/// A comparison of a date with a constant timestamp, as one with a day: files are chosen by a bare column.
fn by_day(comparison: BinaryExpr, schema: &DFSchema) -> Transformed<Expr> {
    let BinaryExpr { left, op, right } = comparison;
    if let Some(day) = day_bound(&left, op, &right, schema) {
        return Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(left, op, Box::new(day))));
    }
    if let Some(swapped) = op.swap()
        && let Some(day) = day_bound(&right, swapped, &left, schema)
    {
        return Transformed::yes(Expr::BinaryExpr(BinaryExpr::new(right, swapped, Box::new(day))));
    }
    Transformed::no(Expr::BinaryExpr(BinaryExpr::new(left, op, right)))
}

/// The day that stands for `moment` in `date op moment`.
fn day_bound(date: &Expr, op: Operator, moment: &Expr, schema: &DFSchema) -> Option<Expr> {
    if date.get_type(schema).ok()? != DataType::Date32 {
        return None;
    }
    let micros = constant_moment(moment)?;
    let day = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    let midnight = micros.rem_euclid(MICROS_PER_DAY) == 0;
    let day = match op {
        Operator::LtEq | Operator::Gt => day,
        // Days begin at midnight: before a later time of a day is before the next day, and not before it is from then on.
        Operator::Lt | Operator::GtEq if !midnight => day.checked_add(1)?,
        _ if midnight => day,
        _ => return None,
    };
    Some(Expr::Literal(ScalarValue::Date32(Some(day)), None))
}

/// The moment that a constant expression is: a timestamp, or one in UTC, where days begin at the same moment.
fn constant_moment(moment: &Expr) -> Option<i64> {
    let folded;
    let moment = match moment {
        Expr::Literal(..) => moment,
        Expr::Cast(_) | Expr::BinaryExpr(_) => {
            folded = functions::folded(moment.clone());
            &folded
        }
        _ => return None,
    };
    match moment {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), None), _) => Some(*micros),
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), Some(zone)), _) if is_utc(zone) => Some(*micros),
        _ => None,
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "+00:00" | "GMT")
}

/// Whether an operator compares two values, nulls included.
pub fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// `literal` as a value of the other side's type, if it is a text and the type one of ours.
fn typed(literal: &Expr, other: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    if !matches!(literal, Expr::Literal(..)) || matches!(other, Expr::Literal(..)) {
        return Ok(None);
    }
    match other.get_type(schema) {
        Ok(data_type) => as_type(literal, &data_type),
        Err(_) => Ok(None),
    }
}

fn as_type(literal: &Expr, data_type: &DataType) -> Result<Option<Expr>> {
    let Expr::Literal(value, _) = literal else {
        return Ok(None);
    };
    let Some(Some(text)) = value.try_as_str() else {
        return Ok(None);
    };
    let invalid = |name: &str| {
        Error::data(
            DataException::InvalidTextRepresentation,
            format!("invalid input syntax for type {name}: \"{text}\""),
        )
    };
    Ok(match data_type {
        DataType::Boolean => {
            let value = boolean(text).ok_or_else(|| invalid("boolean"))?;
            Some(Expr::Literal(ScalarValue::Boolean(Some(value)), None))
        }
        DataType::Date32 => match functions::date(text)? {
            Some(day) => Some(Expr::Literal(ScalarValue::Date32(Some(day)), None)),
            None => date_with_zone(text).map(|date| Expr::Literal(ScalarValue::Utf8(Some(date.to_owned())), None)),
        },
        DataType::Timestamp(TimeUnit::Microsecond, zone) => functions::timestamp_text(text, zone.is_some())?
            .map(|text| Expr::Literal(ScalarValue::Utf8(Some(text)), None)),
        DataType::List(item) => {
            let trimmed = text.trim();
            if !trimmed.starts_with('{') || !trimmed.ends_with('}') {
                return Err(Error::data(
                    DataException::InvalidTextRepresentation,
                    format!("malformed array literal: \"{text}\""),
                )
                .into());
            }
            let values = elements(trimmed)
                .into_iter()
                .map(|cell| match cell {
                    Cell::Text(text) => ScalarValue::Utf8(Some(text)).cast_to(item.data_type()),
                    _ => ScalarValue::try_from(item.data_type()),
                })
                .collect::<Result<Vec<_>>>()?;
            let array = ScalarValue::new_list(&values, item.data_type(), true);
            // Not only the elements' type counts, but what else their field says.
            Some(Expr::Literal(ScalarValue::List(array).cast_to(data_type)?, None))
        }
        _ => None,
    })
}

/// The date of a text like `1970-01-01 +00`, as pgjdbc writes dates: the zone has no meaning.
fn date_with_zone(text: &str) -> Option<&str> {
    let (date, zone) = text.trim().split_once(' ')?;
    let digits = zone.trim_start().strip_prefix(['+', '-'])?;
    let is_zone = !digits.is_empty() && digits.chars().all(|sign| sign.is_ascii_digit() || sign == ':');
    let is_date = date.len() >= 10 && date.chars().all(|sign| sign.is_ascii_digit() || sign == '-');
    (is_zone && is_date).then_some(date)
}

/// PostgreSQL's spellings of true and false: any beginning that fits one only.
fn boolean(text: &str) -> Option<bool> {
    let lower = text.trim().to_ascii_lowercase();
    let begins = |word: &str, least: usize| lower.len() >= least && word.starts_with(&lower);
    if begins("true", 1) || begins("yes", 1) || lower == "on" || lower == "1" {
        return Some(true);
    }
    (begins("false", 1) || begins("no", 1) || begins("off", 2) || lower == "0").then_some(false)
}
