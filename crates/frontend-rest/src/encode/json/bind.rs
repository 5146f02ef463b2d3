//! From an array to the typed values of a column: the one place that looks at Arrow's types.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{
    Array, ArrowPrimitiveType, FixedSizeListArray, LargeListArray, LargeListViewArray, ListArray, ListViewArray,
    RunArray,
};
use arrow_postgres::{oid, pg_type};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};

use super::Failure;
use super::column::{Column, Spans, Values};
use super::label::labels;
use super::text::Bytes;

fn downcast<A: 'static>(array: &dyn Array) -> Result<&A, Failure> {
    array.as_any().downcast_ref().ok_or(Failure::BrokenArray)
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> Result<&[T::Native], Failure> {
    array
        .as_primitive_opt::<T>()
        .map(|array| array.values().as_ref())
        .ok_or(Failure::BrokenArray)
}

fn byte_strings(array: &dyn Array) -> Result<Bytes<'_>, Failure> {
    Bytes::new(array).ok_or(Failure::BrokenArray)
}

impl<'a> Column<'a> {
    /// Binds `array`, which is of the type of `field`.
    pub(super) fn new(array: &'a dyn Array, field: &Field) -> Result<Self, Failure> {
        Ok(Self {
            nulls: Self::nulls_of(array),
            values: values(array, field)?,
            rows: array.len(),
        })
    }
}

fn boxed<'a>(array: &'a dyn Array, field: &Field) -> Result<Box<Column<'a>>, Failure> {
    Column::new(array, field).map(Box::new)
}

fn values<'a>(array: &'a dyn Array, field: &Field) -> Result<Values<'a>, Failure> {
    Ok(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Bool(array.as_boolean_opt().ok_or(Failure::BrokenArray)?.values()),
        DataType::Int8 if pg_type(field).oid == oid::CHAR => Values::Letter(primitive::<Int8Type>(array)?),
        DataType::Int8 => Values::I8(primitive::<Int8Type>(array)?),
        DataType::Int16 => Values::I16(primitive::<Int16Type>(array)?),
        DataType::Int32 => Values::I32(primitive::<Int32Type>(array)?),
        DataType::Int64 => Values::I64(primitive::<Int64Type>(array)?),
        DataType::UInt8 => Values::U8(primitive::<UInt8Type>(array)?),
        DataType::UInt16 => Values::U16(primitive::<UInt16Type>(array)?),
        DataType::UInt32 => Values::U32(primitive::<UInt32Type>(array)?),
        DataType::UInt64 => Values::U64(primitive::<UInt64Type>(array)?),
        DataType::Float16 => Values::F16(primitive::<Float16Type>(array)?),
        DataType::Float32 => Values::F32(primitive::<Float32Type>(array)?),
        DataType::Float64 => Values::F64(primitive::<Float64Type>(array)?),
        DataType::Decimal32(_, scale) => Values::D32(primitive::<Decimal32Type>(array)?, *scale),
        DataType::Decimal64(_, scale) => Values::D64(primitive::<Decimal64Type>(array)?, *scale),
        DataType::Decimal128(_, scale) => Values::D128(primitive::<Decimal128Type>(array)?, *scale),
        DataType::Decimal256(_, scale) => Values::D256(primitive::<Decimal256Type>(array)?, *scale),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Values::Text(byte_strings(array)?),
        DataType::FixedSizeBinary(16) if pg_type(field).oid == oid::UUID => Values::Uuid(byte_strings(array)?),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            Values::Bytes(byte_strings(array)?)
        }
        DataType::Date32 => Values::Date32(primitive::<Date32Type>(array)?),
        DataType::Date64 => Values::Date64(primitive::<Date64Type>(array)?),
        DataType::Time32(TimeUnit::Second) => Values::Time32(primitive::<Time32SecondType>(array)?, TimeUnit::Second),
        DataType::Time32(unit) => Values::Time32(primitive::<Time32MillisecondType>(array)?, *unit),
        DataType::Time64(TimeUnit::Nanosecond) => {
            Values::Time64(primitive::<Time64NanosecondType>(array)?, TimeUnit::Nanosecond)
        }
        DataType::Time64(unit) => Values::Time64(primitive::<Time64MicrosecondType>(array)?, *unit),
        DataType::Timestamp(unit, zone) => {
            let values = match unit {
                TimeUnit::Second => primitive::<TimestampSecondType>(array)?,
                TimeUnit::Millisecond => primitive::<TimestampMillisecondType>(array)?,
                TimeUnit::Microsecond => primitive::<TimestampMicrosecondType>(array)?,
                TimeUnit::Nanosecond => primitive::<TimestampNanosecondType>(array)?,
            };
            Values::Timestamp(values, *unit, zone.is_some())
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            Values::IntervalMonths(primitive::<IntervalYearMonthType>(array)?)
        }
        DataType::Interval(IntervalUnit::DayTime) => Values::IntervalDayTime(primitive::<IntervalDayTimeType>(array)?),
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Values::IntervalFull(primitive::<IntervalMonthDayNanoType>(array)?)
        }
        DataType::Duration(unit) => {
            let values = match unit {
                TimeUnit::Second => primitive::<DurationSecondType>(array)?,
                TimeUnit::Millisecond => primitive::<DurationMillisecondType>(array)?,
                TimeUnit::Microsecond => primitive::<DurationMicrosecondType>(array)?,
                TimeUnit::Nanosecond => primitive::<DurationNanosecondType>(array)?,
            };
            Values::Duration(values, *unit)
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary_opt().ok_or(Failure::BrokenArray)?;
            if dictionary.values().is_empty() {
                return Ok(Values::Null);
            }
            Values::Picked(
                dictionary.normalized_keys(),
                boxed(dictionary.values().as_ref(), field)?,
            )
        }
        DataType::RunEndEncoded(ends, item) => match ends.data_type() {
            DataType::Int16 => runs::<Int16Type>(array, item)?,
            DataType::Int32 => runs::<Int32Type>(array, item)?,
            _ => runs::<Int64Type>(array, item)?,
        },
        DataType::List(item) => {
            let list = downcast::<ListArray>(array)?;
            Values::List(Spans::Small(list.value_offsets()), boxed(list.values().as_ref(), item)?)
        }
        DataType::LargeList(item) => {
            let list = downcast::<LargeListArray>(array)?;
            Values::List(Spans::Large(list.value_offsets()), boxed(list.values().as_ref(), item)?)
        }
        DataType::FixedSizeList(item, size) => {
            let list = downcast::<FixedSizeListArray>(array)?;
            let size = usize::try_from(*size).map_err(|_| Failure::BrokenArray)?;
            Values::List(Spans::Fixed(size), boxed(list.values().as_ref(), item)?)
        }
        DataType::ListView(item) => {
            let list = downcast::<ListViewArray>(array)?;
            let spans = Spans::SmallView(list.value_offsets(), list.value_sizes());
            Values::List(spans, boxed(list.values().as_ref(), item)?)
        }
        DataType::LargeListView(item) => {
            let list = downcast::<LargeListViewArray>(array)?;
            let spans = Spans::LargeView(list.value_offsets(), list.value_sizes());
            Values::List(spans, boxed(list.values().as_ref(), item)?)
        }
        DataType::Struct(fields) => {
            let array = array.as_struct_opt().ok_or(Failure::BrokenArray)?;
            let members = fields.iter().zip(array.columns());
            let members = members.map(|(field, values)| Column::new(values.as_ref(), field));
            Values::Struct(labels(fields, b"}"), members.collect::<Result<_, Failure>>()?)
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(fields) = entries.data_type() else {
                return Err(Failure::BrokenArray);
            };
            let [key, value] = fields.as_ref() else {
                return Err(Failure::BrokenArray);
            };
            let map = array.as_map_opt().ok_or(Failure::BrokenArray)?;
            let keys = Column::new(map.keys().as_ref(), key)?;
            let values = Column::new(map.values().as_ref(), value)?;
            let spans = Spans::Small(map.value_offsets());
            Values::Map(spans, Box::new((keys, values)), is_text(key.data_type()))
        }
        DataType::Union(fields, _) => {
            let union = array.as_union_opt().ok_or(Failure::BrokenArray)?;
            let children = fields
                .iter()
                .map(|(id, field)| Ok((id, Column::new(union.child(id).as_ref(), field)?)));
            Values::Union(union, children.collect::<Result<_, Failure>>()?)
        }
    })
}

fn runs<'a, E: RunEndIndexType>(array: &'a dyn Array, item: &FieldRef) -> Result<Values<'a>, Failure> {
    let array = downcast::<RunArray<E>>(array)?;
    let places = (0..array.len()).map(|row| array.get_physical_index(row));
    Ok(Values::Picked(places.collect(), boxed(array.values().as_ref(), item)?))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        _ => false,
    }
}
