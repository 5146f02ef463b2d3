//! Rows as JSON, lines of JSON, CSV or an Arrow stream, batch by batch.
//!
//! [`AnswerEncoder`] appends to a buffer that its caller empties when it likes: nothing of the answer is held here.
//! Columns are bound to their types once a batch, and no value allocates.
//!
//! # Values in JSON
//! Numbers keep their value: integers and decimals have every digit, decimals as many places as their scale says, and
//! floats the fewest digits that read back as the same number. What JSON has no number for is a string: `"NaN"`,
//! `"Infinity"`, `"-Infinity"`. Bytes are base64. Dates and times are ISO 8601: `"2024-01-31"`, `"12:00:00.500"`,
//! `"2024-01-31T12:00:00.123456"`, and with a `Z` in UTC if the type has a zone; a fraction has three, six or nine
//! digits, as many as it needs. Intervals are PostgreSQL's text. Lists are arrays, structs objects; maps are objects if
//! their keys are text, else arrays of pairs. Null is `null`.
//!
//! A name that stands more than once among the columns gets a number from its second place on: `name`, `name_2`. A name
//! that is unique stays as it is, so the number is the next that is free.
//!
//! # Arrow
//! Views, dictionaries and runs leave as plain columns, and every column may be null: a message holds the bytes of its
//! rows and nothing beside them.

mod arrow;
mod csv;
mod format;
mod json;
#[cfg(test)]
mod tests;

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_postgres::{EncodeError, SessionFormat};
use arrow_schema::SchemaRef;
use contract::{DataException, Error, ErrorKind, Result};
use serde_json::Value;

pub use format::AnswerFormat;

/// What stands around the rows of [`AnswerFormat::Json`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// `{"resource":[…]}`, with `"meta"` or `"error"` behind the rows.
    Resource,
    /// The array alone.
    Bare,
}

/// Writes one answer: [`begin`](Self::begin), [`batch`](Self::batch) as often as there are rows, then
/// [`end`](Self::end) or [`error`](Self::error).
#[derive(Debug)]
pub struct AnswerEncoder(Writer);

#[derive(Debug)]
enum Writer {
    Json(json::JsonWriter),
    Csv(csv::CsvWriter),
    Arrow(arrow::ArrowWriter),
}

impl AnswerEncoder {
    /// An encoder for rows of `schema`. The envelope counts for [`AnswerFormat::Json`] only.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a type that the format cannot hold.
    pub fn new(format: AnswerFormat, schema: &SchemaRef, envelope: Envelope) -> Result<Self> {
        Self::with_session(format, schema, envelope, &SessionFormat::default())
    }

    /// As [`new`](Self::new), with the settings of a session, which show in [`AnswerFormat::Csv`] only.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_session(
        format: AnswerFormat,
        schema: &SchemaRef,
        envelope: Envelope,
        session: &SessionFormat,
    ) -> Result<Self> {
        Ok(Self(match format {
            AnswerFormat::Json => {
                let layout = match envelope {
                    Envelope::Resource => json::Layout::Resource,
                    Envelope::Bare => json::Layout::Array,
                };
                Writer::Json(json::JsonWriter::new(schema, layout))
            }
            AnswerFormat::NdJson => Writer::Json(json::JsonWriter::new(schema, json::Layout::Lines)),
            AnswerFormat::Csv => Writer::Csv(csv::CsvWriter::new(schema, session)),
            AnswerFormat::Arrow => Writer::Arrow(arrow::ArrowWriter::new(schema)?),
        }))
    }

    /// Appends what stands before the first row. (Arrow's schema comes with the first batch, or with the end.)
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        match &mut self.0 {
            Writer::Json(writer) => writer.begin(out),
            Writer::Csv(writer) => writer.begin(out),
            Writer::Arrow(_) => {}
        }
    }

    /// Appends the rows `rows` of `batch`. Rows beyond the end of the batch are not an error: there are none. If it
    /// fails, the rows before the failing one may stay in `out`, of the failing one nothing does.
    ///
    /// # Errors
    /// A [`DataException`] for dates and times beyond the range of PostgreSQL's types, an internal error if the batch
    /// does not have the columns of the schema.
    pub fn batch(&mut self, batch: &RecordBatch, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let end = rows.end.min(batch.num_rows());
        let rows = rows.start.min(end)..end;
        match &mut self.0 {
            Writer::Json(writer) => writer.batch(batch, rows, out),
            Writer::Csv(writer) => writer.batch(batch, rows, out),
            Writer::Arrow(writer) => writer.batch(batch, rows, out),
        }
    }

    /// Appends what stands behind the last row. `meta` has its place in [`Envelope::Resource`] only; elsewhere it is
    /// left out.
    ///
    /// # Errors
    /// An internal error if Arrow's writer fails.
    pub fn end(&mut self, meta: Option<&Value>, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.0 {
            Writer::Json(writer) => writer.end(meta, out),
            Writer::Csv(_) => {}
            Writer::Arrow(writer) => writer.end(out)?,
        }
        Ok(())
    }

    /// Ends an answer that failed after its first bytes went out; `error` is what stands under `error` in the body of
    /// an error answer.
    ///
    /// [`Envelope::Resource`] is closed with the error behind the rows; a bare array has `{"error":…}` as its last
    /// element and lines as the last line. CSV and Arrow have no place for it, and nothing is appended. So in every
    /// format the caller must break off the connection afterwards: only a transfer that is cut short is an error for
    /// every client.
    pub fn error(&mut self, error: &Value, out: &mut Vec<u8>) {
        if let Writer::Json(writer) = &mut self.0 {
            writer.error(error.get("error").unwrap_or(error), out);
        }
    }
}

/// What an encoder of `arrow-postgres` refuses, as an error of ours.
pub fn encode_failed(error: EncodeError) -> Error {
    let kind = match error.sqlstate {
        "22008" => ErrorKind::DataException(DataException::DatetimeFieldOverflow),
        "22003" => ErrorKind::DataException(DataException::NumericValueOutOfRange),
        "54000" => ErrorKind::LimitExceeded,
        _ => ErrorKind::DataException(DataException::Other),
    };
    Error::new(kind, error.message)
}
