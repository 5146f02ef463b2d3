//! What clients were recorded to send to PostgreSQL, sent to us, and the answers compared.

use std::collections::BTreeMap;

use engine::AccessConfig;
use system_tests::server::TestServer;

use crate::connection::{Answer, Connection, Extended};
use crate::record::{Record, known_failures, records};
use crate::served;

/// Relations of the recorded server, whose oids are part of the statements.
const RECORDED_OIDS: [(&str, &str); 6] = [
    ("16399", "sales.customers"),
    ("16410", "sales.products"),
    ("16419", "sales.orders"),
    ("16433", "sales.order_items"),
    ("16449", "sales.customer_totals"),
    ("16454", "sales.daily"),
];

/// The first oid that is not built in.
const FIRST_USER_OID: u32 = 16384;

#[tokio::test(flavor = "multi_thread")]
async fn psql() {
    replay("psql").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg3() {
    replay("psycopg3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pgjdbc() {
    replay("pgjdbc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncpg() {
    replay("asyncpg").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_postgres() {
    replay("node-postgres").await;
}

async fn replay(client: &str) {
    let Some(records) = records(client) else { return };
    let known = known_failures(client);
    let server = served::start(AccessConfig::open()).await;
    let oids = oids(&server).await;
    let (mut passed, mut wrong) = (0, Vec::new());
    for record in &records {
        let outcome = check(&server, record, &oids).await;
        passed += usize::from(outcome.is_ok());
        match (outcome, known.get(&record.id)) {
            (Err(why), None) => wrong.push(format!("{} ({}) fails: {why}", record.id, record.phase)),
            (Ok(()), Some(reason)) => wrong.push(format!("{} passes, though expected not to: {reason}", record.id)),
            (Err(why), Some(_)) => println!("expected failure {}: {why}", record.id),
            (Ok(()), None) => {}
        }
    }
    for id in known.keys() {
        assert!(
            records.iter().any(|record| record.id == *id),
            "{id} is in the list of failures but not in the records"
        );
    }
    println!("scoreboard pg_clients/{client}: {passed} of {}", records.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Our oid of each recorded one.
async fn oids(server: &TestServer) -> BTreeMap<&'static str, String> {
    let mut connection = Connection::open(server).await;
    let mut oids = BTreeMap::new();
    for (recorded, relation) in RECORDED_OIDS {
        let answer = connection
            .simple(&format!("SELECT '{relation}'::regclass::oid"), false)
            .await;
        assert_eq!(answer.error, None, "{relation}");
        oids.insert(recorded, answer.first.unwrap());
    }
    oids
}

async fn check(server: &TestServer, record: &Record, oids: &BTreeMap<&'static str, String>) -> Result<(), String> {
    let mut connection = Connection::open(server).await;
    for statement in before(record) {
        let answer = connection.simple(&statement, false).await;
        if let Some((state, message)) = answer.error
            && statement != FAILING
        {
            return Err(format!("{state} {message}, at {statement:?} before"));
        }
    }
    let (sql, rekeyed) = rekey(&record.sql, oids);
    let cancel = record.error.as_ref().is_some_and(|error| error.sqlstate == "57014");
    let answer = match record.protocol.as_str() {
        "simple" => connection.simple(&sql, cancel).await,
        _ => {
            let statement = Extended {
                sql: &sql,
                parameter_oids: &record.param_oids,
                parameter_formats: &record.param_format_codes,
                parameters: record.parameters(),
                result_formats: &record.result_format_codes,
                rows_max: record.max_rows.unwrap_or(0),
                describe_statement: record.client == "asyncpg",
            };
            connection.extended(statement, cancel).await
        }
    };
    compare(record, &answer, rekeyed)
}

const FAILING: &str = "SELECT 1/0";

/// What has to be true before the statement: a record stands alone here, in its client it stood among others.
fn before(record: &Record) -> Vec<String> {
    let lower = record.sql.to_lowercase();
    let words: Vec<_> = lower
        .split(|c: char| c.is_whitespace() || c == ';')
        .filter(|word| !word.is_empty())
        .collect();
    let begin = || "BEGIN".to_owned();
    let named = |name: Option<&&str>| name.copied().unwrap_or_default().to_owned();
    if lower.contains("from orders") || lower.contains("from customers") {
        return vec!["SET search_path TO sales".to_owned()];
    }
    match words.first().copied().unwrap_or_default() {
        "fetch" | "move" | "close" if words.get(1) != Some(&"all") => before_cursor(record, &named(words.last())),
        "execute" | "deallocate" if words.iter().any(|word| word.starts_with("p1")) => {
            vec!["PREPARE p1 (int) AS SELECT * FROM sales.customers WHERE id = $1".to_owned()]
        }
        "rollback" if words.get(1) == Some(&"to") => vec![begin(), format!("SAVEPOINT {}", named(words.last()))],
        "release" => vec![begin(), format!("SAVEPOINT {}", named(words.last()))],
        "begin" | "start" => Vec::new(),
        "declare" if record.error.is_none() => vec![begin()],
        "savepoint" | "commit" | "end" | "rollback" => vec![begin()],
        _ => match (&record.error, record.status_after) {
            (Some(error), _) if error.sqlstate == "25P02" => vec![begin(), FAILING.to_owned()],
            (_, Some('T' | 'E')) => vec![begin()],
            _ => Vec::new(),
        },
    }
}

/// A cursor that stands where the recorded one stood.
fn before_cursor(record: &Record, name: &str) -> Vec<String> {
    let one_row = ["c2", "\"big2\""].contains(&name);
    let (query, total) = if one_row {
        ("SELECT 1", 1)
    } else {
        ("SELECT * FROM sales.orders", 300)
    };
    let hold = if record.status_after == Some('I') {
        "WITH HOLD "
    } else {
        ""
    };
    let mut statements = vec![
        "BEGIN".to_owned(),
        format!("DECLARE {name} SCROLL CURSOR {hold}FOR {query}"),
    ];
    let lower = record.sql.to_lowercase();
    let fetched = record.rows_on_postgres.unwrap_or(0);
    if lower.contains(" all") && fetched < total {
        statements.push(format!("MOVE {} FROM {name}", total - fetched));
    } else if lower.contains("backward") {
        statements.push(format!("MOVE 20 FROM {name}"));
    }
    if !hold.is_empty() {
        statements.push("COMMIT".to_owned());
    }
    statements
}

/// The statement with our oids, and whether it has any.
fn rekey(sql: &str, oids: &BTreeMap<&'static str, String>) -> (String, bool) {
    let mut rekeyed = (String::new(), false);
    let mut rest = sql;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest[start..]
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len() - start);
        let number = &rest[start..start + length];
        rekeyed.0.push_str(&rest[..start]);
        rekeyed.0.push_str(oids.get(number).map_or(number, String::as_str));
        rekeyed.1 |= oids.contains_key(number);
        rest = &rest[start + length..];
    }
    rekeyed.0.push_str(rest);
    rekeyed
}

fn compare(record: &Record, answer: &Answer, rekeyed: bool) -> Result<(), String> {
    match (&record.error, &answer.error) {
        (None, Some((state, message))) => return Err(format!("{state} {message}")),
        (Some(expected), None) => return Err(format!("no error, PostgreSQL says {}", expected.sqlstate)),
        (Some(expected), Some((state, message))) if expected.sqlstate != *state => {
            return Err(format!("{state} {message}, PostgreSQL says {}", expected.sqlstate));
        }
        _ => {}
    }
    let columns = answer.columns.as_deref().unwrap_or_default();
    if record.error.is_none() {
        // COPY is recorded with no columns, as is what returns no rows.
        let expected = record.expected_columns.as_deref().unwrap_or_default();
        let names = |names: Vec<&str>| names.join(", ");
        let (ours, theirs) = (
            names(columns.iter().map(|column| column.name.as_str()).collect()),
            names(expected.iter().map(|column| column.name.as_str()).collect()),
        );
        // Of a portal that was not described nothing was recorded.
        let described = !expected.is_empty() || record.rows_on_postgres.is_none_or(|rows| rows == 0);
        if described && ours != theirs {
            return Err(format!("columns {ours:?}, PostgreSQL has {theirs:?}"));
        }
        // A type of the recorded database (an enum, a row) is none here.
        let differs = columns
            .iter()
            .zip(expected)
            .find(|(ours, theirs)| theirs.oid < FIRST_USER_OID && ours.oid != theirs.oid);
        if let Some((ours, theirs)) = differs {
            return Err(format!(
                "column {:?} is of type {}, in PostgreSQL of {}",
                ours.name, ours.oid, theirs.oid
            ));
        }
    }
    let counted = counts(record, rekeyed);
    let expected_rows = match &record.result_sets {
        Some(results) => Some(results.iter().map(|result| result.rows).sum()),
        None => record.rows_on_postgres,
    };
    if let Some(rows) = expected_rows.filter(|_| counted && !columns.is_empty())
        && rows != answer.rows
    {
        return Err(format!("{} rows, PostgreSQL gives {rows}", answer.rows));
    }
    let tags = |tags: &[String]| -> Vec<String> {
        let strip = |tag: &String| {
            if counted {
                tag.clone()
            } else {
                tag.trim_end_matches(char::is_numeric).to_owned()
            }
        };
        tags.iter().map(strip).collect()
    };
    let (ours, theirs) = (tags(&answer.tags), tags(record.tags.as_deref().unwrap_or_default()));
    if ours != theirs {
        return Err(format!("tags {ours:?}, PostgreSQL has {theirs:?}"));
    }
    match record.status_after {
        Some(status) if status != answer.status => Err(format!("status {}, in PostgreSQL {status}", answer.status)),
        _ => Ok(()),
    }
}

/// Whether the rows are ours to count: of our tables, or the columns of one of them.
fn counts(record: &Record, rekeyed: bool) -> bool {
    let lower = record.sql.to_lowercase();
    if rekeyed {
        return lower.contains("pg_attribute a\nwhere a.attrelid");
    }
    record.category != "catalog"
        && !["explain", "show all", "pg_", "information_schema"]
            .iter()
            .any(|word| lower.contains(word))
}
