//! A workspace that is away: the gateway runs all the same, says so, and finds it again.

use std::net::TcpListener;
use std::time::Duration;

use frontend_postgres::PostgresOptions;
use reqwest::Method;
use serde_json::json;
use system_tests::gateway::configured;
use system_tests::server::TestServer;
use system_tests::workspace_server::WorkspaceServer;

use crate::workspace::{RUNNING, TOKEN, assert_correct, service, settings};

/// Nothing here takes longer, even on a busy machine: an answer that is waited for in vain is a mistake.
const PATIENCE: Duration = Duration::from_secs(120);

async fn refused(client: &tokio_postgres::Client, sql: &str) -> tokio_postgres::error::DbError {
    let outcome = tokio::time::timeout(PATIENCE, client.simple_query(sql)).await;
    let error = outcome.unwrap_or_else(|_| panic!("{sql} hangs")).expect_err(sql);
    error
        .as_db_error()
        .unwrap_or_else(|| panic!("{sql}: {error:?}"))
        .clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_is_away_is_found_again() {
    // Free just now; if somebody else takes it, the stand-in says so.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let more =
        format!("http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\ncatalogs = [\"main\"]\n");
    let folder = tempfile::tempdir().unwrap();
    let location = url::Url::from_directory_path(folder.path()).unwrap();
    let lake = format!("[[service]]\nname = \"lake\"\ntype = \"delta\"\nlocation = \"{location}\"\n");
    let text = settings() + &service(&format!("http://127.0.0.1:{port}"), &more) + &lake;
    let server = TestServer::over(configured(&text, &[]), PostgresOptions::default()).await;
    let client = server.connect().await;

    for sql in ["SELECT count(*) FROM orders", "SELECT * FROM main.governed.filtered"] {
        let error = refused(&client, sql).await;
        assert_eq!(error.code().code(), "HV00N", "{error:?}");
        assert_eq!(error.message(), "service \"databricks\" cannot be reached");
        let said = format!("{error:?}");
        assert!(!said.contains(&port.to_string()) && !said.contains(TOKEN), "{said}");
    }
    let answer = client.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(answer.get::<_, i32>(0), 1, "the connection lives");

    let Some(mut workspace) = WorkspaceServer::start(&["--port", &port.to_string()]).await else {
        return;
    };
    for sql in [
        "SELECT count(*) FROM orders",
        "SELECT 995 + count(*) FROM main.governed.filtered",
    ] {
        let row = client
            .query_one(sql, &[])
            .await
            .unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(row.get::<_, i64>(0), 1000, "{sql}");
    }
    assert_correct(&workspace).await;

    // What it says of itself is told too.
    let busy = json!({"kind": "status", "status": 503, "retry_after": 600, "times": null});
    workspace.control(Method::POST, "faults", Some(&busy)).await;
    let error = refused(&client, "SELECT * FROM main.governed.masked").await;
    assert_eq!(error.code().code(), "HV00N", "{error:?}");
    assert!(error.message().contains("is in trouble"), "{error:?}");
    workspace.control(Method::DELETE, "faults", None).await;
    let rows = client.query("SELECT * FROM main.governed.masked", &[]).await.unwrap();
    assert_eq!(rows.len(), 10);

    workspace.kill().await;
    let error = refused(&client, "SELECT * FROM main.governed.by_policy").await;
    assert_eq!(error.code().code(), "HV00N", "{error:?}");
}
