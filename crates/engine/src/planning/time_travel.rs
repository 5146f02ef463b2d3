//! `t VERSION AS OF n`, `t TIMESTAMP AS OF '…'`: the version is taken off the name before names are resolved, and the
//! name gets a mark of its own, so that two versions of one table may stand in one statement.

use std::collections::HashMap;

use contract::{DataException, Error, Result, TableVersion};
use datafusion::arrow::compute::kernels::cast_utils::string_to_datetime;
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Statement, Value};
use postgres_dialect::{VersionAsked, take_table_versions};

/// From the marked name of a table to its own and the version asked for.
pub(crate) type Versions = HashMap<String, (String, TableVersion)>;

/// Takes the versions off a statement's tables. `time_zone` is what a time without zone is read in.
///
/// # Errors
/// A data exception for a time that is none, `Unsupported` for one that is not constant.
pub(crate) fn take_versions(statement: &mut Statement, time_zone: &str) -> Result<Versions> {
    let mut versions = Versions::new();
    take_table_versions(statement, &mut |name, asked| {
        let version = match asked {
            VersionAsked::Number(number) => TableVersion::Version(number),
            VersionAsked::Timestamp(expr) => TableVersion::Timestamp(milliseconds(&expr, time_zone)?),
        };
        let mut renamed = name.clone();
        let Some(ObjectNamePart::Identifier(last)) = renamed.0.last_mut() else {
            return Err(Error::unsupported("a version can be asked of a table only"));
        };
        let own = match last.quote_style {
            Some(_) => last.value.clone(),
            None => last.value.to_lowercase(),
        };
        let marked = match version {
            TableVersion::Latest => own.clone(),
            TableVersion::Version(number) => format!("{own}\u{1}v{number}"),
            TableVersion::Timestamp(time) => format!("{own}\u{1}t{time}"),
        };
        *last = Ident {
            value: marked.clone(),
            quote_style: Some('"'),
            span: last.span,
        };
        versions.insert(marked, (own, version));
        Ok(ObjectName(renamed.0))
    })?;
    Ok(versions)
}

fn milliseconds(expr: &Expr, time_zone: &str) -> Result<i64> {
    let text = match expr {
        Expr::Value(value) => literal(&value.value),
        Expr::TypedString(typed) => literal(&typed.value.value),
        Expr::Cast { expr, .. } => return milliseconds(expr, time_zone),
        Expr::Nested(inner) => return milliseconds(inner, time_zone),
        _ => None,
    };
    let text = text.ok_or_else(|| {
        Error::unsupported("TIMESTAMP AS OF takes a constant time").with_hint("Write it as '2024-01-31 12:00:00'.")
    })?;
    let zone: datafusion::arrow::array::timezone::Tz = time_zone
        .parse()
        .map_err(|_| Error::internal(format!("the session's time zone {time_zone} is not known")))?;
    match string_to_datetime(&zone, text.trim()) {
        Ok(time) => Ok(time.timestamp_millis()),
        Err(_) => Err(Error::data(
            DataException::InvalidDatetimeFormat,
            format!("invalid input syntax for type timestamp: \"{text}\""),
        )),
    }
}

fn literal(value: &Value) -> Option<&str> {
    match value {
        Value::SingleQuotedString(text) => Some(text),
        _ => None,
    }
}
