//! `_query`.

use serde_json::{Value, json};
use system_tests::transport::Transport;
use system_tests::transport_rest::{Rest, RestServer};

use crate::tables::source;

const QUERY: &str = "/api/v2/lake/_query";

#[tokio::test(flavor = "multi_thread")]
async fn parameters_keep_every_digit() {
    let server = RestServer::open(source()).await;
    for (sql, params, expected) in [
        (
            "SELECT ?::bigint AS x",
            "[9223372036854775807]",
            r#"{"x":9223372036854775807}"#,
        ),
        (
            "SELECT ?::numeric(38,10) AS x",
            "[1234567890123456789012345678.0123456789]",
            r#"{"x":1234567890123456789012345678.0123456789}"#,
        ),
        ("SELECT ?::numeric(20,4) AS x", "[0.10]", r#"{"x":0.1000}"#),
        (
            "SELECT id FROM trips WHERE cents = ?",
            "[9007199254740993]",
            r#"{"id":2}"#,
        ),
        (
            "SELECT id FROM trips WHERE cents = ?",
            "[\"9007199254740993\"]",
            r#"{"id":2}"#,
        ),
        (
            "SELECT id FROM trips WHERE fare = ?",
            "[12345678901234567890.1234]",
            r#"{"id":2}"#,
        ),
        (
            "SELECT id FROM trips WHERE city = ?",
            r#"["50% \"off\""]"#,
            r#"{"id":2}"#,
        ),
        (
            "SELECT id FROM trips WHERE city = ? OR city = ?",
            r#"["'; --", "O'Hara_"]"#,
            r#"{"id":5}"#,
        ),
        ("SELECT id FROM trips WHERE day = ?", r#"["2024-01-01"]"#, r#"{"id":2}"#),
        (
            "SELECT id FROM trips WHERE shared = ? AND id < ?",
            "[true, 3]",
            r#"{"id":1}"#,
        ),
        ("SELECT '?' AS x, ?::text AS y", r#"[null]"#, r#"{"x":"?","y":null}"#),
        ("SELECT ? AS x", r#"["text"]"#, r#"{"x":"text"}"#),
        ("SELECT 0.1::float8 + 0.2 AS x", "[]", r#"{"x":0.30000000000000004}"#),
    ] {
        let reply = server
            .post(QUERY, &format!("{{\"sql\":{},\"params\":{params}}}", json!(sql)))
            .await;
        assert_eq!(reply.text(), format!("{{\"resource\":[{expected}]}}"), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_says_what_was_done() {
    let server = RestServer::open(source()).await;
    let reply = server.post(QUERY, r#"{"sql":"SET TimeZone = 'UTC'"}"#).await;
    assert_eq!(reply.text(), r#"{"resource":[],"meta":{"command":"SET"}}"#);
    let reply = server.post(QUERY, r#"{"sql":"SHOW TimeZone"}"#).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told() {
    let server = RestServer::open(source()).await;
    for (body, status) in [
        (r#"{"sql":"SELEC 1"}"#, 400),
        (r#"{"sql":"SELECT 1/0"}"#, 400),
        (r#"{"sql":"SELECT * FROM nope"}"#, 404),
        (r#"{"sql":"SELECT 1; SELECT 2"}"#, 400),
        (r#"{"sql":""}"#, 400),
        (r#"{"sql":"SELECT ?"}"#, 400),
        (r#"{"sql":"SELECT ?::int","params":[1,2]}"#, 400),
        (r#"{"sql":"SELECT ?::int","params":["x"]}"#, 400),
        (r#"{"sql":"SELECT ?::int","params":[1.5]}"#, 400),
        (r#"{"sql":"SELECT ?::int","params":[99999999999]}"#, 400),
        (r#"{"sql":"SELECT ?::int","params":[[1]]}"#, 400),
        (r#"{"sql":"SELECT 1","parms":[]}"#, 400),
        (r#"{"sql":1}"#, 400),
        (r#"{}"#, 400),
        (r#"[]"#, 400),
        (r#"{"sql":"SELECT 1"#, 400),
        (r#"{"sql":"DELETE FROM trips"}"#, 403),
        (r#"{"sql":"COPY trips TO STDOUT"}"#, 501),
    ] {
        let reply = server.post(QUERY, body).await;
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(!reply.message().is_empty());
    }
    let reply = server.post(QUERY, r#"{"sql":"SELECT 1, nope","params":[]}"#).await;
    let context = reply.json()["error"]["context"].clone();
    assert_eq!(context["sqlstate"], "42703");
    assert!(matches!(context["position"], Value::Number(_) | Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_door_is_a_transport() {
    let server = RestServer::open(source()).await;
    let mut rest = Rest::open(&server.engine, "ana").await;
    let answer = rest
        .run("SELECT id, city, fare, distance FROM trips ORDER BY id")
        .await
        .unwrap();
    assert_eq!(
        answer.lines(),
        [
            "1|Oslo|1.2500|1.5",
            "2|50% \"off\"|12345678901234567890.1234|∅",
            "3|∅|∅|NaN",
            "4|Łódź|-0.0001|1e+22",
            "5|O'Hara_|0.0000|0.1",
        ]
    );
    assert_eq!(rest.run("SELECT nope").await.unwrap_err().sqlstate, "42703");
    assert_eq!(rest.run("SELECT current_user").await.unwrap().lines(), ["ana"]);
}
