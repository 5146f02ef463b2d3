//! A point query on one of very many tables of Unity Catalog, against the same table in a plain folder.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use serde_json::{Map, Value, json};
use system_tests::lake;

use crate::lakegate::{self, Lakegate};
use crate::table::{Table, progress, quantile};
use crate::wire::Connection;
use crate::workspace::{Workspace, bench_tables};
use crate::{Bench, Outcome};

const ROWS: i64 = 100_000;
/// In so many files, so that there is something to prune.
const FILES: i64 = 4;
/// Queries of one run, each for another key.
const QUERIES: i64 = 50;
/// Tables that one request declares.
const DECLARED_AT_ONCE: usize = 10_000;

fn rows(file: i64) -> Outcome<RecordBatch> {
    let keys = file * ROWS / FILES..(file + 1) * ROWS / FILES;
    let values = StringArray::from_iter_values(keys.clone().map(|key| format!("value {key}")));
    let columns = [
        ("key", Arc::new(Int64Array::from_iter_values(keys)) as _),
        ("value", Arc::new(values) as _),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn declare(workspace: &Workspace, count: usize, folder: &str) {
    let columns = json!([{"name": "key", "type": "bigint"}, {"name": "value", "type": "string"}]);
    let mut next = 0;
    while next < count {
        let names = next..count.min(next + DECLARED_AT_ONCE);
        next = names.end;
        progress(format!("many-tables: {next} of {count} tables are declared"));
        let table = |number: usize| {
            let location = format!("s3://stand-in/many/t{number}");
            (
                format!("t{number}"),
                json!({"columns": columns, "storage_location": location}),
            )
        };
        let mut tables: Map<String, Value> = names.map(table).collect();
        if next == count {
            tables.insert(
                "pairs".to_owned(),
                json!({"columns": columns, "storage_location": format!("file://{folder}")}),
            );
        }
        workspace.control("state", &bench_tables(tables));
    }
}

/// Milliseconds of queries for one key each.
fn queries(wire: &mut Connection, table: &str, run: i64) -> Outcome<Vec<f64>> {
    let mut times = Vec::new();
    for number in 0..QUERIES {
        let key = (run * QUERIES + number) * 7919 % ROWS;
        let start = Instant::now();
        let answer = wire.simple(&format!("SELECT value FROM {table} WHERE key = {key}"))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        if answer.rows != 1 {
            return Err(format!("{} rows of {table} have the key {key}", answer.rows).into());
        }
    }
    Ok(times)
}

pub(crate) fn many_tables(bench: &mut Bench) -> Outcome<()> {
    let Some(workspace) = Workspace::start()? else {
        return Ok(());
    };
    let root = tempfile::tempdir()?;
    let folder = root.path().join("bench/pairs");
    let files = (0..FILES).map(rows).collect::<Outcome<Vec<_>>>()?;
    workspace.runtime.block_on(lake::write(&folder, files));
    declare(&workspace, bench.tables_many, &folder.display().to_string());
    let text = format!(
        "[[service]]\nname = \"plain\"\ntype = \"delta\"\nlocation = \"file://{}\"\n{}",
        root.path().display(),
        workspace.service("")
    );
    let server = Lakegate::start(
        &bench.binary,
        &lakegate::written(bench.temporary.path(), "many.toml", &text)?,
    )?;
    let mut wire = server.connect_to("bench", "main")?;
    let start = Instant::now();
    wire.simple("SELECT value FROM main.bench.pairs WHERE key = 1")?;
    let first = start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    wire.simple("SELECT value FROM plain.bench.pairs WHERE key = 1")?;
    let first_plain = start.elapsed().as_secs_f64() * 1e3;
    let [mut ours, mut plain] = [const { Vec::new() }; 2];
    for run in 1..=bench.runs {
        progress(format!("many-tables, run {run} of {}", bench.runs));
        let run = i64::try_from(run)?;
        ours.extend(queries(&mut wire, "main.bench.pairs", run)?);
        plain.extend(queries(&mut wire, "plain.bench.pairs", run)?);
    }
    let title = format!("many-tables: ms of a point query, one table of {}", bench.tables_many);
    let mut table = Table::new(title, &["", "Unity Catalog", "plain folder", "ratio"]);
    table.row("the first", &[first, first_plain, first / first_plain]);
    for (name, part) in [("later ones, p50", 0.5), ("later ones, p95", 0.95)] {
        let [ours, plain] = [&ours, &plain].map(|times| quantile(times, part));
        table.row(name, &[ours, plain, ours / plain]);
    }
    table.note("both read the same files; what is more is asking the catalog, on the loopback");
    table.print();
    Ok(())
}
