//! Tests of the whole crate: bytes in, bytes out.

mod copy;
mod parameter;
mod round_trip;
mod text;
mod types;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};

use crate::{EncodeError, Format, PG_TYPE_METADATA, RowEncoder, SessionFormat};

/// A batch of one column, declared as the PostgreSQL type `name` if that is not empty.
fn batch(array: ArrayRef, name: &str) -> RecordBatch {
    let mut field = Field::new("c", array.data_type().clone(), true);
    if !name.is_empty() {
        field = field.with_metadata([(PG_TYPE_METADATA.to_owned(), name.to_owned())].into());
    }
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap()
}

fn encode(batch: &RecordBatch, format: Format, session: &SessionFormat) -> Result<Vec<u8>, EncodeError> {
    let encoder = RowEncoder::new(&batch.schema(), &vec![format; batch.num_columns()], session);
    let mut out = Vec::new();
    encoder.encode_data_rows(batch, 0..batch.num_rows(), &mut out)?;
    Ok(out)
}

/// Takes DataRow messages of one column apart.
fn fields(mut bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(bytes[0], b'D');
        let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
        assert_eq!(&bytes[5..7], &[0, 1]);
        let field = &bytes[7..1 + length];
        let size = i32::from_be_bytes(field[..4].try_into().unwrap());
        values.push((size >= 0).then(|| field[4..].to_vec()));
        assert_eq!(field.len() - 4, size.max(0) as usize);
        bytes = &bytes[1 + length..];
    }
    values
}

fn values_as(array: impl Array + 'static, name: &str, format: Format) -> Vec<Option<Vec<u8>>> {
    fields(&encode(&batch(Arc::new(array), name), format, &SessionFormat::default()).unwrap())
}

/// The texts of the values of `array`, `~` for null.
fn texts(array: impl Array + 'static) -> Vec<String> {
    texts_as(array, "")
}

fn texts_as(array: impl Array + 'static, name: &str) -> Vec<String> {
    let values = values_as(array, name, Format::Text).into_iter();
    values
        .map(|value| value.map_or("~".to_owned(), |value| String::from_utf8(value).unwrap()))
        .collect()
}

/// The binary values in hexadecimal, `~` for null.
fn binaries_as(array: impl Array + 'static, name: &str) -> Vec<String> {
    let hex = |value: Vec<u8>| value.iter().map(|byte| format!("{byte:02x}")).collect();
    values_as(array, name, Format::Binary)
        .into_iter()
        .map(|value| value.map_or("~".to_owned(), hex))
        .collect()
}
