//! The door of Flight SQL, as drivers use it: each statement is prepared, described, fetched and closed.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_postgres::{Format, RowEncoder, SessionFormat, pg_type};
use async_trait::async_trait;
use engine::Engine;
use frontend_flight::FlightOptions;
use futures::TryStreamExt;

use crate::flight_server::FlightServer;
use crate::transport::{Answer, Column, Failure, Transport};
use crate::transport_grpc_record::{RecordedChannel, RecordedClient};
use crate::transport_recorder::Recorder;
use crate::transport_wire::values_of_row;

/// A client, and its server where it has one of its own.
#[derive(Debug)]
pub struct Flight {
    client: RecordedClient,
    /// Values come in UTC; PostgreSQL's texts show the session's zone.
    time_zone: String,
    _server: Option<FlightServer>,
}

impl Flight {
    /// Starts a server over the engine and a session of that user, who needs no password.
    pub async fn open(engine: &Engine, user: &str) -> Self {
        let server = FlightServer::over(engine.clone(), FlightOptions::default()).await;
        let client = Self::connect(server.address, user, None).await;
        Self {
            _server: Some(server),
            ..client
        }
    }

    /// A new session of that user, who needs no password; what it reads is recorded.
    pub async fn connect(address: SocketAddr, user: &str, recorder: Option<Recorder>) -> Self {
        Self {
            client: log_in(address, user, recorder).await,
            time_zone: "UTC".to_owned(),
            _server: None,
        }
    }

    async fn fetch(&mut self, sql: &str) -> Result<(arrow::datatypes::SchemaRef, Vec<RecordBatch>), FlightError> {
        let mut prepared = self.client.prepare(sql.to_owned(), None).await?;
        let info = prepared.execute().await?;
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut stream = self.client.do_get(ticket).await?;
        let mut batches = Vec::new();
        while let Some(batch) = stream.try_next().await? {
            batches.push(batch);
        }
        let schema = stream.schema().cloned().expect("an answer without schema");
        assert_eq!(*schema, info.try_decode_schema().unwrap(), "described otherwise: {sql}");
        prepared.close().await?;
        Ok((schema, batches))
    }

    async fn answer(&mut self, sql: &str) -> Result<Answer, FlightError> {
        let (schema, batches) = self.fetch(sql).await?;
        let has_times = schema
            .fields()
            .iter()
            .any(|field| field.data_type().to_string().contains("Timestamp"));
        // In a failed transaction it cannot be asked for, and does not change.
        if has_times && let Ok((_, zone)) = self.fetch("SHOW TimeZone").await {
            let zone = arrow::util::display::array_value_to_string(zone[0].column(0), 0);
            self.time_zone = zone.unwrap();
        }
        let format = SessionFormat {
            time_zone: self.time_zone.parse().unwrap(),
            ..SessionFormat::default()
        };
        let encoder = RowEncoder::new(&schema, &vec![Format::Text; schema.fields().len()], &format);
        let mut answer = Answer {
            columns: schema
                .fields()
                .iter()
                .map(|field| Column {
                    name: field.name().clone(),
                    type_oid: Some(pg_type(field).oid),
                })
                .collect(),
            rows: Vec::new(),
        };
        for batch in batches {
            for row in 0..batch.num_rows() {
                let mut message = Vec::new();
                encoder.encode_data_rows(&batch, row..row + 1, &mut message).unwrap();
                let texts = values_of_row(&message[5..])
                    .into_iter()
                    .map(|value| value.map(|value| String::from_utf8(value).unwrap()));
                answer.rows.push(texts.collect());
            }
        }
        Ok(answer)
    }
}

#[async_trait]
impl Transport for Flight {
    fn name(&self) -> &'static str {
        "flight"
    }

    async fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        self.answer(sql).await.map_err(|error| failure(&error))
    }
}

/// A client that has logged in without a password, with a session of its own.
pub async fn log_in(address: SocketAddr, user: &str, recorder: Option<Recorder>) -> RecordedClient {
    static SESSIONS: AtomicUsize = AtomicUsize::new(0);
    let mut client = FlightSqlServiceClient::new(RecordedChannel::connect(address, recorder).await);
    client.handshake(user, "").await.unwrap();
    let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
    client.set_header("cookie", format!("arrow_flight_session_id=suite-{session:06}"));
    client
}

/// What a status tells.
pub fn failure(error: &FlightError) -> Failure {
    let FlightError::Tonic(status) = error else {
        panic!("not from the server: {error}")
    };
    let sqlstate = status.metadata().get("x-sqlstate");
    let mut message = status.message();
    let mut more = Vec::new();
    for name in ["\nHINT:  ", "\nDETAIL:  "] {
        if let Some((before, text)) = message.rsplit_once(name) {
            more.insert(0, text.to_owned());
            message = before;
        }
    }
    Failure {
        sqlstate: sqlstate.map_or("none", |state| state.to_str().unwrap()).to_owned(),
        message: message.to_owned(),
        more,
    }
}
