//! Backslash commands: parsing, and the SQL behind those that list things.

use postgres_dialect::quote_literal;

/// What `\?` shows.
pub(crate) const HELP: &str = "\
  \\d [NAME]        tables, or the columns of one
  \\dt \\dn \\l       tables, schemas, catalogs
  \\c CATALOG       change to another catalog
  \\as [USER]       go on as another user; without a name as the administrator
  \\x               a record a block, on and off
  \\timing          how long statements take, on and off
  \\format NAME     table, csv, json, ndjson, arrow or parquet
  \\o [FILE]        write results to a file; without a name back to the screen
  \\i FILE          run a file
  \\q               leave (also Ctrl-D); Ctrl-C cancels a running statement
";

/// A backslash command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meta {
    Query(String),
    Connect(String),
    User(Option<String>),
    Expanded,
    Timing,
    Format(String),
    Output(Option<String>),
    Include(String),
    Help,
    Quit,
    Wrong(String),
}

/// Reads a line that begins with a backslash.
pub(crate) fn parse(line: &str) -> Meta {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    let optional = || (!argument.is_empty()).then(|| argument.to_owned());
    match (command, argument) {
        ("\\d", name) if !name.is_empty() => Meta::Query(columns(name)),
        ("\\d" | "\\dt", _) => Meta::Query(TABLES.to_owned()),
        ("\\dn", _) => Meta::Query(SCHEMAS.to_owned()),
        ("\\l", _) => Meta::Query(CATALOGS.to_owned()),
        ("\\c", name) if !name.is_empty() => Meta::Connect(name.to_owned()),
        ("\\as", _) => Meta::User(optional()),
        ("\\x", _) => Meta::Expanded,
        ("\\timing", _) => Meta::Timing,
        ("\\format", name) if !name.is_empty() => Meta::Format(name.to_owned()),
        ("\\o", _) => Meta::Output(optional()),
        ("\\i", name) if !name.is_empty() => Meta::Include(name.to_owned()),
        ("\\?" | "\\h" | "\\help", _) => Meta::Help,
        ("\\q", _) => Meta::Quit,
        ("\\c" | "\\format" | "\\i", _) => Meta::Wrong(format!("{command} needs an argument; \\? lists commands")),
        _ => Meta::Wrong(format!("{command} is no command; \\? lists them")),
    }
}

const TABLES: &str = "SELECT table_schema AS \"Schema\", table_name AS \"Name\", table_type AS \"Type\" \
    FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2";
const SCHEMAS: &str = "SELECT schema_name AS \"Name\" FROM information_schema.schemata ORDER BY 1";
const CATALOGS: &str = "SELECT datname AS \"Name\" FROM pg_catalog.pg_database ORDER BY 1";
/// Names for completion; so many that every table of a usual catalog is among them.
pub(crate) const NAMES: &str = "SELECT table_schema, table_name, column_name FROM information_schema.columns \
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema') LIMIT 20000";

fn columns(name: &str) -> String {
    let mut parts: Vec<String> = name.rsplit('.').map(|part| part.trim_matches('"').to_owned()).collect();
    parts.truncate(3);
    let mut filters = Vec::new();
    let mut from = "information_schema.columns".to_owned();
    for (column, part) in ["table_name", "table_schema"].iter().zip(&parts) {
        filters.push(format!("{column} = {}", quote_literal(part)));
    }
    if let Some(catalog) = parts.get(2) {
        from = format!("{}.{from}", postgres_dialect::quote_identifier(catalog));
    }
    let filters = filters.join(" AND ");
    format!(
        "SELECT column_name AS \"Column\", data_type AS \"Type\", is_nullable AS \"Nullable\" FROM {from} \
         WHERE {filters} ORDER BY table_schema, ordinal_position"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(parse("\\as dana"), Meta::User(Some("dana".to_owned())));
        assert_eq!(parse("\\as"), Meta::User(None));
        assert_eq!(parse(" \\q ; "), Meta::Quit);
        assert!(matches!(parse("\\c"), Meta::Wrong(_)));
        assert!(matches!(parse("\\frobnicate"), Meta::Wrong(_)));
        let Meta::Query(sql) = parse("\\d samples.logistics.it's") else {
            panic!()
        };
        assert!(sql.contains("FROM samples.information_schema.columns"), "{sql}");
        assert!(
            sql.contains("table_name = 'it''s' AND table_schema = 'logistics'"),
            "{sql}"
        );
    }
}
