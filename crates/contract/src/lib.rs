//! The nouns every layer shares: what went wrong ([`Error`]), who asks ([`Identity`]) and the context of one
//! running query ([`QueryContext`]).
//!
//! This crate does no I/O and makes no decisions. Every other crate of the workspace may depend on it; it depends on
//! none of them. Start reading at [`error`].

pub mod error;
mod from_datafusion;
mod identity;
mod pushdown;
mod query_context;
mod route;
mod scan_origin;
mod table_name;
mod user_token;

pub use error::{DataException, Error, ErrorKind, Result};
pub use identity::{Identity, IdentityBuilder};
pub use pushdown::{PushdownLimit, PushdownMode};
pub use query_context::{QueryContext, QueryId};
pub use route::Route;
pub use scan_origin::ScanOrigin;
pub use table_name::{TableName, TableVersion};
pub use user_token::UserToken;
