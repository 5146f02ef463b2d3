//! Pages and counts.

use frontend_rest::RestOptions;
use system_tests::transport_rest::RestServer;

use crate::tables::source;

#[tokio::test(flavor = "multi_thread")]
async fn following_next_walks_every_row_once() {
    let options = RestOptions {
        page_rows: 7,
        page_rows_max: 300,
        ..RestOptions::default()
    };
    let server = RestServer::start(source(), engine::AccessConfig::open(), options).await;
    for limit in ["", "&limit=1000", "&limit=0", "&limit=250", "&limit=143"] {
        let mut offset = 0;
        let mut seen = Vec::new();
        loop {
            let target = format!("/api/v2/lake/_table/numbers?order=n&offset={offset}{limit}");
            let body = server.get(&target).await.json();
            let rows = body["resource"].as_array().unwrap();
            assert!(rows.len() <= if limit.is_empty() { 7 } else { 300 });
            seen.extend(rows.iter().map(|row| row["n"].as_i64().unwrap()));
            match body["meta"]["next"].as_i64() {
                Some(next) => offset = next,
                None => break,
            }
        }
        assert!(seen.into_iter().eq(0..1_000), "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_under_the_filter() {
    let server = RestServer::open(source()).await;
    let table = "/api/v2/lake/_table/numbers";
    let counted = server
        .get(&format!(
            "{table}?filter=third%20is%20null&limit=2&order=n&fields=n&include_count=true"
        ))
        .await;
    assert_eq!(
        counted.text(),
        r#"{"resource":[{"n":1},{"n":2}],"meta":{"count":666,"next":2}}"#
    );
    assert_eq!(counted.header("x-total-count"), Some("666"));
    let only = server.get(&format!("{table}?count_only=true&filter=n%20lt%2010")).await;
    assert_eq!(only.text(), "10");
    let lines = server
        .ask(
            "GET",
            &format!("{table}?count_only=true"),
            &[("accept", "application/x-ndjson")],
            b"",
        )
        .await;
    assert_eq!(lines.text(), "{\"count\":1000}\n");
    let last = server
        .get(&format!("{table}?order=n&offset=999&include_count=1&fields=n"))
        .await;
    assert_eq!(last.text(), r#"{"resource":[{"n":999}],"meta":{"count":1000}}"#);
    let beyond = server.get(&format!("{table}?offset=99999999999999999999")).await;
    assert_eq!(beyond.text(), r#"{"resource":[]}"#);
}
