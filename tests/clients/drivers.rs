//! Each driver's script against a server that asks for a password.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::{AccessConfig, ScramVerifier, UnknownUsers, UserEntry};

use crate::served;

/// No script takes so long.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where `install.sh` puts the drivers.
pub(crate) fn installed() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    variable("LAKEGATE_CLIENTS").unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        cache.unwrap_or_default().join("lakegate/clients")
    })
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/scripts").join(name)
}

/// Runs a script with what it needs; skips it aloud when a needed file is missing.
async fn run(needs: &[PathBuf], mut command: Command) {
    let said = format!("{command:?}");
    if let Some(missing) = needs.iter().find(|path| !path.exists()) {
        eprintln!("SKIPPED: no {} (run tests/clients/install.sh)", missing.display());
        assert!(std::env::var_os("CI").is_none(), "CI must have the drivers");
        return;
    }
    let access = AccessConfig {
        users: vec![UserEntry {
            name: "dana".to_owned(),
            verifier: Some(ScramVerifier::derive("pencil", b"saltsaltsaltsalt", 4096)),
            administrator: true,
            ..UserEntry::default()
        }],
        trust_loopback: false,
        unknown_users: UnknownUsers::Refuse,
        ..AccessConfig::open()
    };
    let server = served::start(access).await;
    command
        .env("PGHOST", server.address.ip().to_string())
        .env("PGPORT", server.address.port().to_string())
        .env("PGUSER", "dana")
        .env("PGPASSWORD", "pencil")
        .env("PGDATABASE", "lake")
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output());
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
        }
        Err(error) => {
            eprintln!("SKIPPED: {said} cannot be run ({error})");
            assert!(std::env::var_os("CI").is_none(), "CI must have the drivers");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn psql() {
    let mut command = Command::new("sh");
    command.arg(script("psql.sh"));
    let found = Command::new("psql").arg("--version").output().is_ok();
    let needs = if found { Vec::new() } else { vec![PathBuf::from("psql")] };
    run(&needs, command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psycopg3() {
    let python = installed().join("python/bin/python");
    let mut command = Command::new(&python);
    command.arg(script("psycopg3.py"));
    run(&[python], command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncpg() {
    let python = installed().join("python/bin/python");
    let mut command = Command::new(&python);
    command.arg(script("asyncpg_driver.py"));
    run(&[python], command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pgjdbc() {
    let jar = installed().join("pgjdbc.jar");
    let mut command = Command::new("java");
    command.arg("-cp").arg(&jar).arg(script("PgJdbc.java"));
    run(&[jar], command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_postgres() {
    let folder = installed().join("node/node_modules");
    let mut command = Command::new("node");
    command.arg(script("node_postgres.js")).env("NODE_PATH", &folder);
    run(&[folder], command).await;
}
