//! Delta tables opened straight from object storage.
//!
//! `delta_kernel` reads the log (protocol, versions, files, deletion vectors); the rows come out of DataFusion's
//! Parquet reader, through a provider of our own that is frozen at one version. This crate never writes a table, and
//! never finds a store by its URL: each table brings its own, so that no table reads with another one's credentials.
//!
//! Start reading at [`DeltaOpener`] (one table) and [`DeltaFolder`] (a folder of tables).

mod canonical_paths;
mod columns;
mod data_file_reader;
mod deletion;
mod diagnosis;
mod error;
mod file_list;
mod folder;
mod log_tip;
mod one_nan;
mod open_version;
mod opener;
mod provider;
mod pruning;
mod relabel;
mod statistics;
mod store;
mod table_handle;

pub use folder::DeltaFolder;
pub use opener::{DeltaOpener, DeltaOptions};
pub use provider::DeltaTableProvider;
pub use store::build_store;
