//! What a server's refusal means: for the call, and for the client.
//!
//! Spark gives nearly everything the gRPC code INTERNAL; what happened is in the details: `google.rpc.ErrorInfo`
//! (<https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>) with the error class
//! (<https://spark.apache.org/docs/latest/sql-error-conditions.html>), or at the head of the message.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use contract::{Error, ErrorKind};
use prost::Message;
use spark_connect_proto::FetchErrorDetailsResponse;
use tonic::{Code, Status};

use crate::data_exception::{data_exception, data_exception_of_sail, data_message};

/// What is shown of a server's words. Its messages can hold whole plans.
const TEXT_CHARACTERS_MAX: usize = 500;

/// How far down the causes of an error are looked through.
const CAUSES_MAX: usize = 16;

const DOMAIN: &str = "org.apache.spark";

/// How Sail, which has no classes, says that it does not know an operation, or gave up what it had of it.
const SAIL_OPERATION_GONE: [&str; 2] = [
    "invalid argument: operation not found",
    "internal error: task context not found for operation",
];

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The server stopped to send, and did not stop to work: attach again.
    Detached,
    /// The server was not there, or said when to come back.
    Again(Option<Duration>),
    /// The server no longer knows the session.
    SessionLost,
    /// The server does not know the operation.
    OperationGone,
    /// The server knows the operation already.
    OperationExists,
    /// It will be the same next time.
    Final,
}

/// Why a call did not give what it was made for.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// By the server, or on the way.
    Theirs(Box<Told>),
    /// By us.
    Ours(Error),
}

/// What the server said.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    code: Code,
    text: String,
    class: Option<String>,
    sql_state: Option<String>,
    /// The JVM's class, or what Sail calls like it.
    reason: String,
    error_id: Option<String>,
    retry_after: Option<Duration>,
    /// The connection broke, or never was.
    disconnected: bool,
}

#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

impl Refusal {
    /// Reads a status.
    pub(crate) fn of(status: &Status) -> Self {
        let text = status.message().to_owned();
        let mut told = Told {
            code: status.code(),
            class: class_in(&text).map(str::to_owned),
            sql_state: None,
            reason: String::new(),
            error_id: None,
            retry_after: None,
            // A status that came over the wire has no cause. The stub words a channel that is not ready without one.
            disconnected: status.source().is_some() || text.starts_with("Service was not ready"),
            text,
        };
        // Details that are not understood say nothing.
        let details = RpcStatus::decode(status.details()).unwrap_or_default().details;
        for detail in details {
            told.add(&detail);
        }
        Self::Theirs(Box::new(told))
    }

    /// A stream that ended without saying that it was complete.
    pub(crate) fn ended() -> Self {
        Self::of(&Status::new(
            Code::DeadlineExceeded,
            "the stream ended before the answer was complete",
        ))
    }

    /// A server that says it is another one than before.
    pub(crate) fn session_changed() -> Self {
        Self::of(&Status::new(
            Code::Internal,
            "[INVALID_HANDLE.SESSION_CHANGED] the server answers as another one than before",
        ))
    }

    pub(crate) fn fate(&self) -> Fate {
        match self {
            Self::Theirs(told) => told.fate(),
            Self::Ours(_) => Fate::Final,
        }
    }

    /// Whether the server does not know who calls.
    pub(crate) fn is_about_the_token(&self) -> bool {
        matches!(self, Self::Theirs(told) if told.code == Code::Unauthenticated)
    }

    /// Whether the server understood the call and said no, so that another call may do better.
    pub(crate) fn is_about_the_call(&self) -> bool {
        match self {
            Self::Theirs(told) => {
                told.fate() == Fate::Final && !matches!(told.code, Code::Unauthenticated | Code::PermissionDenied)
            }
            Self::Ours(_) => false,
        }
    }

    /// Whether the error is of a kind that only Sail gives: with details of a Spark, but neither class nor id.
    pub(crate) fn is_of_sail(&self) -> bool {
        match self {
            Self::Theirs(told) => !told.reason.is_empty() && told.class.is_none() && told.error_id.is_none(),
            Self::Ours(_) => false,
        }
    }

    pub(crate) fn class(&self) -> Option<&str> {
        match self {
            Self::Theirs(told) => told.class.as_deref(),
            Self::Ours(_) => None,
        }
    }

    /// The id under which the server tells the rest, if what it told is cut.
    pub(crate) fn cut_error_id(&self) -> Option<&str> {
        match self {
            Self::Theirs(told) if told.class.is_none() || told.text.ends_with("...") => told.error_id.as_deref(),
            _ => None,
        }
    }

    /// Adds what the server told when it was asked for the rest. The first of the causes that has a class counts: what
    /// a task raises comes wrapped in what waited for it.
    pub(crate) fn complete(&mut self, details: FetchErrorDetailsResponse) {
        let Self::Theirs(told) = self else { return };
        let mut next = Some(details.root_error_idx.unwrap_or_default());
        for depth in 0..CAUSES_MAX {
            let place = next.and_then(|index| usize::try_from(index).ok());
            let Some(error) = place.and_then(|place| details.errors.get(place)) else {
                return;
            };
            let throwable = error.spark_throwable.as_ref();
            let class = throwable.and_then(|throwable| throwable.error_class.clone());
            if depth == 0 || class.is_some() {
                told.text.clone_from(&error.message);
            }
            if class.is_some() {
                told.class = class;
                told.sql_state = throwable.and_then(|throwable| throwable.sql_state.clone());
                return;
            }
            next = error.cause_idx;
        }
    }

    /// The error for the client of `service`.
    pub(crate) fn into_error(self, service: &str) -> Error {
        match self {
            Self::Theirs(told) => told.into_error(service),
            Self::Ours(error) => error,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Told {
    fn add(&mut self, detail: &prost_types::Any) {
        if detail.type_url.ends_with("/google.rpc.RetryInfo") {
            if let Ok(retry) = RetryInfo::decode(detail.value.as_slice()) {
                let delay = retry.retry_delay.unwrap_or_default();
                self.retry_after = Some(Duration::try_from(delay).unwrap_or_default());
            }
        } else if detail.type_url.ends_with("/google.rpc.ErrorInfo")
            && let Ok(mut info) = ErrorInfo::decode(detail.value.as_slice())
            && info.domain == DOMAIN
        {
            self.reason = info.reason;
            self.class = info.metadata.remove("errorClass").or(self.class.take());
            self.sql_state = info.metadata.remove("sqlState");
            self.error_id = info.metadata.remove("errorId");
        }
    }

    fn class(&self) -> &str {
        self.class.as_deref().unwrap_or_default()
    }

    fn fate(&self) -> Fate {
        if self.retry_after.is_some() {
            return Fate::Again(self.retry_after);
        }
        match self.class() {
            "INVALID_HANDLE.SESSION_CHANGED" | "INVALID_HANDLE.SESSION_NOT_FOUND" | "INVALID_HANDLE.SESSION_CLOSED" => {
                return Fate::SessionLost;
            }
            "INVALID_HANDLE.OPERATION_NOT_FOUND" | "INVALID_HANDLE.OPERATION_ABANDONED" => {
                return Fate::OperationGone;
            }
            "INVALID_HANDLE.OPERATION_ALREADY_EXISTS" => return Fate::OperationExists,
            "INVALID_CURSOR.DISCONNECTED" => return Fate::Detached,
            _ => {}
        }
        match self.code {
            // Of a cursor, not of a statement: those that run too long are cancelled.
            Code::DeadlineExceeded => Fate::Detached,
            Code::Unavailable => Fate::Again(None),
            Code::Internal if SAIL_OPERATION_GONE.iter().any(|words| self.text.starts_with(words)) => {
                Fate::OperationGone
            }
            _ if self.disconnected => Fate::Again(None),
            _ => Fate::Final,
        }
    }

    fn into_error(self, service: &str) -> Error {
        let source = std::io::Error::other(format!("{:?}: {}", self.code, self.text));
        let of_value = match self.class.as_deref() {
            Some(class) => data_exception(class, self.sql_state.as_deref()),
            None if self.reason.is_empty() => None,
            None => data_exception_of_sail(&self.text),
        };
        if let Some(kind) = of_value {
            let error = Error::new(kind, data_message(kind));
            return match self.class {
                Some(class) => error.with_detail(format!("Service \"{service}\" raised {class}.")),
                None => error.with_detail(format!("Service \"{service}\" raised it.")),
            };
        }
        let refused = |hint: &str| {
            let message = format!("service \"{service}\" refused the statement: {}", self.shown());
            let error = Error::new(ErrorKind::SourceRejected, message);
            if hint.is_empty() { error } else { error.with_hint(hint) }
        };
        let error = match (self.fate(), self.code) {
            (Fate::SessionLost | Fate::OperationGone | Fate::OperationExists, _) => Error::new(
                ErrorKind::SourceUnavailable,
                format!("service \"{service}\" no longer knows the statement"),
            )
            .with_hint("The server was restarted, or gave the statement up. Try again."),
            (Fate::Again(_) | Fate::Detached, _) => Error::new(
                ErrorKind::SourceUnavailable,
                format!("service \"{service}\" does not answer"),
            )
            .with_hint("Check that the server runs and that its address is right."),
            _ if self.is_canceled() => Error::new(
                ErrorKind::Canceled,
                format!("service \"{service}\" canceled the statement"),
            ),
            (_, Code::Unauthenticated) => Error::new(
                ErrorKind::SourceRejected,
                format!("service \"{service}\" does not accept its credentials"),
            )
            .with_hint("Check the service's token in the configuration."),
            (_, Code::OutOfRange) => Error::new(
                ErrorKind::LimitExceeded,
                format!("service \"{service}\" sent a message that is too long"),
            )
            .with_hint("Select fewer or smaller columns."),
            (_, Code::ResourceExhausted) => Error::new(
                ErrorKind::SourceThrottled,
                format!("service \"{service}\" has no room for the statement"),
            ),
            (_, Code::Unimplemented) => refused("The server does not speak Spark Connect, or an older form of it."),
            _ if self.is_denied() => refused("The service's own user lacks a privilege there."),
            _ => refused(""),
        };
        error.with_source(source)
    }

    fn is_canceled(&self) -> bool {
        self.class() == "OPERATION_CANCELED" || self.sql_state.as_deref() == Some("HY008")
    }

    fn is_denied(&self) -> bool {
        self.code == Code::PermissionDenied
            || self.sql_state.as_deref() == Some("42501")
            || self.class().starts_with("INSUFFICIENT_PERMISSIONS")
            || self.class().starts_with("PERMISSION_DENIED")
    }

    /// The class and the first line: what follows are the statement's text, plans and stack traces.
    fn shown(&self) -> String {
        let line = self.text.lines().next().unwrap_or_default();
        let line = line.split("== SQL").next().unwrap_or_default().trim();
        let line: String = line.chars().filter(|character| !character.is_control()).collect();
        let class = self.class();
        let mut shown = match class_in(&line) {
            None if !class.is_empty() => format!("[{class}] {line}"),
            _ => line,
        };
        if let Some((end, _)) = shown.char_indices().nth(TEXT_CHARACTERS_MAX) {
            shown.truncate(end);
            shown.push_str("...");
        }
        if shown.is_empty() {
            return format!("{:?}", self.code);
        }
        shown.trim_end_matches('.').to_owned()
    }
}

/// The error class in front of a message: `[DIVIDE_BY_ZERO] Division by zero …`, maybe behind the name of an exception.
fn class_in(text: &str) -> Option<&str> {
    let line = text.lines().next()?;
    let (before, rest) = line.split_once('[')?;
    let (class, _) = rest.split_once(']')?;
    let is_class = class.starts_with(|first: char| first.is_ascii_uppercase())
        && class
            .chars()
            .all(|character| character.is_ascii_uppercase() || character.is_ascii_digit() || "._".contains(character));
    let is_exception = before.is_empty() || before.ends_with(": ") && !before.contains(['\'', '"', '`']);
    (is_class && is_exception).then_some(class)
}
