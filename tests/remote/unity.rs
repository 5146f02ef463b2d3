//! Tables of Unity Catalog: read from files with keys that it gives out, or by a warehouse where that is not allowed.
//!
//! The stand-in's stores of Azure, Google and R2 are names only: what is vended for them goes nowhere.

use system_tests::gateway::configured;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;

use crate::workspace::{
    RUNNING, TOKEN, answer, assert_correct, explained, gateway, lines, requests, service, settings, statements, vended,
};

/// Tables that are read both ways, and how many rows they have.
const BOTH_WAYS: [(&str, usize); 7] = [
    ("main.default.orders", 1000),
    ("main.default.all_types", 3),
    ("main.default.no_columns", 10),
    ("main.default.\"größe\"", 1),
    ("main.default.\"with space\"", 1),
    ("main.clouds.on_aws", 3),
    ("main.clouds.on_aws_in_parts", 6),
];

/// What only compute may read: the table, its rows as the warehouse shows them to us, and words of the reason.
const BY_COMPUTE: [(&str, usize, &str); 13] = [
    ("main.governed.filtered", 5, "it has a row filter in Unity Catalog"),
    (
        "main.governed.masked",
        10,
        "its column \"card\" is masked in Unity Catalog",
    ),
    (
        "main.governed.by_policy",
        5,
        "does not let other engines read its files",
    ),
    ("main.governed.materialized", 1, "it is a materialized view"),
    ("main.governed.streamed", 1, "it is a streaming table"),
    ("main.governed.foreign_orders", 1, "its rows lie in a foreign system"),
    ("main.governed.metric", 1, "it is a metric view"),
    ("main.default.north_orders", 250, "it is a view"),
    ("main.default.catalog_managed", 6, "are managed by"),
    ("samples.tpch.region", 5, "lacks EXTERNAL USE SCHEMA"),
    ("main.clouds.denied", 3, "lacks EXTERNAL USE SCHEMA"),
    (
        "main.clouds.metastore_says_no",
        3,
        "the metastore does not allow external access",
    ),
    ("main.clouds.without_credential", 3, "without credentials for its files"),
];

/// The stand-in describes a catalog-managed table as one only when it has its files: until then its log tells alone,
/// and the answer has to be the same.
async fn world() -> Option<WorkspaceServer> {
    WorkspaceServer::start(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_the_same_on_both_routes() {
    let Some(workspace) = world().await else { return };
    let mut session = Embedded::open(&gateway(&workspace), "root");
    for (table, rows) in BOTH_WAYS {
        let sql = format!("SELECT * FROM {table}");
        lines(&mut session, "SET lakegate.route = 'direct'").await;
        let direct = answer(&mut session, &sql).await;
        assert_eq!(direct.rows.len(), rows, "{table}");
        let plan = explained(&mut session, &sql).await;
        assert!(
            plan.contains("Route: direct for ") && !plan.contains("RemoteExec"),
            "{plan}"
        );
        let asked = statements(&workspace, "").await.len();

        lines(&mut session, "SET lakegate.route = 'warehouse'").await;
        let there = answer(&mut session, &sql).await;
        assert_eq!(there.columns, direct.columns, "{table}");
        assert_eq!(there.sorted(), direct.sorted(), "{table}");
        assert!(statements(&workspace, "").await.len() > asked, "{table}");
        let plan = explained(&mut session, &sql).await;
        for part in [
            "Route: remote for ",
            "lakegate.route says so",
            "RemoteExec",
            "route=warehouse",
        ] {
            assert!(plan.contains(part), "{part} in\n{plan}");
        }
    }
    lines(&mut session, "SET lakegate.route = 'auto'").await;
    let plan = explained(&mut session, "SELECT * FROM main.clouds.on_aws").await;
    assert!(
        plan.contains("Route: direct for main.clouds.on_aws, because "),
        "{plan}"
    );
    assert!(plan.contains("bytes are left after pruning"), "{plan}");
    let of_objects = requests(&workspace, "/stand-in/aws/").await;
    assert!(of_objects.iter().any(|request| request["listener"] == "objects"));
    let keys = vended(&workspace, "s3://stand-in/aws").await;
    assert_eq!(keys.len(), 1, "one set of keys serves all that read a table");
    assert_eq!(keys[0]["operation"], "READ");
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_directly_goes_to_the_warehouse() {
    let Some(workspace) = world().await else { return };
    let mut session = Embedded::open(&gateway(&workspace), "root");
    // Whatever is asked for: the way is not a matter of choice.
    for route in ["auto", "direct", "warehouse"] {
        lines(&mut session, &format!("SET lakegate.route = '{route}'")).await;
        for (table, rows, reason) in BY_COMPUTE {
            let plan = explained(&mut session, &format!("SELECT * FROM {table}")).await;
            let line = format!("Route: warehouse for {table}, because ");
            assert!(plan.contains(&line) && plan.contains(reason), "{route}:\n{plan}");
            let answer = answer(&mut session, &format!("SELECT * FROM {table}")).await;
            assert_eq!(answer.rows.len(), rows, "{table}");
        }
    }
    let cards = lines(&mut session, "SELECT card FROM main.governed.masked").await;
    assert!(cards.iter().all(|card| card.starts_with("****")), "{cards:?}");
    let regions = lines(&mut session, "SELECT DISTINCT region FROM main.governed.filtered").await;
    assert_eq!(regions, ["north"]);
    assert!(
        requests(&workspace, "/governed/").await.is_empty(),
        "no file is looked at"
    );
    let failure = session
        .run("SELECT * FROM main.governed.of_tomorrow")
        .await
        .unwrap_err();
    assert_eq!(failure.sqlstate, "0A000", "{failure}");
    assert!(
        failure.message.contains("\"x\"") && failure.message.contains("tensor<3>"),
        "{failure}"
    );
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_compute_the_reason_is_the_error() {
    let Some(workspace) = world().await else { return };
    let more = format!(
        "access_token = \"{TOKEN}\"\ncatalogs = [\"main\", \"samples\"]\nstorage = {{ aws_endpoint = \"{}\" }}\n",
        workspace.at.objects
    );
    let engine = configured(&(settings() + &service(&workspace.at.api, &more)), &[]);
    let mut session = Embedded::open(&engine, "root");
    assert_eq!(lines(&mut session, "SELECT count(*) FROM orders").await, ["1000"]);
    assert_eq!(lines(&mut session, "SELECT count(*) FROM clouds.on_aws").await, ["3"]);
    for (table, _, reason) in BY_COMPUTE {
        let failure = session.run(&format!("SELECT * FROM {table}")).await.unwrap_err();
        assert_eq!(failure.sqlstate, "0A000", "{table}: {failure}");
        assert!(failure.message.contains(reason), "{table}: {failure}");
        assert!(
            failure.more.iter().any(|hint| hint.contains("SQL warehouse")),
            "{failure}"
        );
    }
    assert!(statements(&workspace, "").await.is_empty());
    assert_correct(&workspace).await;
}

/// A route of the service's own that has to be taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_read_nothing_directly() {
    let Some(workspace) = world().await else { return };
    let more = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\ncatalogs = [\"main\"]\nroute = \"warehouse\"\n"
    );
    let engine = configured(&(settings() + &service(&workspace.at.api, &more)), &[]);
    let mut session = Embedded::open(&engine, "root");
    let plan = explained(&mut session, "SELECT count(*) FROM orders").await;
    assert!(plan.contains("the service's route is \"warehouse\""), "{plan}");
    assert_eq!(lines(&mut session, "SELECT count(*) FROM orders").await, ["1000"]);
    assert!(requests(&workspace, "temporary-table-credentials").await.is_empty());
    assert_correct(&workspace).await;
}
