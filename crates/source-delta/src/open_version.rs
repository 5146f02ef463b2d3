//! One version of one table, shared by everyone who reads it.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::{Error, ErrorKind, Result, TableName};
use delta_kernel::Engine;
use delta_kernel::snapshot::SnapshotRef;
use moka::sync::Cache;
use tokio::sync::Mutex;

use crate::columns::Columns;
use crate::file_list::FileList;

/// File lists of the versions in use, bounded by the memory that they take.
#[derive(Clone)]
pub(crate) struct FileLists(Cache<u64, Arc<FileList>>);

impl FileLists {
    /// Keeps lists up to `bytes_max` in memory; a larger one is replayed from the log for each scan.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigher = |_: &u64, list: &Arc<FileList>| u32::try_from(list.bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self(Cache::builder().max_capacity(bytes_max / 1024).weigher(weigher).build())
    }
}

impl fmt::Debug for FileLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileLists")
            .field("lists", &self.0.entry_count())
            .finish()
    }
}

/// A snapshot with what is derived from it once.
pub(crate) struct OpenVersion {
    id: u64,
    /// The kernel's view.
    pub(crate) snapshot: SnapshotRef,
    /// Reads the log of this table and nothing else.
    pub(crate) engine: Arc<dyn Engine>,
    /// The table's columns.
    pub(crate) columns: Columns,
    /// The table's comment.
    pub(crate) comment: Option<String>,
    /// Equal for equal rows and columns.
    pub(crate) state: u64,
    lists: FileLists,
    loading: Mutex<()>,
}

impl OpenVersion {
    /// Derives the columns of `snapshot`; `tip_ms` tells a table that was made anew from its predecessor.
    ///
    /// # Errors
    /// `DataCorrupted` if the log's schema has no counterpart in Arrow.
    pub(crate) fn new(
        snapshot: SnapshotRef,
        engine: Arc<dyn Engine>,
        tip_ms: Option<i64>,
        lists: FileLists,
        table: &TableName,
    ) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let configuration = snapshot.table_configuration();
        let metadata = configuration.metadata();
        let columns = Columns::new(
            &snapshot.schema(),
            metadata.partition_columns(),
            configuration.column_mapping_mode(),
        )
        .map_err(|error| {
            let message = format!(
                "the columns of table \"{}\" have types that cannot be read directly",
                table.table
            );
            Error::new(ErrorKind::Unsupported, message).with_source(error)
        })?;
        let mut hasher = DefaultHasher::new();
        (
            snapshot.table_root().as_str(),
            snapshot.version(),
            metadata.id(),
            tip_ms,
        )
            .hash(&mut hasher);
        let comment = metadata
            .description()
            .filter(|text| !text.is_empty())
            .map(str::to_owned);
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            columns,
            comment,
            state: hasher.finish(),
            snapshot,
            engine,
            lists,
            loading: Mutex::new(()),
        })
    }

    /// The version's number.
    pub(crate) fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// The files of this version; replays the log at most once as long as the list is kept.
    pub(crate) async fn files(self: &Arc<Self>, table: &TableName) -> Result<Arc<FileList>> {
        if let Some(list) = self.lists.0.get(&self.id) {
            return Ok(list);
        }
        let _loading = self.loading.lock().await;
        if let Some(list) = self.lists.0.get(&self.id) {
            return Ok(list);
        }
        let this = Arc::clone(self);
        let table = table.clone();
        let load = move || FileList::load(&this.snapshot, this.engine.as_ref(), &this.columns, &table);
        let loaded = tokio::task::spawn_blocking(load).await;
        let list = Arc::new(loaded.map_err(|error| Error::internal(format!("replaying a log: {error}")))??);
        self.lists.0.insert(self.id, Arc::clone(&list));
        Ok(list)
    }
}

impl Drop for OpenVersion {
    fn drop(&mut self) {
        self.lists.0.invalidate(&self.id);
    }
}

impl fmt::Debug for OpenVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenVersion")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}
