//! Constants: a typed parameter each, and NULL with its type.

use datafusion::common::ScalarValue;

use super::NotWritten;
use super::data_type::SparkType;
use crate::RemoteStatement;

/// 0001-01-01 and 9999-12-31 in days since 1970: no system takes a constant beyond.
const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;

/// Writes a constant and says its type.
pub(super) fn write_literal(value: &ScalarValue, out: &mut RemoteStatement) -> Result<SparkType, NotWritten> {
    let data_type = match value {
        ScalarValue::UInt64(_) => SparkType::Rank,
        other => SparkType::of(&other.data_type()),
    };
    let Some(spelling) = data_type.spelling() else {
        return Err(NotWritten::because(format!("a constant of type {}", data_type.word())));
    };
    if value.is_null() {
        out.push(&format!("CAST(NULL AS {spelling})"));
        return Ok(data_type);
    }
    // Compared by its bits here.
    let with_sign = match value {
        ScalarValue::Float32(Some(number)) => number.is_nan() && number.to_bits() != f32::NAN.to_bits(),
        ScalarValue::Float64(Some(number)) => number.is_nan() && number.to_bits() != f64::NAN.to_bits(),
        _ => false,
    };
    if with_sign {
        return Err(NotWritten::because("a NaN with a sign"));
    }
    let beyond = || NotWritten::because("a constant beyond the range of its type there");
    let value = match value {
        ScalarValue::UInt64(Some(number)) => ScalarValue::Int64(Some(i64::try_from(*number).map_err(|_| beyond())?)),
        ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => ScalarValue::Utf8(text.clone()),
        ScalarValue::BinaryView(bytes) | ScalarValue::LargeBinary(bytes) => ScalarValue::Binary(bytes.clone()),
        ScalarValue::Date32(Some(days)) if !DAYS.contains(days) => return Err(beyond()),
        ScalarValue::TimestampMicrosecond(Some(moment), zone) => {
            let day = i32::try_from(moment.div_euclid(MICROSECONDS_OF_DAY)).map_err(|_| beyond())?;
            if !DAYS.contains(&day) {
                return Err(beyond());
            }
            // The zone is how it is shown.
            ScalarValue::TimestampMicrosecond(Some(*moment), zone.as_ref().map(|_| "UTC".into()))
        }
        ScalarValue::Decimal128(Some(digits), precision, _) => {
            let limit = 10_u128.checked_pow((*precision).into()).ok_or_else(beyond)?;
            if digits.unsigned_abs() >= limit {
                return Err(beyond());
            }
            // A parameter brings its own precision, by which the type of a result goes.
            out.push("CAST(");
            out.push_parameter(value.clone());
            out.push(&format!(" AS {spelling})"));
            return Ok(data_type);
        }
        other => other.clone(),
    };
    out.push_parameter(value);
    Ok(data_type)
}
