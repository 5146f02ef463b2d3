//! Spark fails in the middle: an error, never a short answer, and the next query works once Spark is back.

use futures::StreamExt;
use system_tests::gateway::configured;
use system_tests::server::TestServer;
use system_tests::spark_client::SparkClient;
use system_tests::spark_server::SparkServer;
use tokio_postgres::SimpleQueryMessage;

use crate::world::configuration;

/// More rows than are read before Spark is killed, in parts that are small: a part is sent when all of it is there.
const ROWS: u64 = 500_000_000;
const PARTS: u64 = 20_000;

/// What is asked, from Spark's memory: nothing of it is left after a restart.
async fn make_views(client: &SparkClient) {
    client.run("CREATE SCHEMA IF NOT EXISTS public").await;
    let sql = format!(
        "CREATE OR REPLACE VIEW public.long AS SELECT id, CAST(id AS STRING) AS text FROM range(0, {ROWS}, 1, {PARTS})"
    );
    client.run(&sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dying_server_gives_an_error_and_is_found_again() {
    let Some(mut spark) = SparkServer::start(0).await else {
        return;
    };
    make_views(&spark.client().await).await;
    let engine = configured(&configuration(&spark.url(), &[]), &[]);
    let server = TestServer::over(engine, frontend_postgres::PostgresOptions::default()).await;
    let client = server.connect().await;

    let stream = client.simple_query_raw("SELECT id, text FROM long").await.unwrap();
    let mut stream = std::pin::pin!(stream);
    let mut rows = 0_u64;
    let mut killed = false;
    let error = loop {
        match stream.next().await {
            Some(Ok(SimpleQueryMessage::Row(_))) => rows += 1,
            Some(Ok(SimpleQueryMessage::CommandComplete(_))) => panic!("{rows} rows pass for an answer"),
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("{rows} rows, and no end"),
        }
        if rows == 1000 && !killed {
            killed = true;
            spark.kill().await;
        }
    };
    assert!((1000..ROWS).contains(&rows));
    let error = error
        .as_db_error()
        .unwrap_or_else(|| panic!("no error of the server: {error:?}"));
    assert_eq!(error.code().code(), "HV00N", "{error:?}");
    let said = format!("{} {:?} {:?}", error.message(), error.detail(), error.hint());
    assert!(said.contains("spark"), "{said}");
    assert!(!said.contains("127.0.0.1") && !said.contains("tonic"), "{said}");

    // The connection lives; what needs Spark says that it is away.
    assert_eq!(client.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);
    let error = client.simple_query("SELECT count(*) FROM long").await.unwrap_err();
    let code = error.code().map(|code| code.code().to_owned());
    assert_eq!(code.as_deref(), Some("HV00N"), "{error:?}");

    let port = spark.port();
    drop(spark);
    let Some(spark) = SparkServer::start(port).await else {
        return;
    };
    make_views(&spark.client().await).await;
    let row = client
        .query_one("SELECT count(*), max(id) FROM long WHERE id < 100000", &[])
        .await
        .unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (100_000, 99_999));
}
