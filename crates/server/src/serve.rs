//! `serve`: binds, says that it is ready, and ends in order.

use std::net::SocketAddr;
use std::process::ExitCode;

use contract::{Error, ErrorKind, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::{Progress, ServeArguments, print_line};
use crate::config::{Config, Listen, ServiceKind};
use crate::demo;
use crate::doors::{self, Doors};
use crate::reload::{Reloader, Watch};
use crate::wiring::Setup;

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
    if let Some(flight) = arguments.flight {
        server.flight = flight;
    }
    if let Some(rest) = arguments.rest {
        server.rest = rest;
    }
    check_addresses(&setup)?;
    check_folders(&setup.config)?;
    let engine = setup.engine()?;
    let mut doors = Doors::open(&setup.config.server).await?;
    doors.serve(&engine);
    let bound = doors.bound();
    let drain_timeout = setup.config.server.drain_timeout;
    let is_demo = setup.demo.is_some();
    let mut reloader = Reloader::new(setup, started, engine);
    reloader.compare_rules();
    let mut watch = Watch::start(reloader.files());
    let places = doors::NAMES.iter().zip(bound);
    let places: Vec<_> = places
        .map(|(name, bound)| format!("{name}={}", doors::shown(bound)))
        .collect();
    let ready = format!("ready {}", places.join(" "));
    print_line(&ready)?;
    tracing::info!("{ready}");
    if is_demo {
        greet(bound);
    }

    loop {
        tokio::select! {
            event = signals.next() => match event {
                Event::Stop => break,
                Event::HangUp => reloader.reload("SIGHUP", &doors),
            },
            () = watch.changed() => reloader.reload_if_changed(&doors),
            error = doors.ended() => return Err(error),
        }
        watch.follow(reloader.files());
    }
    doors.drain(drain_timeout, signals.stop()).await?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what must not or cannot be served.
///
/// # Errors
/// `Configuration`, with what to add.
pub(crate) fn check_addresses(setup: &Setup) -> Result<()> {
    let refuse = |message: String, hint: &str| Err(Error::new(ErrorKind::Configuration, message).with_hint(hint));
    let server = &setup.config.server;
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
    for listen in doors::addresses(server) {
        let Listen::On(address) = listen else { continue };
        if address.is_loopback() {
            continue;
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

/// What can be tried, on standard error.
fn greet([postgres, flight, rest]: [Option<SocketAddr>; 3]) {
    if let Some(bound) = postgres {
        let connect = format!("psql -h {} -p {} -d {}", bound.ip(), bound.port(), demo::CATALOG);
        tracing::info!(
            "try, as a driver:   {connect} -U dana -c 'SELECT status, count(*) FROM logistics.shipments GROUP BY 1'"
        );
        tracing::info!(
            "try, as an analyst: {connect} -U ana  -c 'SELECT rider_name, card_number FROM logistics.riders LIMIT 3'"
        );
        tracing::info!("try, as a partner:  {connect} -U pat  -c 'SELECT * FROM logistics.shipments LIMIT 3'");
    }
    if let Some(bound) = rest {
        let tables = format!("http://{bound}/api/v2/{}/_table", demo::CATALOG);
        tracing::info!("try, with a key:    curl -H 'X-API-Key: demo-dana' '{tables}/logistics.trips?limit=3'");
    }
    if let Some(bound) = flight {
        tracing::info!("try, in Python:     adbc_driver_flightsql.dbapi.connect('grpc://{bound}')");
    }
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
