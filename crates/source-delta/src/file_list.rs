//! The data files of one version with what the log says about them, kept in memory so that the log is not replayed for
//! every query.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StructArray, UInt64Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use chrono::DateTime;
use contract::{Error, ErrorKind, Result, TableName};
use datafusion::arrow::compute::{cast, concat_batches, filter_record_batch};
use datafusion::common::ScalarValue;
use datafusion::datasource::listing::PartitionedFile;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::state::{DvInfo, ScanFile};
use delta_kernel::scan::{PartitionValuesOptions, ScanMetadata, StatsOptions};
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{Engine, KernelError};
use object_store::ObjectMeta;
use object_store::path::Path;
use tokio::sync::OnceCell;
use url::Url;

use crate::columns::Columns;
use crate::{error, statistics};

/// The largest loss of a maximum that is cut to milliseconds, as the protocol has timestamps be.
const MILLISECOND_CUT_US: i64 = 999;

/// Beyond this many values no statistics are hung on the single files: they cost some 300 bytes each.
const FILE_STATISTICS_MAX: usize = 400_000;

/// Bytes per file that are not in arrays: paths, handles, cells.
const FILE_BYTES: usize = 600;

/// One data file.
#[derive(Debug)]
pub(crate) struct DataFile {
    /// The file as DataFusion wants it, with partition values and statistics, without origin and row selection.
    pub(crate) template: PartitionedFile,
    /// Its deletion vector, if any.
    pub(crate) deleted: DvInfo,
    /// How many rows the file holds, deleted ones included.
    pub(crate) rows: Option<u64>,
    /// How many of its rows are live.
    pub(crate) live_rows: Option<u64>,
    /// The template with its row selection, once somebody needed it.
    pub(crate) selected: OnceCell<PartitionedFile>,
}

/// All files of one version, and the log's statistics side by side.
#[derive(Debug)]
pub(crate) struct FileList {
    /// In the order of the log.
    pub(crate) files: Vec<DataFile>,
    /// One row per file: the typed partition values under physical names.
    pub(crate) partitions: RecordBatch,
    /// Physical rows per file.
    pub(crate) row_counts: UInt64Array,
    /// Per physical column: bounds and counts of nulls, one value per file.
    pub(crate) statistics: HashMap<String, ColumnBounds>,
    /// Roughly what the list holds in memory.
    pub(crate) bytes: usize,
}

/// What the log says about one column, one value per file; null where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct ColumnBounds {
    /// Not above any value.
    pub(crate) minimum: Option<ArrayRef>,
    /// Not below any value.
    pub(crate) maximum: Option<ArrayRef>,
    /// Nulls, deleted rows included.
    pub(crate) nulls: Option<ArrayRef>,
}

impl FileList {
    /// Replays the log. Blocks; call it where blocking is allowed.
    pub(crate) fn load(
        snapshot: &SnapshotRef,
        engine: &dyn Engine,
        columns: &Columns,
        table: &TableName,
    ) -> Result<Self> {
        let fail = |error: KernelError| error::from_kernel(error, table);
        let scan = Arc::clone(snapshot)
            .scan_builder()
            .with_stats(StatsOptions::all_struct())
            .with_partition_values(PartitionValuesOptions::with_struct())
            .without_row_transforms()
            .build()
            .map_err(fail)?;
        let mut files = Vec::new();
        let mut batches = Vec::new();
        for metadata in scan.scan_metadata(engine).map_err(fail)? {
            let metadata = metadata.map_err(fail)?;
            let before = files.len();
            files = metadata.visit_scan_files(files, push_file).map_err(fail)?;
            let batch = selected_rows(&metadata).map_err(|error| broken(table, error))?;
            if batch.num_rows() != files.len() - before {
                return Err(Error::internal(
                    "a batch of the log holds other files than its visitor saw",
                ));
            }
            batches.push(batch);
        }
        Self::assemble(files, &batches, scan.table_root(), columns, table)
    }

    fn assemble(
        files: Vec<ScanFile>,
        batches: &[RecordBatch],
        root: &Url,
        columns: &Columns,
        table: &TableName,
    ) -> Result<Self> {
        let broken = |error: ArrowError| broken(table, error);
        let stats = concat_struct(batches, "stats_parsed").map_err(broken)?;
        let values = concat_struct(batches, "partitionValues_parsed").map_err(broken)?;
        let partitions = partition_batch(values.as_ref(), columns, files.len()).map_err(broken)?;
        let row_counts = row_counts(stats.as_ref(), files.len());
        let statistics = column_bounds(stats.as_ref(), columns).map_err(broken)?;
        let arrays = partitions.get_array_memory_size() + stats.as_ref().map_or(0, Array::get_array_memory_size);

        let mut kept = Vec::with_capacity(files.len());
        for (at, file) in files.into_iter().enumerate() {
            let rows = row_counts.is_valid(at).then(|| row_counts.value(at));
            let deleted = file
                .dv_info
                .cardinality()
                .map_err(|error| error::from_kernel(error, table))?;
            let live_rows = rows.map(|rows| rows.saturating_sub(deleted.unwrap_or(0)));
            let mut template = PartitionedFile::new_from_meta(object_meta(&file, root, table)?);
            for column in partitions.columns() {
                let value =
                    ScalarValue::try_from_array(column, at).map_err(|error| Error::internal(error.to_string()))?;
                template.partition_values.push(value);
            }
            kept.push(DataFile {
                template,
                deleted: file.dv_info,
                rows,
                live_rows,
                selected: OnceCell::new(),
            });
        }
        let mut list = Self {
            files: kept,
            partitions,
            row_counts,
            statistics,
            bytes: 0,
        };
        let width = columns.reader_schema().fields().len();
        let with_columns = list.files.len().saturating_mul(width) <= FILE_STATISTICS_MAX;
        list.attach_statistics(columns, with_columns);
        let attached = if with_columns {
            list.files.len() * width * 300
        } else {
            0
        };
        list.bytes = arrays + list.files.len() * FILE_BYTES + attached;
        Ok(list)
    }

    fn attach_statistics(&mut self, columns: &Columns, with_columns: bool) {
        for at in 0..self.files.len() {
            let statistics = statistics::of_file(self, at, columns, with_columns);
            if let Some(file) = self.files.get_mut(at) {
                // Not `with_statistics`: it takes every partition value for not null.
                file.template.statistics = Some(Arc::new(statistics));
            }
        }
    }
}

fn push_file(files: &mut Vec<ScanFile>, file: ScanFile) {
    files.push(file);
}

fn broken(table: &TableName, error: ArrowError) -> Error {
    Error::new(
        ErrorKind::DataCorrupted,
        format!(
            "the log of table \"{}\" holds statistics that cannot be used",
            table.table
        ),
    )
    .with_source(error)
}

fn selected_rows(metadata: &ScanMetadata) -> Result<RecordBatch, ArrowError> {
    let data = metadata.scan_files.data().any_ref().downcast_ref::<ArrowEngineData>();
    let batch = data.ok_or_else(|| ArrowError::SchemaError("the log is not in Arrow's layout".to_owned()))?;
    let batch = batch.record_batch();
    let mut selection = metadata.scan_files.selection_vector().to_vec();
    selection.resize(batch.num_rows(), true);
    let paths = batch.column_by_name("path");
    let mask = selection.into_iter().enumerate();
    let mask = mask.map(|(row, selected)| selected && paths.is_none_or(|paths| paths.is_valid(row)));
    filter_record_batch(batch, &mask.collect::<Vec<_>>().into())
}

fn concat_struct(batches: &[RecordBatch], name: &str) -> Result<Option<StructArray>, ArrowError> {
    let mut parts = Vec::with_capacity(batches.len());
    for batch in batches {
        let Some(column) = batch.column_by_name(name) else {
            return Ok(None);
        };
        let schema = Schema::new(vec![Field::new(name, column.data_type().clone(), true)]);
        parts.push(RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(column)])?);
    }
    let Some(first) = parts.first() else { return Ok(None) };
    let whole = concat_batches(&first.schema(), &parts)?;
    Ok(whole.column(0).as_struct_opt().cloned())
}

fn partition_batch(values: Option<&StructArray>, columns: &Columns, rows: usize) -> Result<RecordBatch, ArrowError> {
    let fields = columns.table.table_partition_cols();
    let mut arrays = Vec::with_capacity(fields.len());
    for field in fields {
        let array = match values.and_then(|values| values.column_by_name(field.name())) {
            Some(array) => cast(array, field.data_type())?,
            None => arrow_array::new_null_array(field.data_type(), rows),
        };
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields.clone())), arrays, &options)
}

fn row_counts(stats: Option<&StructArray>, rows: usize) -> UInt64Array {
    let counts = stats.and_then(|stats| {
        let counts = stats.column_by_name("numRecords")?.as_primitive_opt::<Int64Type>()?;
        let valid = |at| stats.is_valid(at) && counts.is_valid(at);
        Some(
            (0..rows)
                .map(|at| {
                    if valid(at) {
                        u64::try_from(counts.value(at)).ok()
                    } else {
                        None
                    }
                })
                .collect(),
        )
    });
    counts.unwrap_or_else(|| UInt64Array::new_null(rows))
}

fn column_bounds(stats: Option<&StructArray>, columns: &Columns) -> Result<HashMap<String, ColumnBounds>, ArrowError> {
    let mut all = HashMap::new();
    let Some(stats) = stats else { return Ok(all) };
    let part = |name: &str| stats.column_by_name(name).and_then(|part| part.as_struct_opt());
    for field in columns.table.file_schema().fields() {
        if field.data_type().is_nested() || field.data_type() == &DataType::Null {
            continue;
        }
        let of = |name: &str| part(name).and_then(|part| part.column_by_name(field.name()));
        let bound = |array: Option<&ArrayRef>| match array {
            Some(array) if !array.data_type().is_nested() => cast(array, field.data_type()).map(Some),
            _ => Ok(None),
        };
        let nulls = of("nullCount")
            .and_then(|counts| counts.as_primitive_opt::<Int64Type>())
            .map(unsigned);
        let bounds = ColumnBounds {
            minimum: bound(of("minValues"))?.map(|array| for_widened_floats(&array, f64::min)),
            maximum: bound(of("maxValues"))?.map(|array| for_widened_floats(&widened(&array), f64::max)),
            nulls,
        };
        all.insert(field.name().clone(), bounds);
    }
    Ok(all)
}

fn unsigned(counts: &Int64Array) -> ArrayRef {
    let counts = counts
        .iter()
        .map(|count| count.and_then(|count| u64::try_from(count).ok()));
    Arc::new(counts.collect::<UInt64Array>())
}

/// The bound of a file that was written before its column was widened from float is the text of a float: `3.4` stands
/// for the float nearest to it, which lies beside the double nearest to it. Takes whichever of the two is safe.
fn for_widened_floats(bound: &ArrayRef, safe: fn(f64, f64) -> f64) -> ArrayRef {
    let Some(values) = bound.as_primitive_opt::<Float64Type>() else {
        return Arc::clone(bound);
    };
    let moved = values.unary::<_, Float64Type>(|value| {
        let as_float = f64::from(value as f32);
        if as_float.is_finite() {
            safe(value, as_float)
        } else {
            value
        }
    });
    Arc::new(moved)
}

/// Writers cut timestamps to milliseconds, which lowers a maximum.
fn widened(maximum: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = maximum.data_type() else {
        return Arc::clone(maximum);
    };
    match maximum.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(values) => {
            let raised = values.unary::<_, TimestampMicrosecondType>(|value| value.saturating_add(MILLISECOND_CUT_US));
            Arc::new(raised.with_timezone_opt(zone.clone()))
        }
        None => Arc::clone(maximum),
    }
}

fn object_meta(file: &ScanFile, root: &Url, table: &TableName) -> Result<ObjectMeta> {
    let invalid = || {
        Error::new(
            ErrorKind::DataCorrupted,
            format!(
                "the log of table \"{}\" holds a file path that cannot be used",
                table.table
            ),
        )
    };
    let url = root.join(&file.path).map_err(|_| invalid())?;
    if (url.scheme(), url.host_str(), url.username()) != (root.scheme(), root.host_str(), root.username()) {
        return Err(Error::unsupported(format!(
            "table \"{}\" has data files in another store, which cannot be read directly",
            table.table
        ))
        .with_detail("It is probably a shallow clone of a table that lies elsewhere."));
    }
    let location = Path::from_url_path(url.path()).map_err(|_| invalid())?;
    let size = u64::try_from(file.size).map_err(|_| invalid())?;
    let last_modified = DateTime::from_timestamp_millis(file.modification_time).unwrap_or_default();
    Ok(ObjectMeta {
        location,
        last_modified,
        size,
        e_tag: None,
        version: None,
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, TimestampMicrosecondArray};

    use super::*;

    #[test]
    fn bounds_stay_bounds_after_widening() {
        let bound: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(3.4),
            Some(0.1),
            None,
            Some(1e300),
            Some(2.0),
        ]));
        let exact = [f64::from(3.4_f32), f64::from(0.1_f32)];
        let lower = for_widened_floats(&bound, f64::min);
        let upper = for_widened_floats(&bound, f64::max);
        for (at, value) in exact.into_iter().enumerate() {
            assert!(lower.as_primitive::<Float64Type>().value(at) <= value);
            assert!(upper.as_primitive::<Float64Type>().value(at) >= value);
        }
        assert!(lower.is_null(2) && upper.is_null(2));
        assert_eq!(upper.as_primitive::<Float64Type>().value(3), 1e300);
        assert_eq!(upper.as_primitive::<Float64Type>().value(4), 2.0);
    }

    #[test]
    fn a_cut_maximum_is_raised() {
        let cut: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(1_000), None, Some(i64::MAX)]));
        let raised = widened(&cut);
        let raised = raised.as_primitive::<TimestampMicrosecondType>();
        assert_eq!(
            (raised.value(0), raised.is_null(1), raised.value(2)),
            (1_999, true, i64::MAX)
        );
    }
}
