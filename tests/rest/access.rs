//! Who sends a request, and what it sees.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{AccessConfig, ScramVerifier, UnknownUsers, UserEntry};
use frontend_rest::RestOptions;
use system_tests::transport_rest::{Reply, RestServer};

use crate::tables::source;

/// The hashes of the keys `demo-dana` and `demo-ana`.
const DANA: &str = "75abe0f991eadb225a6884d339269420af8a4bddd47744d4353a031796f7aa02";
const ANA: &str = "f401e1a64d1a602268ceae651cd1db3925b9f559f5ff98cc8e4330b34a1fc1c3";

fn access() -> AccessConfig {
    let rules = "
        CREATE ROLE driver;
        CREATE ROLE analyst;
        GRANT EXECUTE ON SERVICE rest TO driver;
        GRANT USAGE ON SCHEMA lake.public TO driver, analyst;
        GRANT SELECT (id, city, cents) ON lake.public.trips TO driver;
        CREATE POLICY own ON lake.public.trips FOR SELECT TO driver USING (id <= 2);
        GRANT SELECT ON lake.public.trips TO analyst;
    ";
    let user = |name: &str, role: &str, password: &str, hash: &str| UserEntry {
        name: name.to_owned(),
        verifier: Some(ScramVerifier::derive(password, b"saltsaltsaltsalt", 4096)),
        api_keys: vec![format!("sha256:{hash}")],
        roles: vec![role.to_owned()],
        ..UserEntry::default()
    };
    AccessConfig {
        rules: policy::parse_rules(&[("access.sql".to_owned(), rules.to_owned())]).unwrap(),
        users: vec![
            user("dana", "driver", "pencil", DANA),
            user("ana", "analyst", "paper", ANA),
        ],
        trust_loopback: false,
        unknown_users: UnknownUsers::Refuse,
    }
}

async fn server() -> RestServer {
    RestServer::start(source(), access(), RestOptions::default()).await
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

async fn trips(server: &RestServer, headers: &[(&str, &str)]) -> Reply {
    server
        .ask("GET", "/api/v2/lake/_table/trips?order=id", headers, b"")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_credential_is_taken_and_the_rules_hold() {
    let server = server().await;
    let identity = server.engine.identity("dana").unwrap();
    let token = format!("Bearer {}", server.engine.issue_token(&identity));
    let basic = basic("dana", "pencil");
    for headers in [
        [("authorization", &*basic)],
        [("authorization", basic.trim_end_matches('='))],
        [("x-api-key", "demo-dana")],
        [("X-DreamFactory-API-Key", "demo-dana")],
        [("authorization", "Bearer demo-dana")],
        [("authorization", &*token)],
    ] {
        let reply = trips(&server, &headers).await;
        assert_eq!(
            reply.text(),
            r#"{"resource":[{"id":1,"city":"Oslo","cents":100},{"id":2,"city":"50% \"off\"","cents":9007199254740993}]}"#,
            "{headers:?}"
        );
    }
    let key = [("x-api-key", "demo-dana")];
    for (target, status) in [
        ("/api/v2/lake/_table/trips?fields=fare", 400),
        ("/api/v2/lake/_table/trips?filter=fare%3D1", 400),
        ("/api/v2/lake/_table/numbers", 404),
        ("/api/v2/lake/_catalog/odd", 404),
    ] {
        let reply = server.ask("GET", target, &key, b"").await;
        assert_eq!(reply.status, status, "{target}: {reply:?}");
    }
    let listed = server.ask("GET", "/api/v2/lake/_table", &key, b"").await;
    assert_eq!(listed.text(), r#"{"resource":[{"name":"public.trips"}]}"#);
    let columns = server.ask("GET", "/api/v2/lake/_catalog/public/trips", &key, b"").await;
    assert!(!columns.text().contains("fare"), "{columns:?}");
    let count = server
        .ask("GET", "/api/v2/lake/_table/trips?count_only=true", &key, b"")
        .await;
    assert_eq!(count.text(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_nothing_is_refused() {
    let server = server().await;
    for headers in [
        vec![],
        vec![("authorization", basic("dana", "guess"))],
        vec![("authorization", basic("nobody", "pencil"))],
        vec![("x-api-key", "demo-nobody".to_owned())],
        vec![("authorization", "Bearer x".to_owned())],
    ] {
        let borrowed: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let reply = trips(&server, &borrowed).await;
        assert_eq!(reply.status, 401, "{headers:?}: {reply:?}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Basic "));
        assert!(!reply.text().contains("Oslo"));
    }
    for headers in [
        vec![("x-api-key", "demo-dana"), ("authorization", "Bearer demo-ana")],
        vec![("x-api-key", "demo-dana"), ("x-api-key", "demo-ana")],
        vec![("authorization", "Nonsense")],
    ] {
        assert_eq!(trips(&server, &headers).await.status, 400, "{headers:?}");
    }
    // A key in the URL is in somebody's log by now, and is not taken even if it is right.
    let reply = server.get("/api/v2/lake/_table/trips?api_key=demo-dana").await;
    assert_eq!(reply.status, 401);
    assert!(!reply.text().contains("demo-dana"), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_is_closed_to_whom_it_is_not_opened() {
    let server = server().await;
    let reply = trips(&server, &[("x-api-key", "demo-ana")]).await;
    assert_eq!((reply.status, &*reply.sqlstate()), (403, "28000"), "{reply:?}");
    assert_eq!(reply.header("www-authenticate"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_credentials() {
    let server = server().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    assert_eq!(server.get("/api/v2").await.status, 401);
}
