//! Slow clients and vanished ones.

use std::sync::atomic::Ordering;
use std::time::Duration;

use system_tests::memory_source::{PROBE_BATCH_ROWS, ProbeTable};
use system_tests::server::TestServer;

use crate::raw::{PATIENCE, Raw, bind, execute, parse, query, sync};
use crate::tables::source;

/// What sockets of the loopback and the server's buffers can hold, generously; an answer of 10^8 rows is far more.
const BATCHES_IN_FLIGHT_MAX: usize = 20_000_000 / PROBE_BATCH_ROWS;

/// Hazard 9: a client that stops reading must stop the scan, not fill memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_the_scan() {
    let probe = ProbeTable::endless();
    let server = TestServer::open(source().provider("public", "endless", probe.provider())).await;
    for statement in [
        query("SELECT n, n, n FROM endless"),
        query("COPY (SELECT n, n, n FROM endless) TO STDOUT"),
        [
            parse("", "SELECT n, n, n FROM endless"),
            bind("", ""),
            execute("", 0),
            sync(),
        ]
        .concat(),
    ] {
        let mut raw = Raw::logged_in(&server).await;
        raw.send(&statement).await;
        raw.next().await.unwrap();
        // The count stands still once the socket is full. Answers to somebody else are the clock: while the scan runs
        // free, each of them finds a higher count.
        let mut other = Raw::logged_in(&server).await;
        let (mut before, mut still) = (0, 0);
        while still < 200 {
            other.send(&query("SELECT 1")).await;
            other.until_ready().await;
            let now = probe.produced.load(Ordering::SeqCst);
            still = if now == before { still + 1 } else { 0 };
            before = now;
            assert!(
                now < BATCHES_IN_FLIGHT_MAX,
                "{now} batches for a client that reads nothing"
            );
        }
        // Reading goes on where it stopped.
        for _ in 0..PROBE_BATCH_ROWS {
            assert!(raw.next().await.is_some());
        }
        drop(raw);
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
        let server = TestServer::open(source().provider("public", "probe", probe.provider())).await;
        let mut raw = Raw::logged_in(&server).await;
        raw.send(&query("SELECT n FROM probe")).await;
        tokio::time::timeout(PATIENCE, probe.started.cancelled()).await.unwrap();
        drop(raw);
        tokio::time::timeout(PATIENCE, probe.dropped.cancelled())
            .await
            .expect("the scan goes on for nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_given_up() {
    let probe = ProbeTable::endless();
    let options = frontend_postgres::PostgresOptions {
        send_timeout: Duration::from_millis(200),
        ..Default::default()
    };
    let source = source().provider("public", "endless", probe.provider());
    let server = TestServer::start(source, engine::AccessConfig::open(), options).await;
    let mut raw = Raw::logged_in(&server).await;
    raw.send(&query("SELECT n FROM endless")).await;
    tokio::time::timeout(PATIENCE, probe.dropped.cancelled()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_ends_a_query() {
    let probe = ProbeTable::silent();
    let mut server = TestServer::open(source().provider("public", "silent", probe.provider())).await;
    let mut raw = Raw::logged_in(&server).await;
    raw.send(&query("SELECT n FROM silent")).await;
    probe.started.cancelled().await;
    server.shutdown.stop_accepting.cancel();
    server.shutdown.cancel_all.cancel();
    let answers = raw.until_closed().await;
    assert_eq!(answers.last().unwrap().error().1, "57P01");
    (&mut server.task).await.unwrap().unwrap();
}
