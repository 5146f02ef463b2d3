//! Batches as they leave: in types that every client reads, and with nothing in their buffers but the answer.
//!
//! Arrow's messages carry whole buffers. A view or a dictionary that a filter went over still holds the values of the
//! rows that were filtered out, and a null can lie over a value that a mask has hidden. So views and dictionaries are
//! written out, and what lies below a null is wiped.

use std::sync::Arc;

use arrow_array::builder::FixedSizeBinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, BinaryType, ByteArrayType, LargeBinaryType, LargeUtf8Type, Utf8Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, GenericByteArray, GenericListArray, MapArray, OffsetSizeTrait,
    PrimitiveArray, RecordBatch, RecordBatchOptions, StructArray, UInt64Array, downcast_primitive_array,
};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion_common::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion_common::arrow::compute::{nullif, take};

/// The columns that clients see of an answer with those of `schema`.
///
/// Each may be null: what a plan says about that is not a promise.
pub(crate) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema.fields().iter().map(wire_field).collect();
    Arc::new(Schema::new(fields))
}

/// A batch in the types of `schema`, which [`wire_schema`] made.
///
/// # Errors
/// If the batch has other columns.
pub(crate) fn wire_batch(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.num_columns() != schema.fields().len() {
        return Err(ArrowError::SchemaError(
            "a batch has other columns than its answer".to_owned(),
        ));
    }
    let column = |(column, field): (&ArrayRef, &FieldRef)| {
        let column = match column.data_type() == field.data_type() {
            true => Arc::clone(column),
            false => arrow_cast::cast(column, field.data_type())?,
        };
        wiped(&column)
    };
    let columns = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(column)
        .collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

fn wire_field(field: &FieldRef) -> FieldRef {
    let field = Field::clone(field).with_nullable(true);
    let data_type = wire_type(field.data_type());
    Arc::new(field.with_data_type(data_type))
}

fn wire_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type()),
        DataType::List(item) | DataType::ListView(item) => DataType::List(wire_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(wire_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(wire_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(wire_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(wire_entries(entries), *sorted),
        other => other.clone(),
    }
}

/// A map's entries and keys are never null.
fn wire_entries(entries: &FieldRef) -> FieldRef {
    let DataType::Struct(fields) = entries.data_type() else {
        return Arc::clone(entries);
    };
    let fields = fields.iter().enumerate().map(|(at, field)| {
        let wire = wire_field(field);
        match at {
            0 => Arc::new(Field::clone(&wire).with_nullable(false)),
            _ => wire,
        }
    });
    let data_type = DataType::Struct(fields.collect());
    Arc::new(Field::clone(entries).with_data_type(data_type).with_nullable(false))
}

/// The same values, with nothing below nulls.
fn wiped(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Struct(_) => return Ok(Arc::new(wiped_struct(array.as_struct())?)),
        DataType::List(_) => return wiped_list(array.as_list::<i32>()),
        DataType::LargeList(_) => return wiped_list(array.as_list::<i64>()),
        DataType::FixedSizeList(_, _) => return wiped_fixed(array.as_fixed_size_list()),
        DataType::Map(_, _) => return wiped_map(array.as_map()),
        _ => {}
    }
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Ok(Arc::clone(array));
    };
    Ok(match array.data_type() {
        DataType::Utf8 => wiped_bytes::<Utf8Type>(array, nulls),
        DataType::LargeUtf8 => wiped_bytes::<LargeUtf8Type>(array, nulls),
        DataType::Binary => wiped_bytes::<BinaryType>(array, nulls),
        DataType::LargeBinary => wiped_bytes::<LargeBinaryType>(array, nulls),
        DataType::Boolean => Arc::new(array.as_boolean().iter().collect::<BooleanArray>()),
        DataType::FixedSizeBinary(width) => {
            let mut builder = FixedSizeBinaryBuilder::with_capacity(array.len(), *width);
            for value in array.as_fixed_size_binary().iter() {
                match value {
                    Some(value) => builder.append_value(value)?,
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        _ => downcast_primitive_array! {
            array => Arc::new(wiped_values(array, nulls)),
            _ => Arc::clone(array),
        },
    })
}

fn null_rows(nulls: &NullBuffer) -> impl Iterator<Item = usize> {
    (0..nulls.len()).filter(|row| nulls.is_null(*row))
}

fn wiped_values<T: ArrowPrimitiveType>(array: &PrimitiveArray<T>, nulls: &NullBuffer) -> PrimitiveArray<T> {
    let mut values = array.values().to_vec();
    for (row, value) in values.iter_mut().enumerate() {
        if nulls.is_null(row) {
            *value = T::Native::default();
        }
    }
    PrimitiveArray::new(values.into(), Some(nulls.clone())).with_data_type(array.data_type().clone())
}

fn wiped_bytes<T: ByteArrayType>(array: &ArrayRef, nulls: &NullBuffer) -> ArrayRef
where
    for<'a> GenericByteArray<T>: FromIterator<Option<&'a T::Native>>,
{
    let bytes = array.as_bytes::<T>();
    let offsets = bytes.value_offsets();
    if null_rows(nulls).all(|row| offsets.get(row) == offsets.get(row + 1)) {
        return Arc::clone(array);
    }
    Arc::new(bytes.iter().collect::<GenericByteArray<T>>())
}

/// `array` with nulls also where `nulls` has them.
fn with_nulls(array: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        Some(nulls) => nullif(array, &BooleanArray::new(!nulls.inner(), None)),
        None => Ok(Arc::clone(array)),
    }
}

fn wiped_struct(array: &StructArray) -> Result<StructArray, ArrowError> {
    let column = |column: &ArrayRef| wiped(&with_nulls(column, array.nulls())?);
    let columns = array.columns().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() {
        return Ok(array.clone());
    }
    StructArray::try_new(array.fields().clone(), columns, array.nulls().cloned())
}

/// The elements of rows that are not null, and where each row's begin.
fn elements<O: OffsetSizeTrait>(
    offsets: &OffsetBuffer<O>,
    nulls: Option<&NullBuffer>,
    values: &ArrayRef,
) -> Result<(OffsetBuffer<O>, ArrayRef), ArrowError> {
    let ranges = || {
        let starts = offsets.iter().zip(offsets.iter().skip(1)).enumerate();
        starts.map(
            |(row, (start, end))| match nulls.is_some_and(|nulls| nulls.is_null(row)) {
                true => start.as_usize()..start.as_usize(),
                false => start.as_usize()..end.as_usize(),
            },
        )
    };
    let kept = ranges().map(|range| range.len()).sum::<usize>();
    if kept == values.len() {
        return Ok((offsets.clone(), Arc::clone(values)));
    }
    let indices = UInt64Array::from_iter_values(ranges().flatten().map(|index| index as u64));
    let lengths = OffsetBuffer::from_lengths(ranges().map(|range| range.len()));
    Ok((lengths, take(values, &indices, None)?))
}

fn wiped_list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<ArrayRef, ArrowError> {
    let (offsets, values) = elements(array.offsets(), array.nulls(), array.values())?;
    let (DataType::List(item) | DataType::LargeList(item)) = array.data_type() else {
        return Err(ArrowError::SchemaError("a list that is none".to_owned()));
    };
    let list = GenericListArray::<O>::try_new(Arc::clone(item), offsets, wiped(&values)?, array.nulls().cloned())?;
    Ok(Arc::new(list))
}

fn wiped_map(array: &MapArray) -> Result<ArrayRef, ArrowError> {
    let entries: ArrayRef = Arc::new(array.entries().clone());
    let (offsets, entries) = elements(array.offsets(), array.nulls(), &entries)?;
    let DataType::Map(field, sorted) = array.data_type() else {
        return Err(ArrowError::SchemaError("a map that is none".to_owned()));
    };
    let entries = wiped_struct(entries.as_struct())?;
    let map = MapArray::try_new(Arc::clone(field), offsets, entries, array.nulls().cloned(), *sorted)?;
    Ok(Arc::new(map))
}

fn wiped_fixed(array: &FixedSizeListArray) -> Result<ArrayRef, ArrowError> {
    let DataType::FixedSizeList(item, length) = array.data_type() else {
        return Err(ArrowError::SchemaError("a list that is none".to_owned()));
    };
    let expanded = array
        .nulls()
        .map(|nulls| nulls.expand(usize::try_from(*length).unwrap_or_default()));
    let values = wiped(&with_nulls(array.values(), expanded.as_ref())?)?;
    let list = FixedSizeListArray::try_new(Arc::clone(item), *length, values, array.nulls().cloned())?;
    Ok(Arc::new(list))
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::{ListBuilder, StringDictionaryBuilder};
    use arrow_array::types::Int8Type;
    use arrow_array::{BinaryViewArray, Int32Array, ListArray, StringArray, StringViewArray};
    use arrow_flight::encode::FlightDataEncoderBuilder;
    use arrow_flight::error::FlightError;
    use datafusion_common::arrow::compute::filter;
    use futures::{FutureExt, StreamExt, stream};

    use super::*;

    const SECRET: &str = "SECRET-CARD-OF-BOB";

    /// What a client would get of a column.
    fn sent(column: ArrayRef) -> (ArrayRef, Vec<u8>) {
        let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![column]).unwrap();
        let schema = wire_schema(&schema);
        let batch = wire_batch(&batch, &schema).unwrap();
        let column = Arc::clone(batch.column(0));
        let data = FlightDataEncoderBuilder::new()
            .with_schema(schema)
            .build(stream::iter([Ok::<_, FlightError>(batch)]))
            .collect::<Vec<_>>()
            .now_or_never()
            .unwrap();
        (
            column,
            data.into_iter()
                .flat_map(|data| data.unwrap().data_body.to_vec())
                .collect(),
        )
    }

    fn holds_secret(bytes: &[u8]) -> bool {
        bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
    }

    /// Ten rows, of which only the first is for the client.
    fn only_first(column: ArrayRef) -> [ArrayRef; 3] {
        let first = (0..column.len()).map(|row| Some(row == 0)).collect::<BooleanArray>();
        let others = (0..column.len()).map(|row| Some(row != 0)).collect::<BooleanArray>();
        [
            filter(&column, &first).unwrap(),
            nullif(&column, &others).unwrap(),
            column.slice(0, 1),
        ]
    }

    #[test]
    fn nothing_beside_the_answer_is_sent() {
        let texts = || (0..10).map(|row| Some(if row == 0 { "a text for the client" } else { SECRET }));
        let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
        let mut lists = ListBuilder::new(arrow_array::builder::StringBuilder::new());
        for text in texts() {
            dictionary.append_value(text.unwrap());
            lists.append_value([text, text]);
        }
        let strings: ArrayRef = Arc::new(texts().collect::<StringArray>());
        let structs = StructArray::from(vec![(
            Arc::new(Field::new("s", DataType::Utf8, true)),
            Arc::clone(&strings),
        )]);
        let binary = texts().map(|text| text.map(str::as_bytes)).collect::<BinaryViewArray>();
        for column in [
            strings,
            Arc::new(texts().collect::<StringViewArray>()),
            Arc::new(binary),
            Arc::new(dictionary.finish()),
            Arc::new(lists.finish()) as ArrayRef,
            Arc::new(structs),
        ] {
            for (way, column) in only_first(column).into_iter().enumerate() {
                let data_type = column.data_type().clone();
                let before = column.len();
                let (column, bytes) = sent(column);
                assert_eq!(column.len(), before);
                assert!(!column.is_null(0));
                assert!(!holds_secret(&bytes), "{data_type}, {way}");
                assert!(bytes.windows(6).any(|window| window == b"client"), "{data_type}, {way}");
            }
        }
    }

    #[test]
    fn numbers_below_nulls_are_zero() {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(1000..1010));
        let [_, masked, _] = only_first(numbers);
        assert_eq!(masked.as_primitive::<arrow_array::types::Int32Type>().values()[5], 1005);
        let (column, _) = sent(masked);
        let column = column.as_primitive::<arrow_array::types::Int32Type>();
        assert_eq!(column.values()[0], 1000);
        assert_eq!(column.values()[1..], [0; 9]);
    }

    #[test]
    fn lists_stay_what_they_are() {
        let lists = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(4)]),
        ]);
        let (column, _) = sent(Arc::new(lists.slice(1, 3)));
        assert_eq!(column.as_list::<i32>(), &lists.slice(1, 3));
    }
}
