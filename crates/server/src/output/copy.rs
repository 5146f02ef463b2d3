//! The rows of a `COPY … TO STDOUT`, as a file has them.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_postgres::{CopyEncoder, CopyFormat};
use contract::Result;
use frontend_rest::encode::encode_failed;

use super::{Style, write_failed};

/// Rows encoded before they are written.
const ROWS_AT_ONCE: usize = 1024;

pub(crate) struct CopyWriter<'w> {
    encoder: CopyEncoder,
    buffer: Vec<u8>,
    out: &'w mut (dyn Write + Send),
}

impl<'w> CopyWriter<'w> {
    pub(crate) fn new(
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
        writer.encoder.file_header(&mut writer.buffer);
        writer.flush()?;
        Ok(writer)
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for start in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
            self.encoder
                .encode_file(batch, start..start + ROWS_AT_ONCE, &mut self.buffer)
                .map_err(encode_failed)?;
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.encoder.file_trailer(&mut self.buffer);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.out.write_all(&self.buffer).map_err(write_failed)?;
        self.buffer.clear();
        Ok(())
    }
}
