//! Answers on their way to the client. A suspended portal is nothing but its stream and the rest of a batch.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_postgres::{CopyEncoder, EncodeError, Format, RowEncoder};
use contract::QueryContext;
use datafusion_common::ScalarValue;
use engine::{PreparedStatement, ResultStream, Shutdown};
use futures::StreamExt;

use crate::error::WireError;
use crate::wire::{FLUSH_BYTES, Failure, ReadSide, Wire};

/// The most rows that are encoded before looking whether the buffer is full.
const SLICE_ROWS_MAX: usize = 8192;

/// A statement of the extended protocol.
#[derive(Debug)]
pub(crate) struct Statement {
    /// None if the text holds no statement.
    pub(crate) prepared: Option<Arc<PreparedStatement>>,
    /// As ParameterDescription tells them, and as values are read.
    pub(crate) parameter_oids: Vec<u32>,
    /// The length of its text.
    pub(crate) bytes: usize,
}

/// A statement with values, ready to run or running.
#[derive(Debug)]
pub(crate) struct Portal {
    pub(crate) statement: Arc<Statement>,
    /// One for each column.
    pub(crate) formats: Vec<Format>,
    pub(crate) state: PortalState,
    /// The length of its values as they came.
    pub(crate) bytes: usize,
}

/// How far a portal has come.
#[derive(Debug)]
pub(crate) enum PortalState {
    /// Not executed yet.
    Bound(Vec<ScalarValue>),
    /// Suspended between rows.
    Suspended(Box<Rows>),
    /// All rows are sent; the tag of the answer.
    Exhausted(&'static str),
    /// Done, and without rows to give.
    Done,
}

/// How rows are written.
#[derive(Debug)]
pub(crate) enum Encoder {
    DataRows(RowEncoder),
    Copy {
        encoder: CopyEncoder,
        /// Whether anything was written.
        begun: bool,
    },
}

impl Encoder {
    fn encode(
        &mut self,
        batch: &RecordBatch,
        rows: std::ops::Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::DataRows(encoder) => encoder.encode_data_rows(batch, rows, out),
            Self::Copy { encoder, begun: true } => encoder.encode(batch, rows, out),
            Self::Copy { encoder, begun } => {
                *begun = true;
                let start = out.len();
                encoder.header(out);
                let end = out.len();
                encoder.encode(batch, rows, out)?;
                if encoder.is_binary() {
                    join_messages(out, start, end);
                }
                Ok(())
            }
        }
    }

    /// Appends what COPY ends with.
    fn end(&mut self, out: &mut Vec<u8>) {
        let Self::Copy { encoder, begun } = self else { return };
        let start = out.len();
        if !*begun {
            encoder.header(out);
        }
        let end = out.len();
        encoder.trailer(out);
        if end > start && encoder.is_binary() {
            join_messages(out, start, end);
        }
    }
}

/// Makes the CopyData message at `first` and the one at `second`, behind it, one: PostgreSQL sends the header of binary
/// COPY together with the first row, and psycopg takes it only so.
fn join_messages(out: &mut Vec<u8>, first: usize, second: usize) {
    /// Type and length.
    const FRAME: usize = 5;
    let length = |out: &[u8], at: usize| {
        let bytes = out.get(at + 1..at + FRAME)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (Some(one), Some(two)) = (length(out, first), length(out, second)) else {
        return;
    };
    if let Some(place) = out.get_mut(first + 1..first + FRAME) {
        place.copy_from_slice(&(one + two - 4).to_be_bytes());
        out.drain(second..second + FRAME);
    }
}

/// An answer that is being sent.
pub(crate) struct Rows {
    stream: ResultStream,
    encoder: Encoder,
    /// `SELECT`, `FETCH` and others.
    pub(crate) tag: &'static str,
    /// The batch in hand and how many of its rows are sent.
    rest: Option<(RecordBatch, usize)>,
    /// From the slices so far: keeps a slice of wide rows from filling memory.
    bytes_per_row: usize,
    /// Fires the query's own token.
    pub(crate) ctx: QueryContext,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("tag", &self.tag)
            .field("query", &self.ctx.id)
            .finish_non_exhaustive()
    }
}

/// What a call of [`Rows::send`] came to.
#[derive(Debug)]
pub(crate) enum Progress {
    /// No row is left; so many were sent.
    Finished(u64),
    /// As many rows as allowed were sent.
    Suspended,
}

impl Rows {
    pub(crate) fn new(stream: ResultStream, encoder: Encoder, tag: &'static str, ctx: QueryContext) -> Self {
        Self {
            stream,
            encoder,
            tag,
            rest: None,
            bytes_per_row: 0,
            ctx,
        }
    }

    /// Appends what the answer ends with, behind its last row.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.encoder.end(out);
    }

    /// Sends rows until none is left or `rows_max` are sent. The last bytes stay in the write buffer.
    ///
    /// Never more than one batch and one buffer is held: a client that does not read stops the query here.
    pub(crate) async fn send(
        &mut self,
        wire: &mut Wire,
        shutdown: &Shutdown,
        ctx: &QueryContext,
        rows_max: Option<u64>,
    ) -> Result<Progress, Failure> {
        let mut sent = 0_u64;
        loop {
            // As in PostgreSQL, the limit suspends even if no further row would have come.
            if rows_max.is_some_and(|max| sent >= max) {
                return Ok(Progress::Suspended);
            }
            let Some((batch, done)) = &mut self.rest else {
                let next = async { self.stream.next().await.transpose() };
                match guarded(&mut wire.reader, shutdown, ctx, next).await? {
                    Some(batch) => {
                        if self.bytes_per_row == 0 && batch.num_rows() > 0 {
                            self.bytes_per_row = batch.get_array_memory_size() / batch.num_rows();
                        }
                        self.rest = Some((batch, 0));
                        continue;
                    }
                    None => return Ok(Progress::Finished(sent)),
                }
            };
            let left = batch.num_rows().saturating_sub(*done);
            if left == 0 {
                self.rest = None;
                continue;
            }
            let allowed = rows_max.map_or(u64::MAX, |max| max.saturating_sub(sent));
            let slice = (FLUSH_BYTES / self.bytes_per_row.max(1)).clamp(1, SLICE_ROWS_MAX);
            let slice = slice.min(left).min(usize::try_from(allowed).unwrap_or(usize::MAX));
            let out = wire.writer.buffer();
            let before = out.len();
            self.encoder
                .encode(batch, *done..*done + slice, out)
                .map_err(|error| WireError::new(error.sqlstate, error.message))?;
            self.bytes_per_row = (out.len() - before).div_ceil(slice);
            *done += slice;
            sent += slice as u64;
            if wire.writer.is_full() {
                flush(wire, shutdown, ctx).await?;
            }
        }
    }
}

/// Runs a part of a query while listening for everything that ends it: cancel, deadline, a client that went away, the
/// end of the server.
pub(crate) async fn guarded<T>(
    reader: &mut ReadSide,
    shutdown: &Shutdown,
    ctx: &QueryContext,
    work: impl Future<Output = contract::Result<T>>,
) -> Result<T, Failure> {
    if shutdown.cancel_all.is_cancelled() {
        ctx.cancellation.cancel();
        return Err(WireError::shutting_down().into());
    }
    tokio::select! {
        biased;
        done = ctx.race(work) => match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) | Err(error) => Err(WireError::of(&error, Some(ctx.id)).into()),
        },
        () = shutdown.cancel_all.cancelled() => {
            ctx.cancellation.cancel();
            Err(WireError::shutting_down().into())
        }
        () = reader.ended() => {
            ctx.cancellation.cancel();
            Err(Failure::Gone)
        }
    }
}

/// Sends what is pending in the middle of a query.
async fn flush(wire: &mut Wire, shutdown: &Shutdown, ctx: &QueryContext) -> Result<(), Failure> {
    let Wire { reader, writer } = wire;
    // A failed write means that the client is gone, whatever the error says.
    let work = async { Ok(writer.flush().await) };
    match guarded(reader, shutdown, ctx, work).await? {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, query_id = %ctx.id, "client took no more of the answer");
            ctx.cancellation.cancel();
            Err(Failure::Gone)
        }
    }
}
