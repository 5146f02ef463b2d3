//! Arithmetic whose result has the same type and value there.
//!
//! Floating point is left out: what becomes infinite raises here and not there. So is the sign before an integer,
//! which raises there and not here.

use std::cmp::max;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, Operator};

use super::data_type::{DECIMAL_DIGITS_MAX, SparkType};
use super::expression::ExpressionWriter;
use super::{NotWritten, dates};
use crate::RemoteStatement;

/// Digits behind the point that Spark keeps where a result would have too many in all.
const SCALE_KEPT: u8 = 6;

/// Writes an operator that is still one: of decimals, of dates, quotients and bits of integers.
pub(super) fn write_operator(
    writer: &mut ExpressionWriter<'_>,
    left: &Expr,
    operator: Operator,
    right: &Expr,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    if let (Operator::Plus | Operator::Minus, Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(by)), _)) =
        (operator, right)
    {
        return dates::write_shift(writer, left, operator, *by, out);
    }
    let (mut left_sql, mut right_sql) = (RemoteStatement::new(), RemoteStatement::new());
    let left_type = writer.write(left, &mut left_sql)?;
    let right_type = writer.write(right, &mut right_sql)?;
    let unlisted = || {
        NotWritten::because(format!(
            "{operator} between {} and {}",
            left_type.word(),
            right_type.word()
        ))
    };
    match (&left_type, operator, &right_type) {
        (SparkType::Decimal(..), Operator::Plus | Operator::Minus | Operator::Multiply, SparkType::Decimal(..)) => {
            let (result, can_overflow) = decimal_result(&left_type, operator, &right_type).ok_or_else(unlisted)?;
            if can_overflow {
                writer.can_fail("arithmetic that can overflow")?;
            }
            infix(out, left_sql, &operator.to_string(), right_sql);
            Ok(result)
        }
        (_, Operator::Divide, _) if left_type.is_integer() && left_type == right_type => {
            if !is_harmless_divisor(right) {
                writer.can_fail("a division")?;
            }
            let spelling = left_type.spelling().ok_or_else(unlisted)?;
            out.push("CAST(");
            infix(out, left_sql, "div", right_sql);
            out.push(&format!(" AS {spelling})"));
            Ok(left_type)
        }
        (_, Operator::Modulo, _) if left_type.is_integer() && left_type == right_type && is_harmless_divisor(right) => {
            infix(out, left_sql, "%", right_sql);
            Ok(left_type)
        }
        (SparkType::Date, Operator::Minus, SparkType::Date) => Ok(dates::write_difference(left_sql, right_sql, out)),
        (_, Operator::BitwiseAnd | Operator::BitwiseOr | Operator::BitwiseXor, _)
            if left_type.is_integer() && left_type == right_type =>
        {
            let sign = match operator {
                Operator::BitwiseAnd => "&",
                Operator::BitwiseOr => "|",
                _ => "^",
            };
            infix(out, left_sql, sign, right_sql);
            Ok(left_type)
        }
        _ => Err(unlisted()),
    }
}

/// Writes `+`, `-` or `*` of integers, which raise beyond their type on both sides.
pub(super) fn write_checked(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    operator: &str,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    let [left, right] = arguments else {
        return Err(NotWritten::because("arithmetic of another number of operands"));
    };
    let (mut left_sql, mut right_sql) = (RemoteStatement::new(), RemoteStatement::new());
    let left_type = writer.write(left, &mut left_sql)?;
    let right_type = writer.write(right, &mut right_sql)?;
    if !left_type.is_integer() || left_type != right_type {
        return Err(NotWritten::because(format!("{operator} of {}", left_type.word())));
    }
    infix(out, left_sql, operator, right_sql);
    Ok(left_type)
}

fn infix(out: &mut RemoteStatement, left: RemoteStatement, operator: &str, right: RemoteStatement) {
    out.push("(");
    out.append(left);
    out.push(&format!(" {operator} "));
    out.append(right);
    out.push(")");
}

/// The type of a result, if it is the same here and there, and whether it can be too small for a value.
fn decimal_result(left: &SparkType, operator: Operator, right: &SparkType) -> Option<(SparkType, bool)> {
    let (SparkType::Decimal(precision, scale), SparkType::Decimal(other_precision, other_scale)) = (left, right) else {
        return None;
    };
    let (digits, behind) = match operator {
        Operator::Multiply => (precision + other_precision + 1, scale + other_scale),
        _ => {
            let behind = *max(scale, other_scale);
            let before = max(precision - scale, other_precision - other_scale);
            (before + behind + 1, behind)
        }
    };
    if digits <= DECIMAL_DIGITS_MAX {
        return Some((SparkType::Decimal(digits, behind), false));
    }
    // Here digits are cut off in front, there behind, down to some: the same if there are no more than those.
    let before = digits - behind;
    let kept = max(DECIMAL_DIGITS_MAX.saturating_sub(before), behind.min(SCALE_KEPT));
    (kept == behind).then_some((SparkType::Decimal(DECIMAL_DIGITS_MAX, behind), true))
}

/// Whether nothing divided by it fails: a constant that is neither zero nor minus one.
fn is_harmless_divisor(expression: &Expr) -> bool {
    let Expr::Literal(value, _) = expression else {
        return false;
    };
    let number = match value {
        ScalarValue::Int8(number) => number.map(i64::from),
        ScalarValue::Int16(number) => number.map(i64::from),
        ScalarValue::Int32(number) => number.map(i64::from),
        ScalarValue::Int64(number) => *number,
        _ => None,
    };
    number.is_some_and(|number| number > 0)
}
