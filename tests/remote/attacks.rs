//! The catalogue of attacks where a remote engine reads the tables: what comes back is judged as for files, and so is
//! what the remote engine was sent and what it sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use contract::Route;
use engine::Engine;
use frontend_postgres::PostgresOptions;
use reqwest::Method;
use serde_json::Value;
use system_tests::attack_statements::{ANA, DORA, Expect, MORE, told};
use system_tests::attack_tables::{Twin, access, assert_clean, canaries_in, reference, write};
use system_tests::gateway::configured;
use system_tests::server::TestServer;
use system_tests::spark_server::SparkServer;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::transport_recorder::Recorder;
use system_tests::transport_wire::Simple;
use system_tests::workspace_server::WorkspaceServer;
use url::Url;

use crate::workspace::{RUNNING, TOKEN, assert_correct, declare, external, service};

type Attack = (&'static str, &'static str, Expect);

/// The tables of the catalogue, by schema.
const TABLES: [(&str, &str); 4] = [
    ("rides", "trips"),
    ("rides", "drivers"),
    ("rides", "riders"),
    ("vault", "keys"),
];
/// Columns that neither actor sees: their names go there and come back, their values never.
const HIDDEN_COLUMNS: [&str; 3] = ["`license_no`", "`email`", "`material`"];
const ACTORS: [(&str, &[Attack]); 2] = [("dora", DORA), ("ana", ANA)];
const SETTINGS: &str = "[engine]\ndefault_catalog = \"lake\"\ndefault_schema = \"rides\"\nmemory_limit = \"1GiB\"\n";

/// A gateway whose catalogs `lake`, for which there are rules, and `other`, for which there are none, hold the tables.
struct Attacked {
    engine: Engine,
    _server: TestServer,
    /// What clients are told.
    told: Recorder,
    route: Route,
}

impl Attacked {
    async fn over(configuration: &str, route: Route) -> Self {
        let engine = configured(configuration, &[]);
        engine.reload_access(access(""));
        let server = TestServer::over(engine.clone(), PostgresOptions::default()).await;
        let told = Recorder::start(server.address).await;
        Self {
            engine,
            _server: server,
            told,
            route,
        }
    }

    /// Sends all statements of `actor`; what is wrong with the answers.
    async fn attack(&self, actor: &str, attacks: &[Attack], physical: &TestServer) -> Vec<String> {
        let mut physical = Simple::connect(physical.address, "root").await.unwrap();
        let mut door = Simple::connect(self.told.address, actor).await.unwrap();
        let route = format!("SET lakegate.route = '{}'", self.route);
        door.run(&route).await.unwrap();
        self.told.take();
        let mut wrong = Vec::new();
        let mut answered = Vec::new();
        for (id, sql, expect) in attacks {
            let answer = door.run(sql).await;
            assert_clean(&self.told.take(), sql, "simple");
            let mut complain = |what: String| {
                let what: String = what.chars().take(1500).collect();
                wrong.push(format!("{id} {sql}: {what}"));
            };
            if let Some(what) = expect.complaint(&answer) {
                complain(what);
            }
            let (answer, expected) = (told(&answer), told(&physical.run(sql).await));
            if answer != expected {
                complain(format!("{answer} instead of {expected}"));
            }
            if door.run(&format!("EXPLAIN {sql}")).await.is_ok() {
                answered.push(*sql);
            }
            assert_clean(&self.told.take(), sql, "EXPLAIN");
        }
        for sql in MORE {
            let _ = door.run(sql).await;
            assert_clean(&self.told.take(), sql, "simple");
        }
        wrong.extend(self.log_is_clean(actor, &mut door, attacks).await);
        wrong.extend(self.went_there(actor, &answered).await);
        wrong
    }

    /// What the actor is told of the own statements afterwards.
    async fn log_is_clean(&self, actor: &str, door: &mut Simple, attacks: &[Attack]) -> Option<String> {
        let own = door.run("SELECT * FROM lakegate.queries").await.unwrap();
        assert!(!own.rows.is_empty());
        assert_clean(&self.told.take(), &brought(attacks), "lakegate.queries");
        let statements = "SELECT DISTINCT remote_sql FROM lakegate.queries WHERE remote_sql IS NOT NULL";
        let shown = door.run(statements).await.unwrap().lines().join(";\n");
        let plain = shown.split(";\n").find(|part| *part != "(carries access rules)")?;
        Some(format!("{actor} is shown what was sent: {plain}"))
    }

    /// Each query that was answered went to the remote engine, with the actor's rules and without what is hidden.
    async fn went_there(&self, actor: &str, answered: &[&str]) -> Vec<String> {
        let mut root = Embedded::open(&self.engine, "root");
        let log = format!(
            "SELECT query, state, route, coalesce(remote_sql, '') FROM lakegate.queries WHERE user_name = '{actor}'"
        );
        let log: BTreeMap<String, [String; 3]> = root.run(&log).await.unwrap().rows.into_iter().map(entry).collect();
        let there = format!("{} (", self.route);
        let mut wrong = Vec::new();
        let mut went = 0;
        for sql in answered {
            let Some([state, route, sent]) = log.get(*sql) else {
                wrong.push(format!("{sql} is not in lakegate.queries"));
                continue;
            };
            if !route.starts_with(&there) {
                wrong.push(format!("{sql} went {route} ({state})"));
                continue;
            }
            went += 1;
            wrong.extend(fault_of(actor, sql, sent));
        }
        println!(
            "scoreboard attacks ({actor}, {}): {went} of {} answered statements went there, {} findings",
            self.route,
            answered.len(),
            wrong.len()
        );
        wrong
    }
}

fn entry(row: Vec<Option<String>>) -> (String, [String; 3]) {
    let mut values = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || values.next().unwrap();
    (next(), [next(), next(), next()])
}

/// What is wrong with the remote statements of one query, as the administrator sees them. The block over the files
/// names all columns; the next one has the rule and lets go of what is hidden.
fn fault_of(actor: &str, sql: &str, sent: &str) -> Option<String> {
    let names = sql.to_owned() + &HIDDEN_COLUMNS.concat();
    if let Some(canary) = canaries_in(sent.as_bytes(), &names).first() {
        return Some(format!("{canary} in what {sql} sent: {sent}"));
    }
    let rule = match actor {
        "dora" => "`trips` AS t0) AS t1 WHERE (t1.c1 = ",
        _ => "`trips` AS t0) AS t1 WHERE (t1.c5 LIKE ",
    };
    let (scans, ruled) = (sent.matches("`trips` AS ").count(), sent.matches(rule).count());
    (scans != ruled).then(|| format!("{ruled} rules over {scans} scans in what {sql} sent: {sent}"))
}

/// All that statements bring along themselves.
fn brought(attacks: &[Attack]) -> String {
    attacks
        .iter()
        .map(|(_, sql, _)| *sql)
        .chain(MORE.iter().copied())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_tells_nothing_hidden() {
    let Some(spark) = SparkServer::shared().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    write(Twin::First, folder.path()).await;
    let client = spark.client().await;
    for (schema, table) in TABLES {
        let location = Url::from_directory_path(folder.path().join(schema).join(table)).unwrap();
        client.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
        client
            .run(&format!(
                "CREATE TABLE {schema}.{table} USING delta LOCATION '{location}'"
            ))
            .await;
    }
    let sent = Recorder::start(SocketAddr::from(([127, 0, 0, 1], spark.port()))).await;
    let mut configuration = SETTINGS.to_owned();
    for name in ["lake", "other"] {
        configuration += &format!(
            "[[service]]\nname = \"{name}\"\ntype = \"spark\"\nworkspace_url = \"sc://{}\"\ncatalog = \"spark_catalog\"\n",
            sent.address
        );
    }
    let attacked = Attacked::over(&configuration, Route::Spark).await;
    // What the administrator reads holds canaries, so they can be seen on this wire.
    let mut root = Embedded::open(&attacked.engine, "root");
    root.run("SELECT * FROM trips").await.unwrap();
    assert!(!canaries_in(&sent.take(), "").is_empty());
    let mut wrong = Vec::new();
    for (actor, attacks) in ACTORS {
        let physical = reference(&attacked.engine, actor).await;
        sent.take();
        wrong.extend(attacked.attack(actor, attacks, &physical).await);
        let came = sent.take();
        assert!(came.len() > 100_000, "only {} bytes came from Spark", came.len());
        // The names of all columns come with the descriptions of tables.
        let names = brought(attacks) + &HIDDEN_COLUMNS.concat();
        assert_clean(&came, &names, "what Spark sent");
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The requests about statements after the one of that number.
async fn asked(workspace: &WorkspaceServer, after: u64) -> Vec<Value> {
    let path = format!("requests?after={after}&path=/api/2.0/sql/statements&bodies=true");
    let journal = workspace.control(Method::GET, &path, None).await;
    journal["requests"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warehouse_tells_nothing_hidden() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    write(Twin::First, folder.path()).await;
    declare(&workspace, external("lake", folder.path(), &TABLES)).await;
    let more = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\n\
         catalogs = {{ lake = \"lake\", other = \"lake\" }}\n"
    );
    let attacked = Attacked::over(
        &(SETTINGS.to_owned() + &service(&workspace.at.api, &more)),
        Route::Warehouse,
    )
    .await;
    let mut wrong = Vec::new();
    for (actor, attacks) in ACTORS {
        let physical = reference(&attacked.engine, actor).await;
        let before = asked(&workspace, 0)
            .await
            .last()
            .map_or(0, |one| one["number"].as_u64().unwrap());
        wrong.extend(attacked.attack(actor, attacks, &physical).await);
        let sent = asked(&workspace, before).await;
        // Texts and values.
        let sent = sent
            .iter()
            .filter_map(|one| one["body"].as_str())
            .filter(|body| !body.is_empty());
        let sent = sent.collect::<Vec<_>>();
        assert!(sent.len() > attacks.len() / 3, "{} statements", sent.len());
        assert_clean(
            sent.join("\n").as_bytes(),
            &(brought(attacks) + &HIDDEN_COLUMNS.concat()),
            "what the warehouse was sent",
        );
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert_correct(&workspace).await;
}
