//! The Flight front end over an engine, within the test's own process.

use std::net::SocketAddr;
use std::sync::Arc;

use arrow_flight::sql::client::FlightSqlServiceClient;
use engine::{AccessConfig, Engine, EngineOptions, Frontend, Shutdown};
use frontend_flight::{FlightFrontend, FlightOptions};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::memory_source::MemorySource;

/// A server on a free port of the loopback. Dropping it ends its connections.
#[derive(Debug)]
pub struct FlightServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The front end itself.
    pub front_end: Arc<FlightFrontend>,
    /// What it serves.
    pub engine: Engine,
    /// Ends it.
    pub shutdown: Shutdown,
    /// Done when it has ended.
    pub task: JoinHandle<contract::Result<()>>,
}

impl FlightServer {
    /// Starts one in which everybody is the administrator.
    pub async fn open(source: MemorySource) -> Self {
        Self::start(source, AccessConfig::open(), FlightOptions::default()).await
    }

    /// Starts one.
    pub async fn start(source: MemorySource, access: AccessConfig, options: FlightOptions) -> Self {
        let engine_options = EngineOptions {
            default_schema: "public".to_owned(),
            ..EngineOptions::default()
        };
        let builder = Engine::builder(engine_options).source(Arc::new(source));
        Self::over(builder.access(access).build().unwrap(), options).await
    }

    /// Starts one over an engine that is there already.
    pub async fn over(engine: Engine, options: FlightOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let front_end = Arc::new(FlightFrontend::new(options).unwrap());
        let task = tokio::spawn(Arc::clone(&front_end).serve(listener, engine.clone(), shutdown.clone()));
        Self {
            address,
            front_end,
            engine,
            shutdown,
            task,
        }
    }

    /// A connection.
    pub async fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// A client that says nothing about itself.
    pub async fn client(&self) -> FlightSqlServiceClient<Channel> {
        FlightSqlServiceClient::new(self.channel().await)
    }

    /// A client that has logged in.
    pub async fn log_in(&self, user: &str, password: &str) -> FlightSqlServiceClient<Channel> {
        let mut client = self.client().await;
        client.handshake(user, password).await.unwrap();
        client
    }
}

impl Drop for FlightServer {
    fn drop(&mut self) {
        self.shutdown.stop_accepting.cancel();
        self.shutdown.cancel_all.cancel();
    }
}
