//! Why a statement failed, in our words.
//!
//! <https://docs.databricks.com/aws/en/error-messages/error-classes>

use contract::{DataException, Error, ErrorKind};

use super::model::Status;
use crate::outcome::shortened;

/// What a client is told of a statement that ended in another state than success.
pub(super) fn statement_error(service: &str, status: &Status) -> Error {
    let (code, message) = match &status.error {
        Some(error) => (error.error_code.as_str(), error.message.as_str()),
        None => ("", ""),
    };
    let class = class_of(message);
    let state = status
        .sql_state
        .as_deref()
        .or_else(|| state_of(message))
        .unwrap_or_default();
    let source = format!("state {} {code} {state}: {}", status.state, shortened(message));
    let error = match status.state.as_str() {
        "CANCELED" => Error::new(
            ErrorKind::SourceRejected,
            format!("service \"{service}\" canceled the statement"),
        )
        .with_hint("Somebody with rights on the warehouse ended it, or its own time limit did."),
        "CLOSED" => Error::new(
            ErrorKind::SourceUnavailable,
            format!("service \"{service}\" has let go of the result"),
        )
        .with_hint("Run the query again."),
        _ => failed(service, code, class, state),
    };
    error.with_source(source)
}

fn failed(service: &str, code: &str, class: Option<&str>, state: &str) -> Error {
    if let Some(exception) = data_exception(class, state) {
        return Error::data(exception, words_of(exception));
    }
    let told = class.map_or_else(String::new, |class| format!(" ({class})"));
    let (kind, message, hint) = match (code, state) {
        ("TEMPORARILY_UNAVAILABLE" | "SERVICE_UNDER_MAINTENANCE" | "WORKSPACE_TEMPORARILY_UNAVAILABLE", _) => (
            ErrorKind::SourceUnavailable,
            format!("service \"{service}\" is not available at the moment"),
            "Try again later.",
        ),
        ("RESOURCE_EXHAUSTED", _) => (
            ErrorKind::SourceThrottled,
            format!("service \"{service}\" has no room for the statement"),
            "Try again later, or give the warehouse more clusters.",
        ),
        ("UNAUTHENTICATED", _) => (
            ErrorKind::SourceRejected,
            format!("the credentials of service \"{service}\" were not accepted"),
            "Check the service's credentials in the configuration.",
        ),
        _ if class.is_some_and(|class| class.starts_with("INLINE_")) => (
            ErrorKind::LimitExceeded,
            format!("the result is larger than service \"{service}\" sends without external links{told}"),
            "Ask for fewer rows or columns, or ask the workspace's administrator to allow external links.",
        ),
        (_, "42501") => (
            ErrorKind::SourceRejected,
            format!("service \"{service}\" denies access to a table{told}"),
            "The principal of the service's credentials lacks a privilege there.",
        ),
        (_, "42P01" | "42703" | "42704") => (
            ErrorKind::SourceRejected,
            format!("service \"{service}\" does not know a table or a column of the statement{told}"),
            "It may have been changed a moment ago: run the query again.",
        ),
        ("INTERNAL_ERROR" | "IO_ERROR" | "UNKNOWN" | "ABORTED" | "DEADLINE_EXCEEDED", _) => (
            ErrorKind::SourceUnavailable,
            format!("service \"{service}\" failed to run the statement{told}"),
            "Try again; the server's log says what it answered.",
        ),
        _ => (
            ErrorKind::SourceRejected,
            format!("service \"{service}\" refused the statement{told}"),
            "The server's log says what it answered.",
        ),
    };
    Error::new(kind, message).with_hint(hint)
}

/// The exception that a value caused: by its class, which is finer, or by its state.
fn data_exception(class: Option<&str>, state: &str) -> Option<DataException> {
    let of_class = match class.map(|class| class.split('.').next().unwrap_or(class)) {
        Some("DIVIDE_BY_ZERO" | "REMAINDER_BY_ZERO" | "INTERVAL_DIVIDED_BY_ZERO") => {
            Some(DataException::DivisionByZero)
        }
        Some(
            "ARITHMETIC_OVERFLOW"
            | "BINARY_ARITHMETIC_OVERFLOW"
            | "CAST_OVERFLOW"
            | "CAST_OVERFLOW_IN_TABLE_INSERT"
            | "NUMERIC_VALUE_OUT_OF_RANGE"
            | "NUMERIC_OUT_OF_SUPPORTED_RANGE"
            | "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION"
            | "SUM_OF_LIMIT_AND_OFFSET_EXCEEDS_MAX_INT",
        ) => Some(DataException::NumericValueOutOfRange),
        Some("CAST_INVALID_INPUT" | "CONVERSION_INVALID_INPUT" | "INVALID_VARIANT_CAST") => {
            Some(DataException::InvalidTextRepresentation)
        }
        Some("CANNOT_PARSE_TIMESTAMP") => Some(DataException::InvalidDatetimeFormat),
        Some("DATETIME_OVERFLOW" | "DATETIME_FIELD_OUT_OF_BOUNDS") => Some(DataException::DatetimeFieldOverflow),
        Some("INVALID_ARRAY_INDEX" | "INVALID_ARRAY_INDEX_IN_ELEMENT_AT") => Some(DataException::ArraySubscript),
        _ => None,
    };
    of_class.or(match state {
        "22012" => Some(DataException::DivisionByZero),
        "22003" => Some(DataException::NumericValueOutOfRange),
        "22018" | "22P02" => Some(DataException::InvalidTextRepresentation),
        "22007" => Some(DataException::InvalidDatetimeFormat),
        "22008" => Some(DataException::DatetimeFieldOverflow),
        "22001" => Some(DataException::StringDataRightTruncation),
        "22019" | "22025" => Some(DataException::InvalidEscapeCharacter),
        "22023" => Some(DataException::InvalidArgument),
        _ if state.starts_with("22") => Some(DataException::Other),
        _ => None,
    })
}

/// Without the value, which may be of a row that somebody may not see.
fn words_of(exception: DataException) -> &'static str {
    match exception {
        DataException::DivisionByZero => "division by zero",
        DataException::NumericValueOutOfRange => "value out of range",
        DataException::InvalidTextRepresentation => "a text is no value of the type that it is cast to",
        DataException::InvalidDatetimeFormat => "a text is no date or time",
        DataException::DatetimeFieldOverflow => "date or time out of range",
        DataException::StringDataRightTruncation => "a text is too long for its type",
        DataException::ArraySubscript => "array index out of range",
        DataException::InvalidEscapeCharacter => "invalid escape in a pattern",
        _ => "a value cannot be worked on",
    }
}

/// `CLASS` or `CLASS.SUBCLASS` of a text that begins with `[CLASS]`.
fn class_of(message: &str) -> Option<&str> {
    let (class, _) = message.trim_start().strip_prefix('[')?.split_once(']')?;
    let is_class = !class.is_empty()
        && class.len() <= 100
        && class
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.'));
    is_class.then_some(class)
}

/// The code behind `SQLSTATE:`, where the status has none. The last one: texts before it may quote the statement.
fn state_of(message: &str) -> Option<&str> {
    let (_, rest) = message.rsplit_once("SQLSTATE:")?;
    let state = rest.trim_start().get(..5)?;
    state.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::super::model::StatusError;
    use super::*;

    fn told(code: &str, message: &str, sql_state: Option<&str>) -> Error {
        let status = Status {
            state: "FAILED".to_owned(),
            error: Some(StatusError {
                error_code: code.to_owned(),
                message: message.to_owned(),
            }),
            sql_state: sql_state.map(str::to_owned),
        };
        statement_error("s", &status)
    }

    #[test]
    fn classes_and_states_become_kinds() {
        let kind = |message: &str, state| told("BAD_REQUEST", message, state).kind();
        assert_eq!(
            kind("[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012", None),
            ErrorKind::DataException(DataException::DivisionByZero)
        );
        assert_eq!(
            kind("[ARITHMETIC_OVERFLOW] x", Some("22003")),
            ErrorKind::DataException(DataException::NumericValueOutOfRange)
        );
        assert_eq!(
            kind("something", Some("22018")),
            ErrorKind::DataException(DataException::InvalidTextRepresentation)
        );
        assert_eq!(
            kind("[TABLE_OR_VIEW_NOT_FOUND] x SQLSTATE: 42P01", None),
            ErrorKind::SourceRejected
        );
        assert_eq!(told("RESOURCE_EXHAUSTED", "x", None).kind(), ErrorKind::SourceThrottled);
        assert_eq!(
            told("TEMPORARILY_UNAVAILABLE", "x", None).kind(),
            ErrorKind::SourceUnavailable
        );
        assert_eq!(told("SOMETHING_NEW", "", None).kind(), ErrorKind::SourceRejected);
    }

    #[test]
    fn no_value_of_a_row_is_told() {
        let error = told(
            "BAD_REQUEST",
            "[CAST_INVALID_INPUT] The value 'salary 100000' of the type \"STRING\" cannot be cast. SQLSTATE: 22018",
            None,
        );
        let shown = format!("{} {:?} {:?}", error.message(), error.detail(), error.hint());
        assert!(!shown.contains("100000"));
        assert!(error.causes().contains("100000"), "the log has it");
    }

    #[test]
    fn only_a_class_is_taken_for_one() {
        assert_eq!(class_of("[A.B_C] text"), Some("A.B_C"));
        assert_eq!(class_of("[see the value] text"), None);
        assert_eq!(state_of("SQLSTATE: 42601 (line 1)"), Some("42601"));
        assert_eq!(state_of("SQLSTATE: é"), None);
    }
}
