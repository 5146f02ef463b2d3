//! The time as services state it, and as tests move it.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC.
pub(crate) type Moment = i64;

/// Tells the time.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Moment + Send + Sync>);

impl Clock {
    /// The system's.
    pub(crate) fn system() -> Self {
        Self(Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Moment::try_from(since.as_millis()).unwrap_or(Moment::MAX)
        }))
    }

    pub(crate) fn now(&self) -> Moment {
        (self.0)()
    }

    /// One that stands still until the test moves it.
    #[cfg(test)]
    pub(crate) fn of_test(now: &Arc<std::sync::atomic::AtomicI64>) -> Self {
        let now = Arc::clone(now);
        Self(Arc::new(move || now.load(std::sync::atomic::Ordering::SeqCst)))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
