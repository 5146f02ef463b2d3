//! How a failure looks to a PostgreSQL client. The one place that knows SQLSTATEs of [`ErrorKind`]s.
//!
//! <https://www.postgresql.org/docs/16/errcodes-appendix.html>

use std::fmt;

use contract::{DataException, Error, ErrorKind, QueryId};
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

/// An error with all the fields that go over the wire.
#[derive(Debug)]
pub(crate) struct WireError(Box<Fields>);

#[derive(Debug)]
struct Fields {
    fatal: bool,
    sqlstate: &'static str,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
    position: Option<usize>,
}

impl WireError {
    pub(crate) fn new(sqlstate: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Fields {
            fatal: false,
            sqlstate,
            message,
            detail: None,
            hint: None,
            position: None,
        }))
    }

    /// The client broke the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    /// The server ends this connection.
    pub(crate) fn shutting_down() -> Self {
        Self::new("57P01", "terminating connection due to administrator command").fatal()
    }

    /// Translates `error`. A bug of ours is logged with its causes; the client learns the query's id only.
    pub(crate) fn of(error: &Error, query: Option<QueryId>) -> Self {
        let internal = error.kind() == ErrorKind::Internal;
        if internal {
            tracing::error!(
                query_id = query.map(tracing::field::display),
                causes = error.causes(),
                "internal error"
            );
        } else {
            tracing::debug!(
                query_id = query.map(tracing::field::display),
                message = error.message(),
                causes = error.causes(),
                "statement failed"
            );
        }
        let detail = match (internal, query) {
            (true, Some(id)) => Some(format!("The server's log has more about query {id}.")),
            _ => error.detail().map(str::to_owned),
        };
        Self(Box::new(Fields {
            fatal: false,
            sqlstate: sqlstate(error.kind()),
            message: error.message().to_owned(),
            detail,
            hint: error.hint().map(str::to_owned),
            position: error.position(),
        }))
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Makes it end the connection.
    pub(crate) fn fatal(mut self) -> Self {
        self.0.fatal = true;
        self
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.0.fatal
    }

    #[cfg(test)]
    pub(crate) fn sqlstate(&self) -> &'static str {
        self.0.sqlstate
    }

    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The message for the wire.
    pub(crate) fn response(&self) -> ErrorResponse {
        ErrorResponse::new(self.fields(if self.0.fatal { "FATAL" } else { "ERROR" }))
    }

    fn fields(&self, severity: &str) -> Vec<(u8, String)> {
        let Fields {
            sqlstate,
            message,
            detail,
            hint,
            position,
            ..
        } = &*self.0;
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', (*sqlstate).to_owned()),
            (b'M', without_nul(message)),
        ];
        fields.extend(detail.as_deref().map(|detail| (b'D', without_nul(detail))));
        fields.extend(hint.as_deref().map(|hint| (b'H', without_nul(hint))));
        fields.extend(position.map(|position| (b'P', position.to_string())));
        fields
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// Something that a client should know beside its answer.
pub(crate) fn notice(error: &Error) -> NoticeResponse {
    let severity = match error.kind() {
        ErrorKind::ActiveTransaction | ErrorKind::NoActiveTransaction | ErrorKind::InFailedTransaction => "WARNING",
        _ => "NOTICE",
    };
    NoticeResponse::new(WireError::of(error, None).fields(severity))
}

/// A NUL would end the field early and shift every later byte of the stream.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
}

fn sqlstate(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Syntax => "42601",
        ErrorKind::UndefinedTable => "42P01",
        ErrorKind::UndefinedColumn => "42703",
        ErrorKind::UndefinedFunction => "42883",
        ErrorKind::UndefinedSchema => "3F000",
        ErrorKind::UndefinedCatalog => "3D000",
        ErrorKind::UndefinedObject => "42704",
        ErrorKind::UndefinedPreparedStatement => "26000",
        ErrorKind::UndefinedCursor => "34000",
        ErrorKind::DuplicatePreparedStatement => "42P05",
        ErrorKind::DuplicateCursor => "42P03",
        ErrorKind::DuplicateAlias => "42712",
        ErrorKind::DuplicateObject => "42710",
        ErrorKind::AmbiguousColumn => "42702",
        ErrorKind::Grouping => "42803",
        ErrorKind::Windowing => "42P20",
        ErrorKind::TypeMismatch => "42804",
        ErrorKind::CannotCoerce => "42846",
        ErrorKind::IndeterminateType => "42P18",
        ErrorKind::InvalidParameter => "22023",
        ErrorKind::InvalidName => "42602",
        ErrorKind::DataException(exception) => data_exception(exception),
        ErrorKind::Cardinality => "21000",
        ErrorKind::InvalidPassword => "28P01",
        ErrorKind::InvalidAuthorization => "28000",
        ErrorKind::PermissionDenied => "42501",
        ErrorKind::Unsupported => "0A000",
        ErrorKind::ReadOnly => "25006",
        ErrorKind::InFailedTransaction => "25P02",
        ErrorKind::NoActiveTransaction => "25P01",
        ErrorKind::ActiveTransaction => "25001",
        ErrorKind::InvalidSavepoint => "3B001",
        ErrorKind::ObjectNotInPrerequisiteState => "55000",
        ErrorKind::ProtocolViolation => "08P01",
        ErrorKind::Canceled | ErrorKind::DeadlineExceeded => "57014",
        ErrorKind::MemoryExhausted => "53200",
        ErrorKind::DiskFull => "53100",
        ErrorKind::TooManyQueries => "53300",
        ErrorKind::StatementTooComplex => "54001",
        ErrorKind::LimitExceeded => "54000",
        // Class HV, not 08: connection pools drop the connection to us on class 08.
        ErrorKind::SourceUnavailable => "HV00N",
        ErrorKind::SourceThrottled | ErrorKind::SourceRejected => "HV000",
        ErrorKind::DataCorrupted => "XX001",
        ErrorKind::Configuration => "F0000",
        ErrorKind::ShuttingDown => "57P01",
        ErrorKind::Internal => "XX000",
    }
}

fn data_exception(exception: DataException) -> &'static str {
    match exception {
        DataException::Other => "22000",
        DataException::DivisionByZero => "22012",
        DataException::NumericValueOutOfRange => "22003",
        DataException::InvalidTextRepresentation => "22P02",
        DataException::InvalidBinaryRepresentation => "22P03",
        DataException::InvalidDatetimeFormat => "22007",
        DataException::DatetimeFieldOverflow => "22008",
        DataException::CharacterNotInRepertoire => "22021",
        DataException::StringDataRightTruncation => "22001",
        DataException::InvalidRegularExpression => "2201B",
        DataException::ArraySubscript => "2202E",
        DataException::InvalidArgument => "22023",
        DataException::InvalidEscapeCharacter => "22019",
        DataException::InvalidArgumentForLogarithm => "2201E",
        DataException::InvalidArgumentForPower => "2201F",
        DataException::InvalidRowCountInLimit => "2201W",
        DataException::InvalidRowCountInOffset => "2201X",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_its_fields_and_loses_nul_bytes() {
        let error = Error::new(ErrorKind::Syntax, "syntax error at \"\0x\"")
            .with_hint("Do.")
            .with_position(8);
        assert_eq!(
            WireError::of(&error, None).response().fields,
            [
                (b'S', "ERROR".to_owned()),
                (b'V', "ERROR".to_owned()),
                (b'C', "42601".to_owned()),
                (b'M', "syntax error at \"x\"".to_owned()),
                (b'H', "Do.".to_owned()),
                (b'P', "8".to_owned()),
            ]
        );
    }

    #[test]
    fn a_bug_shows_its_query_and_nothing_else() {
        let error = Error::internal("secret: 42");
        let response = WireError::of(&error, Some(QueryId::next())).fatal().response();
        let text = format!("{:?}", response.fields);
        assert!(
            text.contains("XX000") && text.contains("FATAL") && text.contains("query q"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_second_begin_is_a_warning() {
        let error = Error::new(
            ErrorKind::ActiveTransaction,
            "there is already a transaction in progress",
        );
        let fields = notice(&error).fields;
        assert!(fields.contains(&(b'S', "WARNING".to_owned())) && fields.contains(&(b'C', "25001".to_owned())));
    }
}
