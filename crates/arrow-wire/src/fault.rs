//! What can be wrong with a message, and whose fault that is.

use std::error::Error as StdError;
use std::sync::Arc;

use arrow_schema::ArrowError;
use contract::{Error, ErrorKind};

/// Who sent the bytes.
#[derive(Debug, Clone)]
pub enum Sender {
    /// A client of ours: what is malformed breaks the protocol.
    Client,
    /// The service of this name: what is malformed is damaged data.
    Source(Arc<str>),
}

/// Why a message is not taken.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not what it says it is.
    Malformed(&'static str),
    /// The same, as found by a library. Its words are for logs.
    Broken(Box<dyn StdError + Send + Sync>),
    /// More than the limits.
    TooMuch(&'static str),
    /// Well-formed, but nothing that is used here.
    Unsupported(&'static str),
}

impl Fault {
    pub(crate) fn broken(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Broken(Box::new(error))
    }

    pub(crate) fn into_error(self, sender: &Sender) -> Error {
        let (kind, what, source) = match self {
            Self::Malformed(what) => (Self::malformed(sender), what, None),
            Self::Broken(error) => (Self::malformed(sender), "it contradicts itself", Some(error)),
            Self::TooMuch(what) => (ErrorKind::LimitExceeded, what, None),
            Self::Unsupported(what) => (ErrorKind::Unsupported, what, None),
        };
        let message = match sender {
            Sender::Client => format!("invalid Arrow message: {what}"),
            Sender::Source(name) => format!("service \"{name}\" sent an invalid Arrow message: {what}"),
        };
        let error = Error::new(kind, message);
        let error = match (kind, sender) {
            (ErrorKind::LimitExceeded, Sender::Client) => {
                error.with_hint("Send less at once: fewer rows or smaller values.")
            }
            (ErrorKind::Unsupported, Sender::Client) => {
                error.with_hint("Send plain columns, uncompressed or with buffers compressed by LZ4 or Zstandard.")
            }
            _ => error,
        };
        match source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    fn malformed(sender: &Sender) -> ErrorKind {
        match sender {
            Sender::Client => ErrorKind::ProtocolViolation,
            Sender::Source(_) => ErrorKind::DataCorrupted,
        }
    }
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Self {
        Self::broken(error)
    }
}
