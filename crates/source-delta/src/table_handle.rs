//! A table that stays open: remembers the newest snapshot and looks only for what came after it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use contract::{Error, ErrorKind, Result, TableName, TableVersion};
use delta_kernel::history_manager::{HistoryCommitType, latest_version_as_of};
use delta_kernel::snapshot::{Snapshot, SnapshotRef};
use delta_kernel::{Engine, KernelError};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::sync::Mutex;
use url::Url;

use crate::data_file_reader::DataFiles;
use crate::log_tip::{self, Change, Tip};
use crate::open_version::OpenVersion;
use crate::opener::Shared;
use crate::{diagnosis, error};

/// One table in one store.
pub(crate) struct TableHandle {
    root: Url,
    root_path: Path,
    log: Path,
    store: Arc<dyn ObjectStore>,
    store_id: u64,
    engine: Arc<dyn Engine>,
    local: bool,
    shared: Shared,
    current: Mutex<Option<Current>>,
}

struct Current {
    version: Arc<OpenVersion>,
    tip: Option<Tip>,
    /// Grows with each loading from nothing: versions of a deleted table are none of its successor's.
    generation: u64,
    /// When the last look for newer commits began.
    looked: Instant,
}

impl TableHandle {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// `Configuration` if `root` is no path of an object store.
    pub(crate) fn new(root: Url, store: Arc<dyn ObjectStore>, engine: Arc<dyn Engine>, shared: Shared) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let root_path = Path::from_url_path(root.path()).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                "a table's location is not a path of its store",
            )
            .with_source(error)
        })?;
        Ok(Self {
            log: root_path.clone().join("_delta_log"),
            local: root.scheme() == "file",
            root,
            root_path,
            store,
            store_id: NEXT.fetch_add(1, Ordering::Relaxed),
            engine,
            shared,
            current: Mutex::new(None),
        })
    }

    /// What readers of the data files need.
    pub(crate) fn data_files(&self, table: &TableName) -> DataFiles {
        DataFiles {
            table: table.clone(),
            root: self.root_path.clone(),
            store: Arc::clone(&self.store),
            store_id: self.store_id,
            footers: self.shared.footers.clone(),
        }
    }

    /// The version asked for; `None` if there is no table.
    pub(crate) async fn version(&self, version: TableVersion, table: &TableName) -> Result<Option<Arc<OpenVersion>>> {
        let Some((latest, generation)) = self.latest(table).await? else {
            return Ok(None);
        };
        let wanted = match version {
            TableVersion::Latest => return Ok(Some(latest)),
            TableVersion::Version(wanted) => wanted,
            TableVersion::Timestamp(at_ms) => self.version_at(&latest, at_ms, table).await?,
        };
        if wanted == latest.version() {
            return Ok(Some(latest));
        }
        if wanted > latest.version() {
            let message = format!("version {wanted} of table \"{}\" does not exist", table.table);
            return Err(Error::new(ErrorKind::UndefinedObject, message)
                .with_detail(format!("The newest version is {}.", latest.version())));
        }
        let key = (self.store_id, generation, wanted);
        if let Some(found) = self.shared.versions.get(&key) {
            return Ok(Some(found));
        }
        let older = self.older(&latest, wanted, table).await?;
        self.shared.versions.insert(key, Arc::clone(&older));
        Ok(Some(older))
    }

    /// The newest version, with every commit made before the call. Callers that come while another one is looking
    /// share the next look.
    async fn latest(&self, table: &TableName) -> Result<Option<(Arc<OpenVersion>, u64)>> {
        let arrived = Instant::now();
        let mut current = self.current.lock().await;
        let looking = Instant::now();
        if let Some(current) = current.as_mut() {
            if current.looked >= arrived || !self.has_changed(current, table).await? {
                current.looked = current.looked.max(looking);
                return Ok(Some((Arc::clone(&current.version), current.generation)));
            }
            if let Some((version, tip)) = self.newer(current, table).await {
                current.version = version;
                current.tip = tip;
                current.looked = looking;
                return Ok(Some((Arc::clone(&current.version), current.generation)));
            }
        }
        let generation = current.as_ref().map_or(0, |current| current.generation + 1);
        *current = None;
        let Some(snapshot) = self.load(table).await? else {
            return Ok(None);
        };
        let (version, tip) = self.opened(snapshot, table).await?;
        *current = Some(Current {
            version: Arc::clone(&version),
            tip,
            generation,
            looked: looking,
        });
        Ok(Some((version, generation)))
    }

    async fn has_changed(&self, current: &mut Current, table: &TableName) -> Result<bool> {
        let Some(tip) = &current.tip else { return Ok(true) };
        let change = tip.change(&*self.store, &self.log, self.local).await;
        match change.map_err(|error| error::from_store(error, &log_of(table)))? {
            Change::None => Ok(false),
            Change::Newer => Ok(true),
            Change::Replaced => {
                current.tip = None;
                Ok(true)
            }
        }
    }

    /// The snapshot brought forward by the commits after it; `None` where it must be loaded anew.
    async fn newer(&self, current: &Current, table: &TableName) -> Option<(Arc<OpenVersion>, Option<Tip>)> {
        current.tip.as_ref()?;
        if current.version.snapshot.table_configuration().is_catalog_managed() {
            return None;
        }
        let old = Arc::clone(&current.version.snapshot);
        let build = move |engine: &dyn Engine| Snapshot::builder_from(old).build(engine);
        match self.blocking(build).await {
            Ok(Ok(snapshot)) if snapshot.version() == current.version.version() => {
                Some((Arc::clone(&current.version), current.tip.clone()))
            }
            Ok(Ok(snapshot)) if snapshot.version() > current.version.version() => {
                self.opened(snapshot, table).await.ok()
            }
            _ => None,
        }
    }

    async fn load(&self, table: &TableName) -> Result<Option<SnapshotRef>> {
        let root = self.root.clone();
        let failed = match self
            .blocking(move |engine| Snapshot::builder_for(root).build(engine))
            .await?
        {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(KernelError::MaxCatalogVersion(_)) => return self.load_published(table).await.map(Some),
            Err(failed) => failed,
        };
        if error::is_unsupported(&failed) {
            return Err(error::from_kernel(failed, table));
        }
        let exists = log_tip::exists(&*self.store, &self.log).await;
        if !exists.map_err(|error| error::from_store(error, &log_of(table)))? {
            return Ok(None);
        }
        Err(self.explained(failed, table).await)
    }

    /// A catalog-managed table, read without its catalog: published commits are ratified, so they are a version of the
    /// table, though the catalog may know newer ones.
    async fn load_published(&self, table: &TableName) -> Result<SnapshotRef> {
        let newest = log_tip::newest_commit(&*self.store, &self.log).await;
        let newest = newest
            .map_err(|error| error::from_store(error, &log_of(table)))?
            .unwrap_or_default();
        let root = self.root.clone();
        let build = move |engine: &dyn Engine| {
            Snapshot::builder_for(root)
                .with_max_catalog_version(newest)
                .build(engine)
        };
        match self.blocking(build).await? {
            Ok(snapshot) => Ok(snapshot),
            Err(failed) => Err(self.explained(failed, table).await),
        }
    }

    async fn older(&self, latest: &OpenVersion, wanted: u64, table: &TableName) -> Result<Arc<OpenVersion>> {
        let root = self.root.clone();
        let bound = latest
            .snapshot
            .table_configuration()
            .is_catalog_managed()
            .then(|| latest.version());
        let build = move |engine: &dyn Engine| {
            let builder = Snapshot::builder_for(root).at_version(wanted);
            match bound {
                Some(bound) => builder.with_max_catalog_version(bound).build(engine),
                None => builder.build(engine),
            }
        };
        match self.blocking(build).await? {
            Ok(snapshot) => Ok(self.opened(snapshot, table).await?.0),
            Err(failed) if error::is_unsupported(&failed) => Err(error::from_kernel(failed, table)),
            Err(failed) => {
                let error = self.explained(failed, table).await;
                if error.kind() != ErrorKind::DataCorrupted {
                    return Err(error);
                }
                let message = format!(
                    "version {wanted} of table \"{}\" is not available any more",
                    table.table
                );
                Err(Error::new(ErrorKind::UndefinedObject, message)
                    .with_detail("The log of a table is kept for a limited time.")
                    .with_source(error))
            }
        }
    }

    async fn version_at(&self, latest: &Arc<OpenVersion>, at_ms: i64, table: &TableName) -> Result<u64> {
        let snapshot = Arc::clone(&latest.snapshot);
        let search =
            move |engine: &dyn Engine| latest_version_as_of(&snapshot, engine, at_ms, HistoryCommitType::Recreatable);
        match self.blocking(search).await? {
            Ok(commit) => Ok(commit.version),
            Err(failed) => Err(self.explained(failed, table).await),
        }
    }

    async fn opened(&self, snapshot: SnapshotRef, table: &TableName) -> Result<(Arc<OpenVersion>, Option<Tip>)> {
        let tip = Tip::of(&*self.store, &self.log, snapshot.version()).await;
        let tip = tip.map_err(|error| error::from_store(error, &log_of(table)))?;
        let tip_ms = tip.as_ref().map(Tip::modified_ms);
        let engine = Arc::clone(&self.engine);
        let version = OpenVersion::new(snapshot, engine, tip_ms, self.shared.lists.clone(), table)?;
        Ok((Arc::new(version), tip))
    }

    async fn explained(&self, failed: KernelError, table: &TableName) -> Error {
        let damage = error::is_damage(&failed);
        let error = error::from_kernel(failed, table);
        if damage {
            diagnosis::name_the_file(error, &*self.store, &self.log, table).await
        } else {
            error
        }
    }

    /// Runs the kernel where it may block; its panics become errors.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Engine) -> delta_kernel::KernelResult<T> + Send + 'static,
    ) -> Result<delta_kernel::KernelResult<T>> {
        let engine = Arc::clone(&self.engine);
        let done = tokio::task::spawn_blocking(move || work(engine.as_ref())).await;
        done.map_err(|error| Error::internal(format!("reading a log: {error}")))
    }
}

fn log_of(table: &TableName) -> String {
    format!("the log of table \"{}\"", table.table)
}

impl fmt::Debug for TableHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableHandle")
            .field("root", &self.root_path)
            .finish_non_exhaustive()
    }
}
