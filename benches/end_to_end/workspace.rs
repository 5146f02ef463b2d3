//! The stand-in of a workspace, and a client that does with it only what the service asks for.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::{Engine, SessionOptions};
use futures::StreamExt as _;
use reqwest::{Client, Method};
use serde_json::{Map, Value, json};
use system_tests::workspace_server::WorkspaceServer;
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::http::Http;

/// As `default_state.json` declares them.
pub(crate) const TOKEN: &str = "dapi-gateway-0000";
pub(crate) const WAREHOUSE: &str = "abc123def4567890";

/// A stand-in that runs, with a runtime for its client.
pub(crate) struct Workspace {
    pub(crate) runtime: Runtime,
    server: WorkspaceServer,
    http: Client,
}

/// What a statement left: its links, and how much is behind them as Arrow.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) urls: Vec<String>,
    pub(crate) rows: u64,
    /// Before compression.
    pub(crate) plain_bytes: u64,
}

/// What came of downloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Downloads {
    pub(crate) bytes: u64,
    pub(crate) whole: Duration,
}

impl Workspace {
    /// Starts one; `None`, said aloud, where it is not installed.
    pub(crate) fn start() -> Outcome<Option<Self>> {
        let runtime = Runtime::new()?;
        let server = runtime.block_on(WorkspaceServer::start(&[]));
        Ok(server.map(|server| Self {
            runtime,
            server,
            http: Client::new(),
        }))
    }

    /// Turns settings, adds tables, arms scripts: a POST to its control port.
    pub(crate) fn control(&self, path: &str, body: &Value) {
        self.runtime
            .block_on(self.server.control(Method::POST, path, Some(body)));
    }

    /// What its control port tells.
    pub(crate) fn ask(&self, path: &str) -> Value {
        self.runtime.block_on(self.server.control(Method::GET, path, None))
    }

    /// A service of ours over it, with `more` keys.
    pub(crate) fn service(&self, more: &str) -> String {
        let at = &self.server.at;
        format!(
            "\n[[service]]\nname = \"databricks\"\ntype = \"databricks\"\nworkspace_url = \"{}\"\naccess_token = \"{TOKEN}\"\n\
             catalogs = [\"main\"]\nstorage = {{ aws_endpoint = \"{}\" }}\n{more}\n",
            at.api, at.objects
        )
    }

    /// Runs a statement and follows its answers to the last link.
    pub(crate) fn links(&self, statement: &str) -> Outcome<Links> {
        self.runtime.block_on(self.follow(statement))
    }

    async fn follow(&self, statement: &str) -> Outcome<Links> {
        let body = json!({
            "warehouse_id": WAREHOUSE, "statement": statement, "wait_timeout": "50s", "disposition": "EXTERNAL_LINKS",
            "format": "ARROW_STREAM", "result_compression": "LZ4_FRAME",
        });
        let mut answer = self.call(Method::POST, "/api/2.0/sql/statements", Some(&body)).await?;
        let id = answer["statement_id"].as_str().unwrap_or_default().to_owned();
        while matches!(answer["status"]["state"].as_str(), Some("PENDING" | "RUNNING")) {
            answer = self
                .call(Method::GET, &format!("/api/2.0/sql/statements/{id}"), None)
                .await?;
        }
        if answer["status"]["state"] != "SUCCEEDED" {
            return Err(format!("the statement ended as {}", answer["status"]).into());
        }
        let mut links = Links {
            urls: Vec::new(),
            rows: answer["manifest"]["total_row_count"].as_u64().unwrap_or(0),
            plain_bytes: answer["manifest"]["total_byte_count"].as_u64().unwrap_or(0),
        };
        let mut result = answer["result"].take();
        loop {
            let items = result["external_links"].as_array().cloned().unwrap_or_default();
            links.urls.extend(
                items
                    .iter()
                    .filter_map(|item| item["external_link"].as_str().map(str::to_owned)),
            );
            let next = items.last().and_then(|item| item["next_chunk_internal_link"].as_str());
            let Some(next) = next else { break };
            result = self.call(Method::GET, next, None).await?;
        }
        Ok(links)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let request = self
            .http
            .request(method, format!("{}{path}", self.server.at.api))
            .bearer_auth(TOKEN);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        match status.is_success() {
            true => Ok(serde_json::from_str(&text)?),
            false => Err(format!("{path}: {status}: {text}").into()),
        }
    }
}

/// Fetches what lies behind links over so many connections and throws it away.
pub(crate) fn download(urls: &[String], connections: usize) -> Outcome<Downloads> {
    let start = Instant::now();
    let left: Arc<Mutex<VecDeque<String>>> = Arc::new(Mutex::new(urls.iter().cloned().collect()));
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let left = Arc::clone(&left);
            std::thread::spawn(move || fetch(&left))
        })
        .collect();
    let mut bytes = 0;
    for worker in workers {
        bytes += worker.join().map_err(|_| "a download failed")??;
    }
    Ok(Downloads {
        bytes,
        whole: start.elapsed(),
    })
}

fn fetch(left: &Mutex<VecDeque<String>>) -> Outcome<u64> {
    let mut connection: Option<(SocketAddr, Http)> = None;
    let mut bytes = 0;
    loop {
        let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(url) = next else { return Ok(bytes) };
        let rest = url.strip_prefix("http://").ok_or("a link that is not plain HTTP")?;
        let (host, path) = rest.split_once('/').ok_or("a link without a path")?;
        let address: SocketAddr = host.parse()?;
        let mut http = match connection.take() {
            Some((known, http)) if known == address => http,
            _ => Http::connect(address)?,
        };
        bytes += http.get(&format!("/{path}"))?.bytes;
        connection = Some((address, http));
    }
}

impl Workspace {
    /// Fetches what lies behind links over so many connections, each part as a whole into memory, as whoever wants to
    /// read it must.
    pub(crate) fn download_kept(&self, urls: &[String], connections: usize) -> Outcome<Downloads> {
        let start = Instant::now();
        let parts = futures::stream::iter(urls).map(|url| {
            let (http, url) = (self.http.clone(), url.clone());
            tokio::spawn(async move { http.get(url).send().await?.error_for_status()?.bytes().await })
        });
        let bytes = self.runtime.block_on(async {
            let mut parts = parts.buffered(connections);
            let mut bytes = 0;
            while let Some(part) = parts.next().await {
                bytes += part??.len() as u64;
            }
            Outcome::Ok(bytes)
        })?;
        Ok(Downloads {
            bytes,
            whole: start.elapsed(),
        })
    }

    /// Rows of a statement that are taken from an engine within this process, and how long that took.
    pub(crate) fn embedded(&self, engine: &Engine, sql: &str) -> Outcome<(u64, Duration)> {
        let start = Instant::now();
        let rows = self.runtime.block_on(async {
            let mut session = engine.open_session(engine.identity("bench")?, SessionOptions::default())?;
            let ctx = session.query_context();
            let mut rows = 0;
            for statement in session.parse(sql)? {
                let prepared = session.prepare(statement, &[], &ctx).await?;
                let engine::Outcome::Rows { mut stream, .. } = session.execute(&prepared, Vec::new(), &ctx).await?
                else {
                    return Err("a statement without rows".into());
                };
                while let Some(batch) = stream.next().await {
                    rows += batch?.num_rows() as u64;
                }
            }
            Outcome::Ok(rows)
        })?;
        Ok((rows, start.elapsed()))
    }
}

/// The state that has one table in `main.bench`, for ourselves.
pub(crate) fn bench_schema(name: &str, table: &Value) -> Value {
    bench_tables([(name.to_owned(), table.clone())].into_iter().collect())
}

/// The same with several.
pub(crate) fn bench_tables(tables: Map<String, Value>) -> Value {
    json!({
        "catalogs": {"main": {"schemas": {"bench": {"owner": "admin@example.com", "tables": tables}}}},
        "grants": [{
            "on": "schema", "name": "main.bench", "principal": "gateways",
            "privileges": ["USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"],
        }],
    })
}
