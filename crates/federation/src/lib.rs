//! The seams to other systems. A system has up to three faces: names ([`Source`]), storage ([`TableOpener`]) and,
//! for the routes that compute remotely, a remote engine. A system implements those that it has.
//!
//! This crate names no vendor and opens no socket. Start reading at [`Source`].

mod source;
mod table_opener;

pub use source::{Source, SourceTable, TableKind, TableSummary};
pub use table_opener::{TableLocation, TableOpener};
