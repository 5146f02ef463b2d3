//! Arrow Flight SQL over gRPC: commands, prepared statements, metadata.
//!
//! Decides nothing about SQL or rules. Each call says who sends it and is answered for that identity; handles and
//! tickets belong to the identity that they were given to and mean nothing to anybody else. What a client sends is
//! checked before it is decoded, what it gets holds the bytes of its answer and of nothing beside it. Start reading at
//! `server.rs` (connections), then `door.rs` (calls).

mod actions;
mod answer;
mod caller;
mod connection;
mod door;
mod error;
mod handles;
mod keys;
mod metadata;
mod options;
mod parameters;
#[cfg(test)]
mod sent_bytes;
mod server;
mod session_messages;
mod session_options;
mod sql_info;
mod statement;
mod type_info;

pub use options::FlightOptions;
pub use server::FlightFrontend;
