//! One bound parameter, in text or binary, as a one-row Arrow array. The bytes come from a client: they are read, never
//! trusted.

mod array;
mod datetime;
mod interval;
mod number;
mod scalar;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use crate::error::DecodeError;
use crate::row::Format;
use crate::session::SessionFormat;
use crate::{oid, type_map};

pub(crate) use scalar::uuid_bytes;
use scalar::{Scalar, collect};

/// A decoded parameter.
#[derive(Debug, Clone)]
pub struct ParameterValue {
    /// Exactly one row.
    pub array: ArrayRef,
    /// The type of `array`. For `numeric` with the value's own precision and scale.
    pub data_type: DataType,
}

/// Decodes a parameter of a session in UTC; see [`decode_parameter_in`].
///
/// # Errors
/// As [`decode_parameter_in`].
pub fn decode_parameter(oid: u32, format: Format, bytes: Option<&[u8]>) -> Result<ParameterValue, DecodeError> {
    decode_parameter_in(oid, format, bytes, &SessionFormat::default())
}

/// Decodes a parameter of the declared type `oid`; no bytes mean null. The session's zone holds for a
/// `timestamp with time zone` whose text names none. Types that [`arrow_type`](crate::arrow_type) does not know come as
/// their text.
///
/// # Errors
/// `22P02` and `22007` for text that is not a value of the type, `22003` and `22008` for values out of range, `22P03`
/// for malformed binary data, `22021` for text that is not UTF-8 or holds a zero byte, `0A000` for what is not
/// supported.
pub fn decode_parameter_in(
    oid: u32,
    format: Format,
    bytes: Option<&[u8]>,
    session: &SessionFormat,
) -> Result<ParameterValue, DecodeError> {
    let element = match oid {
        oid::INT2VECTOR => Some(oid::INT2),
        oid::OIDVECTOR => Some(oid::OID),
        _ => oid::element(oid).map(|facts| facts.oid),
    };
    let array = match (element, type_map::arrow_type(oid)) {
        (Some(element), Some(_)) => {
            let items = bytes
                .map(|bytes| array::decode(oid, element, format, bytes, session))
                .transpose()?;
            array::collect_list(element, items)?
        }
        _ => {
            let value = bytes
                .map(|bytes| Scalar::decode(oid, format, bytes, session))
                .transpose()?;
            collect(oid, &[value])?
        }
    };
    let data_type = array.data_type().clone();
    Ok(ParameterValue { array, data_type })
}

/// The text of a parameter.
fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    let broken = |bad: &[u8]| {
        let hex: Vec<String> = bad.iter().map(|byte| format!("0x{byte:02x}")).collect();
        DecodeError::new(
            "22021",
            format!("invalid byte sequence for encoding \"UTF8\": {}", hex.join(" ")),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let rest = bytes.get(error.valid_up_to()..).unwrap_or_default();
        let length = error.error_len().unwrap_or(rest.len()).clamp(1, 4);
        broken(rest.get(..length.min(rest.len())).unwrap_or_default())
    })?;
    if text.contains('\0') {
        Err(broken(&[0]))
    } else {
        Ok(text)
    }
}

/// What PostgreSQL's `isspace` skips around most values.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c'])
}
