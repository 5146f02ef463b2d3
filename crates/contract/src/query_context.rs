use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind, Identity, Result};

/// Names one execution in logs and in internal errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueryId(u64);

impl QueryId {
    /// The next id of this process.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q{}", self.0)
    }
}

/// Travels with one query from the socket to the last remote call: who, until when, and whether to stop.
#[derive(Debug, Clone)]
pub struct QueryContext {
    /// Names the query in logs.
    pub id: QueryId,
    /// On whose behalf it runs.
    pub identity: Arc<Identity>,
    /// Fires when the client cancels, vanishes or the server stops.
    pub cancellation: CancellationToken,
    /// When it must be done, if ever.
    pub deadline: Option<Instant>,
}

impl QueryContext {
    /// A context with a new id, no deadline and its own token.
    pub fn new(identity: Arc<Identity>) -> Self {
        Self {
            id: QueryId::next(),
            identity,
            cancellation: CancellationToken::new(),
            deadline: None,
        }
    }

    /// The same for one execution, which can be stopped by itself.
    #[must_use]
    pub fn for_execution(&self) -> Self {
        Self {
            cancellation: self.cancellation.child_token(),
            ..self.clone()
        }
    }

    /// Fails with the right kind if the query must stop now.
    ///
    /// # Errors
    /// [`ErrorKind::Canceled`] or [`ErrorKind::DeadlineExceeded`].
    pub fn check(&self) -> Result<()> {
        if self.cancellation.is_cancelled() {
            return Err(Error::canceled());
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Self::timed_out());
        }
        Ok(())
    }

    /// The error of a query that ran into its time limit.
    pub fn timed_out() -> Error {
        Error::new(
            ErrorKind::DeadlineExceeded,
            "canceling statement due to statement timeout",
        )
    }

    /// Runs `work` until it is done, canceled or out of time; dropping it is how it is stopped.
    ///
    /// # Errors
    /// [`ErrorKind::Canceled`] or [`ErrorKind::DeadlineExceeded`] if `work` was not done by then.
    pub async fn race<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.check()?;
        let deadline = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancellation.cancelled() => Err(Error::canceled()),
            () = deadline => Err(Self::timed_out()),
            done = work => Ok(done),
        }
    }
}
