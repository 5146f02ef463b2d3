use std::time::Duration;

use engine::TlsOptions;

/// How a [`FlightFrontend`](crate::FlightFrontend) is bounded and secured.
#[derive(Debug, Clone)]
pub struct FlightOptions {
    /// With it, only TLS is spoken.
    pub tls: Option<TlsOptions>,
    /// From the first byte to the end of the handshake of TLS and HTTP/2.
    pub handshake_timeout: Duration,
    /// How long a client may take no byte of an answer before its query ends.
    pub send_timeout: Duration,
    /// Connections at once.
    pub connections_max: usize,
}

impl Default for FlightOptions {
    fn default() -> Self {
        Self {
            tls: None,
            handshake_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(300),
            connections_max: 500,
        }
    }
}
