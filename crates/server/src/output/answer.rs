//! CSV, JSON, NDJSON and Arrow as the REST front end writes them.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use contract::Result;
use frontend_rest::encode::{AnswerEncoder, AnswerFormat, Envelope};

use super::{Style, write_failed};

/// Rows encoded before they are written.
const ROWS_AT_ONCE: usize = 1024;

pub(crate) struct AnswerWriter<'w> {
    encoder: AnswerEncoder,
    /// What ends the text: a file's last line ends.
    last: &'static [u8],
    buffer: Vec<u8>,
    out: &'w mut (dyn Write + Send),
}

impl<'w> AnswerWriter<'w> {
    pub(crate) fn new(
        format: AnswerFormat,
        style: &Style,
        schema: &SchemaRef,
        out: &'w mut (dyn Write + Send),
    ) -> Result<Self> {
        let mut writer = Self {
            encoder: AnswerEncoder::with_session(format, schema, Envelope::Bare, &style.session)?,
            last: if format == AnswerFormat::Json { b"\n" } else { b"" },
            buffer: Vec::new(),
            out,
        };
        writer.encoder.begin(&mut writer.buffer);
        writer.flush()?;
        Ok(writer)
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for start in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
            self.encoder
                .batch(batch, start..start + ROWS_AT_ONCE, &mut self.buffer)?;
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.encoder.end(None, &mut self.buffer)?;
        self.buffer.extend_from_slice(self.last);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        self.out.write_all(&self.buffer).map_err(write_failed)?;
        self.buffer.clear();
        Ok(())
    }
}
