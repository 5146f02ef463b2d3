//! Batches as DataRow messages.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::column::{Column, VALUE_BYTES_MAX};
use crate::error::{EncodeError, Failure};
use crate::session::SessionFormat;
use crate::type_map;

/// How values travel: as text, or in the type's binary form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Format code 0.
    Text,
    /// Format code 1.
    Binary,
}

/// Writes the rows of one result. Built once, used for each of its batches.
#[derive(Debug, Clone)]
pub struct RowEncoder {
    oids: Vec<u32>,
    formats: Vec<Format>,
    session: SessionFormat,
}

/// No more than this is reserved ahead; a larger result grows the buffer by itself.
const RESERVE_BYTES_MAX: usize = 1 << 20;

impl RowEncoder {
    /// An encoder for results of `schema`. A column without an entry in `formats` is sent as text.
    pub fn new(schema: &Schema, formats: &[Format], session: &SessionFormat) -> Self {
        let oids: Vec<u32> = schema.fields().iter().map(|field| type_map::resolve(field)).collect();
        let mut formats = formats.to_vec();
        formats.resize(oids.len(), Format::Text);
        Self {
            oids,
            formats,
            session: session.clone(),
        }
    }

    /// Appends the rows `rows` of `batch` as complete DataRow messages. Rows before a failing one stay in `out`, of the
    /// failing one nothing does. Rows beyond the end of the batch are not an error: there are none.
    ///
    /// # Errors
    /// `22008` for dates and timestamps outside PostgreSQL's range, `22003` for numbers outside their type, `54000`
    /// for values or rows of 1 GiB, `XX000` if the batch does not have the columns of the schema.
    pub fn encode_data_rows(
        &self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let columns = bind_columns(&self.oids, batch, &self.session)?;
        let count = i16::try_from(columns.len())
            .map_err(|_| Failure::RowTooLong.into_error())?
            .to_be_bytes();
        let header = [b'D', 0, 0, 0, 0, count[0], count[1]];
        let rows = rows.start..rows.end.min(batch.num_rows());
        reserve(out, &columns, rows.len(), batch.num_rows());
        let columns: Vec<(Column<'_>, bool)> = columns
            .into_iter()
            .zip(self.formats.iter().map(|format| *format == Format::Binary))
            .collect();
        for row in rows {
            let start = out.len();
            out.extend_from_slice(&header);
            let written = columns
                .iter()
                .try_for_each(|(column, binary)| column.put(row, *binary, out));
            if let Err(failure) = written.and_then(|()| finish_message(out, start)) {
                out.truncate(start);
                return Err(failure.into_error());
            }
        }
        Ok(())
    }
}

/// Binds each column of a batch to its type.
pub(crate) fn bind_columns<'a>(
    oids: &[u32],
    batch: &'a RecordBatch,
    session: &'a SessionFormat,
) -> Result<Vec<Column<'a>>, EncodeError> {
    if batch.num_columns() != oids.len() {
        return Err(Failure::BrokenArray.into_error());
    }
    let columns = batch
        .columns()
        .iter()
        .zip(oids)
        .map(|(array, oid)| Column::new(array.as_ref(), *oid, session));
    columns.collect::<Result<_, Failure>>().map_err(Failure::into_error)
}

pub(crate) fn reserve(out: &mut Vec<u8>, columns: &[Column<'_>], rows: usize, batch_rows: usize) {
    let row_bytes: usize = 7 + columns
        .iter()
        .map(|column| column.width_estimate(batch_rows))
        .sum::<usize>();
    out.reserve(row_bytes.saturating_mul(rows).min(RESERVE_BYTES_MAX));
}

/// Fills the length of the message that begins with its type byte at `start`.
#[inline]
pub(crate) fn finish_message(out: &mut [u8], start: usize) -> Result<(), Failure> {
    let length = out.len() - start - 1;
    if length > VALUE_BYTES_MAX {
        return Err(Failure::RowTooLong);
    }
    if let Some(gap) = out.get_mut(start + 1..start + 5) {
        gap.copy_from_slice(&(length as u32).to_be_bytes());
    }
    Ok(())
}
