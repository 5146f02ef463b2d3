use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{QueryContext, Result, Route};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryPool;
use futures::stream::BoxStream;

use crate::{ComputeMeter, RemoteStatement};

/// One system seen as one principal. Only tables of equal contexts are read by one statement: the text names the
/// system, its default catalog and whose rights hold there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComputeContext(Arc<str>);

impl ComputeContext {
    /// The context of `principal` at `system`. Both are as the configuration names them, without secrets.
    pub fn new(system: &str, principal: &str) -> Self {
        // A name cannot hold a line break, so that no two pairs make one text.
        Self(format!("{}\n{}", system.replace('\n', " "), principal.replace('\n', " ")).into())
    }

    /// The system's part, for people.
    pub fn system(&self) -> &str {
        self.0.split('\n').next().unwrap_or_default()
    }
}

impl fmt::Display for ComputeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.system())
    }
}

/// What differs between systems that speak the same SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Which route statements take.
    pub route: Route,
    /// Integer overflow, a failing cast and division by zero raise an error, as ANSI mode has it.
    pub ansi: bool,
}

/// The rows of a statement, in the types that the remote system gave them. Only a stream that ends without an error
/// was complete. Dropping it cancels the statement where it runs.
pub type RemoteStream = BoxStream<'static, Result<RecordBatch>>;

/// A system that runs statements in Spark's SQL, as one principal.
#[async_trait]
pub trait RemoteEngine: fmt::Debug + Send + Sync {
    /// Which system, as whom.
    fn compute_context(&self) -> &ComputeContext;

    /// What it can do. Asked while planning: nothing is sent.
    fn capabilities(&self) -> Capabilities;

    /// How long it takes to begin an answer.
    fn meter(&self) -> &ComputeMeter;

    /// In which state it is, in words for people, without starting it; none if it has no such states.
    ///
    /// # Errors
    /// `SourceUnavailable` if it does not answer, `SourceRejected` if it is not known there.
    async fn state(&self, ctx: &QueryContext) -> Result<Option<String>> {
        let _ = ctx;
        Ok(None)
    }

    /// The columns that `statement` has, without running it.
    ///
    /// # Errors
    /// `SourceUnavailable`, or `SourceRejected` if the system does not take the statement.
    async fn describe(&self, statement: &RemoteStatement, ctx: &QueryContext) -> Result<SchemaRef>;

    /// Starts `statement` and hands on its rows as they come. What waits to be read is charged to `memory`: where that
    /// is full no more is fetched ahead, and only the part that is read next comes, whose bytes are charged even so. So
    /// every answer goes on, with one part at a time.
    ///
    /// Errors keep the kind that tells a client what to do; their texts are safe to show where no rule holds.
    ///
    /// # Errors
    /// `SourceUnavailable`, `SourceThrottled`, `SourceRejected`, or a data exception that the statement raised; in the
    /// stream also `Canceled`.
    async fn execute(&self, statement: Arc<RemoteStatement>, memory: &Arc<dyn MemoryPool>) -> Result<RemoteStream>;
}
