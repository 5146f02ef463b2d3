//! Casts to types that only PostgreSQL has.

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, ExactNumberInfo, Expr, TimezoneInfo, Value,
};
use datafusion::sql::sqlparser::parser::Parser;

use super::build;
use crate::catalog::rows::{Cell, elements};
use crate::dialect::LakegateDialect;
use crate::functions::{NUMERIC, date_text, interval_text, numeric_shape, timestamp_text};

const OBJECT_TYPES: [&str; 6] = [
    "regclass",
    "regtype",
    "regproc",
    "regprocedure",
    "regnamespace",
    "regrole",
];

/// Rewrites `expr::data_type`; `None` leaves it as it is.
pub(super) fn rewrite(expr: &Expr, data_type: &mut DataType) -> Result<Option<Expr>> {
    // `x::regclass::text` is the object's name.
    if matches!(
        data_type,
        DataType::Text | DataType::Varchar(_) | DataType::CharacterVarying(_)
    ) && let Expr::Function(function) = build::peeled(expr)
        && let Some(name) = build::function_name(&function.name)
    {
        if name == "pg_typeof" {
            return Ok(Some(build::call("lakegate_regtype_text", vec![expr.clone()])));
        }
        let object = name.strip_prefix("lakegate_").or_else(|| name.strip_prefix("to_"));
        let Some(object) = object.filter(|object| OBJECT_TYPES.contains(object)) else {
            return Ok(None);
        };
        let arguments = build::arguments(function).unwrap_or_default();
        return Ok(Some(build::call(&format!("lakegate_{object}_text"), arguments)));
    }
    if let DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) =
        data_type
    {
        if let Some(simple) = stand_in(element)? {
            **element = simple;
        }
        if let Expr::Value(value) = build::peeled(expr)
            && let Value::SingleQuotedString(text) = &value.value
        {
            let array = literal_array(text).ok_or_else(|| {
                Error::data(
                    contract::DataException::InvalidTextRepresentation,
                    format!("malformed array literal: \"{text}\""),
                )
            })?;
            return Ok(Some(Expr::Cast {
                kind: CastKind::DoubleColon,
                expr: Box::new(array),
                data_type: data_type.clone(),
                array: false,
                format: None,
            }));
        }
        return Ok(None);
    }
    if let DataType::Bytea = data_type
        && let Expr::Value(value) = build::peeled(expr)
        && let Value::SingleQuotedString(text) = &value.value
    {
        let digits = bytea_digits(text).ok_or_else(|| {
            Error::data(
                contract::DataException::InvalidTextRepresentation,
                "invalid input syntax for type bytea",
            )
        })?;
        return Ok(Some(Expr::Value(Value::HexStringLiteral(digits).into())));
    }
    if let Some(replaced) = number_or_moment(expr, data_type)? {
        return Ok(Some(replaced));
    }
    // Texts that a client is told to be more than that.
    let told = match data_type {
        DataType::JSON => Some("lakegate_json"),
        DataType::JSONB => Some("lakegate_jsonb"),
        DataType::Uuid => Some("lakegate_uuid"),
        _ => None,
    };
    if let Some(told) = told {
        return Ok(Some(build::call(told, vec![expr.clone()])));
    }
    if matches!(data_type, DataType::Regclass) {
        return Ok(Some(build::call("lakegate_regclass", vec![expr.clone()])));
    }
    let DataType::Custom(name, _) = &*data_type else {
        return Ok(None);
    };
    let Some(name) = build::function_name(name) else {
        return Ok(None);
    };
    let name = name.as_str();
    if OBJECT_TYPES.contains(&name) {
        return Ok(Some(build::call(&format!("lakegate_{name}"), vec![expr.clone()])));
    }
    match name {
        "oid" | "xid" | "cid" => return Ok(Some(build::call("lakegate_oid", vec![expr.clone()]))),
        "name" => return Ok(Some(build::call("lakegate_name", vec![expr.clone()]))),
        "char" => return Ok(Some(build::call("lakegate_char", vec![expr.clone()]))),
        _ => {}
    }
    if let Some(simple) = stand_in(data_type)? {
        *data_type = simple;
    }
    Ok(None)
}

/// Casts to `numeric` without a scale, of constants to floats, and to dates, timestamps and intervals.
fn number_or_moment(expr: &Expr, data_type: &mut DataType) -> Result<Option<Expr>> {
    let value = match build::peeled(expr) {
        Expr::Value(value) => Some(&value.value),
        _ => None,
    };
    let text = match value {
        Some(Value::SingleQuotedString(text)) => Some(text.as_str()),
        _ => None,
    };
    if let DataType::Numeric(scale) | DataType::Decimal(scale) | DataType::Dec(scale) = data_type
        && *scale == ExactNumberInfo::None
    {
        return Ok(match value {
            // A parameter is asked for its type by the cast itself; NULL has no digits.
            Some(Value::Placeholder(_) | Value::Null) => None,
            Some(Value::SingleQuotedString(text) | Value::Number(text, _)) => {
                if let Some((precision, digits)) = numeric_shape(text.trim()) {
                    *scale = ExactNumberInfo::PrecisionAndScale(precision.into(), digits.into());
                }
                None
            }
            _ => Some(build::call(NUMERIC, vec![expr.clone()])),
        });
    }
    let form = match data_type {
        // By its digits, not by the numeric that they would be elsewhere: that ends long before 1e308.
        DataType::DoublePrecision
        | DataType::Double(_)
        | DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real => match value {
            Some(Value::Number(digits, _)) => Some(digits.clone()),
            _ => None,
        },
        DataType::Timestamp(precision, zone) => {
            let with_zone = matches!(zone, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone);
            // Microseconds, as in PostgreSQL.
            precision.get_or_insert(6);
            text.map(|text| timestamp_text(text, with_zone)).transpose()?.flatten()
        }
        DataType::Date => text.map(date_text).transpose()?.flatten(),
        DataType::Interval {
            fields: None,
            precision: None,
        } => text.and_then(interval_text),
        _ => None,
    };
    Ok(form.map(|form| Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(build::string(form)),
        data_type: data_type.clone(),
        array: false,
        format: None,
    }))
}

/// A type that DataFusion has and that holds the values of one that it has not.
fn stand_in(data_type: &DataType) -> Result<Option<DataType>> {
    if matches!(data_type, DataType::Regclass) {
        return Ok(Some(DataType::IntUnsigned(None)));
    }
    if matches!(data_type, DataType::Uuid | DataType::JSON | DataType::JSONB) {
        return Ok(Some(DataType::Text));
    }
    let DataType::Custom(name, _) = data_type else {
        return Ok(None);
    };
    let Some(name) = build::function_name(name) else {
        return Ok(None);
    };
    Ok(Some(match name.as_str() {
        "oid" | "xid" | "cid" => DataType::IntUnsigned(None),
        object if OBJECT_TYPES.contains(&object) => DataType::IntUnsigned(None),
        "name" | "char" | "bpchar" | "text" | "varchar" | "json" | "jsonb" | "uuid" | "citext" | "inet" | "cidr"
        | "macaddr" | "money" | "xml" | "cstring" | "unknown" | "sql_identifier" | "character_data" | "yes_or_no"
        | "pg_lsn" | "aclitem" => DataType::Text,
        "cardinal_number" => DataType::Integer(None),
        other => {
            let dialect = LakegateDialect::default();
            let parsed = Parser::new(&dialect)
                .try_with_sql(other)
                .and_then(|mut parser| parser.parse_data_type());
            match parsed {
                Ok(DataType::Custom(..)) | Err(_) => {
                    return Err(Error::new(
                        ErrorKind::UndefinedObject,
                        format!("type \"{other}\" does not exist"),
                    ));
                }
                Ok(simple) => simple,
            }
        }
    }))
}

/// The bytes that a text means, in hexadecimal: PostgreSQL writes them after `\x`, or with octal escapes.
fn bytea_digits(text: &str) -> Option<String> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let right = digits.len() % 2 == 0 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return right.then(|| digits.to_owned());
    }
    let mut digits = String::with_capacity(text.len() * 2);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let value = match byte {
            b'\\' => match bytes.next()? {
                b'\\' => b'\\',
                first => [first, bytes.next()?, bytes.next()?]
                    .iter()
                    .try_fold(0_u8, |value, digit| {
                        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
                        value.checked_mul(8)?.checked_add(digit)
                    })?,
            },
            other => other,
        };
        digits.push_str(&format!("{value:02x}"));
    }
    Some(digits)
}

/// The array that a text like `{a,b}` is; numbers if all elements are.
pub(super) fn literal_array(text: &str) -> Option<Expr> {
    let trimmed = text.trim();
    if !trimmed.starts_with('{') || !trimmed.ends_with('}') {
        return None;
    }
    let cells = elements(trimmed);
    let whole = cells
        .iter()
        .all(|cell| matches!(cell, Cell::Text(text) if text.parse::<i64>().is_ok()));
    let items = cells.into_iter().map(|cell| match cell {
        Cell::Text(text) if whole => build::number(text),
        Cell::Text(text) => build::string(text),
        _ => build::null(),
    });
    Some(build::array(items.collect()))
}
