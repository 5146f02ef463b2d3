//! A client that sends exactly the bytes a test wants.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use system_tests::server::TestServer;

/// No answer of the server takes so long; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A frame: type byte, length, body.
pub(crate) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.put_i32(body.len() as i32 + 4);
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', format!("{sql}\0").as_bytes())
}

pub(crate) fn parse(name: &str, sql: &str) -> Vec<u8> {
    frame(b'P', format!("{name}\0{sql}\0\0\0").as_bytes())
}

/// Binds without parameters, all results as text.
pub(crate) fn bind(portal: &str, statement: &str) -> Vec<u8> {
    frame(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

pub(crate) fn execute(portal: &str, rows_max: i32) -> Vec<u8> {
    let mut body = format!("{portal}\0").into_bytes();
    body.put_i32(rows_max);
    frame(b'E', &body)
}

pub(crate) fn sync() -> Vec<u8> {
    frame(b'S', b"")
}

/// A startup packet of that protocol version.
pub(crate) fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_u32(version);
    for (name, value) in parameters {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    let mut bytes = Vec::new();
    bytes.put_i32(body.len() as i32 + 4);
    bytes.extend_from_slice(&body);
    bytes
}

pub(crate) const PROTOCOL_3_0: u32 = 3 << 16;
pub(crate) const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: char,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A field of an error or notice.
    pub(crate) fn field(&self, code: u8) -> Option<String> {
        let fields = self.body.split(|byte| *byte == 0);
        let field = fields.into_iter().find(|field| field.first() == Some(&code));
        field.map(|field| String::from_utf8(field[1..].to_vec()).unwrap())
    }

    /// Severity, SQLSTATE and message.
    pub(crate) fn error(&self) -> (String, String, String) {
        assert_eq!(self.kind, 'E', "{self:?}");
        let field = |code| self.field(code).unwrap();
        (field(b'S'), field(b'C'), field(b'M'))
    }
}

/// A connection of a client without manners.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    buffer: BytesMut,
}

impl Raw {
    /// Connects and sends nothing.
    pub(crate) async fn silent(server: &TestServer) -> Self {
        Self {
            stream: TcpStream::connect(server.address).await.unwrap(),
            buffer: BytesMut::new(),
        }
    }

    /// Connects and logs in, up to ReadyForQuery.
    pub(crate) async fn logged_in(server: &TestServer) -> Self {
        Self::logged_in_with(server, PROTOCOL_3_0).await.0
    }

    /// As [`Self::logged_in`]; gives all messages of the login too.
    pub(crate) async fn logged_in_with(server: &TestServer, version: u32) -> (Self, Vec<Answer>) {
        let mut raw = Self::silent(server).await;
        raw.send(&startup(version, &[("user", "ana")])).await;
        let answers = raw.until_ready().await;
        (raw, answers)
    }

    /// Sends; a server that closed already is no error.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// The next message; none when the server closed.
    pub(crate) async fn next(&mut self) -> Option<Answer> {
        tokio::time::timeout(PATIENCE, self.next_patiently())
            .await
            .expect("the server neither answers nor closes")
    }

    async fn next_patiently(&mut self) -> Option<Answer> {
        loop {
            if let Some(header) = self.buffer.first_chunk::<5>() {
                let length = i32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
                if self.buffer.len() > length {
                    let message = self.buffer.split_to(1 + length);
                    return Some(Answer {
                        kind: char::from(message[0]),
                        body: message[5..].to_vec(),
                    });
                }
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                assert!(self.buffer.is_empty(), "the server closed within a message");
                return None;
            }
        }
    }

    /// All messages up to and with ReadyForQuery.
    pub(crate) async fn until_ready(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        loop {
            let answer = self.next().await.unwrap_or_else(|| panic!("closed after {answers:?}"));
            let ready = answer.kind == 'Z';
            answers.push(answer);
            if ready {
                return answers;
            }
        }
    }

    /// The kinds of all messages up to ReadyForQuery, as a word.
    pub(crate) async fn kinds_until_ready(&mut self) -> String {
        self.until_ready().await.iter().map(|answer| answer.kind).collect()
    }

    /// All messages until the server closes.
    pub(crate) async fn until_closed(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.next().await {
            answers.push(answer);
        }
        answers
    }
}
