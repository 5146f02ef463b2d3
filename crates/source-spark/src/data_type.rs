//! Spark's types and Arrow's.
//!
//! <https://spark.apache.org/docs/latest/sql-ref-datatypes.html>

use std::sync::Arc;

use contract::{Error, Result};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use spark_connect_proto as proto;
use spark_connect_proto::data_type::Kind;

/// The only collation in which texts compare as bytes do, which is how they compare here.
const BINARY_COLLATION: &str = "UTF8_BINARY";

/// Where Spark keeps what a column was declared as when it shows it as STRING.
const DECLARED_TYPE: &str = "__CHAR_VARCHAR_TYPE_STRING";

/// What Spark takes for a decimal that says nothing.
const DECIMAL_DEFAULT: (i32, i32) = (10, 0);

/// The largest precision of Spark's decimals.
const DECIMAL_PRECISION_MAX: i32 = 38;

/// The columns of a relation. All are nullable, at every depth: what a remote system promises is not built on.
///
/// # Errors
/// `Unsupported` with the column and its type, if a value of it would mean something else here.
pub(crate) fn to_schema(relation: &proto::DataType) -> Result<SchemaRef> {
    let Some(Kind::Struct(columns)) = &relation.kind else {
        return Err(Error::internal("the schema of a relation is no struct"));
    };
    let fields = columns.fields.iter().map(|column| {
        let declared = declared_type(column.metadata.as_deref());
        let found = match &declared {
            Some(text) if text.replace("varchar(", "").contains("char(") => Err(text.clone()),
            _ => column.data_type.as_ref().map_or(Err("nothing".to_owned()), to_arrow),
        };
        found
            .map(|data_type| Field::new(&column.name, data_type, true))
            .map_err(|word| unreadable(&column.name, &word))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Fields>>()?)))
}

fn unreadable(column: &str, word: &str) -> Error {
    Error::unsupported(format!("column \"{column}\" is of type {word}, which is not supported"))
        .with_hint("Make a view over the table that casts the column or leaves it out.")
}

fn declared_type(metadata: Option<&str>) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(metadata?).ok()?;
    Some(metadata.get(DECLARED_TYPE)?.as_str()?.to_ascii_lowercase())
}

/// The Arrow type in which results come, or the word for a type that has none.
fn to_arrow(data_type: &proto::DataType) -> Result<DataType, String> {
    let word = |word: &str| Err(word.to_owned());
    match data_type.kind.as_ref() {
        Some(Kind::Null(_)) => Ok(DataType::Null),
        Some(Kind::Boolean(_)) => Ok(DataType::Boolean),
        Some(Kind::Byte(_)) => Ok(DataType::Int8),
        Some(Kind::Short(_)) => Ok(DataType::Int16),
        Some(Kind::Integer(_)) => Ok(DataType::Int32),
        Some(Kind::Long(_)) => Ok(DataType::Int64),
        Some(Kind::Float(_)) => Ok(DataType::Float32),
        Some(Kind::Double(_)) => Ok(DataType::Float64),
        Some(Kind::Decimal(decimal)) => decimal_type(decimal),
        Some(Kind::String(text)) => match text.collation.as_str() {
            "" | BINARY_COLLATION => Ok(DataType::Utf8),
            collation => Err(format!("STRING COLLATE {collation}")),
        },
        Some(Kind::VarChar(_)) => Ok(DataType::Utf8),
        Some(Kind::Char(char)) => Err(format!("CHAR({})", char.length)),
        Some(Kind::Binary(_)) => Ok(DataType::Binary),
        Some(Kind::Date(_)) => Ok(DataType::Date32),
        Some(Kind::Timestamp(_)) => Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        Some(Kind::TimestampNtz(_)) => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
        Some(Kind::YearMonthInterval(_)) => Ok(DataType::Interval(IntervalUnit::YearMonth)),
        Some(Kind::DayTimeInterval(_)) => Ok(DataType::Duration(TimeUnit::Microsecond)),
        Some(Kind::Array(array)) => {
            let element = inner(array.element_type.as_deref())?;
            Ok(DataType::List(Arc::new(Field::new("element", element, true))))
        }
        Some(Kind::Map(map)) => {
            let key = Field::new("key", inner(map.key_type.as_deref())?, false);
            let value = Field::new("value", inner(map.value_type.as_deref())?, true);
            let entries = DataType::Struct(Fields::from(vec![key, value]));
            Ok(DataType::Map(Arc::new(Field::new("entries", entries, false)), false))
        }
        Some(Kind::Struct(columns)) => {
            let fields = columns.fields.iter().map(|field| {
                let data_type = inner(field.data_type.as_ref())?;
                Ok::<FieldRef, String>(Arc::new(Field::new(&field.name, data_type, true)))
            });
            Ok(DataType::Struct(fields.collect::<Result<Fields, _>>()?))
        }
        Some(Kind::Variant(_)) => word("VARIANT"),
        Some(Kind::CalendarInterval(_)) => word("INTERVAL"),
        Some(Kind::Time(_)) => word("TIME"),
        Some(Kind::TimestampNtzNanos(_)) => word("TIMESTAMP_NTZ in nanoseconds"),
        Some(Kind::TimestampLtzNanos(_)) => word("TIMESTAMP in nanoseconds"),
        Some(Kind::Geometry(_)) => word("GEOMETRY"),
        Some(Kind::Geography(_)) => word("GEOGRAPHY"),
        Some(Kind::Udt(_)) => word("a user-defined one"),
        Some(Kind::Unparsed(unparsed)) => Err(unparsed.data_type_string.clone()),
        None => word("an unknown one"),
    }
}

fn inner(data_type: Option<&proto::DataType>) -> Result<DataType, String> {
    data_type.map_or_else(|| Err("an unknown one".to_owned()), to_arrow)
}

fn decimal_type(decimal: &proto::data_type::Decimal) -> Result<DataType, String> {
    let precision = decimal.precision.unwrap_or(DECIMAL_DEFAULT.0);
    let scale = decimal.scale.unwrap_or(DECIMAL_DEFAULT.1);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(digits), Ok(behind))
            if (1..=DECIMAL_PRECISION_MAX).contains(&precision) && (0..=precision).contains(&scale) =>
        {
            Ok(DataType::Decimal128(digits, behind))
        }
        _ => Err(format!("DECIMAL({precision},{scale})")),
    }
}

/// The type of a parameter; none if nothing of that type is sent.
pub(crate) fn to_proto(data_type: &DataType) -> Option<proto::DataType> {
    let kind = match data_type {
        DataType::Null => Kind::Null(Default::default()),
        DataType::Boolean => Kind::Boolean(Default::default()),
        DataType::Int8 => Kind::Byte(Default::default()),
        DataType::Int16 => Kind::Short(Default::default()),
        DataType::Int32 => Kind::Integer(Default::default()),
        DataType::Int64 => Kind::Long(Default::default()),
        DataType::Float32 => Kind::Float(Default::default()),
        DataType::Float64 => Kind::Double(Default::default()),
        DataType::Decimal128(precision, scale) => Kind::Decimal(proto::data_type::Decimal {
            precision: Some((*precision).into()),
            scale: Some((*scale).into()),
            ..Default::default()
        }),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::String(proto::data_type::String {
            collation: BINARY_COLLATION.to_owned(),
            ..Default::default()
        }),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Kind::Binary(Default::default()),
        DataType::Date32 => Kind::Date(Default::default()),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Kind::Timestamp(Default::default()),
        DataType::Timestamp(TimeUnit::Microsecond, None) => Kind::TimestampNtz(Default::default()),
        _ => return None,
    };
    Some(proto::DataType { kind: Some(kind) })
}
