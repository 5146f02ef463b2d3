//! Answers: whole ones, and rows as they come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use bytes::Bytes;
use contract::QueryContext;
use engine::ResultStream;
use futures::{FutureExt, StreamExt};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::encode::{AnswerEncoder, AnswerFormat};
use crate::error::{Refusal, shutting_down};
use crate::socket::Flushes;

/// A frame of the body is sent when it has so many bytes, or when nothing more is there at once.
const FRAME_BYTES: usize = 64 << 10;
/// The most rows that are encoded before somebody else has a turn.
const TURN_ROWS: usize = 1024;

/// The body of an answer.
pub(crate) enum AnswerBody {
    Whole(Option<Bytes>),
    Rows(Box<RowsBody>),
}

/// Why a body ends early. It never reaches a client: the connection breaks.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for Broken {}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Rows(rows) => rows.poll_data(cx).map(|data| data.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Rows(_) => SizeHint::default(),
        }
    }
}

/// A whole answer.
pub(crate) fn whole(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<AnswerBody> {
    let body = Some(Bytes::from(body)).filter(|body| !body.is_empty());
    let mut response = Response::new(AnswerBody::Whole(body));
    *response.status_mut() = status;
    set(
        &mut response,
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type),
    );
    response
}

/// A whole answer in JSON.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<AnswerBody> {
    whole(status, "application/json", body.to_string().into_bytes())
}

/// The answer to a request that is not granted.
pub(crate) fn refused(refusal: &Refusal, request_id: &str) -> Response<AnswerBody> {
    let mut response = json(refusal.status(), &refusal.body(request_id));
    if refusal.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"lakegate\", charset=\"UTF-8\"");
        set(&mut response, header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(methods) = refusal.allow() {
        set(&mut response, header::ALLOW, HeaderValue::from_static(methods));
    }
    if refusal.closes() {
        set(&mut response, header::CONNECTION, HeaderValue::from_static("close"));
    }
    if refusal.status() == StatusCode::TOO_MANY_REQUESTS || refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
        set(&mut response, header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

pub(crate) fn set(response: &mut Response<AnswerBody>, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

/// Rows that are all there, as an answer.
pub(crate) fn rows_of(
    format: AnswerFormat,
    mut encoder: AnswerEncoder,
    batch: &RecordBatch,
    meta: Option<&Value>,
) -> Result<Response<AnswerBody>, Refusal> {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    encoder.batch(batch, 0..batch.num_rows(), &mut out)?;
    encoder.end(meta, &mut out)?;
    Ok(whole(StatusCode::OK, format.content_type(), out))
}

/// What a page tells beside its rows.
#[derive(Debug, Default)]
pub(crate) struct PageMeta {
    /// The number of rows without paging, if it was asked for.
    pub(crate) count: Option<i64>,
    /// Rows of the page, and the offset of the one behind it; the query itself gives one row more, if there is one.
    pub(crate) page: Option<(u64, u64)>,
}

/// What a running query needs beside its stream.
pub(crate) struct Running {
    pub(crate) ctx: QueryContext,
    /// Stops the query when the answer goes.
    pub(crate) _guard: DropGuard,
    pub(crate) flushes: Arc<Flushes>,
    pub(crate) cancel_all: CancellationToken,
    pub(crate) request_id: Arc<str>,
}

/// What is left to do.
enum State {
    Rows,
    /// The error's record is on its way, and is waited for until so many flushes are done.
    Breaking(u64),
    Done,
}

/// Rows on their way. Dropping it stops the query.
pub(crate) struct RowsBody {
    stream: Option<ResultStream>,
    encoder: AnswerEncoder,
    current: Option<(RecordBatch, usize)>,
    /// Rows that may still be sent, if that is limited.
    remaining: Option<u64>,
    more: bool,
    meta: PageMeta,
    out: Vec<u8>,
    state: State,
    stop: Pin<Box<dyn Future<Output = ()> + Send>>,
    running: Running,
}

impl RowsBody {
    /// The rows of `stream`, after `first`.
    pub(crate) fn new(
        encoder: AnswerEncoder,
        first: Option<RecordBatch>,
        stream: ResultStream,
        meta: PageMeta,
        running: Running,
    ) -> Self {
        let mut body = Self {
            stream: Some(stream),
            encoder,
            current: None,
            remaining: meta.page.map(|(rows, _)| rows),
            more: false,
            meta,
            out: Vec::with_capacity(FRAME_BYTES),
            state: State::Rows,
            stop: Box::pin(running.cancel_all.clone().cancelled_owned()),
            running,
        };
        body.encoder.begin(&mut body.out);
        if let Some(batch) = first {
            body.take(batch);
        }
        body
    }

    /// Makes `batch` the current one, without the row that only tells that there are more.
    fn take(&mut self, batch: RecordBatch) {
        let rows = batch.num_rows();
        let allowed = self.remaining.map_or(rows, |remaining| {
            usize::try_from(remaining).unwrap_or(usize::MAX).min(rows)
        });
        if allowed < rows {
            self.more = true;
            self.stream = None;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining -= allowed as u64;
        }
        self.current = (allowed > 0).then(|| (batch.slice(0, allowed), 0));
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            match self.state {
                State::Done => return Poll::Ready(None),
                State::Breaking(until) => {
                    std::task::ready!(self.running.flushes.poll_reached(until, cx));
                    self.state = State::Done;
                    return Poll::Ready(Some(Err(Broken)));
                }
                State::Rows => {}
            }
            // Also while there are rows: the client may read slowly, and the server may not wait for it.
            if self.stop.poll_unpin(cx).is_ready() {
                return self.fail(shutting_down());
            }
            if self.current.is_some() {
                if let Err(error) = self.encode() {
                    return self.fail(error);
                }
                if !self.out.is_empty() {
                    return self.frame();
                }
                continue;
            }
            match self.poll_batch(cx) {
                Poll::Ready(Some(Ok(batch))) => self.take(batch),
                Poll::Ready(Some(Err(error))) => return self.fail(error),
                Poll::Ready(None) => {
                    self.stream = None;
                    self.state = State::Done;
                    let meta = self.page_meta();
                    if let Err(error) = self.encoder.end(meta.as_ref(), &mut self.out) {
                        return self.fail(error);
                    }
                    match self.out.is_empty() {
                        true => return Poll::Ready(None),
                        false => return self.frame(),
                    }
                }
                Poll::Pending if self.out.is_empty() => return Poll::Pending,
                Poll::Pending => return self.frame(),
            }
        }
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<contract::Result<RecordBatch>>> {
        match &mut self.stream {
            Some(stream) => stream.poll_next_unpin(cx),
            None => Poll::Ready(None),
        }
    }

    /// Encodes some rows of the current batch.
    fn encode(&mut self) -> contract::Result<()> {
        let Some((batch, next)) = self.current.take() else {
            return Ok(());
        };
        let end = batch.num_rows().min(next + TURN_ROWS);
        let step = step_of(&batch);
        let mut next = next;
        while next < end && self.out.len() < FRAME_BYTES {
            let until = end.min(next + step);
            self.encoder.batch(&batch, next..until, &mut self.out)?;
            next = until;
        }
        if next < batch.num_rows() {
            self.current = Some((batch, next));
        }
        Ok(())
    }

    fn frame(&mut self) -> Poll<Option<Result<Bytes, Broken>>> {
        let full = std::mem::replace(&mut self.out, Vec::with_capacity(FRAME_BYTES));
        Poll::Ready(Some(Ok(Bytes::from(full))))
    }

    /// Ends with the record of an error, where the format has one, and then breaks the connection: no client may take
    /// a part of the rows for all of them.
    fn fail(&mut self, error: contract::Error) -> Poll<Option<Result<Bytes, Broken>>> {
        self.stream = None;
        self.current = None;
        let refusal = Refusal::from(error).with_query(self.running.ctx.id);
        let body = refusal.body(&self.running.request_id);
        self.encoder.error(&body, &mut self.out);
        self.running.ctx.cancellation.cancel();
        self.state = State::Breaking(self.running.flushes.done() + 1);
        self.frame()
    }

    fn page_meta(&self) -> Option<Value> {
        let mut meta = Map::new();
        if let Some(count) = self.meta.count {
            meta.insert("count".to_owned(), json!(count));
        }
        if let (Some((_, next)), true) = (self.meta.page, self.more) {
            meta.insert("next".to_owned(), json!(next));
        }
        (!meta.is_empty()).then_some(Value::Object(meta))
    }
}

/// Rows that are encoded between two looks at the size of the frame: few where they are wide.
fn step_of(batch: &RecordBatch) -> usize {
    let bytes: usize = batch
        .columns()
        .iter()
        .map(|column| {
            column
                .to_data()
                .get_slice_memory_size()
                .unwrap_or_else(|_| column.get_array_memory_size())
        })
        .sum();
    let per_row = bytes / batch.num_rows().max(1);
    (FRAME_BYTES / per_row.max(1)).clamp(1, TURN_ROWS)
}

impl Drop for RowsBody {
    fn drop(&mut self) {
        // The guard fires with the other fields; the scan goes first, so that nobody reads for a query that is over.
        self.stream = None;
    }
}
