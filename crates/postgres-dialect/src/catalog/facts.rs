//! Rows that are the same for everybody: PostgreSQL's own types, functions, operators …

use std::collections::HashMap;
use std::sync::OnceLock;

use arrow_array::RecordBatch;
use contract::Result;

use super::relation::Relation;
use super::rows::{Cell, Rows};

/// The exported rows of a relation: a line of column names, then PostgreSQL's COPY text.
pub(crate) fn text_of(relation: &str) -> Option<&'static str> {
    Some(match relation {
        "pg_type" => super::types::TYPE_ROWS,
        "pg_proc" => include_str!("../../data/pg_proc.tsv"),
        "pg_operator" => include_str!("../../data/pg_operator.tsv"),
        "pg_cast" => include_str!("../../data/pg_cast.tsv"),
        "pg_am" => include_str!("../../data/pg_am.tsv"),
        "pg_opclass" => include_str!("../../data/pg_opclass.tsv"),
        "pg_opfamily" => include_str!("../../data/pg_opfamily.tsv"),
        "pg_collation" => include_str!("../../data/pg_collation.tsv"),
        "pg_language" => include_str!("../../data/pg_language.tsv"),
        "pg_range" => include_str!("../../data/pg_range.tsv"),
        "pg_tablespace" => include_str!("../../data/pg_tablespace.tsv"),
        "pg_get_keywords" => crate::names::KEYWORDS,
        "pg_aggregate" => include_str!("../../data/pg_aggregate.tsv"),
        _ => return None,
    })
}

/// Columns that are one constant and therefore not exported.
fn constants(relation: &str) -> &'static [(&'static str, i64)] {
    match relation {
        "pg_type" => &[("typowner", 10)],
        "pg_proc" => &[("pronamespace", 11), ("proowner", 10), ("procost", 1)],
        "pg_operator" => &[("oprnamespace", 11), ("oprowner", 10)],
        _ => &[],
    }
}

/// The content of a relation whose rows are facts. Read from the text once.
pub(crate) fn batch(relation: &'static Relation) -> Result<Option<RecordBatch>> {
    type Kept = std::sync::Mutex<HashMap<&'static str, RecordBatch>>;
    static KEPT: OnceLock<Kept> = OnceLock::new();
    let Some(text) = (relation.schema == "pg_catalog")
        .then(|| text_of(relation.name))
        .flatten()
    else {
        return Ok(None);
    };
    let kept = KEPT.get_or_init(Default::default);
    if let Ok(kept) = kept.lock()
        && let Some(batch) = kept.get(relation.name)
    {
        return Ok(Some(batch.clone()));
    }
    let batch = read(relation, text)?;
    if let Ok(mut kept) = kept.lock() {
        kept.insert(relation.name, batch.clone());
    }
    Ok(Some(batch))
}

fn read(relation: &'static Relation, text: &str) -> Result<RecordBatch> {
    let mut lines = text.lines();
    let mut header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let constants = constants(relation.name);
    header.extend(constants.iter().map(|(name, _)| *name));
    let source = header
        .iter()
        .position(|name| *name == "proname")
        .filter(|_| relation.name == "pg_proc");
    if source.is_some() {
        header.push("prosrc");
    }
    let mut rows = Rows::new(relation, &header);
    for line in lines {
        let mut row: Vec<Cell> = line.split('\t').map(unescape).collect();
        row.extend(constants.iter().map(|(_, value)| Cell::Integer(*value)));
        if let Some(name) = source.and_then(|at| row.get(at)).cloned() {
            row.push(name);
        }
        rows.push(row);
    }
    rows.finish()
}

/// A field of COPY's text format.
pub(crate) fn unescape(field: &str) -> Cell {
    if field == "\\N" {
        return Cell::Null;
    }
    if !field.contains('\\') {
        return Cell::Text(field.to_owned());
    }
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            })),
            other => text.push(other),
        }
    }
    Cell::Text(text)
}
