//! Texts as PostgreSQL 15 prints them.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, MapBuilder, StringBuilder};
use arrow_array::types::{Int8Type, Int16Type, Int32Type};
use arrow_array::*;
use arrow_buffer::{IntervalDayTime, IntervalMonthDayNano, NullBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, Field, Fields, UnionFields};

use super::*;

#[test]
fn integers_and_booleans() {
    assert_eq!(
        texts(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ["t", "~", "f"]
    );
    assert_eq!(texts(Int8Array::from(vec![i8::MIN, 7])), ["-128", "7"]);
    assert_eq!(
        texts(Int64Array::from(vec![i64::MIN, -1, 0, 10, i64::MAX])),
        ["-9223372036854775808", "-1", "0", "10", "9223372036854775807"]
    );
    assert_eq!(texts(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
    assert_eq!(texts(NullArray::new(2)), ["~", "~"]);
}

#[test]
fn doubles() {
    let cases = [
        (1.0, "1"),
        (-0.0, "-0"),
        (0.1, "0.1"),
        (1e22, "1e+22"),
        (1e-5, "1e-05"),
        (0.0001, "0.0001"),
        (1e15, "1e+15"),
        (999999999999999.9, "999999999999999.9"),
        (123456789012345.0, "123456789012345"),
        (-1234.5, "-1234.5"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (1e100, "1e+100"),
        (18014398509481988.0, "1.8014398509481988e+16"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ];
    for (value, text) in cases {
        assert_eq!(texts(Float64Array::from(vec![value])), [text]);
    }
}

#[test]
fn singles() {
    let cases = [
        (1.0_f32, "1"),
        (-0.0, "-0"),
        (123456.0, "123456"),
        (1234567.0, "1.234567e+06"),
        (1e6, "1e+06"),
        (999999.5, "999999.5"),
        (33554432.0, "3.3554432e+07"),
        (1e-5, "1e-05"),
        (f32::MAX, "3.4028235e+38"),
        (f32::INFINITY, "Infinity"),
    ];
    for (value, text) in cases {
        assert_eq!(texts(Float32Array::from(vec![value])), [text]);
    }
}

#[test]
fn fewer_float_digits() {
    let session = SessionFormat {
        extra_float_digits: 0,
        ..SessionFormat::default()
    };
    let batch = batch(Arc::new(Float64Array::from(vec![0.1 + 0.2, 1.0 / 3.0, 1e22, 1e-5])), "");
    let values = fields(&encode(&batch, Format::Text, &session).unwrap());
    let texts: Vec<_> = values
        .into_iter()
        .map(|value| String::from_utf8(value.unwrap()).unwrap())
        .collect();
    assert_eq!(texts, ["0.3", "0.333333333333333", "1e+22", "1e-05"]);
}

#[test]
fn decimals() {
    let decimal = |value: i128, precision, scale| {
        Decimal128Array::from(vec![value])
            .with_precision_and_scale(precision, scale)
            .unwrap()
    };
    assert_eq!(texts(decimal(150, 15, 2)), ["1.50"]);
    assert_eq!(texts(decimal(-5, 15, 2)), ["-0.05"]);
    assert_eq!(texts(decimal(0, 15, 3)), ["0.000"]);
    assert_eq!(texts(decimal(12345, 15, 1)), ["1234.5"]);
    assert_eq!(texts(decimal(12345, 15, 0)), ["12345"]);
    assert_eq!(texts(decimal(-12, 15, -3)), ["-12000"]);
    assert_eq!(texts(decimal(7, 38, 38)), ["0.00000000000000000000000000000000000007"]);
    let widest = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    assert_eq!(
        texts(decimal(widest, 38, 10)),
        ["9999999999999999999999999999.9999999999"]
    );
    let wide =
        i256::from_string("-1234567890123456789012345678901234567890123456789012345678901234567890123456").unwrap();
    let array = Decimal256Array::from(vec![wide])
        .with_precision_and_scale(76, 6)
        .unwrap();
    assert_eq!(
        texts(array),
        ["-1234567890123456789012345678901234567890123456789012345678901234567890.123456"]
    );
    assert_eq!(
        texts(Decimal64Array::from(vec![105]).with_precision_and_scale(10, 1).unwrap()),
        ["10.5"]
    );
}

#[test]
fn dates_and_times() {
    let dates = Date32Array::from(vec![0, 19723, -2_440_588, 2_932_897, 2_145_042_905, -719_163]);
    assert_eq!(
        texts(dates),
        [
            "1970-01-01",
            "2024-01-01",
            "4714-11-24 BC",
            "10000-01-01",
            "5874897-12-31",
            "0001-12-31 BC"
        ]
    );
    assert_eq!(
        texts(Date64Array::from(vec![-1, 86_400_000])),
        ["1969-12-31", "1970-01-02"]
    );
    assert_eq!(
        texts(Time64MicrosecondArray::from(vec![0, 1, 86_400_000_000, 3_723_500_000])),
        ["00:00:00", "00:00:00.000001", "24:00:00", "01:02:03.5"]
    );
    assert_eq!(texts(Time32SecondArray::from(vec![86_399])), ["23:59:59"]);
    assert_eq!(
        texts_as(Time64NanosecondArray::from(vec![1_999]), "timetz"),
        ["00:00:00.000001+00"]
    );
    assert_eq!(
        texts(TimestampMicrosecondArray::from(vec![-1, 1_704_067_200_120_000])),
        ["1969-12-31 23:59:59.999999", "2024-01-01 00:00:00.12"]
    );
    assert_eq!(
        texts(TimestampNanosecondArray::from(vec![-1])),
        ["1969-12-31 23:59:59.999999"]
    );
    assert_eq!(
        texts(TimestampSecondArray::from(vec![-210_866_803_200])),
        ["4714-11-24 00:00:00 BC"]
    );
}

#[test]
fn instants_in_the_zone_of_the_session() {
    let shown = |zone: &str, seconds: i64| {
        let session = SessionFormat {
            time_zone: zone.parse().unwrap(),
            ..SessionFormat::default()
        };
        let array = TimestampSecondArray::from(vec![seconds]).with_timezone("UTC");
        let bytes = encode(&batch(Arc::new(array), ""), Format::Text, &session).unwrap();
        String::from_utf8(fields(&bytes).remove(0).unwrap()).unwrap()
    };
    assert_eq!(shown("UTC", 1_704_067_200), "2024-01-01 00:00:00+00");
    assert_eq!(shown("europe/berlin", 1_719_792_000), "2024-07-01 02:00:00+02");
    assert_eq!(shown("Asia/Kolkata", 1_704_067_200), "2024-01-01 05:30:00+05:30");
    assert_eq!(
        shown("America/Los_Angeles", -5_364_662_400),
        "1799-12-31 16:07:02-07:52:58"
    );
    assert_eq!(
        shown("America/Los_Angeles", -63517780800),
        "0044-03-15 04:07:02-07:52:58 BC"
    );
    assert_eq!(shown("+02", 1_704_067_200), "2024-01-01 02:00:00+02");
    assert_eq!(shown("-03:30", 1_704_067_200), "2023-12-31 20:30:00-03:30");
    assert_eq!("2".parse::<crate::Zone>().unwrap().to_string(), "<+02>-02");
    assert!("Mars/Olympus".parse::<crate::Zone>().is_err());
}

#[test]
fn values_beyond_the_range() {
    let failure = |array: ArrayRef, format| encode(&batch(array, ""), format, &SessionFormat::default()).unwrap_err();
    for format in [Format::Text, Format::Binary] {
        assert_eq!(
            failure(Arc::new(Date32Array::from(vec![i32::MAX])), format).sqlstate,
            "22008"
        );
        assert_eq!(
            failure(Arc::new(TimestampSecondArray::from(vec![i64::MAX])), format).sqlstate,
            "22008"
        );
        assert_eq!(
            failure(Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN])), format).sqlstate,
            "22008"
        );
    }
    let batch = batch(Arc::new(Date32Array::from(vec![0, i32::MAX])), "");
    let encoder = RowEncoder::new(&batch.schema(), &[], &SessionFormat::default());
    let mut out = Vec::new();
    assert!(encoder.encode_data_rows(&batch, 0..2, &mut out).is_err());
    assert_eq!(fields(&out).len(), 1, "the failing row leaves nothing behind");
}

#[test]
fn intervals() {
    let interval = |months, days, nanoseconds| IntervalMonthDayNano {
        months,
        days,
        nanoseconds,
    };
    let array = IntervalMonthDayNanoArray::from(vec![
        interval(0, 0, 0),
        interval(10, 0, 0),
        interval(-12, 3, -14_400_500_000_000),
        interval(-1, 0, 0),
        interval(0, -1, 7_384_000_000_000),
        interval(14, 3, 14_706_789_000_000),
        interval(0, 0, 360_000_000_000_000),
    ]);
    assert_eq!(
        texts(array),
        [
            "00:00:00",
            "10 mons",
            "-1 years +3 days -04:00:00.5",
            "-1 mons",
            "-1 days +02:03:04",
            "1 year 2 mons 3 days 04:05:06.789",
            "100:00:00"
        ]
    );
    assert_eq!(texts(IntervalYearMonthArray::from(vec![25])), ["2 years 1 mon"]);
    assert_eq!(
        texts(IntervalDayTimeArray::from(vec![IntervalDayTime::new(1, 1500)])),
        ["1 day 00:00:01.5"]
    );
    assert_eq!(texts(DurationSecondArray::from(vec![-90])), ["-00:01:30"]);
}

#[test]
fn bytes_and_text() {
    assert_eq!(
        texts(BinaryArray::from(vec![b"".as_slice(), b"\x00\xffA"])),
        ["\\x", "\\x00ff41"]
    );
    let session = SessionFormat {
        bytea_hex: false,
        ..SessionFormat::default()
    };
    let array = BinaryArray::from(vec![b"a\\\x00\xff'".as_slice()]);
    let bytes = encode(&batch(Arc::new(array), ""), Format::Text, &session).unwrap();
    assert_eq!(fields(&bytes)[0].as_deref(), Some(br"a\\\000\377'".as_slice()));

    let uuid = FixedSizeBinaryArray::try_from_iter([(0..16).collect::<Vec<u8>>()].iter()).unwrap();
    assert_eq!(texts_as(uuid.clone(), "uuid"), ["00010203-0405-0607-0809-0a0b0c0d0e0f"]);
    assert_eq!(texts(uuid), ["\\x000102030405060708090a0b0c0d0e0f"]);

    // Around the block that short values are copied by, and the twelve bytes a view holds itself.
    let strings: Vec<String> = (0..40)
        .map(|length| {
            "abcdefghijklmnopqrstuvwxyzäöüß0123456789"
                .chars()
                .take(length)
                .collect()
        })
        .collect();
    assert_eq!(texts(StringArray::from(strings.clone())), strings);
    assert_eq!(texts(LargeStringArray::from(strings.clone())), strings);
    assert_eq!(texts(StringViewArray::from_iter_values(strings.iter())), strings);
}

#[test]
fn encodings_are_looked_through() {
    let dictionary: DictionaryArray<Int8Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    assert_eq!(texts(dictionary), ["a", "~", "b", "a"]);
    let null_value = DictionaryArray::<Int16Type>::new(
        Int16Array::from(vec![0, 1]),
        Arc::new(Int32Array::from(vec![None, Some(5)])),
    );
    assert_eq!(texts(null_value), ["~", "5"]);
    let runs = RunArray::<Int32Type>::try_new(
        &Int32Array::from(vec![2, 3, 6]),
        &StringArray::from(vec![Some("x"), None, Some("y")]),
    )
    .unwrap();
    assert_eq!(texts(runs.slice(1, 4)), ["x", "~", "y", "y"]);
}

fn string_list(rows: &[Option<&[Option<&str>]>]) -> ListArray {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in rows {
        match row {
            Some(items) => {
                items.iter().for_each(|item| builder.values().append_option(*item));
                builder.append(true);
            }
            None => builder.append(false),
        }
    }
    builder.finish()
}

#[test]
fn arrays() {
    let array = string_list(&[
        Some(&[Some("a"), None, Some("a b"), Some(""), Some("NULL"), Some("nulls")]),
        Some(&[]),
        None,
        Some(&[Some("x\"y\\z"), Some("{}"), Some("a,b"), Some("t\tt"), Some("ä")]),
    ]);
    assert_eq!(
        texts(array),
        [
            r#"{a,NULL,"a b","","NULL",nulls}"#,
            "{}",
            "~",
            "{\"x\\\"y\\\\z\",\"{}\",\"a,b\",\"t\tt\",ä}"
        ]
    );
    let ints = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None, Some(-3)])]);
    assert_eq!(texts(ints.clone()), ["{1,NULL,-3}"]);
    assert_eq!(
        binaries_as(ints, ""),
        ["00000001000000010000001700000003000000010000000400000001ffffffff00000004fffffffd"]
    );
    let shorts = ListArray::from_iter_primitive::<Int16Type, _, _>([Some(vec![Some(1), Some(2)]), Some(vec![])]);
    assert_eq!(texts_as(shorts.clone(), "int2vector"), ["1 2", ""]);
    assert_eq!(
        binaries_as(shorts, "int2vector")[0],
        "0000000100000000000000150000000200000000000000020001000000020002"
    );
    let stamps = FixedSizeListArray::new(
        Arc::new(Field::new(
            "item",
            DataType::Timestamp(arrow_schema::TimeUnit::Second, None),
            true,
        )),
        2,
        Arc::new(TimestampSecondArray::from(vec![0, 1, 2, 3])),
        None,
    );
    assert_eq!(
        texts(stamps.slice(1, 1)),
        [r#"{"1970-01-01 00:00:02","1970-01-01 00:00:03"}"#]
    );
}

#[test]
fn lists_of_lists() {
    let mut builder = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
    for lengths in [&[2, 2][..], &[1, 3], &[], &[0, 0]] {
        for length in lengths {
            (0..*length).for_each(|item| builder.values().values().append_value(item));
            builder.values().append(true);
        }
        builder.append(true);
    }
    let ragged = builder.finish();
    assert_eq!(
        texts(ragged.clone()),
        ["[[0, 1], [0, 1]]", "[[0], [0, 1, 2]]", "[]", "[[], []]"]
    );
    assert_eq!(texts_as(ragged.slice(0, 1), "_int4"), ["{{0,1},{0,1}}"]);
    assert_eq!(texts_as(ragged.slice(2, 2), "_int4"), ["{}", "{}"]);
    let declared = batch(Arc::new(ragged), "_int4");
    assert_eq!(
        encode(&declared, Format::Text, &SessionFormat::default())
            .unwrap_err()
            .sqlstate,
        "2202E"
    );
}

#[test]
fn structs_and_maps_are_json() {
    let fields: Fields = vec![
        Field::new("a\"b", DataType::Int32, true),
        Field::new("d", DataType::Decimal128(30, 20), true),
        Field::new(
            "t",
            DataType::Timestamp(arrow_schema::TimeUnit::Second, Some("UTC".into())),
            true,
        ),
        Field::new("f", DataType::Float64, true),
        Field::new("s", DataType::Utf8, true),
    ]
    .into();
    let array = StructArray::new(
        fields,
        vec![
            Arc::new(Int32Array::from(vec![Some(1), None])),
            Arc::new(
                Decimal128Array::from(vec![123_456_789_012_345_678_901_234_567, 0])
                    .with_precision_and_scale(30, 20)
                    .unwrap(),
            ),
            Arc::new(TimestampSecondArray::from(vec![0, 1]).with_timezone("UTC")),
            Arc::new(Float64Array::from(vec![f64::NAN, 1.5])),
            Arc::new(StringArray::from(vec!["q\"\n\u{1}", ""])),
        ],
        Some(NullBuffer::from(vec![true, false])),
    );
    let text = r#"{"a\"b": 1, "d": 1234567.89012345678901234567, "t": "1970-01-01T00:00:00+00:00", "f": "NaN", "s": "q\"\n\u0001"}"#;
    assert_eq!(texts(array.clone()), [text, "~"]);
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(binaries_as(array, ""), [format!("01{hex}"), "~".to_owned()]);

    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("k");
    map.values().append_value(1);
    map.keys().append_value("");
    map.values().append_null();
    map.append(true).unwrap();
    map.append(true).unwrap();
    assert_eq!(texts(map.finish()), [r#"{"k": 1, "": null}"#, "{}"]);

    let union = UnionArray::try_new(
        UnionFields::try_new(
            vec![0, 1],
            vec![
                Field::new("i", DataType::Int32, true),
                Field::new("s", DataType::Utf8, true),
            ],
        )
        .unwrap(),
        ScalarBuffer::from(vec![0_i8, 1, 0]),
        Some(ScalarBuffer::from(vec![0, 0, 1])),
        vec![
            Arc::new(Int32Array::from(vec![Some(3), None])),
            Arc::new(StringArray::from(vec!["x"])),
        ],
    )
    .unwrap();
    assert_eq!(texts(union), ["3", "\"x\"", "~"]);
}

#[test]
fn summer_time_goes_on_behind_the_zone_tables() {
    let session = SessionFormat {
        time_zone: "America/New_York".parse().unwrap(),
        ..SessionFormat::default()
    };
    let array = TimestampSecondArray::from(vec![62_275_076_506]).with_timezone("UTC");
    let bytes = encode(&batch(Arc::new(array), ""), Format::Text, &session).unwrap();
    assert_eq!(fields(&bytes)[0].as_deref(), Some(b"3943-06-03 04:21:46-04".as_slice()));
}
