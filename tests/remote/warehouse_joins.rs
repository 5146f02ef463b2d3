//! Tables of a warehouse beside files and Spark, and what of them is moved.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use system_tests::gateway::configured;
use system_tests::lake;
use system_tests::spark_server::SparkServer;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;
use url::Url;

use crate::workspace::{assert_correct, configuration, explained, gateway, lines, statements};

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregate_moves_only_its_result() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let mut session = Embedded::open(&gateway(&workspace), "root");
    let sql =
        "SELECT region, count(*) AS n, sum(amount) AS total, min(ordered_on) FROM orders GROUP BY region ORDER BY 1";
    lines(&mut session, "SET lakegate.route = 'direct'").await;
    let direct = lines(&mut session, sql).await;
    lines(&mut session, "SET lakegate.route = 'warehouse'").await;
    assert_eq!(lines(&mut session, sql).await, direct);
    let last = "SELECT route, rows, rows_moved FROM lakegate.queries WHERE query LIKE 'SELECT region, count%'
        ORDER BY started_at";
    assert_eq!(
        lines(&mut session, last).await,
        ["direct|4|0", "warehouse (databricks)|4|4"]
    );
    let sent = statements(&workspace, "GROUP BY").await;
    assert_eq!(sent.len(), 1, "{sent:?}");

    // A table that is not read directly, whatever the route.
    lines(&mut session, "SET lakegate.route = 'auto'").await;
    let sql = "SELECT max(id), count(*) FROM main.governed.filtered WHERE id > 2";
    assert_eq!(lines(&mut session, sql).await, ["8|3"]);
    let last = "SELECT rows_moved FROM lakegate.queries WHERE query LIKE 'SELECT max(id), count%'";
    assert_eq!(lines(&mut session, last).await, ["1"]);
    assert_correct(&workspace).await;
}

/// One query over three systems: orders at the warehouse, customers in files, regions at Spark.
#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_is_joined_with_files_and_spark() {
    let Some(spark) = SparkServer::shared().await else {
        return;
    };
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let client = spark.client().await;
    client.run("CREATE SCHEMA IF NOT EXISTS joined").await;
    client.run("DROP TABLE IF EXISTS joined.regions").await;
    let regions =
        "CREATE TABLE joined.regions USING delta AS SELECT * FROM VALUES ('north', 1), ('south', 2) AS t(name, rank)";
    client.run(regions).await;
    let folder = tempfile::tempdir().unwrap();
    let numbers = 0..97;
    let customers = RecordBatch::try_from_iter([
        ("number", Arc::new(Int64Array::from_iter_values(numbers.clone())) as _),
        (
            "name",
            Arc::new(StringArray::from_iter_values(
                numbers.map(|number| format!("customer {number}")),
            )) as _,
        ),
    ]);
    lake::write(&folder.path().join("shop/customers"), [customers.unwrap()]).await;
    let location = Url::from_directory_path(folder.path()).unwrap();
    let others = format!(
        "[[service]]\nname = \"files\"\ntype = \"delta\"\nlocation = \"{location}\"\n
         [[service]]\nname = \"spark\"\ntype = \"spark\"\nworkspace_url = \"{}\"\ncatalog = \"spark_catalog\"\n",
        spark.url()
    );
    let engine = configured(&(configuration(&workspace) + &others), &[]);
    let mut session = Embedded::open(&engine, "root");
    let sql = "SELECT r.rank, count(*), count(DISTINCT c.number), sum(o.amount) FROM orders AS o
         JOIN files.shop.customers AS c ON c.name = o.customer
         JOIN spark.joined.regions AS r ON r.name = o.region
         WHERE c.number < 50 GROUP BY r.rank ORDER BY 1";
    let mut answers = Vec::new();
    for route in ["direct", "warehouse"] {
        lines(&mut session, &format!("SET lakegate.route = '{route}'")).await;
        answers.push(lines(&mut session, sql).await);
    }
    assert_eq!(answers[0].len(), 2);
    assert_eq!(answers[0], answers[1]);
    let plan = explained(&mut session, sql).await;
    for part in [
        "service=databricks",
        "route=warehouse",
        "service=spark",
        "route=spark",
        "customers",
    ] {
        assert!(plan.contains(part), "{part} in\n{plan}");
    }
    assert_correct(&workspace).await;
}
