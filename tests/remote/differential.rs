//! An answer does not depend on where it is computed: at Spark, here, or half and half.

use sqllogictest::Record;
use system_tests::data::{Expectations, compare as compare_file, folder};
use system_tests::demo_tables::query;
use system_tests::suite_tables;

use crate::generate;
use crate::random::number;
use crate::twofold::{Agreement, Tables, Twofold, Way};
use crate::world::World;

pub(crate) const EXPECTATIONS: &str = include_str!("../expectations/remote.toml");

/// How many queries are generated if `LAKEGATE_REMOTE_QUERIES` does not say otherwise.
const QUERIES: u64 = 300;

pub(crate) const TPCH: [&str; 8] = [
    "customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier",
];

#[tokio::test(flavor = "multi_thread")]
async fn tpch() {
    let Some(data) = folder("tpch") else { return };
    let Some(world) = World::shared().await else { return };
    let tables = Tables::of("lake", "tpch", &TPCH);
    let mut both = Twofold::open(&world.gateway(None), "root", &tables);
    let mut expectations = Expectations::read(EXPECTATIONS, "tpch");
    for number in 1..=22 {
        let sql = query(&data, number);
        let mut outcome = both.agrees(&sql).await.map(|_| ());
        if outcome.is_ok() {
            // Two that agree may both be wrong.
            let answer = both.run(&sql, Way::Pushed).await.map_err(|failure| failure.to_string());
            let right = data.join(format!("answers/sf0.01/q{number:02}.csv"));
            outcome = answer.and_then(|answer| compare_file(&answer, &right));
        }
        expectations.record(&format!("q{number:02}"), outcome);
    }
    expectations.finish("remote tpch (spark)");
}

#[tokio::test(flavor = "multi_thread")]
async fn suites() {
    let Some(world) = World::shared().await else { return };
    let tables = Tables::of("own", "public", &suite_tables::NAMES);
    let mut both = Twofold::open(&world.gateway(None), "root", &tables);
    let mut expectations = Expectations::read(EXPECTATIONS, "suites");
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
    assert!(asked > 50, "only {asked} records read tables");
    expectations.finish("remote suites (spark)");
}

/// Spark's readers leave files out that hold only the other zero; the files of `cases` are such.
#[tokio::test(flavor = "multi_thread")]
async fn both_zeros_are_found() {
    let Some(world) = World::shared().await else { return };
    let tables = Tables::of("own", "public", &["cases"]);
    let mut both = Twofold::open(&world.gateway(None), "root", &tables);
    for condition in [
        "d = 0",
        "d >= 0",
        "d <= '-0.0'::float8",
        "d BETWEEN 0 AND 1",
        "d IN (0, 3)",
        "d IS NOT DISTINCT FROM 0::float8",
        "d <> 0",
        "r = 0",
        "d = (SELECT min(o.d) FROM cases AS o WHERE o.d = 0)",
    ] {
        let sql = format!("SELECT id FROM cases WHERE {condition}");
        both.agrees(&sql).await.unwrap();
        assert!(both.explained(&sql, Way::Pushed).await.contains("RemoteExec"), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn generated() {
    let Some(world) = World::shared().await else { return };
    let (count, first) = (number("LAKEGATE_REMOTE_QUERIES"), number("LAKEGATE_REMOTE_SEED"));
    let first = first.unwrap_or(1);
    let seeds = first..first + count.unwrap_or(QUERIES);
    let tables = Tables::of("own", "public", &["cases", "others"]);
    let mut both = Twofold::open(&world.gateway(None), "root", &tables);
    let (mut with_rows, mut with_error, mut whole) = (0, 0, 0);
    let mut wrong = Vec::new();
    for seed in seeds.clone() {
        let sql = generate::query(seed);
        whole += u64::from(both.explained(&sql, Way::Pushed).await.contains("the whole query"));
        match both.agrees(&sql).await {
            Ok(Agreement::Rows) => with_rows += 1,
            Ok(Agreement::Error) => with_error += 1,
            Err(why) => wrong.push(format!("seed {seed}: {why}")),
        }
    }
    let asked = seeds.end - seeds.start;
    println!(
        "scoreboard remote generated (spark): {} of {asked} pass",
        asked - wrong.len() as u64
    );
    println!("of {asked} generated queries {with_error} fail alike, and {whole} are pushed whole");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n\n"));
    // Queries that are refused would prove nothing.
    assert!(with_rows * 10 > asked * 8, "only {with_rows} of {asked} give rows");
}
