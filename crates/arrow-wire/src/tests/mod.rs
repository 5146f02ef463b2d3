//! What the tests share: valid streams, and messages made by hand of numbers that no writer writes.

mod frames;
mod holes;
mod limits;
mod mutations;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::builder::{
    FixedSizeListBuilder, Int64Builder, ListBuilder, MapBuilder, StringBuilder, StringDictionaryBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, FixedSizeBinaryArray, Int64Array, NullArray, RecordBatch, StringArray,
    StringViewArray, StructArray,
};
use arrow_buffer::Buffer;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_ipc::{
    BodyCompressionArgs, CompressionType, FieldNode, MessageArgs, MessageHeader, MetadataVersion, RecordBatchArgs,
};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use contract::{ErrorKind, Result};
use flatbuffers::FlatBufferBuilder;

use crate::{Limits, Sender, StreamDecoder};

pub(super) const CODECS: [Option<CompressionType>; 3] =
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];

pub(super) fn small() -> Limits {
    Limits {
        head_bytes: 1 << 20,
        body_bytes: 1 << 20,
        rows: 10_000,
        batch_bytes: 1 << 20,
        dictionary_bytes: 1 << 20,
        fields: 100,
        depth: 8,
        ..Limits::default()
    }
}

/// A column of each kind that is taken.
pub(super) fn batch() -> RecordBatch {
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    let mut lists = ListBuilder::new(Int64Builder::new());
    let mut pairs = FixedSizeListBuilder::new(Int64Builder::new(), 2);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for row in 0..30_i64 {
        dictionary.append_value(if row % 3 == 0 { "a" } else { "another value" });
        lists.append_value([Some(1), None, Some(row)]);
        pairs.values().append_slice(&[row, row + 1]);
        pairs.append(true);
        maps.keys().append_value(format!("key {row}"));
        maps.values().append_value(row);
        maps.append(row % 7 != 0).unwrap();
    }
    let texts = || (0..30).map(|row| (row % 4 != 0).then(|| format!("a text that is not in line: {row}")));
    let inner: Vec<(Arc<Field>, ArrayRef)> = vec![
        (
            Arc::new(Field::new("s", DataType::Utf8, true)),
            Arc::new(texts().collect::<StringArray>()),
        ),
        (
            Arc::new(Field::new("d", DataType::Decimal128(10, 2), true)),
            Arc::new(
                Decimal128Array::from_iter_values(0..30)
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
    ];
    let wide = FixedSizeBinaryArray::try_from_iter((0..30_u8).map(|row| [row; 3])).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..30).map(|row| (row % 5 != 0).then_some(row)).collect::<Int64Array>()),
        Arc::new(texts().collect::<StringArray>()),
        Arc::new(texts().collect::<StringViewArray>()),
        Arc::new((0..30).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(dictionary.finish()),
        Arc::new(lists.finish()),
        Arc::new(pairs.finish()),
        Arc::new(maps.finish()),
        Arc::new(StructArray::from(inner)),
        Arc::new(wide),
        Arc::new(NullArray::new(30)),
    ];
    let named = columns.into_iter().enumerate();
    RecordBatch::try_from_iter_with_nullable(named.map(|(at, column)| (format!("c{at}"), column, true))).unwrap()
}

/// A whole stream with `batch` twice.
pub(super) fn stream(batch: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(codec).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
    writer.write(batch).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// The message of a schema and nothing else.
pub(super) fn beginning(schema: &Schema) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, schema).unwrap();
    writer.flush().unwrap();
    drop(writer);
    bytes
}

/// One message as it lies in a stream.
pub(super) fn framed(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![255; 4];
    bytes.extend(u32::try_from(head.len()).unwrap().to_le_bytes());
    bytes.extend(head);
    bytes.extend(body);
    bytes
}

pub(super) fn column(data_type: DataType) -> Schema {
    Schema::new(vec![Field::new("c", data_type, true)])
}

/// A batch of numbers that are written as they stand here.
#[derive(Default)]
pub(super) struct Crafted {
    pub(super) rows: i64,
    /// Length and nulls of each array.
    pub(super) nodes: Vec<(i64, i64)>,
    /// Offset and length of each buffer.
    pub(super) buffers: Vec<(i64, i64)>,
    pub(super) view_buffers: Option<Vec<i64>>,
    pub(super) codec: Option<CompressionType>,
    pub(super) body: Vec<u8>,
}

impl Crafted {
    pub(super) fn head(&self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::new();
        let nodes = self.nodes.iter().map(|(length, nulls)| FieldNode::new(*length, *nulls));
        let nodes = builder.create_vector(&nodes.collect::<Vec<_>>());
        let buffers = self
            .buffers
            .iter()
            .map(|(at, length)| arrow_ipc::Buffer::new(*at, *length));
        let buffers = builder.create_vector(&buffers.collect::<Vec<_>>());
        let view_buffers = self.view_buffers.as_ref().map(|counts| builder.create_vector(counts));
        let compression = self.codec.map(|codec| {
            let arguments = BodyCompressionArgs {
                codec,
                ..BodyCompressionArgs::default()
            };
            arrow_ipc::BodyCompression::create(&mut builder, &arguments)
        });
        let arguments = RecordBatchArgs {
            length: self.rows,
            nodes: Some(nodes),
            buffers: Some(buffers),
            compression,
            variadicBufferCounts: view_buffers,
        };
        let batch = arrow_ipc::RecordBatch::create(&mut builder, &arguments);
        let arguments = MessageArgs {
            version: MetadataVersion::V5,
            header_type: MessageHeader::RecordBatch,
            header: Some(batch.as_union_value()),
            bodyLength: i64::try_from(self.body.len()).unwrap(),
            custom_metadata: None,
        };
        let message = arrow_ipc::Message::create(&mut builder, &arguments);
        builder.finish(message, None);
        builder.finished_data().to_vec()
    }

    /// A stream of this batch under a schema.
    pub(super) fn stream(&self, schema: &Schema) -> Vec<u8> {
        let mut bytes = beginning(schema);
        bytes.extend(framed(&self.head(), &self.body));
        bytes.extend([255, 255, 255, 255, 0, 0, 0, 0]);
        bytes
    }
}

/// What arrow-ipc makes of a stream; none if it panics.
pub(super) fn plainly(bytes: &[u8]) -> Option<Result<Vec<RecordBatch>, ArrowError>> {
    let mut input = Buffer::from(bytes);
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let mut decoder = arrow_ipc::reader::StreamDecoder::new();
        let mut batches = Vec::new();
        while let Some(batch) = decoder.decode(&mut input)? {
            batches.push(batch);
        }
        decoder.finish()?;
        Ok(batches)
    }));
    decoded.ok()
}

pub(super) fn guarded(bytes: &[u8], limits: Limits) -> Result<Vec<RecordBatch>> {
    in_pieces(bytes, bytes.len().max(1), limits)
}

/// What this crate makes of a stream that comes in pieces. A panic in it is not caught.
pub(super) fn in_pieces(bytes: &[u8], piece: usize, limits: Limits) -> Result<Vec<RecordBatch>> {
    let mut decoder = StreamDecoder::new(limits, Sender::Client);
    let mut batches = Vec::new();
    for piece in bytes.chunks(piece) {
        let mut input = Buffer::from(piece);
        let unguarded = |messages: &mut crate::MessageDecoder, head: &[u8], body: &Buffer| {
            let decoded = messages.decode_unguarded(head, body);
            decoded.map_err(|fault| fault.into_error(&Sender::Client))
        };
        while let Some(batch) = decoder.decode_by(&mut input, unguarded)? {
            batches.push(batch);
        }
    }
    decoder.finish()?;
    Ok(batches)
}

pub(super) fn kind(bytes: &[u8]) -> ErrorKind {
    guarded(bytes, small()).expect_err("it is taken").kind()
}

#[test]
fn what_is_well_formed_comes_through() {
    for codec in CODECS {
        let bytes = stream(&batch(), codec);
        for piece in [bytes.len(), 1, 7, 1000] {
            assert_eq!(
                in_pieces(&bytes, piece, small()).unwrap(),
                [batch(), batch()],
                "{codec:?} {piece}"
            );
        }
        assert_eq!(plainly(&bytes).unwrap().unwrap(), [batch(), batch()]);
    }
}

#[test]
fn the_schema_is_known_before_a_batch() {
    let mut decoder = StreamDecoder::new(small(), Sender::Client);
    assert!(decoder.schema().is_none());
    let mut input = Buffer::from(beginning(&batch().schema()));
    assert!(decoder.decode(&mut input).unwrap().is_none());
    assert_eq!(decoder.schema(), Some(&batch().schema()));
}

#[test]
fn whose_fault_it_is_decides_the_kind() {
    let source = Sender::Source("lake".into());
    let mut decoder = StreamDecoder::new(small(), source);
    let error = decoder.decode(&mut Buffer::from(b"something else")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataCorrupted);
    assert!(error.message().contains("\"lake\""), "{error}");
    let again = decoder
        .decode(&mut Buffer::from(beginning(&batch().schema())))
        .unwrap_err();
    assert_eq!(again.kind(), ErrorKind::DataCorrupted, "it goes on after an error");
}
