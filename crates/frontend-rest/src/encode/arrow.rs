//! An Arrow IPC stream, message by message.

use std::fmt;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, GenericByteViewArray, RecordBatch};
use arrow_ipc::writer::StreamEncoder;
use arrow_schema::{ArrowError, DataType, SchemaRef};
use contract::{Error, Result};
use datafusion_common::arrow::compute::can_cast_types;
use engine::{owned_batch, owned_schema};

/// About how many bytes of values a message holds: a reader has to take each message as a whole.
const MESSAGE_BYTES: usize = 1 << 20;

pub(super) struct ArrowWriter {
    schema: SchemaRef,
    /// Gone once the stream has ended.
    encoder: Option<Box<StreamEncoder>>,
}

impl fmt::Debug for ArrowWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ArrowWriter").finish_non_exhaustive()
    }
}

impl ArrowWriter {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self> {
        let from = schema;
        let schema = owned_schema(from);
        let refused = || Error::unsupported("Arrow streams cannot hold a type of this result");
        let castable =
            from.fields().iter().zip(schema.fields()).all(|(from, to)| {
                from.data_type() == to.data_type() || can_cast_types(from.data_type(), to.data_type())
            });
        if !castable {
            return Err(refused());
        }
        let encoder = StreamEncoder::try_new(&schema).map_err(|error| refused().with_source(error))?;
        Ok(Self {
            schema,
            encoder: Some(Box::new(encoder)),
        })
    }

    pub(super) fn batch(&mut self, batch: &RecordBatch, rows: Range<usize>, out: &mut Vec<u8>) -> Result<()> {
        let encoder = self
            .encoder
            .as_mut()
            .ok_or_else(|| Error::internal("rows behind the end of an Arrow stream"))?;
        if batch.num_columns() != self.schema.fields().len() {
            return Err(Error::internal("a result column does not match its declared type"));
        }
        let batch = batch.slice(rows.start, rows.len());
        let bytes: usize = batch.columns().iter().map(|column| value_bytes(column.as_ref())).sum();
        let step = (MESSAGE_BYTES / (bytes / rows.len().max(1)).max(1)).max(1);
        for start in (0..rows.len()).step_by(step) {
            let part = batch.slice(start, step.min(rows.len() - start));
            let part = owned_batch(&part, &self.schema).map_err(failed)?;
            for buffer in encoder.encode(&part).map_err(failed)? {
                out.extend_from_slice(&buffer);
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(encoder) = self.encoder.take() else {
            return Ok(());
        };
        for buffer in encoder.finish().map_err(failed)? {
            out.extend_from_slice(&buffer);
        }
        Ok(())
    }
}

fn failed(error: ArrowError) -> Error {
    Error::internal(format!("an Arrow stream cannot be written: {error}"))
}

/// About what the values of a column take in a message.
fn value_bytes(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view_opt().map_or(0, view_bytes),
        DataType::BinaryView => array.as_binary_view_opt().map_or(0, view_bytes),
        DataType::Dictionary(..) => array.as_any_dictionary_opt().map_or(0, |dictionary| {
            let values = dictionary.values();
            array.len() * (value_bytes(values.as_ref()) / values.len().max(1))
        }),
        _ => array
            .to_data()
            .get_slice_memory_size()
            .unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

fn view_bytes<T: ByteViewType + ?Sized>(array: &GenericByteViewArray<T>) -> usize {
    array.len() * size_of::<u128>() + array.total_buffer_bytes_used()
}
