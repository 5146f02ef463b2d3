//! Tokens: fetched once, renewed once, never told.

use contract::ErrorKind;
use serde_json::{Value, json};

use super::http_replies::{Reply, Server};
use crate::{Credentials, Secret};

fn machine() -> Credentials {
    Credentials::Machine {
        client_id: "id".to_owned(),
        client_secret: Secret::new("hidden-secret"),
    }
}

/// A workspace that gives out `t1`, `t2`, … and takes those from `first_good` on.
async fn server(first_good: usize) -> Server {
    let tokens = std::sync::atomic::AtomicUsize::new(0);
    Server::start(move |_, asked| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        if path.contains("well-known") {
            return Reply::json(404, json!({"error_code": "ENDPOINT_NOT_FOUND"}));
        }
        if path == "/oidc/v1/token" {
            let number = tokens.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
            return Reply::json(200, json!({"access_token": format!("t{number}"), "expires_in": "3600"}));
        }
        let good = (first_good..10).any(|number| asked.head.contains(&format!("authorization: bearer t{number}")));
        match good {
            true => Reply::json(200, json!({"ok": true})),
            false => Reply::json(401, json!({"error_code": 401, "message": "expired"})),
        }
    })
    .await
}

fn tokens_asked(server: &Server) -> usize {
    let asked = server.asked();
    asked
        .iter()
        .filter(|asked| asked.line.starts_with("POST /oidc"))
        .count()
}

#[tokio::test]
async fn many_calls_share_one_login() {
    let server = server(1).await;
    let workspace = server.workspace_as(machine());
    let calls = (0..20).map(|_| workspace.get::<Value>(workspace.address(&["x"], &[])));
    assert!(
        futures::future::join_all(calls)
            .await
            .into_iter()
            .all(|answer| answer.is_ok())
    );
    assert_eq!(tokens_asked(&server), 1);
    let login = server
        .asked()
        .into_iter()
        .find(|asked| asked.line.starts_with("POST"))
        .unwrap();
    assert_eq!(login.body, "grant_type=client_credentials&scope=all-apis");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_and_no_more() {
    let good = server(2).await;
    let workspace = good.workspace_as(machine());
    assert!(workspace.get::<Value>(workspace.address(&["x"], &[])).await.is_ok());
    assert_eq!(tokens_asked(&good), 2);

    let bad = server(10).await;
    let workspace = bad.workspace_as(machine());
    let failure = workspace
        .get::<Value>(workspace.address(&["x"], &[]))
        .await
        .unwrap_err();
    let error = failure.into_error("lake");
    assert_eq!(error.kind(), ErrorKind::SourceRejected);
    assert_eq!(tokens_asked(&bad), 2);
    assert!(!format!("{error:?}{workspace:?}").contains("hidden-secret"));
}

#[tokio::test]
async fn a_fixed_token_is_not_tried_twice() {
    let server = server(10).await;
    let workspace = server.workspace_as(Credentials::Token(Secret::new("dapi-hidden")));
    assert!(workspace.get::<Value>(workspace.address(&["x"], &[])).await.is_err());
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn kept_secrets_are_decoded() {
    let server = Server::start(|_, asked| match asked.line.contains("scope=lake&key=password") {
        true => Reply::json(200, json!({"key": "password", "value": "czNjcjN0LXbDpGx1ZQ=="})),
        false => Reply::json(404, json!({"error_code": "RESOURCE_DOES_NOT_EXIST"})),
    })
    .await;
    let workspace = server.workspace();
    let secret = workspace.secret("lake", "password").await.unwrap();
    assert_eq!(secret.expose(), "s3cr3t-välue");
    let error = workspace.secret("lake", "nothing").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}
