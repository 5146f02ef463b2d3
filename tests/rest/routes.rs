//! Each route, as clients know it.

use serde_json::json;
use system_tests::transport_rest::{Http, RestServer, batches_of};

use crate::tables::source;

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_listed() {
    let server = RestServer::open(source()).await;
    for (target, expected) in [
        ("/api/v2", json!([{"name": "lake"}])),
        (
            "/api/v2/lake/",
            json!([{"name": "_catalog"}, {"name": "_query"}, {"name": "_table"}]),
        ),
        (
            "/api/v2/lake/_table",
            json!([{"name": "odd.\"a.b\""}, {"name": "public.numbers"}, {"name": "public.trips"}]),
        ),
        ("/api/v2/lake/_catalog", json!([{"name": "odd"}, {"name": "public"}])),
        (
            "/api/v2/lake/_catalog/public",
            json!([{"name": "numbers", "type": "table"}, {"name": "trips", "type": "table"}]),
        ),
        (
            "/api/v2/lake/_catalog/public/numbers",
            json!([
                {"name": "n", "type": "bigint", "nullable": false, "comment": null},
                {"name": "third", "type": "bigint", "nullable": true, "comment": null},
            ]),
        ),
    ] {
        let reply = server.get(target).await;
        assert_eq!(reply.status, 200, "{target}: {reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.json()["resource"], expected, "{target}");
        let head = server.ask("HEAD", target, &[], b"").await;
        assert_eq!(head.status, 200, "{target}");
        assert_eq!(head.header("content-length").unwrap(), reply.body.len().to_string());
    }
    let columns = server.get("/api/v2/lake/_catalog/public/trips").await.json();
    assert_eq!(columns["meta"]["name"], "public.trips");
    assert_eq!(columns["resource"][4]["type"], "numeric(28,4)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_keeps_its_values() {
    let server = RestServer::open(source()).await;
    let reply = server.get("/api/v2/lake/_table/trips").await;
    assert_eq!(
        reply.text(),
        concat!(
            r#"{"resource":[{"id":1,"city":"Oslo","distance":1.5,"cents":100,"fare":1.2500,"day":"1970-01-01","shared":true},"#,
            r#"{"id":2,"city":"50% \"off\"","distance":null,"cents":9007199254740993,"fare":12345678901234567890.1234,"day":"2024-01-01","shared":false},"#,
            r#"{"id":3,"city":null,"distance":"NaN","cents":9223372036854775807,"fare":null,"day":null,"shared":null},"#,
            r#"{"id":4,"city":"Łódź","distance":1e22,"cents":-9223372036854775808,"fare":-0.0001,"day":"1969-12-31","shared":true},"#,
            r#"{"id":5,"city":"O'Hara_","distance":0.1,"cents":0,"fare":0.0000,"day":"1970-01-02","shared":false}]}"#,
        )
    );
    for spelled in ["public.trips", "lake.public.trips", "%22public%22.trips"] {
        let again = server.get(&format!("/api/v2/lake/_table/{spelled}")).await;
        assert_eq!(again.text(), reply.text(), "{spelled}");
    }
    let odd = server.get("/api/v2/lake/_table/odd.%22a.b%22?limit=1").await;
    assert_eq!(odd.text(), r#"{"resource":[{"n":0,"third":0}],"meta":{"next":1}}"#);
    let bare = server
        .get("/api/v2/lake/_table/trips?fields=id&limit=2&order=id&wrap=false")
        .await;
    assert_eq!(bare.text(), r#"[{"id":1},{"id":2}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_what_is_accepted() {
    let server = RestServer::open(source()).await;
    let target = "/api/v2/lake/_table/trips?fields=id,cents&order=id&limit=2";
    let ask = async |accept: &str| server.ask("GET", target, &[("accept", accept)], b"").await;
    let lines = ask("application/x-ndjson").await;
    assert_eq!(
        lines.text(),
        "{\"id\":1,\"cents\":100}\n{\"id\":2,\"cents\":9007199254740993}\n"
    );
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let csv = ask("text/csv;q=0.9, application/json;q=0.1").await;
    assert_eq!(
        csv.text().replace("\r\n", "\n"),
        "id,cents\n1,100\n2,9007199254740993\n"
    );
    let arrow = ask("application/vnd.apache.arrow.stream").await;
    let rows: usize = batches_of(&arrow.body).iter().map(|batch| batch.num_rows()).sum();
    assert_eq!(rows, 2);
    assert_eq!(ask("*/*").await.header("content-type"), Some("application/json"));
    let refused = ask("image/png").await;
    assert_eq!(refused.status, 406, "{refused:?}");
    assert_eq!(refused.header("content-type"), Some("application/json"));
    let listed = server
        .ask("GET", "/api/v2/lake/_catalog", &[("accept", "text/csv")], b"")
        .await;
    assert_eq!(listed.text().replace("\r\n", "\n"), "name\nodd\npublic\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_their_id_and_allow_no_page_from_elsewhere() {
    let server = RestServer::open(source()).await;
    let mut connection = Http::connect(server.address).await;
    let own = connection
        .ask("GET", "/healthz", &[("x-request-id", "mine-1")], b"")
        .await;
    assert_eq!((own.status, own.header("x-request-id")), (200, Some("mine-1")));
    let forged = connection
        .ask("GET", "/api/v2/lake/_table/nope", &[("x-request-id", "a b")], b"")
        .await;
    let id = forged.header("x-request-id").unwrap().to_owned();
    assert_ne!(id, "a b");
    assert_eq!(forged.json()["error"]["context"]["request_id"], id);
    let preflight = connection
        .ask(
            "OPTIONS",
            "/api/v2/lake/_table/trips",
            &[("origin", "http://evil.example")],
            b"",
        )
        .await;
    assert_eq!(preflight.status, 405);
    assert!(
        preflight
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control"))
    );
    // Nor does it act for one, where a request without credentials is the administrator.
    let page = connection
        .ask(
            "GET",
            "/api/v2/lake/_table/trips",
            &[("origin", "http://evil.example")],
            b"",
        )
        .await;
    assert_eq!(page.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_the_status_that_says_whose_they_are() {
    let server = RestServer::open(source()).await;
    for (target, status, sqlstate) in [
        ("/api/v2/lake/_table/nope", 404, "42P01"),
        ("/api/v2/nope/_table/trips", 404, "3D000"),
        ("/api/v2/lake/_catalog/nope", 404, "3F000"),
        ("/api/v2/lake/_catalog/public/nope", 404, "42P01"),
        ("/api/v2/lake/_table/trips?fields=nope", 400, "42703"),
        ("/api/v2/lake/_table/trips?filter=nope%3D1", 400, "42703"),
        ("/api/v2/lake/_table/trips?filter=id%3D'x'", 400, "22P02"),
        ("/api/v2/lake/_table/trips?filter=id%3D", 400, "42601"),
        ("/api/v2/lake/_table/trips?order=nope", 400, "42703"),
        ("/api/v2/lake/_table/trips?limits=5", 400, "22023"),
        ("/api/v2/lake/_table/trips?related=x", 501, "0A000"),
        ("/api/v2/lake/_schema/trips", 501, "0A000"),
        ("/api/v2/lake/_table/trips/5", 501, "0A000"),
        ("/nowhere", 404, ""),
    ] {
        let reply = server.get(target).await;
        assert_eq!(
            (reply.status, &*reply.sqlstate()),
            (status, sqlstate),
            "{target}: {reply:?}"
        );
        let error = &reply.json()["error"];
        assert_eq!(error["code"], status);
        assert_eq!(error["status_code"], status);
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let reply = server.ask(method, "/api/v2/lake/_table/trips", &[], b"").await;
        assert_eq!(reply.status, 501, "{method}");
        assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    }
    let reply = server.get("/api/v2/lake/_query").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_when_the_server_stops() {
    let mut server = RestServer::open(source()).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    // A connection in the middle of a request hears it; idle ones end.
    let mut idle = Http::connect(server.address).await;
    assert_eq!(idle.ask("GET", "/healthz", &[], b"").await.status, 200);
    let mut silent = Http::connect(server.address).await;
    server.shutdown.stop_accepting.cancel();
    assert!(idle.is_closed().await);
    assert!(silent.is_closed().await);
    (&mut server.task).await.unwrap().unwrap();
}
