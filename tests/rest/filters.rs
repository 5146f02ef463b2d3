//! A filter brings the rows that the same condition brings in SQL.

use serde_json::{Value, json};
use system_tests::transport_rest::RestServer;

use crate::tables::source;

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn ids(body: &Value) -> Vec<i64> {
    let rows = body["resource"].as_array().unwrap_or_else(|| panic!("{body}"));
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_its_condition_in_sql() {
    let server = RestServer::open(source()).await;
    let mut wrong = Vec::new();
    for (filter, sql) in [
        ("id = 3", "id = 3"),
        ("(id gt 1) && (id lte 3)", "id > 1 AND id <= 3"),
        ("id=1 OR id=2 AND city='Oslo'", "id = 1 OR id = 2 AND city = 'Oslo'"),
        ("NOT (id = 1 OR id = 2)", "NOT (id = 1 OR id = 2)"),
        ("id > 1 XOR shared = true", "(id > 1) <> shared"),
        ("id = 1 NOR id = 2", "NOT (id = 1 OR id = 2)"),
        ("cents = 9007199254740993", "cents = 9007199254740993"),
        ("cents > 9007199254740992", "cents > 9007199254740992"),
        ("fare = 12345678901234567890.1234", "fare = 12345678901234567890.1234"),
        ("fare < 0.00", "fare < 0"),
        ("fare < 1.24999", "fare < 1.24999"),
        ("distance >= '1.5'", "distance >= '1.5'"),
        ("distance = 'NaN'", "distance = 'NaN'"),
        ("day > '1969-12-31'", "day > '1969-12-31'"),
        ("shared != true", "shared <> true"),
        ("city IS NULL", "city IS NULL"),
        ("city IS NOT NULL", "city IS NOT NULL"),
        ("city = null", "city = NULL"),
        ("city != 'Oslo'", "city <> 'Oslo'"),
        ("city LIKE 'O%'", "city LIKE 'O%'"),
        ("city NOT LIKE '%o'", "city NOT LIKE '%o'"),
        ("city STARTS WITH 'O\\'H'", "starts_with(city, 'O''H')"),
        ("city ENDS WITH '_'", "right(city, 1) = '_'"),
        ("city CONTAINS '%'", "strpos(city, '%') > 0"),
        ("city contains \"dź\"", "strpos(city, 'dź') > 0"),
        ("city IN ('Oslo', 'Łódź', 'x'') OR (1=1')", "city IN ('Oslo', 'Łódź')"),
        ("id NOT IN (1, 2, 3)", "id NOT IN (1, 2, 3)"),
        ("city NOT IN ('Oslo')", "city NOT IN ('Oslo')"),
        ("city = ') AND (id = 1'", "city = ') AND (id = 1'"),
    ] {
        let body = json!({"sql": format!("SELECT id FROM trips WHERE {sql} ORDER BY id")}).to_string();
        let expected = server.post("/api/v2/lake/_query", &body).await;
        let target = format!(
            "/api/v2/lake/_table/trips?order=id&fields=id&filter={}",
            encoded(filter)
        );
        let reply = server.get(&target).await;
        if reply.status != 200 || expected.status != 200 || ids(&reply.json()) != ids(&expected.json()) {
            wrong.push(format!("{filter}: {reply:?}\n{sql}: {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_question_goes_into_a_body() {
    let server = RestServer::open(source()).await;
    let body = json!({
        "filter": "(city = :city) OR (cents IN :cents) OR (fare = :fare)",
        "params": {":city": "O'Hara_", ":cents": ["9223372036854775807"], ":fare": null},
        "fields": ["id", "city"],
        "order": "id desc",
    });
    for header in ["x-http-method", "X-HTTP-Method-Override", "x-method-override"] {
        let headers = [("content-type", "application/json; charset=utf-8"), (header, "get")];
        let reply = server
            .ask(
                "POST",
                "/api/v2/lake/_table/trips?limit=5",
                &headers,
                body.to_string().as_bytes(),
            )
            .await;
        assert_eq!(
            reply.text(),
            r#"{"resource":[{"id":5,"city":"O'Hara_"},{"id":3,"city":null}]}"#,
            "{header}"
        );
    }
    let headers = [("content-type", "application/json"), ("x-http-method", "DELETE")];
    let reply = server.ask("POST", "/api/v2/lake/_table/trips", &headers, b"{}").await;
    assert_eq!(reply.status, 501);
    // Every digit of a number in the body counts.
    let headers = [("content-type", "application/json"), ("x-http-method", "GET")];
    let body = br#"{"filter":"cents = :c","params":{":c":9007199254740993},"fields":"id"}"#;
    let reply = server.ask("POST", "/api/v2/lake/_table/trips", &headers, body).await;
    assert_eq!(reply.text(), r#"{"resource":[{"id":2}]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_shows_its_place() {
    let server = RestServer::open(source()).await;
    let reply = server
        .get(&format!(
            "/api/v2/lake/_table/trips?filter={}",
            encoded("id = 1 AN id = 2")
        ))
        .await;
    let error = reply.json()["error"].clone();
    assert_eq!(error["context"]["position"], 8);
    assert_eq!(error["context"]["detail"], "id = 1 AN id = 2\n       ^");
    let reply = server.get("/api/v2/lake/_table/trips?fliter=x").await;
    assert_eq!(reply.json()["error"]["context"]["hint"], "Did you mean \"filter\"?");
}
