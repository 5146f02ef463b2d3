//! Session options: `catalog` and `schema` as Arrow's own servers name them, and every setting by its own name.

use std::collections::HashMap;

use contract::{ErrorKind, Result};
use engine::{ClientSession, Engine, FrontEnd, SessionOptions};

use crate::session_messages::{OptionValue, SessionOptionValue, SetError, SetErrorValue};

/// What outlives a change of the catalog, which needs a session of its own.
const CARRIED: [&str; 3] = ["search_path", "TimeZone", "statement_timeout"];

/// Sets options one by one; the answer holds those that could not be set.
pub(crate) async fn set(
    client: &mut ClientSession,
    engine: &Engine,
    options: HashMap<String, SessionOptionValue>,
) -> HashMap<String, SetError> {
    let mut options: Vec<_> = options.into_iter().collect();
    // A new catalog first: it begins a new session, which the others are set in.
    options.sort_by_key(|(name, _)| (name != "catalog", name.clone()));
    let mut errors = HashMap::new();
    for (name, value) in options {
        let value = match value.option_value {
            None => None,
            Some(OptionValue::Text(text)) => Some(text),
            Some(OptionValue::Bool(value)) => Some(value.to_string()),
            Some(OptionValue::Int64(value)) => Some(value.to_string()),
            Some(OptionValue::Double(value)) => Some(value.to_string()),
            Some(OptionValue::TextList(list)) => Some(list.values.join(",")),
        };
        let done = match name.as_str() {
            "catalog" => set_catalog(client, engine, value),
            "schema" => set_setting(client, "search_path", value.as_deref().map(identifier)).await,
            name => set_setting(client, name, value.as_deref().map(literal)).await,
        };
        if let Err(error) = done {
            let value = match error.kind() {
                ErrorKind::UndefinedObject | ErrorKind::Syntax | ErrorKind::InvalidName => SetErrorValue::InvalidName,
                ErrorKind::InvalidParameter | ErrorKind::UndefinedCatalog | ErrorKind::DataException(_) => {
                    SetErrorValue::InvalidValue
                }
                _ => SetErrorValue::Error,
            };
            errors.insert(name, SetError { value: value as i32 });
        }
    }
    errors
}

/// The options in force.
pub(crate) fn get(client: &ClientSession) -> HashMap<String, SessionOptionValue> {
    let schema = client.setting("search_path").unwrap_or_default();
    let named = [
        ("catalog".to_owned(), client.catalog().to_owned()),
        ("schema".to_owned(), schema),
    ];
    let text = |text| SessionOptionValue {
        option_value: Some(OptionValue::Text(text)),
    };
    let all = named.into_iter().chain(client.reported_settings());
    all.map(|(name, value)| (name, text(value))).collect()
}

fn set_catalog(client: &mut ClientSession, engine: &Engine, catalog: Option<String>) -> Result<()> {
    let setting = |name: &str| Some((name.to_owned(), client.setting(name)?));
    let options = SessionOptions {
        catalog,
        settings: CARRIED.into_iter().filter_map(setting).collect(),
        front_end: FrontEnd::Flight,
        ..SessionOptions::default()
    };
    *client = engine.open_session(client.identity().clone(), options)?;
    Ok(())
}

async fn set_setting(client: &mut ClientSession, name: &str, value: Option<String>) -> Result<()> {
    // Anything else is no name, and would be SQL.
    let is_name = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.'));
    if !is_name || name.is_empty() {
        let message = format!("invalid configuration parameter name \"{name}\"");
        return Err(contract::Error::new(ErrorKind::InvalidName, message));
    }
    let sql = match value {
        Some(value) => format!("SET {name} TO {value}"),
        None => format!("RESET {name}"),
    };
    for statement in client.parse(&sql)? {
        let ctx = client.query_context();
        let prepared = Box::pin(client.prepare(statement, &[], &ctx)).await?;
        drop(Box::pin(client.execute(&prepared, Vec::new(), &ctx)).await?);
    }
    client.end_of_batch();
    drop(client.take_notices());
    Ok(())
}

/// A value in single quotes. A backslash means itself between them.
fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
