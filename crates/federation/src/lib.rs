//! The seams to other systems. A system has up to three faces: names ([`Source`]), storage ([`TableOpener`]) and
//! compute ([`RemoteEngine`]). A system implements those that it has.
//!
//! What is pushed to a remote engine is decided and written here: [`RemoteTable`] pushes what concerns one table,
//! [`push_down`] cuts the largest sub-plans out of an authorized plan that one engine can run as a statement. What is
//! not known to mean the same there stays here.
//!
//! This crate names no vendor and opens no socket. Start reading at [`Source`], then [`push_down`].

mod bound_exec;
mod compute_meter;
mod fit;
mod join_keys;
mod known_rows;
mod one_nan;
mod privileges;
mod push_down;
mod ready;
mod remote_engine;
mod remote_exec;
mod remote_part;
mod remote_statement;
mod remote_table;
mod route_choice;
mod routed_table;
mod source;
mod spark_sql;
mod table_opener;
#[cfg(test)]
mod tests;
mod warnings;

pub use bound_exec::explain_kept;
pub use compute_meter::ComputeMeter;
pub use join_keys::JOIN_KEYS_MAX;
pub use one_nan::with_one_nan;
pub use privileges::Privileges;
pub use push_down::push_down;
pub use ready::ready;
pub use remote_engine::{Capabilities, ComputeContext, RemoteEngine, RemoteStream};
pub use remote_exec::RemoteExec;
pub use remote_part::{RemotePart, remote_parts};
pub use remote_statement::RemoteStatement;
pub use remote_table::RemoteTable;
pub use route_choice::explain_routes;
pub use routed_table::RoutedTable;
pub use source::{Source, SourceTable, TableDescription, TableDescriptions, TableKind, TableSummary};
pub use table_opener::{TableLocation, TableOpener};
pub use warnings::Warnings;
