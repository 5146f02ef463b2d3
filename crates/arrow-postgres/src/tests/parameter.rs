//! Parameters: what is read, what is refused, and in which words.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_schema::DataType;

use super::*;
use crate::{DecodeError, decode_parameter, decode_parameter_in, oid};

fn text_of(oid: u32, text: &str) -> Result<ArrayRef, DecodeError> {
    let value = decode_parameter(oid, Format::Text, Some(text.as_bytes()))?;
    assert_eq!(value.array.len(), 1);
    assert_eq!(*value.array.data_type(), value.data_type);
    Ok(value.array)
}

/// Decodes and prints again as the same type.
fn reprinted(oid: u32, text: &str) -> String {
    let array = text_of(oid, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let name = match oid::element(oid) {
        Some(facts) => format!("_{}", facts.name),
        None => oid::scalar(oid).map_or(String::new(), |facts| facts.name.to_owned()),
    };
    let bytes = encode(&batch(array, &name), Format::Text, &SessionFormat::default()).unwrap();
    fields(&bytes)
        .remove(0)
        .map_or("~".to_owned(), |value| String::from_utf8(value).unwrap())
}

fn refused(oid: u32, text: &str) -> (&'static str, String) {
    let error = text_of(oid, text)
        .map(|array| panic!("{text} gave {array:?}"))
        .unwrap_err();
    (error.sqlstate, error.message)
}

fn binary_refused(oid: u32, bytes: &[u8]) -> &'static str {
    decode_parameter(oid, Format::Binary, Some(bytes)).unwrap_err().sqlstate
}

#[test]
fn texts_are_read_as_postgresql_reads_them() {
    let cases: &[(u32, &str, &str)] = &[
        (oid::BOOL, " TRUE ", "t"),
        (oid::BOOL, "of", "f"),
        (oid::BOOL, "y", "t"),
        (oid::INT4, "  +12 ", "12"),
        (oid::INT8, "-9223372036854775808", "-9223372036854775808"),
        (oid::OID, "4294967295", "4294967295"),
        (oid::FLOAT8, "1e3", "1000"),
        (oid::FLOAT8, "-infinity", "-Infinity"),
        (oid::FLOAT8, "nan", "NaN"),
        (oid::FLOAT4, ".5", "0.5"),
        (oid::NUMERIC, "1.50", "1.50"),
        (oid::NUMERIC, "-0.00", "0.00"),
        (oid::NUMERIC, "1.5e3", "1500"),
        (oid::NUMERIC, "12e-4", "0.0012"),
        (oid::NUMERIC, "00012.30", "12.30"),
        (
            oid::NUMERIC,
            "1234567890123456789012345678901234567890.5",
            "1234567890123456789012345678901234567890.5",
        ),
        (oid::TEXT, " a ", " a "),
        (0, "x", "x"),
        (oid::UNKNOWN, "x", "x"),
        (oid::BYTEA, "\\x00FF 41", "\\x00ff41"),
        (oid::BYTEA, "a\\\\\\001", "\\x615c01"),
        (oid::DATE, "2024-02-29", "2024-02-29"),
        (oid::DATE, "20240229", "2024-02-29"),
        (oid::DATE, "0044-03-15 BC", "0044-03-15 BC"),
        (oid::DATE, "12024-1-2", "12024-01-02"),
        (oid::DATE, "2024-02-29 23:00:00", "2024-02-29"),
        (oid::TIME, "1:02:03.4567891", "01:02:03.456789"),
        (oid::TIME, "24:00", "24:00:00"),
        (oid::TIME, "12:30 PM", "12:30:00"),
        (oid::TIMESTAMP, "2024-01-01T10:00:00.5Z", "2024-01-01 10:00:00.5"),
        (oid::TIMESTAMP, "2024-01-01", "2024-01-01 00:00:00"),
        (oid::TIMESTAMP, "epoch", "1970-01-01 00:00:00"),
        (oid::TIMESTAMP, "2024-01-01 10:00:60", "2024-01-01 10:01:00"),
        (oid::TIMESTAMPTZ, "2024-01-01 10:00:00+05:30", "2024-01-01 04:30:00+00"),
        (
            oid::TIMESTAMPTZ,
            "2024-07-01 10:00 Europe/Berlin",
            "2024-07-01 08:00:00+00",
        ),
        (
            oid::TIMESTAMPTZ,
            "2024-03-10 02:30 America/New_York",
            "2024-03-10 07:30:00+00",
        ),
        (
            oid::TIMESTAMPTZ,
            "2024-11-03 01:30 America/New_York",
            "2024-11-03 06:30:00+00",
        ),
        (
            oid::TIMESTAMPTZ,
            "0044-03-15 12:00:00-07:52:58 BC",
            "0044-03-15 19:52:58+00 BC",
        ),
        (
            oid::INTERVAL,
            "1 year 2 mons -3 days 04:05:06.7",
            "1 year 2 mons -3 days +04:05:06.7",
        ),
        (oid::INTERVAL, "1-2", "1 year 2 mons"),
        (oid::INTERVAL, "P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
        (oid::INTERVAL, "@ 1 hour ago", "-01:00:00"),
        (oid::INTERVAL, "1.5 days", "1 day 12:00:00"),
        (oid::INTERVAL, "1.5 months", "1 mon 15 days"),
        (oid::INTERVAL, "2 weeks", "14 days"),
        (oid::INTERVAL, "3 04:05:06", "3 days 04:05:06"),
        (oid::INTERVAL, "90", "00:01:30"),
        (
            oid::UUID,
            "{00010203-0405-0607-0809-0A0B0C0D0E0F}",
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
        ),
        (oid::JSONB, "{\"a\":[1]}", "{\"a\":[1]}"),
        (oid::INT4_ARRAY, " { 1 , NULL , -3 } ", "{1,NULL,-3}"),
        (oid::INT4_ARRAY, "[0:1]={1,2}", "{1,2}"),
        (
            oid::TEXT_ARRAY,
            r#"{"a b",c d ,\ ,"NULL",null,"\"\\"}"#,
            r#"{"a b","c d"," ","NULL",NULL,"\"\\"}"#,
        ),
        (oid::TEXT_ARRAY, "{}", "{}"),
        (oid::NUMERIC_ARRAY, "{1.5,20,NULL}", "{1.5,20.0,NULL}"),
        (oid::INT2VECTOR, "1 2", "1 2"),
    ];
    for (oid, input, output) in cases {
        assert_eq!(reprinted(*oid, input), *output, "{input:?} of type {oid}");
    }
}

#[test]
fn malformed_texts() {
    let cases: &[(u32, &str, &str, &str)] = &[
        (oid::INT4, "x", "22P02", "invalid input syntax for type integer: \"x\""),
        (
            oid::INT2,
            "1.5",
            "22P02",
            "invalid input syntax for type smallint: \"1.5\"",
        ),
        (
            oid::INT2,
            "40000",
            "22003",
            "value \"40000\" is out of range for type smallint",
        ),
        (oid::INT8, "", "22P02", "invalid input syntax for type bigint: \"\""),
        (oid::BOOL, "o", "22P02", "invalid input syntax for type boolean: \"o\""),
        (
            oid::FLOAT8,
            "1e400",
            "22003",
            "\"1e400\" is out of range for type double precision",
        ),
        (
            oid::FLOAT8,
            "1e-400",
            "22003",
            "\"1e-400\" is out of range for type double precision",
        ),
        (oid::FLOAT4, "1e40", "22003", "\"1e40\" is out of range for type real"),
        (oid::FLOAT4, "a", "22P02", "invalid input syntax for type real: \"a\""),
        (oid::NUMERIC, "NaN", "22003", "numeric NaN is not supported"),
        (
            oid::NUMERIC,
            "1e999999999999",
            "22003",
            "value overflows numeric format",
        ),
        (
            oid::NUMERIC,
            ".",
            "22P02",
            "invalid input syntax for type numeric: \".\"",
        ),
        (
            oid::DATE,
            "2024-02-30",
            "22008",
            "date/time field value out of range: \"2024-02-30\"",
        ),
        (oid::DATE, "x", "22007", "invalid input syntax for type date: \"x\""),
        (
            oid::DATE,
            "9999999-01-01",
            "22008",
            "date out of range: \"9999999-01-01\"",
        ),
        (
            oid::TIME,
            "25:00",
            "22008",
            "date/time field value out of range: \"25:00\"",
        ),
        (
            oid::TIMESTAMP,
            "2024-01-01 1",
            "22007",
            "invalid input syntax for type timestamp: \"2024-01-01 1\"",
        ),
        (
            oid::TIMESTAMPTZ,
            "300000-01-01",
            "22008",
            "timestamp out of range: \"300000-01-01\"",
        ),
        (
            oid::INTERVAL,
            "1 foo",
            "22007",
            "invalid input syntax for type interval: \"1 foo\"",
        ),
        (
            oid::INTERVAL,
            "999999999999 days",
            "22008",
            "interval field value out of range: \"999999999999 days\"",
        ),
        (oid::UUID, "0", "22P02", "invalid input syntax for type uuid: \"0\""),
        (oid::BYTEA, "\\x0g", "22023", "invalid hexadecimal digit: \"g\""),
        (oid::BYTEA, "\\9", "22P02", "invalid input syntax for type bytea"),
        (oid::JSON, "{", "22P02", "invalid input syntax for type json"),
        (oid::INT4_ARRAY, "1", "22P02", "malformed array literal: \"1\""),
        (oid::INT4_ARRAY, "{1,}", "22P02", "malformed array literal: \"{1,}\""),
        (
            oid::INT4_ARRAY,
            "{a}",
            "22P02",
            "invalid input syntax for type integer: \"a\"",
        ),
        (
            oid::INT4_ARRAY,
            "{{1}}",
            "0A000",
            "multidimensional array parameters are not supported",
        ),
        (
            oid::TEXT,
            "a\0",
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ),
    ];
    for (oid, input, sqlstate, message) in cases {
        assert_eq!(refused(*oid, input), (*sqlstate, (*message).to_owned()));
    }
    let error = decode_parameter(oid::TEXT, Format::Text, Some(b"a\xff")).unwrap_err();
    assert_eq!(
        (error.sqlstate, error.message.as_str()),
        ("22021", "invalid byte sequence for encoding \"UTF8\": 0xff")
    );
}

#[test]
fn malformed_binaries() {
    assert_eq!(binary_refused(oid::INT4, b"\0\0\0"), "22P03");
    assert_eq!(binary_refused(oid::BOOL, b""), "22P03");
    assert_eq!(binary_refused(oid::NUMERIC, b"\0\x05\0\0\0\0\0\0"), "22P03");
    assert_eq!(binary_refused(oid::NUMERIC, b"\0\0\0\0\xc0\0\0\0"), "22003");
    assert_eq!(binary_refused(oid::UUID, b"x"), "22P03");
    assert_eq!(binary_refused(oid::JSONB, b"\x02{}"), "XX000");
    assert_eq!(binary_refused(oid::INTERVAL, &[0x7f; 16]), "22008");
    assert_eq!(binary_refused(oid::DATE, &0x7fff_fff0_i32.to_be_bytes()), "22008");
    assert_eq!(
        binary_refused(
            oid::INT4_ARRAY,
            b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01"
        ),
        "22P03"
    );
    assert_eq!(
        binary_refused(oid::INT4_ARRAY, b"\0\0\0\x00\0\0\0\0\0\0\0\x19"),
        "42804"
    );
    assert_eq!(binary_refused(oid::INET, b"\x02"), "0A000");
}

#[test]
fn infinities_compare_beyond_every_value() {
    assert_eq!(
        text_of(oid::TIMESTAMP, "infinity")
            .unwrap()
            .as_primitive::<TimestampMicrosecondType>()
            .value(0),
        i64::MAX
    );
    assert_eq!(
        text_of(oid::DATE, "-infinity")
            .unwrap()
            .as_primitive::<Date32Type>()
            .value(0),
        i32::MIN
    );
    let binary = decode_parameter(oid::TIMESTAMPTZ, Format::Binary, Some(&i64::MIN.to_be_bytes())).unwrap();
    assert_eq!(
        binary.array.as_primitive::<TimestampMicrosecondType>().value(0),
        i64::MIN
    );
}

#[test]
fn the_session_zone_fills_in() {
    let session = SessionFormat {
        time_zone: "America/New_York".parse().unwrap(),
        ..SessionFormat::default()
    };
    let value = decode_parameter_in(oid::TIMESTAMPTZ, Format::Text, Some(b"1970-01-01 00:00:00"), &session).unwrap();
    assert_eq!(
        value.array.as_primitive::<TimestampMicrosecondType>().value(0),
        5 * 3_600_000_000
    );
}

#[test]
fn nulls_have_the_declared_type() {
    for facts in oid::TYPES {
        for format in [Format::Text, Format::Binary] {
            let value = decode_parameter(facts.oid, format, None).unwrap();
            assert!(value.array.len() == 1 && value.array.is_null(0));
            assert_eq!(
                value.data_type,
                crate::arrow_type(facts.oid).unwrap_or(DataType::Utf8),
                "{}",
                facts.name
            );
        }
    }
    let value = decode_parameter(oid::INT4_ARRAY, Format::Text, None).unwrap();
    assert!(value.array.is_null(0));
    assert_eq!(value.data_type, crate::arrow_type(oid::INT4_ARRAY).unwrap());
}
