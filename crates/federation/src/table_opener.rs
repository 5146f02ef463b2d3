use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{QueryContext, Result, TableName, TableVersion};
use object_store::ObjectStore;
use url::Url;

use crate::SourceTable;

/// Where a table's files lie, and with whose credentials they are read.
#[derive(Debug, Clone)]
pub struct TableLocation {
    /// The name that the table goes by; attached to each file of a scan as its origin.
    pub name: TableName,
    /// The table's root folder, ending in `/`.
    pub root: Url,
    /// The store for the whole of `root`'s bucket or file system, made with the credentials of this table: never
    /// looked up by URL, so that two tables of one bucket cannot read with each other's credentials.
    pub store: Arc<dyn ObjectStore>,
    /// Whether a catalog names the table. If that catalog manages the table's commits, the files alone may hold an
    /// older state than it knows, and the table is refused as `Unsupported`.
    pub in_catalog: bool,
}

/// Opens tables from their files, whatever catalog named them.
#[async_trait]
pub trait TableOpener: Debug + Send + Sync {
    /// Opens the table at `location`, or says `Ok(None)` if nothing of this format lies there.
    ///
    /// Snapshots are kept: a second call looks only for newer commits, and many callers share one snapshot. With
    /// [`TableVersion::Latest`] every commit made before the call is seen.
    ///
    /// # Errors
    /// As [`Source::table`](crate::Source::table).
    async fn open(
        &self,
        location: &TableLocation,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>>;
}
