//! Databricks workspaces and Unity Catalog servers: logins, names, storage credentials and SQL warehouses.
//!
//! The two faces that they have are [`UnityCatalog`] (names, and the files of tables where Unity Catalog gives out
//! credentials) and [`WarehouseEngine`] (compute). Files are opened by a [`federation::TableOpener`] that the caller
//! injects, and what is not read from files by a [`federation::RemoteEngine`] of the caller's choice.
//!
//! This crate applies no access rule and writes nothing. No token, no signed address and no storage key is part of any
//! text, log line or `Debug` of it. Start reading at [`Workspace`], then [`UnityCatalog`].

mod auth;
mod clock;
mod http;
mod outcome;
mod renewing;
mod retry;
mod secret;
#[cfg(test)]
mod tests;
mod unity;
mod users;
mod warehouse;
mod workspace;

pub use auth::{Credentials, KeptSecret, environment_credentials};
pub use secret::Secret;
pub use unity::{UnityCatalog, UnityOptions, UserCatalogs};
pub use users::UserWorkspaces;
pub use warehouse::{WarehouseEngine, WarehouseOptions, warehouse_id};
pub use workspace::{Workspace, WorkspaceOptions};
