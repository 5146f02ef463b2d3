//! Statements without preparation.

use arrow_flight::FlightDescriptor;
use arrow_flight::sql::{CommandStatementQuery, ProstMessageExt};
use frontend_flight::FlightOptions;
use futures::StreamExt;
use prost::Message;
use system_tests::flight_server::FlightServer;
use tonic::Code;

use crate::world::{access, codes, fetch, lines, query, source, status, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_described_and_fetched_as_described() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    for sql in [
        "SELECT id, city FROM trips ORDER BY id",
        "SELECT 1, 1::smallint, 1.5, 1e0, 'a', true, NULL, DATE '2024-01-01', now(), interval '1 day', ARRAY[1, 2]",
        "SELECT count(*), sum(cents), avg(distance), array_agg(city) FROM trips",
        "SELECT * FROM trips WHERE false",
        "SHOW TimeZone",
        "EXPLAIN SELECT 1",
    ] {
        let info = client.execute(sql.to_owned(), None).await.unwrap();
        let mut stream = client.do_get(ticket(&info)).await.unwrap();
        while let Some(batch) = stream.next().await {
            batch.unwrap();
        }
        let described = info.try_decode_schema().unwrap();
        assert_eq!(**stream.schema().unwrap(), described, "{sql}");
        let command = CommandStatementQuery {
            query: sql.to_owned(),
            transaction_id: None,
        };
        let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
        let only_schema = client.inner_mut().get_schema(descriptor).await.unwrap().into_inner();
        assert_eq!(
            arrow::datatypes::Schema::try_from(&only_schema).unwrap(),
            described,
            "{sql}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_may_be_fetched_again() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let info = client
        .execute("SELECT id FROM trips ORDER BY id".to_owned(), None)
        .await
        .unwrap();
    for _ in 0..2 {
        let batches = fetch(&mut client, &info).await.unwrap();
        assert_eq!(lines(&batches), ["1", "2", "3", "4", "5"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_arrives_whole() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let sql = "SELECT n, 'some text ' || n FROM generate_series(1, 1000000) AS s(n) ORDER BY n";
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let batches = fetch(&mut client, &info).await.unwrap();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1_000_000);
    assert_eq!(
        lines(&batches[batches.len() - 1..]).last().unwrap(),
        "1000000|some text 1000000"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_what_is_wrong() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    for (sql, code, sqlstate) in [
        ("SELEC 1", Code::InvalidArgument, "42601"),
        ("SELECT 1; SELECT 2", Code::InvalidArgument, "42601"),
        ("SELECT * FROM nowhere", Code::NotFound, "42P01"),
        ("SELECT nothing FROM trips", Code::InvalidArgument, "42703"),
        ("SELECT 1 / (id - id) FROM trips", Code::InvalidArgument, "22012"),
        ("COPY trips TO STDOUT", Code::Unimplemented, "0A000"),
    ] {
        let answer = query(&mut client, sql).await;
        assert!(answer.is_err(), "{sql}");
        let failure = status(answer);
        assert_eq!(codes(&failure), (code, sqlstate), "{sql}: {failure}");
    }
    // As in PostgreSQL, nothing is no mistake.
    assert!(query(&mut client, "").await.unwrap().is_empty());
    let failure = status(query(&mut client, "INSERT INTO trips VALUES (1)").await);
    assert!(["25006", "0A000"].contains(&codes(&failure).1), "{failure}");
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), ["1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_apply_and_hidden_bytes_do_not_travel() {
    let server = FlightServer::start(source(), access(), FlightOptions::default()).await;
    let mut dana = server.log_in("dana", "pencil").await;
    let rows = query(&mut dana, "SELECT * FROM trips ORDER BY id").await.unwrap();
    assert_eq!(rows, ["1|Oslo", "2|∅", "3|∅"]);
    for sql in ["SELECT cents FROM trips", "SELECT * FROM secrets"] {
        status(query(&mut dana, sql).await);
    }
    // Arrow sends whole buffers: a null that a mask has made must not lie over the value.
    for sql in [
        "SELECT city FROM trips",
        "SELECT id, ARRAY[city] FROM trips WHERE id < 3",
    ] {
        let info = dana.execute(sql.to_owned(), None).await.unwrap();
        let mut request = tonic::Request::new(ticket(&info));
        let bearer = format!("Bearer {}", dana.token().unwrap());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        let mut messages = dana.inner_mut().do_get(request).await.unwrap().into_inner();
        let mut seen = false;
        while let Some(message) = messages.message().await.unwrap() {
            let text = String::from_utf8_lossy(&message.data_body).into_owned();
            assert!(!text.contains("in-hiding"), "{sql}: {text}");
            seen |= text.contains("Oslo");
        }
        assert!(seen, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_choose_the_catalog() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    client.set_header("database", "lake");
    assert_eq!(query(&mut client, "SELECT count(*) FROM trips").await.unwrap(), ["5"]);
    client.set_header("schema", "Other");
    assert_eq!(query(&mut client, "SHOW search_path").await.unwrap(), ["\"Other\""]);
    client.set_header("database", "none");
    let failure = status(query(&mut client, "SELECT 1").await);
    assert_eq!(codes(&failure), (Code::NotFound, "3D000"));
}
