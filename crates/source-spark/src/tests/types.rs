use contract::ErrorKind;
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use spark_connect_proto::data_type::{self, Kind};

use super::script::column;
use crate::data_type::to_schema;

fn relation(columns: Vec<data_type::StructField>) -> spark_connect_proto::DataType {
    let columns = data_type::Struct {
        fields: columns,
        ..Default::default()
    };
    spark_connect_proto::DataType {
        kind: Some(Kind::Struct(columns)),
    }
}

fn of(kind: Kind) -> contract::Result<DataType> {
    let schema = to_schema(&relation(vec![column("c", kind)]))?;
    assert!(schema.field(0).is_nullable());
    Ok(schema.field(0).data_type().clone())
}

fn text(collation: &str) -> Kind {
    Kind::String(data_type::String {
        collation: collation.to_owned(),
        ..Default::default()
    })
}

#[test]
fn types_have_arrow_types() {
    let decimal = data_type::Decimal {
        precision: Some(12),
        scale: Some(3),
        ..Default::default()
    };
    for (kind, expected) in [
        (Kind::Byte(Default::default()), DataType::Int8),
        (Kind::Decimal(decimal), DataType::Decimal128(12, 3)),
        (text(""), DataType::Utf8),
        (text("UTF8_BINARY"), DataType::Utf8),
        (Kind::VarChar(Default::default()), DataType::Utf8),
        (
            Kind::TimestampNtz(Default::default()),
            DataType::Timestamp(TimeUnit::Microsecond, None),
        ),
        (
            Kind::Timestamp(Default::default()),
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ),
        (
            Kind::DayTimeInterval(Default::default()),
            DataType::Duration(TimeUnit::Microsecond),
        ),
    ] {
        assert_eq!(of(kind).unwrap(), expected);
    }
    let inner = column("x", Kind::Long(Default::default()));
    let array = data_type::Array {
        element_type: Some(Box::new(relation(vec![inner]))),
        ..Default::default()
    };
    let DataType::List(element) = of(Kind::Array(Box::new(array))).unwrap() else {
        panic!()
    };
    assert_eq!(element.name(), "element");
    assert!(matches!(element.data_type(), DataType::Struct(fields) if fields[0].is_nullable()));
}

#[test]
fn types_that_mean_something_else_here_are_refused_with_their_column() {
    let wide = data_type::Decimal {
        precision: Some(39),
        scale: Some(0),
        ..Default::default()
    };
    let array = data_type::Array {
        element_type: Some(Box::new(spark_connect_proto::DataType {
            kind: Some(text("UNICODE_CI")),
        })),
        ..Default::default()
    };
    let char = data_type::Char {
        length: 5,
        ..Default::default()
    };
    for (kind, word) in [
        (text("UTF8_LCASE"), "STRING COLLATE UTF8_LCASE"),
        (Kind::Array(Box::new(array)), "STRING COLLATE UNICODE_CI"),
        (Kind::Char(char), "CHAR(5)"),
        (Kind::Variant(Default::default()), "VARIANT"),
        (Kind::Decimal(wide), "DECIMAL(39,0)"),
    ] {
        let error = of(kind).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.message(),
            format!("column \"c\" is of type {word}, which is not supported")
        );
    }
}

#[test]
fn a_column_that_is_shown_as_text_may_be_declared_as_char() {
    let declared = |word: &str| {
        let mut column = column("c", text(""));
        column.metadata = Some(format!("{{\"__CHAR_VARCHAR_TYPE_STRING\":\"{word}\"}}"));
        to_schema(&relation(vec![column]))
    };
    assert!(declared("varchar(5)").is_ok());
    assert!(declared("char(5)").unwrap_err().message().contains("char(5)"));
    assert!(declared("array<char(5)>").is_err());
}
