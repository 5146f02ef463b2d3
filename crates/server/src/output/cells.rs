//! Values as PostgreSQL writes them, cell by cell.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_postgres::{RowEncoder, SessionFormat};
use contract::{Error, Result};
use frontend_rest::encode::encode_failed;

/// Makes texts of rows.
#[derive(Debug)]
pub(crate) struct Cells {
    encoder: RowEncoder,
    buffer: Vec<u8>,
}

impl Cells {
    pub(crate) fn new(schema: &SchemaRef, session: &SessionFormat) -> Self {
        Self {
            encoder: RowEncoder::new(schema, &[], session),
            buffer: Vec::new(),
        }
    }

    /// The texts of one row; none for null.
    pub(crate) fn row(&mut self, batch: &RecordBatch, row: usize) -> Result<Vec<Option<String>>> {
        self.buffer.clear();
        self.encoder
            .encode_data_rows(batch, row..row + 1, &mut self.buffer)
            .map_err(encode_failed)?;
        read_row(&self.buffer).ok_or_else(|| Error::internal("a row that cannot be read back"))
    }
}

/// Reads a DataRow message: tag, length, count, then each value behind its length, -1 for null.
fn read_row(message: &[u8]) -> Option<Vec<Option<String>>> {
    let (_, rest) = message.split_at_checked(5)?;
    let (count, mut rest) = rest.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    let mut cells = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            cells.push(None);
            continue;
        };
        let (value, after) = rest.split_at_checked(length)?;
        rest = after;
        cells.push(Some(String::from_utf8_lossy(value).into_owned()));
    }
    Some(cells)
}
