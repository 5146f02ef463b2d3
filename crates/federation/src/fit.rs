//! Batches of a remote system in the types that the plan expects.

use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, SchemaRef};

use crate::one_nan::with_one_nan;

/// Gives `batch` the types of `schema`, by position, where that is another spelling of the same values, and floating
/// point one NaN. Anything else is an error: the statement's writer and the system disagree, and a wrong value must not
/// pass for an answer.
///
/// A schema without columns asks for rows only: a statement has a column all the same, which means nothing.
///
/// # Errors
/// `Internal` for another number of columns or another type, `SourceRejected` for a NULL where none may be.
pub(crate) fn fit(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if schema.fields().is_empty() {
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        return RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)
            .map_err(|error| Error::internal("a remote batch does not fit its schema").with_source(error));
    }
    if batch.num_columns() != schema.fields().len() {
        let message = format!(
            "a remote statement gave {} columns instead of {}",
            batch.num_columns(),
            schema.fields().len()
        );
        return Err(Error::internal(message));
    }
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| fit_column(column, field))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::internal("a remote batch does not fit its schema").with_source(error))
}

fn fit_column(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if !field.is_nullable() && column.null_count() > 0 {
        let message = format!(
            "column \"{}\" is said to hold no NULL, and the remote system sent one",
            field.name()
        );
        return Err(Error::new(ErrorKind::SourceRejected, message).with_hint(
            "If the table was changed there, CALL lakegate.refresh of its service and run the query again.",
        ));
    }
    let (from, to) = (column.data_type(), field.data_type());
    if from == to {
        return Ok(with_one_nan(column));
    }
    if !is_spelling(from, to) {
        let message = format!("a remote column \"{}\" is {from}, not {to}", field.name());
        return Err(Error::internal(message));
    }
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let fitted = cast_with_options(column, to, &options).map_err(|error| {
        Error::internal(format!("a remote column \"{}\" does not fit", field.name())).with_source(error)
    })?;
    Ok(with_one_nan(&fitted))
}

/// Whether the two types hold the same values in another layout, or a cast to `to` changes none that it takes.
fn is_spelling(from: &DataType, to: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Decimal128, Duration, Float32, Float64, Int8, Int16, Int32, Int64, Interval,
        LargeBinary, LargeList, LargeUtf8, List, Map, Null, Struct, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
        Utf8View,
    };
    match (from, to) {
        _ if from == to => true,
        (Null, _) => true,
        (Utf8 | LargeUtf8 | Utf8View, Utf8 | LargeUtf8 | Utf8View) => true,
        (Binary | LargeBinary | BinaryView, Binary | LargeBinary | BinaryView) => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) | (Float32, Float64) => true,
        // The rank of a row and the number of a set of keys, which are never negative.
        (Int64, UInt8 | UInt16 | UInt32 | UInt64) => true,
        // The same digits behind the point. A value with more before it than fit is an error of the cast.
        (Decimal128(_, scale), Decimal128(_, same)) => scale == same,
        // The zone is how a moment is shown, not which it is; without one it is another type.
        (Timestamp(unit, from), Timestamp(same, to)) => unit == same && from.is_some() == to.is_some(),
        (Duration(unit), Duration(same)) => unit == same,
        (Interval(unit), Interval(same)) => unit == same,
        (List(from) | LargeList(from), List(to) | LargeList(to)) => is_spelling(from.data_type(), to.data_type()),
        (Struct(from), Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to.iter())
                    .all(|(from, to)| from.name() == to.name() && is_spelling(from.data_type(), to.data_type()))
        }
        (Map(from, _), Map(to, _)) => is_spelling_of_entries(from, to),
        (Boolean, _) => false,
        _ => false,
    }
}

/// The entries of two maps: their names differ between systems and mean nothing.
fn is_spelling_of_entries(from: &Field, to: &Field) -> bool {
    match (from.data_type(), to.data_type()) {
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && from
                    .iter()
                    .zip(to.iter())
                    .all(|(from, to)| is_spelling(from.data_type(), to.data_type()))
        }
        _ => false,
    }
}
