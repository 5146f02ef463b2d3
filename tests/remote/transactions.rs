//! One transaction sees one state of a table that is read both ways, whoever writes to it meanwhile.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;

use crate::seam::{memory, sql};
use crate::workspace::{RUNNING, answer, explained, gateway, lines, warehouse};

const COUNT: &str = "SELECT count(*), sum(amount) FROM main.default.orders";

/// Runs a statement at the warehouse, past the gateway.
async fn there(workspace: &WorkspaceServer, text: &str) {
    let engine = warehouse(workspace, RUNNING, Duration::from_secs(180));
    let stream = engine.execute(Arc::new(sql(text)), &memory()).await.unwrap();
    let _: Vec<_> = stream.try_collect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_sees_one_state_on_every_route() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = gateway(&workspace);
    let (mut session, mut other) = (Embedded::open(&engine, "root"), Embedded::open(&engine, "root"));
    for session in [&mut session, &mut other] {
        lines(session, "SET lakegate.route = 'warehouse'").await;
    }
    lines(&mut session, "BEGIN").await;
    let before = answer(&mut session, COUNT).await;
    let plan = explained(&mut session, COUNT).await;
    assert!(plan.contains("Route: remote for main.default.orders"), "{plan}");

    let insert = "INSERT INTO main.default.orders SELECT * FROM main.default.orders LIMIT 1";
    there(&workspace, insert).await;
    assert_ne!(answer(&mut other, COUNT).await.rows, before.rows);
    assert_eq!(answer(&mut session, COUNT).await.rows, before.rows);
    let plan = explained(&mut session, COUNT).await;
    assert!(!plan.contains("RemoteExec"), "{plan}");

    lines(&mut session, "COMMIT").await;
    assert_eq!(
        answer(&mut session, COUNT).await.rows,
        answer(&mut other, COUNT).await.rows
    );
    let plan = explained(&mut session, COUNT).await;
    assert!(plan.contains("Route: remote for main.default.orders"), "{plan}");
}
