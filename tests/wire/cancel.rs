//! CancelRequest in every phase, through both protocols.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BufMut;
use system_tests::memory_source::ProbeTable;
use system_tests::server::TestServer;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::raw::{Answer, PATIENCE, PROTOCOL_3_0, Raw, bind, execute, parse, query, sync};
use crate::tables::source;

/// A CancelRequest with the key that the login gave.
async fn cancel(server: &TestServer, login: &[Answer]) {
    let key = &login.iter().find(|answer| answer.kind == 'K').unwrap().body;
    let mut bytes = Vec::new();
    bytes.put_i32(8 + key.len() as i32);
    bytes.put_i32(80_877_102);
    bytes.extend_from_slice(key);
    let mut raw = Raw::silent(server).await;
    raw.send(&bytes).await;
    assert_eq!(raw.until_closed().await, []);
}

/// What comes back for a statement that was sent, while requests to stop it are. Until it runs such a request stops
/// nothing, so it is sent again and again; the last one is waited for, or it would stop the next statement.
async fn canceled_in_the_end(server: &TestServer, raw: &mut Raw, login: &[Answer]) -> Vec<Answer> {
    let answered = AtomicBool::new(false);
    let answers = async {
        let answers = raw.until_ready().await;
        answered.store(true, Ordering::Release);
        answers
    };
    let asking = async {
        while !answered.load(Ordering::Acquire) {
            cancel(server, login).await;
            tokio::task::yield_now().await;
        }
    };
    futures::future::join(answers, asking).await.0
}

fn canceled(answers: &[Answer]) {
    let error = answers.iter().rev().find(|answer| answer.kind == 'E').unwrap();
    assert_eq!(error.error().1, "57014");
    assert_eq!(answers.last().unwrap().kind, 'Z');
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_waits_is_stopped() {
    let probe = ProbeTable::silent();
    let server = TestServer::open(source().provider("public", "silent", probe.provider())).await;
    for version in [PROTOCOL_3_0, PROTOCOL_3_0 | 2] {
        for statement in [
            query("SELECT n FROM silent"),
            query("COPY (SELECT n FROM silent) TO STDOUT"),
            [parse("", "SELECT n FROM silent"), bind("", ""), execute("", 0), sync()].concat(),
            [parse("", "SELECT n FROM silent"), bind("", ""), execute("", 3), sync()].concat(),
        ] {
            let (mut raw, login) = Raw::logged_in_with(&server, version).await;
            raw.send(&statement).await;
            let answers = canceled_in_the_end(&server, &mut raw, &login).await;
            canceled(&answers);
            raw.send(&query("SELECT 1")).await;
            assert_eq!(raw.kinds_until_ready().await, "TDCZ");
        }
    }
    tokio::time::timeout(PATIENCE, probe.dropped.cancelled()).await.unwrap();
}

/// A join of few rows to very many reads nothing for a long time, and is stopped all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_is_stopped() {
    let server = TestServer::open(source()).await;
    let (mut raw, login) = Raw::logged_in_with(&server, PROTOCOL_3_0).await;
    let sql =
        "SELECT count(*) FROM generate_series(1, 1000000) AS a(x), generate_series(1, 1000000) AS b(y) WHERE x < y";
    raw.send(&query(sql)).await;
    let answers = canceled_in_the_end(&server, &mut raw, &login).await;
    canceled(&answers);
    raw.send(&query("SELECT 1")).await;
    assert_eq!(raw.kinds_until_ready().await, "TDCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_streams_is_stopped_even_if_nobody_reads() {
    let probe = ProbeTable::endless();
    let server = TestServer::open(source().provider("public", "endless", probe.provider())).await;
    let (mut raw, login) = Raw::logged_in_with(&server, PROTOCOL_3_0).await;
    raw.send(&query("SELECT n FROM endless")).await;
    assert_eq!(raw.next().await.unwrap().kind, 'T');
    cancel(&server, &login).await;
    // Nothing is read here: the server is held up by a full socket, and still lets go of the scan.
    tokio::time::timeout(PATIENCE, probe.dropped.cancelled()).await.unwrap();
    canceled(&raw.until_ready().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_portal_is_not_hurt_by_a_request_between_two_executes() {
    let server = TestServer::open(source()).await;
    let (mut raw, login) = Raw::logged_in_with(&server, PROTOCOL_3_0).await;
    raw.send(&query("BEGIN")).await;
    raw.until_ready().await;
    raw.send(
        &[
            parse("", "SELECT id FROM trips"),
            bind("c", ""),
            execute("c", 2),
            sync(),
        ]
        .concat(),
    )
    .await;
    assert_eq!(raw.kinds_until_ready().await, "12DDsZ");
    cancel(&server, &login).await;
    raw.send(&[execute("c", 0), sync()].concat()).await;
    assert_eq!(raw.kinds_until_ready().await, "DDDCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_cancels() {
    let probe = ProbeTable::silent();
    let server = TestServer::open(source().provider("public", "silent", probe.provider())).await;
    let client = server.connect().await;
    let token = client.cancel_token();
    let ask = async {
        probe.started.cancelled().await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let (answer, ()) = futures::future::join(client.query("SELECT n FROM silent", &[]), ask).await;
    assert_eq!(answer.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_its_time() {
    let probe = ProbeTable::silent();
    let server = TestServer::open(source().provider("public", "silent", probe.provider())).await;
    let client = server.connect().await;
    client.batch_execute("SET statement_timeout = 50").await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(20), client.query("SELECT n FROM silent", &[])).await;
    assert_eq!(answer.unwrap().unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
}
