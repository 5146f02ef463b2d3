//! A connection that sends a statement as a recorded client did and collects all that comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;
use system_tests::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::fallible_iterator::FallibleIterator;

/// No answer takes so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two cancel requests, the first of which may come before the statement runs.
const CANCEL_EVERY: Duration = Duration::from_millis(50);

/// A column as it was described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) oid: u32,
}

/// What one statement, or one simple query, was answered with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// Of the first row description.
    pub(crate) columns: Option<Vec<Column>>,
    /// Of all results.
    pub(crate) rows: usize,
    /// Command tags; `(PortalSuspended)` and `(empty)` where there is none.
    pub(crate) tags: Vec<String>,
    /// SQLSTATE and message.
    pub(crate) error: Option<(String, String)>,
    /// Transaction status of the last ReadyForQuery.
    pub(crate) status: char,
    /// The first value of the first row, in text.
    pub(crate) first: Option<String>,
}

/// A statement over the extended protocol.
#[derive(Debug)]
pub(crate) struct Extended<'a> {
    pub(crate) sql: &'a str,
    pub(crate) parameter_oids: &'a [u32],
    pub(crate) parameter_formats: &'a [i16],
    /// None: it is parsed and described only.
    pub(crate) parameters: Option<Vec<Option<Vec<u8>>>>,
    pub(crate) result_formats: &'a [i16],
    pub(crate) rows_max: i32,
    /// Whether the statement is described, instead of the portal.
    pub(crate) describe_statement: bool,
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    cancel: (i32, i32),
    address: std::net::SocketAddr,
}

impl Connection {
    /// Logs in.
    pub(crate) async fn open(server: &TestServer) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let mut connection = Self {
            stream,
            buffer: BytesMut::new(),
            cancel: (0, 0),
            address: server.address,
        };
        let mut bytes = BytesMut::new();
        let parameters = [("user", "ana"), ("database", "lake"), ("client_encoding", "UTF8")];
        frontend::startup_message(parameters, &mut bytes).unwrap();
        let answer = connection.send(&bytes, false).await;
        assert_eq!(answer.error, None);
        connection
    }

    /// Sends SQL text; with `cancel` asks until it is answered that it be cancelled.
    pub(crate) async fn simple(&mut self, sql: &str, cancel: bool) -> Answer {
        let mut bytes = BytesMut::new();
        frontend::query(sql, &mut bytes).unwrap();
        self.send(&bytes, cancel).await
    }

    /// Sends a statement in one flight of the extended protocol.
    pub(crate) async fn extended(&mut self, statement: Extended<'_>, cancel: bool) -> Answer {
        let mut bytes = BytesMut::new();
        let oids = statement.parameter_oids.iter().copied();
        frontend::parse("", statement.sql, oids, &mut bytes).unwrap();
        if statement.describe_statement || statement.parameters.is_none() {
            frontend::describe(b'S', "", &mut bytes).unwrap();
        }
        if let Some(parameters) = statement.parameters {
            let value = |value: Option<Vec<u8>>, bytes: &mut BytesMut| {
                Ok(match value {
                    None => IsNull::Yes,
                    Some(value) => {
                        bytes.extend_from_slice(&value);
                        IsNull::No
                    }
                })
            };
            let formats = statement.parameter_formats.iter().copied();
            let results = statement.result_formats.iter().copied();
            if frontend::bind("", "", formats, parameters, value, results, &mut bytes).is_err() {
                panic!("a recorded statement is too large");
            }
            if !statement.describe_statement {
                frontend::describe(b'P', "", &mut bytes).unwrap();
            }
            frontend::execute("", statement.rows_max, &mut bytes).unwrap();
        }
        frontend::sync(&mut bytes);
        self.send(&bytes, cancel).await
    }

    async fn send(&mut self, bytes: &[u8], cancel: bool) -> Answer {
        self.stream.write_all(bytes).await.unwrap();
        let (target, key) = (self.address, self.cancel);
        // Until the statement runs a request stops nothing, so it is sent again and again; the last one is waited
        // for, or it would stop the next statement.
        let answered = AtomicBool::new(false);
        let cancelling = async {
            let mut ticks = tokio::time::interval(CANCEL_EVERY);
            while cancel && !answered.load(Ordering::Acquire) {
                ticks.tick().await;
                let mut request = BytesMut::new();
                frontend::cancel_request(key.0, key.1, &mut request);
                let mut stream = TcpStream::connect(target).await.unwrap();
                stream.write_all(&request).await.unwrap();
                // The server closes once the request is carried out.
                assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
            }
        };
        let answering = async {
            let answer = tokio::time::timeout(PATIENCE, self.collect())
                .await
                .expect("the server does not answer");
            answered.store(true, Ordering::Release);
            answer
        };
        futures::future::join(answering, cancelling).await.0
    }

    async fn collect(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            match self.next().await {
                None => {
                    let last = answer.error.take().map(|(_, message)| message).unwrap_or_default();
                    answer.error = Some(("closed".to_owned(), format!("the server closed the connection: {last}")));
                    return answer;
                }
                Some(Message::ReadyForQuery(body)) => {
                    answer.status = char::from(body.status());
                    return answer;
                }
                Some(Message::BackendKeyData(body)) => self.cancel = (body.process_id(), body.secret_key()),
                Some(Message::RowDescription(body)) if answer.columns.is_none() => {
                    let columns = body.fields().map(|field| {
                        Ok(Column {
                            name: field.name().to_owned(),
                            oid: field.type_oid(),
                        })
                    });
                    answer.columns = Some(columns.collect().unwrap());
                }
                Some(Message::DataRow(body)) => {
                    answer.rows += 1;
                    if answer.first.is_none()
                        && let Ok(Some(Some(range))) = body.ranges().next()
                    {
                        answer.first = Some(String::from_utf8_lossy(&body.buffer()[range]).into_owned());
                    }
                }
                Some(Message::CommandComplete(body)) => answer.tags.push(body.tag().unwrap().to_owned()),
                Some(Message::PortalSuspended) => answer.tags.push("(PortalSuspended)".to_owned()),
                Some(Message::EmptyQueryResponse) => answer.tags.push("(empty)".to_owned()),
                Some(Message::ErrorResponse(body)) => answer.error = Some(told(body.fields())),
                Some(Message::CopyInResponse(_)) => {
                    let mut bytes = BytesMut::new();
                    frontend::copy_done(&mut bytes);
                    self.stream.write_all(&bytes).await.unwrap();
                }
                Some(_) => {}
            }
        }
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.buffer).unwrap() {
                return Some(message);
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return None;
            }
        }
    }
}

fn told(mut fields: ErrorFields<'_>) -> (String, String) {
    let mut told = (String::new(), String::new());
    while let Ok(Some(field)) = fields.next() {
        let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => told.0 = value(),
            b'M' => told.1 = value(),
            _ => {}
        }
    }
    told
}
