//! Scalars: decoding by type, and arrays made of decoded scalars.

use std::sync::Arc;

use arrow_array::types::IntervalMonthDayNanoType;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, PrimitiveArray, StringArray, Time64MicrosecondArray, TimestampMicrosecondArray,
    UInt32Array,
};
use arrow_buffer::{IntervalMonthDayNano, i256};

use super::number::{self, Numeric};
use super::{datetime, interval, trim, utf8};
use crate::calendar::{MICROS_PER_DAY, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS, POSTGRES_MICROS_END};
use crate::error::DecodeError;
use crate::row::Format;
use crate::scalar_text::{Interval, push_uuid};
use crate::session::SessionFormat;
use crate::{calendar, oid, type_map};

/// One decoded value that is not null.
#[derive(Debug, Clone)]
pub(crate) enum Scalar {
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Oid(u32),
    Float4(f32),
    Float8(f64),
    Numeric(Numeric),
    Text(String),
    Bytes(Vec<u8>),
    Date(i32),
    Time(i64),
    Timestamp(i64),
    Interval(IntervalMonthDayNano),
}

impl Scalar {
    pub(crate) fn decode(oid: u32, format: Format, bytes: &[u8], session: &SessionFormat) -> Result<Self, DecodeError> {
        match format {
            Format::Text => Self::from_text(oid, utf8(bytes)?, session),
            Format::Binary => Self::from_binary(oid, bytes),
        }
    }

    pub(crate) fn from_text(oid: u32, text: &str, session: &SessionFormat) -> Result<Self, DecodeError> {
        Ok(match oid {
            oid::BOOL => Self::Bool(boolean(text)?),
            oid::INT2 => Self::Int2(number::integer(text, oid)?),
            oid::INT4 => Self::Int4(number::integer(text, oid)?),
            oid::INT8 => Self::Int8(number::integer(text, oid)?),
            oid::OID | oid::XID | oid::CID => Self::Oid(number::integer(text, oid)?),
            oid::FLOAT4 => Self::Float4(number::single(text)?),
            oid::FLOAT8 => Self::Float8(number::double(text)?),
            oid::NUMERIC => Self::Numeric(Numeric::from_text(text)?),
            oid::DATE => Self::Date(datetime::date(text)?),
            oid::TIME => Self::Time(datetime::time(text)?),
            oid::TIMESTAMP => Self::Timestamp(datetime::timestamp(text, None)?),
            oid::TIMESTAMPTZ => Self::Timestamp(datetime::timestamp(text, Some(&session.time_zone))?),
            oid::INTERVAL => Self::Interval(with_nanos(interval::parse(text)?)?),
            oid::BYTEA => Self::Bytes(bytea(text)?),
            oid::UUID => Self::Text(uuid(text)?),
            oid::JSON | oid::JSONB => Self::Text(json(text)?.to_owned()),
            oid::CHAR => Self::Text(text.chars().next().map(String::from).unwrap_or_default()),
            _ => Self::Text(text.to_owned()),
        })
    }

    fn from_binary(oid: u32, bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(match oid {
            oid::BOOL => Self::Bool(fixed::<1>(bytes)?[0] != 0),
            oid::INT2 => Self::Int2(i16::from_be_bytes(fixed(bytes)?)),
            oid::INT4 => Self::Int4(i32::from_be_bytes(fixed(bytes)?)),
            oid::INT8 => Self::Int8(i64::from_be_bytes(fixed(bytes)?)),
            oid::OID | oid::XID | oid::CID => Self::Oid(u32::from_be_bytes(fixed(bytes)?)),
            oid::FLOAT4 => Self::Float4(f32::from_be_bytes(fixed(bytes)?)),
            oid::FLOAT8 => Self::Float8(f64::from_be_bytes(fixed(bytes)?)),
            oid::NUMERIC => Self::Numeric(Numeric::from_binary(bytes)?),
            oid::DATE => Self::Date(date_from_binary(i32::from_be_bytes(fixed(bytes)?))?),
            oid::TIME => Self::Time(time_from_binary(i64::from_be_bytes(fixed(bytes)?))?),
            oid::TIMESTAMP | oid::TIMESTAMPTZ => {
                Self::Timestamp(timestamp_from_binary(i64::from_be_bytes(fixed(bytes)?))?)
            }
            oid::INTERVAL => Self::Interval(interval_from_binary(bytes)?),
            oid::BYTEA => Self::Bytes(bytes.to_vec()),
            oid::UUID => {
                let mut text = Vec::with_capacity(36);
                push_uuid(&mut text, &fixed::<16>(bytes)?);
                Self::Text(String::from_utf8_lossy(&text).into_owned())
            }
            oid::JSON => Self::Text(json(utf8(bytes)?)?.to_owned()),
            oid::JSONB => match bytes.split_first() {
                Some((1, text)) => Self::Text(json(utf8(text)?)?.to_owned()),
                Some((version, _)) => {
                    return Err(DecodeError::new(
                        "XX000",
                        format!("unsupported jsonb version number {version}"),
                    ));
                }
                None => return Err(DecodeError::binary()),
            },
            oid::CHAR if bytes.len() != 1 => return Err(DecodeError::binary()),
            oid if type_map::is_registry(oid) => Self::Text(u32::from_be_bytes(fixed(bytes)?).to_string()),
            0
            | oid::TEXT
            | oid::VARCHAR
            | oid::BPCHAR
            | oid::NAME
            | oid::CHAR
            | oid::UNKNOWN
            | oid::CSTRING
            | oid::XML
            | oid::REFCURSOR => Self::Text(utf8(bytes)?.to_owned()),
            _ => {
                let message = match crate::type_name(oid) {
                    "unknown" => format!("binary parameters of the type with OID {oid} are not supported"),
                    name => format!("binary parameters of type {name} are not supported"),
                };
                return Err(DecodeError::new("0A000", message));
            }
        })
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::binary())
}

/// An array of the type that `oid` decodes to.
pub(crate) fn collect(oid: u32, values: &[Option<Scalar>]) -> Result<ArrayRef, DecodeError> {
    macro_rules! array {
        ($array:ty, $variant:ident) => {
            Arc::new(
                values
                    .iter()
                    .map(|value| match value {
                        Some(Scalar::$variant(value)) => Some(value.clone()),
                        _ => None,
                    })
                    .collect::<$array>(),
            )
        };
    }
    Ok(match oid {
        oid::BOOL => array!(BooleanArray, Bool),
        oid::INT2 => array!(Int16Array, Int2),
        oid::INT4 => array!(Int32Array, Int4),
        oid::INT8 => array!(Int64Array, Int8),
        oid::OID | oid::XID | oid::CID => array!(UInt32Array, Oid),
        oid::FLOAT4 => array!(Float32Array, Float4),
        oid::FLOAT8 => array!(Float64Array, Float8),
        oid::NUMERIC => collect_numeric(values)?,
        oid::DATE => array!(Date32Array, Date),
        oid::TIME => array!(Time64MicrosecondArray, Time),
        oid::TIMESTAMP => array!(TimestampMicrosecondArray, Timestamp),
        oid::TIMESTAMPTZ => {
            let array: Arc<TimestampMicrosecondArray> = array!(TimestampMicrosecondArray, Timestamp);
            Arc::new(array.as_ref().clone().with_timezone("UTC"))
        }
        oid::INTERVAL => array!(PrimitiveArray<IntervalMonthDayNanoType>, Interval),
        oid::BYTEA => {
            let values = values.iter().map(|value| match value {
                Some(Scalar::Bytes(bytes)) => Some(bytes.as_slice()),
                _ => None,
            });
            Arc::new(values.collect::<BinaryArray>())
        }
        _ => array!(StringArray, Text),
    })
}

/// Decimals wide enough for every value; a null alone takes the type that `arrow_type` names.
fn collect_numeric(values: &[Option<Scalar>]) -> Result<ArrayRef, DecodeError> {
    let overflow = || DecodeError::new("22003", "value overflows numeric format");
    let numbers: Vec<Option<&Numeric>> = values
        .iter()
        .map(|value| match value {
            Some(Scalar::Numeric(number)) => Some(number),
            _ => None,
        })
        .collect();
    let present = || numbers.iter().flatten();
    let (precision, scale) = if present().next().is_none() {
        (38, 10)
    } else {
        let scale = present().map(|number| number.scale).max().unwrap_or(0);
        let whole = present().map(|number| number.whole_digits()).max().unwrap_or(0);
        ((whole + scale).max(1), scale)
    };
    let arrow = |_| overflow();
    let scale_type = i8::try_from(scale).map_err(|_| overflow())?;
    if precision <= 38 {
        let values = numbers.iter().map(|number| match number {
            Some(number) => number.unscaled(scale).parse::<i128>().map(Some).map_err(|_| overflow()),
            None => Ok(None),
        });
        let array = values.collect::<Result<Decimal128Array, _>>()?;
        return Ok(Arc::new(
            array
                .with_precision_and_scale(precision as u8, scale_type)
                .map_err(arrow)?,
        ));
    }
    if precision > 76 {
        return Err(overflow());
    }
    let values = numbers.iter().map(|number| match number {
        Some(number) => i256::from_string(&number.unscaled(scale))
            .map(Some)
            .ok_or_else(overflow),
        None => Ok(None),
    });
    let array = values.collect::<Result<Decimal256Array, _>>()?;
    Ok(Arc::new(
        array
            .with_precision_and_scale(precision as u8, scale_type)
            .map_err(arrow)?,
    ))
}

/// Any prefix of `true`, `false`, `yes`, `no` and what tells `on` from `off`, or a digit.
fn boolean(text: &str) -> Result<bool, DecodeError> {
    let word = trim(text).to_ascii_lowercase();
    let prefix_of = |full: &str, least: usize| word.len() >= least && full.starts_with(&word);
    if prefix_of("true", 1) || prefix_of("yes", 1) || word == "on" || word == "1" {
        return Ok(true);
    }
    if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == "0" {
        return Ok(false);
    }
    Err(DecodeError::syntax("boolean", text))
}

fn bytea(text: &str) -> Result<Vec<u8>, DecodeError> {
    if let Some(digits) = text.strip_prefix("\\x") {
        return hexadecimal(digits);
    }
    let invalid = || DecodeError::new("22P02", "invalid input syntax for type bytea");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        match rest {
            [b'\\', behind @ ..] => {
                bytes.push(b'\\');
                rest = behind;
            }
            [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', behind @ ..] => {
                bytes.push(((high - b'0') << 6) | ((middle - b'0') << 3) | (low - b'0'));
                rest = behind;
            }
            _ => return Err(invalid()),
        }
    }
    Ok(bytes)
}

fn hexadecimal(digits: &str) -> Result<Vec<u8>, DecodeError> {
    let digit = |character: char| {
        character
            .to_digit(16)
            .map(|digit| digit as u8)
            .ok_or_else(|| DecodeError::new("22023", format!("invalid hexadecimal digit: \"{character}\"")))
    };
    let mut bytes = Vec::with_capacity(digits.len() / 2);
    let mut characters = digits.chars();
    while let Some(first) = characters.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(first)?;
        let Some(second) = characters.next() else {
            return Err(DecodeError::new(
                "22023",
                "invalid hexadecimal data: odd number of digits",
            ));
        };
        bytes.push((high << 4) | digit(second)?);
    }
    Ok(bytes)
}

fn uuid(text: &str) -> Result<String, DecodeError> {
    let bytes = uuid_bytes(text.as_bytes()).ok_or_else(|| DecodeError::syntax("uuid", text))?;
    let mut canonical = Vec::with_capacity(36);
    push_uuid(&mut canonical, &bytes);
    Ok(String::from_utf8_lossy(&canonical).into_owned())
}

/// Thirty-two hexadecimal digits, a hyphen allowed after every four, braces allowed around.
pub(crate) fn uuid_bytes(text: &[u8]) -> Option<[u8; 16]> {
    let inner = match text.strip_prefix(b"{") {
        Some(rest) => rest.strip_suffix(b"}")?,
        None => text,
    };
    let mut bytes = [0; 16];
    let mut digits = 0;
    let mut after_hyphen = false;
    for byte in inner {
        if *byte == b'-' {
            if digits == 0 || digits % 4 != 0 || digits >= 32 || after_hyphen {
                return None;
            }
            after_hyphen = true;
            continue;
        }
        after_hyphen = false;
        let digit = char::from(*byte).to_digit(16)? as u8;
        let slot = bytes.get_mut(digits / 2)?;
        *slot = (*slot << 4) | digit;
        digits += 1;
    }
    (digits == 32 && !after_hyphen).then_some(bytes)
}

fn json(text: &str) -> Result<&str, DecodeError> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => Ok(text),
        Err(_) => Err(DecodeError::new("22P02", "invalid input syntax for type json")),
    }
}

fn date_from_binary(day: i32) -> Result<i32, DecodeError> {
    if matches!(day, i32::MIN | i32::MAX) {
        return Ok(day);
    }
    let days = i64::from(day) + POSTGRES_EPOCH_DAYS;
    if !(calendar::DAYS_MIN..=calendar::DAYS_MAX).contains(&days) {
        return Err(DecodeError::new("22008", "date out of range"));
    }
    i32::try_from(days).map_err(|_| DecodeError::new("22008", "date out of range"))
}

fn time_from_binary(micros: i64) -> Result<i64, DecodeError> {
    if (0..=MICROS_PER_DAY).contains(&micros) {
        Ok(micros)
    } else {
        Err(DecodeError::new("22008", "time out of range"))
    }
}

fn timestamp_from_binary(micros: i64) -> Result<i64, DecodeError> {
    if matches!(micros, i64::MIN | i64::MAX) {
        return Ok(micros);
    }
    let out_of_range = || DecodeError::new("22008", "timestamp out of range");
    if !(calendar::MICROS_MIN - POSTGRES_EPOCH_MICROS..POSTGRES_MICROS_END).contains(&micros) {
        return Err(out_of_range());
    }
    micros.checked_add(POSTGRES_EPOCH_MICROS).ok_or_else(out_of_range)
}

fn interval_from_binary(bytes: &[u8]) -> Result<IntervalMonthDayNano, DecodeError> {
    let bytes = fixed::<16>(bytes)?;
    let [a, b, c, d, e, f, g, h, day @ .., m, n, o, p] = bytes;
    with_nanos(Interval {
        micros: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
        days: i32::from_be_bytes(day),
        months: i32::from_be_bytes([m, n, o, p]),
    })
}

fn with_nanos(interval: Interval) -> Result<IntervalMonthDayNano, DecodeError> {
    let nanoseconds = interval
        .micros
        .checked_mul(1_000)
        .ok_or_else(|| DecodeError::new("22008", "interval out of range"))?;
    Ok(IntervalMonthDayNano {
        months: interval.months,
        days: interval.days,
        nanoseconds,
    })
}
