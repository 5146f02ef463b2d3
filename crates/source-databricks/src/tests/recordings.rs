//! What a real open-source server answered, through our client.

use std::path::{Path, PathBuf};

use contract::ErrorKind;
use serde_json::{Value, json};

use super::http_replies::{Reply, Server};
use crate::outcome::Failure;
use crate::unity::{UnityClient, refusal_of_credentials};

/// The recordings; none, said aloud, where they are missing on a developer's machine.
fn folder() -> Option<PathBuf> {
    let data = match std::env::var_os("LAKEGATE_CONFORMANCE_DATA") {
        Some(data) => PathBuf::from(data),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
    };
    let folder = data.join("unity_catalog");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the recordings are missing at {}",
        folder.display()
    );
    println!(
        "SKIPPED: no recordings at {} (set LAKEGATE_CONFORMANCE_DATA)",
        folder.display()
    );
    None
}

fn recordings(folder: &Path) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for mode in ["noauth", "auth"] {
        for entry in std::fs::read_dir(folder.join(mode)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            all.push((path.display().to_string(), serde_json::from_str(&text).unwrap()));
        }
    }
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

/// What our client makes of an answer: `items`, `nothing`, `refused`, or the kind of the error.
async fn outcome(client: &UnityClient, method: &str, path: &str) -> Option<String> {
    let below = path.strip_prefix("/api/2.1/unity-catalog/")?;
    let (call, name) = below.split_once(['?', '/']).unwrap_or((below, ""));
    let told = |failure: Failure| match failure.refusal().and_then(refusal_of_credentials) {
        Some(_) if call == "temporary-table-credentials" => "refused".to_owned(),
        _ => format!("{:?}", failure.into_error("lake").kind()),
    };
    let result = match (method, call) {
        ("GET", "tables") if below.starts_with("tables/") && !name.contains(['/', '?']) => {
            // One was asked for with its dots written as codes.
            let name = name.replace("%2E", ".");
            let parts = name.split('.').collect::<Vec<_>>();
            let found = client.table(parts.try_into().unwrap_or(["a", "b", "c"])).await;
            found.map(|found| if found.is_some() { "items" } else { "nothing" })
        }
        ("GET", "tables") if below.starts_with("tables?") => client.tables("a", "b").await.map(|_| "items"),
        ("GET", "schemas") if below.starts_with("schemas?") => client.schemas("a").await.map(|_| "items"),
        ("POST", "temporary-table-credentials") => client.table_credentials("t").await.map(|_| "items"),
        ("GET", "metastore_summary") => client.region().await.map(|_| "items"),
        _ => return None,
    };
    Some(result.map(str::to_owned).unwrap_or_else(told))
}

fn expected(status: u64, code: &str, call: &str) -> Vec<String> {
    let rejected = format!("{:?}", ErrorKind::SourceRejected);
    let of_credentials = call.contains("temporary-table-credentials");
    match status {
        200 => vec!["items".to_owned()],
        404 if of_credentials || call.contains("schemas?") => vec![rejected],
        404 => vec!["nothing".to_owned(), "items".to_owned()],
        400 | 403 if of_credentials => vec!["refused".to_owned()],
        400 | 401 | 403 => vec![rejected],
        500 => vec![format!("{:?}", ErrorKind::SourceUnavailable)],
        _ => panic!("{status} {code} is not expected"),
    }
}

#[tokio::test]
async fn every_recorded_answer_is_understood() {
    let Some(folder) = folder() else { return };
    let mut understood = 0;
    for (file, recording) in recordings(&folder) {
        let (request, response) = (&recording["request"], &recording["response"]);
        let (method, path) = (request["method"].as_str().unwrap(), request["path"].as_str().unwrap());
        let status = response["status"].as_u64().unwrap();
        let body = match &response["body"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let code = response["body"]["error_code"].as_str().unwrap_or_default().to_owned();
        // The page behind a recorded one is empty. A trouble of the service is not tried again and again here.
        let server = Server::start(move |number, _| match (number, status) {
            (0, _) | (_, 300..) => Reply::json(u16::try_from(status).unwrap(), &body),
            _ => Reply::json(200, json!({})),
        })
        .await;
        if status >= 500 {
            continue;
        }
        let client = UnityClient::new(server.workspace());
        let Some(outcome) = outcome(&client, method, path).await else {
            continue;
        };
        understood += 1;
        assert!(
            expected(status, &code, path).contains(&outcome),
            "{file}: {status} became {outcome}"
        );
    }
    println!("scoreboard unity recordings: {understood} understood");
    assert!(understood >= 50, "only {understood} recordings are calls of ours");
}

#[tokio::test]
async fn recorded_columns_have_types() {
    let Some(folder) = folder() else { return };
    let mut columns = 0;
    for (file, recording) in recordings(&folder) {
        let body = &recording["response"]["body"];
        for column in body["columns"].as_array().into_iter().flatten() {
            let column: crate::unity::ColumnInfo = serde_json::from_value(column.clone()).unwrap();
            let known = column.spark_type();
            assert!(known.is_some(), "{file}: {column:?}");
            columns += 1;
        }
    }
    assert!(columns >= 18, "only {columns} columns are recorded");
}
