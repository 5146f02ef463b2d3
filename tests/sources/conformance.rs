//! Every table of the corpus that has an expectation.

use contract::TableVersion;

use crate::corpus::{Case, Corpus, expected_failures};
use crate::reading::{Reader, Rows, difference, session};

#[tokio::test(flavor = "multi_thread")]
async fn every_table_of_the_corpus() {
    let Some(corpus) = Corpus::find() else { return };
    let known = expected_failures();
    let reader = Reader::new();
    let mut passed = 0;
    let mut wrong = Vec::new();
    let cases = corpus
        .cases
        .iter()
        .filter(|case| case.has_expectation())
        .collect::<Vec<_>>();
    for case in &cases {
        let outcome = check(&reader, &corpus, case).await;
        passed += usize::from(outcome.is_ok());
        match (outcome, known.get(&case.id())) {
            (Err(why), None) => wrong.push(format!("{} fails: {why}", case.id())),
            (Ok(()), Some(reason)) => wrong.push(format!("{} passes, though expected not to: {reason}", case.id())),
            (Err(why), Some(_)) => println!("expected failure {}: {why}", case.id()),
            (Ok(()), None) => {}
        }
    }
    for id in known.keys() {
        assert!(
            cases.iter().any(|case| case.id() == *id),
            "{id} is in the list of failures but not in the corpus"
        );
    }
    println!("scoreboard delta: {passed} of {} pass", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn check(reader: &Reader, corpus: &Corpus, case: &Case) -> Result<(), String> {
    let Some(expected) = &case.expected else { return Ok(()) };
    let folder = corpus.table(case);
    if expected.kind == "error" {
        return match reader.open(&folder, TableVersion::Latest).await {
            Err(_) | Ok(None) => Ok(()),
            Ok(Some(table)) => match Rows::of(&session(table.provider.clone()), "SELECT * FROM t").await {
                Err(_) => Ok(()),
                Ok(_) => Err("must fail, but reads".to_owned()),
            },
        };
    }
    let table = reader
        .open(&folder, TableVersion::Latest)
        .await
        .map_err(|error| told(&error))?
        .ok_or("no table")?;
    let ctx = session(table.provider.clone());
    let read = Rows::of(&ctx, "SELECT * FROM t").await.map_err(|error| told(&error))?;
    if let Some(rows) = expected.rows
        && read.count() != rows
    {
        return Err(format!("{} rows instead of {rows}", read.count()));
    }
    let count = Rows::of(&ctx, "SELECT count(*) FROM t")
        .await
        .map_err(|error| told(&error))?
        .number();
    if usize::try_from(count) != Ok(read.count()) {
        return Err(format!("count(*) says {count} of {} rows", read.count()));
    }
    match (expected.kind.as_str(), &expected.path) {
        ("parquet", Some(path)) => {
            let expected = Rows::of_parquet(&corpus.path(path)).await;
            if let Some(why) = difference(&read, &expected) {
                return Err(why);
            }
        }
        ("ascii-table", Some(path)) => compare_text(&read, &std::fs::read_to_string(corpus.path(path)).unwrap())?,
        _ => {}
    }
    for older in &case.expected_versions {
        let opened = reader
            .open(&folder, TableVersion::Version(older.version))
            .await
            .map_err(|error| told(&error))?;
        let provider = opened.ok_or("no such version")?.provider.clone();
        let read = Rows::of(&session(provider), "SELECT * FROM t")
            .await
            .map_err(|error| told(&error))?;
        if read.count() != older.rows {
            return Err(format!(
                "version {}: {} rows instead of {}",
                older.version,
                read.count(),
                older.rows
            ));
        }
        if let Some(why) = difference(&read, &Rows::of_parquet(&corpus.path(&older.path)).await) {
            return Err(format!("version {}: {why}", older.version));
        }
    }
    Ok(())
}

/// Every cell of the printed table must be among the cells that were read.
fn compare_text(read: &Rows, text: &str) -> Result<(), String> {
    let cells = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(1).map(cells);
    let mut expected = lines.map(|cells| cells.join(" | ")).collect::<Vec<_>>();
    expected.sort_unstable();
    let read = read.sorted();
    if read == expected {
        Ok(())
    } else {
        Err(format!("read {read:?} instead of {expected:?}"))
    }
}

fn told(error: &contract::Error) -> String {
    format!("{error}{}", error.causes())
}
