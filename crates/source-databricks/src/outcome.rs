//! How calls of a service fail, and what a client is told.

use std::time::Duration;

use contract::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

/// Of the texts of a service so much goes into a log or an error.
const TEXT_CHARACTERS_MAX: usize = 300;

/// Why a call gave no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The service refused, or is in trouble.
    Refused(Box<Refusal>),
    /// No answer came. The cause is without address.
    Unreachable { what: &'static str, cause: reqwest::Error },
    /// An answer that is none.
    Malformed(String),
    /// An error of ours that was decided elsewhere: of a login, for one.
    Other(Error),
}

/// An answer that is no success.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// `error_code`, which may come as a number.
    pub(crate) code: String,
    pub(crate) message: String,
    /// `reason` of the ErrorInfo among the details.
    pub(crate) reason: String,
    /// `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    error_code: Value,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    error_description: Value,
    #[serde(default)]
    details: Value,
}

impl Refusal {
    /// Reads the body, which may be a service's JSON, OAuth's, or anything.
    pub(crate) fn new(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        // A list would be taken for the fields in their order.
        let object = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
        let Some(body) = object.and_then(|object| serde_json::from_value::<Body>(object).ok()) else {
            return Self {
                status,
                retry_after,
                ..Self::default()
            };
        };
        let nested = |key: &str| body.error.get(key).map(text).unwrap_or_default();
        let first = |texts: [String; 3]| texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let reason = body
            .details
            .as_array()
            .and_then(|details| details.iter().find_map(|detail| detail.get("reason")))
            .map(text);
        Self {
            status,
            code: first([text(&body.error_code), text(&body.error), nested("type")]),
            message: first([text(&body.message), text(&body.error_description), nested("message")]),
            reason: reason.unwrap_or_default(),
            retry_after,
        }
    }

    fn kind_and_words(&self, service: &str) -> (ErrorKind, String, &'static str) {
        match self.status {
            401 => (
                ErrorKind::SourceRejected,
                format!("the credentials of service \"{service}\" were not accepted"),
                "Check the service's credentials in the configuration: they may have expired or been revoked.",
            ),
            // A wrong token is a 403 with a number for a code.
            403 if self.code == "403" => (
                ErrorKind::SourceRejected,
                format!("the credentials of service \"{service}\" were not accepted"),
                "Check the service's credentials in the configuration: they may have expired or been revoked.",
            ),
            403 => (
                ErrorKind::SourceRejected,
                format!("service \"{service}\" denies access"),
                "The principal of the service's credentials lacks a privilege there.",
            ),
            404 => (
                ErrorKind::SourceRejected,
                format!("service \"{service}\" does not know what it was asked for"),
                "Check the address, the warehouse and the catalogs of the service in the configuration.",
            ),
            429 => (
                ErrorKind::SourceThrottled,
                format!("service \"{service}\" asks for fewer requests"),
                "Try again later.",
            ),
            300..=399 => (
                ErrorKind::SourceRejected,
                format!("service \"{service}\" answers with a redirection"),
                "Check the service's address in the configuration.",
            ),
            500.. => (
                ErrorKind::SourceUnavailable,
                format!("service \"{service}\" is in trouble"),
                "Try again later; the server's log says what it answered.",
            ),
            _ => (
                ErrorKind::SourceRejected,
                format!("service \"{service}\" refused a request"),
                "The server's log says what it answered.",
            ),
        }
    }
}

impl Failure {
    /// The refusal, if it is one.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// What a client of ours is told.
    pub(crate) fn into_error(self, service: &str) -> Error {
        match self {
            Self::Refused(refusal) => {
                let (kind, message, hint) = refusal.kind_and_words(service);
                let Refusal {
                    status,
                    code,
                    message: text,
                    ..
                } = &*refusal;
                Error::new(kind, message).with_hint(hint).with_source(format!(
                    "status {status} {}: {}",
                    shortened(code),
                    shortened(text)
                ))
            }
            Self::Unreachable { what, cause } => {
                Error::new(ErrorKind::SourceUnavailable, format!("service \"{service}\" {what}"))
                    .with_hint("Check that it runs and that its address in the configuration is right.")
                    .with_source(cause)
            }
            Self::Malformed(what) => Error::new(
                ErrorKind::SourceUnavailable,
                format!("service \"{service}\" gave an answer that cannot be read"),
            )
            .with_hint("Check the service's address in the configuration.")
            .with_source(what),
            Self::Other(error) => error,
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A text of a service as a log or an error may hold it: one line, not too long, and without what follows the `?` of
/// an address, which may be a signature.
pub(crate) fn shortened(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let end = word.contains("://").then(|| word.find('?')).flatten();
        words.push(end.and_then(|end| word.get(..end)).unwrap_or(word));
    }
    let line = words.join(" ");
    match line.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_every_shape_are_read() {
        let read = |body: &str| Refusal::new(400, body.as_bytes(), None);
        let usual =
            read(r#"{"error_code":"PERMISSION_DENIED","message":"no","details":[{"@type":"x"},{"reason":"WHY"}]}"#);
        assert_eq!(
            (usual.code.as_str(), usual.message.as_str(), usual.reason.as_str()),
            ("PERMISSION_DENIED", "no", "WHY")
        );
        assert_eq!(
            read(r#"{"error_code":403,"message":"Invalid access token."}"#).code,
            "403"
        );
        let oauth = read(r#"{"error":"invalid_client","error_description":"wrong"}"#);
        assert_eq!(
            (oauth.code.as_str(), oauth.message.as_str()),
            ("invalid_client", "wrong")
        );
        let delta = read(r#"{"error":{"message":"m","type":"NoSuchTableException","code":404}}"#);
        assert_eq!(
            (delta.code.as_str(), delta.message.as_str()),
            ("NoSuchTableException", "m")
        );
        assert_eq!(read("<html>").code, "");
        assert_eq!(read("[1]").code, "");
    }

    #[test]
    fn statuses_are_told_apart() {
        let kind = |status, body: &str| {
            Failure::Refused(Box::new(Refusal::new(status, body.as_bytes(), None)))
                .into_error("s")
                .kind()
        };
        assert_eq!(kind(401, "{}"), ErrorKind::SourceRejected);
        assert_eq!(kind(403, r#"{"error_code":403}"#), ErrorKind::SourceRejected);
        assert_eq!(kind(429, "{}"), ErrorKind::SourceThrottled);
        assert_eq!(kind(503, "busy"), ErrorKind::SourceUnavailable);
        assert_eq!(kind(302, ""), ErrorKind::SourceRejected);
    }

    #[test]
    fn texts_lose_signatures_and_length() {
        assert_eq!(shortened("see https://a.b/c?sig=abc now"), "see https://a.b/c now");
        assert_eq!(shortened("really? yes"), "really? yes");
        assert_eq!(shortened(&"ä".repeat(1000)).chars().count(), TEXT_CHARACTERS_MAX + 1);
    }
}
