//! DataFusion's sqllogictest files. What they set up is made by DataFusion in memory and then served.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use datafusion::prelude::{SessionConfig, SessionContext};
use engine::AccessConfig;
use sqllogictest::{DefaultColumnType, Record, Runner};
use system_tests::memory_source::MemorySource;
use system_tests::server::TestServer;
use system_tests::suite_tables::files_in;
use system_tests::transport_wire::Simple;

use crate::data::{Expectations, folder};
use crate::lake;
use crate::logic_test::{Session, Style};

const EXPECTATIONS: &str = include_str!("../expectations/slt.toml");

/// What became of the cases of one file.
#[derive(Debug, Default)]
struct Outcome {
    cases: Vec<(String, Result<(), String>)>,
    /// Cases that need a file that is not there, or show DataFusion's own plans.
    skipped: usize,
}

/// A server whose tables are those of a DataFusion session.
struct SetUp {
    session: SessionContext,
    server: TestServer,
    /// Tables that could not be made.
    missing: BTreeSet<String>,
}

impl SetUp {
    async fn new() -> Self {
        let config = SessionConfig::new().with_default_catalog_and_schema("lake", "public");
        let server = lake::serve(
            vec![Arc::new(MemorySource::new("lake"))],
            "public",
            AccessConfig::open(),
        )
        .await;
        Self {
            session: SessionContext::new_with_config(config),
            server,
            missing: BTreeSet::new(),
        }
    }

    /// Runs a statement that makes or changes a table and serves the outcome.
    async fn run(&mut self, sql: &str) {
        let name = table_of(sql);
        let done = match self.session.sql(sql).await {
            Ok(frame) => frame.collect().await.is_ok(),
            Err(_) => false,
        };
        if !done {
            self.missing.extend(name);
            return;
        }
        if let Some(name) = name {
            self.missing.remove(&name);
        }
        let schema = self.session.catalog("lake").unwrap().schema("public").unwrap();
        let mut source = MemorySource::new("lake");
        for name in schema.table_names() {
            let Ok(frame) = self.session.table(format!("\"{name}\"")).await else {
                continue;
            };
            let columns = Arc::clone(frame.schema().inner());
            let Ok(mut batches) = frame.collect().await else {
                continue;
            };
            if batches.is_empty() {
                batches.push(arrow::array::RecordBatch::new_empty(columns));
            }
            source = source.table("public", &name, batches);
        }
        self.server.engine.reload_sources(vec![Arc::new(source)]).unwrap();
    }
}

/// Whether a statement prepares the ground.
fn sets_up(sql: &str) -> bool {
    let word = |number: usize| {
        sql.split_whitespace()
            .nth(number)
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    match word(0).as_str() {
        "create" | "drop" | "insert" | "copy" | "update" | "delete" | "truncate" => true,
        "set" | "reset" => word(1).starts_with("datafusion."),
        _ => false,
    }
}

/// The table that a statement makes or changes.
fn table_of(sql: &str) -> Option<String> {
    let text = sql.to_ascii_lowercase().replace('(', " ( ");
    let mut words = text.split_whitespace();
    words.find(|word| ["table", "into", "view"].contains(word))?;
    let name = words.find(|word| !["if", "not", "exists"].contains(word))?;
    Some(name.trim_matches([';', '"']).to_owned())
}

fn names(sql: &str, table: &str) -> bool {
    let lower = sql.to_ascii_lowercase();
    lower
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .any(|word| word == table)
}

async fn run_file(path: &Path, engine: &'static str) -> Outcome {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut outcome = Outcome::default();
    let mut ground = SetUp::new().await;
    let address = ground.server.address;
    let mut runner = Runner::new(|| async move {
        let transport = Box::new(Simple::connect(address, "root").await?);
        Ok(Session {
            transport,
            style: Style::DataFusion,
            engine,
        })
    });
    let records = sqllogictest::parse_file::<DefaultColumnType>(path).unwrap();
    for record in records {
        let (sql, line, skip) = match &record {
            Record::Statement {
                sql, loc, conditions, ..
            }
            | Record::Query {
                sql, loc, conditions, ..
            } => (
                sql.clone(),
                loc.line(),
                conditions.iter().any(|condition| match condition {
                    sqllogictest::Condition::OnlyIf { label } => label != engine,
                    sqllogictest::Condition::SkipIf { label } => label == engine,
                }),
            ),
            Record::Halt { .. } => break,
            _ => {
                let _ = runner.run_async(record).await;
                continue;
            }
        };
        if skip {
            continue;
        }
        if matches!(record, Record::Statement { .. }) && sets_up(&sql) {
            ground.run(&sql).await;
            continue;
        }
        let lower = sql.trim_start().to_ascii_lowercase();
        if lower.starts_with("explain") || ground.missing.iter().any(|table| names(&sql, table)) {
            outcome.skipped += 1;
            continue;
        }
        let done = runner
            .run_async(record)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string());
        outcome.cases.push((format!("{name}:{line}"), done));
    }
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn pg_compat() {
    let Some(folder) = folder("slt/datafusion/pg_compat") else {
        return;
    };
    let mut expectations = Expectations::read(EXPECTATIONS, "pg_compat");
    let mut skipped = 0;
    for file in files_in(&folder) {
        let outcome = run_file(&file, "postgres").await;
        skipped += outcome.skipped;
        for (case, outcome) in outcome.cases {
            expectations.record(&case, outcome);
        }
    }
    println!("SKIPPED: {skipped} cases of pg_compat that read a CSV file which is not among the data");
    expectations.finish("slt/pg_compat");
}

/// Tells how far DataFusion's general files pass. They are not judged: what they expect is often DataFusion's own way.
#[tokio::test(flavor = "multi_thread")]
async fn general_scoreboard() {
    let Some(folder) = folder("slt/datafusion/general") else {
        return;
    };
    let (mut passed, mut total) = (0, 0);
    for (name, folder) in [
        ("", folder.clone()),
        ("datetime/", folder.join("datetime")),
        ("string/", folder.join("string")),
    ] {
        for file in files_in(&folder) {
            let outcome = run_file(&file, "datafusion").await;
            let good = outcome.cases.iter().filter(|(_, outcome)| outcome.is_ok()).count();
            let file = file.file_name().unwrap().to_str().unwrap();
            println!(
                "  {name}{file}: {good} of {} pass, {} skipped",
                outcome.cases.len(),
                outcome.skipped
            );
            if std::env::var_os("LAKEGATE_SLT_FAILURES").is_some() {
                for (case, outcome) in &outcome.cases {
                    if let Err(why) = outcome {
                        println!("{case}: {why}");
                    }
                }
            }
            passed += good;
            total += outcome.cases.len();
        }
    }
    println!("scoreboard slt/general: {passed} of {total} pass");
    assert!(passed > 0);
}
