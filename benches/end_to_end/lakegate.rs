//! The server under measurement: found or built, started on a free port, ended with the bench.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::table::progress;
use crate::wire::Connection;

/// The catalog that the demo's tables are mounted as.
pub(crate) const CATALOG: &str = "samples";
/// Everyone's password where passwords are asked for.
const PASSWORD: &str = "bench";
/// Few rounds: a login is not what is measured there.
const ROUNDS: &str = "4096";

/// A running server.
pub(crate) struct Lakegate {
    child: Child,
    /// Where it speaks PostgreSQL's protocol.
    pub(crate) address: SocketAddr,
    pub(crate) flight: SocketAddr,
    pub(crate) rest: SocketAddr,
    /// From the start of the process to its line that it is ready.
    pub(crate) ready: Duration,
    /// When it was started.
    pub(crate) started: Instant,
}

/// The server's binary: the one that was named, the one beside this program, or one that cargo builds now.
pub(crate) fn binary(named: Option<&Path>) -> Outcome<PathBuf> {
    if let Some(path) = named {
        return Ok(path.canonicalize()?);
    }
    let own = std::env::current_exe()?;
    let profile = own
        .parent()
        .and_then(Path::parent)
        .ok_or("this program lies in no target folder")?;
    let beside = profile.join("lakegate");
    if beside.exists() {
        let age = beside.metadata()?.modified()?.elapsed().unwrap_or_default();
        progress(format!(
            "server: {} (built {} min ago)",
            beside.display(),
            age.as_secs() / 60
        ));
        return Ok(beside);
    }
    progress("server: none beside this program, cargo builds it");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace's features, as in every other build: others would compile everything again.
    cargo.args(["build", "--locked", "--workspace", "--bin", "lakegate"]);
    if profile.file_name().is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    let target = profile.parent().ok_or("this program lies in no target folder")?;
    cargo.env("CARGO_TARGET_DIR", target);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    match cargo.status()?.success() && beside.exists() {
        true => Ok(beside),
        false => Err("the server was not built: name one with --server".into()),
    }
}

/// Makes the demo's tables where they are missing.
pub(crate) fn make_data(binary: &Path, folder: &Path, scale: f64) -> Outcome<()> {
    let mut command = Command::new(binary);
    command.args([
        "sql",
        "--demo",
        "--demo-scale",
        &scale.to_string(),
        "-c",
        "SELECT 1",
        "--data-dir",
    ]);
    let status = command.arg(folder).stdout(Stdio::null()).status()?;
    match status.success() {
        true => Ok(()),
        false => Err("the demo's data could not be made".into()),
    }
}

/// Writes a configuration over the demo's tables into `folder`. With `rules` each of `users` is asked for a password;
/// the second part says whether no rule applies to it.
pub(crate) fn configuration(
    binary: &Path,
    folder: &Path,
    tables: &Path,
    access: Option<(&str, &[(&str, bool)])>,
) -> Outcome<PathBuf> {
    let mut text = format!(
        "[engine]\ndefault_catalog = \"{CATALOG}\"\ndefault_schema = \"tpch\"\n\n[[service]]\nname = \"{CATALOG}\"\n\
         type = \"delta\"\nlocation = {:?}\n",
        tables.display().to_string()
    );
    if let Some((rules, users)) = access {
        std::fs::write(folder.join("access.sql"), rules)?;
        let verifier = verifier(binary)?;
        text += "\n[access]\nrules = [\"access.sql\"]\n";
        for (user, administrator) in users {
            text += &format!("\n[[access.user]]\nname = \"{user}\"\npassword = \"{verifier}\"\n");
            text += &match administrator {
                true => "administrator = true\n".to_owned(),
                false => format!("roles = [\"{user}\"]\n"),
            };
        }
    }
    let name = if access.is_some() { "rules.toml" } else { "open.toml" };
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Writes a configuration into `folder`, and says where.
pub(crate) fn written(folder: &Path, name: &str, text: &str) -> Outcome<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}

fn verifier(binary: &Path) -> Outcome<String> {
    let mut command = Command::new(binary);
    command.args(["hash-password", "--iterations", ROUNDS]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{PASSWORD}")?;
    }
    let output = child.wait_with_output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Lakegate {
    /// Starts a server on any free port of the loopback.
    pub(crate) fn start(binary: &Path, configuration: &Path) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command
            .args([
                "serve",
                "--postgres",
                "127.0.0.1:0",
                "--flight",
                "127.0.0.1:0",
                "--rest",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(configuration);
        command
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let ready = started.elapsed();
        let address = |door: &str| {
            let mut words = line.split_whitespace().filter_map(|word| word.split_once('='));
            words.find_map(|(name, address)| (name == door).then(|| address.parse().ok())?)
        };
        match (address("postgres"), address("flight"), address("rest")) {
            (Some(address), Some(flight), Some(rest)) => Ok(Self {
                child,
                address,
                flight,
                rest,
                ready,
                started,
            }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the server did not say that it is ready; its reason stands above".into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn connect(&self, user: &str) -> Outcome<Connection> {
        self.connect_to(user, CATALOG)
    }

    pub(crate) fn connect_to(&self, user: &str, catalog: &str) -> Outcome<Connection> {
        Connection::open(self.address, user, catalog, PASSWORD)
    }
}

impl Drop for Lakegate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
