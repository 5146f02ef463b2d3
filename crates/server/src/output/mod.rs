//! Results as a table, CSV, JSON, NDJSON, Arrow IPC or Parquet. All but the table stream: memory is a batch (Parquet: a
//! row group), whatever the result's size.

mod answer;
mod cells;
mod copy;
mod pager;
mod table;
mod target;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_postgres::SessionFormat;
use contract::{Error, ErrorKind, Result};
use frontend_rest::encode::AnswerFormat;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

pub(crate) use cells::Cells;
pub(crate) use copy::CopyWriter;
pub(crate) use pager::Pager;
pub(crate) use target::Target;

/// The forms a result can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for eyes.
    Table,
    /// Comma-separated values with a header, as PostgreSQL's COPY writes them.
    Csv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// An Arrow IPC stream.
    Arrow,
    /// A Parquet file, compressed with zstd.
    Parquet,
}

impl Format {
    /// Whether the bytes would garble a terminal.
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }

    /// The format's name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Arrow => "arrow",
            Self::Parquet => "parquet",
        }
    }
}

/// How a result is written.
#[derive(Debug, Clone)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// A record a block instead of a record a line, in tables.
    pub(crate) expanded: bool,
    pub(crate) session: SessionFormat,
}

/// Writes one result: batch by batch, then [`finish`](Self::finish).
pub(crate) enum ResultWriter<'w> {
    Table(table::TableWriter<'w>),
    Answer(answer::AnswerWriter<'w>),
    Parquet(Box<ArrowWriter<&'w mut (dyn Write + Send)>>),
}

impl<'w> ResultWriter<'w> {
    pub(crate) fn new(style: &Style, schema: &SchemaRef, out: &'w mut (dyn Write + Send)) -> Result<Self> {
        let format = match style.format {
            Format::Table => return Ok(Self::Table(table::TableWriter::new(style, schema, out))),
            Format::Csv => AnswerFormat::Csv,
            Format::Json => AnswerFormat::Json,
            Format::Ndjson => AnswerFormat::NdJson,
            Format::Arrow => AnswerFormat::Arrow,
            Format::Parquet => {
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                let writer = ArrowWriter::try_new(out, Arc::clone(schema), Some(properties));
                return Ok(Self::Parquet(Box::new(writer.map_err(parquet_failed)?)));
            }
        };
        answer::AnswerWriter::new(format, style, schema, out).map(Self::Answer)
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Table(writer) => writer.write(batch),
            Self::Answer(writer) => writer.write(batch),
            Self::Parquet(writer) => writer.write(batch).map_err(parquet_failed),
        }
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self {
            Self::Table(writer) => writer.finish(),
            Self::Answer(writer) => writer.finish(),
            Self::Parquet(mut writer) => writer.finish().map(|_| ()).map_err(parquet_failed),
        }
    }
}

/// The error of output that cannot be written.
pub(crate) fn write_failed(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
        _ => ErrorKind::Configuration,
    };
    let message = match kind {
        ErrorKind::DiskFull => "no space is left for the output".to_owned(),
        _ => format!("cannot write the output: {error}"),
    };
    Error::new(kind, message).with_source(error)
}

fn parquet_failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => write_failed(*error),
            Err(other) => Error::internal(other.to_string()),
        },
        ParquetError::NYI(_) | ParquetError::ArrowError(_) => {
            Error::unsupported("the result holds a type that Parquet files cannot hold")
                .with_hint("Cast the column to text, or use another format.")
                .with_source(error)
        }
        other => Error::new(ErrorKind::Internal, "writing Parquet failed").with_source(other),
    }
}

/// Whether the reader of our output is gone, which is no error worth a word (`lakegate sql … | head`).
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        if one
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return true;
        }
        cause = one.source();
    }
    false
}
