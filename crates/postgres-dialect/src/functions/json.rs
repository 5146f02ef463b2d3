//! JSON out of values: `json_build_object` and its kin, and the text of nested values.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{DataFusionError, Result};

use super::scalar::{Declared, Give, Take, Value};
use crate::catalog::PG_TYPE_METADATA;

/// The JSON text of each value of a nested column.
pub(crate) fn column(array: &ArrayRef) -> Result<ArrayRef> {
    let mut builder = StringBuilder::new();
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
        } else {
            builder.append_value(value(array, row)?.to_string());
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn value(array: &ArrayRef, row: usize) -> Result<serde_json::Value> {
    use serde_json::Value as Json;
    if array.is_null(row) {
        return Ok(Json::Null);
    }
    Ok(match array.data_type() {
        DataType::List(_) => items(&array.as_list::<i32>().value(row))?,
        DataType::LargeList(_) => items(&array.as_list::<i64>().value(row))?,
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            let mut object = serde_json::Map::new();
            for (field, column) in fields.iter().zip(columns.columns()) {
                object.insert(field.name().clone(), value(column, row)?);
            }
            Json::Object(object)
        }
        data_type => {
            let formatter = ArrayFormatter::try_new(array.as_ref(), &FormatOptions::default())?;
            scalar(&formatter.value(row).to_string(), data_type)
        }
    })
}

fn items(items: &ArrayRef) -> Result<serde_json::Value> {
    (0..items.len())
        .map(|row| value(items, row))
        .collect::<Result<Vec<_>>>()
        .map(serde_json::Value::Array)
}

/// The JSON of a value that is known as text, by its type: numbers keep their digits.
fn scalar(text: &str, data_type: &DataType) -> serde_json::Value {
    let numeric = data_type.is_numeric();
    match data_type {
        DataType::Boolean => serde_json::Value::Bool(matches!(text, "true" | "t")),
        _ if numeric => serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::String(text.to_owned())),
        _ => serde_json::Value::String(text.to_owned()),
    }
}

/// The JSON of an argument: text of a JSON-typed field is embedded as it is.
fn of_argument(argument: &Value, field: Option<&FieldRef>) -> String {
    let Some(text) = argument.text() else {
        return "null".to_owned();
    };
    let Some(field) = field else {
        return serde_json::Value::from(text).to_string();
    };
    let is_json = field
        .metadata()
        .get(PG_TYPE_METADATA)
        .is_some_and(|name| name == "json" || name == "jsonb");
    if is_json || field.data_type().is_nested() {
        return text.to_owned();
    }
    if field.data_type().is_numeric() && text.parse::<f64>().is_ok_and(f64::is_finite) {
        return text.to_owned();
    }
    scalar(text, field.data_type()).to_string()
}

fn build_object(arguments: &[Value], fields: &[FieldRef]) -> Result<Value> {
    if !arguments.len().is_multiple_of(2) {
        return Err(invalid("argument list must have even number of elements"));
    }
    let mut members = Vec::with_capacity(arguments.len() / 2);
    for (at, pair) in arguments.chunks_exact(2).enumerate() {
        let [key, value] = pair else { continue };
        let Some(key) = key.text() else {
            return Err(invalid("null value not allowed for object key"));
        };
        let key = serde_json::Value::from(key);
        members.push(format!("{key} : {}", of_argument(value, fields.get(2 * at + 1))));
    }
    Ok(Value::Text(format!("{{{}}}", members.join(", "))))
}

fn build_array(arguments: &[Value], fields: &[FieldRef]) -> Result<Value> {
    let items: Vec<String> = arguments
        .iter()
        .enumerate()
        .map(|(at, value)| of_argument(value, fields.get(at)))
        .collect();
    Ok(Value::Text(format!("[{}]", items.join(", "))))
}

fn to_json(arguments: &[Value], fields: &[FieldRef]) -> Result<Value> {
    Ok(Value::from(
        arguments.first().map(|argument| of_argument(argument, fields.first())),
    ))
}

fn invalid(message: &str) -> DataFusionError {
    contract::Error::data(contract::DataException::InvalidArgument, message).into()
}

pub(super) fn declare() -> Vec<Declared> {
    let mut all = Vec::new();
    for name in ["json_build_object", "jsonb_build_object"] {
        all.push(
            Declared::new(name, &[], Give::Json, build_object)
                .variadic(Take::Any)
                .called_on_null(),
        );
    }
    for name in ["json_build_array", "jsonb_build_array"] {
        all.push(
            Declared::new(name, &[], Give::Json, build_array)
                .variadic(Take::Any)
                .called_on_null(),
        );
    }
    for name in ["to_json", "to_jsonb", "row_to_json", "array_to_json"] {
        all.push(Declared::new(name, &[Take::Any], Give::Json, to_json).optional(&[Take::Boolean]));
    }
    all
}
