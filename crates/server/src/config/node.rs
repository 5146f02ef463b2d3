//! The configuration as a tree whose every value knows where it was written: a line of the file, or a variable of the
//! environment. Errors can then name the place instead of the value, which may be a secret.

use std::collections::BTreeMap;
use std::fmt;

use contract::{Error, ErrorKind, Result};
use toml::de::{DeTable, DeValue};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// A variable of the environment.
    Environment(String),
}

impl Origin {
    /// The place in words, as errors begin.
    pub(crate) fn describe(&self, file: &str) -> String {
        match self {
            Self::Line(line) => format!("{file}:{line}"),
            Self::Environment(name) => format!("environment variable {name}"),
        }
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// TOML's values without dates, which no key takes.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    /// A date or a fraction: kept only to say that no key takes one.
    Other(&'static str),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

impl Value {
    /// The value's kind in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Boolean(_) => "true or false",
            Self::Other(kind) => kind,
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Shows kinds only: values may be secrets.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.value.kind(), self.origin)
    }
}

/// Reads TOML.
///
/// # Errors
/// `Configuration`, with the file, the line and what the grammar expects there.
pub(crate) fn parse(file: &str, text: &str) -> Result<BTreeMap<String, Node>> {
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let message = error.message().lines().collect::<Vec<_>>().join("; ");
        Error::new(ErrorKind::Configuration, format!("{file}:{line}: {message}"))
    })?;
    Ok(convert_table(text, table.get_ref()))
}

fn convert_table(text: &str, table: &DeTable<'_>) -> BTreeMap<String, Node> {
    let entries = table.iter().map(|(key, value)| {
        // A key's own place is better than its value's: a table that is written in parts has none of its own.
        let origin = Origin::Line(line_of(text, key.span().start));
        (
            key.get_ref().to_string(),
            Node {
                origin,
                value: convert_value(text, value.get_ref()),
            },
        )
    });
    entries.collect()
}

fn convert_value(text: &str, value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str().replace('_', "");
            i64::from_str_radix(&digits, integer.radix()).map_or(Value::Other("a number out of range"), Value::Integer)
        }
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(values) => {
            let nodes = values.iter().map(|value| Node {
                origin: Origin::Line(line_of(text, value.span().start)),
                value: convert_value(text, value.get_ref()),
            });
            Value::Array(nodes.collect())
        }
        DeValue::Table(table) => Value::Table(convert_table(text, table)),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// The arrays of tables whose elements the environment names by their `name` key.
const NAMED_ARRAYS: [&[&str]; 2] = [&["service"], &["access", "user"]];

/// Lays variables such as `LAKEGATE_SERVER__POSTGRES` over the tree; names without `__` are not keys.
///
/// An element of `service` or `access.user` is addressed by its name (`LAKEGATE_SERVICE__LAKE__LOCATION`, a `-` in the
/// name written `_`), and added if there is none of that name.
pub(crate) fn overlay(root: &mut BTreeMap<String, Node>, variables: impl IntoIterator<Item = (String, String)>) {
    let mut variables: Vec<(String, String)> = variables.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        let Some(path) = name.strip_prefix("LAKEGATE_") else {
            continue;
        };
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        if keys.len() < 2 || keys.iter().any(String::is_empty) {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        insert(
            root,
            &keys,
            0,
            Node {
                origin,
                value: Value::Text(value),
            },
        );
    }
}

fn insert(table: &mut BTreeMap<String, Node>, keys: &[String], depth: usize, node: Node) {
    let Some(key) = keys.get(depth) else { return };
    if depth + 1 == keys.len() {
        table.insert(key.clone(), node);
        return;
    }
    let is_array = NAMED_ARRAYS.iter().any(|path| path.iter().eq(keys[..=depth].iter()));
    let empty = if is_array {
        Value::Array(Vec::new())
    } else {
        Value::Table(BTreeMap::new())
    };
    let child = table.entry(key.clone()).or_insert_with(|| Node {
        origin: node.origin.clone(),
        value: empty,
    });
    match &mut child.value {
        Value::Table(inner) => insert(inner, keys, depth + 1, node),
        Value::Array(elements) if is_array && depth + 2 < keys.len() => {
            let Some(name) = keys.get(depth + 1) else { return };
            let index = elements.iter().position(|element| is_named(element, name));
            let index = index.unwrap_or_else(|| {
                let own = Node {
                    origin: node.origin.clone(),
                    value: Value::Text(name.clone()),
                };
                let value = Value::Table(BTreeMap::from([("name".to_owned(), own)]));
                elements.push(Node {
                    origin: node.origin.clone(),
                    value,
                });
                elements.len() - 1
            });
            if let Some(Node {
                value: Value::Table(inner),
                ..
            }) = elements.get_mut(index)
            {
                insert(inner, keys, depth + 2, node);
            }
        }
        // A value where a table is needed, or the other way round: what reads the tree says so.
        _ => *child = node,
    }
}

fn is_named(element: &Node, name: &str) -> bool {
    let Value::Table(table) = &element.value else {
        return false;
    };
    match table.get("name") {
        Some(Node {
            value: Value::Text(own),
            ..
        }) => own.to_ascii_lowercase().replace('-', "_") == name,
        _ => false,
    }
}
