//! What the log says about files, in DataFusion's words. A number is exact only where the protocol makes it so: counts
//! and bounds hold for the physical rows, so a deletion vector makes the bounds inexact; text may be cut, timestamps
//! are, and decimals and floats travel through JSON numbers.

use arrow_array::{Array, ArrayRef, cast::AsArray as _, types::UInt64Type};
use arrow_schema::DataType;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};

use crate::columns::Columns;
use crate::file_list::{ColumnBounds, FileList};

/// More files than this are not merged column by column for one scan.
const MERGED_FILES_MAX: usize = 2_000;

/// The statistics of one file over the reader's whole schema.
pub(crate) fn of_file(list: &FileList, at: usize, columns: &Columns, with_columns: bool) -> Statistics {
    let schema = columns.reader_schema();
    let mut statistics = Statistics::new_unknown(schema);
    let Some(file) = list.files.get(at) else {
        return statistics;
    };
    statistics.num_rows = exact_count(file.live_rows);
    if !with_columns {
        return statistics;
    }
    let whole = !file.deleted.has_vector();
    let of_files = columns.table.file_schema().fields();
    for (field, column) in of_files.iter().zip(statistics.column_statistics.iter_mut()) {
        if let Some(bounds) = list.statistics.get(field.name()) {
            fill(column, bounds, at, whole, field.data_type());
        }
    }
    let of_partitions = statistics.column_statistics.iter_mut().skip(of_files.len());
    for (column, value) in of_partitions.zip(&file.template.partition_values) {
        fill_partition(column, value, file.live_rows);
    }
    statistics
}

/// The statistics of the files of a scan together.
pub(crate) fn of_scan(list: &FileList, kept: &[usize], columns: &Columns) -> Statistics {
    let schema = columns.reader_schema();
    let files = || kept.iter().filter_map(|&at| list.files.get(at));
    let mut statistics = Statistics::new_unknown(schema);
    if kept.len() <= MERGED_FILES_MAX {
        let parts = files().filter_map(|file| file.template.statistics.as_deref());
        if let Ok(merged) = Statistics::try_merge_iter(parts, schema) {
            statistics = merged;
        }
    }
    statistics.num_rows = exact_count(files().map(|file| file.live_rows).sum());
    let bytes: u64 = files().map(|file| file.template.object_meta.size).sum();
    statistics.total_byte_size = usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact);
    statistics
}

fn exact_count(count: Option<u64>) -> Precision<usize> {
    count
        .and_then(|count| usize::try_from(count).ok())
        .map_or(Precision::Absent, Precision::Exact)
}

fn fill(column: &mut ColumnStatistics, bounds: &ColumnBounds, at: usize, whole: bool, data_type: &DataType) {
    let exact = whole && (data_type.is_integer() || matches!(data_type, DataType::Date32));
    let bound = |array: &Option<ArrayRef>| match array.as_ref().and_then(|array| scalar(array, at)) {
        Some(value) if exact => Precision::Exact(value),
        Some(value) => Precision::Inexact(value),
        None => Precision::Absent,
    };
    column.min_value = bound(&bounds.minimum);
    column.max_value = bound(&bounds.maximum);
    let nulls = bounds
        .nulls
        .as_ref()
        .and_then(|counts| counts.as_primitive_opt::<UInt64Type>());
    column.null_count = match nulls.filter(|counts| at < counts.len() && counts.is_valid(at)) {
        Some(counts) => match usize::try_from(counts.value(at)) {
            Ok(count) if whole => Precision::Exact(count),
            Ok(count) => Precision::Inexact(count),
            Err(_) => Precision::Absent,
        },
        None => Precision::Absent,
    };
}

fn scalar(array: &ArrayRef, at: usize) -> Option<ScalarValue> {
    if at >= array.len() || array.is_null(at) {
        return None;
    }
    ScalarValue::try_from_array(array, at).ok()
}

fn fill_partition(column: &mut ColumnStatistics, value: &ScalarValue, live_rows: Option<u64>) {
    if value.is_null() {
        column.null_count = exact_count(live_rows);
    } else {
        column.null_count = Precision::Exact(0);
        column.min_value = Precision::Exact(value.clone());
        column.max_value = Precision::Exact(value.clone());
    }
}
