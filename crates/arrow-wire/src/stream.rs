//! A stream of messages, in pieces as they come.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::SchemaRef;
use contract::Result;

use crate::fault::{Fault, Sender};
use crate::limits::Limits;
use crate::message::{Content, MessageDecoder};

/// In front of each message, before its head's length.
const CONTINUATION: u32 = u32::MAX;
/// [`CONTINUATION`] and a length.
const PREFIX_BYTES: usize = 8;

#[derive(Debug)]
enum State {
    Prefix,
    Head(usize),
    Body { head: Buffer, length: usize },
    Ended,
    Failed,
}

/// Decodes a stream. Nothing is allocated because a length says so: a message that comes in pieces is kept as far as
/// it came.
#[derive(Debug)]
pub struct StreamDecoder {
    messages: MessageDecoder,
    state: State,
    /// The beginning of what is waited for.
    pending: Vec<u8>,
}

impl StreamDecoder {
    /// Begins before the schema.
    pub fn new(limits: Limits, sender: Sender) -> Self {
        Self {
            messages: MessageDecoder::new(limits, sender),
            state: State::Prefix,
            pending: Vec::new(),
        }
    }

    /// The columns, once they came.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.messages.schema()
    }

    /// Takes from the front of `input` until there is a batch; none if all was taken before. Call it with the same
    /// `input` until then.
    ///
    /// # Errors
    /// Those of [`MessageDecoder::decode`], and again at every call after one.
    pub fn decode(&mut self, input: &mut Buffer) -> Result<Option<RecordBatch>> {
        self.decode_by(input, MessageDecoder::decode)
    }

    /// To be called when nothing more comes.
    ///
    /// # Errors
    /// That the stream was malformed, or broke off before its end.
    pub fn finish(&self) -> Result<()> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(self.messages.error(Fault::Malformed("the stream breaks off"))),
        }
    }

    pub(crate) fn decode_by(
        &mut self,
        input: &mut Buffer,
        decode: impl Fn(&mut MessageDecoder, &[u8], &Buffer) -> Result<Content>,
    ) -> Result<Option<RecordBatch>> {
        loop {
            // A step that fails leaves this behind.
            match std::mem::replace(&mut self.state, State::Failed) {
                State::Prefix => match self.take(PREFIX_BYTES, input) {
                    Some(prefix) => self.state = self.prefix(&prefix).map_err(|fault| self.messages.error(fault))?,
                    None => return self.wait(State::Prefix),
                },
                State::Head(length) => match self.take(length, input) {
                    Some(head) => self.state = self.head(head).map_err(|fault| self.messages.error(fault))?,
                    None => return self.wait(State::Head(length)),
                },
                State::Body { head, length } => match self.take(length, input) {
                    Some(body) => {
                        let content = decode(&mut self.messages, &head, &body)?;
                        self.state = State::Prefix;
                        if let Content::Batch(batch) = content {
                            return Ok(Some(batch));
                        }
                    }
                    None => return self.wait(State::Body { head, length }),
                },
                State::Ended if input.is_empty() => return self.wait(State::Ended),
                State::Ended => return Err(self.messages.error(Fault::Malformed("something follows its end"))),
                State::Failed => return Err(self.messages.error(Fault::Malformed("it was malformed before"))),
            }
        }
    }

    fn wait(&mut self, state: State) -> Result<Option<RecordBatch>> {
        self.state = state;
        Ok(None)
    }

    /// The next bytes, if that many came. What lies in one piece is not copied.
    fn take(&mut self, length: usize, input: &mut Buffer) -> Option<Buffer> {
        let missing = length.saturating_sub(self.pending.len());
        let taken = input.slice_with_length(0, missing.min(input.len()));
        input.advance(taken.len());
        if self.pending.is_empty() && taken.len() == length {
            return Some(taken);
        }
        self.pending.extend_from_slice(&taken);
        (self.pending.len() == length).then(|| Buffer::from_vec(std::mem::take(&mut self.pending)))
    }

    fn prefix(&self, prefix: &[u8]) -> Result<State, Fault> {
        let number = |at: usize| {
            let bytes = prefix.get(at..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        if number(0) != CONTINUATION {
            return Err(Fault::Malformed("a message does not begin as it should"));
        }
        match usize::try_from(number(4)) {
            Ok(0) => Ok(State::Ended),
            Ok(length) if length <= self.messages.limits().head_bytes => Ok(State::Head(length)),
            _ => Err(Fault::TooMuch("its head is too long")),
        }
    }

    fn head(&self, head: Buffer) -> Result<State, Fault> {
        let length = self.messages.head(&head)?.bodyLength();
        match usize::try_from(length) {
            Ok(length) if length <= self.messages.limits().body_bytes => Ok(State::Body { head, length }),
            Ok(_) => Err(Fault::TooMuch("its body is too long")),
            Err(_) => Err(Fault::Malformed("its body has a negative length")),
        }
    }
}
