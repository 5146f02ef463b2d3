//! A SQL warehouse at the seam `RemoteEngine`: what every engine owes, and the statements that it leaves behind.
//!
//! The stand-in's own engine is Sail, whose integers wrap: overflow is not asked for here.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use contract::{DataException, ErrorKind, Route};
use futures::{StreamExt, TryStreamExt};
use reqwest::Method;
use serde_json::json;
use system_tests::workspace_server::WorkspaceServer;

use crate::conformance::{
    many_rows_come_whole, no_rows_are_an_answer, random_values_come_back, values_come_back, values_equal_themselves,
    what_cannot_run_is_refused,
};
use crate::patience::until;
use crate::seam::{failure, memory, run, sql};
use crate::workspace::{RUNNING, STOPPED, arm, assert_correct, fired, requests, set, statements, warehouse};

/// Longer than a warehouse needs here.
const START_TIME: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_keeps_the_contract() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = warehouse(&workspace, RUNNING, START_TIME);
    let engine = engine.as_ref();
    let capabilities = engine.capabilities();
    assert!(capabilities.ansi && capabilities.route == Route::Warehouse);
    values_come_back(engine).await;
    values_equal_themselves(engine).await;
    no_rows_are_an_answer(engine).await;
    what_cannot_run_is_refused(engine).await;
    for text in ["SELECT 1 div id FROM range(1)", "SELECT 1 % id FROM range(1)"] {
        let error = failure(engine, text).await;
        let expected = ErrorKind::DataException(DataException::DivisionByZero);
        assert_eq!(error.kind(), expected, "{text}: {error:?}");
    }
    assert_correct(&workspace).await;
}

/// In many parts, whatever number of links comes at once, and with headers that belong to the links.
#[tokio::test(flavor = "multi_thread")]
async fn parts_come_whole_and_in_order() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = warehouse(&workspace, RUNNING, START_TIME);
    for (rows_per_chunk, links_per_answer, links_need_headers) in
        [(100_000, 1, false), (7_000, 1, true), (999, 5, false)]
    {
        let settings = json!({
            "rows_per_chunk": rows_per_chunk, "links_per_answer": links_per_answer,
            "links_need_headers": links_need_headers,
        });
        set(&workspace, settings).await;
        many_rows_come_whole(engine.as_ref()).await;
    }
    until("all results are let go", async || {
        let left = statements(&workspace, "").await;
        left.iter().all(|statement| statement["holds_result"] == false)
    })
    .await;
    assert_correct(&workspace).await;
}

/// Small results come with the answer, from a service that knows how, and else over links.
#[tokio::test(flavor = "multi_thread")]
async fn small_results_come_with_the_answer() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let small = || sql("SELECT id, CAST(id AS STRING) AS text FROM range(3) ORDER BY id");
    let links = async || {
        let all = requests(&workspace, "").await;
        all.iter().filter(|request| request["listener"] == "links").count()
    };
    let attached = run(warehouse(&workspace, RUNNING, START_TIME).as_ref(), small())
        .await
        .unwrap();
    assert_eq!(attached.num_rows(), 3);
    assert_eq!(links().await, 0);

    let unknown = json!({
        "kind": "status", "where": {"path": "/api/2.0/sql/statements", "method": "POST"}, "status": 400,
        "error_code": "INVALID_PARAMETER_VALUE", "message": "Unknown value for disposition.",
    });
    arm(&workspace, &unknown).await;
    let engine = warehouse(&workspace, RUNNING, START_TIME);
    for once_or_again in 1..=2 {
        let stream = engine.execute(Arc::new(small()), &memory()).await.unwrap();
        let linked: Vec<_> = stream.try_collect().await.unwrap();
        assert_eq!(linked, std::slice::from_ref(&attached));
        assert_eq!(links().await, once_or_again);
    }
    assert_eq!(fired(&workspace).await, 1);
    assert_correct(&workspace).await;
}

/// A workspace whose administrator forbids links: the same values, rows and order, over texts.
#[tokio::test(flavor = "multi_thread")]
async fn without_links_results_come_as_text() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    set(
        &workspace,
        json!({"external_links_enabled": false, "rows_per_chunk": 999}),
    )
    .await;
    let engine = warehouse(&workspace, RUNNING, START_TIME);
    let engine = engine.as_ref();
    values_come_back(engine).await;
    no_rows_are_an_answer(engine).await;
    many_rows_come_whole(engine).await;
    what_cannot_run_is_refused(engine).await;
    let ordered = "SELECT id, CAST(id AS BINARY) AS bytes FROM range(5000) ORDER BY id % 7 DESC, id";
    let ordered = run(engine, sql(ordered)).await.unwrap();
    let ids = ordered.column(0).as_primitive::<Int64Type>().values().to_vec();
    assert!(ids.is_sorted_by_key(|id| (6 - id % 7, *id)), "{ids:?}");
    // Once it is known that there are no links, none are asked for.
    let asked = requests(&workspace, "").await;
    let refused = asked.iter().filter(|request| request["status"] == 404);
    assert_eq!(refused.count(), 1);

    let nested = failure(engine, "SELECT array(1, 2) AS a").await;
    assert_eq!(nested.kind(), ErrorKind::Unsupported);
    set(&workspace, json!({"inline_limit_bytes": 1000})).await;
    let large = failure(engine, "SELECT id FROM range(1000)").await;
    assert_eq!(large.kind(), ErrorKind::LimitExceeded);
    assert!(
        large.hint().is_some_and(|hint| hint.contains("external links")),
        "{large:?}"
    );
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_takes_nothing_for_sql() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    random_values_come_back(warehouse(&workspace, RUNNING, START_TIME).as_ref()).await;
    assert_correct(&workspace).await;
}

/// While it runs, and while its rows are read.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_stream_ends_its_statement() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = warehouse(&workspace, RUNNING, START_TIME);
    let hold = json!({"match": "AS held", "hold": "running"});
    workspace.control(Method::POST, "scripts", Some(&hold)).await;
    let mut stream = engine
        .execute(Arc::new(sql("SELECT 1 AS held")), &memory())
        .await
        .unwrap();
    let reading = tokio::spawn(async move { stream.next().await.is_some() });
    until("the statement runs", async || {
        let seen = statements(&workspace, "AS held").await;
        seen.iter().any(|statement| statement["state"] == "RUNNING")
    })
    .await;
    reading.abort();
    until("the statement is cancelled", async || {
        let seen = statements(&workspace, "AS held").await;
        seen[0]["cancelled"] == true && seen[0]["state"] == "CANCELED"
    })
    .await;

    let bulk = json!({"match": "AS bulk", "generated": {"rows": 1_000_000, "numbers": 2}});
    workspace.control(Method::POST, "scripts", Some(&bulk)).await;
    set(&workspace, json!({"rows_per_chunk": 20_000})).await;
    let mut stream = engine
        .execute(Arc::new(sql("SELECT 1 AS bulk")), &memory())
        .await
        .unwrap();
    assert!(stream.next().await.expect("there are rows").unwrap().num_rows() > 0);
    drop(stream);
    until("the result is let go", async || {
        let seen = statements(&workspace, "AS bulk").await;
        seen[0]["holds_result"] == false
    })
    .await;
    no_rows_are_an_answer(engine.as_ref()).await;
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_that_stands_still_is_waited_for() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    set(&workspace, json!({"warehouse_start_seconds": -1})).await;
    let impatient = warehouse(&workspace, STOPPED, Duration::ZERO);
    let error = failure(impatient.as_ref(), "SELECT 1 AS too_soon").await;
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error:?}");
    assert!(error.message().contains("did not start"), "{error:?}");
    until("what nobody waits for is cancelled", async || {
        let seen = statements(&workspace, "too_soon").await;
        seen.iter().all(|statement| statement["cancelled"] == true)
    })
    .await;

    let patient = warehouse(&workspace, STOPPED, START_TIME);
    let running = tokio::spawn(async move { run(patient.as_ref(), sql("SELECT 7 AS in_time")).await });
    until("the statement waits", async || {
        !statements(&workspace, "in_time").await.is_empty()
    })
    .await;
    let started = json!({"id": STOPPED, "state": "RUNNING"});
    workspace.control(Method::POST, "warehouses", Some(&started)).await;
    assert_eq!(running.await.unwrap().unwrap().num_rows(), 1);
    assert_correct(&workspace).await;
}
