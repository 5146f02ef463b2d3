//! The traps of DataFusion that a client can run into, each twice: our server over Delta tables does not show it, the
//! plain crate over the same files does. A plain half that fails tells that an upgrade mended the trap, and that our
//! guard may be given up. What would abort the process or take minutes is not run; `tests/README.md` lists it.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::DataType;
use arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use engine::AccessConfig;
use frontend_flight::FlightOptions;
use frontend_rest::RestOptions;
use futures::TryStreamExt;
use serde_json::json;
use system_tests::flight_server::FlightServer;
use system_tests::server::TestServer;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::transport_flight::{Flight, log_in};
use system_tests::transport_rest::{Rest, RestServer};
use system_tests::transport_wire::wire_transports;
use tempfile::TempDir;
use tokio_postgres::types::Type;

use crate::lake;

/// Rows of `zeros`, a quarter of which have `z` = 0.
const ZEROS: i32 = 1000;

struct World {
    folder: TempDir,
    server: TestServer,
    flight: FlightServer,
    rest: RestServer,
}

impl World {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let public = folder.path().join("public");
        lake::write(&public.join("zeros"), [zeros()]).await;
        lake::write(&public.join("numbers"), [numbers(&[1, 2, 3, 4, 5])]).await;
        let catalog = lake::catalog("lake", folder.path());
        let server = lake::serve(vec![catalog], "public", AccessConfig::open()).await;
        let flight = FlightServer::over(server.engine.clone(), FlightOptions::default()).await;
        let rest = RestServer::over(server.engine.clone(), RestOptions::default()).await;
        Self {
            folder,
            server,
            flight,
            rest,
        }
    }

    async fn doors(&self) -> Vec<Box<dyn Transport>> {
        let mut doors = wire_transports(self.server.address, "ana").await.unwrap();
        doors.push(Box::new(Embedded::open(&self.server.engine, "ana")));
        doors.push(Box::new(Flight::connect(self.flight.address, "ana", None).await));
        doors.push(Box::new(Rest::connect(self.rest.address, "lake", "ana").await));
        doors
    }

    /// The same files as the plain crate reads them.
    async fn plain(&self, partitions: usize) -> SessionContext {
        plain(self.folder.path(), partitions).await
    }
}

async fn plain(folder: &Path, partitions: usize) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    for table in ["zeros", "numbers"] {
        let path = folder.join("public").join(table);
        let options = ParquetReadOptions::default();
        context
            .register_parquet(table, path.to_str().unwrap(), options)
            .await
            .unwrap();
    }
    context
}

fn zeros() -> RecordBatch {
    let column = |value: fn(i32) -> i32| Arc::new(Int32Array::from_iter_values((0..ZEROS).map(value))) as ArrayRef;
    RecordBatch::try_from_iter([
        ("z", column(|row| row % 4)),
        ("a", column(|row| row)),
        ("b", column(|row| row / 4)),
    ])
    .unwrap()
}

fn numbers(values: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]).unwrap()
}

/// What the plain crate answers, as a table of text.
async fn told(context: &SessionContext, sql: &str) -> datafusion::common::Result<String> {
    let batches = context.sql(sql).await?.collect().await?;
    Ok(pretty_format_batches(&batches)?.to_string())
}

async fn rows(context: &SessionContext, sql: &str) -> usize {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    batches.iter().map(RecordBatch::num_rows).sum()
}

/// Trap 1, hazard 12b: expressions of SELECT ran on the rows that WHERE excludes.
#[tokio::test(flavor = "multi_thread")]
async fn select_is_computed_above_where() {
    let world = World::open().await;
    let sql = "SELECT z, 10 / z + a + b FROM zeros WHERE z <> 0";
    for door in &mut world.doors().await {
        assert_eq!(door.run(sql).await.unwrap().rows.len(), 750, "{}", door.name());
    }
    let error = told(&world.plain(1).await, sql).await.expect_err("the trap is mended");
    assert!(error.to_string().to_lowercase().contains("divide by zero"), "{error}");
}

/// Trap 3, hazard 12b: a DELETE or UPDATE whose condition the optimizer resolves reached the table without any.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_without_its_condition_is_not_run() {
    let world = World::open().await;
    for door in &mut world.doors().await {
        for sql in [
            "DELETE FROM numbers WHERE false",
            "DELETE FROM numbers WHERE n = 1 AND n = 2",
            "DELETE FROM numbers WHERE n IN (SELECT a FROM zeros WHERE a < 0)",
            "UPDATE numbers SET n = 0 WHERE false",
            "DELETE FROM numbers",
        ] {
            let failure = door.run(sql).await.expect_err(sql);
            assert!(
                ["0A000", "25006", "42501"].contains(&&*failure.sqlstate),
                "{sql}: {failure}"
            );
        }
        let kept = door.run("SELECT count(*), sum(n) FROM numbers").await.unwrap();
        assert_eq!(kept.lines(), ["5|15"]);
    }
    for sql in ["DELETE FROM kept WHERE false", "DELETE FROM kept WHERE n = 1 AND n = 2"] {
        let context = SessionContext::new();
        context.register_batch("kept", numbers(&[1, 2, 3])).unwrap();
        told(&context, sql).await.unwrap();
        assert_eq!(rows(&context, "SELECT n FROM kept").await, 0, "mended: {sql}");
    }
}

/// Trap 5: a physical plan with a repartition could be executed once only.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_statement_runs_again() {
    let world = World::open().await;
    let sql = "SELECT z, count(*) FROM zeros GROUP BY z ORDER BY z";
    let client = world.server.connect().await;
    let prepared = client.prepare(sql).await.unwrap();
    for _ in 0..3 {
        let answer = client.query(&prepared, &[]).await.unwrap();
        let counts: Vec<i64> = answer.iter().map(|row| row.get(1)).collect();
        assert_eq!(counts, [250; 4]);
    }
    let mut flight = log_in(world.flight.address, "ana", None).await;
    let mut prepared = flight.prepare(sql.to_owned(), None).await.unwrap();
    for _ in 0..3 {
        let info = prepared.execute().await.unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let batches: Vec<RecordBatch> = flight.do_get(ticket).await.unwrap().try_collect().await.unwrap();
        let shown = pretty_format_batches(&batches).unwrap().to_string();
        assert_eq!(shown.matches("250").count(), 4, "{shown}");
    }
    for door in &mut world.doors().await {
        if !door.keeps_session() {
            continue;
        }
        door.run(&format!("PREPARE again AS {sql}")).await.unwrap();
        for _ in 0..3 {
            let answer = door.run("EXECUTE again").await.unwrap();
            assert_eq!(answer.lines(), ["0|250", "1|250", "2|250", "3|250"], "{}", door.name());
        }
    }
    let context = world.plain(2).await;
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let shown = displayable(plan.as_ref()).indent(false).to_string();
    assert!(shown.contains("RepartitionExec"), "{shown}");
    collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
    let again = tokio::spawn(collect(plan, context.task_ctx())).await;
    assert!(!matches!(again, Ok(Ok(_))), "the trap is mended");
}

/// Trap 7: of a parameter that occurs twice the last occurrence decided, also when it says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_has_the_type_that_any_of_its_places_tells() {
    let world = World::open().await;
    let client = world.server.connect().await;
    for condition in ["a = $1 OR $1 IS NULL", "$1 IS NULL OR a = $1"] {
        let sql = format!("SELECT count(*) FROM zeros WHERE {condition}");
        let prepared = client.prepare(&sql).await.unwrap();
        assert_eq!(prepared.params(), [Type::INT4], "{sql}");
        for (value, expected) in [(Some(7_i32), 1_i64), (None, i64::from(ZEROS))] {
            let row = client.query_one(&prepared, &[&value]).await.unwrap();
            assert_eq!(row.get::<_, i64>(0), expected, "{sql} with {value:?}");
            let body = json!({"sql": sql, "params": [value], "wrap": false}).to_string();
            let reply = world.rest.post("/api/v2/lake/_query", &body).await;
            assert_eq!(reply.json(), json!([{"count": expected}]), "{sql} with {value:?}");
        }
        let mut flight = log_in(world.flight.address, "ana", None).await;
        let prepared = flight.prepare(sql.clone(), None).await.unwrap();
        let parameters = prepared.parameter_schema().unwrap();
        assert_eq!(*parameters.field(0).data_type(), DataType::Int32, "{sql}");
    }
    let state = world.plain(1).await.state();
    let sql = "SELECT count(*) FROM zeros WHERE a = $1 OR $1 IS NULL";
    let fields = state
        .create_logical_plan(sql)
        .await
        .unwrap()
        .get_parameter_fields()
        .unwrap();
    assert!(fields["$1"].is_none(), "the trap is mended: {fields:?}");
}

/// Trap 8: a kept plan, or a kept state, answered `now()` with the time when it was made.
#[tokio::test(flavor = "multi_thread")]
async fn now_moves_on() {
    let world = World::open().await;
    let client = world.server.connect().await;
    let prepared = client.prepare("SELECT now()").await.unwrap();
    let mut before = SystemTime::UNIX_EPOCH;
    for _ in 0..3 {
        for now in [
            client.query_one(&prepared, &[]).await.unwrap().get::<_, SystemTime>(0),
            client.query_one("SELECT now()", &[]).await.unwrap().get(0),
        ] {
            assert!(now > before, "{now:?} after {before:?}");
            before = now;
        }
    }
    for sql in [
        "SELECT now() = now()",
        "SELECT now() = (SELECT now())",
        "SELECT now() = current_timestamp",
    ] {
        assert!(client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0), "{sql}");
    }

    let state = SessionContext::new().state();
    let plan = state.create_logical_plan("SELECT now()").await.unwrap();
    let early = value(&state, &plan).await;
    assert_eq!(early, value(&state, &plan).await, "the trap is mended");
}

async fn value(state: &SessionState, plan: &LogicalPlan) -> String {
    let plan = state.create_physical_plan(plan).await.unwrap();
    let batches = collect(plan, state.task_ctx()).await.unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

/// Trap 9: what is parsed and not planned was ignored without a word.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_ignored_is_refused() {
    let world = World::open().await;
    let ignored = [
        "SELECT * FROM numbers FOR UPDATE",
        "SELECT * FROM numbers FOR SHARE",
        "SELECT * FROM numbers TABLESAMPLE BERNOULLI (1)",
    ];
    let ordinality = "SELECT * FROM generate_series(11, 13) WITH ORDINALITY";
    let nested = [
        "SELECT count(*) FROM (SELECT * FROM numbers FOR UPDATE) t",
        "WITH t AS (SELECT * FROM numbers TABLESAMPLE SYSTEM (1)) SELECT * FROM t",
    ];
    for door in &mut world.doors().await {
        for sql in ignored.iter().chain(&nested) {
            let failure = door.run(sql).await.expect_err(sql);
            assert_eq!(failure.sqlstate, "0A000", "{sql}: {failure}");
        }
        // Refused, or with the column that it asks for.
        if let Ok(answer) = door.run(ordinality).await {
            assert_eq!(
                answer.lines(),
                ["11|1", "12|2", "13|3"],
                "{ordinality} ({})",
                door.name()
            );
        }
    }
    let context = world.plain(1).await;
    let plain = context.sql(ordinality).await.unwrap();
    assert_eq!(plain.schema().fields().len(), 1, "mended: {ordinality}");
    for sql in ignored {
        assert_eq!(rows(&context, sql).await, 5, "mended: {sql}");
    }
}

/// Trap 10: the list of a table's files was kept for ever, for all sessions.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_are_seen() {
    let world = World::open().await;
    let context = world.plain(1).await;
    let sql = "SELECT n FROM numbers";
    let mut count = 5;
    for door in &mut world.doors().await {
        assert_eq!(door.run(sql).await.unwrap().rows.len(), count, "{}", door.name());
        assert_eq!(rows(&context, sql).await, 5, "the trap is mended");
        lake::write(&world.folder.path().join("public/numbers"), [numbers(&[6])]).await;
        count += 1;
        assert_eq!(door.run(sql).await.unwrap().rows.len(), count, "{}", door.name());
    }
}

/// Trap 11, hazard 12b: constants are evaluated while planning, without bound. The plain half asks for a small one.
#[tokio::test(flavor = "multi_thread")]
async fn planning_makes_no_large_values() {
    let world = World::open().await;
    for door in &mut world.doors().await {
        for call in [
            "repeat('a', 2147483647)",
            "repeat(repeat('a', 20000), 20000)",
            "lpad('a', 2147483647)",
            "rpad('a', 2147483647, 'xy')",
            "array_repeat(1, 2147483647)",
            "generate_series(1, 9223372036854775807)",
            "range(0, 9223372036854775807)",
        ] {
            for sql in [
                format!("SELECT {call}"),
                format!("EXPLAIN SELECT {call}"),
                format!("SELECT 1 FROM numbers WHERE {call} IS NULL"),
                format!("PREPARE large AS SELECT {call}"),
            ] {
                let Err(failure) = door.run(&sql).await else {
                    // The plan may show the call as it stands, and a prepared statement is planned when it runs.
                    assert!(!sql.starts_with("SELECT"), "{sql} is answered");
                    continue;
                };
                // A set of rows is no value that WHERE could ask about.
                let is_set = failure.sqlstate == "0A000" && sql.contains("WHERE generate_series");
                assert!(failure.sqlstate == "54000" || is_set, "{sql}: {failure}");
            }
            let _ = door.run("DEALLOCATE ALL").await;
        }
        assert_eq!(
            door.run("SELECT length(repeat('ab', 500))").await.unwrap().lines(),
            ["1000"]
        );
    }
    let plan = told(&SessionContext::new(), "EXPLAIN SELECT repeat('ab', 500)")
        .await
        .unwrap();
    assert!(
        plan.contains(&"ab".repeat(20)),
        "constants are left alone while planning: {plan}"
    );
}

/// Trap 12: integers wrapped around, and floats became infinite.
#[tokio::test(flavor = "multi_thread")]
async fn arithmetic_raises() {
    let world = World::open().await;
    for door in &mut world.doors().await {
        for (sql, state) in [
            ("SELECT n + 9223372036854775807 FROM numbers", "22003"),
            ("SELECT -9223372036854775807 - n FROM numbers WHERE n = 2", "22003"),
            ("SELECT n * 9223372036854775807 FROM numbers WHERE n = 2", "22003"),
            ("SELECT 9223372036854775807 + 1", "22003"),
            ("SELECT 2147483647 + a FROM zeros", "22003"),
            ("SELECT n::float8 / 0 FROM numbers", "22012"),
            ("SELECT 5.0 / 0", "22012"),
            ("SELECT n % 0 FROM numbers", "22012"),
            ("SELECT '1e308'::float8 * 10", "22003"),
        ] {
            let failure = door.run(sql).await.expect_err(sql);
            assert_eq!(failure.sqlstate, state, "{sql}: {failure}");
        }
    }
    let context = world.plain(1).await;
    let wrapped = told(&context, "SELECT n + 9223372036854775807 FROM numbers WHERE n = 1").await;
    assert!(wrapped.unwrap().contains("-9223372036854775808"), "the trap is mended");
    let infinite = told(&context, "SELECT CAST(n AS DOUBLE) / 0 FROM numbers WHERE n = 1").await;
    assert!(infinite.unwrap().contains("inf"), "the trap is mended");
}

/// Trap 13, hazard 12: the plain parser bounds nesting only. What such a chain does to the planner aborts the process,
/// so that it is only parsed here, with room; `suites::traps_that_no_file_can_hold` sends it to our server.
#[test]
fn the_plain_parser_takes_any_chain() {
    let chain = format!("SELECT 1{}", " + 1".repeat(3000));
    let parsed = std::thread::Builder::new().stack_size(64 << 20).spawn({
        let chain = chain.clone();
        move || datafusion::sql::parser::DFParser::parse_sql(&chain).map(|statements| statements.len())
    });
    assert_eq!(parsed.unwrap().join().unwrap().ok(), Some(1), "the trap is mended");
    let refused = postgres_dialect::parse(&chain, &postgres_dialect::Limits::default());
    assert!(refused.is_err(), "our parser takes a chain of 3000");
}
