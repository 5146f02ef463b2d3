//! Calls over HTTP: bounded answers, tries again where that is safe, no address in any text.

use std::time::Duration;

use bytes::Bytes;
use contract::{Error, ErrorKind, Result};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::outcome::{Failure, Refusal};
use crate::retry::{Repeat, Tries, Trouble};

/// How long a connection may take to come about. A machine that is switched off does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing may arrive while an answer is waited for or read.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections kept per host. Parts of a result are fetched by ten at once.
const IDLE_PER_HOST_MAX: usize = 16;
/// JSON of a service. A page of ten thousand table names takes two megabytes; wide tables a few.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A refusal is read to tell why; more than this is a page for people.
const REFUSAL_BYTES_MAX: usize = 256 << 10;
/// What is set aside for a body by its announced length, before anything of it has come.
const RESERVED_BYTES_MAX: usize = 32 << 20;
/// What services see of us.
const USER_AGENT: &str = "Lakegate";

/// One call, so that it can be made again.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<(&'static str, Bytes)>,
    pub(crate) repeat: Repeat,
}

impl Call {
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: None,
            repeat: Repeat::Idempotent,
        }
    }

    /// Adds a body of JSON.
    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = Some(("application/json", Bytes::from(body.to_string())));
        self
    }

    /// Adds a body of form fields.
    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.body = Some(("application/x-www-form-urlencoded", Bytes::from(text)));
        self
    }

    pub(crate) fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }
}

/// A pool of connections of one service.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client,
}

impl Http {
    /// Opens nothing yet. The authorities in the file that `SSL_CERT_FILE` names are trusted too.
    ///
    /// # Errors
    /// `Configuration` if that file cannot be used.
    pub(crate) fn new() -> Result<Self> {
        let mut builder = Client::builder()
            .user_agent(format!("{USER_AGENT}/{}", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            // A token must not follow to where a redirection leads.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
            let wrong = |what: &str| {
                Error::new(
                    ErrorKind::Configuration,
                    format!("the certificates that SSL_CERT_FILE names cannot be {what}"),
                )
            };
            let pem = std::fs::read(path).map_err(|error| wrong("read").with_source(error))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong("used").with_source(error))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder
            .build()
            .map_err(|error| Error::internal("the HTTP client cannot be built").with_source(error))?;
        Ok(Self { client })
    }

    /// Makes a call and reads its JSON, again and again where that is safe.
    pub(crate) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        let body = self.bytes(call, ANSWER_BYTES_MAX).await?;
        // An error of serde quotes no more than a name of ours and a place.
        serde_json::from_slice(&body).map_err(|error| Failure::Malformed(error.to_string()))
    }

    /// Makes a call and reads its body of `bytes_max` at most, again and again where that is safe.
    pub(crate) async fn bytes(&self, call: &Call, bytes_max: usize) -> Result<Bytes, Failure> {
        let mut tries = Tries::new(call.repeat);
        loop {
            let (failure, trouble) = match self.once(call, bytes_max).await {
                Ok(body) => return Ok(body),
                Err(failure) => {
                    let trouble = trouble(&failure);
                    (failure, trouble)
                }
            };
            match trouble.and_then(|trouble| tries.pause(trouble)) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure),
            }
        }
    }

    /// Makes a call once.
    pub(crate) async fn once(&self, call: &Call, bytes_max: usize) -> Result<Bytes, Failure> {
        let mut request = self
            .client
            .request(call.method.clone(), call.url.clone())
            .headers(call.headers.clone());
        if let Some((kind, body)) = &call.body {
            request = request.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return read(response, bytes_max).await;
        }
        Err(Failure::Refused(Box::new(refusal(response).await)))
    }
}

async fn refusal(response: Response) -> Refusal {
    let status = response.status();
    let asked = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    // A refusal whose body breaks off is a refusal all the same.
    let body = read(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    Refusal::new(status.as_u16(), &body, asked)
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Bytes, Failure> {
    let too_long = || Failure::Malformed(format!("it is longer than {bytes_max} bytes"));
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(too_long());
    }
    // Growing step by step would copy a part of a result over and over.
    let mut body = Vec::with_capacity(announced.min(RESERVED_BYTES_MAX));
    while let Some(piece) = response.chunk().await.map_err(unreachable)? {
        if piece.len() > bytes_max.saturating_sub(body.len()) {
            return Err(too_long());
        }
        if body.is_empty() && piece.len() == announced {
            return Ok(piece);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Bytes::from(body))
}

fn unreachable(error: reqwest::Error) -> Failure {
    let what = match (error.is_connect(), error.is_timeout()) {
        (_, true) => "does not answer in time",
        (true, false) => "cannot be reached",
        (false, false) => "broke the connection off",
    };
    Failure::Unreachable {
        what,
        cause: error.without_url(),
    }
}

fn trouble(failure: &Failure) -> Option<Trouble> {
    match failure {
        Failure::Refused(refusal) => Some(Trouble::Status {
            status: refusal.status,
            asked: refusal.retry_after,
        }),
        Failure::Unreachable { cause, .. } if cause.is_connect() => Some(Trouble::Connect),
        Failure::Unreachable { .. } => Some(Trouble::Broken),
        Failure::Malformed(_) | Failure::Other(_) => None,
    }
}

/// Whether a status says that the caller is not known, or not any more.
pub(crate) fn is_unauthorized(failure: &Failure) -> bool {
    failure
        .refusal()
        .is_some_and(|refusal| refusal.status == StatusCode::UNAUTHORIZED.as_u16())
}
