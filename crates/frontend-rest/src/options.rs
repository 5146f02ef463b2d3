use std::time::Duration;

use engine::TlsOptions;

/// How a [`RestFrontend`](crate::RestFrontend) is bounded and secured.
#[derive(Debug, Clone)]
pub struct RestOptions {
    /// With it, only TLS is spoken.
    pub tls: Option<TlsOptions>,
    /// For the head of a request, counted from when it may come, and before the first for the handshake of TLS: also how
    /// long a connection stays without a request.
    pub head_timeout: Duration,
    /// From the end of the head to the end of the body.
    pub body_timeout: Duration,
    /// How long a client may take no byte of an answer before its query ends.
    pub send_timeout: Duration,
    /// The longest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Rows of `_table` if the request does not say how many.
    pub page_rows: u64,
    /// The most rows of `_table` that a request may ask for at once.
    pub page_rows_max: u64,
}

impl Default for RestOptions {
    fn default() -> Self {
        Self {
            tls: None,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(300),
            body_bytes_max: 1 << 20,
            connections_max: 500,
            page_rows: 1_000,
            page_rows_max: 10_000,
        }
    }
}
