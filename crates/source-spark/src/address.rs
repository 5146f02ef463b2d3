//! `sc://` addresses.
//!
//! <https://github.com/apache/spark/blob/master/sql/connect/docs/client-connection-string.md>

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use spark_connect_core::ChannelBuilder;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::token::{Token, TokenSource};

/// How long a server may take to accept a connection: longer than the farthest region, short enough to say soon that
/// nothing is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a statement whose reader pauses may keep in flight: some batches of a few megabytes arrive in pieces.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;

/// What all statements may keep in flight together. All share one connection; were this no multiple of a statement's
/// window, a few readers who pause would stop everybody else.
const CONNECTION_WINDOW_BYTES: u32 = 256 << 20;

/// Names of the session in the user context where the address names no user.
const USER: &str = "lakegate";

/// The header in which serverless compute of Databricks wants the session's id.
pub(crate) const SESSION_HEADER: &str = "x-databricks-session-id";

/// Where a Spark Connect server is and how it is spoken to. `Debug` hides tokens and the values of headers.
#[derive(Clone)]
pub struct SparkAddress {
    host: String,
    port: u16,
    tls: Option<bool>,
    authority: Option<Vec<u8>>,
    token: Option<Arc<dyn TokenSource>>,
    headers: Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>,
    user: String,
    keep_alive: Option<KeepAlive>,
}

#[derive(Debug, Clone, Copy)]
struct KeepAlive {
    interval: Duration,
    timeout: Duration,
    idle: bool,
}

impl SparkAddress {
    /// Reads `sc://host:port/;key=value;…`. Keys that the client does not know become headers. Nothing is taken from
    /// the environment.
    ///
    /// # Errors
    /// `Configuration`, without the text: it may hold a token.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || {
            wrong("the address of a Spark Connect server is not understood")
                .with_hint("Write it as sc://HOST:PORT/;key=value;key=value.")
        };
        // The error of the parser repeats the text.
        let parsed = ChannelBuilder::parse(text).map_err(|_| invalid())?;
        if parsed.host().contains(['@', ' ', '\\', '%']) || parsed.port() == 0 {
            return Err(invalid());
        }
        let tls = match parsed.get("use_ssl").map(str::to_ascii_lowercase).as_deref() {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => return Err(wrong("use_ssl of a Spark Connect address is neither true nor false")),
        };
        let mut headers = Vec::new();
        for (key, value) in parsed.metadata() {
            let name = MetadataKey::from_str(&key.to_ascii_lowercase());
            let value = MetadataValue::try_from(value.as_str());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err(wrong(format!(
                    "\"{}\" is no header that can be sent",
                    key.escape_debug()
                )));
            };
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let token = parsed.get("token").filter(|token| !token.is_empty());
        let address = Self {
            host: parsed.host().to_owned(),
            port: parsed.port(),
            tls,
            authority: None,
            token: token.map(|token| Arc::new(Token::new(token)) as Arc<dyn TokenSource>),
            headers,
            user: parsed
                .user_id()
                .filter(|user| !user.is_empty())
                .unwrap_or(USER)
                .to_owned(),
            keep_alive: keep_alive(&parsed)?,
        };
        address.check_token()?;
        Ok(address)
    }

    /// Shows this token, instead of one that the address holds.
    ///
    /// # Errors
    /// `Configuration` if the address says that it would go unencrypted.
    pub fn with_token(mut self, token: Arc<dyn TokenSource>) -> Result<Self> {
        self.token = Some(token);
        self.check_token()?;
        Ok(self)
    }

    /// Trusts the certificates of these authorities (PEM) instead of the machine's.
    pub fn with_authority(mut self, pem: Vec<u8>) -> Self {
        self.authority = Some(pem);
        self
    }

    /// Who the server knows us as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether what is said is encrypted. A token wants it, except on this machine.
    fn is_encrypted(&self) -> bool {
        self.tls.unwrap_or(self.token.is_some() && !self.is_loopback())
    }

    fn is_loopback(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }

    fn check_token(&self) -> Result<()> {
        if self.token.is_none() || self.is_encrypted() || self.is_loopback() {
            return Ok(());
        }
        let message = format!("the token for {}:{} would be sent unencrypted", self.host, self.port);
        Err(wrong(message).with_hint("Leave out use_ssl=false."))
    }

    pub(crate) fn token(&self) -> Option<&Arc<dyn TokenSource>> {
        self.token.as_ref()
    }

    pub(crate) fn headers(&self) -> &[(MetadataKey<Ascii>, MetadataValue<Ascii>)] {
        &self.headers
    }

    /// A channel that connects when it is used, and again whenever that is needed. To be called on the runtime.
    pub(crate) fn open(&self) -> Result<Channel> {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        let unusable = |error: tonic::transport::Error| {
            wrong(format!(
                "{}:{} cannot be connected to as configured",
                self.host, self.port
            ))
            .with_source(error)
        };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}:{}", self.host, self.port))
            .map_err(unusable)?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        if let Some(keep_alive) = self.keep_alive {
            endpoint = endpoint
                .http2_keep_alive_interval(keep_alive.interval)
                .keep_alive_timeout(keep_alive.timeout)
                .keep_alive_while_idle(keep_alive.idle);
        }
        if self.is_encrypted() {
            let tls = match &self.authority {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls.timeout(CONNECT_TIMEOUT)).map_err(unusable)?;
        }
        Ok(endpoint.connect_lazy())
    }
}

impl fmt::Debug for SparkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkAddress")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("encrypted", &self.is_encrypted())
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn keep_alive(parsed: &ChannelBuilder) -> Result<Option<KeepAlive>> {
    let milliseconds = |key: &str, default: i64| {
        let value = parsed.get(key).map_or(Ok(default), str::parse::<i64>);
        match value.ok().and_then(|value| u64::try_from(value).ok()) {
            Some(value) if value > 0 => Ok(Duration::from_millis(value)),
            _ => Err(wrong(format!(
                "{key} of a Spark Connect address is no number of milliseconds"
            ))),
        }
    };
    let interval = milliseconds("grpc_keepalive_time_ms", parsed.keepalive_time_ms())?;
    let timeout = milliseconds("grpc_keepalive_timeout_ms", parsed.keepalive_timeout_ms())?;
    let idle = parsed.keepalive_without_calls();
    Ok(parsed.keepalive_enabled().then_some(KeepAlive {
        interval,
        timeout,
        idle,
    }))
}
