//! Spark Connect servers (Spark 3.5 and later, clusters of Databricks, Sail): their names as a
//! [`federation::Source`], their compute as a [`federation::RemoteEngine`].
//!
//! A stream of a statement is complete only when the server says so: one that merely ends is attached to again, and
//! rows that cannot be continued are an error, never a short answer. Batches come through `arrow-wire`. Values travel
//! as typed parameters, or, where a server does not bind them, as literals of one writer.
//!
//! This crate never writes SQL around a user's expression (that is `federation`'s) and knows nothing of access rules.
//! Start reading at [`SparkEngine`], then `execution.rs`.
//!
//! The protocol: <https://github.com/apache/spark/tree/master/sql/connect/common/src/main/protobuf/spark/connect>.

mod address;
mod backoff;
mod catalog;
mod connection;
mod data_exception;
mod data_type;
mod engine;
mod error;
mod execution;
mod listing;
mod literal;
mod parameter;
mod release;
mod session;
#[cfg(test)]
mod tests;
mod token;

pub use address::SparkAddress;
pub use catalog::SparkCatalog;
pub use engine::SparkEngine;
pub use token::{Token, TokenSource};
