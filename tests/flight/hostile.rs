//! Bytes that no client of good will sends.

use std::time::Duration;

use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, CommandPreparedStatementQuery,
    CommandStatementIngest, CommandStatementQuery, ProstMessageExt,
};
use arrow_flight::{Action, FlightData, FlightDescriptor, Ticket};
use engine::AccessConfig;
use frontend_flight::FlightOptions;
use futures::stream;
use prost::Message;
use system_tests::flight_server::FlightServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::world::{PATIENCE, query, source};

#[tokio::test(flavor = "multi_thread")]
async fn malformed_commands_are_the_clients_fault() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let broken = Any {
        type_url: "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery".to_owned(),
        value: vec![255; 10].into(),
    };
    let unknown = Any {
        type_url: "type.googleapis.com/nothing".to_owned(),
        value: Vec::new().into(),
    };
    // A command where a ticket belongs.
    let command = CommandStatementQuery {
        query: "SELECT 1".to_owned(),
        transaction_id: None,
    };
    let as_ticket = command.as_any().encode_to_vec();
    for bytes in [
        Vec::new(),
        vec![0],
        vec![255; 100],
        broken.encode_to_vec(),
        unknown.encode_to_vec(),
    ] {
        let inner = client.inner_mut();
        let descriptor = FlightDescriptor::new_cmd(bytes.clone());
        let put = FlightData::new().with_descriptor(descriptor.clone());
        for code in [
            inner.get_flight_info(descriptor.clone()).await.unwrap_err().code(),
            inner.get_schema(descriptor).await.unwrap_err().code(),
            inner.do_get(Ticket::new(bytes.clone())).await.unwrap_err().code(),
            inner.do_put(stream::iter([put])).await.unwrap_err().code(),
            inner
                .do_action(Action::new("CreatePreparedStatement", bytes))
                .await
                .unwrap_err()
                .code(),
        ] {
            assert_eq!(code, Code::InvalidArgument);
        }
    }
    let inner = client.inner_mut();
    assert_eq!(
        inner.do_get(Ticket::new(as_ticket)).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let path = FlightDescriptor::new_path(vec!["trips".to_owned()]);
    assert_eq!(
        inner.get_flight_info(path).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let nothing = inner.do_put(stream::empty()).await;
    assert_eq!(nothing.unwrap_err().code(), Code::InvalidArgument);
    let nameless = inner.do_action(Action::new("", "")).await;
    assert_eq!(nameless.unwrap_err().code(), Code::Unimplemented);
    let ingest = CommandStatementIngest::default().as_any().encode_to_vec();
    let ingest = FlightData::new().with_descriptor(FlightDescriptor::new_cmd(ingest));
    assert_eq!(
        inner.do_put(stream::iter([ingest])).await.unwrap_err().code(),
        Code::Unimplemented
    );
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_values_are_the_clients_fault() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let request = ActionCreatePreparedStatementRequest {
        query: "SELECT $1::int".to_owned(),
        transaction_id: None,
    };
    let action = Action::new("CreatePreparedStatement", request.as_any().encode_to_vec());
    let body = client
        .do_action(action)
        .await
        .unwrap()
        .message()
        .await
        .unwrap()
        .unwrap()
        .body;
    let any = Any::decode(&*body).unwrap();
    let prepared: ActionCreatePreparedStatementResult = any.unpack().unwrap().unwrap();
    let command = CommandPreparedStatementQuery {
        prepared_statement_handle: prepared.prepared_statement_handle,
    };
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    for head in [vec![1], vec![0; 64], vec![255; 64], (0..=255).collect()] {
        let data = FlightData::new()
            .with_descriptor(descriptor.clone())
            .with_data_header(head)
            .with_data_body(vec![7; 100]);
        let failure = client.inner_mut().do_put(stream::iter([data])).await.unwrap_err();
        assert_eq!(failure.code(), Code::InvalidArgument, "{failure}");
    }
    let long = FlightData::new()
        .with_descriptor(descriptor)
        .with_data_body(vec![0; 17 << 20]);
    let failure = client.inner_mut().do_put(stream::iter([long])).await.unwrap_err();
    assert_ne!(failure.code(), Code::Internal, "{failure}");
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), ["1"]);
}

/// Hazard 10c: a client that says nothing, or not all of its greeting, holds its place for a moment only.
#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_end() {
    let options = FlightOptions {
        handshake_timeout: Duration::from_millis(200),
        ..FlightOptions::default()
    };
    let server = FlightServer::start(source(), AccessConfig::open(), options).await;
    for greeting in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(greeting).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        // Closed or reset: both are ends.
        drop(end.expect("the server waits for ever"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted() {
    let options = FlightOptions {
        connections_max: 1,
        ..FlightOptions::default()
    };
    let server = FlightServer::start(source(), AccessConfig::open(), options).await;
    let mut first = server.client().await;
    assert_eq!(query(&mut first, "SELECT 1").await.unwrap(), ["1"]);
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let end = tokio::time::timeout(PATIENCE, second.read_to_end(&mut rest))
        .await
        .unwrap();
    assert!(end.is_err() || rest.is_empty());
    assert_eq!(query(&mut first, "SELECT 1").await.unwrap(), ["1"]);
}
