//! One spelling for each file: a log may add `/x` and remove `file:/x` or `file:///x`. The kernel compares the texts, so
//! on local file systems the paths are respelled between the reading of the log and the kernel.

use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, ArrayRef, RecordBatch, StringArray, StructArray};
use arrow_schema::ArrowError;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::expressions::PredicateRef;
use delta_kernel::schema::SchemaRef;
use delta_kernel::{
    Engine, EngineData, EvaluationHandler, FileDataReadResultIterator, FileMeta, FileSize, JsonHandler, KernelResult,
    KernelResultIterator, KernelResultIteratorStatic, ParquetFooter, ParquetHandler, StorageHandler,
};
use url::Url;

/// The scheme whose spellings vary.
const SCHEME: &str = "file:";

/// An engine that hands the kernel respelled paths.
pub(crate) struct CanonicalEngine {
    inner: Arc<dyn Engine>,
    json: Arc<CanonicalJson>,
    parquet: Arc<CanonicalParquet>,
}

impl CanonicalEngine {
    /// Respells what `inner` reads.
    pub(crate) fn new(inner: Arc<dyn Engine>) -> Self {
        let json = Arc::new(CanonicalJson(inner.json_handler()));
        let parquet = Arc::new(CanonicalParquet(inner.parquet_handler()));
        Self { inner, json, parquet }
    }
}

impl Engine for CanonicalEngine {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        self.inner.evaluation_handler()
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        self.inner.storage_handler()
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        Arc::clone(&self.json) as _
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        Arc::clone(&self.parquet) as _
    }
}

struct CanonicalJson(Arc<dyn JsonHandler>);

impl JsonHandler for CanonicalJson {
    fn parse_json(&self, texts: Box<dyn EngineData>, schema: SchemaRef) -> KernelResult<Box<dyn EngineData>> {
        self.0.parse_json(texts, schema)
    }

    fn read_json_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        Ok(respelled(self.0.read_json_files(files, schema, predicate)?))
    }

    fn write_json_file(
        &self,
        path: &Url,
        data: KernelResultIterator<'_, FilteredEngineData>,
        overwrite: bool,
    ) -> KernelResult<FileSize> {
        self.0.write_json_file(path, data, overwrite)
    }
}

struct CanonicalParquet(Arc<dyn ParquetHandler>);

impl ParquetHandler for CanonicalParquet {
    fn read_parquet_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        predicate: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        Ok(respelled(self.0.read_parquet_files(files, schema, predicate)?))
    }

    fn write_parquet_file(
        &self,
        location: Url,
        data: KernelResultIteratorStatic<Box<dyn EngineData>>,
    ) -> KernelResult<FileSize> {
        self.0.write_parquet_file(location, data)
    }

    fn read_parquet_footer(&self, file: &FileMeta) -> KernelResult<ParquetFooter> {
        self.0.read_parquet_footer(file)
    }
}

fn respelled(batches: FileDataReadResultIterator) -> FileDataReadResultIterator {
    Box::new(batches.map(|batch| {
        let batch = batch?;
        let respelled = match batch.any_ref().downcast_ref::<ArrowEngineData>() {
            Some(arrow) => respell(arrow.record_batch())?,
            None => None,
        };
        Ok(match respelled {
            Some(respelled) => Box::new(ArrowEngineData::new(respelled)),
            None => batch,
        })
    }))
}

/// The batch with the paths of its actions respelled; `None` if there is nothing to do.
fn respell(batch: &RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
    let mut columns = batch.columns().to_vec();
    let mut changed = false;
    for (field, column) in batch.schema_ref().fields().iter().zip(columns.iter_mut()) {
        if !matches!(field.name().as_str(), "add" | "remove") {
            continue;
        }
        if let Some(action) = column.as_struct_opt().and_then(respell_action) {
            *column = Arc::new(action?);
            changed = true;
        }
    }
    changed
        .then(|| RecordBatch::try_new(batch.schema(), columns))
        .transpose()
}

fn respell_action(action: &StructArray) -> Option<Result<StructArray, ArrowError>> {
    let (at, _) = action.fields().find("path")?;
    let paths = action.column(at).as_string_opt::<i32>()?;
    if !paths.iter().flatten().any(|path| path.starts_with(SCHEME)) {
        return None;
    }
    let paths: StringArray = paths.iter().map(|path| path.map(canonical)).collect();
    let mut columns = action.columns().to_vec();
    if let Some(column) = columns.get_mut(at) {
        *column = Arc::new(paths) as ArrayRef;
    }
    Some(StructArray::try_new(
        action.fields().clone(),
        columns,
        action.nulls().cloned(),
    ))
}

/// `file:/x` and `file:///x` are `/x`; a host that is named stays.
fn canonical(path: &str) -> &str {
    let Some(rest) = path.strip_prefix(SCHEME) else {
        return path;
    };
    match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => path,
        None if rest.starts_with('/') => rest,
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn spellings_of_one_path() {
        for spelling in ["/a/b", "file:/a/b", "file:///a/b"] {
            assert_eq!(canonical(spelling), "/a/b");
        }
        for other in ["file://host/a", "a/file:/b", "s3://bucket/a", "file:a"] {
            assert_eq!(canonical(other), other);
        }
    }
}
