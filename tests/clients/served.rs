//! A server over the sample schema.

use std::sync::Arc;

use engine::{AccessConfig, Engine, EngineOptions, Frontend, Shutdown};
use frontend_postgres::{PostgresFrontend, PostgresOptions};
use system_tests::server::TestServer;
use tokio::net::TcpListener;

use crate::sales;

/// Starts one; dropping it ends its connections.
pub(crate) async fn start(access: AccessConfig) -> TestServer {
    let options = EngineOptions {
        default_schema: "public".to_owned(),
        ..EngineOptions::default()
    };
    let engine = Engine::builder(options)
        .source(sales::source())
        .access(access)
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = Shutdown::default();
    let front_end = Arc::new(PostgresFrontend::new(PostgresOptions::default()).unwrap());
    let task = tokio::spawn(Arc::clone(&front_end).serve(listener, engine.clone(), shutdown.clone()));
    TestServer {
        address,
        front_end,
        engine,
        shutdown,
        task,
    }
}
