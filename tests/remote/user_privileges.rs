//! `use_unity_catalog = true`: the service reads, and a user sees what Unity Catalog lets the user of that name see.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow_flight::sql::CommandGetTables;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{Engine, ScramVerifier};
use frontend_flight::FlightOptions;
use frontend_postgres::PostgresOptions;
use frontend_rest::RestOptions;
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::json;
use system_tests::flight_server::FlightServer;
use system_tests::gateway::configured;
use system_tests::server::TestServer;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::transport_rest::RestServer;
use system_tests::workspace_server::WorkspaceServer;
use tokio_postgres::NoTls;

use crate::workspace::{RUNNING, TOKEN, assert_correct, declare, lines, requests, service, settings};

const ANA: &str = "ana@example.com";
/// A user of the workspace that is in no group.
const NOBODY: &str = "nobody@example.com";
/// None of the workspace.
const NINA: &str = "nina@example.com";
const PASSWORD: &str = "right";
const SCHEMAS: &str = "SELECT n.nspname FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";
const CATALOGS: &str = "SELECT datname FROM pg_catalog.pg_database ORDER BY 1";

/// A gateway that honours privileges. No rule of its own stands in the way: all users are administrators.
fn gateway(workspace: &WorkspaceServer, more: &str) -> Engine {
    let keys = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\ncatalogs = [\"main\", \"samples\"]\n\
         storage = {{ aws_endpoint = \"{}\" }}\nuse_unity_catalog = true\n{more}",
        workspace.at.objects
    );
    let verifier = ScramVerifier::derive(PASSWORD, b"saltsaltsaltsalt", 4096);
    let user =
        |name: &str| format!("[[access.user]]\nname = \"{name}\"\npassword = \"{verifier}\"\nadministrator = true\n");
    let users: String = [ANA, NOBODY, NINA, "root"].map(user).concat();
    configured(
        &(settings() + &service(&workspace.at.api, &keys) + "[access]\n" + &users),
        &[],
    )
}

/// A workspace whose grants the gateway's principal may read.
async fn world() -> Option<WorkspaceServer> {
    let workspace = WorkspaceServer::start(&[]).await?;
    for catalog in ["main", "samples"] {
        grant(&workspace, "catalog", catalog, "gateways", &["MANAGE"]).await;
    }
    Some(workspace)
}

async fn grant(workspace: &WorkspaceServer, on: &str, name: &str, principal: &str, privileges: &[&str]) {
    let grant = json!({ "on": on, "name": name, "principal": principal, "privileges": privileges });
    declare(workspace, json!({ "grants": [grant] })).await;
}

async fn revoke(workspace: &WorkspaceServer, on: &str, name: &str, principal: &str, privileges: &[&str]) {
    let grant = json!({ "on": on, "name": name, "principal": principal, "revoke": privileges });
    declare(workspace, json!({ "grants": [grant] })).await;
}

async fn refused(session: &mut Embedded, sql: &str) -> (String, String, String) {
    let failure = session.run(sql).await.expect_err(sql);
    (
        failure.sqlstate.clone(),
        failure.message.clone(),
        failure.more.join(" "),
    )
}

/// Exactly as for a name that nothing has.
async fn assert_missing(session: &mut Embedded, table: &str) {
    let (sqlstate, message, more) = refused(session, &format!("SELECT * FROM {table}")).await;
    assert_eq!(sqlstate, "42P01", "{table}: {message}");
    let (_, other, more_of_other) = refused(session, "SELECT * FROM main.default.nope").await;
    assert_eq!(message, other.replace("main.default.nope", &table.replace('"', "")));
    assert_eq!(more, more_of_other);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_does_not_exist() {
    let Some(workspace) = world().await else { return };
    let engine = gateway(&workspace, "");
    for route in ["direct", "warehouse"] {
        let hidden = [
            (ANA, "main.clouds.on_aws"),
            (ANA, "main.hidden.salaries"),
            (NOBODY, "main.default.orders"),
            (NOBODY, "main.default.north_orders"),
            (NINA, "samples.tpch.region"),
            (NINA, "main.default.orders"),
            ("root", "main.default.orders"),
        ];
        for (user, table) in hidden {
            let mut session = Embedded::open(&engine, user);
            lines(&mut session, &format!("SET lakegate.route = '{route}'")).await;
            assert_missing(&mut session, table).await;
        }
        let shown = [
            (ANA, "main.default.orders", "1000"),
            (ANA, "main.default.north_orders", "250"),
            (ANA, "samples.tpch.region", "5"),
            (NOBODY, "samples.tpch.region", "5"),
        ];
        for (user, table, rows) in shown {
            let mut session = Embedded::open(&engine, user);
            lines(&mut session, &format!("SET lakegate.route = '{route}'")).await;
            let sql = format!("SELECT count(*) FROM {table}");
            assert_eq!(lines(&mut session, &sql).await, [rows], "{user}: {table}");
        }
    }
    let mut ana = Embedded::open(&engine, ANA);
    assert_eq!(lines(&mut ana, SCHEMAS).await, ["default", "governed"]);
    assert_eq!(lines(&mut ana, CATALOGS).await, ["main", "samples"]);
    let found = "SELECT to_regclass('main.default.orders') IS NOT NULL, to_regclass('clouds.on_aws') IS NULL";
    assert_eq!(lines(&mut ana, found).await, ["t|t"]);
    let mut nobody = Embedded::open(&engine, NOBODY);
    assert!(lines(&mut nobody, SCHEMAS).await.is_empty());
    assert_eq!(lines(&mut nobody, CATALOGS).await, ["samples"]);
    let mut nina = Embedded::open(&engine, NINA);
    assert!(lines(&mut nina, CATALOGS).await.is_empty());
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_answers_alike() {
    let Some(workspace) = world().await else { return };
    let engine = gateway(&workspace, "");
    let postgres = TestServer::over(engine.clone(), PostgresOptions::default()).await;
    let flight = FlightServer::over(engine.clone(), FlightOptions::default()).await;
    let rest = RestServer::over(engine, RestOptions::default()).await;
    for (user, may) in [(ANA, true), (NOBODY, false)] {
        let sql = "SELECT count(*) AS n FROM main.default.orders";
        let mut config = postgres.config();
        let (client, connection) = config.user(user).password(PASSWORD).connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        let answer = client.query(sql, &[]).await;
        let code = answer
            .as_ref()
            .err()
            .and_then(|error| error.code())
            .map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), (!may).then_some("42P01"), "{user}");

        let mut client = flight.log_in(user, PASSWORD).await;
        let answer = client.execute(sql.to_owned(), None).await;
        assert_eq!(answer.is_ok(), may, "{user}: {answer:?}");
        let info = client.get_catalogs().await.unwrap();
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let batches: Vec<RecordBatch> = client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
        let catalogs: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(catalogs, if may { 2 } else { 1 }, "{user}");

        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{PASSWORD}")));
        let headers = [("authorization", login.as_str())];
        let reply = rest
            .ask("GET", "/api/v2/main/_table/default.orders?limit=1", &headers, b"")
            .await;
        assert_eq!(reply.status, if may { 200 } else { 404 }, "{user}: {}", reply.text());
        let listed = rest.ask("GET", "/api/v2", &headers, b"").await;
        assert_eq!(listed.text().contains("\"main\""), may, "{user}: {}", listed.text());
        assert!(listed.text().contains("\"samples\""), "{}", listed.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_a_privilege_counts() {
    let Some(workspace) = world().await else { return };
    let engine = gateway(&workspace, "");
    let mut nobody = Embedded::open(&engine, NOBODY);
    let refresh = "CALL lakegate.refresh('databricks')";
    let count = |table: &str| format!("SELECT count(*) FROM {table}");

    // USE on both parents, and SELECT on the table.
    grant(&workspace, "table", "main.default.größe", NOBODY, &["SELECT"]).await;
    grant(
        &workspace,
        "table",
        "main.default.with space",
        NOBODY,
        &["ALL_PRIVILEGES"],
    )
    .await;
    grant(&workspace, "catalog", "main", NOBODY, &["USE_CATALOG"]).await;
    assert_missing(&mut nobody, "main.default.\"größe\"").await;
    grant(&workspace, "schema", "main.default", NOBODY, &["USE_SCHEMA"]).await;
    lines(&mut nobody, refresh).await;
    for table in ["main.default.\"größe\"", "main.default.\"with space\""] {
        assert_eq!(lines(&mut nobody, &count(table)).await, ["1"], "{table}");
    }
    assert_missing(&mut nobody, "main.default.orders").await;
    let listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'default' ORDER BY 1";
    assert_eq!(lines(&mut nobody, listed).await, ["größe", "with space"]);

    // Without USE CATALOG nothing helps.
    revoke(&workspace, "catalog", "main", NOBODY, &["USE_CATALOG"]).await;
    lines(&mut nobody, refresh).await;
    assert_missing(&mut nobody, "main.default.\"größe\"").await;
    // What is granted on the catalog is inherited.
    grant(
        &workspace,
        "catalog",
        "main",
        NOBODY,
        &["USE_CATALOG", "USE_SCHEMA", "SELECT"],
    )
    .await;
    lines(&mut nobody, refresh).await;
    assert_eq!(lines(&mut nobody, &count("main.clouds.on_aws")).await, ["3"]);
    revoke(
        &workspace,
        "catalog",
        "main",
        NOBODY,
        &["USE_CATALOG", "USE_SCHEMA", "SELECT"],
    )
    .await;
    grant(&workspace, "catalog", "main", NOBODY, &["BROWSE", "MODIFY"]).await;
    lines(&mut nobody, refresh).await;
    assert_missing(&mut nobody, "main.clouds.on_aws").await;

    // An owner reads its table, if it may use the parents.
    let table = json!({
        "owner": NOBODY, "columns": [{"name": "id", "type": "bigint"}], "rows": "SELECT id FROM range(7)",
    });
    let owned = json!({ "main": { "schemas": { "owned": { "tables": { "mine": table } } } } });
    declare(&workspace, json!({ "catalogs": owned })).await;
    grant(&workspace, "catalog", "main", NOBODY, &["USE_CATALOG"]).await;
    lines(&mut nobody, refresh).await;
    assert_missing(&mut nobody, "main.owned.mine").await;
    grant(&workspace, "schema", "main.owned", NOBODY, &["USE_SCHEMA"]).await;
    lines(&mut nobody, refresh).await;
    lines(&mut nobody, "SET lakegate.route = 'warehouse'").await;
    assert_eq!(lines(&mut nobody, &count("main.owned.mine")).await, ["7"]);
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_once_or_to_another_user_is_not_kept() {
    let Some(workspace) = world().await else { return };
    let engine = gateway(&workspace, "");
    let sql = "SELECT count(*) FROM main.default.orders";
    let mut ana = Embedded::open(&engine, ANA);
    let mut nobody = Embedded::open(&engine, NOBODY);
    for _ in 0..3 {
        assert_eq!(lines(&mut ana, sql).await, ["1000"]);
        assert_eq!(refused(&mut nobody, sql).await.0, "42P01");
    }
    lines(&mut ana, &format!("PREPARE kept AS {sql}")).await;
    assert_eq!(lines(&mut ana, "EXECUTE kept").await, ["1000"]);
    lines(&mut ana, "BEGIN").await;
    assert_eq!(lines(&mut ana, sql).await, ["1000"]);
    revoke(&workspace, "schema", "main.default", "analysts", &["SELECT"]).await;
    lines(&mut nobody, "CALL lakegate.refresh('databricks')").await;
    assert_eq!(
        refused(&mut ana, sql).await.0,
        "42P01",
        "a transaction holds rows, no rights"
    );
    lines(&mut ana, "ROLLBACK").await;
    for sql in [sql, "EXECUTE kept"] {
        assert_eq!(refused(&mut ana, sql).await.0, "42P01", "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_cannot_be_made_is_a_no() {
    let Some(mut workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    // Its principal may read the tables, and no grants of others.
    let engine = gateway(&workspace, "");
    let mut ana = Embedded::open(&engine, ANA);
    for sql in ["SELECT * FROM main.default.orders", SCHEMAS] {
        let (sqlstate, message, more) = refused(&mut ana, sql).await;
        assert_eq!(sqlstate, "42501", "{message}");
        assert!(
            message.contains("does not tell what users may read") && more.contains("MANAGE"),
            "{message} {more}"
        );
    }

    grant(&workspace, "catalog", "main", "gateways", &["MANAGE"]).await;
    assert_eq!(
        lines(&mut ana, "SELECT count(*) FROM main.default.orders").await,
        ["1000"]
    );
    lines(&mut ana, "CALL lakegate.refresh('databricks')").await;
    workspace.kill().await;
    let waited = tokio::time::timeout(
        Duration::from_secs(120),
        refused(&mut ana, "SELECT * FROM main.default.orders"),
    );
    let (sqlstate, message, _) = waited.await.unwrap();
    assert_eq!(sqlstate, "HV00N", "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_catalog_is_listed_with_few_questions() {
    let Some(workspace) = world().await else { return };
    let table = json!({"storage_location": "s3://stand-in/aws", "columns": [{"name": "id", "type": "bigint"}]});
    let tables: serde_json::Map<_, _> = (0..10_000)
        .map(|number| (format!("t{number:05}"), table.clone()))
        .collect();
    let many = json!({ "many": { "owner": "admin@example.com", "schemas": { "s": { "tables": tables } } } });
    let grants = json!([
        {"on": "catalog", "name": "many", "principal": "gateways", "privileges": ["MANAGE"]},
        {"on": "catalog", "name": "many", "principal": "analysts", "privileges": ["USE_CATALOG"]},
        {"on": "schema", "name": "many.s", "principal": "analysts", "privileges": ["USE_SCHEMA", "SELECT"]},
    ]);
    declare(&workspace, json!({ "catalogs": many, "grants": grants })).await;
    let keys = format!(
        "access_token = \"{TOKEN}\"\ncatalogs = [\"many\"]\nuse_unity_catalog = true\nhttp_path = \"/sql/1.0/warehouses/{RUNNING}\"\n"
    );
    let access = format!("[access]\n[[access.user]]\nname = \"{ANA}\"\nadministrator = true\n");
    let limits = "[engine]\ndefault_catalog = \"many\"\ndefault_schema = \"s\"\n".to_owned();
    let engine = configured(&(limits + &service(&workspace.at.api, &keys) + &access), &[]);
    workspace.control(Method::DELETE, "requests", None).await;
    let mut ana = Embedded::open(&engine, ANA);
    let listed = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 's'";
    assert_eq!(lines(&mut ana, listed).await, ["10000"]);
    assert_eq!(requests(&workspace, "effective-permissions").await.len(), 2);
    assert_eq!(
        requests(&workspace, "/tables").await.len(),
        0,
        "no table is asked for by itself"
    );
    assert_correct(&workspace).await;
}

/// Columns of many tables come in pages that describe all tables of a schema, granted or not.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_has_no_columns_and_no_comments() {
    const TABLES: usize = 40;
    let Some(workspace) = world().await else { return };
    let is_open = |number: usize| number.is_multiple_of(2);
    let word = |number: usize| if is_open(number) { "open" } else { "closed" };
    let name = |number: usize| format!("{}{number:02}", word(number));
    let table = |number: usize| {
        let column = json!({"name": format!("of_{}", name(number)), "type": "bigint", "comment": name(number)});
        json!({"comment": name(number), "columns": [column], "rows": "SELECT 1"})
    };
    let tables: serde_json::Map<_, _> = (0..TABLES).map(|number| (name(number), table(number))).collect();
    let many = json!({ "many": { "owner": "admin@example.com", "schemas": { "s": { "tables": tables } } } });
    let open = (0..TABLES).filter(|number| is_open(*number)).map(|number| {
        let table = format!("many.s.{}", name(number));
        json!({"on": "table", "name": table, "principal": ANA, "privileges": ["SELECT"]})
    });
    let mut grants: Vec<_> = open.collect();
    grants.extend([
        json!({"on": "catalog", "name": "many", "principal": "gateways", "privileges": ["MANAGE"]}),
        json!({"on": "catalog", "name": "many", "principal": ANA, "privileges": ["USE_CATALOG", "USE_SCHEMA"]}),
    ]);
    declare(&workspace, json!({ "catalogs": many, "grants": grants })).await;
    let keys = format!(
        "access_token = \"{TOKEN}\"\ncatalogs = [\"many\"]\nschema = \"s\"\nuse_unity_catalog = true\n\
         http_path = \"/sql/1.0/warehouses/{RUNNING}\"\n"
    );
    let verifier = ScramVerifier::derive(PASSWORD, b"saltsaltsaltsalt", 4096);
    let access =
        format!("[access]\n[[access.user]]\nname = \"{ANA}\"\npassword = \"{verifier}\"\nadministrator = true\n");
    let limits = "[engine]\ndefault_catalog = \"many\"\n".to_owned();
    let engine = configured(&(limits + &service(&workspace.at.api, &keys) + &access), &[]);
    let mut ana = Embedded::open(&engine, ANA);
    for (sql, shown) in [
        (
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 's'",
            20,
        ),
        (
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 's'",
            20,
        ),
        (
            "SELECT column_name FROM information_schema.column_privileges WHERE table_schema = 's'",
            20,
        ),
        (
            "SELECT attname FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 's'::regnamespace",
            20,
        ),
        (
            "SELECT relname FROM pg_class WHERE relnamespace = 's'::regnamespace",
            20,
        ),
        (
            "SELECT description FROM pg_description WHERE description LIKE 'open%' OR description LIKE 'closed%'",
            40,
        ),
        (
            "SELECT obj_description(oid, 'pg_class') FROM pg_class WHERE relnamespace = 's'::regnamespace",
            20,
        ),
        (
            "SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute a WHERE attname LIKE 'of\\_%'",
            20,
        ),
    ] {
        let rows = lines(&mut ana, sql).await;
        assert_eq!(rows.len(), shown, "{sql}: {rows:?}");
        assert!(rows.iter().all(|row| row.contains("open")), "{sql}: {rows:?}");
    }

    let flight = FlightServer::over(engine.clone(), FlightOptions::default()).await;
    let mut client = flight.log_in(ANA, PASSWORD).await;
    let command = CommandGetTables {
        catalog: Some("many".to_owned()),
        include_schema: true,
        ..CommandGetTables::default()
    };
    let info = client.get_tables(command).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let batches: Vec<RecordBatch> = client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    let told = format!("{batches:?}");
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20, "{told}");
    assert!(!told.contains("closed"), "{told}");

    let rest = RestServer::over(engine, RestOptions::default()).await;
    let login = format!("Basic {}", STANDARD.encode(format!("{ANA}:{PASSWORD}")));
    let headers = [("authorization", login.as_str())];
    let at = |table: &str| format!("/api/v2/many/_catalog/s/{table}");
    for (table, status) in [("open00", 200), ("closed01", 404)] {
        let reply = rest.ask("GET", &at(table), &headers, b"").await;
        assert_eq!(reply.status, status, "{table}: {}", reply.text());
    }
    assert_correct(&workspace).await;
}
