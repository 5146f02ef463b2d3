use std::collections::HashMap;
use std::path::Path;

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use url::Url;

use super::prepare;

const SCALE: f64 = 0.001;

async fn rows(root: &Path, table: &str, sql: &str) -> String {
    let url = Url::from_directory_path(root.join("samples").join(table)).unwrap();
    let delta = deltalake::open_table(url).await.unwrap();
    let ctx = SessionContext::new();
    ctx.register_table("t", delta.table_provider().await.unwrap()).unwrap();
    let batches: Vec<RecordBatch> = ctx.sql(sql).await.unwrap().collect().await.unwrap();
    let lines = arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string();
    let lines: Vec<&str> = lines.lines().skip(3).filter(|line| line.starts_with("| ")).collect();
    lines
        .join(" ")
        .replace('|', " ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

async fn count(root: &Path, table: &str) -> String {
    rows(root, table, "SELECT count(*) FROM t").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_made_once_and_completed_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::sync::Mutex::new(Vec::new());
    let note = |line: &str| made.lock().unwrap().push(line.to_owned());
    drop(prepare(folder.path(), SCALE, &note).await.unwrap());
    assert_eq!(made.lock().unwrap().len(), 13);
    let root = folder.path();

    let expected = HashMap::from([
        ("tpch/region", "5"),
        ("tpch/nation", "25"),
        ("tpch/supplier", "10"),
        ("tpch/customer", "150"),
        ("tpch/part", "200"),
        ("tpch/partsupp", "800"),
        ("tpch/orders", "1500"),
        ("tpch/lineitem", "6005"),
        ("nyctaxi/trips", "21932"),
        ("logistics/drivers", "60"),
        ("logistics/riders", "2000"),
        ("logistics/trips", "2000"),
        // One in fifty is deleted by a deletion vector.
        ("logistics/shipments", "1960"),
    ]);
    for (table, expected) in expected {
        assert_eq!(count(root, table).await, expected, "{table}");
    }
    assert_eq!(
        rows(
            root,
            "logistics/shipments",
            "SELECT count(*) FROM t WHERE shipment_id % 50 = 0"
        )
        .await,
        "0"
    );
    assert_eq!(
        rows(
            root,
            "logistics/trips",
            "SELECT count(*) > 0 FROM t WHERE status = 'disputed'"
        )
        .await,
        "true"
    );
    let own = "SELECT count(*) > 10, min(region), max(region) FROM t WHERE driver_id = 17";
    assert_eq!(rows(root, "logistics/trips", own).await, "true north north");

    // An interrupted start: a table is missing, another half made.
    std::fs::remove_dir_all(root.join("samples/logistics/trips")).unwrap();
    std::fs::create_dir(root.join(".making-half")).unwrap();
    made.lock().unwrap().clear();
    let first = prepare(root, SCALE, &note).await.unwrap();
    assert_eq!(
        made.lock().unwrap().as_slice(),
        ["demo data: 13 of 13 tables (samples.logistics.trips)"]
    );
    assert!(!root.join(".making-half").exists());
    // A second process shares it, one with another scale may not pull it away.
    let _second = prepare(root, SCALE, &note).await.unwrap();
    let error = prepare(root, 0.002, &note).await.unwrap_err();
    assert!(error.message().contains("in use"), "{error}");
    drop(first);
}

#[tokio::test]
async fn a_foreign_folder_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "x").unwrap();
    let error = prepare(folder.path(), SCALE, &|_| {}).await.unwrap_err();
    assert!(error.message().contains("was not made by the demo"), "{error}");
    for scale in [0.0, -1.0, f64::NAN, 1000.0] {
        assert!(prepare(folder.path(), scale, &|_| {}).await.is_err());
    }
}
