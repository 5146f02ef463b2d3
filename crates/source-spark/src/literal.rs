//! Values as Spark SQL, for servers that bind no parameters.
//!
//! <https://spark.apache.org/docs/latest/sql-ref-literals.html>

use std::fmt::Write;

use contract::{Error, Result};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;

use crate::parameter::{Value, unsupported, value};

/// Days since 1970 of 0001-01-01 and 9999-12-31: what a date literal can say in four digits.
const DAYS_OF_FOUR_DIGITS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;

/// Writes a value. Whatever it holds, the text is one expression of its type: letters, digits and what is listed in
/// [`is_plain`] stand between quotes, everything else goes as hexadecimal digits.
///
/// # Errors
/// `Unsupported` for a type that has no literal.
pub(crate) fn literal(scalar: &ScalarValue) -> Result<String> {
    Ok(match value(scalar)? {
        Value::Null(DataType::Null) => "NULL".to_owned(),
        Value::Null(data_type) => format!("CAST(NULL AS {})", sql_type(&data_type)?),
        Value::Boolean(true) => "TRUE".to_owned(),
        Value::Boolean(false) => "FALSE".to_owned(),
        Value::Byte(number) => format!("CAST('{number}' AS TINYINT)"),
        Value::Short(number) => format!("CAST('{number}' AS SMALLINT)"),
        Value::Integer(number) => format!("CAST('{number}' AS INT)"),
        Value::Long(number) => format!("CAST('{number}' AS BIGINT)"),
        Value::Float(number) => format!("CAST('{}' AS FLOAT)", float(number.into(), format!("{number:e}"))),
        Value::Double(number) => format!("CAST('{}' AS DOUBLE)", float(number, format!("{number:e}"))),
        Value::Decimal { text, precision, scale } => format!("CAST('{text}' AS DECIMAL({precision},{scale}))"),
        Value::Text(text) if text.bytes().all(is_plain) => format!("'{text}'"),
        Value::Text(text) => format!("CAST({} AS STRING)", hexadecimal(text.as_bytes())),
        Value::Binary(bytes) => hexadecimal(bytes),
        Value::Date(days) => date(days),
        Value::Timestamp(microseconds) => format!("timestamp_micros(CAST('{microseconds}' AS BIGINT))"),
        // The session's zone is UTC, where every moment has its own wall clock.
        Value::TimestampWithoutZone(microseconds) => {
            format!("CAST(timestamp_micros(CAST('{microseconds}' AS BIGINT)) AS TIMESTAMP_NTZ)")
        }
    })
}

/// What may stand between quotes: printable ASCII, but no quote, no backslash, and no dollar, with which Spark's
/// substitution of variables begins.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\' | b'$' | b'`')
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 3);
    text.push_str("X'");
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
    }
    text.push('\'');
    text
}

fn float(number: f64, finite: String) -> String {
    match number {
        _ if number.is_nan() => "NaN".to_owned(),
        _ if number == f64::INFINITY => "Infinity".to_owned(),
        _ if number == f64::NEG_INFINITY => "-Infinity".to_owned(),
        _ => finite,
    }
}

fn date(days: i32) -> String {
    let calendar = arrow_array::temporal_conversions::date32_to_datetime(days);
    match calendar {
        Some(moment) if DAYS_OF_FOUR_DIGITS.contains(&days) => format!("DATE'{}'", moment.format("%Y-%m-%d")),
        _ => format!("date_from_unix_date(CAST('{days}' AS INT))"),
    }
}

fn sql_type(data_type: &DataType) -> Result<String> {
    let word = match data_type {
        DataType::Boolean => "BOOLEAN",
        DataType::Int8 => "TINYINT",
        DataType::Int16 => "SMALLINT",
        DataType::Int32 => "INT",
        DataType::Int64 => "BIGINT",
        DataType::Float32 => "FLOAT",
        DataType::Float64 => "DOUBLE",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BINARY",
        DataType::Date32 => "DATE",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "TIMESTAMP_LTZ",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "TIMESTAMP_NTZ",
        DataType::Decimal128(precision, scale) => return Ok(format!("DECIMAL({precision},{scale})")),
        other => return Err::<String, Error>(unsupported(other)),
    };
    Ok(word.to_owned())
}
