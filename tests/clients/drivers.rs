//! Each driver's script against a server that asks for a password.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::{AccessConfig, ScramVerifier, TlsOptions, UnknownUsers, UserEntry};
use system_tests::certificate::certificate;
use system_tests::installed::folder;

use crate::served::{self, Doors};

/// No script takes so long.
const PATIENCE: Duration = Duration::from_secs(180);
/// Arrow's memory on Java 16 and later.
const JAVA_OPENS: &str = "--add-opens=java.base/java.nio=ALL-UNNAMED";

/// Where `install.sh` puts the drivers.
pub(crate) fn installed() -> PathBuf {
    folder("LAKEGATE_CLIENTS", "clients")
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/scripts").join(name)
}

/// A Python that has the drivers.
pub(crate) fn python() -> Client {
    let python = installed().join("python/bin/python");
    Client::new(Command::new(&python), [python])
}

/// Java with a driver of `install.sh` on its class path.
pub(crate) fn java(jar: &str) -> Client {
    let jar = installed().join(jar);
    let mut command = Command::new("java");
    // Dates without a zone are those of the machine in JDBC.
    command.args([JAVA_OPENS, "-Duser.timezone=UTC", "-cp"]).arg(&jar);
    Client::new(command, [jar])
}

/// A program of the system.
pub(crate) fn program(name: &str) -> Client {
    Client::new(Command::new(name), missing(name))
}

fn missing(program: &str) -> Option<PathBuf> {
    let found = Command::new(program).arg("--version").output().is_ok();
    (!found).then(|| PathBuf::from(program))
}

/// A program that talks to a server, and the files that it cannot be run without.
pub(crate) struct Client {
    pub(crate) command: Command,
    needs: Vec<PathBuf>,
}

impl Client {
    fn new(command: Command, needs: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            command,
            needs: needs.into_iter().collect(),
        }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds a program that the script calls.
    pub(crate) fn calls(mut self, name: &str) -> Self {
        self.needs.extend(missing(name));
        self
    }

    /// Adds a file that must be there.
    pub(crate) fn need(mut self, path: PathBuf) -> Self {
        self.needs.push(path);
        self
    }

    /// Runs it to its end, which must be a success, and gives what it printed. Skips it aloud, and gives nothing, when
    /// a needed file is missing.
    pub(crate) async fn run(mut self, doors: &Doors) -> Option<String> {
        let said = format!("{:?}", self.command);
        if let Some(missing) = self.needs.iter().find(|path| !path.exists()) {
            eprintln!("SKIPPED: no {} (run tests/clients/install.sh)", missing.display());
            assert!(std::env::var_os("CI").is_none(), "CI must have the drivers");
            return None;
        }
        doors.tell(&mut self.command);
        self.command.stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || self.command.output());
        let output = tokio::time::timeout(PATIENCE, output)
            .await
            .expect("the script does not end")
            .unwrap();
        match output {
            Ok(output) => {
                let text = [output.stdout, output.stderr]
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                    .concat();
                assert!(output.status.success(), "{said} gives {}:\n{text}", output.status);
                println!("{text}");
                Some(text)
            }
            Err(error) => {
                eprintln!("SKIPPED: {said} cannot be run ({error})");
                assert!(std::env::var_os("CI").is_none(), "CI must have the drivers");
                None
            }
        }
    }
}

/// `dana`, who has a password, and nobody else.
fn access() -> AccessConfig {
    AccessConfig {
        users: vec![UserEntry {
            name: "dana".to_owned(),
            verifier: Some(ScramVerifier::derive("pencil", b"saltsaltsaltsalt", 4096)),
            administrator: true,
            ..UserEntry::default()
        }],
        trust_loopback: false,
        unknown_users: UnknownUsers::Refuse,
        ..AccessConfig::open()
    }
}

async fn run(client: Client) {
    run_encrypted(client, None).await;
}

async fn run_encrypted(mut client: Client, tls: Option<TlsOptions>) {
    let doors = Doors::open(&served::engine(access()), tls).await;
    client
        .command
        .env("PGUSER", "dana")
        .env("PGPASSWORD", "pencil")
        .env("PGDATABASE", "lake");
    client.run(&doors).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psql() {
    run(program("sh").calls("psql").arg(script("psql.sh"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg3() {
    run(python().arg(script("psycopg3.py"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncpg() {
    run(python().arg(script("asyncpg_driver.py"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pgjdbc() {
    run(java("pgjdbc.jar").arg(script("PgJdbc.java"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_postgres() {
    let folder = installed().join("node/node_modules");
    let mut client = program("node").arg(script("node_postgres.js")).need(folder.clone());
    client.command.env("NODE_PATH", &folder);
    run(client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adbc_flightsql() {
    run(python().arg(script("adbc_flightsql.py"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adbc_flightsql_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let Some(tls) = certificate(folder.path()) else { return };
    let client = python().arg(script("adbc_tls.py")).arg(&tls.cert_path);
    run_encrypted(client, Some(tls)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pyarrow_flight() {
    run(python().arg(script("pyarrow_flight.py"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight_sql_jdbc() {
    run(java("flight-sql-jdbc.jar").arg(script("FlightSqlJdbc.java"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl() {
    run(program("sh").calls("curl").arg(script("curl.sh"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch() {
    run(program("node").arg(script("fetch.js"))).await;
}
