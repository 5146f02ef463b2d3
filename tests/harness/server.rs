//! An engine with the PostgreSQL front end, within the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;

use engine::{AccessConfig, Engine, EngineOptions, Frontend, Shutdown};
use frontend_postgres::{PostgresFrontend, PostgresOptions};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use crate::memory_source::MemorySource;

/// A server on a free port of the loopback. Dropping it ends its connections.
#[derive(Debug)]
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The front end itself.
    pub front_end: Arc<PostgresFrontend>,
    /// What it serves.
    pub engine: Engine,
    /// Ends it.
    pub shutdown: Shutdown,
    /// Done when it has ended.
    pub task: JoinHandle<contract::Result<()>>,
}

impl TestServer {
    /// Starts one in which everybody is the administrator.
    pub async fn open(source: MemorySource) -> Self {
        Self::start(source, AccessConfig::open(), PostgresOptions::default()).await
    }

    /// Starts one.
    pub async fn start(source: MemorySource, access: AccessConfig, options: PostgresOptions) -> Self {
        let engine_options = EngineOptions {
            default_schema: "public".to_owned(),
            ..EngineOptions::default()
        };
        let engine = Engine::builder(engine_options)
            .source(Arc::new(source))
            .access(access)
            .build()
            .unwrap();
        Self::over(engine, options).await
    }

    /// Starts one over an engine that is there already.
    pub async fn over(engine: Engine, options: PostgresOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let front_end = Arc::new(PostgresFrontend::new(options).unwrap());
        let task = tokio::spawn(Arc::clone(&front_end).serve(listener, engine.clone(), shutdown.clone()));
        Self {
            front_end,
            address,
            engine,
            shutdown,
            task,
        }
    }

    /// How clients reach it.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host(self.address.ip().to_string())
            .port(self.address.port())
            .user("ana");
        config
    }

    /// A client as a driver makes it.
    pub async fn connect(&self) -> Client {
        let (client, connection) = self.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.shutdown.stop_accepting.cancel();
        self.shutdown.cancel_all.cancel();
    }
}
