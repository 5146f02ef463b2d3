//! The query cases of the validation suite of ADBC's drivers, through the driver of Flight SQL.
//!
//! The tables that a case makes and fills are here made by the test, from the case's own statements: this server reads
//! only. The runner is `scripts/adbc_validation.py`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use engine::{AccessConfig, Engine, EngineOptions};
use serde::Deserialize;
use system_tests::data::{Expectations, folder};
use system_tests::memory_source::MemorySource;

use crate::drivers::{python, script};
use crate::served::Doors;

const EXPECTATIONS: &str = include_str!("../expectations/adbc.toml");

/// How a case went, as the runner tells it, one a line.
#[derive(Deserialize)]
struct Outcome {
    section: String,
    case: String,
    why: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn cases() {
    let Some(data) = folder("flightsql") else { return };
    let cases = data.join("adbc_validation/queries");
    let doors = Doors::open(&engine(&cases), None).await;
    let client = python().arg(script("adbc_validation.py")).arg(&cases);
    let Some(told) = client.run(&doors).await else { return };
    let outcomes = told.lines().filter(|line| line.starts_with('{'));
    let outcomes: Vec<Outcome> = outcomes.map(|line| serde_json::from_str(line).unwrap()).collect();
    for (section, count) in [("literal", 13), ("select", 31), ("bind", 28), ("ingest", 30)] {
        let mut expectations = Expectations::read(EXPECTATIONS, section);
        let of_section: Vec<_> = outcomes.iter().filter(|outcome| outcome.section == section).collect();
        assert_eq!(of_section.len(), count, "cases of {section}");
        for outcome in of_section {
            expectations.record(&outcome.case, outcome.why.clone().map_or(Ok(()), Err));
        }
        expectations.finish(&format!("adbc validation, {section}"));
    }
}

/// An engine in which each case that reads a table has a schema of its own.
fn engine(cases: &Path) -> Engine {
    let source = files(&cases.join("type/select"))
        .into_iter()
        .fold(MemorySource::new("lake"), |source, path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let (table, rows) = table(part(&text, "setup_query"));
            source.table(path.file_stem().unwrap().to_str().unwrap(), &table, vec![rows])
        });
    let builder = Engine::builder(EngineOptions::default()).source(Arc::new(source));
    builder.access(AccessConfig::open()).build().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// One part of a case's file.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let begin = format!("// part: {name}\n");
    let (_, rest) = text.split_once(&begin).unwrap();
    rest.split("// part: ").next().unwrap()
}

/// The table that a CREATE TABLE and its INSERTs make: a number `idx` and one column more.
fn table(setup: &str) -> (String, RecordBatch) {
    let (_, rest) = setup.split_once("CREATE TABLE ").unwrap();
    let (name, rest) = rest.split_once(" (").unwrap();
    let (columns, _) = rest.split_once("\n);").unwrap();
    let column = |line: &str| {
        let (name, declared) = line.trim().trim_end_matches(',').split_once(' ').unwrap();
        Field::new(name, data_type(declared), true)
    };
    let schema = Arc::new(Schema::new(columns.trim().lines().map(column).collect::<Vec<_>>()));
    let mut values = [Vec::new(), Vec::new()];
    for line in setup.lines().filter(|line| line.starts_with("INSERT INTO")) {
        let (_, row) = line.split_once(" VALUES (").unwrap();
        let (row, _) = row.rsplit_once(");").unwrap();
        let (idx, value) = row.split_once(", ").unwrap();
        values[0].push(literal(idx));
        values[1].push(literal(value));
    }
    let arrays = values.into_iter().zip(schema.fields());
    let arrays = arrays.map(|(values, field)| array(values, field.data_type()));
    let rows = RecordBatch::try_new(Arc::clone(&schema), arrays.collect()).unwrap();
    (name.to_owned(), rows)
}

/// The text of a literal without its type and quotes; none for NULL.
fn literal(text: &str) -> Option<String> {
    match text.split_once('\'') {
        Some((_, quoted)) => Some(quoted.strip_suffix('\'').unwrap().replace("''", "'")),
        None => (text != "NULL").then(|| text.to_owned()),
    }
}

fn array(values: Vec<Option<String>>, data_type: &DataType) -> ArrayRef {
    match data_type {
        DataType::Binary => {
            let digit = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes = |hex: String| (0..hex.len()).step_by(2).map(|at| digit(&hex, at)).collect::<Vec<u8>>();
            Arc::new(BinaryArray::from_iter(values.into_iter().map(|value| value.map(bytes))))
        }
        data_type => {
            let texts = StringArray::from(values);
            let array = cast(&texts, data_type).unwrap();
            assert_eq!(
                array.null_count(),
                texts.iter().filter(Option::is_none).count(),
                "{texts:?}"
            );
            array
        }
    }
}

/// The Arrow type of a column, with the unit that holds all digits of a point in time.
fn data_type(declared: &str) -> DataType {
    let (name, rest) = declared.split_once('(').unwrap_or((declared, ""));
    let (numbers, more) = rest.split_once(')').unwrap_or_default();
    let numbers: Vec<u8> = numbers
        .split(',')
        .filter_map(|number| number.trim().parse().ok())
        .collect();
    match name {
        "BOOLEAN" => DataType::Boolean,
        "SMALLINT" => DataType::Int16,
        "INTEGER" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "REAL" => DataType::Float32,
        "DOUBLE PRECISION" => DataType::Float64,
        "NUMERIC" => DataType::Decimal128(numbers[0], i8::try_from(numbers[1]).unwrap()),
        "VARCHAR" => DataType::Utf8,
        "BLOB" => DataType::Binary,
        "DATE" => DataType::Date32,
        "TIME" => DataType::Time64(TimeUnit::Microsecond),
        "TIMESTAMP" => {
            let unit = match numbers[0] {
                0 => TimeUnit::Second,
                1..=3 => TimeUnit::Millisecond,
                4..=6 => TimeUnit::Microsecond,
                _ => TimeUnit::Nanosecond,
            };
            DataType::Timestamp(unit, more.contains("TIME ZONE").then(|| "UTC".into()))
        }
        other => panic!("a column of type {other}"),
    }
}
