//! One column of a batch, downcast once, that writes its values as PostgreSQL's text or binary. This is the hot path:
//! a value costs one match and no allocation.

mod bind;
mod bytes;
mod indices;

use arrow_array::types::Float16Type;
use arrow_array::{Array, UnionArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, i256};
use arrow_schema::{DataType, TimeUnit};

pub(crate) use bind::downcast;
use bytes::Bytes;
use indices::{Keys, Runs};

use crate::calendar::{MICROS_MIN, MICROS_PER_DAY, POSTGRES_EPOCH_DAYS, POSTGRES_EPOCH_MICROS};
use crate::error::Failure;
use crate::json::Object;
use crate::list::List;
use crate::scalar_text::{self, Interval};
use crate::session::{SessionFormat, Zone};
use crate::{calendar, decode, float, numeric, oid, type_map};

type Half = <Float16Type as arrow_array::ArrowPrimitiveType>::Native;

/// The longest value, as in PostgreSQL.
pub(crate) const VALUE_BYTES_MAX: usize = 0x3fff_ffff;

/// A column, or the values below one, bound to the PostgreSQL type it is sent as.
#[derive(Debug)]
pub(crate) struct Column<'a> {
    pub(crate) oid: u32,
    /// Absent if no value is null.
    nulls: Option<&'a NullBuffer>,
    pub(crate) values: Values<'a>,
    session: &'a SessionFormat,
    /// Whether a value can be null although `nulls` does not say so.
    nulls_below: bool,
    /// Whether text is its own binary form.
    raw_text: bool,
}

#[derive(Debug)]
pub(crate) enum Values<'a> {
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
    Uuid(&'a [u8]),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    Timestamp(&'a [i64], TimeUnit, Option<&'a Zone>),
    IntervalMonths(&'a [i32]),
    IntervalDayTime(&'a [arrow_buffer::IntervalDayTime]),
    IntervalFull(&'a [arrow_buffer::IntervalMonthDayNano]),
    Duration(&'a [i64], TimeUnit),
    Dictionary(Keys<'a>, Box<Column<'a>>),
    Runs(Runs<'a>, Box<Column<'a>>),
    List(List<'a>),
    Object(Object<'a>),
    Union(&'a UnionArray, Vec<(i8, Column<'a>)>),
}

impl<'a> Column<'a> {
    /// Binds `array` to the type `oid`.
    pub(crate) fn new(array: &'a dyn Array, oid: u32, session: &'a SessionFormat) -> Result<Self, Failure> {
        if !type_map::carries(array.data_type(), oid) {
            return Err(Failure::BrokenArray);
        }
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        let values = Self::downcast_values(array, oid, session)?;
        let nulls_below = matches!(
            values,
            Values::Null | Values::Dictionary(..) | Values::Runs(..) | Values::Union(..)
        );
        Ok(Self {
            oid,
            nulls,
            values,
            session,
            nulls_below,
            raw_text: is_raw_text(oid),
        })
    }

    /// Whether the value is null, looking through dictionaries and runs.
    #[inline]
    pub(crate) fn is_null(&self, row: usize) -> bool {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return true;
        }
        self.nulls_below && self.is_null_below(row)
    }

    fn is_null_below(&self, row: usize) -> bool {
        match &self.values {
            Values::Null => true,
            Values::Dictionary(keys, values) => values.is_null(keys.get(row)),
            Values::Runs(runs, values) => values.is_null(runs.get(row)),
            Values::Union(union, children) => {
                union_child(union, children, row).is_none_or(|(child, at)| child.is_null(at))
            }
            _ => false,
        }
    }

    /// Appends the length of the value, -1 for null, and the value.
    #[inline]
    pub(crate) fn put(&self, row: usize, binary: bool, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.is_null(row) {
            out.extend_from_slice(&[0xff; 4]);
            return Ok(());
        }
        if binary {
            self.put_binary(row, out)
        } else {
            self.put_text(row, out)
        }
    }

    #[inline]
    fn put_text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let whole = match &self.values {
            Values::I32(values) => values[row].into(),
            Values::I64(values) => values[row],
            Values::I16(values) => values[row].into(),
            Values::Text(values) => return values.put(row, out),
            Values::Date32(values) => return scalar_text::push_date_field(out, values[row].into()),
            Values::D128(values, scale) => {
                return self.put_patched(row, out, |_, row, out| {
                    numeric::push_text_128(out, values[row], *scale);
                    Ok(())
                });
            }
            Values::Timestamp(values, unit, zone) => {
                return self.put_patched(row, out, |_, row, out| {
                    scalar_text::push_timestamp(out, timestamp_micros(values[row], *unit)?, *zone, b' ')
                });
            }
            Values::Dictionary(keys, values) => return values.put_text(keys.get(row), out),
            _ => return self.put_patched(row, out, Self::text),
        };
        scalar_text::push_signed_field(out, whole);
        Ok(())
    }

    #[inline]
    fn put_binary(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let whole = match &self.values {
            Values::F64(values) => {
                put_8(out, values[row].to_bits());
                return Ok(());
            }
            Values::Date32(values) => return put_date_binary(out, values[row].into()),
            Values::D128(values, scale) => {
                return self.put_patched(row, out, |_, row, out| {
                    numeric::push_binary_128(out, values[row], *scale);
                    Ok(())
                });
            }
            Values::Text(values) if self.raw_text => return values.put(row, out),
            Values::Bytes(values) => return values.put(row, out),
            Values::Dictionary(keys, values) => return values.put_binary(keys.get(row), out),
            Values::I32(values) => values[row].into(),
            Values::I64(values) => values[row],
            Values::I16(values) => values[row].into(),
            _ => return self.put_patched(row, out, Self::binary),
        };
        match (self.oid, i32::try_from(whole)) {
            (oid::INT8, _) => put_8(out, whole.cast_unsigned()),
            (oid::INT4, Ok(small)) => put_4(out, small),
            _ => return self.put_patched(row, out, Self::binary),
        }
        Ok(())
    }

    #[inline]
    fn put_patched(
        &self,
        row: usize,
        out: &mut Vec<u8>,
        write: impl Fn(&Self, usize, &mut Vec<u8>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        write(self, row, out)?;
        patch_length(out, start)
    }

    /// Appends the text of a value that is not null.
    pub(crate) fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        match &self.values {
            Values::Null => {}
            Values::Bool(values) => out.push(if values.value(row) { b't' } else { b'f' }),
            Values::I8(values) if self.oid == oid::CHAR => out.push(values[row] as u8),
            Values::U8(values) if self.oid == oid::CHAR => out.push(values[row]),
            Values::I8(values) => scalar_text::push_signed(out, values[row].into()),
            Values::I16(values) => scalar_text::push_signed(out, values[row].into()),
            Values::I32(values) => scalar_text::push_signed(out, values[row].into()),
            Values::I64(values) => scalar_text::push_signed(out, values[row]),
            Values::U8(values) => scalar_text::push_unsigned(out, values[row].into()),
            Values::U16(values) => scalar_text::push_unsigned(out, values[row].into()),
            Values::U32(values) if self.oid == oid::REGTYPE => scalar_text::push_type(out, values[row]),
            Values::U32(values) => scalar_text::push_unsigned(out, values[row].into()),
            Values::U64(values) => scalar_text::push_unsigned(out, values[row]),
            Values::F16(values) => float::push_single(out, values[row].to_f32(), self.session.extra_float_digits),
            Values::F32(values) => float::push_single(out, values[row], self.session.extra_float_digits),
            Values::F64(values) => float::push_double(out, values[row], self.session.extra_float_digits),
            Values::D32(values, scale) => numeric::push_text_128(out, values[row].into(), *scale),
            Values::D64(values, scale) => numeric::push_text_128(out, values[row].into(), *scale),
            Values::D128(values, scale) => numeric::push_text_128(out, values[row], *scale),
            Values::D256(values, scale) => numeric::push_text_256(out, values[row], *scale),
            Values::Text(values) => out.extend_from_slice(values.get(row)),
            Values::Bytes(values) => scalar_text::push_bytea(out, values.get(row), self.session.bytea_hex),
            Values::Uuid(values) => scalar_text::push_uuid(out, uuid_at(values, row)),
            Values::Date32(values) => return scalar_text::push_date(out, values[row].into()),
            Values::Date64(values) => return scalar_text::push_date(out, day_of_millis(values[row])),
            Values::Time32(..) | Values::Time64(..) => {
                scalar_text::push_time(out, self.time(row)? as u64);
                if self.oid == oid::TIMETZ {
                    out.extend_from_slice(b"+00");
                }
            }
            Values::Timestamp(values, unit, zone) => {
                return scalar_text::push_timestamp(out, timestamp_micros(values[row], *unit)?, *zone, b' ');
            }
            Values::IntervalMonths(_) | Values::IntervalDayTime(_) | Values::IntervalFull(_) | Values::Duration(..) => {
                scalar_text::push_interval(out, self.interval(row)?)
            }
            Values::Dictionary(keys, values) => return values.text(keys.get(row), out),
            Values::Runs(runs, values) => return values.text(runs.get(row), out),
            Values::List(list) if matches!(self.oid, oid::JSON | oid::JSONB) => return list.json(row, out),
            Values::List(list) => return list.text(row, out),
            Values::Object(_) | Values::Union(..) => return self.json(row, out),
        }
        Ok(())
    }

    /// Appends the binary form of a value that is not null.
    pub(crate) fn binary(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        match &self.values {
            Values::Null => {}
            Values::Bool(values) => out.push(values.value(row).into()),
            Values::I8(values) => return self.integer(values[row].into(), out),
            Values::I16(values) => return self.integer(values[row].into(), out),
            Values::I32(values) => return self.integer(values[row].into(), out),
            Values::I64(values) => return self.integer(values[row], out),
            Values::U8(values) => return self.integer(values[row].into(), out),
            Values::U16(values) => return self.integer(values[row].into(), out),
            Values::U32(values) => return self.integer(values[row].into(), out),
            Values::U64(values) => numeric::push_binary_128(out, values[row].into(), 0),
            Values::F16(values) => out.extend_from_slice(&values[row].to_f32().to_be_bytes()),
            Values::F32(values) => out.extend_from_slice(&values[row].to_be_bytes()),
            Values::F64(values) => out.extend_from_slice(&values[row].to_be_bytes()),
            Values::D32(values, scale) => numeric::push_binary_128(out, values[row].into(), *scale),
            Values::D64(values, scale) => numeric::push_binary_128(out, values[row].into(), *scale),
            Values::D128(values, scale) => numeric::push_binary_128(out, values[row], *scale),
            Values::D256(values, scale) => numeric::push_binary_256(out, values[row], *scale),
            Values::Text(values) => return self.binary_of_text(values.get(row), out),
            Values::Bytes(values) => out.extend_from_slice(values.get(row)),
            Values::Uuid(values) => out.extend_from_slice(uuid_at(values, row)),
            Values::Date32(values) => return push_date_binary(out, values[row].into()),
            Values::Date64(values) => return push_date_binary(out, day_of_millis(values[row])),
            Values::Time32(..) | Values::Time64(..) => {
                out.extend_from_slice(&self.time(row)?.to_be_bytes());
                if self.oid == oid::TIMETZ {
                    out.extend_from_slice(&[0; 4]);
                }
            }
            Values::Timestamp(values, unit, _) => {
                let micros = timestamp_micros(values[row], *unit)?;
                if micros < MICROS_MIN {
                    return Err(Failure::TimestampOutOfRange);
                }
                out.extend_from_slice(&(micros - POSTGRES_EPOCH_MICROS).to_be_bytes());
            }
            Values::IntervalMonths(_) | Values::IntervalDayTime(_) | Values::IntervalFull(_) | Values::Duration(..) => {
                let interval = self.interval(row)?;
                out.extend_from_slice(&interval.micros.to_be_bytes());
                out.extend_from_slice(&interval.days.to_be_bytes());
                out.extend_from_slice(&interval.months.to_be_bytes());
            }
            Values::Dictionary(keys, values) => return values.binary(keys.get(row), out),
            Values::Runs(runs, values) => return values.binary(runs.get(row), out),
            Values::List(list) if !matches!(self.oid, oid::JSON | oid::JSONB) => return list.binary(row, out),
            Values::List(_) | Values::Object(_) | Values::Union(..) => {
                if self.oid == oid::JSONB {
                    out.push(1);
                }
                return self.json(row, out);
            }
        }
        Ok(())
    }

    /// Appends a value that is not null as JSON, spaced as `jsonb` prints it.
    pub(crate) fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        match &self.values {
            Values::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::F16(values) if !values[row].is_finite() => return self.quoted(row, out),
            Values::F32(values) if !values[row].is_finite() => return self.quoted(row, out),
            Values::F64(values) if !values[row].is_finite() => return self.quoted(row, out),
            Values::I8(_) | Values::U8(_) if self.oid == oid::CHAR => return self.quoted(row, out),
            Values::U32(_) if self.oid == oid::REGTYPE => return self.quoted(row, out),
            Values::I8(_)
            | Values::I16(_)
            | Values::I32(_)
            | Values::I64(_)
            | Values::U8(_)
            | Values::U16(_)
            | Values::U32(_)
            | Values::U64(_)
            | Values::F16(_)
            | Values::F32(_)
            | Values::F64(_)
            | Values::D32(..)
            | Values::D64(..)
            | Values::D128(..)
            | Values::D256(..) => return self.text(row, out),
            Values::Text(_) if matches!(self.oid, oid::JSON | oid::JSONB) => return self.text(row, out),
            Values::Text(values) => crate::json::push_string(out, values.get(row)),
            Values::Timestamp(values, unit, zone) => {
                out.push(b'"');
                scalar_text::push_timestamp(out, timestamp_micros(values[row], *unit)?, *zone, b'T')?;
                // ISO 8601 wants minutes in an offset.
                if zone.is_some()
                    && out
                        .get(out.len().wrapping_sub(3))
                        .is_some_and(|byte| matches!(byte, b'+' | b'-'))
                {
                    out.extend_from_slice(b":00");
                }
                out.push(b'"');
            }
            Values::Dictionary(keys, values) => return values.json(keys.get(row), out),
            Values::Runs(runs, values) => return values.json(runs.get(row), out),
            Values::List(list) => return list.json(row, out),
            Values::Object(object) => return object.json(row, out),
            Values::Union(union, children) => match union_child(union, children, row) {
                Some((child, at)) if !child.is_null(at) => return child.json(at, out),
                _ => out.extend_from_slice(b"null"),
            },
            Values::Null => out.extend_from_slice(b"null"),
            _ => return self.quoted(row, out),
        }
        Ok(())
    }

    /// The text as a JSON string.
    pub(crate) fn quoted(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut text = Vec::new();
        self.text(row, &mut text)?;
        crate::json::push_string(out, &text);
        Ok(())
    }

    /// Whether no text of this column ever needs quotes in an array or escapes in COPY.
    pub(crate) fn is_plain(&self) -> bool {
        match &self.values {
            Values::Dictionary(_, values) | Values::Runs(_, values) => values.is_plain(),
            Values::I8(_) | Values::U8(_) => self.oid != oid::CHAR,
            Values::U32(_) => self.oid != oid::REGTYPE,
            Values::Bool(_)
            | Values::I16(_)
            | Values::I32(_)
            | Values::I64(_)
            | Values::U16(_)
            | Values::U64(_)
            | Values::F16(_)
            | Values::F32(_)
            | Values::F64(_)
            | Values::D32(..)
            | Values::D64(..)
            | Values::D128(..)
            | Values::D256(..)
            | Values::Uuid(_)
            | Values::Time32(..)
            | Values::Time64(..) => true,
            _ => false,
        }
    }

    /// As [`is_plain`](Self::is_plain), with spaces allowed: COPY does not mind them.
    pub(crate) fn is_plain_or_spaced(&self) -> bool {
        match &self.values {
            Values::Dictionary(_, values) | Values::Runs(_, values) => values.is_plain_or_spaced(),
            Values::Date32(_)
            | Values::Date64(_)
            | Values::Timestamp(..)
            | Values::IntervalMonths(_)
            | Values::IntervalDayTime(_)
            | Values::IntervalFull(_)
            | Values::Duration(..) => true,
            _ => self.is_plain(),
        }
    }

    /// About how many bytes a field takes, to reserve room.
    pub(crate) fn width_estimate(&self, rows: usize) -> usize {
        4 + match &self.values {
            Values::Text(values) | Values::Bytes(values) => values.average_length(rows),
            Values::Timestamp(..) => 29,
            Values::List(_) | Values::Object(_) | Values::Union(..) => 64,
            _ => 12,
        }
    }

    /// The binary form of a type that the column holds as text.
    fn binary_of_text(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.raw_text {
            out.extend_from_slice(text);
            return Ok(());
        }
        if self.oid == oid::JSONB {
            out.push(1);
            out.extend_from_slice(text);
            return Ok(());
        }
        if self.oid == oid::UUID {
            let uuid = decode::uuid_bytes(text).ok_or(Failure::NotOfType(self.oid))?;
            out.extend_from_slice(&uuid);
            return Ok(());
        }
        if type_map::is_registry(self.oid) {
            let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u32>().ok());
            out.extend_from_slice(&number.ok_or(Failure::NotOfType(self.oid))?.to_be_bytes());
            return Ok(());
        }
        let value = decode::decode_parameter_in(self.oid, crate::Format::Text, Some(text), self.session)
            .map_err(|_| Failure::NotOfType(self.oid))?;
        if matches!(value.data_type, DataType::Utf8) {
            return Err(Failure::NotOfType(self.oid));
        }
        Column::new(value.array.as_ref(), self.oid, self.session)?.binary(0, out)
    }

    #[inline]
    fn integer(&self, value: i64, out: &mut Vec<u8>) -> Result<(), Failure> {
        let out_of_range = Failure::IntegerOutOfRange(self.oid);
        match self.oid {
            oid::INT8 => out.extend_from_slice(&value.to_be_bytes()),
            oid::INT4 => out.extend_from_slice(&i32::try_from(value).map_err(|_| out_of_range)?.to_be_bytes()),
            oid::INT2 => out.extend_from_slice(&i16::try_from(value).map_err(|_| out_of_range)?.to_be_bytes()),
            oid::CHAR => out.push(value as u8),
            _ => out.extend_from_slice(&u32::try_from(value).map_err(|_| out_of_range)?.to_be_bytes()),
        }
        Ok(())
    }

    /// Microseconds of the day; anything else is not a time.
    fn time(&self, row: usize) -> Result<i64, Failure> {
        let micros = match &self.values {
            Values::Time32(values, TimeUnit::Second) => i64::from(values[row]) * 1_000_000,
            Values::Time32(values, _) => i64::from(values[row]) * 1_000,
            Values::Time64(values, TimeUnit::Nanosecond) => values[row].div_euclid(1_000),
            Values::Time64(values, _) => values[row],
            _ => return Err(Failure::BrokenArray),
        };
        if (0..=MICROS_PER_DAY).contains(&micros) {
            Ok(micros)
        } else {
            Err(Failure::TimestampOutOfRange)
        }
    }

    fn interval(&self, row: usize) -> Result<Interval, Failure> {
        Ok(match &self.values {
            Values::IntervalMonths(values) => Interval {
                months: values[row],
                ..Interval::default()
            },
            Values::IntervalDayTime(values) => {
                let value = values[row];
                Interval {
                    months: 0,
                    days: value.days,
                    micros: i64::from(value.milliseconds) * 1_000,
                }
            }
            Values::IntervalFull(values) => {
                let value = values[row];
                Interval {
                    months: value.months,
                    days: value.days,
                    micros: value.nanoseconds / 1_000,
                }
            }
            Values::Duration(values, unit) => {
                let micros = match unit {
                    TimeUnit::Second => values[row].checked_mul(1_000_000),
                    TimeUnit::Millisecond => values[row].checked_mul(1_000),
                    TimeUnit::Microsecond => Some(values[row]),
                    TimeUnit::Nanosecond => Some(values[row] / 1_000),
                };
                let micros = micros.ok_or(Failure::IntervalOutOfRange)?;
                // What lies between two timestamps: whole days, and the rest of a day.
                let days = i32::try_from(micros / MICROS_PER_DAY).map_err(|_| Failure::IntervalOutOfRange)?;
                Interval {
                    months: 0,
                    days,
                    micros: micros % MICROS_PER_DAY,
                }
            }
            _ => return Err(Failure::BrokenArray),
        })
    }
}

/// The types whose binary form is their text.
fn is_raw_text(oid: u32) -> bool {
    matches!(
        oid,
        oid::TEXT
            | oid::VARCHAR
            | oid::BPCHAR
            | oid::NAME
            | oid::UNKNOWN
            | oid::CSTRING
            | oid::JSON
            | oid::XML
            | oid::CHAR
            | oid::PG_NODE_TREE
            | oid::REFCURSOR
    )
}

/// Replaces the four bytes at `start` by the number of bytes behind them.
#[inline]
pub(crate) fn patch_length(out: &mut [u8], start: usize) -> Result<(), Failure> {
    let length = out.len() - start - 4;
    if length > VALUE_BYTES_MAX {
        return Err(Failure::ValueTooLong);
    }
    if let Some(gap) = out.get_mut(start..start + 4) {
        gap.copy_from_slice(&(length as u32).to_be_bytes());
    }
    Ok(())
}

/// A field of four bytes, its length in front.
#[inline]
fn put_4(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&(4 << 32 | u64::from(value.cast_unsigned())).to_be_bytes());
}

/// A field of eight bytes, its length in front.
#[inline]
fn put_8(out: &mut Vec<u8>, value: u64) {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 8, a, b, c, d, e, f, g, h]);
}

fn union_child<'c, 'a>(
    union: &UnionArray,
    children: &'c [(i8, Column<'a>)],
    row: usize,
) -> Option<(&'c Column<'a>, usize)> {
    let id = union.type_id(row);
    children
        .iter()
        .find(|(child, _)| *child == id)
        .map(|(_, column)| (column, union.value_offset(row)))
}

fn uuid_at(values: &[u8], row: usize) -> &[u8] {
    values.get(row * 16..row * 16 + 16).unwrap_or_default()
}

fn day_of_millis(millis: i64) -> i64 {
    millis.div_euclid(86_400_000)
}

/// Days of PostgreSQL's epoch.
#[inline]
fn date_binary(days: i64) -> Result<i32, Failure> {
    if !(calendar::DAYS_MIN..=calendar::DAYS_MAX).contains(&days) {
        return Err(Failure::DateOutOfRange);
    }
    i32::try_from(days - POSTGRES_EPOCH_DAYS).map_err(|_| Failure::DateOutOfRange)
}

fn push_date_binary(out: &mut Vec<u8>, days: i64) -> Result<(), Failure> {
    out.extend_from_slice(&date_binary(days)?.to_be_bytes());
    Ok(())
}

#[inline]
fn put_date_binary(out: &mut Vec<u8>, days: i64) -> Result<(), Failure> {
    put_4(out, date_binary(days)?);
    Ok(())
}

/// Nanoseconds are cut off, not rounded, so that a timestamp never moves into the next second.
#[inline]
fn timestamp_micros(value: i64, unit: TimeUnit) -> Result<i64, Failure> {
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
    .ok_or(Failure::TimestampOutOfRange)
}
