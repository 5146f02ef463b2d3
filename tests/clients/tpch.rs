//! Queries derived from TPC-H, by the programs that people use at each door: the same right answers everywhere.

use std::path::Path;

use engine::{AccessConfig, Engine, EngineOptions};
use lakegate::demo::CATALOG;
use system_tests::data::{Expectations, compare, folder, read_csv};
use system_tests::demo_tables;
use system_tests::transport::{Answer, Column};

use crate::drivers::{java, program, python, script};
use crate::served::Doors;

const EXPECTATIONS: &str = include_str!("../expectations/tpch.toml");

#[tokio::test(flavor = "multi_thread")]
async fn every_door_gives_the_same_right_answers() {
    let Some(data) = folder("tpch") else { return };
    let doors = Doors::open(&engine().await, None).await;
    let mut first: Option<(&str, Vec<Answer>)> = None;
    for (door, client) in [
        ("psql", program("sh").calls("psql").arg(script("queries_psql.sh"))),
        ("curl", program("sh").calls("curl").arg(script("queries_curl.sh"))),
        ("adbc", python().arg(script("queries_adbc.py"))),
        ("jdbc", java("flight-sql-jdbc.jar").arg(script("QueriesJdbc.java"))),
    ] {
        let answers_folder = tempfile::tempdir().unwrap();
        let mut client = client.arg(data.join("queries")).arg(answers_folder.path());
        client.command.env("PGUSER", "root").env("PGDATABASE", CATALOG);
        if client.run(&doors).await.is_none() {
            continue;
        }
        let mut expectations = Expectations::read(EXPECTATIONS, "tpch");
        let mut answers = Vec::new();
        for number in 1..=22 {
            let answer = answer(&answers_folder.path().join(format!("q{number:02}.csv")));
            let right = data.join(format!("answers/sf0.01/q{number:02}.csv"));
            let outcome = answer.clone().and_then(|answer| compare(&answer, &right));
            expectations.record(&format!("q{number:02}"), outcome);
            answers.push(answer.unwrap_or_default());
        }
        expectations.finish(&format!("tpch ({door})"));
        match &first {
            None => first = Some((door, answers)),
            Some((other, others)) => {
                for (number, (one, another)) in (1..).zip(others.iter().zip(&answers)) {
                    let (one, another) = (plain(one), plain(another));
                    assert_eq!(one, another, "query {number}: {other} and {door} do not agree");
                }
            }
        }
    }
}

/// The tables, with short names for them.
async fn engine() -> Engine {
    let catalog = demo_tables::catalog(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let options = EngineOptions {
        default_catalog: Some(CATALOG.to_owned()),
        default_schema: "tpch".to_owned(),
        memory_limit: Some(2 << 30),
        target_partitions: Some(2),
        ..EngineOptions::default()
    };
    let builder = Engine::builder(options).source(catalog);
    builder.access(AccessConfig::open()).build().unwrap()
}

/// Names and values, with numbers as each program writes them made the same: 1E+2 is 100.0.
fn plain(answer: &Answer) -> Vec<Vec<String>> {
    let names = answer.columns.iter().map(|column| column.name.clone()).collect();
    let value = |value: &Option<String>| {
        let text = value.clone().unwrap_or_default();
        text.parse::<f64>().map_or(text, |number| format!("{number:?}"))
    };
    let rows = answer.rows.iter().map(|row| row.iter().map(value).collect());
    std::iter::once(names).chain(rows).collect()
}

/// What a program wrote down.
fn answer(path: &Path) -> Result<Answer, String> {
    if !path.exists() {
        return Err("there is no answer".to_owned());
    }
    let (columns, rows) = read_csv(path);
    let column = |name| Column { name, type_oid: None };
    let row = |row: Vec<String>| row.into_iter().map(Some).collect();
    Ok(Answer {
        columns: columns.into_iter().map(column).collect(),
        rows: rows.into_iter().map(row).collect(),
    })
}
