//! The client as a whole, against answers over real sockets.

mod descriptions;
mod http_replies;
mod logins;
mod privileges;
mod recordings;
mod results;
mod user_logins;

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};

/// Memory without an end.
fn memory() -> Arc<dyn MemoryPool> {
    Arc::new(UnboundedMemoryPool::default())
}
