//! What `SHOW …` answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use federation::{RemoteEngine, RemoteStatement, TableKind};
use futures::TryStreamExt as _;

use crate::engine::SparkEngine;

/// Rows of one listing. More tables than this in one schema are no schema that people list.
const ROWS_MAX: usize = 1_000_000;

/// A statement of texts and names.
pub(crate) fn statement(text: &str, names: &[&str]) -> RemoteStatement {
    let mut statement = RemoteStatement::new();
    statement.push(text);
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            statement.push(".");
        }
        statement.push_identifier(name);
    }
    statement
}

/// The schemas of a catalog.
pub(crate) async fn schemas(engine: &SparkEngine, catalog: &str) -> Result<Vec<String>> {
    let rows = rows(engine, statement("SHOW SCHEMAS IN ", &[catalog])).await?;
    let mut names = Vec::new();
    for batch in &rows {
        let column = texts(engine, batch, 0)?;
        let column = column.as_string::<i32>();
        names.extend(column.iter().flatten().filter_map(unquoted));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The tables and views of a schema whose names fit `pattern`, as `SHOW TABLES` has patterns; none for a schema that
/// does not exist.
pub(crate) async fn tables(
    engine: &SparkEngine,
    catalog: &str,
    schema: &str,
    pattern: Option<&str>,
) -> Result<BTreeMap<String, TableKind>> {
    let command = |word: &str| {
        let mut statement = statement(word, &[catalog, schema]);
        if let Some(pattern) = pattern.filter(|pattern| is_plain_pattern(pattern)) {
            statement.push(&format!(" LIKE '{pattern}'"));
        }
        statement
    };
    let mut found = BTreeMap::new();
    let listed = match rows(engine, command("SHOW TABLES IN ")).await {
        Err(error) if is_missing(&error) => return Ok(found),
        listed => listed?,
    };
    collect(engine, &listed, TableKind::Table, &mut found)?;
    // Catalogs without views refuse to list them.
    match rows(engine, command("SHOW VIEWS IN ")).await {
        Ok(listed) => collect(engine, &listed, TableKind::View, &mut found)?,
        Err(error) if error.kind() == ErrorKind::SourceRejected => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}

/// Whether a name is a pattern that fits itself, and can stand between quotes.
fn is_plain_pattern(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether a server says that what a statement names does not exist.
pub(crate) fn is_missing(error: &Error) -> bool {
    error.kind() == ErrorKind::SourceRejected
        && [
            "TABLE_OR_VIEW_NOT_FOUND]",
            "SCHEMA_NOT_FOUND]",
            "NO_SUCH_NAMESPACE",
            "not found:",
        ]
        .iter()
        .any(|word| error.message().contains(word))
}

/// The value of a statement that gives one text.
pub(crate) async fn text(engine: &SparkEngine, sql: &str) -> Result<Option<String>> {
    let rows = rows(engine, statement(sql, &[])).await?;
    let Some(batch) = rows.first() else { return Ok(None) };
    let column = texts(engine, batch, 0)?;
    let column = column.as_string::<i32>();
    Ok(column.iter().next().flatten().map(str::to_owned))
}

async fn rows(engine: &SparkEngine, statement: RemoteStatement) -> Result<Vec<RecordBatch>> {
    // Names are kept whatever the engine's memory holds: without them nothing can be asked.
    let memory: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let mut stream = engine.execute(Arc::new(statement), &memory).await?;
    let (mut batches, mut count) = (Vec::new(), 0);
    while let Some(batch) = stream.try_next().await? {
        count += batch.num_rows();
        if count > ROWS_MAX {
            let message = format!("service \"{}\" lists more than {ROWS_MAX} names", engine.service());
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .with_hint("Mount another catalog of the server, with catalog = \"…\"."));
        }
        batches.push(batch);
    }
    Ok(batches)
}

/// Adds the rows of a listing: schema, name, whether it is a temporary view of the session, which belongs to nobody.
fn collect(
    engine: &SparkEngine,
    batches: &[RecordBatch],
    kind: TableKind,
    found: &mut BTreeMap<String, TableKind>,
) -> Result<()> {
    for batch in batches {
        let names = texts(engine, batch, 1)?;
        let names = names.as_string::<i32>();
        let temporary = batch
            .column_by_name("isTemporary")
            .and_then(|column| column.as_boolean_opt());
        for (row, name) in names.iter().enumerate() {
            let is_temporary = temporary.is_some_and(|column| column.is_valid(row) && column.value(row));
            if let (Some(name), false) = (name, is_temporary) {
                found.insert(name.to_owned(), kind);
            }
        }
    }
    Ok(())
}

fn texts(engine: &SparkEngine, batch: &RecordBatch, column: usize) -> Result<ArrayRef> {
    let strange = || {
        let message = format!("service \"{}\" lists its names in an unknown form", engine.service());
        Error::new(ErrorKind::SourceRejected, message)
    };
    let column = batch.columns().get(column).ok_or_else(strange)?;
    cast(column, &DataType::Utf8).map_err(|error| strange().with_source(error))
}

/// The name that Spark shows with backquotes where it needs them; none for one of several parts.
fn unquoted(shown: &str) -> Option<String> {
    match shown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(inner) if inner.replace("``", "").contains('`') => None,
        Some(inner) => Some(inner.replace("``", "`")),
        None if shown.is_empty() || shown.contains('.') => None,
        None => Some(shown.to_owned()),
    }
}
