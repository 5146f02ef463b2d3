//! Faults of values, as Spark and Sail raise them and as PostgreSQL words them.
//!
//! <https://spark.apache.org/docs/latest/sql-error-conditions.html>

use contract::{DataException, ErrorKind};

/// The fault of a value that an error class stands for, if it is one.
pub(crate) fn data_exception(class: &str, sql_state: Option<&str>) -> Option<ErrorKind> {
    let base = class.split('.').next().unwrap_or_default();
    let exception = match base {
        "DIVIDE_BY_ZERO" | "REMAINDER_BY_ZERO" | "INTERVAL_DIVIDED_BY_ZERO" => DataException::DivisionByZero,
        "ARITHMETIC_OVERFLOW"
        | "BINARY_ARITHMETIC_OVERFLOW"
        | "CAST_OVERFLOW"
        | "INTERVAL_ARITHMETIC_OVERFLOW"
        | "NUMERIC_OUT_OF_SUPPORTED_RANGE"
        | "NUMERIC_VALUE_OUT_OF_RANGE" => DataException::NumericValueOutOfRange,
        "CAST_INVALID_INPUT" | "CONVERSION_INVALID_INPUT" => DataException::InvalidTextRepresentation,
        "CANNOT_PARSE_TIMESTAMP" | "CANNOT_PARSE_TIME" | "CANNOT_PARSE_INTERVAL" => {
            DataException::InvalidDatetimeFormat
        }
        "DATETIME_OVERFLOW" | "DATETIME_FIELD_OUT_OF_BOUNDS" => DataException::DatetimeFieldOverflow,
        "INVALID_ARRAY_INDEX" | "INVALID_ARRAY_INDEX_IN_ELEMENT_AT" | "INVALID_INDEX_OF_ZERO" => {
            DataException::ArraySubscript
        }
        "SCALAR_SUBQUERY_TOO_MANY_ROWS" => return Some(ErrorKind::Cardinality),
        _ => match sql_state {
            Some("22003") => DataException::NumericValueOutOfRange,
            Some("22012") => DataException::DivisionByZero,
            Some("22007") => DataException::InvalidDatetimeFormat,
            Some("22008") => DataException::DatetimeFieldOverflow,
            Some(state) if state.starts_with("22") => DataException::Other,
            _ => return None,
        },
    };
    Some(ErrorKind::DataException(exception))
}

/// Sail names no classes: what its execution raises has the words of Arrow's kernels.
pub(crate) fn data_exception_of_sail(text: &str) -> Option<ErrorKind> {
    let exception = if text.to_ascii_lowercase().contains("divide by zero") {
        DataException::DivisionByZero
    } else if text.contains("Arithmetic overflow") || text.contains("Overflow happened") {
        DataException::NumericValueOutOfRange
    } else if text.contains("Cannot cast string") || text.contains("Cast error") {
        DataException::InvalidTextRepresentation
    } else {
        return None;
    };
    Some(ErrorKind::DataException(exception))
}

/// PostgreSQL's words. Spark's own hold the value.
pub(crate) fn data_message(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::DataException(DataException::DivisionByZero) => "division by zero",
        ErrorKind::DataException(DataException::NumericValueOutOfRange) => "value out of range",
        ErrorKind::DataException(DataException::InvalidTextRepresentation) => "invalid input syntax for a type",
        ErrorKind::DataException(DataException::InvalidDatetimeFormat) => "invalid input syntax for a date or time",
        ErrorKind::DataException(DataException::DatetimeFieldOverflow) => "date/time field value out of range",
        ErrorKind::DataException(DataException::ArraySubscript) => "array subscript out of range",
        ErrorKind::Cardinality => "more than one row returned by a subquery used as an expression",
        _ => "an expression cannot work on a value",
    }
}
