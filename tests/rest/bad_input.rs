//! Clients that send nonsense, too much, or too slowly. Whatever they do, a request has one answer at most, and
//! others are served.

use std::time::Duration;

use frontend_rest::RestOptions;
use proptest::prelude::*;
use system_tests::transport_rest::{Http, RestServer};

use crate::tables::source;

async fn works(server: &RestServer) {
    assert_eq!(server.get("/api/v2/lake/_table/trips?limit=1").await.status, 200);
}

/// What a connection is answered with, up to its end.
async fn statuses(server: &RestServer, bytes: &[u8]) -> Vec<u16> {
    let mut connection = Http::connect(server.address).await;
    connection.send(bytes).await;
    let mut statuses = Vec::new();
    while let Some(reply) = connection.reply().await {
        statuses.push(reply.status);
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_head_has_one_answer_and_is_the_last() {
    let server = RestServer::open(source()).await;
    let poison = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    let json = "Content-Type: application/json";
    for (name, text) in [
        (
            "a length, then chunks",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{poison}"
            ),
        ),
        (
            "chunks, then a length",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{chunks}{poison}"
            ),
        ),
        (
            "two lengths that differ",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{{}}{poison}"
            ),
        ),
        (
            "two lengths that agree",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}{poison}"
            ),
        ),
        (
            "a list of lengths",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nContent-Length: 2, 2\r\n\r\n{{}}{poison}"
            ),
        ),
        (
            "a length with a sign",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nContent-Length: +2\r\n\r\n{{}}{poison}"
            ),
        ),
        (
            "an unknown coding",
            format!(
                "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\n{json}\r\nTransfer-Encoding: xchunked\r\n\r\n{chunks}{poison}"
            ),
        ),
        (
            "bare line feeds",
            format!("GET /healthz HTTP/1.1\nHost: localhost\n\n{poison}"),
        ),
        (
            "a folded header",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n{poison}"),
        ),
        (
            "a blank before a colon",
            format!("GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n{poison}"),
        ),
        (
            "another host",
            format!("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n{poison}"),
        ),
        (
            "two hosts",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n{poison}"),
        ),
        ("no HTTP", "SELECT 1;\r\n\r\n".to_owned()),
        ("another protocol", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_owned()),
    ] {
        assert_eq!(statuses(&server, text.as_bytes()).await, [400], "{name}");
    }
    // Behind a well-formed request in chunks nothing is read either.
    let body = "POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n13\r\n{\"sql\":\"SELECT 1\"}\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&server, format!("{body}{poison}").as_bytes()).await, [200]);
    works(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_one_breath_are_answered_in_order() {
    let server = RestServer::open(source()).await;
    let body = r#"{"sql":"SELECT 1 AS x"}"#;
    let text = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\r\nPOST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        body.len()
    );
    assert_eq!(statuses(&server, text.as_bytes()).await, [200, 200, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_refused() {
    let server = RestServer::open(source()).await;
    let url = format!("/api/v2/lake/_table/trips?filter={}", "a".repeat(9_000));
    let reply = server.get(&url).await;
    assert_eq!(reply.status, 414);
    let head = |lines: String| format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    let many: String = (0..70).map(|at| format!("x-{at}: y\r\n")).collect();
    assert_eq!(statuses(&server, head(many).as_bytes()).await, [431]);
    assert_eq!(
        statuses(&server, head(format!("x: {}\r\n", "y".repeat(20_000))).as_bytes()).await,
        [431]
    );
    let json = [("content-type", "application/json")];
    // Announced, and not.
    let mut connection = Http::connect(server.address).await;
    connection
        .send(b"POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
        .await;
    assert_eq!(connection.reply().await.unwrap().status, 413);
    assert!(connection.is_closed().await);
    let mut connection = Http::connect(server.address).await;
    connection
        .send(b"POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..17 {
        connection.send(&chunk).await;
    }
    assert_eq!(connection.reply().await.unwrap().status, 413);
    let nested = format!("{{\"sql\":{}", "[".repeat(100_000));
    let reply = server
        .ask("POST", "/api/v2/lake/_query", &json, nested.as_bytes())
        .await;
    assert_eq!((reply.status, &*reply.sqlstate()), (400, "54001"));
    works(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_plain_json() {
    let server = RestServer::open(source()).await;
    let body = br#"{"sql":"SELECT 1"}"#;
    for (headers, status) in [
        (vec![("content-type", "application/json")], 200),
        (vec![("content-type", "application/json; charset=UTF-8")], 200),
        (vec![], 415),
        (vec![("content-type", "text/plain")], 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![("content-type", "application/json; charset=utf-16")], 415),
        (
            vec![("content-type", "application/json"), ("content-encoding", "gzip")],
            415,
        ),
    ] {
        let reply = server.ask("POST", "/api/v2/lake/_query", &headers, body).await;
        assert_eq!(reply.status, status, "{headers:?}");
    }
    let json = [("content-type", "application/json")];
    let reply = server
        .ask("POST", "/api/v2/lake/_query", &json, b"{\"sql\":\"\xff\"}")
        .await;
    assert_eq!(reply.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slow_are_not_waited_for() {
    let options = RestOptions {
        head_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        ..RestOptions::default()
    };
    let server = RestServer::start(source(), engine::AccessConfig::open(), options).await;
    // Silence, one byte, half a head.
    for start in ["", "G", "GET /healthz HTTP/1.1\r\nHost: lo"] {
        let mut connection = Http::connect(server.address).await;
        connection.send(start.as_bytes()).await;
        let reply = connection.reply().await;
        assert!(reply.is_none_or(|reply| reply.status == 408), "{start:?}");
    }
    // A head that never ends, a byte at a time.
    let mut dripping = Http::connect(server.address).await;
    dripping.send(b"GET /healthz HTTP/1.1\r\nX: ").await;
    let dripped = async {
        loop {
            dripping.send(b"y").await;
            tokio::select! {
                closed = dripping.is_closed() => return closed,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(60), dripped).await.unwrap());
    // After an answer.
    let mut idle = Http::connect(server.address).await;
    assert_eq!(idle.ask("GET", "/healthz", &[], b"").await.status, 200);
    assert!(idle.is_closed().await);
    // Half a body.
    let mut connection = Http::connect(server.address).await;
    connection
        .send(b"POST /api/v2/lake/_query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"sql\"")
        .await;
    assert_eq!(connection.reply().await.unwrap().status, 408);
    assert!(connection.is_closed().await);
    works(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_room_for_so_many() {
    let options = RestOptions {
        connections_max: 1,
        ..RestOptions::default()
    };
    let server = RestServer::start(source(), engine::AccessConfig::open(), options).await;
    let mut first = Http::connect(server.address).await;
    assert_eq!(first.ask("GET", "/healthz", &[], b"").await.status, 200);
    let mut second = Http::connect(server.address).await;
    assert_eq!(second.reply().await.unwrap().status, 503);
    assert!(second.is_closed().await);
    assert_eq!(first.ask("GET", "/healthz", &[], b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_hears_that_it_is_too_old() {
    let server = RestServer::open(source()).await;
    assert_eq!(statuses(&server, b"GET /healthz HTTP/1.0\r\n\r\n").await, [200]);
    let request = b"GET /api/v2/lake/_table/trips HTTP/1.0\r\nHost: localhost\r\n\r\n";
    assert_eq!(statuses(&server, request).await, [505]);
}

#[test]
fn random_requests_do_no_harm() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let options = RestOptions {
        head_timeout: Duration::from_millis(50),
        body_timeout: Duration::from_millis(50),
        ..RestOptions::default()
    };
    let server = runtime.block_on(RestServer::start(source(), engine::AccessConfig::open(), options));
    let pieces = prop_oneof![
        Just("GET ".to_owned()),
        Just("POST ".to_owned()),
        Just("/api/v2/lake/_table/trips".to_owned()),
        Just("/api/v2/lake/_query".to_owned()),
        Just("?filter=".to_owned()),
        Just(" HTTP/1.1".to_owned()),
        Just("\r\n".to_owned()),
        Just("\r\n\r\n".to_owned()),
        Just("Host: localhost".to_owned()),
        Just("Content-Length: 10".to_owned()),
        Just("Transfer-Encoding: chunked".to_owned()),
        Just("{\"sql\":".to_owned()),
        Just("Content-Type: application/json".to_owned()),
        Just("5\r\n".to_owned()),
        Just("%".to_owned()),
        any::<String>(),
    ];
    let requests = proptest::collection::vec(pieces, 0..12);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        ..ProptestConfig::default()
    });
    runner
        .run(&requests, |pieces| {
            let statuses = runtime.block_on(statuses(&server, pieces.concat().as_bytes()));
            prop_assert!(statuses.iter().all(|status| *status != 500), "{statuses:?}");
            Ok(())
        })
        .unwrap();
    runtime.block_on(works(&server));
}
