//! The pipeline end to end, in process, over tables in memory.

mod catalog_rows;

use std::sync::Arc;

use async_trait::async_trait;
use contract::{ErrorKind, Identity, QueryContext, Result, TableName, TableVersion};
use datafusion::arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::MemTable;
use datafusion::common::ScalarValue;
use federation::{Source, SourceTable, TableKind, TableSummary};
use futures::TryStreamExt;

use crate::*;

#[derive(Debug)]
struct Trips;

#[async_trait]
impl Source for Trips {
    fn name(&self) -> &str {
        "lake"
    }

    async fn schemas(&self, _ctx: &QueryContext) -> Result<Vec<String>> {
        Ok(vec!["rides".to_owned()])
    }

    async fn tables(&self, schema: &str, _ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        let trips = TableSummary {
            name: "trips".to_owned(),
            kind: TableKind::Table,
        };
        Ok(if schema == "rides" { vec![trips] } else { Vec::new() })
    }

    async fn table(
        &self,
        name: &TableName,
        _version: TableVersion,
        _ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        if name.schema != "rides" || name.table != "trips" {
            return Ok(None);
        }
        let id: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let driver: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), Some(8), None]));
        let region: ArrayRef = Arc::new(StringArray::from(vec!["1", "ZQX8", "ZQX8"]));
        let card: ArrayRef = Arc::new(StringArray::from(vec!["4111", "RAWPAN", "RAWPAN"]));
        let batch = RecordBatch::try_from_iter([
            ("trip_id", id),
            ("driver_id", driver),
            ("region", region),
            ("card", card),
        ])?;
        let provider = Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?);
        Ok(Some(Arc::new(SourceTable {
            provider,
            state: 1,
            comment: None,
        })))
    }
}

fn engine() -> Engine {
    let rules = "CREATE ROLE driver;
        GRANT SELECT (trip_id, driver_id, region) ON lake.rides.trips TO driver;
        CREATE POLICY own ON lake.rides.trips TO driver USING (driver_id = user_attribute('id')::bigint);";
    let rules = policy::parse_rules(&[("test.sql".to_owned(), rules.to_owned())]).unwrap();
    let dora = UserEntry {
        name: "dora".to_owned(),
        roles: vec!["driver".to_owned()],
        attributes: [("id".to_owned(), "7".to_owned())].into(),
        ..UserEntry::default()
    };
    let access = AccessConfig {
        rules,
        users: vec![dora],
        trust_loopback: true,
        unknown_users: UnknownUsers::Administrator,
    };
    let options = EngineOptions {
        default_schema: "rides".to_owned(),
        ..EngineOptions::default()
    };
    Engine::builder(options)
        .source(Arc::new(Trips))
        .access(access)
        .build()
        .unwrap()
}

fn session(user: &str) -> ClientSession {
    let engine = engine();
    let identity = engine.identity(user).unwrap();
    engine.open_session(identity, SessionOptions::default()).unwrap()
}

async fn run_with(session: &mut ClientSession, sql: &str, values: Vec<ScalarValue>) -> Result<String> {
    let mut answer = String::new();
    for statement in session.parse(sql)? {
        let ctx = session.query_context();
        let prepared = session.prepare(statement, &[], &ctx).await?;
        answer = match session.execute(&prepared, values.clone(), &ctx).await? {
            Outcome::Rows { schema, stream, .. } => {
                let batches: Vec<_> = stream.try_collect().await?;
                let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                let rows = pretty_format_batches(&batches)?.to_string();
                let rows = rows
                    .lines()
                    .filter(|line| !line.starts_with('+'))
                    .skip(1)
                    .collect::<Vec<_>>()
                    .join("\n");
                format!("{}\n{rows}", columns.join(","))
            }
            Outcome::Command { tag } => tag,
            Outcome::CopyOut { .. } => "copy".to_owned(),
            Outcome::Empty => String::new(),
        };
    }
    Ok(answer.replace(' ', ""))
}

async fn run(session: &mut ClientSession, sql: &str) -> Result<String> {
    run_with(session, sql, Vec::new()).await
}

#[tokio::test]
async fn constants_have_postgresql_types_and_names() {
    let mut session = session("root");
    let statement = session
        .parse("SELECT 1, 'a', 1.5, 3000000000, 1::bigint, count(*)")
        .unwrap()
        .remove(0);
    let ctx = session.query_context();
    let prepared = session.prepare(statement, &[], &ctx).await.unwrap();
    let shown: Vec<_> = prepared
        .schema()
        .unwrap()
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    assert_eq!(shown[0], "?column? Int32");
    assert_eq!(shown[2], "?column? Decimal128(2, 1)");
    assert_eq!(shown[3], "?column? Int64");
    assert_eq!(shown[4], "int8 Int64");
    assert_eq!(shown[5], "count Int64");
}

#[tokio::test]
async fn rows_come_and_rules_hold() {
    let mut root = session("root");
    assert_eq!(
        run(&mut root, "SELECT count(*) FROM trips").await.unwrap(),
        "count\n|3|"
    );
    let mut dora = session("dora");
    assert_eq!(
        run(&mut dora, "SELECT * FROM rides.trips").await.unwrap(),
        "trip_id,driver_id,region\n|1|7|1|"
    );
    assert_eq!(
        run(&mut dora, "SELECT count(*) FROM trips WHERE CAST(region AS INT) > 0")
            .await
            .unwrap(),
        "count\n|1|"
    );
    let hidden = run(&mut dora, "SELECT card FROM trips").await.unwrap_err();
    assert_eq!(
        (hidden.kind(), hidden.position()),
        (ErrorKind::UndefinedColumn, Some(8))
    );
    let absent = run(&mut dora, "SELECT * FROM lake.vault.keys").await.unwrap_err();
    assert_eq!(
        (absent.kind(), absent.position()),
        (ErrorKind::UndefinedTable, Some(15))
    );
    let explained = run(&mut dora, "EXPLAIN SELECT * FROM trips WHERE trip_id = 1")
        .await
        .unwrap();
    assert!(
        !explained.contains("card") && !explained.contains("user_attribute"),
        "{explained}"
    );
}

#[tokio::test]
async fn parameters_are_inferred_and_bound() {
    let mut session = session("root");
    let sql = "SELECT region FROM trips WHERE trip_id = $1 AND $2::text IS NOT NULL LIMIT $3";
    let statement = session.parse(sql).unwrap().remove(0);
    let ctx = session.query_context();
    let prepared = session.prepare(statement, &[], &ctx).await.unwrap();
    let types: Vec<_> = prepared.parameters().map(|field| field.data_type().clone()).collect();
    assert_eq!(types, [DataType::Int32, DataType::Utf8, DataType::Int64]);
    let values = vec![
        ScalarValue::Int32(Some(2)),
        ScalarValue::from("x"),
        ScalarValue::Int64(Some(5)),
    ];
    assert_eq!(
        run_with(&mut session, sql, values.clone()).await.unwrap(),
        "region\n|ZQX8|"
    );
    // Again, now from the cache.
    assert_eq!(run_with(&mut session, sql, values).await.unwrap(), "region\n|ZQX8|");
    let too_few = run_with(&mut session, sql, Vec::new()).await.unwrap_err();
    assert_eq!(too_few.kind(), ErrorKind::ProtocolViolation);
}

#[tokio::test]
async fn arithmetic_raises_as_in_postgresql() {
    let mut session = session("root");
    for (sql, kind) in [
        (
            "SELECT 2147483647 + trip_id FROM trips",
            contract::DataException::NumericValueOutOfRange,
        ),
        (
            "SELECT 9223372036854775807 + 1",
            contract::DataException::NumericValueOutOfRange,
        ),
        ("SELECT trip_id / 0 FROM trips", contract::DataException::DivisionByZero),
        ("SELECT 5.0::float8 / 0", contract::DataException::DivisionByZero),
    ] {
        let error = run(&mut session, sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DataException(kind), "{sql}: {error}");
    }
    assert_eq!(
        run(&mut session, "SELECT 10 / (trip_id - 1) FROM trips WHERE trip_id <> 1")
            .await
            .unwrap(),
        "?column?\n|10|\n|5|"
    );
}

#[tokio::test]
async fn transactions_settings_and_cursors() {
    let mut session = session("root");
    run(
        &mut session,
        "BEGIN; SET LOCAL extra_float_digits = 3; SET TimeZone = 'Europe/Berlin'",
    )
    .await
    .unwrap();
    assert_eq!(session.transaction_status(), TransactionStatus::Open);
    run(
        &mut session,
        "DECLARE c CURSOR FOR SELECT trip_id FROM trips ORDER BY 1",
    )
    .await
    .unwrap();
    assert_eq!(run(&mut session, "FETCH 2 FROM c").await.unwrap(), "trip_id\n|1|\n|2|");
    assert_eq!(run(&mut session, "FETCH ALL FROM c").await.unwrap(), "trip_id\n|3|");
    assert!(run(&mut session, "SELECT nonsense").await.is_err());
    session.fail_transaction();
    assert_eq!(
        run(&mut session, "SELECT 1").await.unwrap_err().kind(),
        ErrorKind::InFailedTransaction
    );
    assert_eq!(run(&mut session, "COMMIT").await.unwrap(), "ROLLBACK");
    assert_eq!(session.setting("timezone").as_deref(), Some("UTC"));
    assert_eq!(
        run(&mut session, "PREPARE p (int) AS SELECT $1 + 1; EXECUTE p(41)")
            .await
            .unwrap(),
        "?column?\n|42|"
    );
}

#[tokio::test]
async fn what_is_not_offered_is_refused() {
    let mut dora = session("dora");
    for sql in [
        "INSERT INTO trips VALUES (1)",
        "CREATE TABLE x AS SELECT * FROM trips",
        "SET ROLE root",
        "COPY trips TO '/tmp/x'",
    ] {
        assert_eq!(
            run(&mut dora, sql).await.unwrap_err().kind(),
            ErrorKind::PermissionDenied,
            "{sql}"
        );
    }
    for sql in [
        "SET user.id = 8",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('x')",
    ] {
        assert!(run(&mut dora, sql).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn constants_cannot_grow_without_bound() {
    let mut session = session("root");
    for sql in [
        "SELECT repeat('a', 2147483647)",
        "SELECT lpad('a', 2147483647)",
        "SELECT array_repeat(1, 2147483647)",
        "SELECT array_repeat(repeat('a', 100000), 3000)",
        "SELECT array_repeat(array_repeat(array_repeat(1, 1000), 1000), 1000)",
        "SELECT replace(repeat('a', 20000), 'a', repeat('b', 20000))",
        "SELECT regexp_replace(repeat('a', 20000), 'a', repeat('b', 20000), 'g')",
        "SELECT regexp_replace(n::text || repeat('a', 20000), 'a', repeat('b', 20000), 'g') FROM generate_series(1, 3) AS g(n)",
        "SELECT concat(a, a, a) FROM (SELECT repeat('a', 100000000) AS a) t",
        "SELECT concat_ws(a, '', '', '', '') FROM (SELECT repeat('a', 100000000) AS a) t",
        "SELECT generate_series(1, 9223372036854775807)",
    ] {
        assert_eq!(
            run(&mut session, sql).await.unwrap_err().kind(),
            ErrorKind::LimitExceeded,
            "{sql}"
        );
    }
    assert_eq!(
        run(&mut session, "SELECT repeat('ab', 2)").await.unwrap(),
        "repeat\n|abab|"
    );
    // More than the bound by estimate, far less in truth.
    let sql = "SELECT sum(length(regexp_replace(n::text || repeat('a', 9990), 'b', repeat('b', 9990), 'g'))) AS n, \
        sum(length(replace(n::text || repeat('a', 9990), 'b', repeat('b', 9990)))) AS m \
        FROM generate_series(10, 19) AS g(n)";
    assert_eq!(run(&mut session, sql).await.unwrap(), "n,m\n|99920|99920|");
    assert_eq!(
        run(&mut session, "SELECT x FROM generate_series(1, 5, 2) AS g(x)")
            .await
            .unwrap(),
        "x\n|1|\n|3|\n|5|"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn cancellation_ends_a_stream() {
    let mut session = session("root");
    let ctx = session.query_context();
    let sql = "SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b";
    let statement = session.parse(sql).unwrap().remove(0);
    let prepared = session.prepare(statement, &[], &ctx).await.unwrap();
    let token = ctx.cancellation.clone();
    let cancel = tokio::spawn(async move { token.cancel() });
    let error = match session.execute(&prepared, Vec::new(), &ctx).await {
        Ok(Outcome::Rows { stream, .. }) => stream.try_collect::<Vec<_>>().await.unwrap_err(),
        Ok(other) => panic!("{other:?}"),
        Err(error) => error,
    };
    cancel.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Canceled);
    assert_eq!(
        Identity::administrator("a").fingerprint(),
        Identity::administrator("a").fingerprint()
    );
}

#[tokio::test]
async fn the_list_of_queries_shows_ones_own() {
    let engine = engine();
    let open = |user: &str| {
        let identity = engine.identity(user).unwrap();
        engine.open_session(identity, SessionOptions::default()).unwrap()
    };
    let (mut root, mut dora) = (open("root"), open("dora"));
    run(&mut dora, "SELECT trip_id FROM trips").await.unwrap();
    run(&mut root, "SELECT card FROM trips").await.unwrap();
    let failing = run(&mut root, "SELECT 1 / (trip_id - 1) FROM trips").await;
    assert!(failing.is_err());
    let seen = "SELECT user_name, state, rows, route, query FROM lakegate.queries ORDER BY query_id";
    let all = run(&mut root, seen).await.unwrap();
    assert!(all.contains("|dora|done|1|direct|SELECTtrip_idFROMtrips|"), "{all}");
    assert!(all.contains("|root|done|3|direct|SELECTcardFROMtrips|"), "{all}");
    assert!(all.contains("|root|failed|0|direct|"), "{all}");
    let own = run(&mut dora, seen).await.unwrap();
    assert!(own.contains("SELECTtrip_id") && !own.contains("card"), "{own}");
}

#[tokio::test]
async fn only_administrators_refresh_services() {
    let refused = run(&mut session("dora"), "CALL lakegate.refresh('lake')")
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    let mut root = session("root");
    assert_eq!(run(&mut root, "CALL lakegate.refresh('lake')").await.unwrap(), "CALL");
    assert_eq!(run(&mut root, "CALL lakegate.refresh()").await.unwrap(), "CALL");
    let unknown = run(&mut root, "CALL lakegate.refresh('sea')").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UndefinedObject);
    assert_eq!(unknown.hint(), Some("There are: lake."));
    let unknown = run(&mut root, "CALL lakegate.reset()").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UndefinedFunction);
    assert_eq!(
        run(&mut root, "CALL other()").await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}
