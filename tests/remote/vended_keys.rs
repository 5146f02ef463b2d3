//! Keys that Unity Catalog gives out: they end in the middle of a scan, and are for one table and one principal.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use engine::{Engine, Outcome, SessionOptions};
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::gateway::configured;
use system_tests::lake;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;
use tempfile::TempDir;

use crate::workspace::{
    TOKEN, assert_correct, configuration, declare, disarm, gateway, lines, requests, service, set, vended,
};

/// Files of the table, and rows in each: many more than are read ahead.
const FILES: i64 = 40;
const ROWS_PER_FILE: i64 = 20_000;

/// Table `main.lake.parts`, in a folder of the stand-in's S3.
async fn parts(workspace: &WorkspaceServer, files: i64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    lake::write(folder.path(), (0..files).map(rows)).await;
    declare(
        workspace,
        table("parts", "s3://stand-in/lake/parts", folder.path().to_str().unwrap()),
    )
    .await;
    folder
}

fn rows(file: i64) -> RecordBatch {
    let ids = file * ROWS_PER_FILE..(file + 1) * ROWS_PER_FILE;
    let texts = StringArray::from_iter_values(ids.clone().map(|id| format!("row {}", id.wrapping_mul(0x9e37_79b9))));
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(ids)) as _),
        ("text", Arc::new(texts) as _),
    ])
    .unwrap()
}

fn table(name: &str, location: &str, folder: &str) -> Value {
    let columns = json!([{"name": "id", "type": "bigint"}, {"name": "text", "type": "string"}]);
    let table = json!({
        "storage_location": location, "local_location": format!("file://{folder}"), "credentials": "aws",
        "columns": columns,
    });
    json!({
        "catalogs": {"main": {"schemas": {"lake": {"owner": "admin@example.com", "tables": {name: table}}}}},
        "grants": [{
            "on": "schema", "name": "main.lake", "principal": "gateways",
            "privileges": ["USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"],
        }],
    })
}

/// Reads `parts` piece by piece and calls `between` after each so many rows; the sum of the keys at the end.
async fn read_in_pieces(engine: &Engine, piece: usize, mut between: impl AsyncFnMut()) -> (usize, i64) {
    let identity = engine.identity("root").unwrap();
    let mut session = engine.open_session(identity, SessionOptions::default()).unwrap();
    let statement = session.parse("SELECT id, text FROM main.lake.parts").unwrap().remove(0);
    let ctx = session.query_context();
    let prepared = session.prepare(statement, &[], &ctx).await.unwrap();
    let outcome = session.execute(&prepared, Vec::new(), &ctx).await.unwrap();
    let Outcome::Rows { mut stream, .. } = outcome else {
        panic!("a query has rows")
    };
    let (mut rows, mut sum, mut next) = (0, 0, 1);
    while let Some(batch) = stream.try_next().await.unwrap() {
        rows += batch.num_rows();
        sum += batch.column(0).as_primitive::<Int64Type>().values().iter().sum::<i64>();
        if rows >= next {
            next = rows + piece;
            between().await;
        }
    }
    (rows, sum)
}

fn all_rows() -> (usize, i64) {
    let rows = FILES * ROWS_PER_FILE;
    (usize::try_from(rows).unwrap(), rows * (rows - 1) / 2)
}

/// The clock there is ahead of ours after each step: only the storage's own word tells that keys have ended.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_end_in_the_middle_of_a_scan_are_renewed() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    set(&workspace, json!({"credential_lifetime": 20})).await;
    let _folder = parts(&workspace, FILES).await;
    let engine = gateway(&workspace);
    let advance = json!({"advance_seconds": 60});
    let read = read_in_pieces(&engine, 100_000, async || {
        workspace.control(Method::POST, "clock", Some(&advance)).await;
    });
    assert_eq!(read.await, all_rows());
    let keys = vended(&workspace, "s3://stand-in/lake/parts").await;
    assert!(keys.len() >= 3, "{} sets of keys", keys.len());
    let refused = requests(&workspace, "/stand-in/lake/parts/").await;
    assert!(
        refused.iter().any(|request| request["status"] == 400),
        "keys ended while they were used"
    );
    assert_correct(&workspace).await;
}

/// Storage that stumbles does not end a scan.
#[tokio::test(flavor = "multi_thread")]
async fn storage_that_stumbles_is_asked_again() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let _folder = parts(&workspace, FILES).await;
    let engine = gateway(&workspace);
    let faults = [
        json!({"kind": "status", "status": 503, "where": {"listener": "objects"}, "times": 2}),
        json!({"kind": "cut", "after_bytes": 1000, "where": {"listener": "objects", "path": "*.parquet"}}),
        json!({"kind": "no_answer", "reset": true, "where": {"listener": "objects"}}),
    ];
    let read = read_in_pieces(&engine, 200_000, async || {
        for fault in &faults {
            workspace.control(Method::POST, "faults", Some(fault)).await;
        }
    });
    assert_eq!(read.await, all_rows());
    disarm(&workspace).await;
    assert_correct(&workspace).await;
}

/// Two services read one table, each as its own principal; what one of them loses the other does not make up for.
#[tokio::test(flavor = "multi_thread")]
async fn keys_belong_to_a_principal() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let _folder = parts(&workspace, 2).await;
    let other = json!({
        "principals": [{"name": "other", "groups": [], "personal_tokens": ["dapi-other-0000"]}],
        "grants": [
            {"on": "catalog", "name": "main", "principal": "other", "privileges": ["USE_CATALOG"]},
            {"on": "schema", "name": "main.lake", "principal": "other",
             "privileges": ["USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"]},
        ],
    });
    declare(&workspace, other).await;
    let more = format!(
        "access_token = \"dapi-other-0000\"\ncatalogs = {{ theirs = \"main\" }}\nstorage = {{ aws_endpoint = \"{}\" }}\n",
        workspace.at.objects
    );
    let theirs = service(&workspace.at.api, &more).replace("name = \"databricks\"", "name = \"other\"");
    let engine = configured(&(configuration(&workspace) + &theirs), &[]);
    let mut session = Embedded::open(&engine, "root");
    let both = "SELECT count(*) FROM main.lake.parts AS ours JOIN theirs.lake.parts AS theirs ON ours.id = theirs.id";
    assert_eq!(lines(&mut session, both).await, [(2 * ROWS_PER_FILE).to_string()]);
    let keys = vended(&workspace, "s3://stand-in/lake/parts").await;
    let mut principals: Vec<_> = keys.iter().map(|key| key["principal"].as_str().unwrap()).collect();
    principals.sort_unstable();
    assert_eq!(principals, ["gateway", "other"]);
    let read = requests(&workspace, "/stand-in/lake/parts/part-").await;
    for principal in principals {
        assert!(
            read.iter().any(|request| request["principal"] == principal),
            "{principal} read no file"
        );
    }

    // Their keys end and are not given out again: no file of theirs is read with ours.
    let revoke = json!({"grants": [{
        "on": "schema", "name": "main.lake", "principal": "other", "revoke": ["EXTERNAL_USE_SCHEMA"],
    }]});
    declare(&workspace, revoke).await;
    workspace
        .control(Method::POST, "clock", Some(&json!({"advance_seconds": 7200})))
        .await;
    let failure = session
        .run("SELECT count(text) FROM theirs.lake.parts")
        .await
        .unwrap_err();
    assert!(
        ["0A000", "42501", "HV000", "HV00N"].contains(&failure.sqlstate.as_str()),
        "{failure}"
    );
    let ours = lines(&mut session, "SELECT count(text) FROM main.lake.parts").await;
    assert_eq!(ours, [(2 * ROWS_PER_FILE).to_string()]);
    assert_correct(&workspace).await;
}

/// A log that names a file of another table, and keys that are for another folder.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_of_a_table_is_read() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let folder = parts(&workspace, 1).await;
    let log = std::fs::read_to_string(folder.path().join("_delta_log/00000000000000000000.json")).unwrap();
    let data = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let file = data
        .map(|name| name.into_string().unwrap())
        .find(|name| name.ends_with(".parquet"));
    let file = file.unwrap();
    for (name, path) in [
        ("sideways", format!("../parts/{file}")),
        ("absolute", format!("s3://stand-in/lake/parts/{file}")),
    ] {
        let stranger = tempfile::tempdir().unwrap();
        std::fs::create_dir(stranger.path().join("_delta_log")).unwrap();
        let log = log.replace(&file, &path);
        assert!(log.contains(&path));
        std::fs::write(stranger.path().join("_delta_log/00000000000000000000.json"), log).unwrap();
        let location = format!("s3://stand-in/lake/{name}");
        declare(&workspace, table(name, &location, stranger.path().to_str().unwrap())).await;
        workspace.control(Method::DELETE, "requests", None).await;
        let mut session = Embedded::open(&gateway(&workspace), "root");
        lines(&mut session, "SET lakegate.route = 'direct'").await;
        let outcome = session.run(&format!("SELECT * FROM main.lake.{name}")).await;
        let failure = outcome.expect_err(name);
        assert!(!failure.message.contains(TOKEN), "{failure}");
        assert!(
            requests(&workspace, "/stand-in/lake/parts").await.is_empty(),
            "{name}: {failure}"
        );
        assert_correct(&workspace).await;
    }
    let mut elsewhere = table(
        "elsewhere",
        "s3://stand-in/lake/elsewhere",
        folder.path().to_str().unwrap(),
    );
    elsewhere["catalogs"]["main"]["schemas"]["lake"]["tables"]["elsewhere"]["vended_url"] =
        json!("s3://stand-in/lake/parts");
    declare(&workspace, elsewhere).await;
    let mut session = Embedded::open(&gateway(&workspace), "root");
    let plan = lines(&mut session, "EXPLAIN SELECT * FROM main.lake.elsewhere")
        .await
        .join("\n");
    assert!(plan.contains("the credentials for it are for another folder"), "{plan}");
    assert_correct(&workspace).await;
}
