//! Casts that give the same value there.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use super::NotWritten;
use super::data_type::SparkType;
use super::expression::ExpressionWriter;
use crate::RemoteStatement;

/// What a cast does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing: another layout of the same type.
    None,
    /// It gives every value another type.
    Total,
    /// It raises for values that do not fit, here and there.
    Partial,
}

/// Writes a cast of `inner` to what is `target` here.
pub(super) fn write_cast(
    writer: &mut ExpressionWriter<'_>,
    inner: &Expr,
    target: &DataType,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    let mut sql = RemoteStatement::new();
    let from = writer.write(inner, &mut sql)?;
    let to = SparkType::of(target);
    let unlisted = || NotWritten::because(format!("a cast from {} to {}", from.word(), to.word()));
    let effect = effect(&from, &to).ok_or_else(unlisted)?;
    if effect == Effect::None {
        out.append(sql);
        return Ok(to);
    }
    if matches!(from, SparkType::Decimal(..)) && to == SparkType::String && !writer.is_ansi() {
        return Err(unlisted());
    }
    if effect == Effect::Partial {
        writer.can_fail("a cast that can fail")?;
    }
    let spelling = to.spelling().ok_or_else(unlisted)?;
    out.push("CAST(");
    out.append(sql);
    out.push(&format!(" AS {spelling})"));
    Ok(to)
}

/// Writes a cast of a decimal to an integer, which rounds here and cuts off there: halves go away from zero.
///
/// Not listed: floating point, whose halves go to the even number here, and not with every `rint` there.
pub(super) fn write_rounded(
    writer: &mut ExpressionWriter<'_>,
    inner: &Expr,
    target: &DataType,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    let mut sql = RemoteStatement::new();
    let from = writer.write(inner, &mut sql)?;
    let to = SparkType::of(target);
    let unlisted = || NotWritten::because(format!("a cast from {} to {}", from.word(), to.word()));
    let digits = to.integer_digits().ok_or_else(unlisted)?;
    let spelling = to.spelling().ok_or_else(unlisted)?;
    let (before, after, fits) = match &from {
        SparkType::Decimal(precision, 0) => ("", "", *precision < digits),
        // Rounding may add a digit.
        SparkType::Decimal(precision, scale) => ("round(", ", 0)", precision - scale + 1 < digits),
        _ => return Err(unlisted()),
    };
    if !fits {
        writer.can_fail("a cast that can fail")?;
    }
    out.push(&format!("CAST({before}"));
    out.append(sql);
    out.push(&format!("{after} AS {spelling})"));
    Ok(to)
}

fn effect(from: &SparkType, to: &SparkType) -> Option<Effect> {
    use SparkType::{
        Boolean, Byte, Date, Decimal, Double, Float, Integer, Long, Opaque, Rank, Short, String, TimestampNtz,
    };
    Some(match (from, to) {
        (Opaque(_), _) | (_, Opaque(_)) => return None,
        (from, to) if from == to => Effect::None,
        (Rank, Long) => Effect::None,
        (Byte, Short | Integer | Long) | (Short, Integer | Long) | (Integer, Long) => Effect::Total,
        (Long, Integer | Short | Byte) | (Integer, Short | Byte) | (Short, Byte) => Effect::Partial,
        // Both round to the nearest, halves to the even one.
        (Byte | Short | Integer | Long, Float | Double) | (Float, Double) => Effect::Total,
        (Byte | Short | Integer | Long, Boolean) => Effect::Total,
        (from, Decimal(precision, scale)) if from.is_integer() => {
            let fits = from.integer_digits().is_some_and(|digits| digits <= precision - scale);
            if fits { Effect::Total } else { Effect::Partial }
        }
        (Decimal(precision, scale), Decimal(to_precision, to_scale)) => {
            let fits = to_scale >= scale && to_precision - to_scale >= precision - scale;
            if fits { Effect::Total } else { Effect::Partial }
        }
        // With all digits, as ANSI mode has it.
        (Decimal(..), String) => Effect::Total,
        (Boolean | Byte | Short | Integer | Long, String) | (Boolean, Integer) => Effect::Total,
        // Days far beyond the calendar have no moment.
        (Date, TimestampNtz) | (TimestampNtz, Date) => Effect::Partial,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_that_are_written() {
        let decimal = SparkType::Decimal;
        for (from, to, expected) in [
            (SparkType::String, SparkType::String, Some(Effect::None)),
            (SparkType::Integer, SparkType::Long, Some(Effect::Total)),
            (SparkType::Long, SparkType::Integer, Some(Effect::Partial)),
            (SparkType::Integer, decimal(10, 0), Some(Effect::Total)),
            (SparkType::Integer, decimal(10, 1), Some(Effect::Partial)),
            (decimal(10, 2), decimal(12, 4), Some(Effect::Total)),
            (decimal(10, 2), decimal(12, 5), Some(Effect::Partial)),
            (decimal(10, 2), decimal(12, 1), Some(Effect::Partial)),
            (decimal(38, 10), SparkType::String, Some(Effect::Total)),
            (SparkType::String, SparkType::Integer, None),
            (SparkType::Double, decimal(10, 2), None),
            (decimal(10, 2), SparkType::Double, None),
            (decimal(10, 2), SparkType::Integer, None),
            (SparkType::Double, SparkType::String, None),
            (SparkType::Date, SparkType::Timestamp, None),
            (SparkType::Timestamp, SparkType::TimestampNtz, None),
            (SparkType::Opaque(DataType::Null), SparkType::Integer, None),
        ] {
            assert_eq!(effect(&from, &to), expected, "{from:?} to {to:?}");
        }
    }
}
