use std::fmt::Debug;

use async_trait::async_trait;
use contract::{Identity, Result, TableName};

use crate::TableSummary;

/// What a system lets its own users do with one of its catalogs, asked by the name of the gateway's user.
///
/// It comes on top of the gateway's rules, for administrators too. What it does not allow does not exist for that user.
/// Answers may be kept for a short time, each for one user; one that cannot be had is an error, never a yes.
#[async_trait]
pub trait Privileges: Debug + Send + Sync {
    /// Whether the user may use the catalog at all.
    ///
    /// # Errors
    /// `SourceUnavailable` if the system does not answer, `PermissionDenied` if it does not tell us.
    async fn may_use_catalog(&self, identity: &Identity) -> Result<bool>;

    /// Whether the user may read the table. Says nothing of whether there is one: no, if there is none.
    ///
    /// # Errors
    /// As [`may_use_catalog`](Self::may_use_catalog).
    async fn may_read(&self, name: &TableName, identity: &Identity) -> Result<bool>;

    /// Those of `schemas` that the user may use, in their order.
    ///
    /// # Errors
    /// As [`may_use_catalog`](Self::may_use_catalog).
    async fn usable_schemas(&self, schemas: Vec<String>, identity: &Identity) -> Result<Vec<String>>;

    /// Those of the `tables` of `schema` that the user may read, in their order. A listing costs a bounded number of
    /// requests, whatever its length: tables that would need more are left out, and can be read by name.
    ///
    /// # Errors
    /// As [`may_use_catalog`](Self::may_use_catalog).
    async fn readable_tables(
        &self,
        schema: &str,
        tables: Vec<TableSummary>,
        identity: &Identity,
    ) -> Result<Vec<TableSummary>>;
}
