//! The body of a request.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{HeaderMap, StatusCode};

use crate::RestOptions;
use crate::error::Refusal;
use crate::json::{self, Json};

/// Reads the body as a JSON object.
///
/// # Errors
/// 415 for another type, 413 and 408 for what is too long or takes too long, 400 for what is no JSON object.
pub(crate) async fn object(
    headers: &HeaderMap,
    body: Incoming,
    options: &RestOptions,
) -> Result<Vec<(String, Json)>, Refusal> {
    check_type(headers)?;
    let bytes = read(body, options).await?;
    match json::parse(&bytes)? {
        Json::Object(members) => Ok(members),
        other => Err(Refusal::bad(format!(
            "the body must be a JSON object, and is {}",
            other.kind()
        ))),
    }
}

/// A page from elsewhere can make a browser send any type but JSON without asking first.
fn check_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let refuse = |message: &str| {
        let refusal = Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message).closing();
        Err(refusal.with_hint("Send Content-Type: application/json, in UTF-8 and not compressed."))
    };
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text(CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return refuse("a compressed body is not read");
    }
    let Some(content_type) = text(CONTENT_TYPE) else {
        return refuse("the body has no type");
    };
    let mut parts = content_type.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
    {
        return refuse("the body is not JSON");
    }
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"'))
    });
    match charset {
        Some(charset) if !charset.eq_ignore_ascii_case("utf-8") && !charset.eq_ignore_ascii_case("utf8") => {
            refuse("the body is not in UTF-8")
        }
        _ => Ok(()),
    }
}

async fn read(body: Incoming, options: &RestOptions) -> Result<Bytes, Refusal> {
    let too_long = || {
        let message = format!("the body is longer than {} bytes", options.body_bytes_max);
        Refusal::http(StatusCode::PAYLOAD_TOO_LARGE, message).closing()
    };
    // What is announced is refused before the client is told to go on.
    if body.size_hint().lower() > options.body_bytes_max as u64 {
        return Err(too_long());
    }
    let limited = Limited::new(body, options.body_bytes_max).collect();
    match tokio::time::timeout(options.body_timeout, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Refusal::http(StatusCode::BAD_REQUEST, "the body cannot be read").closing()),
        Err(_) => Err(Refusal::http(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive").closing()),
    }
}
