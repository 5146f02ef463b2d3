//! The doors of the PostgreSQL front end: the simple protocol, and the extended one with text and with binary results.
//!
//! Text goes over bare frames, so that nothing of a driver stands between; binary values come through `tokio-postgres`.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls};

use crate::transport::{Answer, Column, Failure, Transport, copied_rows};
use crate::transport_binary::text_of;

/// No statement of a test takes so long.
const PATIENCE: Duration = Duration::from_secs(240);

/// A connection that reads and writes frames.
#[derive(Debug)]
struct Frames {
    stream: TcpStream,
    received: BytesMut,
}

impl Frames {
    async fn connect(address: SocketAddr, user: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut frames = Self {
            stream,
            received: BytesMut::new(),
        };
        let mut startup = BytesMut::new();
        frontend::startup_message([("user", user)], &mut startup).unwrap();
        frames.exchange(&startup).await?;
        Ok(frames)
    }

    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(&[kind, a, b, c, d]) = self.received.first_chunk::<5>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.received.len() > length {
                    let frame = self.received.split_to(length + 1);
                    return Some((kind, frame[5..].to_vec()));
                }
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
            if read.expect("the server is silent").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Sends messages and reads up to ReadyForQuery.
    async fn exchange(&mut self, messages: &[u8]) -> Result<Answer, Failure> {
        self.stream.write_all(messages).await.unwrap();
        let mut answer = Answer::default();
        let mut failure = None;
        let mut copied = Vec::new();
        while let Some((kind, body)) = self.next().await {
            match kind {
                b'T' => {
                    answer = Answer {
                        columns: columns_of(&body),
                        rows: Vec::new(),
                    }
                }
                b'D' => {
                    let texts = values_of_row(&body).into_iter();
                    answer.rows.push(
                        texts
                            .map(|value| value.map(|value| String::from_utf8(value).unwrap()))
                            .collect(),
                    );
                }
                b'd' => copied.extend_from_slice(&body),
                b'c' => answer.rows = copied_rows(&copied),
                b'E' => failure = Some(failure_of(&body)),
                b'Z' => return failure.map_or(Ok(answer), Err),
                _ => {}
            }
        }
        Err(failure.expect("the server closed without a word"))
    }
}

fn failure_of(body: &[u8]) -> Failure {
    let mut failure = Failure {
        sqlstate: String::new(),
        message: String::new(),
        more: Vec::new(),
    };
    for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let text = String::from_utf8(field[1..].to_vec()).unwrap();
        match field[0] {
            b'C' => failure.sqlstate = text,
            b'M' => failure.message = text,
            b'D' | b'H' => failure.more.push(text),
            _ => {}
        }
    }
    failure
}

fn columns_of(body: &[u8]) -> Vec<Column> {
    let mut rest = &body[2..];
    let mut columns = Vec::new();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let facts = &rest[end + 1..];
        columns.push(Column {
            name: String::from_utf8(rest[..end].to_vec()).unwrap(),
            type_oid: Some(u32::from_be_bytes(facts[6..10].try_into().unwrap())),
        });
        rest = &facts[18..];
    }
    columns
}

/// The values in the body of a DataRow.
pub fn values_of_row(body: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut rest = &body[2..];
    let mut values = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (value, after) = match usize::try_from(i32::from_be_bytes(*length)) {
            Ok(length) => (Some(after[..length].to_vec()), &after[length..]),
            Err(_) => (None, after),
        };
        values.push(value);
        rest = after;
    }
    values
}

/// The simple protocol.
#[derive(Debug)]
pub struct Simple(Frames);

impl Simple {
    /// Connects to a server that trusts the user.
    ///
    /// # Errors
    /// What the server answers to the login.
    pub async fn connect(address: SocketAddr, user: &str) -> Result<Self, Failure> {
        Ok(Self(Frames::connect(address, user).await?))
    }
}

#[async_trait]
impl Transport for Simple {
    fn name(&self) -> &'static str {
        "simple"
    }

    async fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let mut messages = BytesMut::new();
        frontend::query(sql, &mut messages).unwrap();
        self.0.exchange(&messages).await
    }
}

/// The extended protocol, with all results as text.
#[derive(Debug)]
pub struct ExtendedText(Frames);

impl ExtendedText {
    /// Connects to a server that trusts the user.
    ///
    /// # Errors
    /// What the server answers to the login.
    pub async fn connect(address: SocketAddr, user: &str) -> Result<Self, Failure> {
        Ok(Self(Frames::connect(address, user).await?))
    }
}

#[async_trait]
impl Transport for ExtendedText {
    fn name(&self) -> &'static str {
        "extended text"
    }

    async fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let mut messages = BytesMut::new();
        frontend::parse("", sql, [], &mut messages).unwrap();
        let no_values = [0_i16; 0];
        frontend::bind("", "", [], no_values, |_, _| unreachable!(), [], &mut messages)
            .unwrap_or_else(|_| panic!("a message that cannot be written"));
        frontend::describe(b'P', "", &mut messages).unwrap();
        frontend::execute("", 0, &mut messages).unwrap();
        frontend::sync(&mut messages);
        self.0.exchange(&messages).await
    }
}

/// The extended protocol as a driver speaks it, with all results in binary.
#[derive(Debug)]
pub struct ExtendedBinary(Client);

impl ExtendedBinary {
    /// Connects to a server that trusts the user.
    ///
    /// # Errors
    /// What the server answers to the login.
    pub async fn connect(address: SocketAddr, user: &str) -> Result<Self, Failure> {
        let mut config = tokio_postgres::Config::new();
        config.host(address.ip().to_string()).port(address.port()).user(user);
        let (client, connection) = config.connect(NoTls).await.map_err(|error| failure(&error))?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    async fn answer(&self, sql: &str) -> Result<Answer, tokio_postgres::Error> {
        let statement = self.0.prepare(sql).await?;
        let columns = statement.columns().iter();
        let columns = columns.map(|column| Column {
            name: column.name().to_owned(),
            type_oid: Some(column.type_().oid()),
        });
        let columns = columns.collect::<Vec<_>>();
        let mut rows = Vec::new();
        for row in self.0.query(&statement, &[]).await? {
            let values = (0..row.len()).map(|index| row.try_get::<_, Option<Bare>>(index));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            rows.push(values.into_iter().map(|value| value.map(|Bare(text)| text)).collect());
        }
        Ok(Answer { columns, rows })
    }
}

#[async_trait]
impl Transport for ExtendedBinary {
    fn name(&self) -> &'static str {
        "extended binary"
    }

    async fn run(&mut self, sql: &str) -> Result<Answer, Failure> {
        let answer = tokio::time::timeout(PATIENCE, self.answer(sql))
            .await
            .expect("the server is silent");
        answer.map_err(|error| failure(&error))
    }
}

fn failure(error: &tokio_postgres::Error) -> Failure {
    let database = error.as_db_error().unwrap_or_else(|| panic!("{error:?}"));
    let more = database.detail().into_iter().chain(database.hint());
    Failure {
        sqlstate: database.code().code().to_owned(),
        message: database.message().to_owned(),
        more: more.map(str::to_owned).collect(),
    }
}

/// A binary value of any type, as text.
struct Bare(String);

impl<'a> FromSql<'a> for Bare {
    fn from_sql(kind: &Type, value: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(text_of(kind, value)))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// All doors of a front end at `address`, for one user.
///
/// # Errors
/// What the server answers to the login.
pub async fn wire_transports(address: SocketAddr, user: &str) -> Result<Vec<Box<dyn Transport>>, Failure> {
    Ok(vec![
        Box::new(Simple::connect(address, user).await?),
        Box::new(ExtendedText::connect(address, user).await?),
        Box::new(ExtendedBinary::connect(address, user).await?),
    ])
}
