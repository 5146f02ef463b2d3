//! Statements and their results, as a warehouse may answer them.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Int32Array, RecordBatch};
use contract::{ErrorKind, Result};
use federation::{RemoteEngine as _, RemoteStatement};
use futures::TryStreamExt as _;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::http_replies::{Asked, Reply, Server};
use crate::{WarehouseEngine, WarehouseOptions};

/// An Arrow stream of one column with these values.
fn body(values: &[i32]) -> Vec<u8> {
    let column = Arc::new(Int32Array::from(values.to_vec())) as _;
    let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
    let mut writer = datafusion::arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// How the warehouse of a test misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Each link is refused the first time.
    LinksRefused,
    /// Bodies come cut the first time.
    BodiesCut,
    Truncated,
    /// The manifest announces a row more.
    RowMissing,
    Failed,
    /// It runs for ever.
    Endless,
}

/// Three parts of two rows.
async fn server(fault: Fault) -> Server {
    let fetched = Mutex::new(std::collections::BTreeSet::new());
    let cancelled = Mutex::new(false);
    Server::start(move |_, asked| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default().to_owned();
        let host = asked
            .head
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap_or_default();
        if let Some(index) = path
            .strip_prefix("/links/")
            .and_then(|rest| rest.split('?').next()?.parse::<i32>().ok())
        {
            assert!(!asked.head.contains("authorization"), "a token went to the storage");
            let first = fetched.lock().insert(index);
            let whole = body(&[index * 2, index * 2 + 1]);
            return match (fault, first) {
                (Fault::LinksRefused, true) => Reply::json(403, "<Error>signature=hidden</Error>"),
                (Fault::BodiesCut, true) => Reply {
                    status: 200,
                    headers: String::new(),
                    body: whole[..whole.len() - 8].to_vec(),
                },
                _ => Reply {
                    status: 200,
                    headers: String::new(),
                    body: whole,
                },
            };
        }
        if let Some(index) = path.split("/result/chunks/").nth(1) {
            return Reply::json(200, json!({"external_links": [link(host, index.parse().unwrap())]}));
        }
        if path.ends_with("/cancel") {
            *cancelled.lock() = true;
            return Reply::json(200, json!({}));
        }
        if asked.line.starts_with("DELETE") {
            return Reply::json(200, json!({}));
        }
        let ended = *cancelled.lock();
        statement(fault, asked, host, ended)
    })
    .await
}

fn link(host: &str, index: u64) -> Value {
    json!({
        "chunk_index": index, "row_count": 2, "expiration": "2999-01-01T00:00:00Z",
        "external_link": format!("http://{host}/links/{index}?signature=hidden"),
        "http_headers": {"x-key": "hidden"},
    })
}

fn statement(fault: Fault, asked: &Asked, host: &str, cancelled: bool) -> Reply {
    let status = |state: &str| json!({"statement_id": "s1", "status": {"state": state}});
    if asked.line.starts_with("POST") {
        return Reply::json(200, status("PENDING"));
    }
    match fault {
        Fault::Endless => Reply::json(200, status(if cancelled { "CANCELED" } else { "RUNNING" })),
        Fault::Failed => {
            let mut failed = status("FAILED");
            failed["status"]["error"] =
                json!({"error_code": "BAD_REQUEST", "message": "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012"});
            Reply::json(200, failed)
        }
        _ => {
            let mut done = status("SUCCEEDED");
            let extra = u64::from(fault == Fault::RowMissing);
            done["manifest"] = json!({
                "schema": {"columns": [{"name": "a", "position": 0, "type_text": "INT"}]},
                "total_chunk_count": 3, "total_row_count": 6 + extra, "truncated": fault == Fault::Truncated,
            });
            done["result"] = json!({"external_links": [link(host, 0)]});
            Reply::json(200, done)
        }
    }
}

fn engine(server: &Server) -> Arc<WarehouseEngine> {
    let options = WarehouseOptions {
        warehouse_id: "w".to_owned(),
        start_time: Duration::from_secs(60),
    };
    WarehouseEngine::new(server.workspace(), options)
}

fn select() -> Arc<RemoteStatement> {
    let mut statement = RemoteStatement::new();
    statement.push("SELECT a FROM t");
    Arc::new(statement)
}

async fn rows(server: &Server) -> Result<Vec<i32>> {
    let batches: Vec<RecordBatch> = engine(server)
        .execute(select(), &super::memory())
        .await?
        .try_collect()
        .await?;
    let values = batches.iter().flat_map(|batch| {
        let column = batch.column(0).as_any().downcast_ref::<Int32Array>().unwrap();
        column.values().to_vec()
    });
    Ok(values.collect())
}

#[tokio::test]
async fn parts_are_read_in_order_whatever_comes_in_between() {
    for fault in [Fault::None, Fault::LinksRefused, Fault::BodiesCut] {
        let server = server(fault).await;
        assert_eq!(rows(&server).await.unwrap(), [0, 1, 2, 3, 4, 5], "{fault:?}");
    }
}

#[tokio::test]
async fn no_short_result_passes_for_a_whole_one() {
    let kind = async |fault| rows(&server(fault).await).await.unwrap_err().kind();
    assert_eq!(kind(Fault::Truncated).await, ErrorKind::LimitExceeded);
    assert_eq!(kind(Fault::RowMissing).await, ErrorKind::DataCorrupted);
    assert_eq!(
        kind(Fault::Failed).await,
        ErrorKind::DataException(contract::DataException::DivisionByZero)
    );
}

#[tokio::test]
async fn a_statement_that_nobody_waits_for_is_cancelled() {
    let server = server(Fault::Endless).await;
    let seen = |what: &str| server.asked().iter().any(|asked| asked.line.contains(what));
    let engine = engine(&server);
    let mut stream = engine.execute(select(), &super::memory()).await.unwrap();
    tokio::select! {
        _ = stream.try_next() => panic!("it runs for ever"),
        () = async { while !seen("GET") { tokio::task::yield_now().await } } => {}
    }
    drop(stream);
    while !seen("/cancel") || !seen("DELETE") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn columns_are_described_without_rows() {
    let server = server(Fault::None).await;
    let ctx = contract::QueryContext::new(Arc::new(contract::Identity::administrator("a")));
    let schema = engine(&server).describe(&select(), &ctx).await.unwrap();
    assert_eq!(schema.field(0).name(), "a");
    assert_eq!(schema.field(0).data_type(), &arrow_schema::DataType::Int32);
    let sent: Value = serde_json::from_str(&server.asked()[0].body).unwrap();
    assert_eq!(sent["statement"], "SELECT * FROM (SELECT a FROM t) LIMIT 0");
}
