//! What a statement costs more when it is pushed by us than when a plain client sends it itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{Int64Array, RecordBatch};
use serde_json::json;
use system_tests::lake;
use system_tests::spark_client::SparkClient;
use system_tests::spark_server::SparkServer;
use tokio::runtime::Runtime;

use crate::lakegate::{self, Lakegate};
use crate::table::{Table, progress, quantile};
use crate::wire::Connection;
use crate::workspace::{WAREHOUSE, Workspace, bench_schema, download};
use crate::{Bench, Outcome};

/// Statements of one run.
const STATEMENTS: usize = 20;
/// How long every answer of the workspace takes, and every link.
const LATENCY_SECONDS: f64 = 0.05;
const OVER_SPARK: &str = "SELECT k, count(*) AS n, sum(v) AS total FROM spark.bench.numbers GROUP BY k";
const OVER_WAREHOUSE: &str = "SELECT n0, n1 FROM main.bench.few";

/// Milliseconds of statements through us and past us.
#[derive(Debug, Default)]
struct Times {
    ours: Vec<f64>,
    plain: Vec<f64>,
}

impl Times {
    /// Sends the statement both ways in turn.
    fn measure(
        name: &str,
        runs: usize,
        wire: &mut Connection,
        sql: &str,
        mut plain: impl FnMut() -> Outcome<()>,
    ) -> Outcome<Self> {
        let mut times = Self::default();
        // The run before the first warms up both.
        for run in 0..=runs {
            progress(format!("pushed to {name}, run {run} of {runs}"));
            for _ in 0..STATEMENTS {
                let start = Instant::now();
                let answer = wire.simple(sql)?;
                let ours = start.elapsed();
                if answer.rows == 0 {
                    return Err(format!("no rows of {sql}").into());
                }
                let start = Instant::now();
                plain()?;
                if run > 0 {
                    times.ours.push(ours.as_secs_f64() * 1e3);
                    times.plain.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        Ok(times)
    }

    fn row(&self, table: &mut Table, name: &str) {
        for (what, part) in [("p50", 0.5), ("p95", 0.95)] {
            let [ours, plain] = [&self.ours, &self.plain].map(|times| quantile(times, part));
            table.row(format!("{name}, {what}"), &[ours, plain, ours - plain]);
        }
    }
}

pub(crate) fn pushed(bench: &mut Bench) -> Outcome<()> {
    let columns = ["", "lakegate", "plain client", "added"];
    let mut table = Table::new("pushed: ms of one statement", &columns);
    let runtime = Runtime::new()?;
    if let Some(spark) = runtime.block_on(SparkServer::start(0)) {
        let folder = tempfile::tempdir()?;
        runtime.block_on(lake::write(folder.path(), [numbers()?]));
        over_spark(bench, &runtime, &spark, folder.path())?.row(&mut table, "Spark Connect");
    } else {
        table.note("Spark is not installed (tests/remote/install.sh)");
    }
    match Workspace::start()? {
        Some(workspace) => over_warehouse(bench, &workspace)?.row(&mut table, "SQL warehouse (stand-in)"),
        None => table.note("the stand-in is not installed (tests/stand_ins/workspace/install.sh)"),
    }
    table.note(format!(
        "every answer of the stand-in and every link takes {:.0} ms; the plain client takes a statement and its link",
        LATENCY_SECONDS * 1e3
    ));
    table.print();
    Ok(())
}

fn numbers() -> Outcome<RecordBatch> {
    let rows = 0..10_000_i64;
    let batch = RecordBatch::try_from_iter([
        (
            "k",
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row % 10))) as _,
        ),
        ("v", Arc::new(Int64Array::from_iter_values(rows)) as _),
    ])?;
    Ok(batch)
}

fn over_spark(bench: &Bench, runtime: &Runtime, spark: &SparkServer, folder: &Path) -> Outcome<Times> {
    let text = format!(
        "[[service]]\nname = \"spark\"\ntype = \"spark\"\nworkspace_url = \"{}\"\ncatalog = \"spark_catalog\"\n",
        spark.url()
    );
    let client: SparkClient = runtime.block_on(spark.client());
    runtime.block_on(async {
        client.run("CREATE SCHEMA IF NOT EXISTS bench").await;
        let create = format!(
            "CREATE TABLE bench.numbers USING delta LOCATION 'file://{}'",
            folder.display()
        );
        client.run(&create).await;
    });
    let server = Lakegate::start(
        &bench.binary,
        &lakegate::written(bench.temporary.path(), "spark.toml", &text)?,
    )?;
    let mut wire = server.connect_to("bench", "spark")?;
    wire.simple(OVER_SPARK)?;
    let sent = sent(&mut wire, OVER_SPARK)?;
    Times::measure("Spark", bench.runs, &mut wire, OVER_SPARK, || {
        let batches = runtime.block_on(client.try_run(&sent))?;
        match batches.iter().map(RecordBatch::num_rows).sum::<usize>() {
            0 => Err(format!("no rows of {sent}").into()),
            _ => Ok(()),
        }
    })
}

fn over_warehouse(bench: &Bench, workspace: &Workspace) -> Outcome<Times> {
    let columns = json!([{"name": "n0", "type": "bigint"}, {"name": "n1", "type": "bigint"}]);
    let table =
        json!({"columns": columns, "storage_location": "s3://stand-in/bench/few", "credential_refusal": "empty"});
    workspace.control("state", &bench_schema("few", &table));
    let made = json!({"rows": 100, "numbers": 2});
    workspace.control("scripts", &json!({"match": "few", "generated": made, "times": null}));
    let text = workspace.service(&format!(
        "http_path = \"/sql/1.0/warehouses/{WAREHOUSE}\"\nroute = \"warehouse\""
    ));
    let server = Lakegate::start(
        &bench.binary,
        &lakegate::written(bench.temporary.path(), "few.toml", &text)?,
    )?;
    let mut wire = server.connect_to("bench", "main")?;
    wire.simple(OVER_WAREHOUSE)?;
    let sent = sent(&mut wire, OVER_WAREHOUSE)?;
    workspace.control(
        "settings",
        &json!({"reuse_results": true, "api_latency": LATENCY_SECONDS, "link_latency": LATENCY_SECONDS}),
    );
    Times::measure("the stand-in", bench.runs, &mut wire, OVER_WAREHOUSE, || {
        let links = workspace.links(&sent)?;
        match download(&links.urls, 1)?.bytes {
            0 => Err("the link is empty".into()),
            _ => Ok(()),
        }
    })
}

/// What was sent for a query that ran, so that the plain client sends the same.
fn sent(wire: &mut Connection, query: &str) -> Outcome<String> {
    let log = format!("SELECT remote_sql FROM lakegate.queries WHERE query = '{query}' AND remote_sql IS NOT NULL");
    let value = wire.value(&log)?;
    value.ok_or_else(|| format!("{query} was not pushed").into())
}
