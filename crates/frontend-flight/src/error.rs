//! How a failure looks to a Flight client. The one place that knows gRPC's codes of [`ErrorKind`]s.
//!
//! <https://grpc.io/docs/guides/status-codes/>

use contract::{Error, ErrorKind, QueryId};
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
    let mut metadata = MetadataMap::new();
    metadata.insert(SQLSTATE, MetadataValue::from_static(error.kind().sqlstate()));
    if let Some(position) = error.position() {
        metadata.insert(POSITION, MetadataValue::from(position));
    }
    Status::with_metadata(code(error.kind()), bounded(text), metadata)
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

fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Syntax
        | ErrorKind::UndefinedColumn
        | ErrorKind::UndefinedFunction
        | ErrorKind::DuplicateAlias
        | ErrorKind::AmbiguousColumn
        | ErrorKind::Grouping
        | ErrorKind::Windowing
        | ErrorKind::TypeMismatch
        | ErrorKind::CannotCoerce
        | ErrorKind::IndeterminateType
        | ErrorKind::InvalidParameter
        | ErrorKind::InvalidName
        | ErrorKind::DataException(_)
        | ErrorKind::Cardinality
        | ErrorKind::ProtocolViolation
        | ErrorKind::StatementTooComplex => Code::InvalidArgument,
        ErrorKind::UndefinedTable
        | ErrorKind::UndefinedSchema
        | ErrorKind::UndefinedCatalog
        | ErrorKind::UndefinedObject
        | ErrorKind::UndefinedPreparedStatement
        | ErrorKind::UndefinedCursor => Code::NotFound,
        ErrorKind::DuplicatePreparedStatement | ErrorKind::DuplicateCursor | ErrorKind::DuplicateObject => {
            Code::AlreadyExists
        }
        ErrorKind::InvalidPassword | ErrorKind::InvalidAuthorization => Code::Unauthenticated,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::ReadOnly
        | ErrorKind::InFailedTransaction
        | ErrorKind::NoActiveTransaction
        | ErrorKind::ActiveTransaction
        | ErrorKind::InvalidSavepoint
        | ErrorKind::ObjectNotInPrerequisiteState
        | ErrorKind::SourceRejected
        | ErrorKind::Configuration => Code::FailedPrecondition,
        ErrorKind::Canceled => Code::Cancelled,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::MemoryExhausted
        | ErrorKind::DiskFull
        | ErrorKind::TooManyQueries
        | ErrorKind::LimitExceeded
        | ErrorKind::SourceThrottled => Code::ResourceExhausted,
        ErrorKind::SourceUnavailable | ErrorKind::ShuttingDown => Code::Unavailable,
        ErrorKind::DataCorrupted => Code::DataLoss,
        ErrorKind::Internal => Code::Internal,
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
