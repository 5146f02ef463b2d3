//! One column of a batch, downcast once, that writes its values as JSON: a value costs one match and no allocation.

use std::ops::Range;

use arrow_array::types::{ArrowPrimitiveType, Float16Type};
use arrow_array::{Array, UnionArray};
use arrow_buffer::{BooleanBuffer, IntervalDayTime, IntervalMonthDayNano, NullBuffer, i256};
use arrow_postgres::digits;
use arrow_schema::TimeUnit;

use super::label::Label;
use super::text::{Bytes, push_base64, push_string};
use super::{Failure, float, time};

type Half = <Float16Type as ArrowPrimitiveType>::Native;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A column, or the values below one.
#[derive(Debug)]
pub(super) struct Column<'a> {
    /// Absent if no value is null.
    pub(super) nulls: Option<&'a NullBuffer>,
    pub(super) values: Values<'a>,
    pub(super) rows: usize,
}

#[derive(Debug)]
pub(super) enum Values<'a> {
    Null,
    Bool(&'a BooleanBuffer),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F16(&'a [Half]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    D32(&'a [i32], i8),
    D64(&'a [i64], i8),
    D128(&'a [i128], i8),
    D256(&'a [i256], i8),
    Text(Bytes<'a>),
    Bytes(Bytes<'a>),
    Uuid(Bytes<'a>),
    /// PostgreSQL's `"char"`: a byte that is a letter.
    Letter(&'a [i8]),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    /// With true, an instant.
    Timestamp(&'a [i64], TimeUnit, bool),
    IntervalMonths(&'a [i32]),
    IntervalDayTime(&'a [IntervalDayTime]),
    IntervalFull(&'a [IntervalMonthDayNano]),
    Duration(&'a [i64], TimeUnit),
    /// A dictionary, or runs: where in the column below the value of each row lies.
    Picked(Vec<usize>, Box<Column<'a>>),
    List(Spans<'a>, Box<Column<'a>>),
    Struct(Vec<Label>, Vec<Column<'a>>),
    /// Entries, their keys and values. With true, keys are text.
    Map(Spans<'a>, Box<(Column<'a>, Column<'a>)>, bool),
    Union(&'a UnionArray, Vec<(i8, Column<'a>)>),
}

/// Which items belong to a row.
#[derive(Debug)]
pub(super) enum Spans<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
    SmallView(&'a [i32], &'a [i32]),
    LargeView(&'a [i64], &'a [i64]),
}

impl Spans<'_> {
    fn of(&self, row: usize) -> Range<usize> {
        match self {
            Self::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Self::Fixed(size) => row * size..(row + 1) * size,
            Self::SmallView(offsets, sizes) => offsets[row] as usize..(offsets[row] + sizes[row]) as usize,
            Self::LargeView(offsets, sizes) => offsets[row] as usize..(offsets[row] + sizes[row]) as usize,
        }
    }
}

/// Appends an object: a value behind each label but the last.
#[inline]
pub(super) fn put_object(
    labels: &[Label],
    columns: &[Column<'_>],
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut labels = labels.iter();
    for (column, label) in columns.iter().zip(&mut labels) {
        label.put(out);
        column.put(row, out)?;
    }
    if let Some(label) = labels.next() {
        label.put(out);
    }
    Ok(())
}

impl Column<'_> {
    /// Appends the value of a row.
    #[inline]
    pub(super) fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.values {
            Values::I32(values) => digits::push_signed(out, values[row].into()),
            Values::I64(values) => digits::push_signed(out, values[row]),
            Values::F64(values) => float::push_double(out, values[row]),
            Values::D128(values, scale) => digits::push_decimal_128(out, values[row], *scale),
            Values::Text(values) => return values.put_string(row, out),
            Values::Date32(values) => return time::push_date(out, values[row].into()),
            Values::Timestamp(values, unit, instant) => {
                return time::push_timestamp(out, values[row], *unit, *instant);
            }
            _ => return self.put_other(row, out),
        }
        Ok(())
    }

    fn put_other(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        match &self.values {
            Values::Null => out.extend_from_slice(b"null"),
            Values::Bool(values) => {
                let text: &[u8] = if values.value(row) { b"true" } else { b"false" };
                out.extend_from_slice(text);
            }
            Values::I8(values) => digits::push_signed(out, values[row].into()),
            Values::I16(values) => digits::push_signed(out, values[row].into()),
            Values::U8(values) => digits::push_unsigned(out, values[row].into()),
            Values::U16(values) => digits::push_unsigned(out, values[row].into()),
            Values::U32(values) => digits::push_unsigned(out, values[row].into()),
            Values::U64(values) => digits::push_unsigned(out, values[row]),
            Values::F16(values) => float::push_single(out, values[row].to_f32()),
            Values::F32(values) => float::push_single(out, values[row]),
            Values::D32(values, scale) => digits::push_decimal_128(out, values[row].into(), *scale),
            Values::D64(values, scale) => digits::push_decimal_128(out, values[row].into(), *scale),
            Values::D256(values, scale) => digits::push_decimal_256(out, values[row], *scale),
            Values::Bytes(values) => return push_base64(out, values.get(row)),
            Values::Uuid(values) => {
                out.push(b'"');
                digits::push_uuid(out, values.get(row));
                out.push(b'"');
            }
            Values::Letter(values) => push_letter(out, values[row].cast_unsigned()),
            Values::Date64(values) => return time::push_date(out, values[row].div_euclid(86_400_000)),
            Values::Time32(values, unit) => return time::push_time(out, values[row].into(), *unit),
            Values::Time64(values, unit) => return time::push_time(out, values[row], *unit),
            Values::IntervalMonths(values) => push_interval(out, values[row], 0, 0),
            Values::IntervalDayTime(values) => {
                let value = values[row];
                push_interval(out, 0, value.days, i64::from(value.milliseconds) * 1_000);
            }
            Values::IntervalFull(values) => {
                let value = values[row];
                push_interval(out, value.months, value.days, value.nanoseconds / 1_000);
            }
            Values::Duration(values, unit) => {
                let micros = match unit {
                    TimeUnit::Second => values[row].checked_mul(1_000_000),
                    TimeUnit::Millisecond => values[row].checked_mul(1_000),
                    TimeUnit::Microsecond => Some(values[row]),
                    TimeUnit::Nanosecond => Some(values[row] / 1_000),
                };
                let micros = micros.ok_or(Failure::Interval)?;
                // What lies between two timestamps: whole days, and the rest of a day.
                let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| Failure::Interval)?;
                push_interval(out, 0, days, micros % MICROS_PER_DAY);
            }
            Values::Picked(places, values) => return values.put(places[row], out),
            Values::List(spans, items) => {
                return put_sequence(spans.of(row), out, |item, out| items.put(item, out));
            }
            Values::Struct(labels, members) => return put_object(labels, members, row, out),
            Values::Map(spans, entries, text_keys) => return put_map(spans.of(row), entries, *text_keys, out),
            Values::Union(union, children) => {
                let id = union.type_id(row);
                let child = children.iter().find(|(child, _)| *child == id);
                let (_, child) = child.ok_or(Failure::BrokenArray)?;
                return child.put(union.value_offset(row), out);
            }
            _ => return self.put(row, out),
        }
        Ok(())
    }

    /// About how many bytes a value takes, to reserve room.
    pub(super) fn width_estimate(&self) -> usize {
        match &self.values {
            Values::Text(values) | Values::Bytes(values) => 4 + values.average_length(self.rows) * 4 / 3,
            Values::Timestamp(..) => 30,
            Values::List(..) | Values::Struct(..) | Values::Map(..) | Values::Union(..) => 64,
            _ => 12,
        }
    }
}

fn put_sequence(
    items: Range<usize>,
    out: &mut Vec<u8>,
    mut put: impl FnMut(usize, &mut Vec<u8>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    out.push(b'[');
    let start = items.start;
    for item in items {
        if item != start {
            out.push(b',');
        }
        put(item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn put_map(
    entries: Range<usize>,
    (keys, values): &(Column<'_>, Column<'_>),
    text_keys: bool,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    if !text_keys {
        return put_sequence(entries, out, |entry, out| {
            out.push(b'[');
            keys.put(entry, out)?;
            out.push(b',');
            values.put(entry, out)?;
            out.push(b']');
            Ok(())
        });
    }
    out.push(b'{');
    let start = entries.start;
    for entry in entries {
        if entry != start {
            out.push(b',');
        }
        keys.put(entry, out)?;
        out.push(b':');
        values.put(entry, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn push_interval(out: &mut Vec<u8>, months: i32, days: i32, micros: i64) {
    out.push(b'"');
    digits::push_interval(out, months, days, micros);
    out.push(b'"');
}

/// A byte as the character of that number; PostgreSQL's zero is the empty text.
fn push_letter(out: &mut Vec<u8>, byte: u8) {
    let mut buffer = [0; 4];
    let text = char::from(byte).encode_utf8(&mut buffer);
    push_string(out, if byte == 0 { b"" } else { text.as_bytes() });
}

impl<'a> Column<'a> {
    /// As [`Array::nulls`], but absent if no value is null.
    pub(super) fn nulls_of(array: &'a dyn Array) -> Option<&'a NullBuffer> {
        array.nulls().filter(|nulls| nulls.null_count() > 0)
    }
}
