//! What goes wrong between a warehouse and us: the right full answer or one clear error, and nothing secret in either.
//!
//! A flipped bit among the values themselves is seen by no client, since the service sends no checksums of them: TLS
//! guards those. Here bits are flipped where the format is told.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use contract::{Error, ErrorKind, Result};
use federation::RemoteEngine;
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::workspace_server::WorkspaceServer;

use crate::logged::Logged;
use crate::patience::until;
use crate::seam::{memory, sql};
use crate::workspace::{RUNNING, TOKEN, arm, assert_correct, disarm, fired, set, statements, warehouse};

/// The rows that are asked for, in ten parts.
const ROWS: i64 = 1000;
const ROWS_PER_PART: i64 = 100;
const QUESTION: &str = "SELECT id, concat('row ', id) AS text FROM range(1000) ORDER BY id";

const SUBMISSION: &str = "/api/2.0/sql/statements";
const LOOK: &str = "/api/2.0/sql/statements/????????-*";
const PART: &str = "/api/2.0/sql/statements/*/result/chunks/*";

/// A workspace whose results have ten parts, with a warehouse that asks for links two by two.
async fn world() -> Option<(WorkspaceServer, Arc<dyn RemoteEngine>)> {
    let workspace = WorkspaceServer::start(&["--empty"]).await?;
    let state = json!({
        "principals": [{"name": "gateway", "personal_tokens": [TOKEN]}],
        "warehouses": [{"identity": RUNNING, "name": "Starter", "state": "RUNNING"}],
        "catalogs": {"main": {"schemas": {"default": {}}}},
    });
    workspace.control(Method::POST, "state", Some(&state)).await;
    set(
        &workspace,
        json!({"rows_per_chunk": ROWS_PER_PART, "links_per_answer": 2}),
    )
    .await;
    let engine = warehouse(&workspace, RUNNING, Duration::from_secs(180));
    Some((workspace, engine))
}

async fn rows(engine: &dyn RemoteEngine) -> Result<Vec<RecordBatch>> {
    let stream = engine.execute(Arc::new(sql(QUESTION)), &memory()).await?;
    stream.try_collect().await
}

/// Each row, once, in its place.
fn assert_full(what: &Value, batches: &[RecordBatch]) {
    let ids = batches.iter().flat_map(|batch| {
        let column = batch.column(0).as_primitive::<Int64Type>();
        column.values().to_vec()
    });
    assert!(ids.eq(0..ROWS), "{what}");
}

/// All that a client or an operator might be shown of an error.
fn told(error: &Error) -> String {
    format!(
        "{error} {error:?} {:?} {:?} {}",
        error.detail(),
        error.hint(),
        error.causes()
    )
}

fn assert_no_secret(what: &Value, text: &str) {
    for secret in [TOKEN, "X-Amz-Signature", "X-Amz-Nonce"] {
        assert!(!text.contains(secret), "{secret} after {what}: {text}");
    }
}

fn status(path: &str, status: u16, retry_after: u32) -> Value {
    json!({"kind": "status", "where": {"path": path}, "status": status, "retry_after": retry_after})
}

fn on_link(kind: &str) -> Value {
    json!({"kind": kind, "where": {"listener": "links", "chunk": 3}})
}

fn on_result(kind: &str) -> Value {
    json!({"kind": kind, "where": {"statement": "^SELECT id", "chunk": 4}})
}

fn with(mut fault: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    fault.as_object_mut().unwrap().extend(more);
    fault
}

/// What passes by itself: a second try finds everything in order.
fn passing() -> Vec<Value> {
    let reset = json!({"reset": true});
    vec![
        status(SUBMISSION, 429, 1),
        status(SUBMISSION, 503, 1),
        status(LOOK, 503, 1),
        status(PART, 429, 1),
        status(PART, 500, 0),
        json!({"kind": "no_answer", "where": {"path": PART}}),
        with(json!({"kind": "no_answer", "where": {"path": PART}}), reset.clone()),
        json!({"kind": "no_answer", "where": {"listener": "links", "chunk": 3}}),
        with(on_link("cut"), json!({"after_bytes": 40})),
        with(with(on_link("cut"), json!({"after_bytes": 300})), reset),
        with(on_link("content_length"), json!({"offset": 9})),
        with(on_link("flip_bit"), json!({"at": 1})),
        with(on_link("status"), json!({"status": 503})),
        on_result("expired_link"),
        on_result("omit_link"),
        on_result("repeat_link"),
        json!({"kind": "reverse_links", "where": {"statement": "^SELECT id"}}),
        on_result("no_end_of_stream"),
        on_result("first_frame_only"),
    ]
}

/// What does not pass, and the kind of error that it is.
fn lasting() -> Vec<(Value, ErrorKind)> {
    use ErrorKind::{DataCorrupted, LimitExceeded, SourceThrottled, SourceUnavailable};
    let always = |fault: Value| with(fault, json!({"times": null}));
    let of_manifest = |kind: &str, offset: i64| json!({"kind": kind, "where": {"statement": "^SELECT id"}, "offset": offset, "chunk": 2});
    vec![
        (always(status(SUBMISSION, 429, 600)), SourceThrottled),
        (always(status(SUBMISSION, 503, 600)), SourceUnavailable),
        (always(status(PART, 503, 600)), SourceUnavailable),
        (
            always(json!({"kind": "no_answer", "where": {"path": SUBMISSION}})),
            SourceUnavailable,
        ),
        (
            always(
                json!({"kind": "raw", "where": {"path": SUBMISSION}, "status": 200, "body": "<html>busy", "content_type": "text/html"}),
            ),
            SourceUnavailable,
        ),
        (
            always(with(on_link("cut"), json!({"after_bytes": 40}))),
            SourceUnavailable,
        ),
        (
            always(with(on_link("status"), json!({"status": 403}))),
            SourceUnavailable,
        ),
        (always(with(on_link("flip_bit"), json!({"at": 1}))), DataCorrupted),
        (always(on_result("no_end_of_stream")), DataCorrupted),
        (always(on_result("first_frame_only")), DataCorrupted),
        (always(on_result("expired_link")), SourceUnavailable),
        (always(on_result("omit_link")), DataCorrupted),
        (always(of_manifest("total_rows", 1)), DataCorrupted),
        (always(of_manifest("total_rows", -1)), DataCorrupted),
        (always(of_manifest("row_count", 1)), DataCorrupted),
        (
            json!({"kind": "truncated", "where": {"statement": "^SELECT id"}}),
            LimitExceeded,
        ),
        (on_result("fail_after_chunks"), SourceUnavailable),
    ]
}

#[tokio::test]
async fn what_passes_leaves_no_trace_in_the_answer() {
    let Some((workspace, engine)) = world().await else {
        return;
    };
    let (logged, _guard) = Logged::start();
    for fault in passing() {
        arm(&workspace, &fault).await;
        match rows(engine.as_ref()).await {
            Ok(batches) => assert_full(&fault, &batches),
            Err(error) => panic!("{fault}: {error:?}"),
        }
        assert_eq!(fired(&workspace).await, 1, "{fault}");
        disarm(&workspace).await;
    }
    let log = logged.text();
    assert!(log.contains("a part of a result did not come"), "{log}");
    assert_no_secret(&json!("all"), &log);
    assert_correct(&workspace).await;
}

#[tokio::test]
async fn what_lasts_is_one_clear_error() {
    let Some((workspace, engine)) = world().await else {
        return;
    };
    let (logged, _guard) = Logged::start();
    for (fault, kind) in lasting() {
        arm(&workspace, &fault).await;
        let error = match rows(engine.as_ref()).await {
            Ok(batches) => panic!("{fault}: {} batches pass for an answer", batches.len()),
            Err(error) => error,
        };
        assert_eq!(error.kind(), kind, "{fault}: {error:?}");
        assert!(error.message().contains("\"databricks\""), "{fault}: {error:?}");
        assert_no_secret(&fault, &told(&error));
        assert!(fired(&workspace).await > 0, "{fault}");
        disarm(&workspace).await;
        assert_full(&fault, &rows(engine.as_ref()).await.unwrap());
    }
    assert_no_secret(&json!("all"), &logged.text());
    assert_correct(&workspace).await;
}

/// The service took the statement and its answer was lost: a second one might do the work twice.
#[tokio::test]
async fn a_statement_is_not_sent_twice() {
    let Some((workspace, engine)) = world().await else {
        return;
    };
    let fault = json!({"kind": "no_answer", "where": {"path": SUBMISSION, "method": "POST"}, "after": true});
    arm(&workspace, &fault).await;
    let error = rows(engine.as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error:?}");
    assert_eq!(statements(&workspace, "SELECT id").await.len(), 1);
}

/// Links and tokens end while rows are read, or before.
#[tokio::test]
async fn what_ends_meanwhile_is_asked_for_again() {
    let Some((workspace, engine)) = world().await else {
        return;
    };
    set(&workspace, json!({"links_per_answer": 10, "link_lifetime": 90})).await;
    let mut stream = engine.execute(Arc::new(sql(QUESTION)), &memory()).await.unwrap();
    let first = stream.try_next().await.unwrap().unwrap();
    workspace
        .control(Method::POST, "clock", Some(&json!({"advance_seconds": 600})))
        .await;
    let mut batches = vec![first];
    batches.extend(stream.try_collect::<Vec<_>>().await.unwrap());
    assert_full(&json!("links that ended"), &batches);

    let mut stream = engine.execute(Arc::new(sql(QUESTION)), &memory()).await.unwrap();
    let first = stream.try_next().await.unwrap().unwrap();
    assert!(first.num_rows() > 0);
    drop(stream);
    until("the result is let go", async || {
        let seen = statements(&workspace, "SELECT id").await;
        seen.iter().all(|statement| statement["holds_result"] == false)
    })
    .await;

    let revoked = json!({"principal": "gateway"});
    workspace.control(Method::POST, "tokens/revoke", Some(&revoked)).await;
    let error = rows(engine.as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceRejected, "{error:?}");
    assert!(error.message().contains("credentials"), "{error:?}");
    assert_no_secret(&json!("a revoked token"), &told(&error));
}
