//! The stand-in of a workspace, as the harness starts it.

use reqwest::Method;
use serde_json::json;
use system_tests::workspace_server::WorkspaceServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_started_watched_and_changed() {
    let Some(workspace) = WorkspaceServer::start(&["--empty"]).await else {
        return;
    };
    assert!(workspace.violations().await.is_empty());
    let catalogs = format!("{}/api/2.1/unity-catalog/catalogs", workspace.at.api);
    let answer = reqwest::get(&catalogs).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    assert_eq!(workspace.violations().await.len(), 1, "{}", workspace.last_lines());
    let advanced = json!({"advance_seconds": 60});
    workspace.control(Method::POST, "clock", Some(&advanced)).await;
    workspace.control(Method::DELETE, "requests", None).await;
    assert!(workspace.violations().await.is_empty());
}
