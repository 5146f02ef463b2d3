//! Batches that hold the bytes of their rows and nothing beside them, for doors that send Arrow's own buffers.
//!
//! An Arrow message carries whole buffers. A view or a dictionary that a filter went over still holds the values of the
//! rows that were filtered out, and a null can lie over a value that a mask has hidden. So views, dictionaries and runs
//! are written out, lists keep the items of their rows only, and what lies below a null is wiped.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::arrow::array::{ArrayData, MutableArrayData, make_array};
use datafusion::arrow::compute::cast;

/// The schema of such batches of an answer with the columns of `schema`.
///
/// Each column may be null: what a plan says about that is not a promise.
pub fn owned_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<FieldRef> = schema.fields().iter().map(owned_field).collect();
    Arc::new(Schema::new(fields))
}

/// A batch in the types of `schema`, which [`owned_schema`] made. The rows are those of `batch`.
///
/// # Errors
/// If the batch has other columns, or one that cannot be written out.
pub fn owned_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.num_columns() != schema.fields().len() {
        let message = "a batch has other columns than its answer";
        return Err(ArrowError::SchemaError(message.to_owned()));
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| owned_column(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn owned_column(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if !data_type.is_nested() && column.nulls().is_none() && column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    // A nested column is cut to its rows first: what lies below is cast as a whole.
    let column = if data_type.is_nested() {
        make_array(copied(&column.to_data())?)
    } else {
        Arc::clone(column)
    };
    let column = if column.data_type() == data_type {
        column
    } else {
        cast(&column, data_type)?
    };
    wiped(&column.to_data()).map(make_array)
}

/// The values that are not null, at their places.
fn copied(data: &ArrayData) -> Result<ArrayData, ArrowError> {
    let mut copy = MutableArrayData::new(vec![data], true, data.len());
    match data.nulls() {
        None => copy.try_extend(0, 0, data.len())?,
        Some(nulls) => {
            let mut end = 0;
            for (start, behind) in nulls.valid_slices() {
                copy.try_extend_nulls(start - end)?;
                copy.try_extend(0, start, behind)?;
                end = behind;
            }
            copy.try_extend_nulls(data.len() - end)?;
        }
    }
    Ok(copy.freeze())
}

/// The same values, with nothing below nulls, at any depth.
fn wiped(data: &ArrayData) -> Result<ArrayData, ArrowError> {
    let nested = data.data_type().is_nested();
    if !nested && data.null_count() == 0 {
        return Ok(data.clone());
    }
    let copy = copied(data)?;
    if !nested {
        return Ok(copy);
    }
    let children = copy.child_data().iter().map(wiped).collect::<Result<_, _>>()?;
    copy.into_builder().child_data(children).build()
}

fn owned_field(field: &FieldRef) -> FieldRef {
    let field = Field::clone(field).with_nullable(true);
    let data_type = owned_type(field.data_type());
    Arc::new(field.with_data_type(data_type))
}

fn owned_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => owned_type(values),
        DataType::RunEndEncoded(_, values) => owned_type(values.data_type()),
        DataType::List(item) | DataType::ListView(item) => DataType::List(owned_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(owned_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(owned_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(owned_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(owned_entries(entries), *sorted),
        other => other.clone(),
    }
}

/// A map's entries and keys are never null.
fn owned_entries(entries: &FieldRef) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else {
        return Arc::clone(entries);
    };
    let required = |field: FieldRef| Arc::new(Field::clone(&field).with_nullable(false));
    let fields = fields.iter().enumerate().map(|(position, field)| match position {
        0 => required(owned_field(field)),
        _ => owned_field(field),
    });
    let data_type = DataType::Struct(fields.collect());
    required(Arc::new(Field::clone(entries).with_data_type(data_type)))
}
