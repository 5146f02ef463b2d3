//! Servers over the sample schema.

use std::process::Command;

use engine::{AccessConfig, Engine, EngineOptions, TlsOptions};
use frontend_flight::FlightOptions;
use frontend_postgres::PostgresOptions;
use frontend_rest::RestOptions;
use system_tests::flight_server::FlightServer;
use system_tests::server::TestServer;
use system_tests::transport_rest::RestServer;

use crate::sales;

/// Starts one with the PostgreSQL door; dropping it ends its connections.
pub(crate) async fn start(access: AccessConfig) -> TestServer {
    TestServer::over(engine(access), PostgresOptions::default()).await
}

/// An engine over the sample schema.
pub(crate) fn engine(access: AccessConfig) -> Engine {
    let options = EngineOptions {
        default_schema: "public".to_owned(),
        ..EngineOptions::default()
    };
    let builder = Engine::builder(options).source(sales::source()).access(access);
    builder.build().unwrap()
}

/// All doors of one engine. Dropping it ends their connections.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) postgres: TestServer,
    pub(crate) flight: FlightServer,
    pub(crate) rest: RestServer,
    encrypted: bool,
}

impl Doors {
    /// Opens them; with `tls` the doors of Flight and REST speak nothing else.
    pub(crate) async fn open(engine: &Engine, tls: Option<TlsOptions>) -> Self {
        let encrypted = tls.is_some();
        let postgres = PostgresOptions {
            tls: tls.clone(),
            ..PostgresOptions::default()
        };
        let flight = FlightOptions {
            tls: tls.clone(),
            ..FlightOptions::default()
        };
        let rest = RestOptions {
            tls,
            ..RestOptions::default()
        };
        Self {
            postgres: TestServer::over(engine.clone(), postgres).await,
            flight: FlightServer::over(engine.clone(), flight).await,
            rest: RestServer::over(engine.clone(), rest).await,
            encrypted,
        }
    }

    /// Tells a program where they are.
    pub(crate) fn tell(&self, command: &mut Command) {
        let (grpc, http) = match self.encrypted {
            false => ("grpc", "http"),
            true => ("grpc+tls", "https"),
        };
        command
            .env("PGHOST", self.postgres.address.ip().to_string())
            .env("PGPORT", self.postgres.address.port().to_string())
            .env("FLIGHT_URI", format!("{grpc}://{}", self.flight.address))
            .env("REST_URL", format!("{http}://{}", self.rest.address));
    }
}
