//! PostgreSQL as the yardstick, where it is installed: a cluster of its own in a temporary folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::wire::Connection;

const USER: &str = "bench";
const DATABASE: &str = "postgres";
/// A start after a clean end takes tenths of a second.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks whether it is up.
const LOOK: Duration = Duration::from_millis(1);
/// Everything in memory and nothing made safe: what is measured is reading.
const SETTINGS: [&str; 6] = [
    "shared_buffers=1GB",
    "fsync=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_wal_size=8GB",
    "listen_addresses=127.0.0.1",
];

const LINEITEM: &str = "CREATE UNLOGGED TABLE lineitem (l_orderkey bigint, l_partkey bigint, l_suppkey bigint, \
    l_linenumber int, l_quantity numeric(15,2), l_extendedprice numeric(15,2), l_discount numeric(15,2), \
    l_tax numeric(15,2), l_returnflag text, l_linestatus text, l_shipdate date, l_commitdate date, \
    l_receiptdate date, l_shipinstruct text, l_shipmode text, l_comment text)";

/// A running PostgreSQL.
pub(crate) struct Postgres {
    child: Option<Child>,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    port: u16,
    /// When it was last started.
    pub(crate) started: Instant,
    folder: TempDir,
}

/// Where `initdb` and `postgres` lie: in PATH, or where distributions put servers.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// PostgreSQL refuses to run as root: whom to run it as then.
fn owner() -> Outcome<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    found
        .map(Some)
        .ok_or_else(|| "there is no user postgres or nobody to run it as".into())
}

impl Postgres {
    /// Makes a cluster and starts it. None if PostgreSQL is not installed.
    pub(crate) fn start() -> Outcome<Option<Self>> {
        let Some(programs) = programs() else {
            return Ok(None);
        };
        let folder = tempfile::Builder::new().prefix("bench-postgres-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let owner = owner()?;
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let mut postgres = Self {
            child: None,
            programs,
            owner,
            port: 0,
            started: Instant::now(),
            folder,
        };
        let mut initdb = postgres.command("initdb");
        initdb.args([
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--username",
            USER,
            "--pgdata",
        ]);
        let output = initdb.arg(postgres.data()).output()?;
        if !output.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        postgres.start_again()?;
        Ok(Some(postgres))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.gid(group).uid(user);
        }
        command
    }

    /// Ends it if it runs, and starts it; returns when it answers, with the connection that found out.
    pub(crate) fn start_again(&mut self) -> Outcome<Connection> {
        self.stop();
        // Free a moment ago; whoever takes it in between makes the start fail, which the caller tells.
        self.port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-k"])
            .arg(self.folder.path());
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(self.folder.path().join("log"))?;
        command.stdout(Stdio::null()).stderr(log);
        self.started = Instant::now();
        let child = self.child.insert(command.spawn()?);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        loop {
            if let Ok(connection) = Connection::open(address, USER, DATABASE, "") {
                return Ok(connection);
            }
            let ended = child.try_wait()?.is_some();
            if ended || self.started.elapsed() > START_TIMEOUT {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                let reason = log
                    .lines()
                    .find(|line| line.contains("FATAL"))
                    .unwrap_or("no reason in its log");
                return Err(format!("PostgreSQL does not start on port {}: {reason}", self.port).into());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Fills its table with the rows of ours, through the COPY of both.
    pub(crate) fn load(&self, ours: &mut Connection) -> Outcome<()> {
        let mut connection = self.connect()?;
        connection.simple(LINEITEM)?;
        ours.copy_to("COPY lineitem TO STDOUT", &mut connection, "COPY lineitem FROM STDIN")?;
        // Sets the hint bits and the visibility map: without it the first reader would.
        connection.simple("VACUUM (FREEZE, ANALYZE) lineitem")?;
        Ok(())
    }

    pub(crate) fn connect(&self) -> Outcome<Connection> {
        Connection::open(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), USER, DATABASE, "")
    }

    pub(crate) fn version(&self) -> String {
        let output = self.command("postgres").arg("--version").output();
        output.map_or_else(
            |_| "PostgreSQL".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let mut command = self.command("pg_ctl");
        command.args(["stop", "--silent", "--mode=fast", "-D"]).arg(self.data());
        let stopped = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = child.kill();
        }
        let _ = child.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}
