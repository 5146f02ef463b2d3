//! A gateway over the stand-in of a workspace, and what the stand-in saw.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use federation::RemoteEngine;
use reqwest::Method;
use serde_json::{Value, json};
use source_databricks::{Credentials, Secret, WarehouseEngine, WarehouseOptions, Workspace, WorkspaceOptions};
use system_tests::gateway::configured;
use system_tests::transport::{Answer, Transport};
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;
use url::Url;

/// The gateway's own principal, who reads `main` and `samples`.
pub(crate) const TOKEN: &str = "dapi-gateway-0000";
/// A warehouse that runs.
pub(crate) const RUNNING: &str = "abc123def4567890";
/// One that stands still.
pub(crate) const STOPPED: &str = "5709ed0000000000";

/// A service of the type `databricks` at `url`, with `more` keys.
pub(crate) fn service(url: &str, more: &str) -> String {
    format!("\n[[service]]\nname = \"databricks\"\ntype = \"databricks\"\nworkspace_url = \"{url}\"\n{more}\n")
}

/// Settings for tests, with the catalog `main` for short names.
pub(crate) fn settings() -> String {
    "[engine]\ndefault_catalog = \"main\"\ndefault_schema = \"default\"\nmemory_limit = \"1GiB\"\n".to_owned()
}

/// A gateway over the workspace: catalogs `main` and `samples`, a warehouse, and vended keys that its store checks.
pub(crate) fn gateway(workspace: &WorkspaceServer) -> Engine {
    configured(&configuration(workspace), &[])
}

/// The configuration of [`gateway`].
pub(crate) fn configuration(workspace: &WorkspaceServer) -> String {
    let more = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\ncatalogs = [\"main\", \"samples\"]\n\
         storage = {{ aws_endpoint = \"{}\" }}\n",
        workspace.at.objects
    );
    settings() + &service(&workspace.at.api, &more)
}

/// The warehouse alone, at the seam.
pub(crate) fn warehouse(workspace: &WorkspaceServer, id: &str, start_time: Duration) -> Arc<dyn RemoteEngine> {
    let workspace = Workspace::new(WorkspaceOptions {
        service: "databricks".to_owned(),
        url: Url::parse(&workspace.at.api).unwrap(),
        workspace_id: None,
        credentials: Credentials::Token(Secret::new(TOKEN)),
    });
    let options = WarehouseOptions {
        warehouse_id: id.to_owned(),
        start_time,
    };
    WarehouseEngine::new(workspace.unwrap(), options)
}

/// Turns what `settings.py` names.
pub(crate) async fn set(workspace: &WorkspaceServer, settings: Value) {
    workspace.control(Method::POST, "settings", Some(&settings)).await;
}

/// Adds to the world as `default_state.json` does.
pub(crate) async fn declare(workspace: &WorkspaceServer, state: Value) {
    workspace.control(Method::POST, "state", Some(&state)).await;
}

/// The state whose catalog `name` has these tables, each schema and table, of which the files lie below `root`.
pub(crate) fn external(name: &str, root: &Path, tables: &[(&str, &str)]) -> Value {
    let mut schemas: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for (schema, table) in tables {
        let location = Url::from_file_path(root.join(schema).join(table)).unwrap();
        let table_of = schemas.entry(schema).or_default();
        table_of.insert(table, json!({"storage_location": location}));
    }
    let schemas: BTreeMap<_, _> = schemas
        .into_iter()
        .map(|(schema, tables)| (schema, json!({"tables": tables})))
        .collect();
    json!({
        "catalogs": {name: {"owner": "admin@example.com", "schemas": schemas}},
        "grants": [{
            "on": "catalog", "name": name, "principal": "gateways",
            "privileges": ["USE_CATALOG", "USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"],
        }],
    })
}

/// Has something go wrong.
pub(crate) async fn arm(workspace: &WorkspaceServer, fault: &Value) {
    workspace.control(Method::POST, "faults", Some(fault)).await;
}

/// Nothing goes wrong any more.
pub(crate) async fn disarm(workspace: &WorkspaceServer) {
    workspace.control(Method::DELETE, "faults", None).await;
}

/// How often an armed fault took effect.
pub(crate) async fn fired(workspace: &WorkspaceServer) -> u64 {
    let faults = workspace.control(Method::GET, "faults", None).await;
    let list = faults["faults"].as_array().unwrap();
    list.iter().map(|fault| fault["fired"].as_u64().unwrap()).sum()
}

/// The statements whose text holds `part`.
pub(crate) async fn statements(workspace: &WorkspaceServer, part: &str) -> Vec<Value> {
    let all = workspace.control(Method::GET, "statements", None).await;
    let list = all["statements"].as_array().unwrap();
    let holds = |statement: &&Value| statement["text"].as_str().unwrap().contains(part);
    list.iter().filter(holds).cloned().collect()
}

/// The requests whose path holds `part`.
pub(crate) async fn requests(workspace: &WorkspaceServer, part: &str) -> Vec<Value> {
    let journal = workspace
        .control(Method::GET, &format!("requests?path={part}"), None)
        .await;
    journal["requests"].as_array().unwrap().clone()
}

/// The keys that were given out for files below `prefix`.
pub(crate) async fn vended(workspace: &WorkspaceServer, prefix: &str) -> Vec<Value> {
    let all = workspace.control(Method::GET, "credentials", None).await;
    let list = all["credentials"].as_array().unwrap();
    let below = |one: &&Value| one["prefix"].as_str().unwrap().starts_with(prefix);
    list.iter().filter(below).cloned().collect()
}

/// A correct client made all requests so far.
pub(crate) async fn assert_correct(workspace: &WorkspaceServer) {
    let violations = workspace.violations().await;
    assert!(violations.is_empty(), "{}", json!(violations));
}

/// Runs what must work.
pub(crate) async fn answer(session: &mut Embedded, sql: &str) -> Answer {
    let outcome = session.run(sql).await;
    outcome.unwrap_or_else(|failure| panic!("{sql}: {failure}"))
}

/// Its rows.
pub(crate) async fn lines(session: &mut Embedded, sql: &str) -> Vec<String> {
    answer(session, sql).await.lines()
}

/// The plan of a query, for people.
pub(crate) async fn explained(session: &mut Embedded, sql: &str) -> String {
    lines(session, &format!("EXPLAIN {sql}")).await.join("\n")
}
