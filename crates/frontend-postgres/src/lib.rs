//! The PostgreSQL wire conversation: what a client sends, answered as PostgreSQL 16 would.
//!
//! Start at [`PostgresFrontend`]; a connection runs through `server` (accept) → `startup` (encryption, which protocol) →
//! `login` (who) → `conversation` (messages until Terminate). `frame`, `decode` and `startup_message` are the only code
//! that looks at a client's bytes; `wire` is the only code that touches the socket after the startup; `error` is the
//! only place that knows SQLSTATEs.
//!
//! The crate decides nothing about SQL, types' values or rules: those are the engine's and `arrow-postgres`'s. Of
//! `pgwire` it takes the backend's message types; frames are cut and bodies are decoded here, since no malformed byte
//! may panic, reach into the next message or be kept before its length was judged.
//!
//! <https://www.postgresql.org/docs/16/protocol.html>

mod cancel;
mod conversation;
mod copy_out;
mod decode;
mod error;
mod extended_query;
mod frame;
mod login;
mod options;
mod parameter_status;
mod portal;
mod scram;
mod server;
mod simple_query;
mod startup;
mod startup_message;
mod transport;
mod wire;

pub use options::PostgresOptions;
pub use server::PostgresFrontend;
