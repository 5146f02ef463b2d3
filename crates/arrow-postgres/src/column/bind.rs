//! From an array to the typed values of a column: the one place that looks at Arrow's types.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, RunArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::bytes::byte_strings;
use super::indices::{Runs, dictionary_keys};
use super::{Column, Values};
use crate::error::Failure;
use crate::json::Object;
use crate::list::List;
use crate::session::SessionFormat;
use crate::{oid, type_map};

pub(crate) fn downcast<A: 'static>(array: &dyn Array) -> Result<&A, Failure> {
    array.as_any().downcast_ref().ok_or(Failure::BrokenArray)
}

pub(super) fn primitive<T: arrow_array::ArrowPrimitiveType>(array: &dyn Array) -> Result<&[T::Native], Failure> {
    array
        .as_primitive_opt::<T>()
        .map(|array| array.values().as_ref())
        .ok_or(Failure::BrokenArray)
}

impl<'a> Column<'a> {
    pub(super) fn downcast_values(
        array: &'a dyn Array,
        oid: u32,
        session: &'a SessionFormat,
    ) -> Result<Values<'a>, Failure> {
        Ok(match array.data_type() {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Bool(array.as_boolean_opt().ok_or(Failure::BrokenArray)?.values()),
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
            DataType::FixedSizeBinary(16) if oid == oid::UUID => Values::Uuid(
                array
                    .as_fixed_size_binary_opt()
                    .ok_or(Failure::BrokenArray)?
                    .value_data(),
            ),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Values::Bytes(byte_strings(array)?)
            }
            DataType::Date32 => Values::Date32(primitive::<Date32Type>(array)?),
            DataType::Date64 => Values::Date64(primitive::<Date64Type>(array)?),
            DataType::Time32(TimeUnit::Second) => {
                Values::Time32(primitive::<Time32SecondType>(array)?, TimeUnit::Second)
            }
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
                Values::Timestamp(values, *unit, zone.as_ref().map(|_| &session.time_zone))
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                Values::IntervalMonths(primitive::<IntervalYearMonthType>(array)?)
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                Values::IntervalDayTime(primitive::<IntervalDayTimeType>(array)?)
            }
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
                let keys = dictionary_keys(dictionary.keys())?;
                Values::Dictionary(keys, Box::new(Column::new(dictionary.values().as_ref(), oid, session)?))
            }
            DataType::RunEndEncoded(ends, _) => {
                let (runs, values) = match ends.data_type() {
                    DataType::Int16 => {
                        let array = downcast::<RunArray<Int16Type>>(array)?;
                        (Runs::I16(array), array.values())
                    }
                    DataType::Int32 => {
                        let array = downcast::<RunArray<Int32Type>>(array)?;
                        (Runs::I32(array), array.values())
                    }
                    _ => {
                        let array = downcast::<RunArray<Int64Type>>(array)?;
                        (Runs::I64(array), array.values())
                    }
                };
                Values::Runs(runs, Box::new(Column::new(values.as_ref(), oid, session)?))
            }
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => Values::List(List::new(array, oid, session)?),
            DataType::Struct(_) | DataType::Map(..) => Values::Object(Object::new(array, session)?),
            DataType::Union(fields, _) => {
                let union = array.as_union_opt().ok_or(Failure::BrokenArray)?;
                let children = fields
                    .iter()
                    .map(|(id, field)| {
                        Ok((
                            id,
                            Column::new(union.child(id).as_ref(), type_map::resolve(field), session)?,
                        ))
                    })
                    .collect::<Result<_, Failure>>()?;
                Values::Union(union, children)
            }
        })
    }
}
