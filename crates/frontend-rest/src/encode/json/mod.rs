//! Rows as JSON objects.

mod bind;
mod column;
mod float;
mod label;
mod text;
mod time;

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use contract::{DataException, Error, Result};
use serde_json::Value;

use column::Column;
use label::Label;

/// No more than this is reserved ahead; a larger batch grows the buffer by itself.
const RESERVE_BYTES_MAX: usize = 1 << 20;

/// What stands around and between the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Resource,
    Array,
    Lines,
}

#[derive(Debug)]
pub(super) struct JsonWriter {
    schema: SchemaRef,
    layout: Layout,
    /// What stands in front of each value of a row, and behind the last.
    labels: Vec<Label>,
    /// Whether no row is written yet.
    first: bool,
}

impl JsonWriter {
    pub(super) fn new(schema: &SchemaRef, layout: Layout) -> Self {
        let close: &[u8] = if layout == Layout::Lines { b"}\n" } else { b"}" };
        Self {
            schema: SchemaRef::clone(schema),
            layout,
            labels: label::labels(schema.fields(), close),
            first: true,
        }
    }

    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        let text: &[u8] = match self.layout {
            Layout::Resource => b"{\"resource\":[",
            Layout::Array => b"[",
            Layout::Lines => b"",
        };
        out.extend_from_slice(text);
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        if batch.num_columns() != self.schema.fields().len() {
            return Err(Failure::BrokenArray.into_error());
        }
        // So that binding a column looks at no other row.
        let batch = batch.slice(rows.start, rows.len());
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns
            .map(|(field, array)| Column::new(array.as_ref(), field))
            .collect::<Result<Vec<_>, Failure>>()
            .map_err(Failure::into_error)?;
        let labels: usize = self.labels.iter().map(Label::len).sum();
        let values: usize = columns.iter().map(Column::width_estimate).sum();
        out.reserve((labels + values).saturating_mul(rows.len()).min(RESERVE_BYTES_MAX));
        for row in 0..rows.len() {
            let start = out.len();
            if !self.first && self.layout != Layout::Lines {
                out.push(b',');
            }
            if let Err(failure) = column::put_object(&self.labels, &columns, row, out) {
                out.truncate(start);
                return Err(failure.into_error());
            }
            self.first = false;
        }
        Ok(())
    }

    pub(super) fn end(&self, meta: Option<&Value>, out: &mut Vec<u8>) {
        match self.layout {
            Layout::Resource => {
                out.push(b']');
                if let Some(meta) = meta {
                    out.extend_from_slice(b",\"meta\":");
                    push_value(meta, out);
                }
                out.push(b'}');
            }
            Layout::Array => out.push(b']'),
            Layout::Lines => {}
        }
    }

    pub(super) fn error(&self, error: &Value, out: &mut Vec<u8>) {
        let (before, after): (&[u8], &[u8]) = match self.layout {
            Layout::Resource => (b"],\"error\":", b"}"),
            Layout::Array if self.first => (b"{\"error\":", b"}]"),
            Layout::Array => (b",{\"error\":", b"}]"),
            Layout::Lines => (b"{\"error\":", b"}\n"),
        };
        out.extend_from_slice(before);
        push_value(error, out);
        out.extend_from_slice(after);
    }
}

fn push_value(value: &Value, out: &mut Vec<u8>) {
    // A value of JSON has text keys, and a vector takes every byte.
    let _ = serde_json::to_writer(out, value);
}

/// What cannot be written: small enough that `Result<(), Failure>` stays in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Date,
    Timestamp,
    Interval,
    BrokenArray,
}

impl Failure {
    fn into_error(self) -> Error {
        let message = match self {
            Self::Date => "date out of range",
            Self::Timestamp => "timestamp out of range",
            Self::Interval => "interval out of range",
            Self::BrokenArray => return Error::internal("a result column does not match its declared type"),
        };
        Error::data(DataException::DatetimeFieldOverflow, message)
    }
}
