//! CSV as `COPY … TO … WITH (FORMAT csv, HEADER)` writes it.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_postgres::{CopyEncoder, CopyFormat, SessionFormat};
use arrow_schema::SchemaRef;
use contract::Result;

#[derive(Debug)]
pub(super) struct CsvWriter(CopyEncoder);

impl CsvWriter {
    pub(super) fn new(schema: &SchemaRef, session: &SessionFormat) -> Self {
        let mut format = CopyFormat::csv();
        if let CopyFormat::Csv { header, .. } = &mut format {
            *header = true;
        }
        Self(CopyEncoder::new(schema, format, session))
    }

    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        self.0.file_header(out);
    }

    pub(super) fn batch(&self, batch: &RecordBatch, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        self.0.encode_file(batch, rows, out).map_err(super::encode_failed)
    }
}
