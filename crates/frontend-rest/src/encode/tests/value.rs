use std::sync::Arc;

use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{IntervalMonthDayNano, i256};
use arrow_schema::{DataType, Field, Schema};
use contract::ErrorKind;
use serde_json::json;

use super::*;

fn one(array: impl Array + 'static) -> Vec<String> {
    let lines = lines(&batch(vec![("v", Arc::new(array))]));
    lines
        .into_iter()
        .map(|line| {
            line.strip_prefix("{\"v\":")
                .and_then(|line| line.strip_suffix('}'))
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn numbers_keep_every_digit() {
    assert_eq!(
        one(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        ["-9223372036854775808", "null", "9223372036854775807"]
    );
    assert_eq!(one(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(one(BooleanArray::from(vec![true, false])), ["true", "false"]);
    let decimal = Decimal128Array::from(vec![i128::from(i64::MAX) * 100, -5, 0, 1_000]);
    assert_eq!(
        one(decimal.with_precision_and_scale(38, 3).unwrap()),
        ["922337203685477580.700", "-0.005", "0.000", "1.000"]
    );
    let wide = Decimal256Array::from(vec![
        i256::from_string("123456789012345678901234567890123456789012345").unwrap(),
    ]);
    assert_eq!(
        one(wide.with_precision_and_scale(76, 2).unwrap()),
        ["1234567890123456789012345678901234567890123.45"]
    );
    let coarse = Decimal128Array::from(vec![12, 0])
        .with_precision_and_scale(5, -2)
        .unwrap();
    assert_eq!(one(coarse), ["1200", "0"]);
}

#[test]
fn floats_are_shortest_and_never_lose_their_kind() {
    let doubles = vec![
        0.1,
        1.0,
        -0.0,
        1e15,
        1e16,
        1e300,
        5e-324,
        123_456.789,
        -99.5,
        0.3 - 0.1,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    assert_eq!(
        one(Float64Array::from(doubles)),
        [
            "0.1",
            "1.0",
            "-0.0",
            "1000000000000000.0",
            "1e16",
            "1e300",
            "5e-324",
            "123456.789",
            "-99.5",
            "0.19999999999999998",
            "\"NaN\"",
            "\"Infinity\"",
            "\"-Infinity\""
        ]
    );
    assert_eq!(
        one(Float32Array::from(vec![0.1, 16_777_216.0, 1e30, f32::NAN])),
        ["0.1", "16777216.0", "1e30", "\"NaN\""]
    );
}

#[test]
fn text_is_escaped_in_every_layout() {
    let texts = [
        "",
        "a",
        "twelve bytes",
        "thirteen byte",
        "\"",
        "\\",
        "a\nb\t\r\u{8}\u{c}\u{1}\u{1f}",
        "größe 你好 🦀",
        "a long text that ends in a quote, far behind the first block\"",
        "\u{7f}",
        "eleven byt\"",
        "/",
    ];
    let expected: Vec<String> = texts.iter().map(|text| json!(text).to_string()).collect();
    assert_eq!(one(StringArray::from_iter_values(texts)), expected);
    assert_eq!(one(LargeStringArray::from_iter_values(texts)), expected);
    assert_eq!(one(StringViewArray::from_iter_values(texts)), expected);
    assert_eq!(one(DictionaryArray::<Int8Type>::from_iter(texts)), expected);
    assert_eq!(
        one(DictionaryArray::<Int8Type>::from_iter(vec![None, Some("a"), None])),
        ["null", "\"a\"", "null"]
    );
    assert_eq!(
        one(DictionaryArray::<Int8Type>::from_iter([None::<&str>; 2])),
        ["null", "null"]
    );
}

#[test]
fn bytes_are_base64_and_uuids_text() {
    assert_eq!(
        one(BinaryArray::from_vec(vec![b"", b"f", b"fo", b"\x00\xffhi"])),
        ["\"\"", "\"Zg==\"", "\"Zm8=\"", "\"AP9oaQ==\""]
    );
    let uuid = FixedSizeBinaryArray::try_from_iter([[0x5a_u8; 16]].into_iter()).unwrap();
    let field = Field::new("v", DataType::FixedSizeBinary(16), true);
    let metadata = [(arrow_postgres::PG_TYPE_METADATA.to_owned(), "uuid".to_owned())];
    let schema = Arc::new(Schema::new(vec![field.with_metadata(metadata.into_iter().collect())]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(uuid)]).unwrap();
    assert_eq!(lines(&batch), ["{\"v\":\"5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a\"}"]);
}

#[test]
fn dates_and_times_are_iso_8601() {
    assert_eq!(
        one(Date32Array::from(vec![19_753, -719_528, -719_529, 2_932_897])),
        [
            "\"2024-01-31\"",
            "\"0000-01-01\"",
            "\"-0001-12-31\"",
            "\"+10000-01-01\""
        ]
    );
    assert_eq!(
        one(TimestampMicrosecondArray::from(vec![
            1_706_702_400_123_456,
            0,
            500_000,
            -1
        ])),
        [
            "\"2024-01-31T12:00:00.123456\"",
            "\"1970-01-01T00:00:00\"",
            "\"1970-01-01T00:00:00.500\"",
            "\"1969-12-31T23:59:59.999999\""
        ]
    );
    let instants = TimestampNanosecondArray::from(vec![1, i64::MIN]).with_timezone("Europe/Berlin");
    assert_eq!(
        one(instants),
        [
            "\"1970-01-01T00:00:00.000000001Z\"",
            "\"1677-09-21T00:12:43.145224192Z\""
        ]
    );
    assert_eq!(
        one(TimestampSecondArray::from(vec![86_399])),
        ["\"1970-01-01T23:59:59\""]
    );
    assert_eq!(
        one(Time64MicrosecondArray::from(vec![43_200_500_000, 86_400_000_000])),
        ["\"12:00:00.500\"", "\"24:00:00\""]
    );
    let interval = IntervalMonthDayNano::new(14, -3, 1_500_000_000);
    assert_eq!(
        one(IntervalMonthDayNanoArray::from(vec![interval])),
        ["\"1 year 2 mons -3 days +00:00:01.5\""]
    );
    assert_eq!(one(DurationSecondArray::from(vec![90_061])), ["\"1 day 01:01:01\""]);
}

#[test]
fn lists_structs_and_maps_nest() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(3)]),
    ]);
    assert_eq!(one(list.clone()), ["[1,null]", "null", "[]", "[3]"]);
    assert_eq!(one(list.slice(2, 2)), ["[]", "[3]"]);
    let fields = vec![
        Field::new("a", DataType::Int32, true),
        Field::new("a", list.data_type().clone(), true),
    ];
    let members: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1, 2, 3, 4])), Arc::new(list)];
    assert_eq!(
        one(StructArray::new(
            fields.into(),
            members,
            Some(vec![true, false, true, true].into())
        )),
        [
            "{\"a\":1,\"a_2\":[1,null]}",
            "null",
            "{\"a\":3,\"a_2\":[]}",
            "{\"a\":4,\"a_2\":[3]}"
        ]
    );

    let mut texts = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    texts.keys().append_value("a\"");
    texts.values().append_value(1);
    texts.keys().append_value("b");
    texts.values().append_null();
    texts.append(true).unwrap();
    texts.append(true).unwrap();
    assert_eq!(one(texts.finish()), ["{\"a\\\"\":1,\"b\":null}", "{}"]);
    let mut numbers = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    numbers.keys().append_value(7);
    numbers.values().append_value("x");
    numbers.append(true).unwrap();
    assert_eq!(one(numbers.finish()), ["[[7,\"x\"]]"]);
}

#[test]
fn runs_are_their_values() {
    let ends = Int32Array::from(vec![2, 3]);
    let values = StringArray::from(vec![Some("x"), None]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &values).unwrap();
    assert_eq!(one(runs.clone()), ["\"x\"", "\"x\"", "null"]);
    assert_eq!(one(runs.slice(1, 2)), ["\"x\"", "null"]);
}

#[test]
fn names_are_unique_and_escaped() {
    let column = || -> ArrayRef { Arc::new(Int32Array::from(vec![1])) };
    let names = [
        "a",
        "a",
        "a_2",
        "a",
        "q\"",
        "a column name that is longer than one block",
    ];
    let batch = batch(names.iter().map(|name| (*name, column())).collect());
    assert_eq!(
        lines(&batch),
        ["{\"a\":1,\"a_3\":1,\"a_2\":1,\"a_4\":1,\"q\\\"\":1,\"a column name that is longer than one block\":1}"]
    );
}

#[test]
fn envelopes_hold_rows_meta_and_errors() {
    let batch = batch(vec![("v", Arc::new(Int32Array::from(vec![1, 2])))]);
    let write = |format, envelope, rows: usize, finish: &dyn Fn(&mut AnswerEncoder, &mut Vec<u8>)| {
        let mut encoder = AnswerEncoder::new(format, &batch.schema(), envelope).unwrap();
        let mut out = Vec::new();
        encoder.begin(&mut out);
        encoder.batch(&batch, 0..rows, &mut out).unwrap();
        finish(&mut encoder, &mut out);
        String::from_utf8(out).unwrap()
    };
    let end = |encoder: &mut AnswerEncoder, out: &mut Vec<u8>| encoder.end(None, out).unwrap();
    let meta = |encoder: &mut AnswerEncoder, out: &mut Vec<u8>| encoder.end(Some(&json!({"count": 2})), out).unwrap();
    let error = |encoder: &mut AnswerEncoder, out: &mut Vec<u8>| encoder.error(&json!({"code": 500}), out);
    use AnswerFormat::*;
    use Envelope::*;
    assert_eq!(write(Json, Resource, 0, &end), "{\"resource\":[]}");
    assert_eq!(
        write(Json, Resource, 9, &meta),
        "{\"resource\":[{\"v\":1},{\"v\":2}],\"meta\":{\"count\":2}}"
    );
    assert_eq!(
        write(Json, Resource, 1, &error),
        "{\"resource\":[{\"v\":1}],\"error\":{\"code\":500}}"
    );
    assert_eq!(write(Json, Bare, 1, &meta), "[{\"v\":1}]");
    assert_eq!(write(Json, Bare, 0, &error), "[{\"error\":{\"code\":500}}]");
    assert_eq!(write(Json, Bare, 1, &error), "[{\"v\":1},{\"error\":{\"code\":500}}]");
    assert_eq!(
        write(NdJson, Resource, 1, &error),
        "{\"v\":1}\n{\"error\":{\"code\":500}}\n"
    );
    assert_eq!(write(Csv, Bare, 1, &error), "v\n1\n");
}

#[test]
fn rows_without_columns_are_empty_objects() {
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options).unwrap();
    assert_eq!(encode(AnswerFormat::Json, Envelope::Bare, &[batch], 5), b"[{},{}]");
}

#[test]
fn a_failing_row_leaves_nothing() {
    let batch = batch(vec![
        ("a", Arc::new(Int32Array::from(vec![1, 2]))),
        ("d", Arc::new(Date32Array::from(vec![0, i32::MAX]))),
    ]);
    for (format, expected) in [
        (AnswerFormat::NdJson, "{\"a\":1,\"d\":\"1970-01-01\"}\n"),
        (AnswerFormat::Csv, "1,1970-01-01\n"),
    ] {
        let mut encoder = AnswerEncoder::new(format, &batch.schema(), Envelope::Bare).unwrap();
        let mut out = Vec::new();
        let error = encoder.batch(&batch, 0..2, &mut out).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::DataException(_)));
        assert_eq!(error.message(), "date out of range");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
