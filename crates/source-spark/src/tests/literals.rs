use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::common::ScalarValue;
use proptest::prelude::*;
use spark_connect_proto::expression::ExprType;
use spark_connect_proto::expression::literal::LiteralType;

use crate::literal::literal;
use crate::parameter::expression;

fn utc(moment: i64) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(Some(moment), Some("UTC".into()))
}

#[test]
fn each_type_has_its_literal() {
    let null = |data_type: DataType| ScalarValue::try_from(&data_type).unwrap();
    for (value, expected) in [
        (ScalarValue::Boolean(Some(true)), "TRUE"),
        (ScalarValue::Int8(Some(-128)), "CAST('-128' AS TINYINT)"),
        (
            ScalarValue::Int64(Some(i64::MIN)),
            "CAST('-9223372036854775808' AS BIGINT)",
        ),
        (ScalarValue::Float64(Some(f64::NAN)), "CAST('NaN' AS DOUBLE)"),
        (
            ScalarValue::Float32(Some(f32::NEG_INFINITY)),
            "CAST('-Infinity' AS FLOAT)",
        ),
        (ScalarValue::Float64(Some(-0.0)), "CAST('-0e0' AS DOUBLE)"),
        (ScalarValue::Float32(Some(0.1)), "CAST('1e-1' AS FLOAT)"),
        (
            ScalarValue::Decimal128(Some(-5), 10, 2),
            "CAST('-0.05' AS DECIMAL(10,2))",
        ),
        (
            ScalarValue::Decimal128(Some(1234), 38, 0),
            "CAST('1234' AS DECIMAL(38,0))",
        ),
        (ScalarValue::from("plain: text;"), "'plain: text;'"),
        (ScalarValue::from(""), "''"),
        (ScalarValue::from("a\\"), "CAST(X'615C' AS STRING)"),
        (ScalarValue::from("${x}"), "CAST(X'247B787D' AS STRING)"),
        (ScalarValue::from("é"), "CAST(X'C3A9' AS STRING)"),
        (ScalarValue::Binary(Some(vec![0, 255])), "X'00FF'"),
        (ScalarValue::Date32(Some(0)), "DATE'1970-01-01'"),
        (ScalarValue::Date32(Some(-719_162)), "DATE'0001-01-01'"),
        (
            ScalarValue::Date32(Some(2_932_897)),
            "date_from_unix_date(CAST('2932897' AS INT))",
        ),
        (utc(-1), "timestamp_micros(CAST('-1' AS BIGINT))"),
        (
            ScalarValue::TimestampMicrosecond(Some(1), None),
            "CAST(timestamp_micros(CAST('1' AS BIGINT)) AS TIMESTAMP_NTZ)",
        ),
        (ScalarValue::Null, "NULL"),
        (null(DataType::Utf8View), "CAST(NULL AS STRING)"),
        (null(DataType::Decimal128(7, 3)), "CAST(NULL AS DECIMAL(7,3))"),
        (
            null(DataType::Timestamp(TimeUnit::Microsecond, None)),
            "CAST(NULL AS TIMESTAMP_NTZ)",
        ),
    ] {
        assert_eq!(literal(&value).unwrap(), expected);
        expression(&value).unwrap();
    }
}

#[test]
fn what_spark_has_not_is_not_sent() {
    for value in [
        ScalarValue::UInt64(Some(1)),
        ScalarValue::Decimal128(Some(1), 3, -2),
        ScalarValue::Decimal128(None, 3, 5),
        ScalarValue::TimestampNanosecond(Some(1), None),
        ScalarValue::try_from(&DataType::Interval(IntervalUnit::MonthDayNano)).unwrap(),
    ] {
        assert!(literal(&value).is_err(), "{value:?}");
        assert!(expression(&value).is_err(), "{value:?}");
    }
}

#[test]
fn parameters_are_typed() {
    let typed = |value: ScalarValue| match expression(&value).unwrap().expr_type {
        Some(ExprType::Literal(literal)) => literal.literal_type.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(typed(ScalarValue::Int16(Some(-3))), LiteralType::Short(-3));
    assert_eq!(typed(utc(7)), LiteralType::Timestamp(7));
    assert_eq!(
        typed(ScalarValue::TimestampMicrosecond(Some(7), None)),
        LiteralType::TimestampNtz(7)
    );
    let LiteralType::Decimal(decimal) = typed(ScalarValue::Decimal128(Some(-12345), 9, 4)) else {
        panic!()
    };
    assert_eq!(
        (decimal.value.as_str(), decimal.precision, decimal.scale),
        ("-1.2345", Some(9), Some(4))
    );
}

/// What Spark's parser sees in a literal for a text: the text, if nothing can be seen in it but one value.
fn seen_by_spark(sql: &str) -> Option<String> {
    if let Some(hexadecimal) = sql
        .strip_prefix("CAST(X'")
        .and_then(|rest| rest.strip_suffix("' AS STRING)"))
    {
        let digits = hexadecimal.as_bytes();
        let bytes = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16));
        return String::from_utf8(bytes.collect::<Result<_, _>>().ok()?).ok();
    }
    let inner = sql.strip_prefix('\'')?.strip_suffix('\'')?;
    let safe = inner
        .chars()
        .all(|character| (' '..='~').contains(&character) && !['\'', '\\', '"', '`', '$'].contains(&character));
    safe.then(|| inner.to_owned())
}

proptest! {
    #[test]
    fn a_text_stays_one_value(text in prop_oneof![".*", "[\\\\'\"`${}a-z ;-]{0,20}", "\\PC{0,30}"]) {
        let sql = literal(&ScalarValue::from(text.as_str())).unwrap();
        prop_assert_eq!(seen_by_spark(&sql), Some(text));
    }

    #[test]
    fn bytes_stay_one_value(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let sql = literal(&ScalarValue::Binary(Some(bytes.clone()))).unwrap();
        let digits = sql.strip_prefix("X'").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        prop_assert_eq!(digits.len(), bytes.len() * 2);
        prop_assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }

    #[test]
    fn numbers_come_back(double in any::<f64>(), float in any::<f32>()) {
        let inner = |sql: String| sql.split('\'').nth(1).unwrap().to_owned();
        let back: f64 = inner(literal(&ScalarValue::Float64(Some(double))).unwrap()).parse().unwrap();
        prop_assert!(back.to_bits() == double.to_bits() || back.is_nan() && double.is_nan());
        let back: f32 = inner(literal(&ScalarValue::Float32(Some(float))).unwrap()).parse().unwrap();
        prop_assert!(back.to_bits() == float.to_bits() || back.is_nan() && float.is_nan());
    }
}
