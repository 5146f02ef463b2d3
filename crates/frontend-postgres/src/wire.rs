//! The two directions of one connection. Both are bounded, and both can be waited for at the same time: while a query
//! runs or an answer drains, the read side goes on listening, so that a client which went away is noticed.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::messages::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::error::WireError;
use crate::frame::{self, Frame, Stage};
use crate::transport::Transport;

/// Answers are sent when this much is ready: large enough for few system calls, small enough to stay in cache.
pub(crate) const FLUSH_BYTES: usize = 64 * 1024;

/// What is read ahead while a query runs; more of a pipeline waits in the client.
const READ_AHEAD_BYTES_MAX: usize = 1024 * 1024;

/// Room for one read.
const READ_BYTES: usize = 8 * 1024;

/// A buffer that grew beyond this for one large message is given back after it.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// After a fatal error, what the client has still sent is read for so long and so far: closing a socket with unread
/// bytes would take the error away from the client before it is read.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Why a statement ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is told.
    Error(WireError),
    /// There is no client any more.
    Gone,
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::Error(error)
    }
}

/// One connection's socket.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) reader: ReadSide,
    pub(crate) writer: WriteSide,
}

impl Wire {
    pub(crate) fn new(transport: Transport, send_timeout: Duration) -> Self {
        let (read, write) = tokio::io::split(transport);
        Self {
            reader: ReadSide {
                half: read,
                buffer: BytesMut::new(),
                ended: false,
            },
            writer: WriteSide {
                half: write,
                buffer: Vec::new(),
                written: 0,
                scratch: BytesMut::new(),
                send_timeout,
            },
        }
    }

    /// Sends what is pending, listening meanwhile.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            done = self.writer.flush() => done.map_err(|_| Failure::Gone),
            () = self.reader.ended() => Err(Failure::Gone),
        }
    }

    /// Sends the last message and closes both directions.
    pub(crate) async fn close_with(mut self, error: &WireError) {
        self.writer.put(&error.response());
        if self.writer.flush().await.is_ok() && self.writer.half.shutdown().await.is_ok() {
            let _ = tokio::time::timeout(LINGER, self.reader.discard()).await;
        }
    }
}

/// What comes from the client.
#[derive(Debug)]
pub(crate) struct ReadSide {
    half: ReadHalf<Transport>,
    buffer: BytesMut,
    ended: bool,
}

impl ReadSide {
    /// The next message; none when the client closed. Dropping the future loses nothing.
    ///
    /// # Errors
    /// As [`frame::cut`].
    pub(crate) async fn frame(&mut self, stage: Stage) -> Result<Option<Frame>, WireError> {
        loop {
            if let Some(frame) = frame::cut(&mut self.buffer, stage)? {
                if self.buffer.is_empty() && frame.body.len() > BUFFER_BYTES_KEPT {
                    self.buffer = BytesMut::new();
                }
                return Ok(Some(frame));
            }
            if self.ended || !self.read().await {
                return Ok(None);
            }
        }
    }

    /// Whether a message has begun that is not there as a whole.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Ready when the client has closed. Reads ahead, within a bound; beyond it only a failing write tells.
    pub(crate) async fn ended(&mut self) {
        while !self.ended {
            if self.buffer.len() >= READ_AHEAD_BYTES_MAX {
                return std::future::pending().await;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) -> bool {
        // Room grows with what came, never with what was announced.
        self.buffer.reserve(READ_BYTES);
        let read = self.half.read_buf(&mut self.buffer).await;
        self.ended = !matches!(read, Ok(1..));
        !self.ended
    }

    async fn discard(&mut self) {
        let mut left = LINGER_BYTES_MAX;
        while left > 0 && !self.ended {
            self.buffer.clear();
            self.read().await;
            left = left.saturating_sub(self.buffer.len());
        }
    }
}

/// What goes to the client.
#[derive(Debug)]
pub(crate) struct WriteSide {
    half: WriteHalf<Transport>,
    /// Messages not yet sent.
    buffer: Vec<u8>,
    /// How much of `buffer` is sent already.
    written: usize,
    scratch: BytesMut,
    send_timeout: Duration,
}

impl WriteSide {
    /// Appends a message; nothing is sent yet.
    pub(crate) fn put(&mut self, message: &impl Message) {
        self.scratch.clear();
        // Encoding into memory cannot fail for the messages of a server.
        if message.encode(&mut self.scratch).is_ok() {
            self.buffer.extend_from_slice(&self.scratch);
        }
    }

    /// Where rows are encoded to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Whether enough is pending to be sent.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() >= FLUSH_BYTES
    }

    /// Sends what is pending. Dropping the future loses nothing: the next call goes on where this one was.
    ///
    /// # Errors
    /// If the client closed, or took no byte for the time allowed.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self.buffer.get(self.written..).filter(|rest| !rest.is_empty()) {
            let sent = tokio::time::timeout(self.send_timeout, self.half.write(rest)).await;
            match sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => self.written += count,
            }
        }
        let flushed = tokio::time::timeout(self.send_timeout, self.half.flush()).await;
        flushed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.written = 0;
        Ok(())
    }
}
