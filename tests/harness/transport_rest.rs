//! The door of REST: a server, an HTTP client that shows every byte, and statements through `_query` as Arrow.

use std::fmt;
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow_postgres::{Format, RowEncoder, SessionFormat, pg_type};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{AccessConfig, Engine, EngineOptions, Frontend, SessionOptions, Shutdown};
use frontend_rest::{RestFrontend, RestOptions};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::memory_source::MemorySource;
use crate::transport::{Answer, Column, Failure, Transport};
use crate::transport_recorder::Recorder;
use crate::transport_rest_json::rows_of;
use crate::transport_wire::values_of_row;

/// No answer of a test takes so long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A server on a free port of the loopback. Dropping it ends its connections.
#[derive(Debug)]
pub struct RestServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves.
    pub engine: Engine,
    /// Ends it.
    pub shutdown: Shutdown,
    /// Done when it has ended.
    pub task: JoinHandle<contract::Result<()>>,
}

impl RestServer {
    /// Starts one in which everybody is the administrator.
    pub async fn open(source: MemorySource) -> Self {
        Self::start(source, AccessConfig::open(), RestOptions::default()).await
    }

    /// Starts one.
    pub async fn start(source: MemorySource, access: AccessConfig, options: RestOptions) -> Self {
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
    pub async fn over(engine: Engine, options: RestOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::default();
        let front_end = Arc::new(RestFrontend::new(options).unwrap());
        let task = tokio::spawn(front_end.serve(listener, engine.clone(), shutdown.clone()));
        Self {
            address,
            engine,
            shutdown,
            task,
        }
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, target: &str) -> Reply {
        self.ask("GET", target, &[], b"").await
    }

    /// One POST of JSON on a connection of its own.
    pub async fn post(&self, target: &str, body: &str) -> Reply {
        self.ask("POST", target, &[("content-type", "application/json")], body.as_bytes())
            .await
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        Http::connect(self.address)
            .await
            .ask(method, target, headers, body)
            .await
    }
}

impl Drop for RestServer {
    fn drop(&mut self) {
        self.shutdown.stop_accepting.cancel();
        self.shutdown.cancel_all.cancel();
    }
}

/// An answer as it came.
#[derive(Clone, Default)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body so far.
    pub body: Vec<u8>,
    /// Whether the body came to its announced end.
    pub whole: bool,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON; numbers as floats, so exact ones are looked at in the text.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The message of an error.
    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }

    /// The SQLSTATE of an error.
    pub fn sqlstate(&self) -> String {
        self.json()["error"]["context"]["sqlstate"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Status, headers and body as a client reads them.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\n").bytes());
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.body[..self.body.len().min(2000)];
        write!(
            f,
            "{} {:?} {}",
            self.status,
            self.headers,
            String::from_utf8_lossy(start)
        )
    }
}

/// A connection that sends what it is told, valid or not.
#[derive(Debug)]
pub struct Http {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Http {
    /// A new connection.
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            received: Vec::new(),
        }
    }

    /// Sends bytes; whether the server takes them is for the answer to show.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Sends a well-formed request.
    pub async fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send(&[head.as_bytes(), body].concat()).await;
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.request(method, target, headers, body).await;
        let head = self
            .head()
            .await
            .unwrap_or_else(|| panic!("{method} {target}: no answer"));
        match method {
            "HEAD" => head,
            _ => self.rest(head).await,
        }
    }

    /// The next answer; none if the connection ends before it.
    pub async fn reply(&mut self) -> Option<Reply> {
        let head = self.head().await?;
        Some(self.rest(head).await)
    }

    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
        read.expect("the server is silent").unwrap_or(0) > 0
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Status and headers of the next answer.
    pub async fn head(&mut self) -> Option<Reply> {
        let status = self.line().await?;
        let code = status
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status.strip_prefix("HTTP/1.0 "));
        let mut reply = Reply {
            status: code
                .and_then(|code| code.get(..3)?.parse().ok())
                .unwrap_or_else(|| panic!("{status:?}")),
            ..Reply::default()
        };
        loop {
            let line = self.line().await?;
            match line.split_once(':') {
                Some((name, value)) => reply.headers.push((name.to_lowercase(), value.trim().to_owned())),
                None => return Some(reply),
            }
        }
    }

    /// The next piece of a chunked body: `Some(None)` at its proper end, `None` if the connection broke.
    pub async fn chunk(&mut self) -> Option<Option<Vec<u8>>> {
        let length = usize::from_str_radix(&self.line().await?, 16).unwrap();
        while self.received.len() < length + 2 {
            if !self.more().await {
                return None;
            }
        }
        let piece: Vec<u8> = self.received.drain(..length + 2).collect();
        Some((length > 0).then(|| piece[..length].to_vec()))
    }

    /// The body that belongs to a head.
    pub async fn rest(&mut self, mut reply: Reply) -> Reply {
        if reply.is_chunked() {
            while let Some(piece) = self.chunk().await {
                match piece {
                    Some(piece) => reply.body.extend(piece),
                    None => {
                        reply.whole = true;
                        break;
                    }
                }
            }
            return reply;
        }
        let length = reply
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length && self.more().await {}
        let there = self.received.len().min(length);
        reply.body = self.received.drain(..there).collect();
        reply.whole = there == length;
        reply
    }

    /// Whether the server closes the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        !self.more().await && self.received.is_empty()
    }
}

/// The header by which a user who needs no password is known.
pub fn basic(user: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:")))
}

/// Statements through `_query`. Each is a session of its own.
#[derive(Debug)]
pub struct Rest {
    connection: Http,
    address: SocketAddr,
    service: String,
    authorization: String,
    in_json: bool,
    recorder: Option<Recorder>,
    /// Kept so that it goes on to serve.
    _server: Option<RestServer>,
}

impl Rest {
    /// A client of that user, of a server of its own over `engine`.
    pub async fn open(engine: &Engine, user: &str) -> Self {
        let identity = engine.identity(user).unwrap();
        let session = engine.open_session(identity, SessionOptions::default()).unwrap();
        let server = RestServer::over(engine.clone(), RestOptions::default()).await;
        let client = Self::connect(server.address, session.catalog(), user).await;
        Self {
            _server: Some(server),
            ..client
        }
    }

    /// A client of that user, where no password is asked for.
    pub async fn connect(address: SocketAddr, service: &str, user: &str) -> Self {
        Self {
            connection: Http::connect(address).await,
            address,
            service: service.to_owned(),
            authorization: basic(user),
            in_json: false,
            recorder: None,
            _server: None,
        }
    }

    /// With answers as JSON, which tells no types.
    pub fn in_json(self) -> Self {
        Self { in_json: true, ..self }
    }

    /// With everything recorded that it reads.
    pub fn recorded(self, recorder: &Recorder) -> Self {
        Self {
            recorder: Some(recorder.clone()),
            ..self
        }
    }
}

#[async_trait]
impl Transport for Rest {
    fn name(&self) -> &'static str {
        if self.in_json { "rest in JSON" } else { "rest" }
    }

    fn keeps_session(&self) -> bool {
        false
    }

    async fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let accept = match self.in_json {
            true => "application/json",
            false => "application/vnd.apache.arrow.stream",
        };
        let headers = [
            ("content-type", "application/json"),
            ("accept", accept),
            ("authorization", &*self.authorization),
        ];
        let body = serde_json::json!({"sql": sql}).to_string();
        let target = format!("/api/v2/{}/_query", self.service);
        self.connection
            .request("POST", &target, &headers, body.as_bytes())
            .await;
        let reply = match self.connection.reply().await {
            Some(reply) => reply,
            // The server ends connections that are silent for long, as all servers do.
            None => {
                self.connection = Http::connect(self.address).await;
                let again = self.connection.request("POST", &target, &headers, body.as_bytes());
                again.await;
                let reply = self.connection.reply().await;
                reply.unwrap_or_else(|| panic!("{sql}: the connection ended"))
            }
        };
        if let Some(recorder) = &self.recorder {
            recorder.note(&reply.bytes());
        }
        if reply.header("connection") == Some("close") || !reply.whole {
            self.connection = Http::connect(self.address).await;
        }
        match reply.status {
            200 if reply.whole && self.in_json => Ok(rows_of(reply.text())),
            200 if reply.whole => Ok(answer_of(&batches_of(&reply.body))),
            200 => Err(Failure {
                sqlstate: "?".to_owned(),
                message: "the answer broke off".to_owned(),
                more: Vec::new(),
            }),
            _ => Err(failure_of(&reply.json())),
        }
    }
}

/// The batches of an Arrow stream; of an empty one, one without rows.
pub fn batches_of(stream: &[u8]) -> Vec<RecordBatch> {
    let reader = StreamReader::try_new(Cursor::new(stream), None).unwrap();
    let empty = RecordBatch::new_empty(reader.schema());
    let mut batches = vec![empty];
    batches.extend(reader.map(|batch| batch.unwrap()));
    batches
}

fn answer_of(batches: &[RecordBatch]) -> Answer {
    let schema = batches[0].schema();
    let formats = vec![Format::Text; schema.fields().len()];
    let encoder = RowEncoder::new(&schema, &formats, &SessionFormat::default());
    let column = |field: &Arc<arrow::datatypes::Field>| Column {
        name: field.name().clone(),
        type_oid: Some(pg_type(field).oid),
    };
    let mut answer = Answer {
        columns: schema.fields().iter().map(column).collect(),
        rows: Vec::new(),
    };
    for batch in batches {
        for row in 0..batch.num_rows() {
            let mut message = Vec::new();
            encoder.encode_data_rows(batch, row..row + 1, &mut message).unwrap();
            let texts = values_of_row(&message[5..]).into_iter();
            answer.rows.push(
                texts
                    .map(|value| value.map(|value| String::from_utf8(value).unwrap()))
                    .collect(),
            );
        }
    }
    answer
}

fn failure_of(body: &Value) -> Failure {
    let error = &body["error"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let context = &error["context"];
    Failure {
        sqlstate: text(&context["sqlstate"]).unwrap_or_default(),
        message: text(&error["message"]).unwrap_or_default(),
        more: text(&context["detail"])
            .into_iter()
            .chain(text(&context["hint"]))
            .collect(),
    }
}
