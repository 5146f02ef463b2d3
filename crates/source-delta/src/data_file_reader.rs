//! Reads data files through the table's own store. The reader holds the store itself: DataFusion's registry, which
//! knows stores by scheme and host only, is never asked. Errors come back as ours, naming the file and the table.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use contract::{Error, ErrorKind, TableName};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use moka::sync::Cache;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

/// How much of a file's end is read at first: most footers and page indexes fit, so opening costs one request.
const FOOTER_BYTES: usize = 64 * 1024;

/// Footers of data files, by store and path. Data files never change, so size and time are only a second check.
#[derive(Clone)]
pub(crate) struct FooterCache(Cache<FooterKey, Arc<ParquetMetaData>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FooterKey {
    store: u64,
    path: Path,
    size: u64,
    modified_ms: i64,
}

impl FooterCache {
    /// Keeps footers up to `bytes_max` in memory.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let weigher =
            |_: &FooterKey, footer: &Arc<ParquetMetaData>| u32::try_from(footer.memory_size()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(bytes_max).weigher(weigher).build())
    }
}

impl fmt::Debug for FooterCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FooterCache")
            .field("footers", &self.0.entry_count())
            .finish()
    }
}

/// Everything that readers of one table share.
#[derive(Debug, Clone)]
pub(crate) struct DataFiles {
    /// For errors.
    pub(crate) table: TableName,
    /// The table's folder, to shorten paths in errors.
    pub(crate) root: Path,
    /// The table's own store.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Tells stores apart in the cache.
    pub(crate) store_id: u64,
    /// Shared by all tables.
    pub(crate) footers: FooterCache,
}

impl DataFiles {
    /// Reads a file's footer, from the cache if it is there.
    pub(crate) async fn footer(&self, meta: &object_store::ObjectMeta) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let key = FooterKey {
            store: self.store_id,
            path: meta.location.clone(),
            size: meta.size,
            modified_ms: meta.last_modified.timestamp_millis(),
        };
        if let Some(footer) = self.footers.0.get(&key) {
            return Ok(footer);
        }
        let reader = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_prefetch_hint(Some(FOOTER_BYTES));
        let footer = reader
            .load_and_finish(
                Fetch {
                    files: self,
                    path: &meta.location,
                },
                meta.size,
            )
            .await
            .map_err(|error| self.damaged(&meta.location, error))?;
        let footer = Arc::new(footer);
        self.footers.0.insert(key, Arc::clone(&footer));
        Ok(footer)
    }

    /// The file's path below the table's folder.
    fn short<'p>(&self, path: &'p Path) -> &'p str {
        match path.as_ref().strip_prefix(self.root.as_ref()) {
            Some(rest) => rest.trim_start_matches('/'),
            None => path.filename().unwrap_or_default(),
        }
    }

    fn damaged(&self, path: &Path, error: ParquetError) -> ParquetError {
        if matches!(&error, ParquetError::External(inner) if inner.is::<Error>()) {
            return error;
        }
        let what = format!(
            "data file \"{}\" of table \"{}\" is damaged",
            self.short(path),
            self.table.table
        );
        ParquetError::External(Box::new(Error::new(ErrorKind::DataCorrupted, what).with_source(error)))
    }

    fn failed(&self, path: &Path, error: object_store::Error) -> ParquetError {
        let what = format!("data file \"{}\" of table \"{}\"", self.short(path), self.table.table);
        let ours = match &error {
            object_store::Error::NotFound { .. } => {
                Error::new(ErrorKind::ObjectNotInPrerequisiteState, format!("{what} is gone"))
                    .with_detail("It was probably removed by VACUUM after the query began.")
                    .with_hint("Run the query again to read a newer version.")
                    .with_source(crate::error::harmless(&error))
            }
            _ => crate::error::from_store(error, &what),
        };
        ParquetError::External(Box::new(ours))
    }
}

struct Fetch<'f> {
    files: &'f DataFiles,
    path: &'f Path,
}

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            self.files
                .store
                .get_range(self.path, range)
                .await
                .map_err(|error| self.files.failed(self.path, error))
        }
        .boxed()
    }
}

/// Makes the readers of one table's data files.
#[derive(Debug)]
pub(crate) struct DataFileReaderFactory {
    files: Arc<DataFiles>,
}

impl DataFileReaderFactory {
    /// Reads through `files`.
    pub(crate) fn new(files: Arc<DataFiles>) -> Self {
        Self { files }
    }
}

impl ParquetFileReaderFactory for DataFileReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let metrics = ParquetFileMetrics::new(partition_index, file.object_meta.location.as_ref(), metrics);
        Ok(Box::new(DataFileReader {
            files: Arc::clone(&self.files),
            meta: file.object_meta,
            metrics,
        }))
    }
}

struct DataFileReader {
    files: Arc<DataFiles>,
    meta: object_store::ObjectMeta,
    metrics: ParquetFileMetrics,
}

impl DataFileReader {
    fn count(&self, bytes: u64) {
        self.metrics
            .bytes_scanned
            .add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

impl AsyncFileReader for DataFileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.count(range.end.saturating_sub(range.start));
        let (files, path) = (&self.files, &self.meta.location);
        async move {
            files
                .store
                .get_range(path, range)
                .await
                .map_err(|error| files.failed(path, error))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        self.count(ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum());
        let (files, path) = (&self.files, &self.meta.location);
        async move {
            files
                .store
                .get_ranges(path, &ranges)
                .await
                .map_err(|error| files.failed(path, error))
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move { self.files.footer(&self.meta).await }.boxed()
    }
}
