//! Results as texts inside of answers, for workspaces that allow no external links.
//!
//! The service writes moments there without all of their digits, and bytes in one of two ways: so a statement asks for
//! numbers and digits in their place.

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array as _, ArrayRef, Float32Array, Float64Array, RecordBatch, StringArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use contract::{Error, ErrorKind, Result};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use federation::RemoteStatement;

use super::model::TextRow;
use crate::unity::{ColumnInfo, SparkType};

/// How the values of a column are written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    /// As the service writes them, which is as Arrow reads them.
    Plain(DataType),
    /// As Java writes floating point.
    Single,
    Double,
    Text,
    /// Days since 1970.
    Days,
    /// Microseconds since 1970 in UTC.
    Moment,
    /// With all digits, which a cast to text has.
    LocalMoment,
    /// Hexadecimal digits.
    Bytes,
    Nothing,
}

/// The columns of a result that comes as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AsText {
    names: Vec<String>,
    written: Vec<Written>,
}

impl AsText {
    /// Writes the statement whose rows are those of `statement`, which has these columns, in texts that lose nothing.
    ///
    /// # Errors
    /// `Unsupported` for a column whose values cannot be told exactly.
    pub(super) fn of(
        service: &str,
        statement: RemoteStatement,
        columns: &[ColumnInfo],
    ) -> Result<(RemoteStatement, Self)> {
        let written = columns
            .iter()
            .map(|column| Written::of(service, column))
            .collect::<Result<Vec<_>>>()?;
        let mut text = RemoteStatement::new();
        for (place, written) in written.iter().enumerate() {
            text.push(if place == 0 { "SELECT " } else { ", " });
            let (before, behind) = written.around();
            text.push(before);
            text.push_identifier(&name(place));
            text.push(behind);
            text.push(" AS ");
            text.push_identifier(&name(place));
        }
        text.push(" FROM (");
        text.append(statement);
        text.push(") AS texts (");
        for place in 0..written.len() {
            text.push(if place == 0 { "" } else { ", " });
            text.push_identifier(&name(place));
        }
        text.push(")");
        let names = columns.iter().map(|column| column.name.clone()).collect();
        Ok((text, Self { names, written }))
    }

    /// Decodes rows of texts.
    ///
    /// # Errors
    /// `DataCorrupted` for a row of another length, or a text that is no value of its type.
    pub(super) fn decode(&self, service: &str, rows: &[TextRow], announced: Option<u64>) -> Result<Vec<RecordBatch>> {
        let fits = rows.iter().all(|row| row.len() == self.written.len());
        let counted = announced.is_none_or(|count| u64::try_from(rows.len()) == Ok(count));
        if !fits || !counted {
            return Err(corrupted(service, "that do not fit what it announced"));
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let columns = self.written.iter().enumerate().map(|(place, written)| {
            let texts = rows.iter().map(|row| row.get(place).and_then(Option::as_deref));
            let column = written.read(&texts.collect());
            column.map_err(|cause| {
                corrupted(service, "with a text that is no value of its column's type").with_source(cause)
            })
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let fields = self.names.iter().zip(&columns);
        let fields = fields.map(|(name, column)| Field::new(name, column.data_type().clone(), true));
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let batch = RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|error| Error::internal("a result has no columns").with_source(error))?;
        Ok(vec![batch])
    }
}

impl Written {
    fn of(service: &str, column: &ColumnInfo) -> Result<Self> {
        let known = column.spark_type();
        Ok(match known {
            Some(SparkType::Boolean) => Self::Plain(DataType::Boolean),
            Some(SparkType::Byte) => Self::Plain(DataType::Int8),
            Some(SparkType::Short) => Self::Plain(DataType::Int16),
            Some(SparkType::Int) => Self::Plain(DataType::Int32),
            Some(SparkType::Long) => Self::Plain(DataType::Int64),
            Some(SparkType::Decimal { precision, scale }) if i8::try_from(scale).is_ok() => {
                Self::Plain(DataType::Decimal128(precision, scale.cast_signed()))
            }
            Some(SparkType::Float) => Self::Single,
            Some(SparkType::Double) => Self::Double,
            Some(SparkType::String | SparkType::Varchar(_)) => Self::Text,
            Some(SparkType::Date) => Self::Days,
            Some(SparkType::Timestamp) => Self::Moment,
            Some(SparkType::TimestampNtz) => Self::LocalMoment,
            Some(SparkType::Binary) => Self::Bytes,
            Some(SparkType::Void) => Self::Nothing,
            _ => {
                let message = format!(
                    "column \"{}\" of a result of service \"{service}\" cannot be sent as text, and its workspace \
                     allows no external links",
                    column.name
                );
                return Err(Error::unsupported(message)
                    .with_hint("Select its parts, or ask the workspace's administrator to allow external links."));
            }
        })
    }

    /// What is written around the column's name.
    fn around(&self) -> (&'static str, &'static str) {
        match self {
            Self::Plain(_) | Self::Single | Self::Double | Self::Text | Self::Nothing => ("", ""),
            Self::Days => ("unix_date(", ")"),
            Self::Moment => ("unix_micros(", ")"),
            Self::LocalMoment => ("CAST(", " AS STRING)"),
            Self::Bytes => ("hex(", ")"),
        }
    }

    fn read(&self, texts: &StringArray) -> std::result::Result<ArrayRef, String> {
        Ok(match self {
            Self::Text => Arc::new(texts.clone()),
            Self::Plain(data_type) => cast(texts, data_type)?,
            // Rust reads what Java writes, Infinity and NaN too, and gives back the same bits.
            Self::Single => Arc::new(parsed(texts)?.into_iter().collect::<Float32Array>()),
            Self::Double => Arc::new(parsed(texts)?.into_iter().collect::<Float64Array>()),
            Self::Days => cast(&cast(texts, &DataType::Int32)?, &DataType::Date32)?,
            Self::Moment => {
                let zone = Some("UTC".into());
                cast(
                    &cast(texts, &DataType::Int64)?,
                    &DataType::Timestamp(TimeUnit::Microsecond, zone),
                )?
            }
            Self::LocalMoment => cast(texts, &DataType::Timestamp(TimeUnit::Microsecond, None))?,
            Self::Bytes => bytes(texts)?,
            Self::Nothing if texts.null_count() == texts.len() => new_null_array(&DataType::Null, texts.len()),
            Self::Nothing => return Err("a value where there is none".to_owned()),
        })
    }
}

/// Names for columns within the statement: their own may repeat.
fn name(place: usize) -> String {
    format!("c{place}")
}

fn corrupted(service: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::DataCorrupted,
        format!("service \"{service}\" sent rows {what}"),
    )
}

fn cast(array: &dyn arrow_array::Array, to: &DataType) -> std::result::Result<ArrayRef, String> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options).map_err(|error| error.to_string())
}

fn parsed<T: std::str::FromStr>(texts: &StringArray) -> std::result::Result<Vec<Option<T>>, String> {
    let values = texts.iter().map(|text| text.map(str::parse).transpose());
    let values: std::result::Result<_, _> = values.collect();
    values.map_err(|_| "no number".to_owned())
}

fn bytes(texts: &StringArray) -> std::result::Result<ArrayRef, String> {
    let mut builder = BinaryBuilder::with_capacity(texts.len(), texts.value_data().len() / 2);
    for text in texts {
        match text {
            None => builder.append_null(),
            Some(text) => builder.append_value(hex::decode(text).map_err(|error| error.to_string())?),
        }
    }
    Ok(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray as _;
    use arrow_array::types::{
        Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, TimestampMicrosecondType,
    };

    use super::*;

    const COLUMNS: [&str; 11] = [
        "BOOLEAN",
        "SMALLINT",
        "DECIMAL(10,2)",
        "FLOAT",
        "DOUBLE",
        "STRING",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_NTZ",
        "BINARY",
        "VOID",
    ];

    fn columns(types: &[&str]) -> Vec<ColumnInfo> {
        let column = |type_text: &&str| ColumnInfo {
            name: "same".to_owned(),
            type_text: (*type_text).to_owned(),
            ..ColumnInfo::default()
        };
        types.iter().map(column).collect()
    }

    fn row(texts: &[&str]) -> TextRow {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    fn as_text(types: &[&str]) -> Result<(RemoteStatement, AsText)> {
        let mut statement = RemoteStatement::new();
        statement.push("SELECT *, ");
        statement.push_parameter(1.into());
        AsText::of("s", statement, &columns(types))
    }

    #[test]
    fn a_statement_asks_for_texts_that_lose_nothing() {
        let (statement, _) = as_text(&["INT", "TIMESTAMP", "BINARY"]).unwrap();
        assert_eq!(
            statement.text(),
            "SELECT `c0` AS `c0`, unix_micros(`c1`) AS `c1`, hex(`c2`) AS `c2` FROM (SELECT *, :p1) AS texts (`c0`, \
             `c1`, `c2`)"
        );
        assert_eq!(statement.parameters().len(), 1);
        for lossy in ["ARRAY<INT>", "INTERVAL DAY TO SECOND", "VARIANT", "CHAR(3)", "NOVEL"] {
            assert_eq!(as_text(&[lossy]).unwrap_err().kind(), ErrorKind::Unsupported, "{lossy}");
        }
    }

    #[test]
    fn texts_become_values() {
        let (_, as_text) = as_text(&COLUMNS).unwrap();
        let mut full = row(&[
            "true",
            "-32768",
            "-12345678.90",
            "1.0E10",
            "-Infinity",
            "it's",
            "-1",
            "-1",
            "1969-12-31 23:59:59.999999",
            "00FF",
            "",
        ]);
        full[10] = None;
        let nulls = vec![None; COLUMNS.len()];
        let [batch] = as_text
            .decode("s", &[full, nulls], Some(2))
            .unwrap()
            .try_into()
            .unwrap();
        let batch: RecordBatch = batch;
        let column = |place: usize| batch.column(place);
        assert!(column(0).as_boolean().value(0));
        assert_eq!(column(1).as_primitive::<Int16Type>().value(0), i16::MIN);
        assert_eq!(column(2).as_primitive::<Decimal128Type>().value(0), -1_234_567_890);
        assert_eq!(column(3).as_primitive::<Float32Type>().value(0), 1e10);
        assert_eq!(column(4).as_primitive::<Float64Type>().value(0), f64::NEG_INFINITY);
        assert_eq!(column(5).as_string::<i32>().value(0), "it's");
        assert_eq!(column(6).as_primitive::<Date32Type>().value(0), -1);
        assert_eq!(column(7).as_primitive::<TimestampMicrosecondType>().value(0), -1);
        assert_eq!(column(8).as_primitive::<TimestampMicrosecondType>().value(0), -1);
        assert_eq!(column(9).as_binary::<i32>().value(0), [0, 0xFF]);
        for place in 0..COLUMNS.len() {
            assert_eq!(column(place).logical_null_count(), if place == 10 { 2 } else { 1 });
        }
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        for (kind, text) in [
            ("INT", "1.5"),
            ("INT", "2147483648"),
            ("DECIMAL(3,1)", "100.0"),
            ("DOUBLE", "one"),
            ("BOOLEAN", "maybe"),
            ("TIMESTAMP", "2024-01-01T00:00:00Z"),
            ("BINARY", "AP8="),
            ("VOID", "x"),
        ] {
            let (_, as_text) = as_text(&[kind]).unwrap();
            let error = as_text.decode("s", &[row(&[text])], None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{kind} {text}");
        }
        let (_, as_text) = as_text(&["INT"]).unwrap();
        assert!(as_text.decode("s", &[row(&["1", "2"])], None).is_err());
        assert!(as_text.decode("s", &[row(&["1"])], Some(2)).is_err());
        assert!(as_text.decode("s", &[], Some(0)).unwrap().is_empty());
    }
}
