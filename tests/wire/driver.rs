//! What a driver (tokio-postgres: extended protocol, binary values, true pipelining) sees.

use bytes::BytesMut;
use futures::{StreamExt, TryStreamExt, future};
use system_tests::server::TestServer;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::{ErrorPosition, SqlState};
use tokio_postgres::types::Type;

use crate::tables::source;

#[tokio::test(flavor = "multi_thread")]
async fn values_come_back_as_they_are() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    let rows = client
        .query("SELECT id, city, distance, cents FROM trips ORDER BY id", &[])
        .await
        .unwrap();
    let city: Vec<Option<&str>> = rows.iter().map(|row| row.get(1)).collect();
    assert_eq!(city, [Some("Oslo"), Some("Bonn"), None, Some("Łódź"), Some("Ur")]);
    assert_eq!(rows[3].get::<_, Option<f64>>(2), Some(1e22));
    assert_eq!((rows[4].get::<_, i32>("id"), rows[4].get::<_, i64>("cents")), (5, 500));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_inferred_and_bound() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    let statement = client
        .prepare("SELECT city FROM trips WHERE id = $1 AND cents < $2")
        .await
        .unwrap();
    assert_eq!(statement.params(), [Type::INT4, Type::INT8]);
    assert_eq!(
        (statement.columns()[0].name(), statement.columns()[0].type_()),
        ("city", &Type::TEXT)
    );
    for (id, city) in [(1, "Oslo"), (2, "Bonn")] {
        assert_eq!(
            client
                .query_one(&statement, &[&id, &1000_i64])
                .await
                .unwrap()
                .get::<_, &str>(0),
            city
        );
    }
    assert!(client.query_opt(&statement, &[&1_i32, &5_i64]).await.unwrap().is_none());
    let typed = client.prepare_typed("SELECT $1", &[Type::INT8]).await.unwrap();
    assert_eq!(client.query_one(&typed, &[&7_i64]).await.unwrap().get::<_, i64>(0), 7);
    let null: Option<i64> = None;
    assert_eq!(
        client
            .query_one(&typed, &[&null])
            .await
            .unwrap()
            .get::<_, Option<i64>>(0),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_gives_rows_in_pieces() {
    let server = TestServer::open(source()).await;
    let mut client = server.connect().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT id FROM trips ORDER BY id", &[]).await.unwrap();
    let mut seen = Vec::new();
    for expected in [2, 2, 1, 0] {
        let rows = transaction.query_portal(&portal, 2).await.unwrap();
        assert_eq!(rows.len(), expected);
        seen.extend(rows.iter().map(|row| row.get::<_, i32>(0)));
    }
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    transaction.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_code_and_place() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    for (sql, code) in [
        ("SELECT nope FROM trips", SqlState::UNDEFINED_COLUMN),
        ("SELECT * FROM nope", SqlState::UNDEFINED_TABLE),
        ("SELECT nope(1)", SqlState::UNDEFINED_FUNCTION),
        ("SELEC 1", SqlState::SYNTAX_ERROR),
        ("SELECT 1/0", SqlState::DIVISION_BY_ZERO),
        ("SELECT 'x'::int", SqlState::INVALID_TEXT_REPRESENTATION),
        ("INSERT INTO trips VALUES (1)", SqlState::READ_ONLY_SQL_TRANSACTION),
    ] {
        let error = client.query(sql, &[]).await.unwrap_err();
        assert_eq!(error.code(), Some(&code), "{sql}: {error:?}");
        let simple = client.simple_query(sql).await.unwrap_err();
        assert_eq!(simple.code(), Some(&code), "{sql}: {simple:?}");
    }
    let error = client.simple_query("SELECT nope FROM trips").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.severity(), "ERROR");
    assert_eq!(error.position(), Some(&ErrorPosition::Original(8)), "{error:?}");
    assert_eq!(
        client.query_one("SELECT 1::int", &[]).await.unwrap().get::<_, i32>(0),
        1,
        "the connection lives on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_open_fail_and_end() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    client.batch_execute("BEGIN; SELECT 1").await.unwrap();
    assert!(client.simple_query("SELECT nope").await.is_err());
    let error = client.simple_query("SELECT 1").await.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
    client.batch_execute("ROLLBACK").await.unwrap();
    client.batch_execute("BEGIN; SAVEPOINT s").await.unwrap();
    assert!(client.simple_query("SELECT nope").await.is_err());
    client.batch_execute("ROLLBACK TO s; SELECT 1; COMMIT").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_string_holds_several_statements() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    let messages = client
        .simple_query("SELECT 1 AS a; ; SELECT id FROM trips WHERE id < 3;")
        .await
        .unwrap();
    let rows = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    assert_eq!(messages.iter().filter_map(rows).collect::<Vec<_>>(), ["1", "1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_pipelined() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    let statement = client.prepare("SELECT $1::bigint + 1").await.unwrap();
    let answers = future::join_all((0..200_i64).map(|n| {
        let (client, statement) = (&client, &statement);
        async move { client.query_one(statement, &[&n]).await.unwrap().get::<_, i64>(0) }
    }))
    .await;
    assert_eq!(answers, (1..=200).collect::<Vec<_>>());
    let (bad, good) = future::join(
        client.query("SELECT nope", &[]),
        client.query_one("SELECT 2::bigint", &[]),
    )
    .await;
    assert!(bad.is_err());
    assert_eq!(good.unwrap().get::<_, i64>(0), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_out_in_every_format() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    let copy = |sql: &'static str| {
        let client = &client;
        async move {
            let stream = client.copy_out(sql).await.unwrap();
            stream
                .try_fold(BytesMut::new(), |mut all, next| async move {
                    all.extend_from_slice(&next);
                    Ok(all)
                })
                .await
                .unwrap()
        }
    };
    let query = "COPY (SELECT id, city FROM trips WHERE id < 4 ORDER BY id) TO STDOUT";
    assert_eq!(&copy(query).await[..], b"1\tOslo\n2\tBonn\n3\t\\N\n");
    let csv =
        "COPY (SELECT id, city FROM trips WHERE id > 2 ORDER BY id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE (city))";
    assert_eq!(copy(csv).await, "id,city\n3,\n4,\"Łódź\"\n5,\"Ur\"\n".as_bytes());
    let binary = copy("COPY (SELECT id FROM trips WHERE id = 1) TO STDOUT (FORMAT binary)").await;
    let mut expected = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    expected.extend_from_slice(b"\0\x01\0\0\0\x04\0\0\0\x01\xff\xff");
    assert_eq!(binary, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_reported_and_shape_values() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    client.batch_execute("SET TimeZone = 'Europe/Oslo'").await.unwrap();
    let messages = client
        .simple_query("SELECT '2024-07-01 12:00:00+00'::timestamptz")
        .await
        .unwrap();
    let text = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(text, Some("2024-07-01 14:00:00+02"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_arrives_whole() {
    let server = TestServer::open(source()).await;
    let client = server.connect().await;
    let rows = client
        .query_raw("SELECT * FROM generate_series(1, 300000)", Vec::<i32>::new())
        .await
        .unwrap();
    let sum = rows
        .fold(0_i64, |sum, row| async move {
            sum + i64::from(row.unwrap().get::<_, i32>(0))
        })
        .await;
    assert_eq!(sum, 300_000 * 300_001 / 2);
}
