//! Messages that are well-formed and too much, or whose numbers would be allocated.

use std::io::Write;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::CompressionType;
use arrow_schema::{DataType, Field, Schema};
use contract::ErrorKind;
use lz4_flex::frame::FrameEncoder;

use super::{CODECS, Crafted, batch, beginning, column, framed, guarded, kind, small, stream};
use crate::{Limits, Sender, StreamDecoder};

/// A column of numbers in a buffer that claims to unfold to `claimed` bytes.
fn packed(claimed: i64, packed: &[u8], rows: i64, codec: CompressionType) -> Vec<u8> {
    let mut body = claimed.to_le_bytes().to_vec();
    body.extend(packed);
    let crafted = Crafted {
        rows,
        nodes: vec![(rows, 0)],
        buffers: vec![(0, 0), (0, i64::try_from(body.len()).unwrap())],
        codec: Some(codec),
        body,
        ..Crafted::default()
    };
    crafted.stream(&column(DataType::Int64))
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// arrow-ipc is not asked: it aborts the process for the first of these.
#[test]
fn claims_of_compressed_buffers_are_charged_first() {
    let eight = lz4(&[0; 8]);
    let zstd = zstd::bulk::compress(&[0; 8], 3).unwrap();
    guarded(&packed(8, &eight, 1, CompressionType::LZ4_FRAME), small()).unwrap();
    guarded(&packed(8, &zstd, 1, CompressionType::ZSTD), small()).unwrap();
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        for claimed in [i64::MAX, 1 << 40, 2 << 20] {
            assert_eq!(
                kind(&packed(claimed, &eight, 1, codec)),
                ErrorKind::LimitExceeded,
                "{claimed}"
            );
        }
        for claimed in [-2, i64::MIN] {
            assert_eq!(
                kind(&packed(claimed, &eight, 1, codec)),
                ErrorKind::ProtocolViolation,
                "{claimed}"
            );
        }
    }
    // Within the budget, and not what is there.
    for (claimed, bytes, codec) in [
        (16, &eight, CompressionType::LZ4_FRAME),
        (1 << 19, &eight, CompressionType::LZ4_FRAME),
        (16, &zstd, CompressionType::ZSTD),
        (4, &zstd, CompressionType::ZSTD),
    ] {
        assert_eq!(
            kind(&packed(claimed, bytes, 1, codec)),
            ErrorKind::ProtocolViolation,
            "{claimed}"
        );
    }
    for short in 1..8 {
        let crafted = Crafted {
            rows: 1,
            nodes: vec![(1, 0)],
            buffers: vec![(0, 0), (0, short)],
            codec: Some(CompressionType::LZ4_FRAME),
            body: vec![0; 8],
            ..Crafted::default()
        };
        let stream = crafted.stream(&column(DataType::Int64));
        assert_eq!(kind(&stream), ErrorKind::ProtocolViolation);
    }
}

/// arrow-ipc unfolds all of it and then finds that the length is wrong.
#[test]
fn no_more_is_unfolded_than_was_claimed() {
    let large = vec![0; 64 << 20];
    for stream in [
        packed(8, &lz4(&large), 1, CompressionType::LZ4_FRAME),
        packed(8, &zstd::bulk::compress(&large, 3).unwrap(), 1, CompressionType::ZSTD),
    ] {
        guarded(&stream, small()).unwrap_err();
    }
}

#[test]
fn batches_are_bounded() {
    for codec in CODECS {
        let bytes = stream(&batch(), codec);
        for limits in [
            Limits { rows: 29, ..small() },
            Limits {
                batch_bytes: 1000,
                ..small()
            },
            // One of the two.
            Limits {
                total_bytes: 10_000,
                ..small()
            },
            Limits {
                dictionary_bytes: 10,
                ..small()
            },
            Limits {
                body_bytes: 500,
                ..small()
            },
            Limits {
                head_bytes: 500,
                ..small()
            },
            Limits { fields: 11, ..small() },
            Limits { depth: 1, ..small() },
        ] {
            let error = guarded(&bytes, limits.clone()).expect_err(&format!("{limits:?} {codec:?}"));
            assert_eq!(error.kind(), ErrorKind::LimitExceeded, "{error} {limits:?} {codec:?}");
        }
    }
}

#[test]
fn columns_lie_in_columns_to_a_limit() {
    let mut nested = DataType::Int64;
    for _ in 0..20 {
        nested = DataType::List(Arc::new(Field::new("item", nested, true)));
    }
    assert_eq!(kind(&beginning(&column(nested))), ErrorKind::LimitExceeded);
}

/// A head may use one text for all its names: written out it would be gigabytes.
#[test]
fn names_are_not_used_over_and_over() {
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let name = builder.create_string(&"n".repeat(100_000));
    let detail = arrow_ipc::Utf8::create(&mut builder, &arrow_ipc::Utf8Args {}).as_union_value();
    let fields = (0..90).map(|_| {
        let arguments = arrow_ipc::FieldArgs {
            name: Some(name),
            type_type: arrow_ipc::Type::Utf8,
            type_: Some(detail),
            ..arrow_ipc::FieldArgs::default()
        };
        arrow_ipc::Field::create(&mut builder, &arguments)
    });
    let fields = fields.collect::<Vec<_>>();
    let fields = builder.create_vector(&fields);
    let arguments = arrow_ipc::SchemaArgs {
        fields: Some(fields),
        ..arrow_ipc::SchemaArgs::default()
    };
    let schema = arrow_ipc::Schema::create(&mut builder, &arguments);
    let arguments = arrow_ipc::MessageArgs {
        version: arrow_ipc::MetadataVersion::V5,
        header_type: arrow_ipc::MessageHeader::Schema,
        header: Some(schema.as_union_value()),
        ..arrow_ipc::MessageArgs::default()
    };
    let message = arrow_ipc::Message::create(&mut builder, &arguments);
    builder.finish(message, None);
    let stream = framed(builder.finished_data(), &[]);
    assert_eq!(kind(&stream), ErrorKind::ProtocolViolation);
}

/// A schema of many short columns is not mistaken for one of those.
#[test]
fn wide_schemas_are_taken() {
    let fields = (0..5000).map(|at| Field::new(format!("c{at}"), DataType::Utf8, true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let mut decoder = StreamDecoder::new(Limits::default(), Sender::Client);
    decoder.decode(&mut Buffer::from(beginning(&schema))).unwrap();
    assert_eq!(decoder.schema().unwrap().fields().len(), 5000);
}

/// Many values may point to one long text.
#[test]
fn what_is_pointed_to_is_charged() {
    let long = "x".repeat(100_000);
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    for _ in 0..1000 {
        dictionary.append_value(&long);
    }
    let of_keys = RecordBatch::try_from_iter([("d", Arc::new(dictionary.finish()) as ArrayRef)]).unwrap();
    assert_eq!(kind(&stream(&of_keys, None)), ErrorKind::LimitExceeded);

    let mut body = Vec::new();
    for _ in 0..1000 {
        body.extend(100_000_u32.to_le_bytes());
        body.extend(b"xxxx");
        body.extend(0_u64.to_le_bytes());
    }
    body.extend(long.as_bytes());
    let views = Crafted {
        rows: 1000,
        nodes: vec![(1000, 0)],
        buffers: vec![(0, 0), (0, 16_000), (16_000, 100_000)],
        view_buffers: Some(vec![1]),
        body,
        ..Crafted::default()
    };
    let stream = views.stream(&column(DataType::Utf8View));
    assert_eq!(kind(&stream), ErrorKind::LimitExceeded);
    let roomy = Limits {
        batch_bytes: 200 << 20,
        ..small()
    };
    assert_eq!(guarded(&stream, roomy).unwrap()[0].num_rows(), 1000);
}

/// Nulls take no bytes, so no bytes bound them.
#[test]
fn arrays_of_nothing_are_bounded() {
    let lists = DataType::List(Arc::new(Field::new("item", DataType::Null, true)));
    let crafted = Crafted {
        rows: 1,
        nodes: vec![(1, 0), (1 << 30, 1 << 30)],
        buffers: vec![(0, 0), (0, 8)],
        body: [0_i32, 1 << 30]
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect(),
        ..Crafted::default()
    };
    assert_eq!(kind(&crafted.stream(&column(lists))), ErrorKind::LimitExceeded);
}

#[test]
fn a_batch_holds_what_its_columns_need() {
    let crafted = |nodes: usize, buffers: usize| {
        let crafted = Crafted {
            rows: 1,
            nodes: vec![(1, 0); nodes],
            buffers: vec![(0, 8); buffers],
            body: vec![0; 8],
            ..Crafted::default()
        };
        crafted.stream(&column(DataType::Int64))
    };
    guarded(&crafted(1, 2), small()).unwrap();
    for (nodes, buffers) in [(0, 2), (1, 1), (1, 0), (2, 2), (1, 3)] {
        assert_eq!(
            kind(&crafted(nodes, buffers)),
            ErrorKind::ProtocolViolation,
            "{nodes} {buffers}"
        );
    }
}

/// arrow-ipc gives empty values then, and an error only if a key is used.
#[test]
fn dictionaries_must_come_before_they_are_used() {
    let whole = stream(&batch(), None);
    let parts = messages(&whole);
    let without = [&parts[0][..], &parts[2]].concat();
    assert_eq!(kind(&without), ErrorKind::ProtocolViolation);
    let twice = [&parts[0][..], &parts[0]].concat();
    assert_eq!(kind(&twice), ErrorKind::ProtocolViolation, "a second schema");
    let early = [&parts[1][..]].concat();
    assert_eq!(
        kind(&early),
        ErrorKind::ProtocolViolation,
        "a dictionary before the schema"
    );
}

/// The messages of a stream without compression.
fn messages(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = stream;
    let mut messages = Vec::new();
    loop {
        let length = u32::from_le_bytes(*rest[4..].first_chunk().unwrap()) as usize;
        if length == 0 {
            return messages;
        }
        let head = arrow_ipc::root_as_message(&rest[8..8 + length]).unwrap();
        let (message, after) = rest.split_at(8 + length + usize::try_from(head.bodyLength()).unwrap());
        messages.push(message.to_vec());
        rest = after;
    }
}

/// A message in pieces is kept as far as it came, whatever it announces.
#[test]
fn announced_bytes_are_not_allocated() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut bytes = beginning(&batch.schema());
    bytes.extend([255; 4]);
    bytes.extend(u32::MAX.to_le_bytes());
    assert_eq!(kind(&bytes), ErrorKind::LimitExceeded);
}
