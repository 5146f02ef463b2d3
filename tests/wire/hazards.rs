//! One test for each fault of the plain protocol crates that this front end exists to avoid; each says which.

use std::time::Duration;

use bytes::BufMut;
use system_tests::server::TestServer;
use tokio::io::AsyncReadExt;

use crate::raw::{PROTOCOL_3_0, Raw, bind, execute, frame, parse, query, startup, sync};
use crate::tables::source;

async fn works(server: &TestServer) {
    let mut raw = Raw::logged_in(server).await;
    raw.send(&query("SELECT 1")).await;
    assert_eq!(raw.kinds_until_ready().await, "TDCZ");
}

/// Hazard 8: `Execute` with a huge row limit made one allocation of that many rows, and a negative one panicked.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_limit_allocates_nothing() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    for limit in [i32::MAX, i32::MIN, -1, 0] {
        raw.send(
            &[
                parse("", "SELECT id FROM trips"),
                bind("", ""),
                execute("", limit),
                sync(),
            ]
            .concat(),
        )
        .await;
        assert_eq!(raw.kinds_until_ready().await, "12DDDDDCZ", "limit {limit}");
    }
    raw.send(
        &[
            parse("", "SELECT id FROM trips"),
            bind("", ""),
            execute("", 5),
            execute("", 5),
            sync(),
        ]
        .concat(),
    )
    .await;
    assert_eq!(raw.kinds_until_ready().await, "12DDDDDsCZ");
}

/// Hazard 10: a peer that was not logged in could announce 1 GiB and have it buffered.
#[tokio::test(flavor = "multi_thread")]
async fn a_length_is_judged_before_anything_is_kept() {
    let server = TestServer::open(source()).await;
    for length in [0_i32, 3, 7, 10_001, i32::MAX, -1, i32::MIN] {
        let mut raw = Raw::silent(&server).await;
        raw.send(&length.to_be_bytes()).await;
        raw.send(&[0, 3, 0, 0]).await;
        let answers = raw.until_closed().await;
        assert_eq!(answers.len(), 1, "length {length}: {answers:?}");
        assert_eq!(answers[0].error().1, "08P01");
    }
    let mut raw = Raw::logged_in(&server).await;
    let mut announced = vec![b'Q'];
    announced.put_i32(1 << 30);
    raw.send(&announced).await;
    assert_eq!(raw.until_closed().await[0].error().1, "54000");
    works(&server).await;
}

/// Hazard 10b: malformed bodies panicked in the decoders, and texts without NUL swallowed the next message.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_message_stays_within_its_frame() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    raw.send(&[frame(b'Q', b"SELECT 1"), query("SELECT 2")].concat()).await;
    let answers = raw.until_ready().await;
    assert_eq!(answers[0].error().1, "08P01");
    assert_eq!(raw.kinds_until_ready().await, "TDCZ", "the next message is untouched");

    for broken in [
        frame(b'P', b"name\0SELECT 1\0"),
        frame(b'B', b"\0\0\0\x01"),
        frame(b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xffx"),
        frame(b'D', b""),
        frame(b'D', b"Qx\0"),
        frame(b'E', b"\0\0"),
        frame(b'C', b"P"),
    ] {
        raw.send(&[broken.clone(), parse("", "SELECT 1"), sync()].concat())
            .await;
        let answers = raw.until_ready().await;
        assert_eq!(answers.len(), 2, "{broken:?}: {answers:?}");
        assert_eq!(answers[0].error().1, "08P01", "{broken:?}");
    }
    raw.send(&frame(b'Q', b"SELECT '\xff'\0")).await;
    assert_eq!(raw.until_ready().await[0].error().1, "22021");
    raw.send(&query("SELECT 1")).await;
    assert_eq!(raw.kinds_until_ready().await, "TDCZ");
}

/// Hazard 10b: a NUL in an error's text ended the field early and corrupted the frame.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_text_is_one_field() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    let mut body = b"\0\0\0\x01\0\0\0\x01".to_vec();
    body.put_i32(3);
    body.extend_from_slice(b"a\0b\0\0");
    raw.send(&[parse("", "SELECT $1::int"), frame(b'B', &body), sync()].concat())
        .await;
    let answers = raw.until_ready().await;
    assert_eq!(answers[1].kind, 'E', "{answers:?}");
    assert!(["22021", "22P02"].contains(&&*answers[1].error().1), "{answers:?}");
}

/// Hazard 9: the whole result was collected before the first byte went out.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_row_does_not_wait_for_the_last() {
    let probe = system_tests::memory_source::ProbeTable::endless();
    let server = TestServer::open(source().provider("public", "endless", probe.provider())).await;
    let mut raw = Raw::logged_in(&server).await;
    raw.send(&[parse("", "SELECT n FROM endless"), bind("", ""), execute("", 0), sync()].concat())
        .await;
    for kind in ['1', '2', 'D', 'D'] {
        assert_eq!(raw.next().await.unwrap().kind, kind);
    }
}

/// Errors skip to Sync, whatever comes in between, and are told once.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_skips_to_sync() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    let good = [parse("", "SELECT 1"), bind("", ""), execute("", 0)].concat();
    let bad = parse("", "SELECT nope");
    raw.send(
        &[
            good.clone(),
            bad,
            good.clone(),
            query("SELECT 1"),
            good.clone(),
            sync(),
            good,
            sync(),
        ]
        .concat(),
    )
    .await;
    assert_eq!(raw.kinds_until_ready().await, "12DCEZ");
    assert_eq!(raw.kinds_until_ready().await, "12DCZ");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_kept_and_told_apart() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    let describe = |what: &str| frame(b'D', format!("{what}\0").as_bytes());
    let close = |what: &str| frame(b'C', format!("{what}\0").as_bytes());
    raw.send(&[parse("s", "SELECT 1"), parse("s", "SELECT 1"), sync()].concat())
        .await;
    assert_eq!(raw.until_ready().await[1].error().1, "42P05");
    raw.send(&[bind("p", "s"), bind("p", "s"), sync()].concat()).await;
    assert_eq!(raw.until_ready().await[1].error().1, "42P03");
    for (message, code) in [
        (bind("", "nope"), "26000"),
        (describe("Snope"), "26000"),
        (describe("Pnope"), "34000"),
        (execute("nope", 0), "34000"),
        (execute("p", 0), "34000"),
        (parse("", "SELECT 1; SELECT 2"), "42601"),
        (frame(b'B', b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0"), "08P01"),
        (frame(b'B', b"\0s\0\0\x02\0\0\0\0\0\0\0\0"), "08P01"),
        (frame(b'B', b"\0s\0\0\0\0\0\0\x02\0\0\0\0"), "08P01"),
        (frame(b'B', b"\0s\0\0\0\0\0\0\x01\0\x07"), "22023"),
    ] {
        raw.send(&[message, sync()].concat()).await;
        assert_eq!(raw.until_ready().await[0].error().1, code);
    }
    raw.send(&[describe("Ss"), close("Ss"), close("Ss"), bind("", "s"), sync()].concat())
        .await;
    assert_eq!(raw.kinds_until_ready().await, "tT33EZ");
    // SQL's DEALLOCATE knows the names of the protocol.
    raw.send(&[parse("S_1", "SELECT 1"), sync(), query("DEALLOCATE \"S_1\"")].concat())
        .await;
    assert_eq!(
        (raw.kinds_until_ready().await, raw.kinds_until_ready().await),
        ("1Z".into(), "CZ".into())
    );
    raw.send(&[bind("", "S_1"), sync()].concat()).await;
    assert_eq!(raw.until_ready().await[0].error().1, "26000");
    // A DISCARD that fails discards nothing.
    raw.send(
        &[
            parse("s", "SELECT 1"),
            sync(),
            query("BEGIN"),
            query("DISCARD ALL"),
            query("ROLLBACK"),
            bind("", "s"),
            sync(),
        ]
        .concat(),
    )
    .await;
    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(raw.kinds_until_ready().await);
    }
    assert_eq!(kinds, ["1Z", "CZ", "EZ", "CZ", "2Z"]);
    raw.send(&[query("DISCARD ALL"), bind("", "s"), sync()].concat()).await;
    assert_eq!(raw.kinds_until_ready().await, "CZ");
    assert_eq!(raw.until_ready().await[0].error().1, "26000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_lives_as_long_as_its_transaction() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    let open = [
        parse("", "SELECT id FROM trips ORDER BY id"),
        bind("c", ""),
        execute("c", 2),
        sync(),
    ]
    .concat();
    raw.send(&[open.clone(), execute("c", 2), sync()].concat()).await;
    assert_eq!(raw.kinds_until_ready().await, "12DDsZ");
    assert_eq!(
        raw.until_ready().await[0].error().1,
        "34000",
        "it ended with the implicit transaction"
    );
    raw.send(
        &[
            query("BEGIN"),
            open,
            execute("c", 2),
            sync(),
            execute("c", 2),
            sync(),
            query("COMMIT"),
        ]
        .concat(),
    )
    .await;
    let all = [
        raw.kinds_until_ready().await,
        raw.kinds_until_ready().await,
        raw.kinds_until_ready().await,
    ];
    assert_eq!(all, ["CZ", "12DDsZ", "DDsZ"]);
    assert_eq!(raw.kinds_until_ready().await, "DCZ");
    assert_eq!(raw.kinds_until_ready().await, "CZ");
    raw.send(&[execute("c", 2), sync()].concat()).await;
    assert_eq!(raw.until_ready().await[0].error().1, "34000");
}

#[tokio::test(flavor = "multi_thread")]
async fn small_messages_are_answered_as_postgresql_does() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    for (bytes, kinds) in [
        (sync(), "Z"),
        (query(""), "IZ"),
        (query(" -- ping"), "IZ"),
        (query(";"), "IZ"),
        (
            [parse("", ""), frame(b'D', b"S\0"), bind("", ""), execute("", 0), sync()].concat(),
            "1tn2IZ",
        ),
        (frame(b'F', b"\0\0\0\0"), "EZ"),
        (
            [frame(b'd', b"x"), frame(b'c', b""), frame(b'f', b"no\0"), sync()].concat(),
            "Z",
        ),
        (query("BEGIN"), "CZ"),
        (query("BEGIN"), "NCZ"),
        (query("ROLLBACK"), "CZ"),
        (query("SET application_name = 'x'"), "CSZ"),
        (query("SELECT 1; SELECT nope; SELECT 2"), "TDCEZ"),
    ] {
        raw.send(&bytes).await;
        assert_eq!(raw.kinds_until_ready().await, kinds, "{bytes:?}");
    }
    // Flush brings what is ready, without ReadyForQuery.
    raw.send(&[parse("", "SELECT 1"), frame(b'H', b"")].concat()).await;
    assert_eq!(raw.next().await.unwrap().kind, '1');
    raw.send(&frame(b'X', b"")).await;
    assert_eq!(raw.until_closed().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_portals_are_limited() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    let mut bytes: Vec<u8> = (0..5000).flat_map(|n| parse(&format!("s{n}"), "SELECT 1")).collect();
    bytes.extend(sync());
    raw.send(&bytes).await;
    let answers = raw.until_ready().await;
    assert_eq!(answers[answers.len() - 2].error().1, "53400");
    works(&server).await;
}

/// A server that shuts down finishes what runs and tells the idle.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_is_told_of_the_shutdown() {
    let mut server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    server.shutdown.stop_accepting.cancel();
    let answers = raw.until_closed().await;
    assert_eq!(
        answers[0].error(),
        (
            "FATAL".to_owned(),
            "57P01".to_owned(),
            "terminating connection due to administrator command".to_owned()
        )
    );
    (&mut server.task).await.unwrap().unwrap();
}

/// Half a startup packet does not hold a connection for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_has_a_deadline() {
    let options = frontend_postgres::PostgresOptions {
        login_timeout: Duration::from_millis(100),
        ..Default::default()
    };
    let server = TestServer::start(source(), engine::AccessConfig::open(), options).await;
    let mut raw = Raw::silent(&server).await;
    raw.send(&startup(PROTOCOL_3_0, &[("user", "ana")])[..9]).await;
    let mut rest = Vec::new();
    raw.stream.read_to_end(&mut rest).await.unwrap_or_default();
    assert_eq!(rest, b"");
}

/// A panic while a statement runs ends its connection with an error, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_bug_takes_one_connection() {
    let probe = system_tests::memory_source::ProbeTable::panicking();
    let server = TestServer::open(source().provider("public", "broken", probe.provider())).await;
    let mut other = Raw::logged_in(&server).await;
    let mut raw = Raw::logged_in(&server).await;
    raw.send(&query("SELECT n FROM broken")).await;
    let answers = raw.until_closed().await;
    let error = answers.last().unwrap().error();
    assert_eq!(error.1, "XX000");
    assert!(!error.2.contains("bug"), "{error:?}");
    other.send(&query("SELECT 1")).await;
    assert_eq!(other.kinds_until_ready().await, "TDCZ");
}

/// What a connection keeps is bounded in bytes, not only in number.
#[tokio::test(flavor = "multi_thread")]
async fn kept_bytes_are_limited() {
    let server = TestServer::open(source()).await;
    let mut raw = Raw::logged_in(&server).await;
    raw.send(&parse("s", "SELECT $1::text")).await;
    let mut last = None;
    for portal in 0..5 {
        let mut body = format!("p{portal}\0s\0\0\0\0\x01").into_bytes();
        body.put_i32(16 << 20);
        body.resize(body.len() + (16 << 20), b'x');
        body.extend_from_slice(&[0, 0]);
        raw.send(&frame(b'B', &body)).await;
        raw.send(&frame(b'H', b"")).await;
        last = raw.next().await;
    }
    // The first answer was that of Parse, so this is the one to the fourth Bind.
    assert_eq!(last.unwrap().kind, '2');
    assert_eq!(raw.next().await.unwrap().error().1, "53400");
    raw.send(&sync()).await;
    assert_eq!(raw.kinds_until_ready().await, "Z");
}
