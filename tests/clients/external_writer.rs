//! Delta tables that another program writes while the server runs: Python's `deltalake`, which shares no code path of
//! ours. Whatever it commits, the next statement of a connection that was open before sees it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::{AccessConfig, Engine, EngineOptions};
use frontend_postgres::PostgresOptions;
use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
use system_tests::server::TestServer;
use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage, Statement};
use url::Url;

use crate::drivers::{installed, script};

/// No step takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// The other program. It ends when this is dropped.
struct Writer {
    child: Child,
    /// Its standard input and output; away while it is working.
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Writer {
    /// Starts it; gives nothing, and says so, where it is not installed.
    fn start(folder: &TempDir) -> Option<Self> {
        let python: PathBuf = installed().join("python/bin/python");
        let library = Command::new(&python).args(["-c", "import deltalake, pyarrow"]).output();
        if !library.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: no deltalake for Python (run tests/clients/install.sh)");
            assert!(std::env::var_os("CI").is_none(), "CI must have the drivers");
            return None;
        }
        let mut child = Command::new(python)
            .arg(script("delta_writer.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipes = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        Some(Self { child, pipes })
    }

    /// Has it do a step, to the end.
    async fn does(&mut self, step: &str) {
        let (mut input, mut output) = self.pipes.take().expect("one step at a time");
        let order = format!("{step}\n");
        let working = tokio::task::spawn_blocking(move || {
            input.write_all(order.as_bytes()).unwrap();
            let mut answer = String::new();
            output.read_line(&mut answer).unwrap();
            (answer, (input, output))
        });
        let working = tokio::time::timeout(PATIENCE, working).await;
        let (answer, pipes) = working.expect("the other program does not answer").unwrap();
        assert_eq!(answer.trim_end(), format!("ok {step}"));
        self.pipes = Some(pipes);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn serve(folder: &TempDir) -> TestServer {
    let location = Url::from_directory_path(folder.path()).unwrap();
    let opener = DeltaOpener::new(DeltaOptions::default());
    let options = EngineOptions {
        default_schema: "public".to_owned(),
        ..EngineOptions::default()
    };
    let engine = Engine::builder(options)
        .source(DeltaFolder::new("lake", location, BTreeMap::new(), "default", opener).unwrap())
        .access(AccessConfig::open())
        .build()
        .unwrap();
    TestServer::over(engine, PostgresOptions::default()).await
}

/// A client with statements that it prepared long ago.
struct Reader {
    client: Client,
    ids: Statement,
    some: Statement,
}

impl Reader {
    async fn open(server: &TestServer) -> Self {
        let client = server.connect().await;
        client
            .batch_execute("PREPARE ids AS SELECT id FROM trips ORDER BY id")
            .await
            .unwrap();
        Self {
            ids: client.prepare("SELECT id FROM trips ORDER BY id").await.unwrap(),
            some: client
                .prepare("SELECT count(*), min(city) FROM trips WHERE id >= $1")
                .await
                .unwrap(),
            client,
        }
    }

    /// The rows of a query over the simple protocol, `∅` for NULL.
    async fn rows(&self, sql: &str) -> Vec<String> {
        let messages = self.client.simple_query(sql).await;
        let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|column| row.get(column).unwrap_or("∅"));
                Some(values.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }

    /// All ways to read the table agree on these rows.
    async fn sees(&self, ids: &[i64], after: &str) {
        let texts: Vec<_> = ids.iter().map(i64::to_string).collect();
        assert_eq!(
            self.rows("SELECT id FROM trips ORDER BY id").await,
            texts,
            "after {after}"
        );
        assert_eq!(self.rows("EXECUTE ids").await, texts, "EXECUTE after {after}");
        assert_eq!(
            self.rows("SELECT count(*) FROM trips").await,
            [ids.len().to_string()],
            "count after {after}"
        );
        let answer = self.client.query(&self.ids, &[]).await;
        let answer = answer.unwrap_or_else(|error| panic!("prepared, after {after}: {error:?}"));
        let prepared: Vec<i64> = answer.iter().map(|row| row.get(0)).collect();
        assert_eq!(prepared, ids, "prepared, after {after}");
        let row = self.client.query_one(&self.some, &[&3_i64]).await.unwrap();
        let expected = ids.iter().filter(|id| **id >= 3).count();
        assert_eq!(row.get::<_, i64>(0), expected as i64, "with a parameter, after {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_is_seen_by_the_next_statement() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut writer) = Writer::start(&folder) else {
        return;
    };
    let server = serve(&folder).await;
    let early = server.connect().await;
    let error = early.simple_query("SELECT * FROM trips").await.unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("42P01"));
    writer.does("create").await;
    early.simple_query("SELECT * FROM trips").await.unwrap();

    let reader = Reader::open(&server).await;
    reader.sees(&[1, 2, 3], "create").await;
    writer.does("append").await;
    reader.sees(&[1, 2, 3, 4, 5], "append").await;

    writer.does("append_with_new_column").await;
    reader.sees(&[1, 2, 3, 4, 5, 6], "append_with_new_column").await;
    let fares = reader.rows("SELECT id, fare FROM trips WHERE id > 4 ORDER BY id").await;
    assert_eq!(fares, ["5|∅", "6|1.50"]);
    let all = reader
        .client
        .prepare("SELECT * FROM trips ORDER BY id DESC LIMIT 1")
        .await
        .unwrap();
    assert_eq!(all.columns().len(), 3);

    writer.does("add_column").await;
    reader.sees(&[1, 2, 3, 4, 5, 6], "add_column").await;
    let columns =
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'trips' ORDER BY ordinal_position";
    assert_eq!(reader.rows(columns).await, ["id", "city", "fare", "seen"]);
    // As PostgreSQL puts it, a cached plan must not change its result type.
    let error = reader
        .client
        .query(&all, &[])
        .await
        .expect_err("the statement has another column now");
    assert_eq!(error.code().map(|code| code.code()), Some("0A000"), "{error:?}");
    writer.does("append_to_all_columns").await;
    reader.sees(&[1, 2, 3, 4, 5, 6, 7], "append_to_all_columns").await;
    let last = reader.rows("SELECT * FROM trips ORDER BY id DESC LIMIT 1").await;
    assert_eq!(last, ["7|city 7|2.25|2024-02-29 12:00:00+00"]);

    writer.does("delete").await;
    reader.sees(&[1, 3, 5, 7], "delete").await;
    writer.does("update").await;
    reader.sees(&[1, 3, 5, 7], "update").await;
    assert_eq!(reader.rows("SELECT city FROM trips WHERE id = 3").await, ["Oslo"]);
    writer.does("merge").await;
    reader.sees(&[1, 3, 5, 7, 8], "merge").await;
    assert_eq!(
        reader
            .rows("SELECT city FROM trips WHERE id IN (3, 8) ORDER BY id")
            .await,
        ["Bonn", "Ur"]
    );

    for step in ["checkpoint", "compact", "vacuum", "checkpoint", "forget_log"] {
        writer.does(step).await;
        reader.sees(&[1, 3, 5, 7, 8], step).await;
    }
    writer.does("append").await;
    reader.sees(&[1, 3, 4, 5, 5, 7, 8], "append behind a checkpoint").await;
    // A server that starts now reads the checkpoint, and the commits behind it.
    let second = serve(&folder).await;
    let fresh = Reader::open(&second).await;
    fresh.sees(&[1, 3, 4, 5, 5, 7, 8], "a start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_kind_at_the_same_place_is_another_table() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut writer) = Writer::start(&folder) else {
        return;
    };
    let server = serve(&folder).await;
    writer.does("create").await;
    let reader = Reader::open(&server).await;
    reader.sees(&[1, 2, 3], "create").await;

    writer.does("overwrite").await;
    assert_eq!(reader.rows("SELECT * FROM trips ORDER BY id").await, ["a|1.5", "b|∅"]);
    let errors = [
        reader
            .client
            .query(&reader.ids, &[])
            .await
            .expect_err("its column is text now"),
        reader
            .client
            .simple_query("EXECUTE ids")
            .await
            .expect_err("so is this one"),
    ];
    for error in errors {
        assert_eq!(error.code().map(|code| code.code()), Some("0A000"), "{error:?}");
    }

    writer.does("anew").await;
    reader.sees(&[100], "anew").await;
    writer.does("drop").await;
    for sql in ["SELECT * FROM trips", "EXECUTE ids"] {
        let error = reader.client.simple_query(sql).await.expect_err(sql);
        assert_eq!(error.code().map(|code| code.code()), Some("42P01"), "{sql}");
    }
    writer.does("create").await;
    reader.sees(&[1, 2, 3], "create again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut writer) = Writer::start(&folder) else {
        return;
    };
    let server = serve(&folder).await;
    writer.does("create_parts").await;
    let client = server.connect().await;
    let prepared = client
        .prepare("SELECT day::text, count(*), sum(n) FROM parts GROUP BY day ORDER BY day")
        .await
        .unwrap();
    for (step, expected) in [
        ("append_part", vec![("2024-01-01", 2, 1), ("2024-01-02", 3, 3)]),
        ("overwrite_part", vec![("2024-01-01", 1, 0), ("2024-01-02", 3, 3)]),
        ("delete_part", vec![("2024-01-01", 1, 0)]),
        ("restore_parts", vec![("2024-01-01", 2, 1), ("2024-01-02", 3, 3)]),
    ] {
        writer.does(step).await;
        let answer = client.query(&prepared, &[]).await.unwrap();
        let seen: Vec<(&str, i64, i64)> = answer.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        assert_eq!(seen, expected, "after {step}");
        let one = client
            .query_one("SELECT count(*) FROM parts WHERE day = '2024-01-01'", &[])
            .await
            .unwrap();
        assert_eq!(one.get::<_, i64>(0), expected[0].1, "after {step}");
    }
}

/// In a transaction block a table stays what it was at first use, also for prepared statements; then it moves on. Data
/// files that are removed underneath are an error, never fewer rows.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_keeps_the_version_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut writer) = Writer::start(&folder) else {
        return;
    };
    let server = serve(&folder).await;
    writer.does("create").await;
    let reader = Reader::open(&server).await;
    reader.rows("BEGIN").await;
    reader.sees(&[1, 2, 3], "BEGIN").await;
    writer.does("append").await;
    reader.sees(&[1, 2, 3], "an append of others").await;
    writer.does("append_with_new_column").await;
    reader.sees(&[1, 2, 3], "a new column of others").await;
    reader.rows("COMMIT").await;
    reader.sees(&[1, 2, 3, 4, 5, 6], "COMMIT").await;

    reader.rows("BEGIN").await;
    assert_eq!(reader.rows("SELECT count(*) FROM trips").await, ["6"]);
    writer.does("delete").await;
    writer.does("vacuum").await;
    let gone = reader.client.simple_query("SELECT sum(id), max(city) FROM trips").await;
    let error = gone.expect_err("files of the old version are gone");
    assert!(!error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    reader.rows("ROLLBACK").await;
    reader.sees(&[1, 3, 5], "ROLLBACK").await;
}

/// While the other program commits, every answer is a whole number of its commits, and never fewer than before.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_whole_commits() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut writer) = Writer::start(&folder) else {
        return;
    };
    let server = serve(&folder).await;
    writer.does("create").await;
    let done = AtomicBool::new(false);
    let reading = async || {
        let client = server.connect().await;
        let sql = "SELECT count(*), coalesce(sum(id % 2), 0)::bigint FROM trips WHERE id >= 1000";
        let prepared = client.prepare(sql).await.unwrap();
        let (mut before, mut asked) = (0, 0);
        loop {
            let ends = done.load(Ordering::Acquire);
            let row = client.query_one(&prepared, &[]).await.unwrap();
            let (count, odd): (i64, i64) = (row.get(0), row.get(1));
            assert!(
                count % 2 == 0 && odd * 2 == count,
                "half a commit: {count} rows, {odd} odd"
            );
            assert!(count >= before, "{count} rows after {before}");
            (before, asked) = (count, asked + 1);
            if ends {
                assert_eq!(count, 60);
                return asked;
            }
        }
    };
    let writing = async {
        writer.does("many_appends").await;
        done.store(true, Ordering::Release);
    };
    let (asked, others, ()) = futures::join!(reading(), reading(), writing);
    println!("{asked} and {others} answers while 30 commits were made");
}
