//! Handles and tickets are worth something to their owner only.

use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, CommandPreparedStatementQuery, ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{Action, CancelFlightInfoRequest, Ticket};
use frontend_flight::FlightOptions;
use prost::Message;
use system_tests::flight_server::FlightServer;
use tonic::Code;

use crate::world::{access, codes, fetch, lines, source, status, ticket};

#[tokio::test(flavor = "multi_thread")]
async fn another_identity_cannot_use_them_nor_tell_that_they_exist() {
    let server = FlightServer::start(source(), access(), FlightOptions::default()).await;
    let mut root = server.log_in("root", "pencil").await;
    let of_query = root.execute("SELECT word FROM secrets".to_owned(), None).await.unwrap();
    let mut prepared = root.prepare("SELECT word FROM secrets".to_owned(), None).await.unwrap();
    let of_prepared = prepared.execute().await.unwrap();
    let forged = |length: usize| {
        let handle = TicketStatementQuery {
            statement_handle: vec![7; length].into(),
        };
        Ticket::new(handle.as_any().encode_to_vec())
    };
    let mut texts = std::collections::BTreeSet::new();
    for user in ["dana", "dora"] {
        let mut other = server.log_in(user, "pencil").await;
        for ticket in [
            ticket(&of_query),
            ticket(&of_prepared),
            forged(16),
            forged(0),
            forged(3),
            forged(10_000),
        ] {
            let Err(error) = other.do_get(ticket).await else {
                panic!("{user} got it")
            };
            let failure = status::<()>(Err(error));
            assert_eq!(codes(&failure), (Code::NotFound, "26000"));
            texts.insert(failure.message().to_owned());
        }
        for info in [&of_query, &of_prepared] {
            let request = CancelFlightInfoRequest {
                info: Some(info.clone()),
            };
            let action = Action::new("CancelFlightInfo", request.encode_to_vec());
            texts.insert(status(other.do_action(action).await).message().to_owned());
        }
        // Closing what is not there says as little.
        let any = arrow_flight::sql::Any::decode(&*ticket(&of_prepared).ticket).unwrap();
        let query: CommandPreparedStatementQuery = any.unpack().unwrap().unwrap();
        let close = ActionClosePreparedStatementRequest {
            prepared_statement_handle: query.prepared_statement_handle,
        };
        let action = Action::new("ClosePreparedStatement", close.as_any().encode_to_vec());
        other.do_action(action).await.unwrap();
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    for info in [&of_query, &of_prepared] {
        assert_eq!(lines(&fetch(&mut root, info).await.unwrap()), ["sesame"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_may_use_what_another_of_the_same_user_got() {
    let server = FlightServer::start(source(), access(), FlightOptions::default()).await;
    let mut first = server.log_in("dana", "pencil").await;
    let mut second = server.log_in("dana", "pencil").await;
    let info = first
        .execute("SELECT id FROM trips ORDER BY id".to_owned(), None)
        .await
        .unwrap();
    assert_eq!(lines(&fetch(&mut second, &info).await.unwrap()), ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_those_of_the_fetch() {
    let server = FlightServer::start(source(), access(), FlightOptions::default()).await;
    let mut dana = server.log_in("dana", "pencil").await;
    let info = dana.execute("SELECT id FROM trips".to_owned(), None).await.unwrap();
    let mut fewer = access();
    let rules = "CREATE ROLE driver; CREATE ROLE outsider; GRANT EXECUTE ON SERVICE flight TO driver;";
    fewer.rules = policy::parse_rules(&[("rules.sql".to_owned(), rules.to_owned())]).unwrap();
    server.engine.reload_access(fewer);
    let failure = status(fetch(&mut dana, &info).await);
    assert_eq!(codes(&failure), (Code::NotFound, "42P01"));
}

/// The handle unused for longest ends, the others stay.
#[tokio::test(flavor = "multi_thread")]
async fn tickets_are_bounded() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let first = client.execute("SELECT 0".to_owned(), None).await.unwrap();
    let mut last = None;
    for number in 0..600 {
        last = Some(client.execute(format!("SELECT {number}"), None).await.unwrap());
    }
    assert_eq!(lines(&fetch(&mut client, &last.unwrap()).await.unwrap()), ["599"]);
    assert_eq!(
        codes(&status(fetch(&mut client, &first).await)),
        (Code::NotFound, "26000")
    );
}
