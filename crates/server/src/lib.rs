//! Lakegate: a SQL gateway in front of a lakehouse. This crate is the `lakegate` command, and for programs that embed
//! the engine a facade over the crates it is made of: [`Engine`] and what it takes to fill one.
//!
//! ```no_run
//! # async fn example() -> lakegate::Result<()> {
//! use lakegate::{DeltaFolder, DeltaOpener, DeltaOptions, Engine, EngineOptions, SessionOptions};
//!
//! let opener = DeltaOpener::new(DeltaOptions::default());
//! let location = lakegate::folder_url("/srv/lake")?;
//! let lake = DeltaFolder::new("lake", location, Default::default(), "default", opener)?;
//! let engine = Engine::builder(EngineOptions::default()).source(lake).build()?;
//! let session = engine.open_session(engine.identity("me")?, SessionOptions::default())?;
//! # Ok(())
//! # }
//! ```
//! It is the only crate that knows concrete sources and front ends; nothing depends on it. Start reading at
//! [`command`], then `wiring`.

mod api_key;
pub mod command;
pub mod config;
pub mod demo;
mod doors;
mod embedding;
mod location;
mod output;
mod policy_test;
mod reload;
mod rule_check;
mod serve;
mod sql;
mod wiring;

pub use contract::{DataException, Error, ErrorKind, Identity, QueryContext, Result, TableName, TableVersion};
pub use embedding::engine_from_file;
pub use engine::{
    AccessConfig, ClientSession, Engine, EngineBuilder, EngineOptions, FrontEnd, Frontend, LoginMethod, Outcome,
    PreparedStatement, ResultStream, ScramVerifier, SessionOptions, Shutdown, StatementText, TransactionStatus,
    UnknownUsers, UserEntry,
};
pub use federation::{Source, SourceTable, TableKind, TableOpener, TableSummary};
pub use frontend_postgres::PostgresFrontend;
pub use location::folder_url;
pub use policy::{RuleError, Rules, parse_rules};
pub use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
