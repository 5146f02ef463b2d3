//! REST over HTTP/1.1, in DreamFactory's shape: tables with filters and pages, SQL with parameters, the catalog, health.
//!
//! Start reading at [`RestFrontend`], then `handle.rs`: a request becomes a route, an identity, a session of the engine
//! and a statement; its rows leave as the client takes them.

mod answer;
mod body;
mod catalog;
mod credentials;
pub mod encode;
mod error;
mod filter;
mod handle;
mod head_check;
mod json;
mod options;
mod parameters;
mod query;
mod route;
mod run;
mod server;
mod socket;
mod table;
mod url;

pub use options::RestOptions;
pub use server::RestFrontend;
