//! The client against a server that does what a script says.

mod addresses;
mod catalogs;
mod errors;
mod executions;
mod literals;
mod script;
mod server;
mod sessions;
mod types;

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};

/// Memory without an end.
fn memory() -> Arc<dyn MemoryPool> {
    Arc::new(UnboundedMemoryPool::default())
}
