//! Operators that PostgreSQL types otherwise than DataFusion: a date and an interval are a timestamp, a quotient of
//! `numeric` has sixteen digits, an interval can be multiplied, and a text literal is of the type of the other side.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use contract::{DataException, Error};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, cast};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::intervals::{self, INTERVAL};
use super::moment_text::{date_text, interval_text, timestamp_text};
use super::quotients::{as_decimal, divide};

/// Plans arithmetic as PostgreSQL types it: register it in the state that all sessions share.
pub fn operators() -> Arc<dyn ExprPlanner> {
    Arc::new(Operators {
        divide: divide(),
        interval_multiply: intervals::scaled(false),
        interval_divide: intervals::scaled(true),
    })
}

#[derive(Debug)]
struct Operators {
    divide: Arc<ScalarUDF>,
    interval_multiply: Arc<ScalarUDF>,
    interval_divide: Arc<ScalarUDF>,
}

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match raw.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            _ => return Ok(PlannerResult::Original(raw)),
        };
        // Whole numbers are by far the most, and DataFusion plans them; a long chain of them is not asked for its type
        // again at each link.
        if is_whole(&raw.left) && is_whole(&raw.right) {
            return Ok(PlannerResult::Original(raw));
        }
        let RawBinaryExpr { op: sign, left, right } = raw;
        let (left, right) = match (unknown_text(&left), unknown_text(&right)) {
            (Some(text), None) => match typed(text, op, &right, schema, false)? {
                Some(value) => (value, right),
                None => (left, right),
            },
            (None, Some(text)) => match typed(text, op, &left, schema, true)? {
                Some(value) => (left, value),
                None => (left, right),
            },
            _ => (left, right),
        };
        let (Ok(left_type), Ok(right_type)) = (left.get_type(schema), right.get_type(schema)) else {
            return Ok(PlannerResult::Original(RawBinaryExpr { op: sign, left, right }));
        };
        Ok(match self.planned(op, (left, left_type), (right, right_type))? {
            Planned::Done(expr) => PlannerResult::Planned(expr),
            Planned::Not(left, right) => PlannerResult::Original(RawBinaryExpr { op: sign, left, right }),
        })
    }
}

enum Planned {
    Done(Expr),
    Not(Expr, Expr),
}

impl Operators {
    fn planned(&self, op: Operator, left: (Expr, DataType), right: (Expr, DataType)) -> Result<Planned> {
        use DataType::{Date32, Interval};
        let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
        let span = |data_type: &DataType| matches!(data_type, Interval(_) | DataType::Duration(_));
        let call = |function: &Arc<ScalarUDF>, arguments| {
            Planned::Done(Expr::ScalarFunction(ScalarFunction::new_udf(
                Arc::clone(function),
                arguments,
            )))
        };
        let ((left, left_type), (right, right_type)) = (left, right);
        Ok(match (op, &left_type, &right_type) {
            (Operator::Plus | Operator::Minus, Date32, Interval(_)) => {
                Planned::Done(folded(binary(cast(left, moment), op, right)))
            }
            (Operator::Plus, Interval(_), Date32) => Planned::Done(folded(binary(cast(right, moment), op, left))),
            (Operator::Multiply, one, number) if span(one) && number.is_numeric() => {
                call(&self.interval_multiply, vec![left, right])
            }
            (Operator::Multiply, number, one) if span(one) && number.is_numeric() => {
                call(&self.interval_multiply, vec![right, left])
            }
            (Operator::Divide, one, number) if span(one) && number.is_numeric() => {
                call(&self.interval_divide, vec![left, right])
            }
            (Operator::Divide, one, other)
                if (one.is_decimal() || other.is_decimal()) && as_decimal(one).and(as_decimal(other)).is_some() =>
            {
                call(&self.divide, vec![left, right])
            }
            _ => Planned::Not(left, right),
        })
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// A whole number, or arithmetic of such.
fn is_whole(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(value, _) => matches!(value, ScalarValue::Int64(_) | ScalarValue::Int32(_)),
        Expr::BinaryExpr(binary) => {
            matches!(
                binary.op,
                Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Modulo
            ) && matches!(*binary.right, Expr::Literal(ScalarValue::Int64(_), _))
                && is_whole(&binary.left)
        }
        _ => false,
    }
}

fn unknown_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// The text as a value of the type that the operator asks for beside `other`.
fn typed(text: &str, op: Operator, other: &Expr, schema: &DFSchema, is_right: bool) -> Result<Option<Expr>> {
    let Ok(data_type) = other.get_type(schema) else {
        return Ok(None);
    };
    let wanted = match (&data_type, op) {
        (DataType::Interval(_) | DataType::Duration(_), Operator::Multiply | Operator::Divide) => DataType::Float64,
        (DataType::Interval(_) | DataType::Duration(_), _) => INTERVAL,
        (DataType::Timestamp(..), Operator::Plus) => INTERVAL,
        (DataType::Timestamp(..) | DataType::Date32, Operator::Minus) if is_right => data_type.clone(),
        (one, _) if one.is_numeric() => data_type.clone(),
        _ => return Ok(None),
    };
    literal(text, &wanted)
}

/// A text literal as a value of a number's or a moment's type; `None` for other types.
///
/// # Errors
/// `InvalidTextRepresentation` and its kin for a text that is no value of the type.
fn literal(text: &str, data_type: &DataType) -> Result<Option<Expr>> {
    let invalid = |name: &str| {
        Error::data(
            DataException::InvalidTextRepresentation,
            format!("invalid input syntax for type {name}: \"{text}\""),
        )
    };
    let trimmed = text.trim();
    let given = |text: String| Expr::Literal(ScalarValue::Utf8(Some(text)), None);
    Ok(Some(match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let name = match data_type {
                DataType::Int64 => "bigint",
                DataType::Int32 => "integer",
                _ => "smallint",
            };
            let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
            if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                return Err(invalid(name).into());
            }
            let value = trimmed.parse::<i64>().ok().map(|value| ScalarValue::Int64(Some(value)));
            let value = value.and_then(|value| value.cast_to(data_type).ok()).ok_or_else(|| {
                Error::data(
                    DataException::NumericValueOutOfRange,
                    format!("value \"{text}\" is out of range for type {name}"),
                )
            })?;
            Expr::Literal(value, None)
        }
        DataType::Float32 | DataType::Float64 => {
            let value: f64 = trimmed.parse().map_err(|_| invalid("double precision"))?;
            Expr::Literal(ScalarValue::Float64(Some(value)).cast_to(data_type)?, None)
        }
        decimal if decimal.is_decimal() => {
            let (precision, scale) = numeric_shape(trimmed).ok_or_else(|| invalid("numeric"))?;
            cast(given(trimmed.to_owned()), DataType::Decimal128(precision, scale))
        }
        DataType::Interval(_) => cast(given(interval_text(text).unwrap_or_else(|| text.to_owned())), INTERVAL),
        DataType::Timestamp(_, zone) => {
            let text = timestamp_text(text, zone.is_some())?.unwrap_or_else(|| text.to_owned());
            cast(given(text), data_type.clone())
        }
        DataType::Date32 => cast(
            given(date_text(text)?.unwrap_or_else(|| text.to_owned())),
            DataType::Date32,
        ),
        _ => return Ok(None),
    }))
}

/// Precision and scale of a number that is written without an exponent; `None` if it is none, or too long.
pub(crate) fn numeric_shape(text: &str) -> Option<(u8, i8)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole = whole
        .trim_start_matches('0')
        .len()
        .max(usize::from(fraction.is_empty()));
    let precision = u8::try_from((whole + fraction.len()).max(1))
        .ok()
        .filter(|precision| *precision <= 38)?;
    Some((precision, i8::try_from(fraction.len()).ok()?))
}

/// The value of an expression of constants, so that what it is compared with can be looked up by it.
pub(crate) fn folded(expr: Expr) -> Expr {
    let constant = !expr
        .exists(|part| {
            Ok(!matches!(
                part,
                Expr::Literal(..) | Expr::Cast(_) | Expr::BinaryExpr(_) | Expr::Negative(_)
            ))
        })
        .unwrap_or(true);
    if !constant {
        return expr;
    }
    let simplifier = ExprSimplifier::new(SimplifyContext::builder().build());
    let simplified = simplifier
        .coerce(expr.clone(), &DFSchema::empty())
        .and_then(|coerced| simplifier.simplify(coerced));
    match simplified {
        Ok(value @ Expr::Literal(..)) => value,
        // What cannot be evaluated fails when it is asked for.
        _ => expr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_numbers() {
        for (text, shape) in [
            ("2.5", Some((2, 1))),
            ("-0.10", Some((2, 2))),
            ("100", Some((3, 0))),
            ("0", Some((1, 0))),
            ("1.", Some((1, 0))),
            (".5", Some((1, 1))),
            ("1e3", None),
            ("", None),
            (".", None),
            ("1.2.3", None),
        ] {
            assert_eq!(numeric_shape(text), shape, "{text}");
        }
    }

    #[test]
    fn a_date_and_an_interval_of_constants_are_a_timestamp() {
        let date = cast(Expr::Literal("2024-01-31".into(), None), DataType::Date32);
        let month = Expr::Literal(ScalarValue::new_interval_mdn(1, 0, 0), None);
        let sum = folded(binary(
            cast(date, DataType::Timestamp(TimeUnit::Microsecond, None)),
            Operator::Plus,
            month,
        ));
        let february = Some(1_709_164_800_000_000);
        assert_eq!(
            sum,
            Expr::Literal(ScalarValue::TimestampMicrosecond(february, None), None)
        );
    }
}
