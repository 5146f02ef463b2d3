//! Values as the API takes them: a name, a SQL type and a text.

use arrow_schema::DataType;
use chrono::{DateTime, NaiveDate};
use contract::{Error, Result};
use datafusion::common::ScalarValue;
use federation::RemoteStatement;
use serde_json::{Value, json};

/// The text of a statement with its markers, and the values for them.
pub(super) fn text_and_parameters(statement: &RemoteStatement) -> Result<(String, Vec<Value>)> {
    let mut parameters = Vec::with_capacity(statement.parameters().len());
    let text = statement.inlined(|value| {
        let name = format!("p{}", parameters.len() + 1);
        let Written {
            sql_type,
            text,
            wrapper,
        } = write(value)?;
        let marker = match wrapper {
            Some(function) => format!("{function}(:{name})"),
            None => format!(":{name}"),
        };
        parameters.push(match text {
            Some(text) => json!({ "name": name, "type": sql_type, "value": text }),
            None => json!({ "name": name, "type": sql_type }),
        });
        Ok::<_, Error>(marker)
    })?;
    Ok((text, parameters))
}

struct Written {
    sql_type: String,
    /// None is NULL.
    text: Option<String>,
    /// What makes the value of the text, where a cast would not.
    wrapper: Option<&'static str>,
}

fn plain(sql_type: impl Into<String>, text: Option<impl Into<String>>) -> Written {
    Written {
        sql_type: sql_type.into(),
        text: text.map(Into::into),
        wrapper: None,
    }
}

fn write(value: &ScalarValue) -> Result<Written> {
    let number = |sql_type: &str, text: Option<String>| Ok(plain(sql_type, text));
    match value {
        ScalarValue::Null => Ok(plain("STRING", None::<String>)),
        ScalarValue::Boolean(value) => number("BOOLEAN", value.map(|value| value.to_string())),
        ScalarValue::Int8(value) => number("TINYINT", value.map(|value| value.to_string())),
        ScalarValue::Int16(value) => number("SMALLINT", value.map(|value| value.to_string())),
        ScalarValue::Int32(value) => number("INT", value.map(|value| value.to_string())),
        ScalarValue::Int64(value) => number("BIGINT", value.map(|value| value.to_string())),
        // The shortest text that is this value and no other.
        ScalarValue::Float32(value) => number(
            "FLOAT",
            value.map(|value| float(value.is_infinite(), format!("{value:?}"))),
        ),
        ScalarValue::Float64(value) => number(
            "DOUBLE",
            value.map(|value| float(value.is_infinite(), format!("{value:?}"))),
        ),
        ScalarValue::Decimal128(digits, precision, scale) => match u8::try_from(*scale) {
            Ok(places) => number(
                &format!("DECIMAL({precision},{scale})"),
                digits.map(|digits| decimal(digits, usize::from(places))),
            ),
            Err(_) => Err(unsupported(value)),
        },
        ScalarValue::Utf8(value) | ScalarValue::LargeUtf8(value) | ScalarValue::Utf8View(value) => {
            number("STRING", value.clone())
        }
        ScalarValue::Binary(value) | ScalarValue::LargeBinary(value) | ScalarValue::BinaryView(value) => Ok(Written {
            sql_type: "STRING".to_owned(),
            text: value.as_ref().map(|bytes| hex(bytes)),
            // A cast of text to BINARY takes the text's own bytes.
            wrapper: Some("unhex"),
        }),
        ScalarValue::Date32(days) => match days.map(date).transpose() {
            Ok(text) => number("DATE", text),
            Err(()) => Err(unsupported(value)),
        },
        ScalarValue::TimestampMicrosecond(moment, zone) => {
            let sql_type = if zone.is_some() { "TIMESTAMP" } else { "TIMESTAMP_NTZ" };
            match moment.map(|moment| timestamp(moment, zone.is_some())).transpose() {
                Ok(text) => number(sql_type, text),
                Err(()) => Err(unsupported(value)),
            }
        }
        other => Err(unsupported(other)),
    }
}

fn unsupported(value: &ScalarValue) -> Error {
    let data_type: DataType = value.data_type();
    Error::unsupported(format!(
        "a value of the type {data_type} cannot be sent to a SQL warehouse"
    ))
    .with_hint("Set lakegate.route to 'direct', or cast the value to another type.")
}

fn float(infinite: bool, text: String) -> String {
    match (infinite, text.starts_with('-')) {
        (true, false) => "Infinity".to_owned(),
        (true, true) => "-Infinity".to_owned(),
        (false, _) => text,
    }
}

fn decimal(value: i128, places: usize) -> String {
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = places + 1);
    let sign = if value < 0 { "-" } else { "" };
    match digits.split_at_checked(digits.len() - places) {
        Some((whole, fraction)) if !fraction.is_empty() => format!("{sign}{whole}.{fraction}"),
        _ => format!("{sign}{digits}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

fn date(days: i32) -> Result<String, ()> {
    NaiveDate::from_epoch_days(days).map(|date| date.to_string()).ok_or(())
}

fn timestamp(microseconds: i64, zoned: bool) -> Result<String, ()> {
    let moment = DateTime::from_timestamp_micros(microseconds).ok_or(())?;
    let zone = if zoned { "Z" } else { "" };
    Ok(format!("{}{zone}", moment.naive_utc().format("%Y-%m-%dT%H:%M:%S%.6f")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: ScalarValue) -> (String, Option<String>) {
        let Written { sql_type, text, .. } = write(&value).unwrap();
        (sql_type, text)
    }

    #[test]
    fn values_are_written_exactly() {
        let text = |value| written(value).1.unwrap();
        assert_eq!(text(ScalarValue::Int64(Some(i64::MIN))), "-9223372036854775808");
        assert_eq!(text(ScalarValue::Float64(Some(0.1))), "0.1");
        assert_eq!(text(ScalarValue::Float64(Some(f64::NAN))), "NaN");
        assert_eq!(text(ScalarValue::Float32(Some(f32::NEG_INFINITY))), "-Infinity");
        assert_eq!(text(ScalarValue::Decimal128(Some(-5), 10, 2)), "-0.05");
        assert_eq!(text(ScalarValue::Decimal128(Some(120), 10, 0)), "120");
        assert_eq!(text(ScalarValue::Date32(Some(-1))), "1969-12-31");
        assert_eq!(
            written(ScalarValue::TimestampMicrosecond(Some(-1), Some("UTC".into()))),
            ("TIMESTAMP".to_owned(), Some("1969-12-31T23:59:59.999999Z".to_owned()))
        );
        assert_eq!(
            written(ScalarValue::Decimal128(None, 12, 3)),
            ("DECIMAL(12,3)".to_owned(), None)
        );
        assert!(write(&ScalarValue::Date32(Some(i32::MAX))).is_err());
        assert!(write(&ScalarValue::UInt64(Some(1))).is_err());
    }

    #[test]
    fn markers_stand_for_values_and_bytes_are_unfolded() {
        let mut statement = RemoteStatement::new();
        statement.push("SELECT ");
        statement.push_parameter(ScalarValue::from("it's :p2"));
        statement.push(", ");
        statement.push_parameter(ScalarValue::Binary(Some(vec![0, 255])));
        let (text, parameters) = text_and_parameters(&statement).unwrap();
        assert_eq!(text, "SELECT :p1, unhex(:p2)");
        assert_eq!(
            parameters,
            [
                json!({"name": "p1", "type": "STRING", "value": "it's :p2"}),
                json!({"name": "p2", "type": "STRING", "value": "00FF"}),
            ]
        );
    }

    proptest! {
        #[test]
        fn decimals_keep_their_digits(value in any::<i128>(), places in 0..38_usize) {
            let text = decimal(value, places);
            let digits: String = text.chars().filter(|sign| *sign != '.').collect();
            prop_assert_eq!(digits.parse::<i128>(), Ok(value));
            prop_assert_eq!(text.split_once('.').map_or(0, |(_, fraction)| fraction.len()), places);
        }

        #[test]
        fn floats_keep_their_value(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let text = written(ScalarValue::Float64(Some(value))).1.unwrap();
            let again: f64 = text.parse().unwrap();
            prop_assert!(again == value || again.is_nan() && value.is_nan());
        }
    }
}
