//! How a failure looks to an HTTP client, in DreamFactory's shape. The one place that knows status codes and SQLSTATEs
//! of [`ErrorKind`]s.

use contract::{DataException, Error, ErrorKind, QueryId};
use hyper::StatusCode;
use serde_json::{Map, Value, json};

/// A request that is not answered with what it asked for.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    sqlstate: Option<&'static str>,
    error: Error,
    query: Option<QueryId>,
    /// The methods to use instead.
    allow: Option<&'static str>,
    /// Whether nothing more is read from this connection.
    closes: bool,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(Box::new(Parts {
            status: status(error.kind()),
            sqlstate: Some(error.kind().sqlstate()),
            error,
            query: None,
            allow: None,
            closes: false,
        }))
    }
}

impl Refusal {
    /// Something is wrong with the request itself, below SQL.
    pub(crate) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        let mut refusal = Self::from(Error::new(ErrorKind::ProtocolViolation, message));
        refusal.0.status = status;
        refusal.0.sqlstate = None;
        refusal
    }

    /// A parameter or body that is not as it must be.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidParameter, message).into()
    }

    /// The server ends.
    pub(crate) fn shutting_down() -> Self {
        Self::from(shutting_down()).closing()
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.error = self.0.error.with_hint(hint);
        self
    }

    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    pub(crate) fn with_query(mut self, query: QueryId) -> Self {
        self.0.query = Some(query);
        self
    }

    pub(crate) fn allowing(mut self, methods: &'static str) -> Self {
        self.0.allow = Some(methods);
        self
    }

    /// Ends the connection after the answer.
    pub(crate) fn closing(mut self) -> Self {
        self.0.closes = true;
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn allow(&self) -> Option<&'static str> {
        self.0.allow
    }

    pub(crate) fn closes(&self) -> bool {
        self.0.closes
    }

    /// The body. A bug of ours is logged with its causes; the client learns the request's id only.
    pub(crate) fn body(&self, request_id: &str) -> Value {
        let Parts {
            status,
            sqlstate,
            error,
            query,
            ..
        } = &*self.0;
        let internal = error.kind() == ErrorKind::Internal;
        let query = query.map(tracing::field::display);
        if internal {
            tracing::error!(request_id, query_id = query, causes = error.causes(), "internal error");
        } else {
            tracing::debug!(
                request_id,
                query_id = query,
                message = error.message(),
                causes = error.causes(),
                "request failed"
            );
        }
        let mut context = Map::new();
        context.insert("sqlstate".to_owned(), json!(sqlstate));
        let detail = match internal {
            true => Some(format!("The server's log has more about request {request_id}.")),
            false => error.detail().map(str::to_owned),
        };
        context.insert("detail".to_owned(), json!(detail));
        context.insert("hint".to_owned(), json!(error.hint()));
        if let Some(position) = error.position() {
            context.insert("position".to_owned(), json!(position));
        }
        context.insert("request_id".to_owned(), json!(request_id));
        json!({"error": {
            "code": status.as_u16(),
            "status_code": status.as_u16(),
            "message": error.message(),
            "context": context,
        }})
    }
}

/// The server ends.
pub(crate) fn shutting_down() -> Error {
    Error::new(ErrorKind::ShuttingDown, "the server is shutting down")
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::UndefinedTable | ErrorKind::UndefinedSchema | ErrorKind::UndefinedCatalog => StatusCode::NOT_FOUND,
        ErrorKind::Syntax
        | ErrorKind::UndefinedColumn
        | ErrorKind::UndefinedFunction
        | ErrorKind::UndefinedObject
        | ErrorKind::UndefinedPreparedStatement
        | ErrorKind::UndefinedCursor
        | ErrorKind::DuplicatePreparedStatement
        | ErrorKind::DuplicateCursor
        | ErrorKind::DuplicateAlias
        | ErrorKind::DuplicateObject
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
        | ErrorKind::InFailedTransaction
        | ErrorKind::NoActiveTransaction
        | ErrorKind::ActiveTransaction
        | ErrorKind::InvalidSavepoint
        | ErrorKind::ProtocolViolation
        | ErrorKind::StatementTooComplex
        | ErrorKind::LimitExceeded => StatusCode::BAD_REQUEST,
        ErrorKind::InvalidPassword | ErrorKind::InvalidAuthorization => StatusCode::UNAUTHORIZED,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnly => StatusCode::FORBIDDEN,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::ObjectNotInPrerequisiteState => StatusCode::CONFLICT,
        // Nobody is there to read it, except where the server itself cancels.
        ErrorKind::Canceled | ErrorKind::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::MemoryExhausted | ErrorKind::DiskFull => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::TooManyQueries | ErrorKind::SourceThrottled => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::SourceUnavailable | ErrorKind::SourceRejected => StatusCode::BAD_GATEWAY,
        ErrorKind::DataCorrupted | ErrorKind::Configuration | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The kind behind a SQLSTATE of class 22, as decoders of values give them.
pub(crate) fn data_kind(sqlstate: &str) -> ErrorKind {
    ErrorKind::DataException(match sqlstate {
        "22003" => DataException::NumericValueOutOfRange,
        "22P02" => DataException::InvalidTextRepresentation,
        "22P03" => DataException::InvalidBinaryRepresentation,
        "22007" => DataException::InvalidDatetimeFormat,
        "22008" => DataException::DatetimeFieldOverflow,
        "22021" => DataException::CharacterNotInRepertoire,
        "0A000" => return ErrorKind::Unsupported,
        _ => DataException::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_shape_that_clients_know() {
        let error = Error::undefined_table("trips").with_hint("Look.");
        let refusal = Refusal::from(error);
        assert_eq!(
            refusal.body("r1").to_string(),
            r#"{"error":{"code":404,"status_code":404,"message":"relation \"trips\" does not exist","context":{"sqlstate":"42P01","detail":null,"hint":"Look.","request_id":"r1"}}}"#
        );
    }

    #[test]
    fn a_bug_shows_its_request_and_nothing_else() {
        let refusal = Refusal::from(Error::internal("secret: 42"));
        let body = refusal.body("r7").to_string();
        assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body.contains("request r7") && !body.contains("secret"), "{body}");
    }
}
