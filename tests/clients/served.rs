//! A server over the sample schema.

use engine::{AccessConfig, Engine, EngineOptions};
use frontend_postgres::PostgresOptions;
use system_tests::server::TestServer;

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
    TestServer::over(engine, PostgresOptions::default()).await
}
