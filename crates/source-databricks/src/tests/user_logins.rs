//! Users with tokens of their own: confirmed by the workspace, exchanged there, kept apart.

use std::sync::atomic::{AtomicUsize, Ordering};

use contract::{ErrorKind, UserToken};
use serde_json::{Value, json};
use url::Url;

use super::http_replies::{Asked, Reply, Server};
use crate::{Credentials, UserWorkspaces, WorkspaceOptions};

fn users(url: &Url, exchange: bool) -> contract::Result<UserWorkspaces> {
    let options = WorkspaceOptions {
        service: "lake".to_owned(),
        url: url.clone(),
        workspace_id: None,
        credentials: Credentials::None,
    };
    UserWorkspaces::new(options, exchange)
}

fn token(number: u8) -> UserToken {
    UserToken::new(&format!("hidden-{number}"), [number; 32])
}

fn is_of(asked: &Asked, token: &str) -> bool {
    asked.head.contains(&format!("authorization: bearer {token}"))
}

#[tokio::test]
async fn the_workspace_says_whose_a_token_is() {
    let server = Server::start(|_, asked| {
        let me = |name: &str, active: bool| Reply::json(200, json!({ "userName": name, "active": active }));
        match asked.line.contains("/api/2.0/preview/scim/v2/Me ") {
            false => Reply::json(404, json!({})),
            true if is_of(asked, "hidden-1") => me("ana@example.com", true),
            true if is_of(asked, "hidden-2") => me("locked@example.com", false),
            true if is_of(asked, "hidden-3") => Reply::json(403, json!({ "error_code": "PERMISSION_DENIED" })),
            true if is_of(asked, "hidden-4") => me("", true),
            true if is_of(asked, "hidden-5") => Reply::json(200, json!({ "displayName": "ana@example.com" })),
            true => Reply::json(403, json!({ "error_code": 403, "message": "Invalid access token." })),
        }
    })
    .await;
    let users = users(&server.url, false).unwrap();
    assert_eq!(users.owner(&token(1)).await.unwrap(), "ana@example.com");
    for number in [2, 3, 4, 9] {
        let error = users.owner(&token(number)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidAuthorization, "{number}: {error:?}");
        assert!(!format!("{error:?} {} {users:?}", error.causes()).contains("hidden"));
    }
    let error = users.owner(&token(5)).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::SourceUnavailable,
        "an answer without a name is none"
    );
    // What a user asks for is asked with its token alone.
    let (one, two) = (users.of(&token(1)), users.of(&token(2)));
    assert_ne!(one.principal(), two.principal());
    assert_eq!(one.principal(), users.of(&token(1)).principal());
    assert!(!one.principal().contains("hidden"));
}

#[tokio::test]
async fn a_refused_token_of_a_user_asks_the_user() {
    for (status, body) in [(401, json!({ "error_code": 401 })), (403, json!({ "error_code": 403 }))] {
        let server = Server::start(move |_, _| Reply::json(status, body.clone())).await;
        let users = users(&server.url, false).unwrap();
        let workspace = users.of(&token(1));
        let failure = workspace
            .get::<Value>(workspace.address(&["x"], &[]))
            .await
            .unwrap_err();
        let error = failure.into_error("lake");
        assert_eq!(error.kind(), ErrorKind::InvalidAuthorization);
        assert!(error.hint().unwrap().contains("Log in again"), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

/// Exchanges tokens as long as `answer` is none.
async fn exchange(answer: Option<(u16, Value)>) -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_, asked| {
        if asked.line.contains("well-known") {
            return Reply::json(404, json!({ "error_code": "ENDPOINT_NOT_FOUND" }));
        }
        if asked.line.starts_with("POST /oidc/v1/token ") {
            let number = number.fetch_add(1, Ordering::SeqCst);
            return match &answer {
                // A pause that long is not waited for.
                Some((status, body)) => Reply {
                    headers: "Retry-After: 600\r\n".to_owned(),
                    ..Reply::json(*status, body)
                },
                None => Reply::json(200, json!({ "access_token": format!("w{number}"), "expires_in": 600 })),
            };
        }
        match asked.head.contains("authorization: bearer w") {
            true => Reply::json(200, json!({ "userName": "ana@example.com" })),
            false => Reply::json(401, json!({ "error_code": 401 })),
        }
    })
    .await
}

#[tokio::test]
async fn a_token_is_exchanged_once_for_all_calls_of_its_user() {
    let server = exchange(None).await;
    let users = users(&server.url, true).unwrap();
    let (first, second) = (token(1), token(2));
    let calls = (0..20).map(|number| users.owner(if number % 2 == 0 { &first } else { &second }));
    assert!(
        futures::future::join_all(calls)
            .await
            .into_iter()
            .all(|owner| owner.is_ok())
    );
    let asked = server.asked();
    let exchanges: Vec<_> = asked.iter().filter(|asked| asked.line.starts_with("POST")).collect();
    assert_eq!(exchanges.len(), 2);
    let fields = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=hidden-1&\
                  subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt&scope=all-apis";
    assert!(exchanges.iter().any(|asked| asked.body == fields), "{exchanges:?}");
    assert!(
        exchanges.iter().all(|asked| !asked.head.contains("authorization")),
        "no secret is needed"
    );
    let sent = |asked: &&Asked| asked.line.starts_with("GET /api") && asked.head.contains("hidden");
    assert_eq!(
        asked.iter().filter(sent).count(),
        0,
        "the provider's token goes to the endpoint only"
    );
}

#[tokio::test]
async fn failures_of_an_exchange_are_told_apart() {
    for (status, code, kind) in [
        (400, "invalid_grant", ErrorKind::InvalidAuthorization),
        (401, "invalid_grant", ErrorKind::InvalidAuthorization),
        (400, "invalid_request", ErrorKind::InvalidAuthorization),
        (400, "unsupported_grant_type", ErrorKind::SourceRejected),
        (401, "invalid_client", ErrorKind::SourceRejected),
        (404, "", ErrorKind::SourceRejected),
        (429, "", ErrorKind::SourceThrottled),
        (503, "server_error", ErrorKind::SourceUnavailable),
    ] {
        let server = exchange(Some((status, json!({ "error": code, "error_description": "no" })))).await;
        let error = users(&server.url, true).unwrap().owner(&token(1)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {code}: {error:?}");
        assert!(!format!("{error:?} {}", error.causes()).contains("hidden"));
    }
}

#[test]
fn tokens_are_not_sent_in_the_clear() {
    let of = |url: &str| users(&Url::parse(url).unwrap(), false);
    assert!(of("https://dbc.example").is_ok());
    assert!(of("http://127.0.0.1:8080").is_ok());
    assert_eq!(of("http://dbc.example").unwrap_err().kind(), ErrorKind::Configuration);
}
