//! What holds from one call to the next.

use arrow_flight::Action;
use prost::Message;
use system_tests::flight_server::FlightServer;
use tonic::Code;

use crate::world::{codes, fetch, query, source, status};

#[tokio::test(flavor = "multi_thread")]
async fn settings_live_as_long_as_their_session() {
    let server = FlightServer::open(source()).await;
    let mut one = server.client().await;
    one.set_header("cookie", "other=1; arrow_flight_session_id=one");
    assert!(query(&mut one, "SET TimeZone = 'Asia/Tokyo'").await.unwrap().is_empty());
    assert_eq!(query(&mut one, "SHOW TimeZone").await.unwrap(), ["Asia/Tokyo"]);
    let mut two = server.client().await;
    two.set_header("cookie", "arrow_flight_session_id=two");
    assert_ne!(query(&mut two, "SHOW TimeZone").await.unwrap(), ["Asia/Tokyo"]);
    let mut named = server.log_in("ana", "").await;
    named.set_header("cookie", "arrow_flight_session_id=one");
    assert_ne!(query(&mut named, "SHOW TimeZone").await.unwrap(), ["Asia/Tokyo"]);
    let mut closed = one.do_action(Action::new("CloseSession", "")).await.unwrap();
    assert!(closed.message().await.unwrap().is_some());
    assert_ne!(query(&mut one, "SHOW TimeZone").await.unwrap(), ["Asia/Tokyo"]);
}

/// Clients may never fetch the answer to a statement that has none, and may fetch it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_when_it_is_described_and_once() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    client.set_header("cookie", "arrow_flight_session_id=one");
    let mut begin = client.prepare("BEGIN".to_owned(), None).await.unwrap();
    assert!(begin.dataset_schema().unwrap().fields().is_empty());
    let info = begin.execute().await.unwrap();
    for _ in 0..2 {
        assert!(fetch(&mut client, &info).await.unwrap().is_empty());
    }
    status(query(&mut client, "SELECT * FROM nowhere").await);
    let failure = status(query(&mut client, "SELECT 1").await);
    assert_eq!(codes(&failure), (Code::FailedPrecondition, "25P02"));
    assert_eq!(client.execute_update("ROLLBACK".to_owned(), None).await.unwrap(), 0);
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_ingestion_are_refused_clearly() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    assert_eq!(status(client.begin_transaction().await).code(), Code::Unimplemented);
    let within = client.execute("SELECT 1".to_owned(), Some("transaction".into())).await;
    assert_eq!(codes(&status(within)), (Code::Unimplemented, "0A000"));
}

/// The messages as a client writes them, field by field.
#[derive(Clone, PartialEq, prost::Message)]
struct Options {
    #[prost(map = "string, message", tag = "1")]
    options: std::collections::HashMap<String, OptionValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OptionValue {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SetResult {
    #[prost(map = "string, message", tag = "1")]
    errors: std::collections::HashMap<String, SetError>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SetError {
    #[prost(int32, tag = "1")]
    value: i32,
}

#[tokio::test(flavor = "multi_thread")]
async fn options_are_set_and_told() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    client.set_header("cookie", "arrow_flight_session_id=one");
    let option = |name: &str, text: Option<&str>| {
        let text = text.map(str::to_owned);
        (name.to_owned(), OptionValue { text })
    };
    let request = Options {
        options: [
            option("catalog", Some("lake")),
            option("schema", Some("Other")),
            option("TimeZone", Some("Asia/Tokyo")),
            option("no_such_setting", Some("1")),
            option("TimeZone TO 'UTC'; SET x", Some("1")),
            option("DateStyle", None),
        ]
        .into(),
    };
    let mut answer = client
        .do_action(Action::new("SetSessionOptions", request.encode_to_vec()))
        .await
        .unwrap();
    let result = SetResult::decode(answer.message().await.unwrap().unwrap().body).unwrap();
    let mut errors: Vec<_> = result.errors.keys().map(String::as_str).collect();
    errors.sort_unstable();
    assert_eq!(errors, ["TimeZone TO 'UTC'; SET x", "no_such_setting"]);
    let mut answer = client.do_action(Action::new("GetSessionOptions", "")).await.unwrap();
    let told = Options::decode(answer.message().await.unwrap().unwrap().body).unwrap();
    assert_eq!(told.options["catalog"].text.as_deref(), Some("lake"));
    assert_eq!(told.options["TimeZone"].text.as_deref(), Some("Asia/Tokyo"));
    assert_eq!(told.options["schema"].text.as_deref(), Some("\"Other\""));
}
