use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use async_trait::async_trait;
use contract::{Error, Result};
use engine::{Engine, Frontend, Shutdown, Tls};
use futures::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::FlightOptions;
use crate::connection::{Connection, Transport};
use crate::door::Door;

/// After everything was cancelled, what a connection may still take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Connections whose TLS is done and that HTTP/2 has not taken yet; it takes them at once.
const OPENED_MAX: usize = 16;

/// The longest message that a client may send: ADBC's own limit.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Calls at once on one connection.
const STREAMS_MAX: u32 = 100;

/// The head of a call: a token, a few options.
const HEAD_BYTES_MAX: u32 = 16 << 10;

/// Streams that a client reset before we answered, and streams that we reset for its errors: more than it has calls at
/// once is an attack (CVE-2023-44487), and the connection ends.
const RESETS_MAX: usize = 100;

/// A client whose machine vanished is noticed within a minute.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How often handles that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// The front end.
pub struct FlightFrontend {
    options: FlightOptions,
    tls: Option<Tls>,
    places: Arc<Semaphore>,
}

impl FlightFrontend {
    /// A front end that is ready to [`serve`](Frontend::serve).
    ///
    /// # Errors
    /// `Configuration` if a file for TLS cannot be used; the message names it.
    pub fn new(options: FlightOptions) -> Result<Self> {
        let tls = options.tls.clone().map(|tls| Tls::new(tls, &[b"h2"])).transpose()?;
        Ok(Self {
            places: Arc::new(Semaphore::new(options.connections_max)),
            options,
            tls,
        })
    }

    /// Reads the files for TLS again; new connections use them, open ones go on with the old.
    ///
    /// # Errors
    /// As [`new`](Self::new); then nothing changes.
    pub fn reload_tls(&self) -> Result<()> {
        self.tls.as_ref().map_or(Ok(()), Tls::reload)
    }

    /// Hands connections on until the server stops. A flood costs no more than `connections_max` sockets.
    async fn accept(
        self: Arc<Self>,
        listener: TcpListener,
        opened: mpsc::Sender<Connection>,
        closed: CancellationToken,
        shutdown: Shutdown,
    ) {
        let mut opening = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                Some(_) = opening.join_next() => continue,
                accepted = shutdown.accept(&listener) => accepted,
            };
            let Some((stream, peer)) = accepted else { return };
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                tracing::debug!(%peer, "too many connections");
                continue;
            };
            let open = Arc::clone(&self).open(stream, peer, closed.clone(), place);
            let opened = opened.clone();
            opening.spawn(async move {
                match open.await {
                    Ok(connection) => drop(opened.send(connection).await),
                    Err(error) => tracing::debug!(%peer, %error, "a connection did not open"),
                }
            });
        }
    }

    async fn open(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        closed: CancellationToken,
        place: OwnedSemaphorePermit,
    ) -> io::Result<Connection> {
        let timeout = self.options.handshake_timeout;
        let transport = match &self.tls {
            None => Transport::Plain(stream),
            Some(tls) => {
                let accept = TlsAcceptor::from(tls.state().config).accept(stream);
                Transport::Tls(Box::new(tokio::time::timeout(timeout, accept).await??))
            }
        };
        Ok(Connection::new(transport, peer, timeout, closed, place))
    }
}

impl fmt::Debug for FlightFrontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlightFrontend")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Frontend for FlightFrontend {
    fn name(&self) -> &'static str {
        "flight"
    }

    async fn serve(self: Arc<Self>, listener: TcpListener, engine: Engine, shutdown: Shutdown) -> Result<()> {
        let door = Door::new(engine, &self.options, shutdown.clone())?;
        let (opened, receiver) = mpsc::channel(OPENED_MAX);
        let incoming = stream::unfold(receiver, |mut receiver: mpsc::Receiver<Connection>| async move {
            let connection = receiver.recv().await?;
            Some((Ok::<_, io::Error>(connection), receiver))
        });
        let closed = CancellationToken::new();
        let accepting = Arc::clone(&self).accept(listener, opened, closed.clone(), shutdown.clone());
        let stop = {
            let shutdown = shutdown.clone();
            async move {
                tokio::select! {
                    () = shutdown.stop_accepting.cancelled() => {}
                    () = shutdown.cancel_all.cancelled() => {}
                }
            }
        };
        let serving = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .http2_max_header_list_size(HEAD_BYTES_MAX)
            .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
            .http2_max_local_error_reset_streams(Some(RESETS_MAX))
            .http2_keepalive_interval(Some(KEEPALIVE.0))
            .http2_keepalive_timeout(Some(KEEPALIVE.1))
            .add_service(FlightServiceServer::new(door.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX))
            .serve_with_incoming_shutdown(incoming, stop);
        // tonic waits for its connections without limit, so they are broken when their time is over.
        let ending = async {
            shutdown.cancel_all.cancelled().await;
            tokio::time::sleep(GOODBYE).await;
            closed.cancel();
            tokio::time::sleep(GOODBYE).await;
        };
        let sweeping = async {
            loop {
                tokio::time::sleep(SWEEP).await;
                door.sweep();
            }
        };
        let serving = async {
            tokio::select! {
                served = Box::pin(serving) => served,
                () = ending => Ok(()),
                () = sweeping => Ok(()),
            }
        };
        let ((), served) = futures::future::join(accepting, serving).await;
        served.map_err(|error| Error::internal("the Flight server broke").with_source(error))
    }
}
