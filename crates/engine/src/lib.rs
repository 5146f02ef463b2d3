//! The engine: sessions, and the one pipeline from SQL text to a stream of Arrow batches.
//!
//! ```text
//! text ─► parse ─► bind ─► authorize ─► optimize ─► verify ─► execute
//! ```
//! Each arrow is a type: what was not authorized cannot be optimized, what was not verified cannot be executed. Every
//! front end goes through [`ClientSession`]; none decides anything about SQL or rules. No protocol type and no vendor
//! type appears in this crate. Start reading at [`Engine`], then [`ClientSession`].

mod accept;
mod access;
mod authenticate;
mod catalog_rows;
mod client_session;
mod described_tables;
mod engine;
mod even_batches;
mod frontend;
mod listing;
mod login_guard;
mod metadata;
mod owned_batch;
mod planning;
mod query_log;
mod result_stream;
mod scram;
mod settings;
mod statement;
mod table_query;
mod throttle;
mod tls;
mod token_login;

pub use access::{AccessConfig, LoginMethod, UnknownUsers, UserEntry};
pub use authenticate::Credentials;
pub use client_session::{ClientSession, Outcome, SessionOptions, TransactionStatus};
pub use engine::{Engine, EngineBuilder, EngineOptions};
pub use frontend::{FrontEnd, Frontend, Shutdown};
pub use listing::{ListedSchema, ListedTable, retain_like};
pub use login_guard::LoginGuard;
pub use owned_batch::{owned_batch, owned_schema};
pub use postgres_dialect::{CopyFormat, CopyOptions, ForceQuote};
pub use result_stream::ResultStream;
pub use scram::ScramVerifier;
pub use settings::SERVER_VERSION;
pub use statement::{PreparedStatement, StatementText};
pub use table_query::{Comparison, Filter, Literal, Order, TableColumns, TableQuery};
pub use throttle::Throttle;
pub use tls::{Tls, TlsOptions, TlsState};
pub use token_login::{Origin, TokenLogin};

#[cfg(test)]
mod tests;
