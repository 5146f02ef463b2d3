use contract::{Error, ErrorKind, Result};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::outcome::Failure;
use crate::renewing::{Lease, lease_until};
use crate::secret::Secret;

/// What a token without a stated end is taken to live. Services give an hour.
const LIFE_DEFAULT_SECONDS: i64 = 600;
/// Longer lives are not believed: a token is asked for once a day at least.
const LIFE_MAX_SECONDS: i64 = 24 * 60 * 60;

/// A token, and what is sent besides it.
#[derive(Debug)]
pub(crate) struct Token {
    bearer: Secret,
    besides: Vec<(HeaderName, Secret)>,
}

impl Token {
    pub(crate) fn bearer(bearer: Secret) -> Self {
        Self {
            bearer,
            besides: Vec::new(),
        }
    }

    pub(crate) fn secret(&self) -> &Secret {
        &self.bearer
    }

    /// The same token once more.
    pub(super) fn again(&self) -> Self {
        Self {
            bearer: self.bearer.clone(),
            besides: self.besides.clone(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: Secret) -> Self {
        self.besides.push((HeaderName::from_static(name), value));
        self
    }

    /// Puts it into the headers of a call. A value that no header can hold is left out, and the call is refused.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        let bearer = Secret::new(format!("Bearer {}", self.bearer.expose()));
        let all = [(AUTHORIZATION, &bearer)]
            .into_iter()
            .chain(self.besides.iter().map(|(name, value)| (name.clone(), value)));
        for (name, value) in all {
            if let Ok(mut value) = HeaderValue::from_str(value.expose()) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
    }
}

/// A token endpoint's answer. Numbers may come as texts.
#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    access_token: Secret,
    #[serde(default)]
    expires_in: Value,
    /// Seconds since 1970, from the endpoint of managed identities.
    #[serde(default)]
    expires_on: Value,
}

impl Grant {
    /// How long the token holds.
    pub(super) fn lease(self, clock: &Clock, token: impl FnOnce(Secret) -> Token) -> Lease<Token> {
        let now = clock.now();
        let of_end = number(&self.expires_on).map(|end| end.saturating_sub(now / 1000));
        let seconds = number(&self.expires_in).or(of_end).unwrap_or(LIFE_DEFAULT_SECONDS);
        let life = seconds.clamp(0, LIFE_MAX_SECONDS).saturating_mul(1000);
        lease_until(token(self.access_token), now, now.saturating_add(life))
    }

    pub(super) fn into_secret(self) -> Secret {
        self.access_token
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// What a client of ours is told when a login fails.
pub(super) fn login_error(failure: Failure, service: &str) -> Error {
    match failure.refusal() {
        Some(refusal) if (400..500).contains(&refusal.status) && refusal.status != 429 => {
            let said = format!("status {} {}", refusal.status, crate::outcome::shortened(&refusal.code));
            Error::new(
                ErrorKind::SourceRejected,
                format!("the credentials of service \"{service}\" were not accepted"),
            )
            .with_hint("Check the service's credentials in the configuration: they may have expired or been revoked.")
            .with_source(said)
        }
        _ => failure.into_error(service),
    }
}

pub(super) type Granted = Result<Grant, Failure>;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use super::*;

    #[test]
    fn ends_of_every_spelling_are_read() {
        let clock = Clock::of_test(&Arc::new(AtomicI64::new(1_000_000)));
        let ends = |json: &str| {
            let grant: Grant = serde_json::from_str(json).unwrap();
            grant.lease(&clock, Token::bearer).ends_at
        };
        let hour = 1_000_000 + 3_600_000 - 40_000;
        assert_eq!(ends(r#"{"access_token":"a","expires_in":3600}"#), hour);
        assert_eq!(ends(r#"{"access_token":"a","expires_in":"3600"}"#), hour);
        assert_eq!(ends(r#"{"access_token":"a","expires_on":"4600"}"#), hour);
        assert!(ends(r#"{"access_token":"a"}"#) < hour);
        assert!(ends(r#"{"access_token":"a","expires_in":-5}"#) <= 1_000_000);
    }

    #[test]
    fn nothing_of_a_token_is_shown() {
        let token = Token::bearer(Secret::new("dapi-secret")).with("x-extra", Secret::new("other-secret"));
        let shown = format!("{token:?}");
        assert!(!shown.contains("dapi-secret") && !shown.contains("other-secret"));
        let mut headers = HeaderMap::new();
        token.put(&mut headers);
        assert!(!format!("{headers:?}").contains("secret"));
        assert_eq!(headers.get("authorization").unwrap(), "Bearer dapi-secret");
    }
}
