use std::io::Write;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::Result;
use engine::{Engine, Frontend, Shutdown, Tls};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use crate::RestOptions;
use crate::handle::{Peer, handle};
use crate::run::Door;
use crate::socket::{Impatient, Watched};

/// More header lines are refused.
const HEADERS_MAX: usize = 64;
/// The longest head, and what is buffered of an answer.
const BUFFER_BYTES: usize = 16 << 10;
/// After everything was cancelled, what a connection may still take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);
/// What clients beyond the most at once are told.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves REST over HTTP/1.1, with TLS if it is set up.
#[derive(Debug)]
pub struct RestFrontend {
    options: RestOptions,
    tls: Option<Tls>,
    connections: Arc<Semaphore>,
}

impl RestFrontend {
    /// A front end that is ready to [`serve`](Frontend::serve).
    ///
    /// # Errors
    /// `Configuration` if a file for TLS cannot be used; the message names it.
    pub fn new(options: RestOptions) -> Result<Self> {
        let tls = options
            .tls
            .clone()
            .map(|tls| Tls::new(tls, &[b"http/1.1"]))
            .transpose()?;
        let connections = Arc::new(Semaphore::new(options.connections_max.min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            options,
            tls,
            connections,
        })
    }

    /// Reads the files for TLS again; new connections use them, open ones go on with the old.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing changes.
    pub fn reload_tls(&self) -> Result<()> {
        self.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, address: SocketAddr, door: Arc<Door>) {
        let stream = Impatient::new(stream, self.options.send_timeout);
        let Some(tls) = &self.tls else {
            return speak(stream, address, door).await;
        };
        let accepting = TlsAcceptor::from(tls.state().config).accept(stream);
        let shutdown = &door.shutdown;
        let accepted = tokio::select! {
            () = shutdown.stop_accepting.cancelled() => return,
            () = shutdown.cancel_all.cancelled() => return,
            accepted = tokio::time::timeout(self.options.head_timeout, Box::pin(accepting)) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => speak(stream, address, door).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }
}

/// Answers the requests of one connection until it ends.
async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin, address: SocketAddr, door: Arc<Door>) {
    let peer = Arc::new(Peer {
        address: address.ip().to_canonical(),
        flushes: Arc::default(),
        heads: Arc::default(),
        door: Arc::clone(&door),
    });
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&peer.flushes), Arc::clone(&peer.heads)));
    let service = service_fn(move |request| handle(Arc::clone(&peer), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.options.head_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let shutdown = &door.shutdown;
    let mut closing = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = shutdown.stop_accepting.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = shutdown.cancel_all.cancelled() => {
                // Whatever runs hears of it too, and says so.
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(GOODBYE, connection.as_mut()).await {
                    Ok(ended) => break ended,
                    Err(_) => return,
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[async_trait]
impl Frontend for RestFrontend {
    fn name(&self) -> &'static str {
        "rest"
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, engine: Engine, shutdown: Shutdown) -> Result<()> {
        let door = Arc::new(Door {
            engine,
            options: self.options.clone(),
            shutdown: shutdown.clone(),
        });
        let connections = TaskTracker::new();
        while let Some((stream, address)) = shutdown.accept(&listener).await {
            let Ok(place) = Arc::clone(&self.connections).try_acquire_owned() else {
                turn_away(stream, self.tls.is_some());
                continue;
            };
            let connection = Arc::clone(&self).connection(stream, address, Arc::clone(&door));
            connections.spawn(async move {
                Box::pin(connection).await;
                drop(place);
            });
        }
        drop(listener);
        connections.close();
        connections.wait().await;
        Ok(())
    }
}

/// Ends a connection for which there is no room, with a word where that costs nothing.
fn turn_away(stream: TcpStream, encrypted: bool) {
    if !encrypted && let Ok(mut stream) = stream.into_std() {
        // It does not block, and an empty socket takes these few bytes at once.
        let _ = stream.write_all(BUSY);
    }
}
