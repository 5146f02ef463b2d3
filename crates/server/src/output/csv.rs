//! CSV as `COPY … TO … WITH (FORMAT csv, HEADER)` writes it.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_postgres::{CopyEncoder, CopyFormat};
use contract::{Error, Result};

use super::cells::encode_failed;
use super::{Style, write_failed};

/// Rows encoded before they are written.
const ROWS_AT_ONCE: usize = 1024;

pub(crate) struct CsvWriter<'w> {
    encoder: CopyEncoder,
    buffer: Vec<u8>,
    out: &'w mut (dyn Write + Send),
}

impl<'w> CsvWriter<'w> {
    pub(crate) fn new(style: &Style, schema: &SchemaRef, out: &'w mut (dyn Write + Send)) -> Result<Self> {
        let mut format = CopyFormat::csv();
        if let CopyFormat::Csv { header, .. } = &mut format {
            *header = true;
        }
        Self::with_format(style, schema, format, out)
    }

    pub(crate) fn with_format(
        style: &Style,
        schema: &SchemaRef,
        format: CopyFormat,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Self> {
        let encoder = CopyEncoder::new(schema, format, &style.session);
        let mut writer = Self {
            encoder,
            buffer: Vec::new(),
            out,
        };
        writer.encoder.header(&mut writer.buffer);
        writer.flush()?;
        Ok(writer)
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut start = 0;
        while start < batch.num_rows() {
            let end = batch.num_rows().min(start + ROWS_AT_ONCE);
            self.encoder
                .encode(batch, start..end, &mut self.buffer)
                .map_err(encode_failed)?;
            self.flush()?;
            start = end;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.encoder.trailer(&mut self.buffer);
        self.flush()
    }

    /// Writes what the messages hold: the encoder frames each row for the wire, a tag and a length in front.
    fn flush(&mut self) -> Result<()> {
        let mut rest = self.buffer.as_slice();
        while let Some((_tag, after)) = rest.split_first() {
            let payload = after.split_first_chunk::<4>().and_then(|(length, after)| {
                let length = usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_sub(4)?;
                after.split_at_checked(length)
            });
            let (payload, after) = payload.ok_or_else(|| Error::internal("a row that cannot be read back"))?;
            self.out.write_all(payload).map_err(write_failed)?;
            rest = after;
        }
        self.buffer.clear();
        Ok(())
    }
}
