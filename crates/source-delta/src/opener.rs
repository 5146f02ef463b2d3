//! Opens tables and keeps them open.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Error, QueryContext, Result, TableVersion};
use delta_kernel::Engine;
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use federation::{SourceTable, TableLocation, TableOpener};
use moka::sync::Cache;
use object_store::ObjectStore;
use tokio::runtime::{Handle, RuntimeFlavor};
use url::Url;

use crate::canonical_paths::CanonicalEngine;
use crate::data_file_reader::FooterCache;
use crate::open_version::{FileLists, OpenVersion};
use crate::provider::DeltaTableProvider;
use crate::table_handle::TableHandle;

/// Older versions kept open over all tables.
const VERSIONS_MAX: u64 = 128;

/// A table or an older version that nobody asked for during this time is closed.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// What a [`DeltaOpener`] may keep in memory.
#[derive(Debug, Clone)]
pub struct DeltaOptions {
    /// Footers and page indexes of data files.
    pub footer_cache_bytes: u64,
    /// File lists with their statistics. A list that does not fit is read from the log again by each query.
    pub file_list_bytes: u64,
    /// How many tables stay open.
    pub open_tables_max: u64,
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self {
            footer_cache_bytes: 256 << 20,
            file_list_bytes: 512 << 20,
            open_tables_max: 10_000,
        }
    }
}

/// Opens Delta tables, one snapshot per table for all clients.
///
/// A table stays open between calls; opening it again looks only for commits after the last one seen, in one request
/// (two `stat` calls on a local disk). Calls that come together share one look. Needs a Tokio runtime.
pub struct DeltaOpener {
    tables: Cache<(usize, Url), Arc<TableHandle>>,
    shared: Shared,
}

/// What all tables of an opener share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) footers: FooterCache,
    pub(crate) lists: FileLists,
    pub(crate) versions: Cache<(u64, u64, u64), Arc<OpenVersion>>,
}

impl DeltaOpener {
    /// Opens nothing yet.
    pub fn new(options: DeltaOptions) -> Arc<Self> {
        let shared = Shared {
            footers: FooterCache::new(options.footer_cache_bytes),
            lists: FileLists::new(options.file_list_bytes),
            versions: Cache::builder().max_capacity(VERSIONS_MAX).time_to_idle(IDLE).build(),
        };
        let tables = Cache::builder()
            .max_capacity(options.open_tables_max)
            .time_to_idle(IDLE)
            .build();
        Arc::new(Self { tables, shared })
    }

    /// The handle of a table. The store's address stands for its identity: the handle keeps the store alive, so no
    /// other store can come to lie there.
    fn handle(&self, location: &TableLocation) -> Result<Arc<TableHandle>> {
        let address = Arc::as_ptr(&location.store).cast::<()>().addr();
        let root = with_slash(&location.root);
        let key = (address, root.clone());
        if let Some(handle) = self.tables.get(&key) {
            return Ok(handle);
        }
        let store = Arc::clone(&location.store);
        let mut engine = engine(Arc::clone(&store));
        if root.scheme() == "file" {
            engine = Arc::new(CanonicalEngine::new(engine));
        }
        let handle = Arc::new(TableHandle::new(root, store, engine, self.shared.clone())?);
        Ok(self.tables.get_with(key, || handle))
    }

    async fn open_now(&self, location: &TableLocation, version: TableVersion) -> Result<Option<Arc<SourceTable>>> {
        let handle = self.handle(location)?;
        let Some(version) = handle.version(version, &location.name).await? else {
            return Ok(None);
        };
        if location.in_catalog && version.snapshot.table_configuration().is_catalog_managed() {
            let message = format!(
                "the commits of table \"{}\" are managed by its catalog",
                location.name.table
            );
            return Err(Error::unsupported(message).with_hint("Its files alone may hold an older state."));
        }
        let files = Arc::new(handle.data_files(&location.name));
        let state = version.state;
        let comment = version.comment.clone();
        let provider = Arc::new(DeltaTableProvider::new(version, files));
        Ok(Some(Arc::new(SourceTable {
            provider,
            state,
            comment,
        })))
    }
}

#[async_trait]
impl TableOpener for DeltaOpener {
    async fn open(
        &self,
        location: &TableLocation,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        ctx.race(self.open_now(location, version)).await?
    }
}

impl fmt::Debug for DeltaOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaOpener")
            .field("tables", &self.tables.entry_count())
            .finish_non_exhaustive()
    }
}

/// The kernel's I/O over one store. A current-thread runtime cannot serve a thread that waits for it, so there the
/// kernel gets a thread of its own.
fn engine(store: Arc<dyn ObjectStore>) -> Arc<dyn Engine> {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            let executor = Arc::new(TokioMultiThreadExecutor::new(handle));
            Arc::new(DefaultEngineBuilder::new(store).with_task_executor(executor).build())
        }
        _ => Arc::new(DefaultEngineBuilder::new(store).build()),
    }
}

/// `Url::join` replaces the last segment of a URL without a slash at its end.
fn with_slash(root: &Url) -> Url {
    let mut root = root.clone();
    if !root.path().ends_with('/') {
        let path = format!("{}/", root.path());
        root.set_path(&path);
    }
    root
}
