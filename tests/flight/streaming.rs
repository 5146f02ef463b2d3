//! Cancelled queries, slow clients and vanished ones.

use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow_flight::sql::{ActionCancelQueryRequest, ProstMessageExt};
use arrow_flight::{Action, CancelFlightInfoRequest};
use engine::AccessConfig;
use frontend_flight::FlightOptions;
use futures::StreamExt;
use prost::Message;
use system_tests::flight_server::FlightServer;
use system_tests::memory_source::{PROBE_BATCH_ROWS, ProbeTable};
use tonic::Code;

use crate::world::{PATIENCE, codes, query, source, status, ticket};

/// What windows of HTTP/2 and sockets of the loopback can hold, generously.
const BATCHES_IN_FLIGHT_MAX: usize = 20_000_000 / PROBE_BATCH_ROWS;

async fn server(probe: &ProbeTable, options: FlightOptions) -> FlightServer {
    let source = source().provider("public", "probe", probe.provider());
    FlightServer::start(source, AccessConfig::open(), options).await
}

async fn let_go(probe: &ProbeTable) {
    tokio::time::timeout(PATIENCE, probe.dropped.cancelled())
        .await
        .expect("the scan goes on for nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_the_scan() {
    let probe = ProbeTable::endless();
    let server = server(&probe, FlightOptions::default()).await;
    let mut client = server.client().await;
    let info = client
        .execute("SELECT n, n, n FROM probe".to_owned(), None)
        .await
        .unwrap();
    let mut stream = client.do_get(ticket(&info)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    // Answers to somebody else are the clock: while the scan runs free, each of them finds a higher count.
    let mut other = server.client().await;
    let (mut before, mut still) = (0, 0);
    while still < 100 {
        query(&mut other, "SELECT 1").await.unwrap();
        let now = probe.produced.load(Ordering::SeqCst);
        still = if now == before { still + 1 } else { 0 };
        before = now;
        assert!(
            now < BATCHES_IN_FLIGHT_MAX,
            "{now} batches for a client that reads nothing"
        );
    }
    for _ in 0..100 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    let_go(&probe).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_stops_its_query() {
    for endless in [true, false] {
        for connection in [true, false] {
            let probe = if endless {
                ProbeTable::endless()
            } else {
                ProbeTable::silent()
            };
            let server = server(&probe, FlightOptions::default()).await;
            let mut client = server.client().await;
            let info = client.execute("SELECT n FROM probe".to_owned(), None).await.unwrap();
            let mut fetching = client.clone();
            let task = tokio::spawn(async move {
                let mut stream = fetching.do_get(ticket(&info)).await.unwrap();
                while let Some(Ok(_)) = stream.next().await {}
            });
            tokio::time::timeout(PATIENCE, probe.started.cancelled()).await.unwrap();
            // The stream alone is reset, or the whole connection goes.
            if connection {
                drop(client);
            }
            task.abort();
            let_go(&probe).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_canceled() {
    for old in [true, false] {
        let probe = ProbeTable::endless();
        let server = server(&probe, FlightOptions::default()).await;
        let mut client = server.client().await;
        let info = client.execute("SELECT n FROM probe".to_owned(), None).await.unwrap();
        let mut stream = client.do_get(ticket(&info)).await.unwrap();
        stream.next().await.unwrap().unwrap();
        let action = match old {
            true => {
                let info = info.encode_to_vec().into();
                let request = ActionCancelQueryRequest { info };
                Action::new("CancelQuery", request.as_any().encode_to_vec())
            }
            false => {
                let request = CancelFlightInfoRequest {
                    info: Some(info.clone()),
                };
                Action::new("CancelFlightInfo", request.encode_to_vec())
            }
        };
        client.do_action(action.clone()).await.unwrap();
        let end = loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        };
        let failure = status(end.expect("a canceled answer does not end well"));
        assert_eq!(codes(&failure), (Code::Cancelled, "57014"));
        let_go(&probe).await;
        assert_eq!(status(client.do_action(action).await).code(), Code::NotFound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_given_up() {
    let probe = ProbeTable::endless();
    let options = FlightOptions {
        send_timeout: Duration::from_millis(200),
        ..FlightOptions::default()
    };
    let server = server(&probe, options).await;
    let mut client = server.client().await;
    let info = client.execute("SELECT n FROM probe".to_owned(), None).await.unwrap();
    let mut stream = client.do_get(ticket(&info)).await.unwrap();
    let_go(&probe).await;
    let end = loop {
        match stream.next().await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert_eq!(
        status(end.expect("a broken answer does not end well")).code(),
        Code::Cancelled
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_server_ends_a_query() {
    let probe = ProbeTable::silent();
    let mut server = server(&probe, FlightOptions::default()).await;
    let mut client = server.client().await;
    let info = client.execute("SELECT n FROM probe".to_owned(), None).await.unwrap();
    let fetch = tokio::spawn(async move { client.do_get(ticket(&info)).await.map(drop) });
    probe.started.cancelled().await;
    server.shutdown.stop_accepting.cancel();
    server.shutdown.cancel_all.cancel();
    let failure = status(fetch.await.unwrap());
    assert_eq!(codes(&failure), (Code::Unavailable, "57P01"));
    tokio::time::timeout(PATIENCE, &mut server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_when_nothing_new_is_taken() {
    let probe = ProbeTable::endless();
    let server = server(&probe, FlightOptions::default()).await;
    let mut client = server.client().await;
    let info = client.execute("SELECT n FROM probe".to_owned(), None).await.unwrap();
    let mut stream = client.do_get(ticket(&info)).await.unwrap();
    stream.next().await.unwrap().unwrap();
    server.shutdown.stop_accepting.cancel();
    for _ in 0..500 {
        stream.next().await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_takes_no_more_than_its_call() {
    let probe = ProbeTable::panicking();
    let server = server(&probe, FlightOptions::default()).await;
    let mut client = server.client().await;
    let failure = status(query(&mut client, "SELECT n FROM probe").await);
    assert_eq!(codes(&failure), (Code::Internal, "XX000"));
    assert!(!failure.message().contains("the test put"), "{failure}");
    assert_eq!(query(&mut client, "SELECT 1").await.unwrap(), ["1"]);
}
