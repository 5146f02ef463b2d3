//! The same for a warehouse, as far as the stand-in's engine goes: Sail, whose integers wrap, and which lacks some
//! functions. What it refuses is counted, what it answers has to be right.

use engine::Engine;
use sqllogictest::Record;
use system_tests::data::{Expectations, compare as compare_file, folder};
use system_tests::demo_tables::query;
use system_tests::gateway::configured;
use system_tests::suite_tables;
use system_tests::workspace_server::WorkspaceServer;
use url::Url;

use crate::differential::{EXPECTATIONS, TPCH};
use crate::edges;
use crate::generate;
use crate::random::number;
use crate::twofold::{Agreement, Tables, Twofold, Way};
use crate::workspace::{RUNNING, TOKEN, assert_correct, declare, external, service};
use crate::world::World;

/// How many queries are generated if `LAKEGATE_REMOTE_QUERIES` does not say otherwise.
const QUERIES: u64 = 100;
/// A query that the warehouse does not take.
pub(crate) const REFUSED: &str = "HV000";
const OVERFLOW: &str = "22003";

/// A workspace whose catalog `work` has the tables that `lake` and `own` hold as files.
pub(crate) async fn over(world: &World) -> Option<(WorkspaceServer, Engine)> {
    let workspace = WorkspaceServer::start(&[]).await?;
    let [(_, demo), (_, own)] = world.folders();
    let tpch = TPCH.map(|table| ("tpch", table));
    let of_cases = ["cases", "others", edges::NAME, edges::NANS]
        .into_iter()
        .chain(suite_tables::NAMES);
    let of_cases: Vec<_> = of_cases.map(|table| ("public", table)).collect();
    declare(&workspace, external("work", demo, &tpch)).await;
    declare(&workspace, external("work", own, &of_cases)).await;
    let more = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\naccess_token = \"{TOKEN}\"\ncatalogs = [\"work\"]\nroute = \"warehouse\"\n"
    );
    let mut text =
        "[engine]\ndefault_catalog = \"work\"\ndefault_schema = \"public\"\nmemory_limit = \"2GiB\"\n".to_owned();
    text += &service(&workspace.at.api, &more);
    for (name, folder) in world.folders() {
        let location = Url::from_directory_path(folder).unwrap();
        text += &format!("\n[[service]]\nname = \"{name}\"\ntype = \"delta\"\nlocation = \"{location}\"\n");
    }
    let engine = configured(&text, &[]);
    Some((workspace, engine))
}

/// So many statements went to the warehouse, and no query over its tables stayed here.
async fn went_there(both: &mut Twofold<'_>, at_least: usize) {
    let went = both
        .says("SELECT count(*) FROM lakegate.queries WHERE route LIKE 'warehouse%'")
        .await;
    let went: usize = went[0][0].as_deref().unwrap().parse().unwrap();
    assert!(went >= at_least, "{went} statements went to the warehouse");
}

#[tokio::test(flavor = "multi_thread")]
async fn tpch() {
    let Some(data) = folder("tpch") else { return };
    let Some(world) = World::shared().await else { return };
    let Some((workspace, engine)) = over(world).await else {
        return;
    };
    let tables = Tables::of("lake", "tpch", &TPCH).at("work");
    let mut both = Twofold::open(&engine, "root", &tables);
    let mut expectations = Expectations::read(EXPECTATIONS, "warehouse_tpch");
    for number in 1..=22 {
        let answer = both.run(&query(&data, number), Way::Pushed).await;
        let right = data.join(format!("answers/sf0.01/q{number:02}.csv"));
        let outcome = answer.map_err(|failure| failure.to_string());
        expectations.record(
            &format!("q{number:02}"),
            outcome.and_then(|answer| compare_file(&answer, &right)),
        );
    }
    went_there(&mut both, 22).await;
    expectations.finish("remote tpch (warehouse)");
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suites() {
    let Some(world) = World::shared().await else { return };
    let Some((workspace, engine)) = over(world).await else {
        return;
    };
    let tables = Tables::of("own", "public", &suite_tables::NAMES).at("work");
    let mut both = Twofold::open(&engine, "root", &tables);
    let mut expectations = Expectations::read(EXPECTATIONS, "warehouse_suites");
    let mut asked = 0;
    for file in suite_tables::files() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for record in sqllogictest::parse_file::<sqllogictest::DefaultColumnType>(&file).unwrap() {
            let Record::Query { loc, sql, .. } = record else {
                continue;
            };
            if tables.named(&sql, Way::Pushed).is_none() {
                continue;
            }
            asked += 1;
            let outcome = both.agrees(&sql).await.map(|_| ());
            expectations.record(&format!("{name}:{}", loc.line()), outcome);
        }
    }
    went_there(&mut both, asked * 4 / 5).await;
    expectations.finish("remote suites (warehouse)");
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn generated() {
    let Some(world) = World::shared().await else { return };
    let Some((workspace, engine)) = over(world).await else {
        return;
    };
    let first = number("LAKEGATE_REMOTE_SEED").unwrap_or(1);
    let asked = number("LAKEGATE_REMOTE_QUERIES").unwrap_or(QUERIES);
    let tables = Tables::of("own", "public", &["cases", "others"]).at("work");
    let mut both = Twofold::open(&engine, "root", &tables);
    let (mut with_rows, mut with_error, mut wrapped, mut refused) = (0, 0, 0, 0);
    let mut wrong = Vec::new();
    for seed in first..first + asked {
        let sql = generate::query(seed);
        if matches!(both.run(&sql, Way::Pushed).await, Err(failure) if failure.sqlstate == REFUSED) {
            refused += 1;
            continue;
        }
        match both.agrees(&sql).await {
            Ok(Agreement::Rows) => with_rows += 1,
            Ok(Agreement::Error) => with_error += 1,
            // What overflows here wraps there.
            Err(_) if matches!(both.run(&sql, Way::Local).await, Err(failure) if failure.sqlstate == OVERFLOW) => {
                wrapped += 1;
            }
            Err(why) => wrong.push(format!("seed {seed}: {why}")),
        }
    }
    println!(
        "scoreboard remote generated (warehouse): {} of {asked} pass",
        asked - wrong.len() as u64
    );
    println!(
        "of {asked} generated queries {with_error} fail alike, {wrapped} overflow here alone, and {refused} are refused there"
    );
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(with_rows * 10 > asked * 6, "only {with_rows} of {asked} give rows");
    assert!(wrapped * 100 <= asked, "{wrapped} of {asked} overflow here alone");
    assert_correct(&workspace).await;
}
