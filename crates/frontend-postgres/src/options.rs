use std::time::Duration;

use engine::TlsOptions;

/// How a [`PostgresFrontend`](crate::PostgresFrontend) is bounded and secured.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// With it, clients that ask for TLS get it.
    pub tls: Option<TlsOptions>,
    /// Whether clients that do not use TLS are refused.
    pub require_tls: bool,
    /// From the first byte to the end of the login, in total.
    pub login_timeout: Duration,
    /// How long a client may take no byte of an answer before its query ends.
    pub send_timeout: Duration,
    /// Sessions at once; more are refused with 53300.
    pub connections_max: usize,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            tls: None,
            require_tls: false,
            login_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(300),
            connections_max: 500,
        }
    }
}
