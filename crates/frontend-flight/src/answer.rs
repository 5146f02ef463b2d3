//! Answers on their way: batches become messages only as fast as the client takes them.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_schema::{Schema, SchemaRef};
use contract::{Error, ErrorKind};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::error;
use crate::statement::Statement;

/// What most clients take at least; half of the default limit of gRPC.
const MESSAGE_BYTES: usize = 2 << 20;

/// The messages of an answer.
pub(crate) type Messages = BoxStream<'static, Result<FlightData, Status>>;

/// The rows of a statement, one execution after another. The first has begun.
///
/// # Errors
/// Those of the engine, before the first batch.
pub(crate) async fn rows(statement: &Arc<Statement>) -> Result<Messages, Status> {
    let mut values = statement.values().map_err(|error| error::status(&error, None))?;
    let Some(schema) = statement.schema().map(Arc::clone) else {
        // It was run when its client asked for its description.
        return Ok(messages(Arc::new(Schema::empty()), stream::empty().boxed()));
    };
    let Some(first) = values.next() else {
        return Ok(messages(schema, stream::empty().boxed()));
    };
    let first = Box::pin(execution(Arc::clone(statement), first, Arc::clone(&schema))).await?;
    let others = {
        let (statement, schema) = (Arc::clone(statement), Arc::clone(&schema));
        stream::iter(values)
            .then(move |values| execution(Arc::clone(&statement), values, Arc::clone(&schema)))
            .try_flatten()
    };
    Ok(messages(schema, first.chain(others).boxed()))
}

/// One batch, as an answer.
pub(crate) fn single(batch: RecordBatch) -> Messages {
    messages(batch.schema(), stream::iter([Ok(batch)]).boxed())
}

async fn execution(
    statement: Arc<Statement>,
    values: contract::Result<Vec<datafusion_common::ScalarValue>>,
    schema: SchemaRef,
) -> Result<BoxStream<'static, Result<RecordBatch, Status>>, Status> {
    let values = values.map_err(|error| error::status(&error, None))?;
    let begun = Box::pin(statement.rows(values)).await;
    let (stream, ctx) = begun.map_err(|error| error::status(&error, None))?;
    let id = ctx.id;
    let batches = stream.map(move |batch| {
        let batch = batch.and_then(|batch| {
            engine::owned_batch(&batch, &schema)
                .map_err(|error| Error::internal(format!("a batch for the wire: {error}")))
        });
        batch.map_err(|error| {
            statement.fail();
            error::status(&error, Some(id))
        })
    });
    Ok(batches.boxed())
}

fn messages(schema: SchemaRef, batches: BoxStream<'static, Result<RecordBatch, Status>>) -> Messages {
    let batches = batches.map_err(|status| FlightError::Tonic(Box::new(status)));
    FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .with_max_flight_data_size(MESSAGE_BYTES)
        .build(batches)
        .map_err(Status::from)
        .boxed()
}

/// Messages that end with an error once nobody takes them for too long, or the server ends. A bug ends them too.
pub(crate) struct Watched {
    state: Arc<Mutex<State>>,
    watch: AbortHandle,
}

struct State {
    messages: Option<Messages>,
    /// Since when a message has been given to the client that did not ask for the next one.
    given: Option<Instant>,
    end: Option<Status>,
    waker: Option<Waker>,
}

impl Watched {
    pub(crate) fn new(messages: Messages, send_timeout: Duration, cancel_all: CancellationToken) -> Self {
        let messages = AssertUnwindSafe(messages).catch_unwind().map(|caught| match caught {
            Ok(message) => message,
            Err(_) => Err(error::panicked()),
        });
        let state = Arc::new(Mutex::new(State {
            messages: Some(messages.boxed()),
            given: Some(Instant::now()),
            end: None,
            waker: None,
        }));
        let watch = tokio::spawn(watch(Arc::clone(&state), send_timeout, cancel_all)).abort_handle();
        Self { state, watch }
    }
}

async fn watch(state: Arc<Mutex<State>>, send_timeout: Duration, cancel_all: CancellationToken) {
    let stalled = async {
        loop {
            let deadline = match state.lock().given {
                Some(given) => given + send_timeout,
                None => Instant::now() + send_timeout,
            };
            if deadline <= Instant::now() {
                break;
            }
            tokio::time::sleep_until(deadline).await;
        }
    };
    let end = tokio::select! {
        biased;
        () = cancel_all.cancelled() => error::shutting_down(),
        () = stalled => {
            let message = "canceling statement because its answer was not taken";
            error::status(&Error::new(ErrorKind::Canceled, message), None)
        }
    };
    let (messages, waker) = {
        let mut state = state.lock();
        state.end = Some(end);
        (state.messages.take(), state.waker.take())
    };
    drop(messages);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Stream for Watched {
    type Item = Result<FlightData, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.state.lock();
        if let Some(end) = state.end.take() {
            return Poll::Ready(Some(Err(end)));
        }
        state.given = None;
        let Some(messages) = &mut state.messages else {
            return Poll::Ready(None);
        };
        let polled = messages.poll_next_unpin(cx);
        match &polled {
            Poll::Pending => state.waker = Some(cx.waker().clone()),
            Poll::Ready(Some(Ok(_))) => state.given = Some(Instant::now()),
            Poll::Ready(Some(Err(_)) | None) => state.messages = None,
        }
        polled
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watch.abort();
        // The watch may be kept for a moment; the query is not.
        let messages = self.state.lock().messages.take();
        drop(messages);
    }
}
