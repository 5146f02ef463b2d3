//! `to_char` with PostgreSQL's patterns, `to_number`, `clock_timestamp`.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use contract::{DataException, Error};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::calendar_names::{DAYS, MONTHS};
use super::math::{PRECISION_MAX, overflow, power_of_ten};
use super::number_format::{self, ordinal};
use super::quotients::as_decimal;

/// Functions whose argument types the declarations in `scalar` do not have.
pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::new_from_impl(ToChar {
            signature: Signature::user_defined(Volatility::Stable),
        })),
        Arc::new(ScalarUDF::new_from_impl(ToNumber {
            signature: Signature::user_defined(Volatility::Immutable),
        })),
        Arc::new(ScalarUDF::new_from_impl(Clock {
            signature: Signature::nullary(Volatility::Volatile),
        })),
    ]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Clock {
    signature: Signature,
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        "clock_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let now = chrono::Utc::now().timestamp_micros();
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(
            Some(now),
            Some("UTC".into()),
        )))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToChar {
    signature: Signature,
}

impl ScalarUDFImpl for ToChar {
    fn name(&self) -> &str {
        "to_char"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Timestamp(_, zone), _] => Ok(vec![
                DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
                DataType::Utf8,
            ]),
            [DataType::Date32 | DataType::Date64 | DataType::Null, _] => {
                Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, None), DataType::Utf8])
            }
            [number, _] if number.is_floating() => Ok(vec![DataType::Float64, DataType::Utf8]),
            [number, _] => match as_decimal(number) {
                Some((precision, scale)) => Ok(vec![DataType::Decimal128(precision, scale), DataType::Utf8]),
                None => plan_err!("to_char of {number} is not supported"),
            },
            _ => plan_err!("No function matches the given name and argument types 'to_char'"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [moments, patterns] = arrays.as_slice() else {
            return plan_err!("No function matches the given name and argument types 'to_char'");
        };
        if moments.data_type().is_numeric() {
            return numbers(moments, patterns);
        }
        let offset = match moments.data_type() {
            DataType::Timestamp(_, Some(zone)) => zone.parse::<datafusion::arrow::array::timezone::Tz>().ok(),
            _ => None,
        };
        let patterns = cast(patterns, &DataType::Utf8)?;
        let (values, patterns) = (
            moments.as_primitive::<TimestampMicrosecondType>(),
            patterns.as_string::<i32>(),
        );
        let mut builder = StringBuilder::new();
        for row in 0..values.len() {
            if values.is_null(row) || patterns.is_null(row) {
                builder.append_null();
                continue;
            }
            match DateTime::from_timestamp_micros(values.value(row)) {
                Some(moment) => {
                    let local = match offset {
                        Some(zone) => moment.with_timezone(&zone).naive_local(),
                        None => moment.naive_utc(),
                    };
                    builder.append_value(formatted(&local, patterns.value(row)));
                }
                None => builder.append_null(),
            }
        }
        let array: ArrayRef = Arc::new(builder.finish());
        Ok(ColumnarValue::Array(array))
    }
}

fn numbers(numbers: &ArrayRef, patterns: &ArrayRef) -> Result<ColumnarValue> {
    let patterns = cast(patterns, &DataType::Utf8)?;
    let patterns = patterns.as_string::<i32>();
    let mut builder = StringBuilder::new();
    for row in 0..numbers.len() {
        if numbers.is_null(row) || patterns.is_null(row) {
            builder.append_null();
            continue;
        }
        let pattern = patterns.value(row);
        let (fraction, shift) = number_format::digits(pattern);
        let (negative, magnitude) = match (numbers.as_primitive_opt::<Float64Type>(), numbers.data_type()) {
            (Some(floats), _) => {
                let value = floats.value(row) * 10_f64.powi(i32::try_from(shift).unwrap_or(i32::MAX));
                (value < 0.0, format!("{:.fraction$}", value.abs()))
            }
            (None, DataType::Decimal128(_, scale)) => {
                let value = numbers.as_primitive::<Decimal128Type>().value(row);
                let scale = i64::from(*scale) - i64::try_from(shift).unwrap_or(i64::MAX);
                let magnitude = rounded(value, scale, fraction).ok_or_else(overflow)?;
                (value < 0, magnitude)
            }
            (None, other) => return plan_err!("to_char of {other} is not supported"),
        };
        builder.append_value(number_format::formatted(negative, &magnitude, pattern));
    }
    Ok(ColumnarValue::Array(Arc::new(builder.finish())))
}

/// The magnitude of a decimal with so many digits behind the point, halves away from zero.
fn rounded(value: i128, scale: i64, fraction: usize) -> Option<String> {
    let fraction_digits = i64::try_from(fraction).ok()?;
    let magnitude = value.checked_abs()?;
    let units = match scale - fraction_digits {
        dropped if dropped > 0 => match power_of_ten(dropped) {
            Some(power) => magnitude / power + i128::from(magnitude % power >= power - magnitude % power),
            None => 0,
        },
        more => magnitude.checked_mul(power_of_ten(-more)?)?,
    };
    let digits = format!("{units:0>width$}", width = fraction + 1);
    let (whole, fraction) = digits.split_at(digits.len() - fraction);
    Some(if fraction.is_empty() {
        whole.to_owned()
    } else {
        format!("{whole}.{fraction}")
    })
}

/// `to_number(text, pattern)`: the scale is that of a constant pattern.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToNumber {
    signature: Signature,
}

/// Digits behind the point where the pattern is not known beforehand.
const UNKNOWN_SCALE: i8 = 10;

impl ScalarUDFImpl for ToNumber {
    fn name(&self) -> &str {
        "to_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(PRECISION_MAX, UNKNOWN_SCALE))
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let pattern = arguments.scalar_arguments.get(1).copied().flatten();
        let scale = match pattern.and_then(|pattern| pattern.try_as_str()).flatten() {
            Some(pattern) => i8::try_from(number_format::digits(pattern).0).unwrap_or(UNKNOWN_SCALE),
            None => UNKNOWN_SCALE,
        };
        let data_type = DataType::Decimal128(PRECISION_MAX, scale);
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [text, pattern] if [text, pattern].iter().all(|one| one.is_string() || one.is_null()) => {
                Ok(vec![DataType::Utf8; 2])
            }
            _ => plan_err!("No function matches the given name and argument types 'to_number'"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [texts, patterns] = arrays.as_slice() else {
            return plan_err!("No function matches the given name and argument types 'to_number'");
        };
        let (texts, patterns) = (texts.as_string::<i32>(), patterns.as_string::<i32>());
        let mut numbers = StringBuilder::new();
        for pair in texts.iter().zip(patterns.iter()) {
            match pair {
                (Some(text), Some(pattern)) => {
                    numbers.append_value(number_format::parsed(text, pattern).ok_or_else(|| {
                        Error::data(
                            DataException::InvalidTextRepresentation,
                            format!("invalid input syntax for type numeric: \"{text}\""),
                        )
                    })?);
                }
                _ => numbers.append_null(),
            }
        }
        let numbers: ArrayRef = Arc::new(numbers.finish());
        Ok(ColumnarValue::Array(cast(
            &numbers,
            arguments.return_field.data_type(),
        )?))
    }
}

/// The patterns, longest first among those with one beginning.
const PATTERNS: [&str; 48] = [
    "HH24", "HH12", "HH", "MI", "MS", "US", "SSSSS", "SSSS", "SS", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "AM",
    "PM", "am", "pm", "A.M.", "P.M.", "a.m.", "p.m.", "Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IDDD", "IW", "ID",
    "MONTH", "Month", "month", "MON", "Mon", "mon", "MM", "DAY", "Day", "day", "DY", "Dy", "dy", "DDD", "DD", "D",
];
const MORE_PATTERNS: [&str; 7] = ["WW", "W", "CC", "J", "Q", "TZH", "TZ"];

fn formatted(moment: &NaiveDateTime, pattern: &str) -> String {
    let mut output = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inner = rest.get(1..).unwrap_or_default();
            let end = inner.find('"').unwrap_or(inner.len());
            output.push_str(inner.get(..end).unwrap_or_default());
            rest = inner.get(end + 1..).unwrap_or_default();
            continue;
        }
        let (fill, after) = match rest.strip_prefix("FM") {
            Some(after) => (true, after),
            None => (false, rest),
        };
        let found = PATTERNS.iter().chain(&MORE_PATTERNS).find(|name| {
            after.starts_with(**name)
                || after.get(..name.len()).is_some_and(|own| {
                    // Patterns that print no letters are read in any case.
                    own.eq_ignore_ascii_case(name) && !prints_letters(name)
                })
        });
        match found {
            Some(name) => {
                let mut shown = part(moment, name);
                if fill {
                    shown = trimmed(&shown);
                }
                rest = after.get(name.len()..).unwrap_or_default();
                for (suffix, upper) in [("th", false), ("TH", true)] {
                    if !prints_letters(name)
                        && let Some(after) = rest.strip_prefix(suffix)
                    {
                        let ordinal = ordinal(&shown);
                        shown.push_str(&if upper {
                            ordinal.to_uppercase()
                        } else {
                            ordinal.to_owned()
                        });
                        rest = after;
                        break;
                    }
                }
                output.push_str(&shown);
            }
            None => {
                output.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    output
}

fn prints_letters(name: &str) -> bool {
    matches!(
        name.to_ascii_uppercase().as_str(),
        "AM" | "PM" | "A.M." | "P.M." | "MONTH" | "MON" | "DAY" | "DY" | "TZ"
    )
}

fn trimmed(shown: &str) -> String {
    if shown.bytes().all(|byte| byte.is_ascii_digit()) {
        let short = shown.trim_start_matches('0');
        return if short.is_empty() {
            "0".to_owned()
        } else {
            short.to_owned()
        };
    }
    shown.trim_end().to_owned()
}

fn part(moment: &NaiveDateTime, name: &str) -> String {
    let hour12 = match moment.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    let month = usize::try_from(moment.month0())
        .ok()
        .and_then(|at| MONTHS.get(at))
        .copied()
        .unwrap_or_default();
    let weekday = moment.weekday().num_days_from_sunday();
    let day = usize::try_from(weekday)
        .ok()
        .and_then(|at| DAYS.get(at))
        .copied()
        .unwrap_or_default();
    let year = moment.year();
    let microseconds = (moment.nanosecond() / 1000) % 1_000_000;
    let cased = |full: &str, like: &str| match like.chars().nth(1) {
        Some(second) if second.is_uppercase() => full.to_uppercase(),
        _ if like.starts_with(char::is_lowercase) => full.to_lowercase(),
        _ => full.to_owned(),
    };
    match name {
        "HH24" => format!("{:02}", moment.hour()),
        "HH12" | "HH" => format!("{hour12:02}"),
        "MI" => format!("{:02}", moment.minute()),
        "SS" => format!("{:02}", moment.second()),
        "SSSSS" | "SSSS" => moment.num_seconds_from_midnight().to_string(),
        "MS" | "FF3" => format!("{:03}", microseconds / 1000),
        "US" | "FF6" => format!("{microseconds:06}"),
        "FF1" => format!("{:01}", microseconds / 100_000),
        "FF2" => format!("{:02}", microseconds / 10_000),
        "FF4" => format!("{:04}", microseconds / 100),
        "FF5" => format!("{:05}", microseconds / 10),
        "AM" | "PM" => if moment.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        "am" | "pm" => if moment.hour() < 12 { "am" } else { "pm" }.to_owned(),
        "A.M." | "P.M." => if moment.hour() < 12 { "A.M." } else { "P.M." }.to_owned(),
        "a.m." | "p.m." => if moment.hour() < 12 { "a.m." } else { "p.m." }.to_owned(),
        "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
        "YYYY" => format!("{year:04}"),
        "YYY" => format!("{:03}", year.rem_euclid(1000)),
        "YY" => format!("{:02}", year.rem_euclid(100)),
        "Y" => format!("{}", year.rem_euclid(10)),
        "IYYY" => format!("{:04}", moment.iso_week().year()),
        "IW" => format!("{:02}", moment.iso_week().week()),
        "ID" => moment.weekday().number_from_monday().to_string(),
        "IDDD" => {
            let days = (moment.iso_week().week() - 1) * 7 + moment.weekday().number_from_monday();
            format!("{days:03}")
        }
        "MM" => format!("{:02}", moment.month()),
        "DD" => format!("{:02}", moment.day()),
        "DDD" => format!("{:03}", moment.ordinal()),
        "D" => (weekday + 1).to_string(),
        "WW" => format!("{:02}", moment.ordinal0() / 7 + 1),
        "W" => (moment.day0() / 7 + 1).to_string(),
        "CC" => format!("{:02}", (year + 99) / 100),
        "J" => (i64::from(moment.num_days_from_ce()) + 1_721_425).to_string(),
        "Q" => (moment.month0() / 3 + 1).to_string(),
        "MONTH" | "Month" | "month" => format!("{:<9}", cased(month, name)),
        "MON" | "Mon" | "mon" => cased(month.get(..3).unwrap_or_default(), name),
        "DAY" | "Day" | "day" => format!("{:<9}", cased(day, name)),
        "DY" | "Dy" | "dy" => cased(day.get(..3).unwrap_or_default(), name),
        _ => String::new(),
    }
}
