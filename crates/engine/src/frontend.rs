use std::sync::Arc;

use async_trait::async_trait;
use contract::Result;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Engine;

/// Which door a session came through; rules may open doors to some roles only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FrontEnd {
    /// The PostgreSQL wire.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// REST.
    Rest,
    /// The process that embeds the engine; no rule about doors applies.
    #[default]
    Embedded,
}

impl FrontEnd {
    /// The door's name in `GRANT EXECUTE ON SERVICE …`; none for the embedding process.
    pub fn service(self) -> Option<policy::Service> {
        match self {
            Self::Postgres => Some(policy::Service::Postgres),
            Self::Flight => Some(policy::Service::Flight),
            Self::Rest => Some(policy::Service::Rest),
            Self::Embedded => None,
        }
    }
}

/// How a server ends: first nothing new, then nothing at all.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Fires when no new connection or statement is taken; what runs goes on.
    pub stop_accepting: CancellationToken,
    /// Fires when what still runs is cancelled.
    pub cancel_all: CancellationToken,
}

/// A protocol through which clients reach the engine.
///
/// A front end decides nothing about SQL or rules: it authenticates by [`Engine::login_method`], opens a session and
/// translates.
#[async_trait]
pub trait Frontend: Send + Sync {
    /// A short name for logs.
    fn name(&self) -> &'static str;

    /// Serves connections of `listener` until `shutdown` fires and the last one is done.
    ///
    /// # Errors
    /// Only if the listener itself breaks; what happens on one connection stays there.
    async fn serve(self: Arc<Self>, listener: TcpListener, engine: Engine, shutdown: Shutdown) -> Result<()>;
}
