//! The engine: sessions, and the one pipeline from SQL text to a stream of Arrow batches.
//!
//! ```text
//! text ─► parse ─► bind ─► authorize ─► optimize ─► verify ─► execute
//! ```
//! Each arrow is a type: what was not authorized cannot be optimized, what was not verified cannot be executed. Every
//! front end goes through [`ClientSession`]; none decides anything about SQL or rules. No protocol type and no vendor
//! type appears in this crate. Start reading at [`Engine`], then [`ClientSession`].

mod access;
mod client_session;
mod engine;
mod frontend;
mod metadata;
mod planning;
mod result_stream;
mod scram;
mod settings;
mod statement;

pub use access::{AccessConfig, LoginMethod, UnknownUsers, UserEntry};
pub use client_session::{ClientSession, Outcome, SessionOptions, TransactionStatus};
pub use engine::{Engine, EngineBuilder, EngineOptions};
pub use frontend::{FrontEnd, Frontend, Shutdown};
pub use postgres_dialect::{CopyFormat, CopyOptions, ForceQuote};
pub use result_stream::ResultStream;
pub use scram::ScramVerifier;
pub use settings::SERVER_VERSION;
pub use statement::{PreparedStatement, StatementText};

#[cfg(test)]
mod tests;
