//! How a failure looks to a PostgreSQL client. The one place that knows SQLSTATEs of [`ErrorKind`]s.
//!
//! <https://www.postgresql.org/docs/16/errcodes-appendix.html>

use std::fmt;

use contract::{Error, ErrorKind, QueryId};
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
            sqlstate: error.kind().sqlstate(),
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
        ErrorKind::ActiveTransaction
        | ErrorKind::NoActiveTransaction
        | ErrorKind::InFailedTransaction
        | ErrorKind::LimitExceeded => "WARNING",
        _ => "NOTICE",
    };
    NoticeResponse::new(WireError::of(error, None).fields(severity))
}

/// A NUL would end the field early and shift every later byte of the stream.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "")
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
