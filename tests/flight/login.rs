//! Who comes in, and how.

use arrow_flight::Action;
use arrow_flight::sql::CommandGetDbSchemas;
use frontend_flight::FlightOptions;
use futures::stream;
use system_tests::flight_server::FlightServer;
use tonic::Code;

use crate::world::{Client, access, codes, query, source, status};

async fn server() -> FlightServer {
    FlightServer::start(source(), access(), FlightOptions::default()).await
}

fn basic(client: &mut Client, encoded: &str) {
    client.set_header("authorization", format!("Basic {encoded}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_brings_a_token() {
    let server = server().await;
    let mut client = server.client().await;
    let payload = client.handshake("dana", "pencil").await.unwrap();
    assert_eq!(client.token().unwrap().as_bytes(), &payload[..]);
    let user = query(&mut client, "SELECT current_user::text").await.unwrap();
    assert_eq!(user, ["dana"]);
    // The token is worth the same on another connection, and to a client that shows it alone.
    let mut other = server.client().await;
    other.set_token(client.token().unwrap().clone());
    assert_eq!(query(&mut other, "SELECT current_user::text").await.unwrap(), ["dana"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_is_taken_with_each_call_and_without_padding() {
    let server = server().await;
    for encoded in ["cm9vdDpwZW5jaWw=", "cm9vdDpwZW5jaWw"] {
        let mut client = server.client().await;
        basic(&mut client, encoded);
        assert_eq!(query(&mut client, "SELECT current_user::text").await.unwrap(), ["root"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_failures_look_the_same() {
    let server = server().await;
    let mut texts = std::collections::BTreeSet::new();
    for header in [
        None,
        Some("Basic ZGFuYTp3cm9uZw=="),
        Some("Basic bmluYTpwZW5jaWw="),
        Some("Basic ?"),
        Some("Basic"),
        Some("Bearer"),
        Some("Bearer forged"),
        Some("Bearer AAAA"),
        Some("Digest x"),
        Some(""),
    ] {
        let mut client = server.client().await;
        if let Some(header) = header {
            client.set_header("authorization", header);
        }
        let failure = status(query(&mut client, "SELECT 1").await);
        assert_eq!(codes(&failure), (Code::Unauthenticated, "28000"), "{header:?}");
        texts.insert(failure.message().to_owned());
        let handshake = client.inner_mut().handshake(stream::empty()).await;
        assert_eq!(handshake.unwrap_err().code(), Code::Unauthenticated);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    let mut client = server.client().await;
    assert!(client.handshake("dana", "wrong").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_wants_to_know() {
    let server = server().await;
    let mut client = server.client().await;
    let inner = client.inner_mut();
    let nothing = arrow_flight::FlightDescriptor::new_cmd(Vec::new());
    let codes = [
        inner.get_flight_info(nothing.clone()).await.unwrap_err().code(),
        inner.poll_flight_info(nothing.clone()).await.unwrap_err().code(),
        inner.get_schema(nothing).await.unwrap_err().code(),
        inner.do_get(arrow_flight::Ticket::new("")).await.unwrap_err().code(),
        inner.do_put(stream::empty()).await.unwrap_err().code(),
        inner.do_exchange(stream::empty()).await.unwrap_err().code(),
        inner.do_action(Action::new("x", "")).await.unwrap_err().code(),
        inner.list_actions(arrow_flight::Empty {}).await.unwrap_err().code(),
        inner
            .list_flights(arrow_flight::Criteria::default())
            .await
            .unwrap_err()
            .code(),
    ];
    assert_eq!(codes, [Code::Unauthenticated; 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_is_closed_to_a_role() {
    let server = server().await;
    let mut otto = server.log_in("otto", "pencil").await;
    let failure = status(query(&mut otto, "SELECT 1").await);
    assert_eq!(codes(&failure), (Code::PermissionDenied, "28000"));
    let request = CommandGetDbSchemas {
        catalog: None,
        db_schema_filter_pattern: None,
    };
    assert_eq!(
        status(otto.get_db_schemas(request).await).code(),
        Code::PermissionDenied
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_where_everybody_is_trusted() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    assert_eq!(query(&mut client, "SELECT count(*) FROM secrets").await.unwrap(), ["1"]);
    let mut named = server.log_in("whoever", "").await;
    assert_eq!(
        query(&mut named, "SELECT current_user::text").await.unwrap(),
        ["whoever"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_user() {
    let server = server().await;
    let mut dana = server.log_in("dana", "pencil").await;
    let info = dana.execute("SELECT 1".to_owned(), None).await.unwrap();
    let mut without = access();
    without.users.retain(|user| user.name != "dana");
    server.engine.reload_access(without);
    let failure = status(query(&mut dana, "SELECT 1").await);
    assert_eq!(failure.code(), Code::Unauthenticated);
    let failure = status(crate::world::fetch(&mut dana, &info).await);
    assert_eq!(failure.code(), Code::Unauthenticated);
}
