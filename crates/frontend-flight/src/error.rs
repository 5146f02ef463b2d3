//! How a failure looks to a Flight client. The one place that knows gRPC's codes of [`ErrorKind`]s.
//!
//! <https://grpc.io/docs/guides/status-codes/>

use contract::{DataException, Error, ErrorKind, QueryId};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The trailer that carries PostgreSQL's five letters.
pub(crate) const SQLSTATE: &str = "x-sqlstate";
/// The trailer that carries the place in the statement, 1-based, in characters.
const POSITION: &str = "x-position";

/// A status travels in the head or the trailer of an answer. Clients take 8 KiB of these, and each byte may become
/// three on its way.
const TEXT_BYTES_MAX: usize = 2000;

/// Translates `error`. A bug of ours is logged with its causes; the client learns the query's id only.
pub(crate) fn status(error: &Error, query: Option<QueryId>) -> Status {
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
            "call failed"
        );
    }
    let detail = match (internal, query) {
        (true, Some(id)) => Some(format!("The server's log has more about query {id}.")),
        _ => error.detail().map(str::to_owned),
    };
    let mut text = error.message().to_owned();
    for (name, more) in [("DETAIL", detail.as_deref()), ("HINT", error.hint())] {
        if let Some(more) = more {
            text.push_str(&format!("\n{name}:  {more}"));
        }
    }
    let (code, sqlstate) = code(error.kind());
    let mut metadata = MetadataMap::new();
    metadata.insert(SQLSTATE, MetadataValue::from_static(sqlstate));
    if let Some(position) = error.position() {
        metadata.insert(POSITION, MetadataValue::from(position));
    }
    Status::with_metadata(code, bounded(text), metadata)
}

/// The same for every call whose sender is not known, whatever was wrong.
pub(crate) fn unauthenticated() -> Status {
    with_sqlstate(Code::Unauthenticated, "28000", "authentication failed")
}

/// The client broke the protocol.
pub(crate) fn malformed(message: impl Into<String>) -> Status {
    with_sqlstate(Code::InvalidArgument, "08P01", message)
}

/// A handle that is nobody's, somebody else's, or no more.
pub(crate) fn unknown_handle() -> Status {
    with_sqlstate(
        Code::NotFound,
        "26000",
        "the statement does not exist\nHINT:  Handles and tickets end when they are closed or not used for a while: prepare again.",
    )
}

/// Something that Flight SQL has and this server does not.
pub(crate) fn unsupported(message: impl Into<String>) -> Status {
    with_sqlstate(Code::Unimplemented, "0A000", message)
}

/// A bug that showed as a panic.
pub(crate) fn panicked() -> Status {
    status(&Error::internal("a call panicked"), None)
}

/// The server ends what still runs.
pub(crate) fn shutting_down() -> Status {
    let message = "terminating connection due to administrator command";
    status(&Error::new(ErrorKind::ShuttingDown, message), None)
}

fn with_sqlstate(code: Code, sqlstate: &'static str, message: impl Into<String>) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(SQLSTATE, MetadataValue::from_static(sqlstate));
    Status::with_metadata(code, bounded(message.into()), metadata)
}

fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}

fn code(kind: ErrorKind) -> (Code, &'static str) {
    match kind {
        ErrorKind::Syntax => (Code::InvalidArgument, "42601"),
        ErrorKind::UndefinedTable => (Code::NotFound, "42P01"),
        ErrorKind::UndefinedColumn => (Code::InvalidArgument, "42703"),
        ErrorKind::UndefinedFunction => (Code::InvalidArgument, "42883"),
        ErrorKind::UndefinedSchema => (Code::NotFound, "3F000"),
        ErrorKind::UndefinedCatalog => (Code::NotFound, "3D000"),
        ErrorKind::UndefinedObject => (Code::NotFound, "42704"),
        ErrorKind::UndefinedPreparedStatement => (Code::NotFound, "26000"),
        ErrorKind::UndefinedCursor => (Code::NotFound, "34000"),
        ErrorKind::DuplicatePreparedStatement => (Code::AlreadyExists, "42P05"),
        ErrorKind::DuplicateCursor => (Code::AlreadyExists, "42P03"),
        ErrorKind::DuplicateAlias => (Code::InvalidArgument, "42712"),
        ErrorKind::DuplicateObject => (Code::AlreadyExists, "42710"),
        ErrorKind::AmbiguousColumn => (Code::InvalidArgument, "42702"),
        ErrorKind::Grouping => (Code::InvalidArgument, "42803"),
        ErrorKind::Windowing => (Code::InvalidArgument, "42P20"),
        ErrorKind::TypeMismatch => (Code::InvalidArgument, "42804"),
        ErrorKind::CannotCoerce => (Code::InvalidArgument, "42846"),
        ErrorKind::IndeterminateType => (Code::InvalidArgument, "42P18"),
        ErrorKind::InvalidParameter => (Code::InvalidArgument, "22023"),
        ErrorKind::InvalidName => (Code::InvalidArgument, "42602"),
        ErrorKind::DataException(exception) => (Code::InvalidArgument, data_exception(exception)),
        ErrorKind::Cardinality => (Code::InvalidArgument, "21000"),
        ErrorKind::InvalidPassword => (Code::Unauthenticated, "28P01"),
        ErrorKind::InvalidAuthorization => (Code::Unauthenticated, "28000"),
        ErrorKind::PermissionDenied => (Code::PermissionDenied, "42501"),
        ErrorKind::Unsupported => (Code::Unimplemented, "0A000"),
        ErrorKind::ReadOnly => (Code::FailedPrecondition, "25006"),
        ErrorKind::InFailedTransaction => (Code::FailedPrecondition, "25P02"),
        ErrorKind::NoActiveTransaction => (Code::FailedPrecondition, "25P01"),
        ErrorKind::ActiveTransaction => (Code::FailedPrecondition, "25001"),
        ErrorKind::InvalidSavepoint => (Code::FailedPrecondition, "3B001"),
        ErrorKind::ObjectNotInPrerequisiteState => (Code::FailedPrecondition, "55000"),
        ErrorKind::ProtocolViolation => (Code::InvalidArgument, "08P01"),
        ErrorKind::Canceled => (Code::Cancelled, "57014"),
        ErrorKind::DeadlineExceeded => (Code::DeadlineExceeded, "57014"),
        ErrorKind::MemoryExhausted => (Code::ResourceExhausted, "53200"),
        ErrorKind::DiskFull => (Code::ResourceExhausted, "53100"),
        ErrorKind::TooManyQueries => (Code::ResourceExhausted, "53300"),
        ErrorKind::StatementTooComplex => (Code::InvalidArgument, "54001"),
        ErrorKind::LimitExceeded => (Code::ResourceExhausted, "54000"),
        ErrorKind::SourceUnavailable => (Code::Unavailable, "HV00N"),
        ErrorKind::SourceThrottled => (Code::ResourceExhausted, "HV000"),
        ErrorKind::SourceRejected => (Code::FailedPrecondition, "HV000"),
        ErrorKind::DataCorrupted => (Code::DataLoss, "XX001"),
        ErrorKind::Configuration => (Code::FailedPrecondition, "F0000"),
        ErrorKind::ShuttingDown => (Code::Unavailable, "57P01"),
        ErrorKind::Internal => (Code::Internal, "XX000"),
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
    fn a_failure_keeps_its_fields() {
        let error = Error::new(ErrorKind::Syntax, "syntax error")
            .with_detail("More.")
            .with_hint("Do.")
            .with_position(8);
        let status = status(&error, None);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "syntax error\nDETAIL:  More.\nHINT:  Do.");
        assert_eq!(status.metadata().get(SQLSTATE).unwrap(), "42601");
        assert_eq!(status.metadata().get(POSITION).unwrap(), "8");
    }

    #[test]
    fn a_bug_shows_its_query_and_nothing_else() {
        let status = status(&Error::internal("secret: 42"), Some(QueryId::next()));
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains("about query q"), "{status:?}");
        assert!(!format!("{status:?}").contains("secret"), "{status:?}");
    }

    #[test]
    fn a_text_is_bounded_between_letters() {
        let status = status(&Error::unsupported("€".repeat(5000)), None);
        assert!(status.message().len() <= TEXT_BYTES_MAX + '…'.len_utf8());
        assert!(status.message().ends_with("€…"));
    }
}
