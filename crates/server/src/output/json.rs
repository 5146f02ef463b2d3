//! JSON by Arrow's writer, where that keeps every value; floats without a JSON number and bytes are written here.
//!
//! Decimals and 64-bit integers keep all their digits, NaN and infinities are the strings PostgreSQL prints, bytes are
//! base64.

use std::io::Write;
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type, IntervalUnit};
use arrow::error::ArrowError;
use arrow::json::writer::{
    Encoder, EncoderFactory, EncoderOptions, JsonArray, LineDelimited, NullableEncoder, Writer, WriterBuilder,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::Result;

use super::arrow_failed;

pub(crate) enum JsonWriter<'w> {
    Array(Writer<&'w mut (dyn Write + Send), JsonArray>),
    Lines(Writer<&'w mut (dyn Write + Send), LineDelimited>),
}

impl<'w> JsonWriter<'w> {
    pub(crate) fn array(out: &'w mut (dyn Write + Send)) -> Self {
        Self::Array(builder().build(out))
    }

    pub(crate) fn lines(out: &'w mut (dyn Write + Send)) -> Self {
        Self::Lines(builder().build(out))
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Array(writer) => writer.write(batch),
            Self::Lines(writer) => writer.write(batch),
        }
        .map_err(arrow_failed)
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Array(mut writer) => {
                writer.finish().map_err(arrow_failed)?;
                writer.get_mut().write_all(b"\n").map_err(super::write_failed)
            }
            Self::Lines(mut writer) => writer.finish().map_err(arrow_failed),
        }
    }
}

fn builder() -> WriterBuilder {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Faithful))
}

/// Replaces the encoders that would lose a value.
#[derive(Debug)]
struct Faithful;

impl EncoderFactory for Faithful {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> std::result::Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float16 => Box::new(Floats(array.as_primitive::<Float16Type>())),
            DataType::Float32 => Box::new(Floats(array.as_primitive::<Float32Type>())),
            DataType::Float64 => Box::new(Floats(array.as_primitive::<Float64Type>())),
            DataType::Binary => Box::new(Bytes(|row| array.as_binary::<i32>().value(row))),
            DataType::LargeBinary => Box::new(Bytes(|row| array.as_binary::<i64>().value(row))),
            DataType::BinaryView => Box::new(Bytes(|row| array.as_binary_view().value(row))),
            DataType::FixedSizeBinary(_) => Box::new(Bytes(|row| array.as_fixed_size_binary().value(row))),
            DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => {
                Box::new(Texts(ArrayFormatter::try_new(array, &FormatOptions::new())?))
            }
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Floats<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

/// A float's JSON: a number where JSON has one, else PostgreSQL's word in quotes.
trait JsonNumber {
    fn put(self, out: &mut Vec<u8>);
}

impl JsonNumber for f64 {
    fn put(self, out: &mut Vec<u8>) {
        match (self.is_nan(), self.is_finite()) {
            (true, _) => out.extend_from_slice(b"\"NaN\""),
            // The shortest digits that read back as the same number.
            (_, true) => out.extend_from_slice(format!("{self:?}").as_bytes()),
            _ if self > 0.0 => out.extend_from_slice(b"\"Infinity\""),
            _ => out.extend_from_slice(b"\"-Infinity\""),
        }
    }
}

impl JsonNumber for f32 {
    fn put(self, out: &mut Vec<u8>) {
        if self.is_finite() {
            out.extend_from_slice(format!("{self:?}").as_bytes());
        } else {
            f64::from(self).put(out);
        }
    }
}

impl Encoder for Floats<'_, Float64Type> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.0.value(row).put(out);
    }
}

impl Encoder for Floats<'_, Float32Type> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.0.value(row).put(out);
    }
}

impl Encoder for Floats<'_, Float16Type> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.0.value(row).to_f32().put(out);
    }
}

struct Bytes<F>(F);

impl<'a, F: Fn(usize) -> &'a [u8]> Encoder for Bytes<F> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(STANDARD.encode((self.0)(row)).as_bytes());
        out.push(b'"');
    }
}

/// Values whose text holds nothing to escape.
struct Texts<'a>(ArrayFormatter<'a>);

impl Encoder for Texts<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.0.value(row).to_string().as_bytes());
        out.push(b'"');
    }
}
