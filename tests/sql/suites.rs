//! `sql/suites`, through every door, with the same rows from each.

use engine::AccessConfig;
use sqllogictest::{Condition, Record, Runner};
use system_tests::server::TestServer;
use system_tests::suite_tables::{self, files, numbers};
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::transport_flight::Flight;
use system_tests::transport_rest::Rest;
use system_tests::transport_wire::{ExtendedBinary, ExtendedText, Simple, wire_transports};
use tempfile::TempDir;

use crate::data::Expectations;
use crate::lake;
use crate::logic_test::{Session, Style};

/// Of each thread: eight times what the server gives its own, since frames of an unoptimized build are that much larger.
const STACK_BYTES: usize = 64 << 20;

const EXPECTATIONS: &str = include_str!("../expectations/slt.toml");

/// The tables that the suites speak of.
async fn world() -> (TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    suite_tables::write(folder.path()).await;
    let server = lake::serve(
        vec![lake::catalog("lake", folder.path())],
        "public",
        AccessConfig::open(),
    )
    .await;
    (folder, server)
}

/// What stands in a file before a record that needs what others left in the session.
fn needs_session(conditions: &[Condition]) -> bool {
    let label = "rest".to_owned();
    let is_mark = |condition: &Condition| *condition == Condition::SkipIf { label: label.clone() };
    assert!(conditions.iter().all(is_mark), "{conditions:?}");
    !conditions.is_empty()
}

/// Runs every file, each in a session of its own, and tells of all failures at once. At a door without sessions the
/// records that need one are left out, and only these: each is run, and must fail.
async fn run<T: Transport + 'static>(door: &str, connect: impl AsyncFn(&TestServer) -> T) {
    let (_folder, server) = world().await;
    let server = &server;
    let keeps_session = connect(server).await.keeps_session();
    let mut left_out = 0;
    let mut expectations = Expectations::read(EXPECTATIONS, "suites");
    for file in files() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let connect = || async {
            let transport = Box::new(connect(server).await);
            Ok(Session {
                transport,
                style: Style::Postgres,
                engine: "",
            })
        };
        let mut runner = Runner::new(connect);
        for mut record in sqllogictest::parse_file(&file).unwrap() {
            let (line, needs_session) = match &mut record {
                Record::Query { loc, conditions, .. } | Record::Statement { loc, conditions, .. } => {
                    (loc.line(), needs_session(&std::mem::take(conditions)))
                }
                _ => (0, false),
            };
            let outcome = runner
                .run_async(record)
                .await
                .map(|_| ())
                .map_err(|error| error.to_string());
            if line == 0 {
                continue;
            }
            let case = format!("{name}:{line}");
            if keeps_session || !needs_session {
                expectations.record(&case, outcome);
            } else {
                assert!(outcome.is_err(), "{case} needs no session: take its mark away");
                left_out += 1;
            }
        }
    }
    if left_out > 0 {
        println!("SKIPPED: {left_out} records of the suites need a session, which {door} does not keep");
    }
    expectations.finish(&format!("suites ({door})"));
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    run("embedded", async |server| Embedded::open(&server.engine, "ana")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simple() {
    run("simple", async |server| {
        Simple::connect(server.address, "ana").await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extended_text() {
    run("extended text", async |server| {
        ExtendedText::connect(server.address, "ana").await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extended_binary() {
    run("extended binary", async |server| {
        ExtendedBinary::connect(server.address, "ana").await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight() {
    run("flight", async |server| Flight::open(&server.engine, "ana").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rest() {
    run("rest", async |server| Rest::open(&server.engine, "ana").await).await;
}

async fn doors(server: &TestServer) -> Vec<Box<dyn Transport>> {
    let mut doors = wire_transports(server.address, "ana").await.unwrap();
    doors.push(Box::new(Embedded::open(&server.engine, "ana")));
    doors.push(Box::new(Flight::open(&server.engine, "ana").await));
    doors.push(Box::new(Rest::open(&server.engine, "ana").await));
    doors
}

/// Names and types too are the same at every door.
#[tokio::test(flavor = "multi_thread")]
async fn columns_are_the_same() {
    let (_folder, server) = world().await;
    let mut doors = doors(&server).await;
    for sql in [
        "SELECT * FROM cities",
        "SELECT 1, 1::smallint, 1.5, 1e0, 'a', true, NULL, DATE '2024-01-01', now(), interval '1 day', ARRAY[1, 2]",
        "SELECT count(*), sum(people), avg(area), min(founded), array_agg(id) FROM cities",
        "SELECT '\\x00'::bytea, 1::real, TIME '12:00', id::text FROM cities",
        "SELECT * FROM information_schema.columns WHERE table_name = 'cities'",
        "SHOW TimeZone",
    ] {
        let mut first = None;
        for door in &mut doors {
            let columns = door
                .run(sql)
                .await
                .unwrap_or_else(|failure| panic!("{sql}: {failure}"))
                .columns;
            let first = first.get_or_insert_with(|| columns.clone());
            assert_eq!(*first, columns, "{sql} through {}", door.name());
        }
    }
}

/// Trap 10: commits of others are seen at once.
#[tokio::test(flavor = "multi_thread")]
async fn commits_are_seen_at_once() {
    let (folder, server) = world().await;
    for (rows, door) in (6..).zip(&mut doors(&server).await) {
        lake::write(&folder.path().join("public/history"), [numbers(&[6])]).await;
        let count = door.run("SELECT count(*) FROM history").await.unwrap();
        assert_eq!(count.lines(), [rows.to_string()], "{}", door.name());
    }
}

/// Traps 11 and 13: nothing big runs while planning; chains end in an answer or an error, never in a dead process. On
/// threads with room for as many levels as the limits allow.
#[test]
fn traps_that_no_file_can_hold() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .unwrap();
    let work = async {
        let (_folder, server) = world().await;
        for door in &mut doors(&server).await {
            let failure = door.run("SELECT length(repeat('a', 2147483647))").await.unwrap_err();
            assert!(
                ["54000", "53200", "22023"].contains(&failure.sqlstate.as_str()),
                "{failure}"
            );
            // One door of the wire stands for all: planning is the same behind each.
            let lengths: &[usize] = match door.name() {
                // Longer bodies are refused as such.
                "rest" => &[900, 3000, 90_000],
                name if name.starts_with("extended") => &[150_000],
                _ => &[900, 3000, 150_000],
            };
            for length in lengths.iter().copied() {
                for chain in [
                    format!("SELECT 1{}", " + 1".repeat(length)),
                    format!("SELECT true{}", " AND true".repeat(length)),
                    format!(
                        "SELECT count(*) FROM cities WHERE id = 0{}",
                        " OR id = 1".repeat(length)
                    ),
                    format!("SELECT {}1{}", "(".repeat(length), ")".repeat(length)),
                    format!("SELECT {}1", "- ".repeat(length)),
                    format!("SELECT 'a'{}", " || 'a'".repeat(length)),
                    format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(length.min(3000))),
                ] {
                    match door.run(&chain).await {
                        Ok(answer) => assert!(!answer.rows.is_empty()),
                        Err(failure) => {
                            let state = failure.sqlstate.as_str();
                            let start = chain.chars().take(60).collect::<String>();
                            assert!(["54001", "54000"].contains(&state), "{length} of {start}: {failure}");
                        }
                    }
                }
            }
            assert_eq!(door.run("SELECT 1").await.unwrap().lines(), ["1"]);
        }
    };
    runtime.block_on(async { tokio::spawn(work).await.unwrap() });
}
