//! A client of HTTP that throws bodies away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Outcome;

/// What is read at once.
const PIECE_BYTES: usize = 256 << 10;
/// No server here sends a longer head or line.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// One connection, kept.
pub(crate) struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Reply {
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// From the request to the first byte of the body.
    pub(crate) first_byte: Duration,
    /// From the request to its last.
    pub(crate) whole: Duration,
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; PIECE_BYTES],
            taken: 0,
            filled: 0,
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Outcome<Reply> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }

    /// Sends a statement to be answered in JSON.
    pub(crate) fn query(&mut self, path: &str, sql: &str) -> Outcome<Reply> {
        let body = serde_json::json!({ "sql": sql }).to_string();
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    fn ask(&mut self, request: &str) -> Outcome<Reply> {
        let start = Instant::now();
        self.stream.write_all(request.as_bytes())?;
        let head = self.head()?;
        let mut lines = head.lines();
        let status = lines.next().unwrap_or_default();
        if !status.contains(" 200 ") {
            return Err(format!("HTTP: {status}").into());
        }
        let value = |name: &str| {
            let mut headers = head.lines().filter_map(|line| line.split_once(':'));
            headers.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned()))
        };
        let mut reply = Reply {
            bytes: 0,
            first_byte: Duration::ZERO,
            whole: Duration::ZERO,
        };
        match value("content-length") {
            Some(length) => {
                self.wait()?;
                reply.first_byte = start.elapsed();
                reply.bytes = length.parse()?;
                self.skip(reply.bytes)?;
            }
            None => loop {
                let length = u64::from_str_radix(self.line()?.trim(), 16)?;
                if reply.bytes == 0 {
                    reply.first_byte = start.elapsed();
                }
                reply.bytes += length;
                self.skip(length + 2)?;
                if length == 0 {
                    break;
                }
            },
        }
        reply.whole = start.elapsed();
        Ok(reply)
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.taken..self.filled).unwrap_or_default()
    }

    /// Reads if nothing is there.
    fn wait(&mut self) -> Outcome<()> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
            self.fill()?;
        }
        Ok(())
    }

    fn fill(&mut self) -> Outcome<()> {
        if self.filled == self.buffer.len() {
            self.buffer.copy_within(self.taken..self.filled, 0);
            (self.taken, self.filled) = (0, self.filled - self.taken);
        }
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(room)? {
            0 => Err("the server closed the connection".into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }

    fn until(&mut self, end: &[u8]) -> Outcome<String> {
        loop {
            let found = self.unread().windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                let text = self.unread().get(..at).unwrap_or_default();
                let text = String::from_utf8_lossy(text).into_owned();
                self.taken += at + end.len();
                return Ok(text);
            }
            if self.unread().len() > HEAD_BYTES_MAX {
                return Err("a head without end".into());
            }
            self.fill()?;
        }
    }

    fn head(&mut self) -> Outcome<String> {
        self.until(b"\r\n\r\n")
    }

    fn line(&mut self) -> Outcome<String> {
        self.until(b"\r\n")
    }

    fn skip(&mut self, mut length: u64) -> Outcome<()> {
        while length > 0 {
            self.wait()?;
            let step = length.min(self.unread().len() as u64);
            self.taken += step as usize;
            length -= step;
        }
        Ok(())
    }
}
