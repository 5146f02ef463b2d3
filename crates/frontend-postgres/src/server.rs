use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::Result;
use engine::{Engine, Frontend, Shutdown, Tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::PostgresOptions;
use crate::cancel::CancelRegistry;
use crate::error::WireError;
use crate::login;
use crate::startup::{self, ALPN};

/// Connections that have not introduced themselves yet, beside those that have. Each holds one small packet for at
/// most the login timeout; more are closed at once, so that a flood of silent ones costs no more than this.
const OPENING_MAX: usize = 4096;

/// After everything was cancelled, what a connection may still take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Serves the PostgreSQL protocol.
pub struct PostgresFrontend {
    options: PostgresOptions,
    tls: Option<Tls>,
    cancels: Arc<CancelRegistry>,
    opening: Arc<Semaphore>,
    sessions: Arc<Semaphore>,
}

impl PostgresFrontend {
    /// A front end that is ready to [`serve`](Frontend::serve).
    ///
    /// # Errors
    /// `Configuration` if a file for TLS cannot be used; the message names it.
    pub fn new(options: PostgresOptions) -> Result<Self> {
        Ok(Self {
            tls: options.tls.clone().map(|tls| Tls::new(tls, &[ALPN])).transpose()?,
            cancels: Arc::default(),
            opening: Arc::new(Semaphore::new(OPENING_MAX)),
            sessions: Arc::new(Semaphore::new(options.connections_max)),
            options,
        })
    }

    /// Reads the files for TLS again; new connections use them, open ones go on with the old.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing changes.
    pub fn reload_tls(&self) -> Result<()> {
        self.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, engine: Engine, shutdown: Shutdown) {
        let Ok(opening) = self.opening.try_acquire() else {
            return;
        };
        let login = async {
            let tls = self.tls.as_ref().map(Tls::state);
            let opened = startup::open(stream, peer, &self.options, tls, &self.cancels).await?;
            let Ok(session) = Arc::clone(&self.sessions).try_acquire_owned() else {
                let error = WireError::new("53300", "sorry, too many clients already");
                opened.wire.close_with(&error.fatal()).await;
                return None;
            };
            let conversation = login::log_in(opened, &engine, &self.cancels, &shutdown).await?;
            Some((conversation, session))
        };
        let Ok(Some((conversation, _session))) = tokio::time::timeout(self.options.login_timeout, login).await else {
            return;
        };
        drop(opening);
        conversation.run().await;
    }
}

impl fmt::Debug for PostgresFrontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresFrontend")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Frontend for PostgresFrontend {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, engine: Engine, shutdown: Shutdown) -> Result<()> {
        let connections = TaskTracker::new();
        while let Some((stream, peer)) = shutdown.accept(&listener).await {
            let connection = Arc::clone(&self).connection(stream, peer, engine.clone(), shutdown.clone());
            let cancel_all = shutdown.cancel_all.clone();
            connections.spawn(async move {
                let goodbye = async {
                    cancel_all.cancelled().await;
                    tokio::time::sleep(GOODBYE).await;
                };
                tokio::select! {
                    () = Box::pin(connection) => {}
                    () = goodbye => {}
                }
            });
        }
        drop(listener);
        connections.close();
        connections.wait().await;
        Ok(())
    }
}
