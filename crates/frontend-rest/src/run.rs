//! One request's session, and statements within it.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow_array::RecordBatch;
use contract::{Error, ErrorKind, QueryContext};
use datafusion_common::ScalarValue;
use engine::{
    ClientSession, Engine, FrontEnd, Origin, Outcome, PreparedStatement, ResultStream, SessionOptions, Shutdown,
    StatementText,
};
use futures::{FutureExt, StreamExt};
use hyper::{HeaderMap, Response, StatusCode};
use tokio_util::sync::DropGuard;

use crate::RestOptions;
use crate::answer::{AnswerBody, PageMeta, RowsBody, Running, set};
use crate::credentials;
use crate::encode::{AnswerEncoder, AnswerFormat, Envelope};
use crate::error::{Refusal, shutting_down};
use crate::socket::Flushes;

/// What all requests share.
pub(crate) struct Door {
    pub(crate) engine: Engine,
    pub(crate) options: RestOptions,
    pub(crate) shutdown: Shutdown,
}

/// One request, beside its body.
pub(crate) struct Exchange {
    pub(crate) door: Arc<Door>,
    pub(crate) peer: IpAddr,
    pub(crate) flushes: Arc<Flushes>,
    pub(crate) request_id: Arc<str>,
    pub(crate) headers: HeaderMap,
}

impl Exchange {
    /// The format that the answer is asked for in.
    ///
    /// # Errors
    /// 406.
    pub(crate) fn format(&self) -> Result<AnswerFormat, Refusal> {
        let values: Vec<_> = self.headers.get_all(hyper::header::ACCEPT).iter().collect();
        let accept: Vec<_> = values.iter().filter_map(|value| value.to_str().ok()).collect();
        let accept = (!accept.is_empty()).then(|| accept.join(","));
        AnswerFormat::from_accept(accept.as_deref())
            .map_err(|error| Refusal::from(error).with_status(StatusCode::NOT_ACCEPTABLE))
    }

    /// A session of whoever sends the request.
    ///
    /// # Errors
    /// 400 and 401 about the credentials, 403 if this door is closed to the user, 404 for an unknown service.
    pub(crate) async fn session(&self, service: Option<&str>) -> Result<Session<'_>, Refusal> {
        let origin = Origin {
            peer: self.peer,
            encrypted: self.door.options.tls.is_some(),
        };
        let identity = credentials::identify(&self.door.engine, &self.headers, origin).await?;
        let options = SessionOptions {
            catalog: service.map(str::to_owned),
            front_end: FrontEnd::Rest,
            ..SessionOptions::default()
        };
        let session = self
            .door
            .engine
            .open_session(identity, options)
            .map_err(|error| match error.kind() {
                // Who it is was proven: it is the door that is closed.
                ErrorKind::InvalidAuthorization => Refusal::from(error).with_status(StatusCode::FORBIDDEN),
                _ => error.into(),
            })?;
        let ctx = session.query_context();
        Ok(Session {
            guard: ctx.cancellation.clone().drop_guard(),
            ctx,
            session,
            exchange: self,
        })
    }
}

/// A session for one request. When it goes, and the answer that it gave, its query stops.
pub(crate) struct Session<'e> {
    pub(crate) session: ClientSession,
    pub(crate) ctx: QueryContext,
    guard: DropGuard,
    exchange: &'e Exchange,
}

impl Session<'_> {
    /// Finds out a statement's parameters and columns.
    pub(crate) async fn prepare(&mut self, statement: StatementText) -> Result<Arc<PreparedStatement>, Refusal> {
        let Self {
            session, ctx, exchange, ..
        } = self;
        let work = Box::pin(session.prepare(statement, &[], ctx));
        guarded(ctx, exchange, work).await
    }

    /// Runs a statement.
    pub(crate) async fn execute(
        &mut self,
        prepared: &Arc<PreparedStatement>,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome, Refusal> {
        let Self {
            session, ctx, exchange, ..
        } = self;
        let work = Box::pin(session.execute(prepared, values, ctx));
        guarded(ctx, exchange, work).await
    }

    /// Runs a statement that has no parameters.
    pub(crate) async fn run(&mut self, statement: StatementText) -> Result<Outcome, Refusal> {
        let prepared = self.prepare(statement).await?;
        self.execute(&prepared, Vec::new()).await
    }

    /// The next batch of an answer.
    pub(crate) async fn next(&self, stream: &mut ResultStream) -> Result<Option<RecordBatch>, Refusal> {
        guarded(&self.ctx, self.exchange, async { stream.next().await.transpose() }).await
    }

    /// Runs other work of the session's query.
    pub(crate) async fn guarded<T>(&self, work: impl Future<Output = contract::Result<T>>) -> Result<T, Refusal> {
        guarded(&self.ctx, self.exchange, work).await
    }

    /// Answers with the rows of `stream` as they come. What goes wrong before the first of them is an answer of its own.
    pub(crate) async fn rows(
        self,
        format: AnswerFormat,
        envelope: Envelope,
        schema: &arrow_schema::SchemaRef,
        stream: ResultStream,
        meta: PageMeta,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let encoder = AnswerEncoder::new(format, schema, envelope)?;
        let mut stream = unwinding(stream);
        let first = self.next(&mut stream).await?;
        let count = meta.count;
        let Self {
            ctx, guard, exchange, ..
        } = self;
        let running = Running {
            ctx,
            _guard: guard,
            flushes: Arc::clone(&exchange.flushes),
            cancel_all: exchange.door.shutdown.cancel_all.clone(),
            request_id: Arc::clone(&exchange.request_id),
        };
        let body = RowsBody::new(encoder, first, stream, meta, running);
        let mut response = Response::new(AnswerBody::Rows(Box::new(body)));
        let content_type = hyper::header::HeaderValue::from_static(format.content_type());
        set(&mut response, hyper::header::CONTENT_TYPE, content_type);
        if let Some(count) = count {
            // Formats without a place for it have it here.
            set(
                &mut response,
                hyper::header::HeaderName::from_static("x-total-count"),
                count.into(),
            );
        }
        Ok(response)
    }
}

/// `work` until it is done, the query stops, or the server does.
async fn guarded<T>(
    ctx: &QueryContext,
    exchange: &Exchange,
    work: impl Future<Output = contract::Result<T>>,
) -> Result<T, Refusal> {
    let work = AssertUnwindSafe(ctx.race(work)).catch_unwind();
    let done = tokio::select! {
        biased;
        () = exchange.door.shutdown.cancel_all.cancelled() => return Err(Refusal::shutting_down()),
        done = work => done,
    };
    let done = done.unwrap_or_else(|panic| Err(panicked(&*panic)));
    done.and_then(|done| done)
        .map_err(|error| Refusal::from(error).with_query(ctx.id))
}

/// `stream`, with a bug in it as an error.
fn unwinding(stream: ResultStream) -> ResultStream {
    let caught = AssertUnwindSafe(stream).catch_unwind();
    Box::pin(caught.map(|batch| batch.unwrap_or_else(|panic| Err(panicked(&*panic)))))
}

/// A bug, as an error with what it said.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Error {
    let said = panic
        .downcast_ref::<&str>()
        .map(|said| (*said).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal(said.unwrap_or_else(|| "a panic without words".to_owned()))
}

/// What is said if the server ends in the middle of work.
pub(crate) fn check_open(shutdown: &Shutdown) -> Result<(), Refusal> {
    match shutdown.stop_accepting.is_cancelled() || shutdown.cancel_all.is_cancelled() {
        true => Err(Refusal::from(shutting_down()).closing()),
        false => Ok(()),
    }
}
