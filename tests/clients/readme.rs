//! The examples in README's quick start, run as they stand there against the demo's tables, users and keys. Only the
//! ports are others: psql and psycopg are told by PGPORT, and in the others the number is replaced.

use std::path::Path;

use engine::{Engine, EngineOptions};
use lakegate::demo::{CATALOG, access_config};
use system_tests::demo_tables;

use crate::drivers::{Client, java, program, python};
use crate::served::Doors;

const README: &str = include_str!("../../README.md");

/// A fenced block.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

/// The blocks of the quick start.
fn blocks() -> Vec<Block> {
    let (_, rest) = README.split_once("## Quick start\n").unwrap();
    let section = rest.split("\n## ").next().unwrap();
    let mut pieces = section.split("```");
    pieces.next();
    let mut blocks = Vec::new();
    while let (Some(block), Some(_prose)) = (pieces.next(), pieces.next()) {
        let (language, text) = block.split_once('\n').unwrap();
        blocks.push(Block {
            language: language.to_owned(),
            text: text.to_owned(),
        });
    }
    blocks
}

/// Doors as `make demo` opens them.
async fn demo() -> Doors {
    let catalog = demo_tables::catalog(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let options = EngineOptions {
        default_catalog: Some(CATALOG.to_owned()),
        ..EngineOptions::default()
    };
    let builder = Engine::builder(options).source(catalog);
    Doors::open(&builder.access(access_config().unwrap()).build().unwrap(), None).await
}

/// A block's text with the ports that are here.
fn here(doors: &Doors, text: &str) -> String {
    let flight = format!(":{}", doors.flight.address.port());
    let rest = format!(":{}", doors.rest.address.port());
    text.replace(":50051", &flight).replace(":8080", &rest)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_quick_start_works() {
    let doors = demo().await;
    let folder = tempfile::tempdir().unwrap();
    let mut kinds = Vec::new();
    for block in blocks() {
        let text = here(&doors, &block.text);
        let first = text.trim_start();
        let kind = match block.language.as_str() {
            "python" => {
                let printed = run_file(&doors, folder.path(), "example.py", &text, python()).await;
                shows(printed.as_deref(), "delivered");
                if text.contains("psycopg") { "psycopg" } else { "adbc" }
            }
            "js" => {
                let printed = run_file(&doors, folder.path(), "example.mjs", &text, program("node")).await;
                shows(printed.as_deref(), "trip_id");
                "fetch"
            }
            "java" => {
                let name = text.split_once("public class ").unwrap().1;
                let file = format!("{}.java", name.split_once(' ').unwrap().0);
                let printed = run_file(&doors, folder.path(), &file, &text, java("flight-sql-jdbc.jar")).await;
                shows(printed.as_deref(), "delivered");
                "jdbc"
            }
            "" if first.starts_with("make demo") => "make",
            "" if first.starts_with("$ psql") => {
                session(&doors, &text).await;
                "psql"
            }
            "" if first.starts_with("curl") => {
                curl(&doors, &text).await;
                "curl"
            }
            _ => panic!("a block of README that no test runs: {block:?}"),
        };
        kinds.push(kind);
    }
    kinds.sort_unstable();
    assert_eq!(kinds, ["adbc", "curl", "fetch", "jdbc", "make", "psql", "psycopg"]);
}

async fn run_file(doors: &Doors, folder: &Path, name: &str, text: &str, client: Client) -> Option<String> {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    client.arg(file).run(doors).await
}

/// What was printed, unless it was skipped, holds a word that the answer must have.
fn shows(printed: Option<&str>, word: &str) {
    if let Some(printed) = printed {
        assert!(printed.contains(word), "no {word} in: {printed}");
        assert!(!printed.contains("Warning"), "a warning: {printed}");
    }
}

/// A session at a prompt: each command's output begins with the lines that stand below it. psql goes on with the number
/// of rows, or the place of an error.
async fn session(doors: &Doors, text: &str) {
    let mut checked = 0;
    for step in text.split("$ ").skip(1) {
        let (command, shown) = step.split_once('\n').unwrap();
        // What ends with an error is shown too.
        let command = format!("{command} 2>&1 || true");
        let shell = program("sh").calls("psql").arg("-c").arg(command);
        let Some(printed) = shell.run(doors).await else { return };
        let trimmed = |text: &str| {
            let lines = text.trim_end().lines().map(|line| line.trim_end().to_owned());
            lines.collect::<Vec<_>>()
        };
        let (printed, shown) = (trimmed(&printed), trimmed(shown));
        assert!(
            !shown.is_empty() && printed.starts_with(&shown),
            "README shows {shown:?}, psql {printed:?}"
        );
        checked += 1;
    }
    assert!(checked > 1, "no commands in {text}");
}

/// Commands of curl: each must be answered with a success, and with rows.
async fn curl(doors: &Doors, text: &str) {
    let commands = text.replace("\\\n", " ");
    let commands: Vec<_> = commands.lines().filter(|line| !line.is_empty()).collect();
    assert!(commands.len() > 2, "no commands in {text}");
    for command in commands {
        let command = format!("{command} --silent --show-error --fail-with-body");
        let Some(printed) = program("sh").calls("curl").arg("-c").arg(&command).run(doors).await else {
            return;
        };
        let rows = printed.contains("\"resource\":[{") || printed.lines().count() > 1;
        assert!(rows, "{command} gives {printed}");
    }
}
