//! Columns as Unity Catalog describes them, in the Arrow types that the reader of files gives them too: a table is the
//! same on every route.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, IntervalUnit, Schema, SchemaRef, TimeUnit};

use super::model::ColumnInfo;
use super::spark_type::SparkType;

/// Where a field keeps its comment, as fields of Delta tables do.
const COMMENT: &str = "comment";

/// The schema of these columns, or why there is none that compute and files could share.
pub(crate) fn schema_of(columns: &[ColumnInfo]) -> Result<SchemaRef, String> {
    let mut sorted: Vec<_> = columns.iter().collect();
    sorted.sort_by_key(|column| column.position);
    let fields = sorted.into_iter().map(|column| {
        let name = &column.name;
        let known = column.spark_type().ok_or_else(|| {
            let written = crate::outcome::shortened(&column.type_text);
            format!("column \"{name}\" has the type \"{written}\", which is not known")
        })?;
        let field = field_of(name, &known)?;
        Ok::<_, String>(match column.comment.as_str() {
            "" => field,
            comment => field.with_metadata([(COMMENT.to_owned(), comment.to_owned())].into()),
        })
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, _>>()?)))
}

/// The columns of [`schema_of`], not null where the catalog says so.
pub(crate) fn with_nullability(schema: &Schema, columns: &[ColumnInfo]) -> SchemaRef {
    let strict = columns.iter().filter(|column| column.nullable == Some(false));
    let strict: HashSet<_> = strict.map(|column| column.name.as_str()).collect();
    let fields = schema
        .fields()
        .iter()
        .map(|field| match strict.contains(field.name().as_str()) {
            true => Arc::new(field.as_ref().clone().with_nullable(false)),
            false => Arc::clone(field),
        });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A column of compute; or why its values there are not those that comparisons here expect.
pub(crate) fn field_of(name: &str, spark_type: &SparkType) -> Result<Field, String> {
    let data_type = match spark_type {
        SparkType::String | SparkType::Varchar(_) => DataType::Utf8View,
        SparkType::Binary => DataType::BinaryView,
        other => nested(other).ok_or_else(|| {
            format!("column \"{name}\" has the type \"{spark_type}\", whose values are not compared there as here")
        })?,
    };
    Ok(Field::new(name, data_type, true))
}

/// The type of a value inside of another, or of a column that has no faster layout.
fn nested(spark_type: &SparkType) -> Option<DataType> {
    Some(match spark_type {
        SparkType::Boolean => DataType::Boolean,
        SparkType::Byte => DataType::Int8,
        SparkType::Short => DataType::Int16,
        SparkType::Int => DataType::Int32,
        SparkType::Long => DataType::Int64,
        SparkType::Float => DataType::Float32,
        SparkType::Double => DataType::Float64,
        SparkType::Decimal { precision, scale } => DataType::Decimal128(*precision, i8::try_from(*scale).ok()?),
        SparkType::String | SparkType::Varchar(_) => DataType::Utf8,
        SparkType::Binary => DataType::Binary,
        SparkType::Date => DataType::Date32,
        SparkType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        SparkType::TimestampNtz => DataType::Timestamp(TimeUnit::Microsecond, None),
        SparkType::YearMonth(_) => DataType::Interval(IntervalUnit::YearMonth),
        SparkType::DayTime(_) => DataType::Duration(TimeUnit::Microsecond),
        SparkType::Array(element) => DataType::List(Arc::new(Field::new("element", nested(element)?, true))),
        SparkType::Map(key, value) => {
            let entries = vec![
                Field::new("key", nested(key)?, false),
                Field::new("value", nested(value)?, true),
            ];
            let entries = Field::new("key_value", DataType::Struct(entries.into()), false);
            DataType::Map(Arc::new(entries), false)
        }
        SparkType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|(name, inner)| Some(Field::new(name, nested(inner)?, true)));
            DataType::Struct(fields.collect::<Option<Vec<_>>>()?.into())
        }
        SparkType::Void => DataType::Null,
        // Padded, collated or shredded: equality there is not equality here.
        SparkType::Char(_) | SparkType::Collated(_) | SparkType::Variant => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, position: i64, type_text: &str) -> ColumnInfo {
        ColumnInfo {
            name: name.to_owned(),
            position,
            type_text: type_text.to_owned(),
            ..ColumnInfo::default()
        }
    }

    #[test]
    fn columns_come_in_the_order_of_their_positions() {
        let schema = schema_of(&[column("b", 1, "int"), column("a", 0, "string")]).unwrap();
        assert_eq!(schema.field(0).name(), "a");
        assert_eq!(schema.field(0).data_type(), &DataType::Utf8View);
        assert_eq!(schema.field(1).data_type(), &DataType::Int32);
    }

    #[test]
    fn types_that_compare_otherwise_are_refused_by_name() {
        for text in [
            "char(3)",
            "string collate UNICODE_CI",
            "variant",
            "array<variant>",
            "tensor<3>",
        ] {
            let why = schema_of(&[column("c", 0, text)]).unwrap_err();
            assert!(why.contains("\"c\"") && why.contains(text), "{why}");
        }
    }
}
