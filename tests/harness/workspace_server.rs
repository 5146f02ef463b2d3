//! The stand-in of a Databricks workspace (`tests/stand_ins/workspace`).

use std::path::Path;
use std::process::Command;

use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::Value;

use crate::installed::{folder, present};
use crate::server_process::ServerProcess;

/// What it prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Addresses {
    /// Unity Catalog, statements, logins.
    pub api: String,
    /// What plays the object store of presigned links.
    pub links: String,
    /// What plays Entra ID.
    pub login: String,
    /// What plays S3 for vended keys.
    pub objects: String,
    control: String,
    /// The folder of its tables.
    pub data: String,
}

/// One on free ports of the loopback. Dropping it ends it.
#[derive(Debug)]
pub struct WorkspaceServer {
    process: ServerProcess,
    /// Where its services are.
    pub at: Addresses,
    http: Client,
}

impl WorkspaceServer {
    /// Starts one with more `arguments`; `None`, said aloud, where it is not installed.
    pub async fn start(arguments: &[&str]) -> Option<Self> {
        let python = folder("LAKEGATE_STAND_INS", "stand_ins").join("python/bin/python");
        if !present(&python, "tests/stand_ins/workspace/install.sh") {
            return None;
        }
        let stand_ins = Path::new(env!("CARGO_MANIFEST_DIR")).join("stand_ins");
        let mut command = Command::new(python);
        // The keeper gives it no standard input, whose end would be its own.
        command.args(["-m", "workspace", "--keep-running"]).args(arguments);
        command.env("PYTHONPATH", stand_ins).env("PYTHONUNBUFFERED", "1");
        let ready = |line: &str| serde_json::from_str(line).ok();
        let (process, at) = ServerProcess::start(&command, ready).await;
        let http = Client::new();
        Some(Self { process, at, http })
    }

    /// A call to its control port: `path` behind `/__stand_in__/`, with `body` as JSON where there is one.
    ///
    /// # Panics
    /// With its answer, if that is no success.
    pub async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}/__stand_in__/{path}", self.at.control);
        let request = self.http.request(method, &url);
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// What a correct client would not have sent, so far.
    pub async fn violations(&self) -> Vec<Value> {
        match self.control(Method::GET, "violations", None).await {
            Value::Array(list) => list,
            Value::Object(mut object) => match object.remove("violations") {
                Some(Value::Array(list)) => list,
                other => panic!("no list of violations: {other:?}"),
            },
            other => panic!("no list of violations: {other}"),
        }
    }

    /// Kills it at once, as a crash does.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// What it wrote last.
    pub fn last_lines(&self) -> String {
        self.process.last_lines()
    }
}
