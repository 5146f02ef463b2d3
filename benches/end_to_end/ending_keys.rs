//! A scan by the wall clock whose keys end several times on the way: psql reads slowly, and counts.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, RecordBatch, StringArray};
use serde_json::json;
use system_tests::lake;

use crate::lakegate::{self, Lakegate};
use crate::table::{Table, progress};
use crate::workspace::{Workspace, bench_schema};
use crate::{Bench, Outcome};

/// How many lifetimes of keys a scan outlasts.
const LIFETIMES: u64 = 3;
/// Many more than are read ahead.
const FILES: u64 = 40;
const ROWS_PER_FILE: u64 = 25_000;
/// Letters of each row, so that the whole is much more than sockets hold.
const LETTERS: usize = 60;
/// Rows between two looks at the clock.
const STEP: u64 = 1000;
const LOCATION: &str = "s3://stand-in/bench/parts";

fn rows(file: u64) -> Outcome<RecordBatch> {
    let ids = (file * ROWS_PER_FILE..(file + 1) * ROWS_PER_FILE).map(|id| id as i64);
    // No two alike, and no run of letters that a file would shorten.
    let text = |id: i64| {
        format!(
            "{:x}",
            (id as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
        )
        .repeat(2)
    };
    let texts = StringArray::from_iter_values(ids.clone().map(|id| text(id).chars().take(LETTERS).collect::<String>()));
    let columns = [
        ("id", Arc::new(Int64Array::from_iter_values(ids)) as _),
        ("text", Arc::new(texts) as _),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// Reads lines so that the last comes when `length` is over; how many there are, and the sum of their first columns.
fn paced(output: impl std::io::Read, length: Duration) -> Outcome<(u64, u64)> {
    let start = Instant::now();
    let (mut count, mut sum) = (0, 0);
    for line in BufReader::new(output).lines() {
        let line = line?;
        let id = line.split('\t').next().unwrap_or_default();
        sum += id.parse::<u64>()?;
        count += 1;
        if count % STEP == 0 {
            let due = length.mul_f64(count as f64 / (FILES * ROWS_PER_FILE) as f64);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Ok((count, sum))
}

pub(crate) fn ending_keys(bench: &mut Bench) -> Outcome<()> {
    let Some(workspace) = Workspace::start()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    progress(format!("keys: {FILES} files are written"));
    let files = (0..FILES).map(rows).collect::<Outcome<Vec<_>>>()?;
    workspace.runtime.block_on(lake::write(folder.path(), files));
    let columns = json!([{"name": "id", "type": "bigint"}, {"name": "text", "type": "string"}]);
    let table = json!({
        "storage_location": LOCATION, "local_location": format!("file://{}", folder.path().display()),
        "credentials": "aws", "columns": columns,
    });
    workspace.control("state", &bench_schema("parts", &table));
    let key_seconds = (bench.keys_seconds / LIFETIMES).max(1);
    workspace.control("settings", &json!({"credential_lifetime": key_seconds}));
    let text = workspace.service("");
    let server = Lakegate::start(
        &bench.binary,
        &lakegate::written(bench.temporary.path(), "keys.toml", &text)?,
    )?;

    let length = Duration::from_secs(bench.keys_seconds);
    progress(format!(
        "keys: psql reads for {} s, keys end after {key_seconds} s",
        length.as_secs()
    ));
    let start = Instant::now();
    let mut psql = Command::new("psql")
        .args([
            "-X",
            "-q",
            "-h",
            &server.address.ip().to_string(),
            "-p",
            &server.address.port().to_string(),
        ])
        .args([
            "-U",
            "bench",
            "-d",
            "main",
            "-c",
            "COPY (SELECT id, text FROM main.bench.parts) TO STDOUT",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("psql: {error}"))?;
    let output = psql.stdout.take().ok_or("psql has no output")?;
    let read = paced(output, length);
    let ended = psql.wait()?;
    let (count, sum) = read?;
    let whole = start.elapsed();

    let rows = FILES * ROWS_PER_FILE;
    let right = ended.success() && (count, sum) == (rows, rows * (rows - 1) / 2);
    let given = workspace.ask("credentials");
    let given = given["credentials"].as_array().cloned().unwrap_or_default();
    let given = given.iter().filter(|key| {
        key["prefix"]
            .as_str()
            .is_some_and(|prefix| prefix.starts_with(LOCATION))
    });
    let refused = workspace.ask("requests?path=/stand-in/bench/parts/");
    let requests = refused["requests"].as_array().cloned().unwrap_or_default();
    // A new table has no checkpoint to find: that is no refusal.
    let refused = requests.iter().filter(|request| {
        request["status"]
            .as_u64()
            .is_some_and(|status| status >= 400 && status != 404)
    });
    let violations = workspace.ask("violations");
    let mut table = Table::new(
        format!("keys: one scan of {FILES} files while keys of {key_seconds} s end"),
        &["", "figure", "limit"],
    );
    table.row("seconds", &[whole.as_secs_f64(), length.as_secs_f64()]);
    table.row("rows", &[count as f64, rows as f64]);
    let needed = whole.as_secs_f64() / key_seconds as f64;
    table.row("sets of keys given out", &[given.count() as f64, needed.ceil() + 1.0]);
    table.row("requests to storage", &[requests.len() as f64, f64::NAN]);
    table.row("of them refused", &[refused.count() as f64, 0.0]);
    table.note(match right {
        true => "the rows are right: as many as were written, and the sum of their keys",
        false => "THE ROWS ARE WRONG",
    });
    table.note(format!(
        "what a correct client would not have sent: {}",
        violations["violations"]
    ));
    table.print();
    match right {
        true => Ok(()),
        false => Err(format!("{count} rows of {rows} came, psql ended with {ended}").into()),
    }
}
