//! What can go wrong on either way, with the SQLSTATE and the words PostgreSQL uses.

use std::fmt;

/// A value that PostgreSQL's types or messages cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    /// The five characters a client receives.
    pub sqlstate: &'static str,
    /// In PostgreSQL's words; safe for the client.
    pub message: String,
}

/// A parameter whose bytes are not a value of its declared type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The five characters a client receives.
    pub sqlstate: &'static str,
    /// In PostgreSQL's words. For `22P03` the caller adds ` in bind parameter N`.
    pub message: String,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for EncodeError {}
impl std::error::Error for DecodeError {}

impl DecodeError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
        }
    }

    /// Text that is not a value of the type.
    pub(crate) fn syntax(type_name: &str, text: &str) -> Self {
        Self::new(
            "22P02",
            format!("invalid input syntax for type {type_name}: \"{text}\""),
        )
    }

    /// A number that its type cannot hold.
    pub(crate) fn out_of_range(type_name: &str, text: &str) -> Self {
        Self::new(
            "22003",
            format!("value \"{text}\" is out of range for type {type_name}"),
        )
    }

    /// Bytes of the wrong length or shape.
    pub(crate) fn binary() -> Self {
        Self::new("22P03", "incorrect binary data format")
    }
}

/// [`EncodeError`] as it travels through the hot path: small enough that `Result<(), Failure>` stays in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    DateOutOfRange,
    TimestampOutOfRange,
    IntervalOutOfRange,
    IntegerOutOfRange(u32),
    NotOfType(u32),
    Ragged,
    TooManyElements,
    ValueTooLong,
    RowTooLong,
    BrokenArray,
}

impl Failure {
    pub(crate) fn into_error(self) -> EncodeError {
        let (sqlstate, message) = match self {
            Self::DateOutOfRange => ("22008", "date out of range".to_owned()),
            Self::TimestampOutOfRange => ("22008", "timestamp out of range".to_owned()),
            Self::IntervalOutOfRange => ("22008", "interval out of range".to_owned()),
            Self::IntegerOutOfRange(oid) => ("22003", format!("{} out of range", crate::type_name(oid))),
            Self::NotOfType(oid) => (
                "22P02",
                format!("value is not valid for type {}", crate::type_name(oid)),
            ),
            Self::Ragged => (
                "2202E",
                "multidimensional arrays must have sub-arrays with matching dimensions".to_owned(),
            ),
            Self::TooManyElements => ("54000", "array size exceeds the maximum allowed".to_owned()),
            Self::ValueTooLong => ("54000", "value exceeds the maximum of 1073741823 bytes".to_owned()),
            Self::RowTooLong => ("54000", "row exceeds the maximum of 1073741823 bytes".to_owned()),
            Self::BrokenArray => ("XX000", "result column does not match its declared type".to_owned()),
        };
        EncodeError { sqlstate, message }
    }
}
