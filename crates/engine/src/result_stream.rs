use std::pin::Pin;
use std::task::{Context, Poll};

use contract::{QueryContext, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::Stream;
use futures::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::DropGuard;

use crate::query_log::QueryReport;

/// The batches of one answer, in order. It ends with the first error; dropping it stops the query.
pub type ResultStream = Pin<Box<dyn Stream<Item = Result<RecordBatch>> + Send>>;

/// Runs a DataFusion stream under the cancellation and deadline of one execution, holding its place among the running
/// queries. Dropping it stops what the plan does in tasks of its own.
pub(crate) struct GuardedStream {
    inner: Option<SendableRecordBatchStream>,
    stop: futures::future::BoxFuture<'static, contract::Error>,
    _permit: Option<OwnedSemaphorePermit>,
    _stop_work: DropGuard,
    report: QueryReport,
}

impl GuardedStream {
    pub(crate) fn start(
        inner: SendableRecordBatchStream,
        ctx: QueryContext,
        permit: Option<OwnedSemaphorePermit>,
        report: QueryReport,
    ) -> ResultStream {
        let stop_work = ctx.cancellation.clone().drop_guard();
        let stop = async move {
            match ctx.race(std::future::pending::<()>()).await {
                Ok(()) => contract::Error::internal("a pending future was ready"),
                Err(error) => error,
            }
        };
        Box::pin(Self {
            inner: Some(inner),
            stop: stop.boxed(),
            _permit: permit,
            _stop_work: stop_work,
            report,
        })
    }
}

impl Stream for GuardedStream {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(error) = this.stop.poll_unpin(cx) {
            this.inner = None;
            this.report.state = "canceled";
            return Poll::Ready(Some(Err(error)));
        }
        match inner.poll_next_unpin(cx) {
            Poll::Ready(Some(Ok(batch))) => {
                this.report.rows += batch.num_rows();
                Poll::Ready(Some(Ok(batch)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.inner = None;
                this.report.state = "failed";
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.inner = None;
                this.report.state = "done";
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
