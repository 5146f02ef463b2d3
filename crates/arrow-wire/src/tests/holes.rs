//! Messages on which arrow-ipc panics or gives what is not there. Each test shows both: when its plain half turns red,
//! an upgrade has mended that, and the guard may go.

use std::sync::Arc;

use arrow_ipc::{
    DictionaryEncodingArgs, Field, FieldArgs, FixedSizeBinaryArgs, FloatingPointArgs, IntArgs, ListArgs, MapArgs,
    MessageArgs, MessageHeader, MetadataVersion, Precision, SchemaArgs, TimeUnit, TimestampArgs, Type, UnionArgs,
};
use arrow_schema::{DataType, Schema};
use contract::ErrorKind;
use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};

use super::{Crafted, column, framed, guarded, kind, plainly, small};

fn panics_plainly(what: &str, stream: &[u8]) {
    assert!(plainly(stream).is_none(), "{what}: arrow-ipc takes it");
    assert_eq!(kind(stream), ErrorKind::ProtocolViolation, "{what}");
}

#[test]
fn buffers_and_lengths() {
    let whole = || Crafted {
        rows: 1,
        nodes: vec![(1, 0)],
        buffers: vec![(0, 0), (0, 8)],
        body: vec![0; 8],
        ..Crafted::default()
    };
    let numbers = column(DataType::Int64);
    assert_eq!(guarded(&whole().stream(&numbers), small()).unwrap().len(), 1);
    let list = DataType::FixedSizeList(Arc::new(arrow_schema::Field::new("item", DataType::Int8, true)), 4);
    for (what, schema, crafted) in [
        (
            "a buffer behind its body",
            &numbers,
            Crafted {
                buffers: vec![(0, 0), (64, 8)],
                ..whole()
            },
        ),
        (
            "a buffer that ends behind its body",
            &numbers,
            Crafted {
                buffers: vec![(0, 0), (4, 8)],
                ..whole()
            },
        ),
        (
            "a buffer before its body",
            &numbers,
            Crafted {
                buffers: vec![(0, 0), (-8, 8)],
                ..whole()
            },
        ),
        (
            "a buffer of negative length",
            &numbers,
            Crafted {
                buffers: vec![(0, 0), (8, -8)],
                ..whole()
            },
        ),
        (
            "nulls without their bits",
            &numbers,
            Crafted {
                rows: 100,
                nodes: vec![(100, 1)],
                buffers: vec![(0, 1), (0, 800)],
                body: vec![0; 800],
                ..Crafted::default()
            },
        ),
        (
            "view buffers where there are no views",
            &numbers,
            Crafted {
                view_buffers: Some(vec![1]),
                ..whole()
            },
        ),
        (
            "a negative number of view buffers",
            &column(DataType::Utf8View),
            Crafted {
                view_buffers: Some(vec![-3]),
                ..whole()
            },
        ),
    ] {
        panics_plainly(what, &crafted.stream(schema));
    }
    let long = Crafted {
        rows: 1 << 62,
        nodes: vec![(1 << 62, 0), (8, 0)],
        buffers: vec![(0, 0), (0, 0), (0, 8)],
        ..whole()
    };
    let stream = long.stream(&column(list));
    assert!(plainly(&stream).is_none(), "the length of lists overflows");
    assert_eq!(kind(&stream), ErrorKind::LimitExceeded);
}

#[test]
fn rows_without_columns() {
    let crafted = Crafted {
        rows: -1,
        ..Crafted::default()
    };
    let stream = crafted.stream(&Schema::empty());
    let batches = plainly(&stream).unwrap().unwrap();
    assert_eq!(batches[0].num_rows(), usize::MAX);
    assert_eq!(kind(&stream), ErrorKind::ProtocolViolation);
}

/// A stream that has no more than a schema, which has one column.
fn schema_of<'a>(build: impl FnOnce(&mut FlatBufferBuilder<'a>) -> WIPOffset<Field<'a>>) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let field = build(&mut builder);
    let fields = builder.create_vector(&[field]);
    finished(builder, Some(fields))
}

fn finished<'a>(
    mut builder: FlatBufferBuilder<'a>,
    fields: Option<WIPOffset<flatbuffers::Vector<'a, flatbuffers::ForwardsUOffset<Field<'a>>>>>,
) -> Vec<u8> {
    let schema = SchemaArgs {
        fields,
        ..SchemaArgs::default()
    };
    let schema = arrow_ipc::Schema::create(&mut builder, &schema);
    let arguments = MessageArgs {
        version: MetadataVersion::V5,
        header_type: MessageHeader::Schema,
        header: Some(schema.as_union_value()),
        ..MessageArgs::default()
    };
    let message = arrow_ipc::Message::create(&mut builder, &arguments);
    builder.finish(message, None);
    let mut stream = framed(builder.finished_data(), &[]);
    stream.extend([255, 255, 255, 255, 0, 0, 0, 0]);
    stream
}

fn field<'a>(
    builder: &mut FlatBufferBuilder<'a>,
    of: Type,
    detail: WIPOffset<UnionWIPOffset>,
    children: &[WIPOffset<Field<'a>>],
) -> WIPOffset<Field<'a>> {
    let children = builder.create_vector(children);
    let arguments = FieldArgs {
        type_type: of,
        type_: Some(detail),
        children: Some(children),
        ..FieldArgs::default()
    };
    Field::create(builder, &arguments)
}

#[test]
fn types_that_do_not_exist() {
    let integer = schema_of(|builder| {
        let arguments = IntArgs {
            bitWidth: 13,
            is_signed: true,
        };
        let detail = arrow_ipc::Int::create(builder, &arguments).as_union_value();
        field(builder, Type::Int, detail, &[])
    });
    panics_plainly("an integer of 13 bits", &integer);
    let float = schema_of(|builder| {
        let arguments = FloatingPointArgs {
            precision: Precision(9),
        };
        let detail = arrow_ipc::FloatingPoint::create(builder, &arguments).as_union_value();
        field(builder, Type::FloatingPoint, detail, &[])
    });
    panics_plainly("a float of unknown precision", &float);
    for (bits, digits, scale) in [(7, 10, 2), (128, 300, 2), (128, 10, 1000), (128, -1, 0)] {
        let decimal = schema_of(|builder| {
            let arguments = arrow_ipc::DecimalArgs {
                precision: digits,
                scale,
                bitWidth: bits,
            };
            let detail = arrow_ipc::Decimal::create(builder, &arguments).as_union_value();
            field(builder, Type::Decimal, detail, &[])
        });
        panics_plainly("a decimal", &decimal);
    }
    let timestamp = schema_of(|builder| {
        let arguments = TimestampArgs {
            unit: TimeUnit(8),
            timezone: None,
        };
        let detail = arrow_ipc::Timestamp::create(builder, &arguments).as_union_value();
        field(builder, Type::Timestamp, detail, &[])
    });
    panics_plainly("a timestamp of unknown unit", &timestamp);
    let unknown = schema_of(|builder| {
        let detail = arrow_ipc::Null::create(builder, &arrow_ipc::NullArgs {}).as_union_value();
        field(builder, Type(99), detail, &[])
    });
    panics_plainly("an unknown type", &unknown);
}

#[test]
fn columns_inside_that_are_not_there() {
    let list = schema_of(|builder| {
        let detail = arrow_ipc::List::create(builder, &ListArgs {}).as_union_value();
        field(builder, Type::List, detail, &[])
    });
    panics_plainly("a list of nothing", &list);
    let map = schema_of(|builder| {
        let detail = arrow_ipc::Map::create(builder, &MapArgs::default()).as_union_value();
        field(builder, Type::Map, detail, &[])
    });
    panics_plainly("a map of nothing", &map);
    let dictionary = schema_of(|builder| {
        let arguments = DictionaryEncodingArgs::default();
        let dictionary = arrow_ipc::DictionaryEncoding::create(builder, &arguments);
        let detail = arrow_ipc::Utf8::create(builder, &arrow_ipc::Utf8Args {}).as_union_value();
        let arguments = FieldArgs {
            type_type: Type::Utf8,
            type_: Some(detail),
            dictionary: Some(dictionary),
            ..FieldArgs::default()
        };
        Field::create(builder, &arguments)
    });
    panics_plainly("a dictionary without keys", &dictionary);
    panics_plainly("a schema without columns", &finished(FlatBufferBuilder::new(), None));
}

/// A width that no buffer can have is found with the first batch only.
#[test]
fn values_of_negative_width() {
    let mut stream = schema_of(|builder| {
        let arguments = FixedSizeBinaryArgs { byteWidth: -1 };
        let detail = arrow_ipc::FixedSizeBinary::create(builder, &arguments).as_union_value();
        field(builder, Type::FixedSizeBinary, detail, &[])
    });
    stream.truncate(stream.len() - 8);
    let crafted = Crafted {
        rows: 1,
        nodes: vec![(1, 0)],
        buffers: vec![(0, 0), (0, 8)],
        body: vec![0; 8],
        ..Crafted::default()
    };
    stream.extend(framed(&crafted.head(), &crafted.body));
    panics_plainly("a negative width", &stream);
}

/// Well-formed, taken by arrow-ipc, and nothing that tables hold.
#[test]
fn types_that_are_not_taken() {
    let union = schema_of(|builder| {
        let detail = arrow_ipc::Union::create(builder, &UnionArgs::default()).as_union_value();
        field(builder, Type::Union, detail, &[])
    });
    assert!(plainly(&union).unwrap().is_ok());
    assert_eq!(kind(&union), ErrorKind::Unsupported);
}

/// Arrays that contradict themselves without a panic: arrow validates these, and nothing is to turn that off.
#[test]
fn values_are_validated() {
    let texts = column(DataType::Utf8);
    let crafted = |offsets: [i32; 3], values: &[u8]| {
        let mut body = offsets
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect::<Vec<_>>();
        body.resize(16, 0);
        body.extend(values);
        Crafted {
            rows: 2,
            nodes: vec![(2, 0)],
            buffers: vec![(0, 0), (0, 12), (16, i64::try_from(values.len()).unwrap())],
            body,
            ..Crafted::default()
        }
    };
    guarded(&crafted([0, 1, 2], b"ab").stream(&texts), small()).unwrap();
    for (offsets, values) in [
        ([0, 2, 1], &b"ab"[..]),
        ([0, 1, 3], b"ab"),
        ([-1, 1, 2], b"ab"),
        ([0, 1, 2], b"\xC3\xA4"),
        ([0, 1, 2], b"\xFF\xFF"),
    ] {
        let stream = crafted(offsets, values).stream(&texts);
        assert_eq!(kind(&stream), ErrorKind::ProtocolViolation, "{offsets:?}");
    }
}

/// A decimal with more digits than its type has room for is taken plainly.
#[test]
fn decimals_have_the_digits_of_their_type() {
    for (value, taken) in [(99_999_i128, true), (100_000, false), (-100_000, false)] {
        let crafted = Crafted {
            rows: 1,
            nodes: vec![(1, 0)],
            buffers: vec![(0, 0), (0, 16)],
            body: value.to_le_bytes().to_vec(),
            ..Crafted::default()
        };
        let stream = crafted.stream(&column(DataType::Decimal128(5, 2)));
        assert!(plainly(&stream).unwrap().is_ok());
        assert_eq!(guarded(&stream, small()).is_ok(), taken, "{value}");
    }
}

/// Numbers with a part of one behind the last. They are all there, so it is taken.
#[test]
fn buffers_that_end_within_a_number() {
    let list = DataType::List(Arc::new(arrow_schema::Field::new("item", DataType::Int8, true)));
    for (data_type, nodes, buffers, view_buffers) in [
        (DataType::Utf8, vec![(1, 0)], vec![(0, 0), (0, 9), (0, 0)], None),
        (DataType::LargeUtf8, vec![(1, 0)], vec![(0, 0), (0, 17), (0, 0)], None),
        (DataType::Utf8View, vec![(1, 0)], vec![(0, 0), (0, 17)], Some(vec![0])),
        (list, vec![(1, 0), (0, 0)], vec![(0, 0), (0, 9), (0, 0), (0, 0)], None),
    ] {
        let crafted = Crafted {
            rows: 1,
            nodes,
            buffers,
            view_buffers,
            body: vec![0; 24],
            ..Crafted::default()
        };
        let stream = crafted.stream(&column(data_type.clone()));
        assert!(plainly(&stream).is_none(), "{data_type}: arrow-ipc takes it");
        assert_eq!(guarded(&stream, small()).unwrap()[0].num_rows(), 1, "{data_type}");
    }
}
