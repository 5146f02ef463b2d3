//! `serve`: binds, says that it is ready, and ends in order.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use engine::{Frontend, Shutdown};
use frontend_postgres::{PostgresFrontend, PostgresOptions, TlsOptions};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::command::{Progress, ServeArguments, print_line};
use crate::config::{Config, Listen, ListenAddress, ServiceKind};
use crate::demo;
use crate::reload::{Reloader, Served, Watch};
use crate::wiring::Setup;

/// How long cancelled queries may take to end after the drain.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn serve(arguments: ServeArguments) -> Result<ExitCode> {
    // Before anything else: a signal that comes while data is made must not be lost.
    let mut signals = Signals::new()?;
    let mut setup = {
        let progress = Progress::start();
        let tell = |line: &str| progress.line(line);
        tokio::select! {
            setup = Setup::load(&arguments.origin, &tell) => setup?,
            () = signals.stop() => return Ok(ExitCode::SUCCESS),
        }
    };
    let started = setup.config.clone();
    let server = &mut setup.config.server;
    if let Some(postgres) = arguments.postgres {
        server.postgres = postgres;
    }
    server.flight = arguments.flight.or(server.flight.take());
    server.rest = arguments.rest.or(server.rest.take());
    check_addresses(&setup)?;
    check_folders(&setup.config)?;
    let engine = setup.engine()?;
    let Listen::On(address) = setup.config.server.postgres.clone() else {
        let error = Error::new(
            ErrorKind::Configuration,
            "every front end is off: there is nothing to serve",
        );
        return Err(error.with_hint("Give an address with --postgres or server.postgres."));
    };
    let options = postgres_options(&setup.config, &address);
    let front_end = Arc::new(PostgresFrontend::new(options.clone())?);
    let (listener, bound) = bind(&address).await?;

    let shutdown = Shutdown::default();
    let mut serving = tokio::spawn(Arc::clone(&front_end).serve(listener, engine.clone(), shutdown.clone()));
    let drain_timeout = setup.config.server.drain_timeout;
    let is_demo = setup.demo.is_some();
    let mut reloader = Reloader::new(setup, started, engine, Some(Served { front_end, options }));
    reloader.compare_rules();
    let mut watch = Watch::start(reloader.files());
    print_line(&format!("ready postgres={bound} flight=off rest=off"))?;
    tracing::info!(postgres = %bound, "ready");
    if is_demo {
        greet(bound);
    }

    loop {
        tokio::select! {
            event = signals.next() => match event {
                Event::Stop => break,
                Event::HangUp => reloader.reload("SIGHUP"),
            },
            () = watch.changed() => reloader.reload_if_changed(),
            ended = &mut serving => return ended_early(ended),
        }
        watch.follow(reloader.files());
    }
    drain(&mut signals, serving, &shutdown, drain_timeout).await
}

/// Refuses what must not or cannot be served.
///
/// # Errors
/// `Configuration`, with what to add.
pub(crate) fn check_addresses(setup: &Setup) -> Result<()> {
    let refuse = |message: String, hint: &str| Err(Error::new(ErrorKind::Configuration, message).with_hint(hint));
    let server = &setup.config.server;
    for (name, listen) in [("flight", &server.flight), ("rest", &server.rest)] {
        if let Some(Listen::On(address)) = listen {
            let hint = format!("Remove server.{name} or set it to \"off\".");
            return refuse(
                format!("the {name} front end is not available in this build (asked for at {address})"),
                &hint,
            );
        }
    }
    if !server.allow_ips.is_empty() {
        return refuse(
            "server.allow_ips is not available in this build".to_owned(),
            "Restrict addresses in the firewall, and remove the key.",
        );
    }
    if setup.config.audit.path.is_some() {
        return refuse(
            "[audit] is not available in this build".to_owned(),
            "Remove the section.",
        );
    }
    let Listen::On(address) = &server.postgres else {
        return Ok(());
    };
    if address.is_loopback() {
        return Ok(());
    }
    if setup.demo.is_some() {
        let message = format!("the demo asks for no password and is not served on {address}");
        return refuse(message, "Listen on 127.0.0.1, or write a configuration with [access].");
    }
    if setup.config.access.is_none() {
        let message = format!("without [access] everybody is the administrator, so {address} is refused");
        let hint = "Add [access] with rules = [\"access.sql\"] and at least one [[access.user]] (lakegate hash-password makes its password), or listen on 127.0.0.1.";
        return refuse(message, hint);
    }
    if server.tls.is_none() {
        tracing::warn!(%address, "answers travel unencrypted: server.tls is not set");
    }
    Ok(())
}

/// A local folder that is not there is a mistake to tell at the start; remote ones may come and go.
fn check_folders(config: &Config) -> Result<()> {
    for service in &config.services {
        let ServiceKind::Delta { location, .. } = &service.kind else {
            continue;
        };
        let Some(path) = (location.scheme() == "file")
            .then(|| location.to_file_path().ok())
            .flatten()
        else {
            continue;
        };
        std::fs::read_dir(&path).map_err(|error| {
            let message = format!(
                "service \"{}\": cannot read the folder {}: {error}",
                service.name,
                path.display()
            );
            Error::new(ErrorKind::Configuration, message)
        })?;
    }
    Ok(())
}

/// How the PostgreSQL front end listens at `address`.
pub(crate) fn postgres_options(config: &Config, address: &ListenAddress) -> PostgresOptions {
    let tls = config.server.tls.as_ref().map(|tls| TlsOptions {
        cert_path: tls.cert.clone(),
        key_path: tls.key.clone(),
        client_ca: tls.client_ca.clone(),
    });
    PostgresOptions {
        require_tls: tls.is_some() && !address.is_loopback(),
        tls,
        ..PostgresOptions::default()
    }
}

async fn bind(address: &ListenAddress) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        let failure = Error::new(ErrorKind::Configuration, format!("cannot listen on {address}: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                failure.with_hint("Stop what listens there, or choose another port with --postgres HOST:PORT (0: any).")
            }
            _ => failure,
        }
    };
    let listener = TcpListener::bind((address.host.as_str(), address.port))
        .await
        .map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Lets running queries finish, then cancels them. A second signal cancels at once.
async fn drain(
    signals: &mut Signals,
    mut serving: JoinHandle<Result<()>>,
    shutdown: &Shutdown,
    timeout: Duration,
) -> Result<ExitCode> {
    tracing::info!(?timeout, "draining: running queries may finish");
    shutdown.stop_accepting.cancel();
    tokio::select! {
        ended = &mut serving => return ended.map_err(task_failed)?.map(|()| ExitCode::SUCCESS),
        () = tokio::time::sleep(timeout) => tracing::warn!("the drain timeout is over: cancelling what still runs"),
        () = signals.stop() => tracing::warn!("second signal: cancelling what still runs"),
    }
    shutdown.cancel_all.cancel();
    if tokio::time::timeout(CANCEL_TIMEOUT, &mut serving).await.is_err() {
        tracing::warn!("some connections did not end in time");
        serving.abort();
    }
    Ok(ExitCode::SUCCESS)
}

fn ended_early(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<ExitCode> {
    ended.map_err(task_failed)??;
    Err(Error::internal("a front end ended by itself"))
}

fn task_failed(error: tokio::task::JoinError) -> Error {
    Error::internal(format!("a front end failed: {error}"))
}

/// What can be tried, on standard error.
fn greet(bound: SocketAddr) {
    let (host, port) = (bound.ip(), bound.port());
    let connect = format!("psql -h {host} -p {port} -d {}", demo::CATALOG);
    tracing::info!(
        "try, as a driver:   {connect} -U dana -c 'SELECT status, count(*) FROM logistics.shipments GROUP BY 1'"
    );
    tracing::info!(
        "try, as an analyst: {connect} -U ana  -c 'SELECT rider_name, card_number FROM logistics.riders LIMIT 3'"
    );
    tracing::info!("try, as a partner:  {connect} -U pat  -c 'SELECT * FROM logistics.shipments LIMIT 3'");
    tracing::info!("any other name is the administrator; no password is asked for on this machine");
}

/// The signals that a server listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| Error::internal(format!("cannot listen to signals: {error}")));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Event {
        tokio::select! {
            _ = self.terminate.recv() => Event::Stop,
            _ = self.interrupt.recv() => Event::Stop,
            _ = self.hang_up.recv() => Event::HangUp,
        }
    }

    /// Waits for a signal to stop; others mean nothing by then.
    async fn stop(&mut self) {
        while let Event::HangUp = self.next().await {}
    }
}

enum Event {
    Stop,
    HangUp,
}
