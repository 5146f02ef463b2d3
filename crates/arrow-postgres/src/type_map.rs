//! Which PostgreSQL type stands for an Arrow field, and the other way round.

use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

use crate::oid;

/// Field metadata that overrides the natural mapping. Its value is a name from `pg_type`, such as `oid`, `regclass`,
/// `name`, `char`, `uuid`, `jsonb`, `int2vector`, or an array name such as `_oid`. A name that the Arrow type cannot
/// carry is ignored.
pub const PG_TYPE_METADATA: &str = "lakegate.pg_type";

/// What a row description says about a column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PgType {
    /// The object identifier.
    pub oid: u32,
    /// `pg_type.typlen`: negative for types of variable length.
    pub size: i16,
    /// The type modifier, -1 for none.
    pub modifier: i32,
}

/// The PostgreSQL type of `field`. Total: a type without a twin becomes `jsonb` or `text`.
pub fn pg_type(field: &Field) -> PgType {
    let oid = resolve(field);
    let scalar = oid::element(oid).map_or(oid, |facts| facts.oid);
    let size = if scalar == oid {
        oid::scalar(oid).map_or(-1, |facts| facts.size)
    } else {
        -1
    };
    let modifier = if scalar == oid::NUMERIC {
        numeric_modifier(field.data_type())
    } else {
        -1
    };
    PgType { oid, size, modifier }
}

/// The SQL name of a type for messages, `unknown` if it is not built in.
pub fn type_name(oid: u32) -> &'static str {
    built_in_name(oid).unwrap_or("unknown")
}

/// The SQL name of a built-in type.
pub(crate) fn built_in_name(oid: u32) -> Option<&'static str> {
    match (oid::scalar(oid), oid::element(oid)) {
        (Some(facts), _) => Some(facts.sql_name),
        (None, facts) => facts.map(|facts| facts.sql_array_name),
    }
}

/// The Arrow type that values of a declared parameter type are decoded to; `None` if the type is not supported.
///
/// A `numeric` value comes as the decimal that holds it exactly, so its precision and scale may differ from the ones
/// given here. A `uuid` comes as its canonical text.
pub fn arrow_type(oid: u32) -> Option<DataType> {
    Some(match oid {
        oid::BOOL => DataType::Boolean,
        oid::INT2 => DataType::Int16,
        oid::INT4 => DataType::Int32,
        oid::INT8 => DataType::Int64,
        oid::OID | oid::XID | oid::CID => DataType::UInt32,
        oid::FLOAT4 => DataType::Float32,
        oid::FLOAT8 => DataType::Float64,
        oid::NUMERIC => DataType::Decimal128(38, 10),
        oid::DATE => DataType::Date32,
        oid::TIME => DataType::Time64(TimeUnit::Microsecond),
        oid::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        oid::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        oid::INTERVAL => DataType::Interval(IntervalUnit::MonthDayNano),
        oid::BYTEA => DataType::Binary,
        oid::UUID | oid::JSON | oid::JSONB => DataType::Utf8,
        0 | oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::CHAR | oid::UNKNOWN | oid::CSTRING => {
            DataType::Utf8
        }
        oid if is_registry(oid) => DataType::Utf8,
        oid::INT2VECTOR => list_of(DataType::Int16),
        oid::OIDVECTOR => list_of(DataType::UInt32),
        _ => list_of(arrow_type(oid::element(oid)?.oid)?),
    })
}

pub(crate) fn list_of(element: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", element, true)))
}

/// The `reg*` types: an oid in binary, a name in text.
pub(crate) fn is_registry(oid: u32) -> bool {
    matches!(
        oid,
        oid::REGPROC
            | oid::REGPROCEDURE
            | oid::REGOPER
            | oid::REGOPERATOR
            | oid::REGCLASS
            | oid::REGTYPE
            | oid::REGROLE
            | oid::REGNAMESPACE
            | oid::REGCONFIG
            | oid::REGDICTIONARY
            | oid::REGCOLLATION
    )
}

/// The oid a field is sent as.
pub(crate) fn resolve(field: &Field) -> u32 {
    let wanted = field
        .metadata()
        .get(PG_TYPE_METADATA)
        .and_then(|name| oid::by_name(name))
        .or_else(
            || match field.metadata().get("ARROW:extension:name").map(String::as_str) {
                Some("arrow.uuid") => Some(oid::UUID),
                Some("arrow.json") => Some(oid::JSON),
                _ => None,
            },
        );
    match wanted {
        Some(oid) if carries(field.data_type(), oid) => oid,
        _ => natural(field.data_type()),
    }
}

fn natural(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => oid::TEXT,
        DataType::Boolean => oid::BOOL,
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => oid::INT2,
        DataType::UInt16 | DataType::Int32 => oid::INT4,
        DataType::UInt32 | DataType::Int64 => oid::INT8,
        DataType::UInt64
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => oid::NUMERIC,
        DataType::Float16 | DataType::Float32 => oid::FLOAT4,
        DataType::Float64 => oid::FLOAT8,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => oid::BYTEA,
        DataType::Date32 | DataType::Date64 => oid::DATE,
        DataType::Time32(_) | DataType::Time64(_) => oid::TIME,
        DataType::Timestamp(_, None) => oid::TIMESTAMP,
        DataType::Timestamp(_, Some(_)) => oid::TIMESTAMPTZ,
        DataType::Interval(_) | DataType::Duration(_) => oid::INTERVAL,
        DataType::Dictionary(_, values) => natural(values),
        DataType::RunEndEncoded(_, values) => resolve(values),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => natural_list(item),
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => oid::JSONB,
    }
}

/// A list of lists is one array of two dimensions only if its type promises that every inner list has the same length
/// and is present; else the rows decide, too late for the row description, so it is `jsonb`.
fn natural_list(item: &Field) -> u32 {
    let element = resolve(item);
    if oid::element(element).is_some() {
        let regular = matches!(item.data_type(), DataType::FixedSizeList(_, size) if *size > 0) && !item.is_nullable();
        return if regular { element } else { oid::JSONB };
    }
    match item.data_type() {
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => oid::JSONB,
        data_type if is_list(data_type) => oid::JSONB,
        _ => oid::array_of(element).unwrap_or(oid::JSONB),
    }
}

pub(crate) fn is_list(data_type: &DataType) -> bool {
    list_item(data_type).is_some()
}

pub(crate) fn list_item(data_type: &DataType) -> Option<&Field> {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => Some(item),
        _ => None,
    }
}

/// Whether the column encoder can write values of `data_type` as type `oid`.
pub(crate) fn carries(data_type: &DataType, oid: u32) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => carries(values, oid),
        DataType::RunEndEncoded(_, values) => carries(values.data_type(), oid),
        // Text passes as the text of any type; its binary form is made by reading that text.
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Int8 | DataType::UInt8 if oid == oid::CHAR => true,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => {
            matches!(oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::OID | oid::XID | oid::CID) || is_registry(oid)
        }
        DataType::FixedSizeBinary(16) => matches!(oid, oid::UUID | oid::BYTEA),
        DataType::Time32(_) | DataType::Time64(_) => matches!(oid, oid::TIME | oid::TIMETZ),
        _ if matches!(oid, oid::JSON | oid::JSONB) => data_type.is_nested(),
        _ => match list_item(data_type) {
            Some(item) => {
                let element = match oid {
                    oid::INT2VECTOR => Some(oid::INT2),
                    oid::OIDVECTOR => Some(oid::OID),
                    oid => oid::element(oid).map(|facts| facts.oid),
                };
                element.is_some_and(|element| {
                    carries(item.data_type(), element) || (is_list(item.data_type()) && carries(item.data_type(), oid))
                })
            }
            None => natural(data_type) == oid,
        },
    }
}

/// The modifier of `numeric(p, s)`; of a list, that of its elements.
fn numeric_modifier(data_type: &DataType) -> i32 {
    let (precision, scale) = match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => (*precision, *scale),
        DataType::Dictionary(_, values) => return numeric_modifier(values),
        DataType::RunEndEncoded(_, values) => return numeric_modifier(values.data_type()),
        _ => return list_item(data_type).map_or(-1, |item| numeric_modifier(item.data_type())),
    };
    ((i32::from(precision) << 16) | (i32::from(scale) & 0x7ff)) + 4
}
