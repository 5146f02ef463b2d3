//! Spark itself, with Delta, as a Spark Connect server.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::installed::{folder, present};
use crate::server_process::ServerProcess;
use crate::spark_client::SparkClient;

/// What the JDK must let Spark look into; the list of Spark's own launcher.
const OPENED: [&str; 14] = [
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
];

/// Spark reads its configuration from the system properties of its process.
const PROPERTIES: [(&str, &str); 16] = [
    ("spark.master", "local[2]"),
    ("spark.app.name", "tests"),
    ("spark.driver.host", "127.0.0.1"),
    ("spark.connect.grpc.binding.address", "127.0.0.1"),
    ("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension"),
    (
        "spark.sql.catalog.spark_catalog",
        "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    ),
    // Fifty by default, each a task: most of the time of a query over a small table.
    ("spark.databricks.delta.snapshotPartitions", "1"),
    ("spark.sql.shuffle.partitions", "2"),
    ("spark.sql.ansi.enabled", "true"),
    ("spark.sql.session.timeZone", "UTC"),
    // Tells which jobs run.
    ("spark.ui.enabled", "true"),
    // Plans of statements that are done, of which thousands are run.
    ("spark.sql.ui.retainedExecutions", "10"),
    ("spark.connect.ui.retainedStatements", "10"),
    ("spark.port.maxRetries", "0"),
    ("spark.ui.showConsoleProgress", "false"),
    ("user.timezone", "UTC"),
];

/// Quiet but for the line that names the port.
const LOGGING: &str = "
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n%ex
logger.connect.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.connect.level = info
";

/// A server on the loopback. Dropping it ends it.
#[derive(Debug)]
pub struct SparkServer {
    process: ServerProcess,
    port: u16,
    /// Where it tells what it is doing, by HTTP.
    status: u16,
    /// Its tables without a location, and what it scribbles.
    _scratch: TempDir,
}

impl SparkServer {
    /// The one of this test process, started with the first call; `None`, said aloud, where it is not installed.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<SparkServer>> = OnceCell::const_new();
        SHARED.get_or_init(|| Self::start(0)).await.as_ref()
    }

    /// Starts one on `port`, 0 for a free one; `None`, said aloud, where it is not installed.
    pub async fn start(port: u16) -> Option<Self> {
        let installed = folder("LAKEGATE_REMOTE", "remote").join("spark/jars");
        if !present(&installed, "tests/remote/install.sh") {
            return None;
        }
        let scratch = tempfile::tempdir().unwrap();
        let status = free_port();
        let command = command(&installed, scratch.path(), port, status);
        let (process, port) = ServerProcess::start(&command, port_in).await;
        Some(Self {
            process,
            port,
            status,
            _scratch: scratch,
        })
    }

    /// Where it is, as configurations name it.
    pub fn url(&self) -> String {
        format!("sc://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A session of its own, past everything of ours.
    pub async fn client(&self) -> SparkClient {
        SparkClient::connect(self.port).await
    }

    /// Kills it at once, as a crash does.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// What it wrote last.
    pub fn last_lines(&self) -> String {
        self.process.last_lines()
    }

    /// How many jobs run in it now.
    pub async fn running_jobs(&self) -> usize {
        let Value::Array(applications) = self.status("applications").await else {
            panic!("no list of applications")
        };
        let id = applications[0]["id"].as_str().unwrap();
        let jobs = self.status(&format!("applications/{id}/jobs?status=running")).await;
        jobs.as_array().unwrap().len()
    }

    /// <https://spark.apache.org/docs/latest/monitoring.html#rest-api>
    async fn status(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("http://127.0.0.1:{}/api/v1/{path}", self.status))
            .await
            .unwrap();
        answer.json().await.unwrap()
    }
}

fn command(jars: &Path, scratch: &Path, port: u16, status: u16) -> Command {
    let logging = scratch.join("log4j2.properties");
    std::fs::write(&logging, LOGGING).unwrap();
    let mut command = Command::new("java");
    // Little work, done once: the quick compiler and the simple collector start sooner.
    command.args(["-Xmx4g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
    command.args(
        OPENED
            .iter()
            .map(|package| format!("--add-opens={package}=ALL-UNNAMED")),
    );
    command.args(PROPERTIES.iter().map(|(name, value)| format!("-D{name}={value}")));
    command.arg(format!("-Dspark.ui.port={status}"));
    command.arg(format!("-Dspark.connect.grpc.binding.port={port}"));
    command.arg(format!(
        "-Dspark.sql.warehouse.dir={}",
        scratch.join("warehouse").display()
    ));
    command.arg(format!("-Dspark.local.dir={}", scratch.display()));
    command.arg(format!("-Djava.io.tmpdir={}", scratch.display()));
    command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
    command.arg("-cp").arg(jars.join("*"));
    command.arg("org.apache.spark.sql.connect.service.SparkConnectServer");
    command.env("SPARK_LOCAL_IP", "127.0.0.1");
    command
}

/// The port in the line that says that it listens.
fn port_in(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("Spark Connect server started at: ")?;
    let (_, port) = address.trim_end().rsplit_once(':')?;
    port.parse().ok()
}

/// A port that was free just now. Spark does not tell which one it took, and fails where this one is taken after all.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
