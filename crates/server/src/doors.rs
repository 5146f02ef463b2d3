//! The front ends of one server: made, bound, served and ended together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use engine::{Engine, Frontend, Shutdown, Tls, TlsOptions};
use frontend_flight::{FlightFrontend, FlightOptions};
use frontend_postgres::{PostgresFrontend, PostgresOptions};
use frontend_rest::{RestFrontend, RestOptions};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::config::{Listen, ListenAddress, ServerConfig};

/// How long cancelled queries may take to end after the drain.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

type ReloadTls = Box<dyn Fn() -> Result<()> + Send + Sync>;

/// A front end with its socket, not served yet.
struct Door {
    front_end: Arc<dyn Frontend>,
    listener: TcpListener,
    bound: SocketAddr,
    reload_tls: ReloadTls,
}

/// Where clients come in.
pub(crate) struct Doors {
    tls: Option<TlsOptions>,
    waiting: Vec<Door>,
    reloads: Vec<ReloadTls>,
    bound: [Option<SocketAddr>; 3],
    serving: JoinSet<Result<()>>,
    shutdown: Shutdown,
}

/// The doors in the order of the ready line.
pub(crate) const NAMES: [&str; 3] = ["postgres", "flight", "rest"];

/// Where each of [`NAMES`] is to listen.
pub(crate) fn addresses(server: &ServerConfig) -> [&Listen; 3] {
    [&server.postgres, &server.flight, &server.rest]
}

impl Doors {
    /// Makes the front ends that have an address, and binds it. Nobody is let in yet.
    ///
    /// # Errors
    /// `Configuration` if an address or a file for TLS cannot be used, or there is no door at all.
    pub(crate) async fn open(server: &ServerConfig) -> Result<Self> {
        let tls = server.tls.as_ref().map(|tls| TlsOptions {
            cert_path: tls.cert.clone(),
            key_path: tls.key.clone(),
            client_ca: tls.client_ca.clone(),
        });
        let mut doors = Self {
            tls: tls.clone(),
            waiting: Vec::new(),
            reloads: Vec::new(),
            bound: [None; 3],
            serving: JoinSet::new(),
            shutdown: Shutdown::default(),
        };
        for (name, listen) in NAMES.into_iter().zip(addresses(server)) {
            let Listen::On(address) = listen else { continue };
            let (front_end, reload_tls) = front_end(name, tls.clone(), address)?;
            let (listener, bound) = bind(name, address).await?;
            doors.waiting.push(Door {
                front_end,
                listener,
                bound,
                reload_tls,
            });
        }
        if doors.waiting.is_empty() {
            let message = "every front end is off: there is nothing to serve";
            let hint = "Give an address with --postgres, --flight or --rest.";
            return Err(Error::new(ErrorKind::Configuration, message).with_hint(hint));
        }
        Ok(doors)
    }

    /// Begins to serve.
    pub(crate) fn serve(&mut self, engine: &Engine) {
        for door in self.waiting.drain(..) {
            let name = door.front_end.name();
            if let Some(at) = NAMES.iter().position(|known| *known == name) {
                self.bound[at] = Some(door.bound);
            }
            self.reloads.push(door.reload_tls);
            self.serving.spawn(
                door.front_end
                    .serve(door.listener, engine.clone(), self.shutdown.clone()),
            );
        }
    }

    /// Where each of [`NAMES`] listens, none for one that is off.
    pub(crate) fn bound(&self) -> [Option<SocketAddr>; 3] {
        self.bound
    }

    /// Whether the files for TLS can be used; changes nothing.
    ///
    /// # Errors
    /// `Configuration`, which names the file.
    pub(crate) fn check_tls(&self) -> Result<()> {
        self.tls.clone().map_or(Ok(()), |tls| Tls::new(tls, &[]).map(|_| ()))
    }

    /// Reads the files for TLS again; new connections use them.
    ///
    /// # Errors
    /// `Configuration`, which names the file.
    pub(crate) fn reload_tls(&self) -> Result<()> {
        self.reloads.iter().try_for_each(|reload| reload())
    }

    /// Comes back only if a front end ends by itself.
    pub(crate) async fn ended(&mut self) -> Error {
        match self.serving.join_next().await {
            Some(Ok(Err(error))) => error,
            Some(Err(error)) => Error::internal(format!("a front end failed: {error}")),
            Some(Ok(Ok(()))) | None => Error::internal("a front end ended by itself"),
        }
    }

    /// Lets running queries finish for at most `timeout` or until `hurry`, then cancels them.
    ///
    /// # Errors
    /// What a front end ended with.
    pub(crate) async fn drain(&mut self, timeout: Duration, hurry: impl Future<Output = ()>) -> Result<()> {
        tracing::info!(?timeout, "draining: running queries may finish");
        self.shutdown.stop_accepting.cancel();
        tokio::select! {
            ended = all_ended(&mut self.serving) => return ended,
            () = tokio::time::sleep(timeout) => tracing::warn!("the drain timeout is over: cancelling what still runs"),
            () = hurry => tracing::warn!("second signal: cancelling what still runs"),
        }
        self.shutdown.cancel_all.cancel();
        if tokio::time::timeout(CANCEL_TIMEOUT, all_ended(&mut self.serving))
            .await
            .is_err()
        {
            tracing::warn!("some connections did not end in time");
            self.serving.abort_all();
        }
        Ok(())
    }
}

async fn all_ended(serving: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = serving.join_next().await {
        ended.map_err(|error| Error::internal(format!("a front end failed: {error}")))??;
    }
    Ok(())
}

fn front_end(name: &str, tls: Option<TlsOptions>, address: &ListenAddress) -> Result<(Arc<dyn Frontend>, ReloadTls)> {
    Ok(match name {
        "postgres" => {
            let options = PostgresOptions {
                require_tls: tls.is_some() && !address.is_loopback(),
                tls,
                ..PostgresOptions::default()
            };
            let front_end = Arc::new(PostgresFrontend::new(options)?);
            let reloaded = Arc::clone(&front_end);
            (front_end, Box::new(move || reloaded.reload_tls()))
        }
        "flight" => {
            let options = FlightOptions {
                tls,
                ..FlightOptions::default()
            };
            let front_end = Arc::new(FlightFrontend::new(options)?);
            let reloaded = Arc::clone(&front_end);
            (front_end, Box::new(move || reloaded.reload_tls()))
        }
        _ => {
            let options = RestOptions {
                tls,
                ..RestOptions::default()
            };
            let front_end = Arc::new(RestFrontend::new(options)?);
            let reloaded = Arc::clone(&front_end);
            (front_end, Box::new(move || reloaded.reload_tls()))
        }
    })
}

async fn bind(name: &str, address: &ListenAddress) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        let message = format!("cannot listen on {address} ({name}): {error}");
        let failure = Error::new(ErrorKind::Configuration, message);
        match error.kind() {
            std::io::ErrorKind::AddrInUse => failure.with_hint(format!(
                "Stop what listens there, choose another port with --{name} HOST:PORT (0: any), or --{name} off."
            )),
            _ => failure,
        }
    };
    let listener = TcpListener::bind((address.host.as_str(), address.port))
        .await
        .map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// A door for the ready line: its address, or `off`.
pub(crate) fn shown(bound: Option<SocketAddr>) -> String {
    bound.map_or_else(|| "off".to_owned(), |bound| bound.to_string())
}
