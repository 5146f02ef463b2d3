//! Answers on their way: slow clients, vanished ones, and what goes wrong in the middle.

use std::sync::atomic::Ordering;
use std::time::Duration;

use frontend_rest::RestOptions;
use system_tests::memory_source::{PROBE_BATCH_ROWS, ProbeTable};
use system_tests::transport_rest::{Http, PATIENCE, RestServer};

use crate::tables::source;

const QUERY: &str = "/api/v2/lake/_query";
const FORMATS: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "application/vnd.apache.arrow.stream",
];
/// What sockets of the loopback and the server's buffers can hold, generously.
const BATCHES_IN_FLIGHT_MAX: usize = 20_000_000 / PROBE_BATCH_ROWS;

async fn ask(connection: &mut Http, sql: &str, accept: &str) {
    let body = serde_json::json!({"sql": sql}).to_string();
    let headers = [("content-type", "application/json"), ("accept", accept)];
    connection.request("POST", QUERY, &headers, body.as_bytes()).await;
}

async fn server_with(probe: &ProbeTable, options: RestOptions) -> RestServer {
    let source = source().provider("public", "probe", probe.provider());
    RestServer::start(source, engine::AccessConfig::open(), options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_the_scan() {
    let probe = ProbeTable::endless();
    let server = server_with(&probe, RestOptions::default()).await;
    for accept in FORMATS {
        let mut connection = Http::connect(server.address).await;
        ask(&mut connection, "SELECT n, n AS m, n AS o FROM probe", accept).await;
        assert_eq!(connection.head().await.unwrap().status, 200);
        connection.chunk().await.unwrap().unwrap();
        // The count stands still once the socket is full. Answers to somebody else are the clock.
        let (mut before, mut still) = (0, 0);
        let mut other = Http::connect(server.address).await;
        while still < 200 {
            assert_eq!(other.ask("GET", "/api/v2", &[], b"").await.status, 200);
            let now = probe.produced.load(Ordering::SeqCst);
            still = if now == before { still + 1 } else { 0 };
            before = now;
            assert!(
                now < BATCHES_IN_FLIGHT_MAX,
                "{accept}: {now} batches for a client that reads nothing"
            );
        }
        // Reading goes on where it stopped.
        for _ in 0..50 {
            connection.chunk().await.unwrap().unwrap();
        }
        drop(connection);
        probe.produced.store(0, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_its_query() {
    for endless in [true, false] {
        let probe = if endless {
            ProbeTable::endless()
        } else {
            ProbeTable::silent()
        };
        let server = server_with(&probe, RestOptions::default()).await;
        let mut connection = Http::connect(server.address).await;
        connection
            .request("GET", "/api/v2/lake/_table/probe?limit=10000&filter=n%3C0", &[], b"")
            .await;
        tokio::time::timeout(PATIENCE, probe.started.cancelled()).await.unwrap();
        drop(connection);
        tokio::time::timeout(PATIENCE, probe.dropped.cancelled())
            .await
            .expect("the scan goes on for nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_given_up_alone() {
    let probe = ProbeTable::endless();
    let options = RestOptions {
        send_timeout: Duration::from_millis(200),
        ..RestOptions::default()
    };
    let server = server_with(&probe, options).await;
    let mut stalled = Http::connect(server.address).await;
    ask(&mut stalled, "SELECT n FROM probe", "application/json").await;
    tokio::time::timeout(PATIENCE, probe.dropped.cancelled()).await.unwrap();
    let mut other = Http::connect(server.address).await;
    assert_eq!(
        other.ask("GET", "/api/v2/lake/_table/trips", &[], b"").await.status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_the_middle_breaks_the_answer() {
    let server = RestServer::open(source()).await;
    // The zero comes after some batches of rows that are fine.
    let sql = "SELECT 1 / (100000 - n) AS x FROM generate_series(1, 200000) AS t(n)";
    for accept in FORMATS {
        let mut connection = Http::connect(server.address).await;
        ask(&mut connection, sql, accept).await;
        let reply = connection.reply().await.unwrap();
        assert_eq!(reply.status, 200, "{accept}: {reply:?}");
        assert!(!reply.whole, "{accept}: the answer looks whole");
        if accept.contains("json") {
            let tail = &reply.text()[reply.text().len() - 400..];
            assert!(
                tail.contains("division by zero") && tail.contains("22012"),
                "{accept}: {tail}"
            );
        }
        assert!(connection.is_closed().await);
    }
    // What fails at once has its own status.
    let reply = server
        .post(
            QUERY,
            r#"{"sql":"SELECT 1 / (1 - n) AS x FROM generate_series(1, 10) AS t(n)"}"#,
        )
        .await;
    assert_eq!((reply.status, &*reply.sqlstate()), (400, "22012"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_is_an_answer() {
    let probe = ProbeTable::panicking();
    let server = server_with(&probe, RestOptions::default()).await;
    let reply = server.post(QUERY, r#"{"sql":"SELECT n FROM probe"}"#).await;
    assert_eq!((reply.status, &*reply.sqlstate()), (500, "XX000"), "{reply:?}");
    assert!(!reply.text().contains("the test put here"));
    assert_eq!(server.get("/api/v2/lake/_table/trips").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_ends_a_query() {
    for endless in [true, false] {
        let probe = if endless {
            ProbeTable::endless()
        } else {
            ProbeTable::silent()
        };
        let mut server = server_with(&probe, RestOptions::default()).await;
        let mut connection = Http::connect(server.address).await;
        ask(&mut connection, "SELECT n FROM probe", "application/json").await;
        probe.started.cancelled().await;
        server.shutdown.stop_accepting.cancel();
        if endless {
            // What runs goes on.
            assert_eq!(connection.head().await.unwrap().status, 200);
            for _ in 0..100 {
                connection.chunk().await.unwrap().unwrap();
            }
            server.shutdown.cancel_all.cancel();
            let rest = connection.rest(system_tests::transport_rest::Reply {
                headers: vec![("transfer-encoding".to_owned(), "chunked".to_owned())],
                ..Default::default()
            });
            let rest = rest.await;
            assert!(!rest.whole);
            assert!(
                rest.text().ends_with("}}}") && rest.text().contains("57P01"),
                "no word of the end"
            );
        } else {
            server.shutdown.cancel_all.cancel();
            let reply = connection.reply().await.unwrap();
            assert_eq!((reply.status, &*reply.sqlstate()), (503, "57P01"));
        }
        tokio::time::timeout(PATIENCE, &mut server.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_million_rows_arrive_in_small_pieces() {
    let server = RestServer::open(source()).await;
    for accept in FORMATS {
        let mut connection = Http::connect(server.address).await;
        ask(
            &mut connection,
            "SELECT n FROM generate_series(1, 1000000) AS t(n)",
            accept,
        )
        .await;
        assert_eq!(connection.head().await.unwrap().status, 200);
        let (mut lines, mut bytes, mut largest) = (0, 0, 0);
        while let Some(piece) = connection.chunk().await.expect("the answer broke off") {
            lines += piece.iter().filter(|byte| **byte == b'\n').count();
            bytes += piece.len();
            largest = largest.max(piece.len());
        }
        // No buffer of the server ever held more than a sliver of it.
        assert!(
            bytes > 4_000_000 && largest <= 256 << 10,
            "{accept}: {bytes} bytes, at once {largest}"
        );
        match accept {
            "application/x-ndjson" => assert_eq!(lines, 1_000_000),
            "text/csv" => assert_eq!(lines, 1_000_001),
            _ => {}
        }
    }
}
