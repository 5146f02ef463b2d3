//! Who sends a request: what its headers show, and the identity behind it.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use contract::Identity;
use engine::{Credentials, Engine, Origin};
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::{HeaderMap, StatusCode};

use crate::error::Refusal;

/// Some clients leave the padding away.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const KEY_HEADERS: [&str; 2] = ["x-api-key", "x-dreamfactory-api-key"];

/// What a request shows.
#[derive(Clone, PartialEq, Eq)]
enum Shown {
    None,
    Password { user: String, password: String },
    ApiKey(String),
    Bearer(String),
}

/// The identity behind a request with these headers from there.
///
/// # Errors
/// 400 for credentials that cannot be read or of which there are two, 401 for those that prove nothing.
pub(crate) async fn identify(engine: &Engine, headers: &HeaderMap, origin: Origin) -> Result<Arc<Identity>, Refusal> {
    let shown = shown(headers)?;
    if shown == Shown::None && !is_for_this_machine(headers) {
        let refusal = Refusal::http(StatusCode::UNAUTHORIZED, "no credentials were sent");
        return Err(refusal.with_hint("A page of another origin must send credentials."));
    }
    let credentials = match &shown {
        Shown::None => Credentials::None,
        Shown::Password { user, password } => Credentials::Password { user, password },
        Shown::ApiKey(key) => Credentials::ApiKey(key),
        Shown::Bearer(token) => Credentials::Bearer(token),
    };
    let identity = engine.log_in(credentials, origin).await;
    identity.map_err(|error| {
        let hint = "Send Authorization: Basic or Bearer, or X-API-Key.";
        let error = if error.hint().is_none() {
            error.with_hint(hint)
        } else {
            error
        };
        Refusal::from(error)
    })
}

fn shown(headers: &HeaderMap) -> Result<Shown, Refusal> {
    let mut found: Vec<Shown> = Vec::new();
    let mut add = |shown: Shown| {
        if !found.contains(&shown) {
            found.push(shown);
        }
    };
    for value in headers.get_all(AUTHORIZATION) {
        let value = value.to_str().map_err(|_| unreadable("Authorization"))?;
        add(authorization(value.trim())?);
    }
    for name in KEY_HEADERS {
        for value in headers.get_all(name) {
            let key = value.to_str().map_err(|_| unreadable(name))?.trim();
            add(Shown::ApiKey(key.to_owned()));
        }
    }
    match (found.pop(), found.is_empty()) {
        (None, _) => Ok(Shown::None),
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(
            Refusal::http(StatusCode::BAD_REQUEST, "the request holds two different credentials")
                .with_hint("Send one of them: Authorization or X-API-Key."),
        ),
    }
}

fn authorization(value: &str) -> Result<Shown, Refusal> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !rest.is_empty() {
        return Ok(Shown::Bearer(rest.to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASE64.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| unreadable("Authorization"))?;
        let (user, password) = decoded.split_once(':').ok_or_else(|| unreadable("Authorization"))?;
        return Ok(Shown::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        });
    }
    Err(unreadable("Authorization"))
}

fn unreadable(header: &str) -> Refusal {
    Refusal::http(StatusCode::BAD_REQUEST, format!("the header {header} cannot be read"))
        .with_hint("Send Authorization: Basic or Bearer, or X-API-Key.")
}

/// Whether a request without credentials is meant for this machine by somebody on it: a browser also sends what a page
/// from elsewhere wants, to whatever name that page gave to this address.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_local = name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok();
    let same_origin = headers.get(ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        origin
            .split_once("://")
            .is_some_and(|(_, place)| place.eq_ignore_ascii_case(host))
    });
    is_local && same_origin
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn each_kind_is_read() {
        let password = |user: &str, password: &str| Shown::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        for (pairs, expected) in [
            (vec![], Shown::None),
            (vec![("authorization", "Basic ZGFuYTpwOnc=")], password("dana", "p:w")),
            (vec![("authorization", "basic ZGFuYTpwOnc")], password("dana", "p:w")),
            (vec![("authorization", "Bearer t")], Shown::Bearer("t".to_owned())),
            (vec![("x-api-key", "k")], Shown::ApiKey("k".to_owned())),
            (
                vec![("x-api-key", "k"), ("X-DreamFactory-API-Key", "k")],
                Shown::ApiKey("k".to_owned()),
            ),
        ] {
            assert!(shown(&headers(&pairs)).unwrap() == expected, "{pairs:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for pairs in [
            vec![("authorization", "Basic !")],
            vec![("authorization", "Basic ZGFuYQ==")],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "Digest x")],
            vec![("x-api-key", "a"), ("x-api-key", "b")],
            vec![("x-api-key", "a"), ("authorization", "Bearer b")],
            vec![("authorization", "Bearer a"), ("authorization", "Bearer b")],
        ] {
            let refusal = shown(&headers(&pairs)).err().unwrap();
            assert_eq!(refusal.status(), StatusCode::BAD_REQUEST, "{pairs:?}");
        }
    }

    #[test]
    fn pages_from_elsewhere_are_nobody() {
        for (pairs, expected) in [
            (vec![("host", "localhost:8080")], true),
            (vec![("host", "[::1]:8080")], true),
            (vec![("host", "127.0.0.1")], true),
            (vec![("host", "evil.example:8080")], false),
            (vec![], false),
            (vec![("host", "127.0.0.1:1"), ("origin", "http://evil.example")], false),
            (vec![("host", "127.0.0.1:1"), ("origin", "null")], false),
            (vec![("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:1")], true),
        ] {
            assert_eq!(is_for_this_machine(&headers(&pairs)), expected, "{pairs:?}");
        }
    }
}
