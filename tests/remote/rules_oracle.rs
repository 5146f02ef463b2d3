//! Queries derived from TPC-H under access rules, against the answers that DuckDB gives over tables that were filtered
//! and masked before, where a remote engine reads the tables.

use std::path::Path;

use contract::Route;
use engine::Engine;
use system_tests::data::{Expectations, compare, folder};
use system_tests::demo_tables;
use system_tests::gateway::configured;
use system_tests::rules_oracle::{ADMINISTRATOR, Set, TABLES, USER, sets};
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;

use crate::workspace::{RUNNING, TOKEN, assert_correct, declare, external, service};
use crate::world::World;

const EXPECTATIONS: &str = include_str!("../expectations/remote.toml");
const SETTINGS: &str = "[engine]\ndefault_catalog = \"remote\"\ndefault_schema = \"tpch\"\nmemory_limit = \"2GiB\"\n";

/// Asks those queries of each set of rules that `of` says; each goes to the remote engine.
async fn restricted(engine: &Engine, route: Route, of: impl Fn(&Set) -> Vec<usize>) {
    let (Some(oracle), Some(queries)) = (folder("rules_oracle"), folder("tpch")) else {
        return;
    };
    let section = format!("rules_oracle_{route}");
    let mut expectations = Expectations::read(EXPECTATIONS, &section);
    for (name, set) in &sets(&oracle) {
        engine.reload_access(set.access("remote.tpch"));
        let mut session = Embedded::open(engine, USER);
        session.run(&format!("SET lakegate.route = '{route}'")).await.unwrap();
        let counts = TABLES.map(|table| format!("(SELECT count(*) FROM {table})"));
        let counts = session.run(&format!("SELECT {}", counts.join(", "))).await.unwrap();
        let visible = TABLES.map(|table| set.visible_rows[table].to_string());
        assert_eq!(counts.lines(), [visible.join("|")], "{name}");
        let numbers = of(set);
        assert!(!numbers.is_empty(), "{name}");
        for &number in &numbers {
            let answer = session.run(&demo_tables::query(&queries, number)).await;
            let path = oracle.join(format!("answers/{name}/q{number:02}.csv"));
            let outcome = answer.map_err(|failure| failure.to_string());
            let outcome = outcome.and_then(|answer| compare(&answer, &path));
            expectations.record(&format!("{name}/q{number:02}"), outcome);
        }
        let mut root = Embedded::open(engine, ADMINISTRATOR);
        let elsewhere = format!(
            "SELECT route, query FROM lakegate.queries WHERE user_name = '{USER}' AND route <> '{route} (remote)'"
        );
        assert_eq!(root.run(&elsewhere).await.unwrap().lines(), [""; 0], "{name}");
        let there = format!(
            "SELECT count(*) > {} FROM lakegate.queries WHERE user_name = '{USER}'",
            numbers.len()
        );
        assert_eq!(root.run(&there).await.unwrap().lines(), ["t"], "{name}");
    }
    expectations.finish(&format!("remote rules_oracle ({route})"));
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_gives_the_restricted_answers() {
    let Some(world) = World::shared().await else { return };
    let spark = format!(
        "[[service]]\nname = \"remote\"\ntype = \"spark\"\nworkspace_url = \"{}\"\ncatalog = \"spark_catalog\"\n",
        world.spark.url()
    );
    let engine = configured(&(SETTINGS.to_owned() + &spark), &[]);
    // The others are TPC-H as `differential` asks it of Spark; a warehouse is asked them all.
    restricted(&engine, Route::Spark, Set::differing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_gives_the_restricted_answers() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let demo = demo_tables::location(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let demo = demo.to_file_path().unwrap();
    declare(
        &workspace,
        external("oracle", &demo, &TABLES.map(|table| ("tpch", table))),
    )
    .await;
    let more = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\ncatalogs = {{ remote = \"oracle\" }}\n"
    );
    let service = service(&workspace.at.api, &more).replace("name = \"databricks\"", "name = \"remote\"");
    let engine = configured(&(SETTINGS.to_owned() + &service), &[]);
    restricted(&engine, Route::Warehouse, |_| (1..=22).collect()).await;
    assert_correct(&workspace).await;
}
