//! The real client.

use std::process::{Command, Output};

use frontend_postgres::PostgresOptions;
use system_tests::certificate::certificate;
use system_tests::server::TestServer;

use crate::login::with_password;
use crate::tables::source;

/// Runs psql; none if it is not installed, which is said aloud, and an error where CI is.
fn psql(server: &TestServer, connection: &str, arguments: &[&str]) -> Option<Output> {
    let address = format!("host=127.0.0.1 port={} {connection}", server.address.port());
    let mut run = Command::new("psql");
    run.arg("-X")
        .arg("-At")
        .arg(address)
        .args(arguments)
        .env("PGPASSWORD", "pencil");
    match tokio::task::block_in_place(|| run.output()) {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("SKIPPED: psql cannot be run ({error})");
            assert!(std::env::var_os("CI").is_none(), "CI must have psql");
            None
        }
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_asks_and_is_answered() {
    let server = TestServer::open(source()).await;
    let connection = "user=ana dbname=lake";
    let Some(output) = psql(
        &server,
        connection,
        &["-c", "SELECT id, city FROM trips ORDER BY id LIMIT 3"],
    ) else {
        return;
    };
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        ("1|Oslo\n2|Bonn\n3|\n", "")
    );
    let output = psql(&server, connection, &["-c", "SELECT 1; SELECT nope", "-c", "SELECT 2"]).unwrap();
    assert_eq!(text(&output.stdout), "1\n2\n");
    assert!(
        text(&output.stderr).contains("LINE 1: SELECT 1; SELECT nope\n                         ^"),
        "{output:?}"
    );
    let copy = ["-c", "\\copy (SELECT city FROM trips ORDER BY id) TO STDOUT CSV"];
    assert_eq!(
        text(&psql(&server, connection, &copy).unwrap().stdout),
        "Oslo\nBonn\n\nŁódź\nUr\n"
    );
    // Without a database libpq asks for one of the user's name.
    let output = psql(&server, "user=ana", &["-c", "SELECT current_database()"]).unwrap();
    assert_eq!(text(&output.stdout), "lake\n");
    // What `psql -l` asks for.
    let output = psql(&server, "user=ana dbname=postgres", &["-l"]).unwrap();
    assert!(
        text(&output.stdout).starts_with("lake|"),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_binds_its_password_to_the_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let options = PostgresOptions {
        tls: Some(tls),
        require_tls: true,
        ..PostgresOptions::default()
    };
    let server = TestServer::start(source(), with_password(), options).await;
    let connection = "user=dana dbname=lake sslmode=require channel_binding=require";
    let Some(output) = psql(&server, connection, &["-c", "SELECT 1"]) else {
        return;
    };
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("1\n", ""));
    let output = psql(&server, "user=dana dbname=lake sslmode=disable", &["-c", "SELECT 1"]).unwrap();
    assert!(text(&output.stderr).contains("with TLS only"), "{output:?}");
}
