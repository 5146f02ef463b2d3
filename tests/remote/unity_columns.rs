//! Columns and comments of a large catalog, and what is asked of Unity Catalog for them.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow_flight::IpcMessage;
use arrow_flight::sql::CommandGetTables;
use frontend_flight::FlightOptions;
use frontend_rest::RestOptions;
use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use system_tests::flight_server::FlightServer;
use system_tests::gateway::configured;
use system_tests::transport_embedded::Embedded;
use system_tests::transport_rest::RestServer;
use system_tests::workspace_server::WorkspaceServer;

use crate::workspace::{assert_correct, configuration, declare, gateway, lines, requests};

/// Tables of `main.many`: far more than are opened one by one for any statement here.
const TABLES: usize = 2000;
/// Tables of `main.more`.
const MORE: usize = 120;
/// Tables that one page describes.
const PAGE: usize = 50;

/// What JDBC's driver asks for the columns of one table, without what is only for show.
const OF_JDBC: &str = "SELECT * FROM (SELECT n.nspname, c.relname, a.attname, a.atttypid, dsc.description
    FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid)
    JOIN pg_catalog.pg_attribute a ON (a.attrelid = c.oid) JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid)
    LEFT JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
    WHERE c.relkind IN ('r', 'p', 'v', 'f', 'm') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname LIKE 'many' AND c.relname LIKE 't0777') c ORDER BY nspname, relname";
/// What psql asks for `\dtv+ more.*`, without what is only for show.
const OF_PSQL: &str = "SELECT n.nspname as \"Schema\", c.relname as \"Name\",
      pg_catalog.obj_description(c.oid, 'pg_class') as \"Description\"
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 's', '') AND n.nspname OPERATOR(pg_catalog.~) '^(more)$' COLLATE pg_catalog.default
    ORDER BY 1, 2";

/// Tables, each fifth a view: of what a warehouse reads, opening tells the comments on columns that the catalog has, where
/// files tell their own.
fn tables(number: usize) -> Map<String, Value> {
    let tables = (0..number).map(|number| {
        let rows = format!("SELECT {number} AS n, 'x' AS hidden");
        let mut table = json!({
            "comment": format!("table {number}"),
            "columns": [
                {"name": "n", "type": "int", "comment": format!("number {number}")},
                {"name": "hidden", "type": "string", "comment": "nobody reads this"},
            ],
        });
        match number % 5 {
            2 => {
                table["table_type"] = json!("VIEW");
                table["view_definition"] = json!(rows);
            }
            _ => table["rows"] = json!(rows),
        }
        (format!("t{number:04}"), table)
    });
    tables.collect()
}

async fn world() -> Option<WorkspaceServer> {
    let workspace = WorkspaceServer::start(&[]).await?;
    let schemas = json!({"many": {"tables": tables(TABLES)}, "more": {"tables": tables(MORE)}});
    declare(
        &workspace,
        json!({
            "catalogs": {"main": {"owner": "gateway", "schemas": schemas}},
            "grants": [{"on": "catalog", "name": "main", "principal": "gateways",
                        "privileges": ["USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"]}],
        }),
    )
    .await;
    Some(workspace)
}

/// The tables of `main` that were asked for by themselves.
async fn single(workspace: &WorkspaceServer) -> BTreeSet<String> {
    let asked = requests(workspace, "/unity-catalog/tables/main.").await;
    let name = |request: &Value| request["path"].as_str()?.rsplit('/').next().map(str::to_owned);
    asked.iter().filter_map(name).collect()
}

/// How many pages of a schema's tables were asked for.
async fn pages(workspace: &WorkspaceServer, schema: &str) -> usize {
    let listed = requests(workspace, "/unity-catalog/tables").await;
    let of_schema = |request: &&Value| {
        let query = request["query"].as_array().unwrap();
        request["path"].as_str().unwrap().ends_with("/tables") && query.contains(&json!(["schema_name", schema]))
    };
    listed.iter().filter(of_schema).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_names_a_table_opens_that_one() {
    let Some(workspace) = world().await else { return };
    let mut session = Embedded::open(&gateway(&workspace), "root");
    lines(
        &mut session,
        "SELECT relname, relkind FROM pg_class WHERE relnamespace <> 11",
    )
    .await;
    assert!(single(&workspace).await.is_empty(), "names open nothing");
    for sql in [
        "SELECT attname FROM pg_attribute WHERE attrelid = 'main.many.t0777'::regclass AND attnum > 0",
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'many' AND table_name = 't0777'",
        "SELECT column_name FROM information_schema.columns WHERE table_schema LIKE 'many' AND table_name LIKE 't077_'
           AND table_name > 't0776' AND table_name < 't0778'",
        "SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = relnamespace
           WHERE c.relname = 't0777' AND n.nspname = 'many' AND attnum > 0",
    ] {
        assert_eq!(lines(&mut session, sql).await, ["n", "hidden"], "{sql}");
    }
    let rows = lines(&mut session, OF_JDBC).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().any(|row| row.ends_with("|number 777")), "{rows:?}");
    for (sql, shown) in [
        (
            "SELECT a.attname, pg_catalog.col_description(a.attrelid, a.attnum) FROM pg_catalog.pg_attribute a
               WHERE a.attrelid = 'main.many.t0777'::regclass AND a.attnum = 1",
            "n|number 777",
        ),
        ("SELECT col_description('main.many.t0777'::regclass, 1)", "number 777"),
        (
            "SELECT obj_description('many.t0777'::regclass, 'pg_class')",
            "table 777",
        ),
        // A comment is known only where its table was described: it chooses no table.
        (
            "SELECT count(*) FROM pg_attribute a WHERE attrelid = 'many.t0777'::regclass
               AND col_description(a.attrelid, 1) LIKE 'number%'",
            "2",
        ),
    ] {
        assert_eq!(lines(&mut session, sql).await, [shown], "{sql}");
    }
    assert_eq!(single(&workspace).await, BTreeSet::from(["main.many.t0777".to_owned()]));
    assert_eq!(
        (pages(&workspace, "many").await, pages(&workspace, "more").await),
        (0, 0)
    );
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_columns_come_in_pages_and_open_nothing() {
    let Some(workspace) = world().await else { return };
    let mut session = Embedded::open(&gateway(&workspace), "root");
    let all = "SELECT count(*), count(DISTINCT table_name) FROM information_schema.columns WHERE table_schema = 'many'";
    assert_eq!(lines(&mut session, all).await, [format!("{}|{TABLES}", 2 * TABLES)]);
    assert_eq!(pages(&workspace, "many").await, TABLES / PAGE);
    assert_eq!(pages(&workspace, "more").await, 0, "another schema was not asked for");

    let of_more = lines(&mut session, OF_PSQL).await;
    assert_eq!(of_more.len(), MORE);
    assert_eq!(of_more[77], "more|t0077|table 77");
    assert_eq!(pages(&workspace, "more").await, MORE.div_ceil(PAGE));
    for (sql, shown) in [
        (
            "SELECT count(*) FROM pg_class c WHERE relnamespace = 'more'::regnamespace
               AND obj_description(c.oid, 'pg_class') LIKE 'table %'",
            MORE,
        ),
        (
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'more'::regnamespace AND relnatts = 2",
            MORE,
        ),
        (
            "SELECT count(*) FROM pg_class c JOIN pg_description d ON d.objoid = c.oid
               WHERE relnamespace = 'more'::regnamespace",
            3 * MORE,
        ),
        (
            "SELECT count(col_description(attrelid, attnum)) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
               WHERE relnamespace = 'more'::regnamespace",
            2 * MORE,
        ),
    ] {
        assert_eq!(lines(&mut session, sql).await, [shown.to_string()], "{sql}");
    }
    assert!(single(&workspace).await.is_empty());
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doors_without_sql_describe_what_they_are_asked_for() {
    let Some(workspace) = world().await else { return };
    let engine = gateway(&workspace);
    let flight = FlightServer::over(engine.clone(), FlightOptions::default()).await;
    let mut client = flight.client().await;
    let command = CommandGetTables {
        catalog: Some("main".to_owned()),
        db_schema_filter_pattern: Some("mo_e".to_owned()),
        table_name_filter_pattern: Some("t00%".to_owned()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = client.get_tables(command).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let batches: Vec<RecordBatch> = client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    let schemas = batches.iter().flat_map(|batch| {
        let schemas = batch.column_by_name("table_schema").unwrap().as_binary::<i32>();
        (0..schemas.len()).map(|row| Schema::try_from(IpcMessage(schemas.value(row).to_vec().into())).unwrap())
    });
    let schemas: Vec<_> = schemas.collect();
    assert_eq!(schemas.len(), 100);
    for (number, schema) in schemas.iter().enumerate() {
        let n = schema.field_with_name("n").unwrap();
        assert_eq!(n.data_type(), &DataType::Int32);
        assert_eq!(n.metadata()["ARROW:FLIGHT:SQL:REMARKS"], format!("number {number}"));
    }
    assert!(single(&workspace).await.is_empty());
    assert_eq!(
        (pages(&workspace, "many").await, pages(&workspace, "more").await),
        (0, MORE.div_ceil(PAGE))
    );

    let rest = RestServer::over(engine, RestOptions::default()).await;
    let listed = rest.get("/api/v2/main/_catalog/many/t0777").await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    for part in ["number 777", "table 777", "integer"] {
        assert!(listed.text().contains(part), "{part}: {}", listed.text());
    }
    assert_eq!(single(&workspace).await, BTreeSet::from(["main.many.t0777".to_owned()]));
    assert_correct(&workspace).await;
}

/// What pages tell of a table is what opening it tells.
#[tokio::test(flavor = "multi_thread")]
async fn pages_tell_what_opening_tells() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let types = [
        ("boolean", "true"),
        ("tinyint", "cast(1 AS tinyint)"),
        ("smallint", "cast(1 AS smallint)"),
        ("int", "1"),
        ("bigint", "cast(1 AS bigint)"),
        ("float", "cast(1 AS float)"),
        ("double", "cast(1 AS double)"),
        ("decimal(18,2)", "cast(1 AS decimal(18,2))"),
        ("string", "'x'"),
        ("binary", "unhex('00ff')"),
        ("date", "DATE'2021-01-01'"),
        ("timestamp", "TIMESTAMP'2021-01-01 10:00:00'"),
        ("array<int>", "array(1)"),
        ("map<string,int>", "map('k', 1)"),
        ("struct<a:int,b:string>", "named_struct('a', 1, 'b', 'x')"),
    ];
    let columns = types.iter().enumerate();
    let columns: Vec<_> = columns
        .map(|(at, (spelled, _))| json!({"name": format!("c{at}"), "type": spelled}))
        .collect();
    let values = types.iter().enumerate();
    let values: Vec<_> = values.map(|(at, (_, value))| format!("{value} AS c{at}")).collect();
    let table = json!({"columns": columns, "rows": format!("SELECT {}", values.join(", "))});
    let tables: Map<String, Value> = (0..20).map(|number| (format!("t{number:02}"), table.clone())).collect();
    declare(
        &workspace,
        json!({
            "catalogs": {"main": {"owner": "gateway", "schemas": {"kinds": {"tables": tables}}}},
            "grants": [{"on": "catalog", "name": "main", "principal": "gateways",
                        "privileges": ["USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"]}],
        }),
    )
    .await;
    let mut session = Embedded::open(&gateway(&workspace), "root");
    let columns = |tables: &str| {
        format!(
            "SELECT table_name, column_name, data_type, is_nullable, numeric_precision, numeric_scale, udt_name
               FROM information_schema.columns WHERE table_schema = 'kinds' AND {tables} ORDER BY 1, ordinal_position"
        )
    };
    let told = lines(&mut session, &columns("true")).await;
    assert_eq!(told.len(), 20 * types.len());
    assert!(single(&workspace).await.is_empty());
    let opened = lines(&mut session, &columns("table_name = 't07'")).await;
    assert_eq!(single(&workspace).await, BTreeSet::from(["main.kinds.t07".to_owned()]));
    assert_eq!(told[7 * types.len()..8 * types.len()], opened);
}

/// A column that a user may not see has no comment either, whichever way the columns are found out, and one that is
/// masked has the mask's type.
#[tokio::test(flavor = "multi_thread")]
async fn rules_hold_for_what_pages_tell() {
    let Some(workspace) = world().await else { return };
    let access = "\n[access]\nrules = [\"access.sql\"]\n[[access.user]]\nname = \"dana\"\nroles = [\"reader\"]\n";
    let grants = (0..TABLES - 1).map(|number| format!("GRANT SELECT (n) ON main.many.t{number:04} TO reader;\n"));
    let rules = format!(
        "CREATE ROLE reader;\n{}CREATE MASK m ON main.many.t0001 (n) TO reader USING ('masked');\n",
        grants.collect::<String>()
    );
    let engine = configured(&(configuration(&workspace) + access), &[("access.sql", &rules)]);
    let mut session = Embedded::open(&engine, "dana");
    let (shown, last) = (TABLES - 1, TABLES - 1);
    for (sql, rows) in [
        (
            "SELECT count(*), count(DISTINCT column_name) FROM information_schema.columns WHERE table_schema = 'many'"
                .to_owned(),
            format!("{shown}|1"),
        ),
        (
            format!("SELECT count(*) FROM information_schema.columns WHERE table_name = 't{last}'"),
            "0".to_owned(),
        ),
        (
            "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
               WHERE relnamespace = 'many'::regnamespace AND relnatts = 1"
                .to_owned(),
            shown.to_string(),
        ),
        (
            "SELECT count(*) FROM pg_description WHERE description LIKE 'nobody%'".to_owned(),
            "0".to_owned(),
        ),
        (
            "SELECT count(*) FROM pg_attribute a WHERE col_description(a.attrelid, a.attnum) LIKE 'nobody%'".to_owned(),
            "0".to_owned(),
        ),
        (
            format!("SELECT count(*) FROM pg_description WHERE description LIKE '%{last}'"),
            "0".to_owned(),
        ),
        (
            "SELECT string_agg(table_name, ',') FROM information_schema.columns
               WHERE table_schema = 'many' AND data_type = 'text'"
                .to_owned(),
            "t0001".to_owned(),
        ),
    ] {
        assert_eq!(lines(&mut session, &sql).await, [rows], "{sql}");
    }
    assert!(single(&workspace).await.is_empty());
    // The same where the table is opened.
    let opened = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't0001'";
    assert_eq!(lines(&mut session, opened).await, ["n|text"]);
    let comments = "SELECT description FROM pg_description WHERE objoid = 'many.t0002'::regclass ORDER BY objsubid";
    assert_eq!(lines(&mut session, comments).await, ["table 2", "number 2"]);
}
