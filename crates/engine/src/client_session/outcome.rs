use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::stream;
use postgres_dialect::CopyOptions;

use crate::ResultStream;

/// What a statement answers.
pub enum Outcome {
    /// Rows.
    Rows {
        /// The columns.
        schema: SchemaRef,
        /// The rows, in batches whose columns are those of `schema` by position.
        stream: ResultStream,
        /// `SELECT` and `FETCH` are completed with the count of rows, others stand alone.
        tag: &'static str,
    },
    /// Done, without rows.
    Command {
        /// How PostgreSQL names what was done.
        tag: String,
    },
    /// Rows to be written as COPY data.
    CopyOut {
        /// The columns.
        schema: SchemaRef,
        /// The rows.
        stream: ResultStream,
        /// How they are written.
        options: CopyOptions,
    },
    /// The text held no statement.
    Empty,
}

impl Outcome {
    pub(crate) fn command(tag: &str) -> Self {
        Self::Command { tag: tag.to_owned() }
    }

    /// Rows of text columns that are all there.
    pub(crate) fn lines(schema: SchemaRef, columns: Vec<Vec<String>>, tag: &'static str) -> contract::Result<Self> {
        let arrays = columns
            .into_iter()
            .map(|column| Arc::new(StringArray::from(column)) as ArrayRef)
            .collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays)?;
        Ok(Self::Rows {
            schema,
            stream: Box::pin(stream::iter([Ok(batch)])),
            tag,
        })
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { tag, .. } => f.debug_struct("Rows").field("tag", tag).finish_non_exhaustive(),
            Self::Command { tag } => f.debug_struct("Command").field("tag", tag).finish(),
            Self::CopyOut { options, .. } => f
                .debug_struct("CopyOut")
                .field("options", options)
                .finish_non_exhaustive(),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// A schema of text columns.
pub(crate) fn text_schema(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(
        names
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, true))
            .collect::<Vec<_>>(),
    ))
}
