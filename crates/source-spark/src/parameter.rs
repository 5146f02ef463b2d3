//! Values as typed literals of the protocol.

use contract::{Error, Result};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use spark_connect_proto as proto;
use spark_connect_proto::expression::literal::LiteralType;

use crate::data_type::to_proto;

/// A value of those types that travel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Null(DataType),
    Boolean(bool),
    Byte(i8),
    Short(i16),
    Integer(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Decimal {
        text: String,
        precision: u8,
        scale: i8,
    },
    Text(&'a str),
    Binary(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 on a wall clock.
    TimestampWithoutZone(i64),
}

pub(crate) fn unsupported(data_type: &DataType) -> Error {
    Error::unsupported(format!(
        "a value of type {data_type} cannot be sent to a Spark Connect server"
    ))
    .with_hint("Cast it to text, or to another type that the server has.")
}

/// Takes a value apart.
///
/// # Errors
/// `Unsupported` for a type that Spark has not, or that nothing sends yet.
pub(crate) fn value(scalar: &ScalarValue) -> Result<Value<'_>> {
    let data_type = scalar.data_type();
    if let DataType::Decimal128(precision, scale) = data_type
        && !(0..=i16::from(precision)).contains(&i16::from(scale))
    {
        return Err(unsupported(&data_type));
    }
    if scalar.is_null() {
        // Whether it has an equal there is known without a value.
        to_proto(&data_type).ok_or_else(|| unsupported(&data_type))?;
        return Ok(Value::Null(data_type));
    }
    Ok(match scalar {
        ScalarValue::Boolean(Some(boolean)) => Value::Boolean(*boolean),
        ScalarValue::Int8(Some(number)) => Value::Byte(*number),
        ScalarValue::Int16(Some(number)) => Value::Short(*number),
        ScalarValue::Int32(Some(number)) => Value::Integer(*number),
        ScalarValue::Int64(Some(number)) => Value::Long(*number),
        ScalarValue::Float32(Some(number)) => Value::Float(*number),
        ScalarValue::Float64(Some(number)) => Value::Double(*number),
        ScalarValue::Decimal128(Some(number), precision, scale) => Value::Decimal {
            text: decimal_text(*number, scale.unsigned_abs().into()),
            precision: *precision,
            scale: *scale,
        },
        ScalarValue::Utf8(Some(text)) | ScalarValue::LargeUtf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => {
            Value::Text(text)
        }
        ScalarValue::Binary(Some(bytes))
        | ScalarValue::LargeBinary(Some(bytes))
        | ScalarValue::BinaryView(Some(bytes)) => Value::Binary(bytes),
        ScalarValue::Date32(Some(days)) => Value::Date(*days),
        ScalarValue::TimestampMicrosecond(Some(moment), Some(_)) => Value::Timestamp(*moment),
        ScalarValue::TimestampMicrosecond(Some(moment), None) => Value::TimestampWithoutZone(*moment),
        _ => return Err(unsupported(&data_type)),
    })
}

/// The digits of a decimal with `scale` of them behind the point.
fn decimal_text(number: i128, scale: usize) -> String {
    let digits = format!("{:0width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if number < 0 { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    }
}

/// The expression for a value.
///
/// # Errors
/// Those of [`value`].
pub(crate) fn expression(scalar: &ScalarValue) -> Result<proto::Expression> {
    let literal = match value(scalar)? {
        Value::Null(data_type) => LiteralType::Null(to_proto(&data_type).ok_or_else(|| unsupported(&data_type))?),
        Value::Boolean(boolean) => LiteralType::Boolean(boolean),
        Value::Byte(number) => LiteralType::Byte(number.into()),
        Value::Short(number) => LiteralType::Short(number.into()),
        Value::Integer(number) => LiteralType::Integer(number),
        Value::Long(number) => LiteralType::Long(number),
        Value::Float(number) => LiteralType::Float(number),
        Value::Double(number) => LiteralType::Double(number),
        Value::Decimal { text, precision, scale } => LiteralType::Decimal(proto::expression::literal::Decimal {
            value: text,
            precision: Some(precision.into()),
            scale: Some(scale.into()),
        }),
        Value::Text(text) => LiteralType::String(text.to_owned()),
        Value::Binary(bytes) => LiteralType::Binary(bytes.to_vec().into()),
        Value::Date(days) => LiteralType::Date(days),
        Value::Timestamp(moment) => LiteralType::Timestamp(moment),
        Value::TimestampWithoutZone(moment) => LiteralType::TimestampNtz(moment),
    };
    let literal = proto::expression::Literal {
        literal_type: Some(literal),
        ..Default::default()
    };
    Ok(proto::Expression {
        expr_type: Some(proto::expression::ExprType::Literal(literal)),
        ..Default::default()
    })
}
