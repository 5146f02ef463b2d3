//! A PostgreSQL client that costs next to nothing: it reads large pieces and looks at frame headers only.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use crate::Outcome;

const PIECE_BYTES: usize = 256 * 1024;
const PROTOCOL_3_0: i32 = 3 << 16;
/// A server that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// How a result comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Binary,
    /// `COPY (…) TO STDOUT`, with these options.
    Copy(&'static str),
}

/// What was counted of one answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answer {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Until the first row, if there was one.
    pub(crate) first_row: Option<Duration>,
    pub(crate) whole: Duration,
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
    taken: usize,
    received: u64,
    /// As the server tells it.
    pub(crate) process_id: u32,
}

fn frame(kind: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    // Bodies are our own few bytes.
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
}

fn error_text(body: &[u8]) -> String {
    let fields = body.split(|byte| *byte == 0);
    let wanted = fields.filter(|field| matches!(field.first(), Some(b'C' | b'M')));
    let texts: Vec<_> = wanted
        .filter_map(|field| Some(String::from_utf8_lossy(field.get(1..)?).into_owned()))
        .collect();
    texts.join(" ")
}

/// One frame as the reader sees it.
struct Header {
    kind: u8,
    /// Without the header.
    length: usize,
}

impl Connection {
    /// Connects and logs in, with a password if the server asks for one.
    pub(crate) fn open(address: SocketAddr, user: &str, database: &str, password: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut connection = Self {
            stream,
            buffer: vec![0; PIECE_BYTES],
            filled: 0,
            taken: 0,
            received: 0,
            process_id: 0,
        };
        let parameters = format!("user\0{user}\0database\0{database}\0\0");
        let mut startup = (parameters.len() as u32 + 8).to_be_bytes().to_vec();
        startup.extend_from_slice(&PROTOCOL_3_0.to_be_bytes());
        startup.extend_from_slice(parameters.as_bytes());
        connection.stream.write_all(&startup)?;
        connection.log_in(password)?;
        Ok(connection)
    }

    fn log_in(&mut self, password: &str) -> Outcome<()> {
        let mut exchange = None;
        loop {
            let (kind, body) = self.message()?;
            let code = body.first_chunk::<4>().map_or(0, |code| u32::from_be_bytes(*code));
            let rest = body.get(4..).unwrap_or_default();
            let mut out = Vec::new();
            match (kind, code) {
                (b'Z', _) => return Ok(()),
                (b'K', _) => self.process_id = code,
                (b'R', 10) => {
                    let scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                    let mut initial = format!("{SCRAM_SHA_256}\0").into_bytes();
                    initial.extend_from_slice(&(scram.message().len() as u32).to_be_bytes());
                    initial.extend_from_slice(scram.message());
                    frame(b'p', &initial, &mut out);
                    exchange = Some(scram);
                }
                (b'R', 11) => {
                    let scram = exchange.as_mut().ok_or("a SASL answer without a question")?;
                    scram.update(rest)?;
                    frame(b'p', scram.message(), &mut out);
                }
                (b'R', 12) => exchange.as_mut().ok_or("a SASL end without a start")?.finish(rest)?,
                (b'R', 0) | (b'S' | b'N', _) => {}
                (b'R', method) => return Err(format!("authentication method {method} is unknown").into()),
                _ => return Err(format!("unexpected message '{}' at login", char::from(kind)).into()),
            }
            self.stream.write_all(&out)?;
        }
    }

    fn fill(&mut self) -> Outcome<()> {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        } else if self.taken > 0 {
            self.buffer.copy_within(self.taken..self.filled, 0);
            (self.taken, self.filled) = (0, self.filled - self.taken);
        }
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let count = loop {
            match self.stream.read(free) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if count == 0 {
            return Err("the server closed the connection".into());
        }
        self.filled += count;
        self.received += count as u64;
        Ok(())
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.taken..self.filled).unwrap_or_default()
    }

    fn header(&mut self) -> Outcome<Header> {
        loop {
            if let Some([kind, length @ ..]) = self.unread().first_chunk::<5>() {
                let (kind, length) = (*kind, u32::from_be_bytes(*length) as usize);
                self.taken += 5;
                let length = length.checked_sub(4).ok_or("a frame without a length")?;
                return Ok(Header { kind, length });
            }
            self.fill()?;
        }
    }

    fn body(&mut self, length: usize) -> Outcome<Vec<u8>> {
        while self.unread().len() < length {
            self.fill()?;
        }
        let body = self.unread().get(..length).unwrap_or_default().to_vec();
        self.taken += length;
        Ok(body)
    }

    fn skip(&mut self, mut length: usize) -> Outcome<()> {
        loop {
            let step = length.min(self.filled - self.taken);
            self.taken += step;
            length -= step;
            if length == 0 {
                return Ok(());
            }
            self.fill()?;
        }
    }

    /// The next message as a whole; an error of the server is ours.
    fn message(&mut self) -> Outcome<(u8, Vec<u8>)> {
        let header = self.header()?;
        let body = self.body(header.length)?;
        match header.kind {
            b'E' => Err(error_text(&body).into()),
            kind => Ok((kind, body)),
        }
    }

    /// Reads up to ReadyForQuery. Rows are counted by their headers.
    fn drain(&mut self, start: Instant) -> Outcome<Answer> {
        let before = self.received;
        let mut answer = Answer::default();
        let mut failure = None;
        loop {
            let header = self.header()?;
            match header.kind {
                b'D' | b'd' => {
                    if answer.first_row.is_none() {
                        answer.first_row = Some(start.elapsed());
                    }
                    self.skip(header.length)?;
                }
                b'C' => {
                    let tag = self.body(header.length)?;
                    let tag = String::from_utf8_lossy(&tag);
                    let count = tag
                        .trim_end_matches('\0')
                        .rsplit(' ')
                        .next()
                        .and_then(|count| count.parse().ok());
                    answer.rows += count.unwrap_or(0);
                }
                b'E' => failure = Some(error_text(&self.body(header.length)?)),
                b'Z' => {
                    self.skip(header.length)?;
                    answer.whole = start.elapsed();
                    answer.bytes = self.received - before;
                    return failure.map_or(Ok(answer), |failure| Err(failure.into()));
                }
                _ => self.skip(header.length)?,
            }
        }
    }

    fn ask(&mut self, messages: &[u8]) -> Outcome<Answer> {
        let start = Instant::now();
        self.stream.write_all(messages)?;
        self.drain(start)
    }

    /// A simple query, or several.
    pub(crate) fn simple(&mut self, sql: &str) -> Outcome<Answer> {
        let mut out = Vec::new();
        frame(b'Q', format!("{sql}\0").as_bytes(), &mut out);
        self.ask(&out)
    }

    fn extended(sql: &str, binary: bool) -> Vec<u8> {
        let mut out = Vec::new();
        frame(b'P', format!("\0{sql}\0\0\0").as_bytes(), &mut out);
        Self::bind("", binary, &mut out);
        out
    }

    /// Binds a statement without parameters, runs it and asks for the end.
    fn bind(statement: &str, binary: bool, out: &mut Vec<u8>) {
        let mut body = format!("\0{statement}\0\0\0\0\0").into_bytes();
        body.extend_from_slice(if binary { &[0, 1, 0, 1] } else { &[0, 0] });
        frame(b'B', &body, out);
        frame(b'E', &[0, 0, 0, 0, 0], out);
        frame(b'S', &[], out);
    }

    /// Runs a query and throws its rows away.
    pub(crate) fn run(&mut self, sql: &str, mode: Mode) -> Outcome<Answer> {
        match mode {
            Mode::Text => self.ask(&Self::extended(sql, false)),
            Mode::Binary => self.ask(&Self::extended(sql, true)),
            Mode::Copy(options) => self.simple(&format!("COPY ({sql}) TO STDOUT{options}")),
        }
    }

    /// The first value of the first row, of a simple query.
    pub(crate) fn value(&mut self, sql: &str) -> Outcome<Option<String>> {
        let mut out = Vec::new();
        frame(b'Q', format!("{sql}\0").as_bytes(), &mut out);
        self.stream.write_all(&out)?;
        let mut value = None;
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'D' if value.is_none() => {
                    // Behind the number of columns and the value's length, which is negative for NULL.
                    let length = body.get(2..6).and_then(|length| length.first_chunk::<4>());
                    let length = length.map(|length| i32::from_be_bytes(*length)).unwrap_or(-1);
                    let bytes = usize::try_from(length).ok().and_then(|length| body.get(6..6 + length));
                    value = bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                }
                b'Z' => return Ok(value),
                _ => {}
            }
        }
    }

    /// Prepares a statement under a name.
    pub(crate) fn prepare(&mut self, name: &str, sql: &str) -> Outcome<()> {
        let mut out = Vec::new();
        frame(b'P', format!("{name}\0{sql}\0\0\0").as_bytes(), &mut out);
        frame(b'S', &[], &mut out);
        self.ask(&out).map(|_| ())
    }

    /// Runs what was prepared, `times` times one after another, and tells how long each took.
    pub(crate) fn run_prepared(&mut self, name: &str, times: usize) -> Outcome<Vec<Duration>> {
        let mut out = Vec::new();
        Self::bind(name, false, &mut out);
        (0..times).map(|_| self.ask(&out).map(|answer| answer.whole)).collect()
    }

    /// Starts a query as text and leaves its rows to [`read_some`](Self::read_some).
    pub(crate) fn start(&mut self, sql: &str) -> Outcome<()> {
        Ok(self.stream.write_all(&Self::extended(sql, false))?)
    }

    /// Takes at most `limit` bytes off the socket; the count is 0 at the end of the connection.
    pub(crate) fn read_some(&mut self, limit: usize) -> Outcome<usize> {
        let piece = self.buffer.get_mut(..limit.min(PIECE_BYTES)).unwrap_or_default();
        Ok(self.stream.read(piece)?)
    }

    /// Whether bytes lie ready, so that a read would not wait.
    pub(crate) fn has_more(&self) -> Outcome<bool> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false)?;
        match peeked {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands the rows of our `COPY … TO STDOUT` over to another's `COPY … FROM STDIN`, frame by frame.
    pub(crate) fn copy_to(&mut self, from: &str, other: &mut Self, into: &str) -> Outcome<()> {
        let mut out = Vec::new();
        frame(b'Q', format!("{into}\0").as_bytes(), &mut out);
        other.stream.write_all(&out)?;
        while other.message()?.0 != b'G' {}
        out.clear();
        frame(b'Q', format!("{from}\0").as_bytes(), &mut out);
        self.stream.write_all(&out)?;
        out.clear();
        loop {
            let (kind, body) = self.message()?;
            match kind {
                b'd' | b'c' => frame(kind, &body, &mut out),
                b'Z' => break,
                _ => {}
            }
            if out.len() >= PIECE_BYTES {
                other.stream.write_all(&out)?;
                out.clear();
            }
        }
        other.stream.write_all(&out)?;
        other.drain(Instant::now()).map(|_| ())
    }
}
