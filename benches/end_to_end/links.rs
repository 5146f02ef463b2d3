//! A large result of a SQL warehouse, which comes by links, against downloads of the same links and nothing else.

use serde_json::json;
use system_tests::gateway::configured;

use crate::flight::Flight;
use crate::lakegate::{self, Lakegate};
use crate::process;
use crate::table::{Table, median, progress};
use crate::wire::Mode;
use crate::workspace::{Links, WAREHOUSE, Workspace, bench_schema, download};
use crate::{Bench, Outcome};

const SQL: &str = "SELECT * FROM main.bench.bulk";
/// Columns of BIGINT, letters of the one text, and the bytes of a row as Arrow.
const NUMBERS: u64 = 8;
const LETTERS: u64 = 36;
const ROW_BYTES: u64 = NUMBERS * 8 + LETTERS + 4;
/// Some ten MB a chunk, as the service cuts.
const ROWS_PER_CHUNK: u64 = 100_000;
/// As many as the service's own driver opens.
const CONNECTIONS: usize = 10;

pub(crate) fn links(bench: &mut Bench) -> Outcome<()> {
    let Some(workspace) = Workspace::start()? else {
        return Ok(());
    };
    let rows = (bench.link_bytes / ROW_BYTES).max(1);
    let columns: Vec<_> = (0..NUMBERS)
        .map(|place| json!({"name": format!("n{place}"), "type": "bigint"}))
        .collect();
    let columns: Vec<_> = columns
        .into_iter()
        .chain([json!({"name": "text", "type": "string"})])
        .collect();
    let table =
        json!({"columns": columns, "storage_location": "s3://stand-in/bench/bulk", "credential_refusal": "empty"});
    workspace.control("state", &bench_schema("bulk", &table));
    let made = json!({"rows": rows, "numbers": NUMBERS, "text_length": LETTERS});
    workspace.control("scripts", &json!({"match": "bulk", "generated": made, "times": null}));
    workspace.control(
        "settings",
        &json!({"reuse_results": true, "rows_per_chunk": ROWS_PER_CHUNK, "links_per_answer": 32}),
    );

    let text = "[engine]\ndefault_catalog = \"main\"\n".to_owned()
        + &workspace.service(&format!(
            "http_path = \"/sql/1.0/warehouses/{WAREHOUSE}\"\nroute = \"warehouse\""
        ));
    let server = Lakegate::start(
        &bench.binary,
        &lakegate::written(bench.temporary.path(), "links.toml", &text)?,
    )?;
    progress(format!("links: the stand-in makes {rows} rows"));
    let Links {
        urls,
        plain_bytes,
        rows: made,
    } = workspace.links(SQL)?;
    if made != rows {
        return Err(format!("the stand-in made {made} rows of {rows}").into());
    }
    let embedded = configured(&text, &[]);
    let mut flight = Flight::connect(server.flight)?;
    let mut wire = server.connect_to("bench", "main")?;
    let [mut plain, mut kept, mut within, mut by_flight, mut by_wire, mut peaks] = [const { Vec::new() }; 6];
    let mut on_the_wire = 0;
    // The run before the first warms up, and has the stand-in encode everything.
    for run in 0..=bench.runs {
        progress(format!("links, run {run} of {}", bench.runs));
        let downloads = download(&urls, CONNECTIONS)?;
        let downloads_kept = workspace.download_kept(&urls, CONNECTIONS)?;
        let (rows_within, time_within) = workspace.embedded(&embedded, SQL)?;
        let forgotten = process::forget_peak(server.pid());
        let answer = flight.query(SQL)?;
        let peak = forgotten.and_then(|()| process::peak(server.pid())).unwrap_or(f64::NAN);
        let rows_come = wire.run(SQL, Mode::Binary)?;
        let came = [rows_within, answer.rows, rows_come.rows];
        if came != [rows; 3] {
            return Err(format!("{came:?} rows came of {rows}").into());
        }
        if run > 0 {
            on_the_wire = downloads.bytes;
            plain.push(downloads.whole.as_secs_f64());
            kept.push(downloads_kept.whole.as_secs_f64());
            within.push(time_within.as_secs_f64());
            by_flight.push(answer.whole.as_secs_f64());
            by_wire.push(rows_come.whole.as_secs_f64());
            peaks.push(peak);
        }
    }
    let megabytes = plain_bytes as f64 / 1e6;
    let title = format!(
        "links: {rows} rows, {megabytes:.0} MB of Arrow, {:.0} MB on the wire in {} links",
        on_the_wire as f64 / 1e6,
        urls.len()
    );
    let columns = ["", "seconds", "MB/s of Arrow", "of thrown away", "of kept"];
    let mut table = Table::new(title, &columns);
    let (limit, limit_kept) = (median(&plain), median(&kept));
    for (name, times) in [
        (format!("downloads thrown away, {CONNECTIONS} connections"), &plain),
        (format!("downloads kept in memory, {CONNECTIONS} connections"), &kept),
        ("lakegate, embedded: batches in the same process".to_owned(), &within),
        ("lakegate, through Flight".to_owned(), &by_flight),
        ("lakegate, through PostgreSQL in binary".to_owned(), &by_wire),
    ] {
        let time = median(times);
        table.row(name, &[time, megabytes / time, limit / time, limit_kept / time]);
    }
    table.note(format!(
        "downloads reach {:.0} MB/s of bytes on the wire: no more is to be had of the stand-in",
        on_the_wire as f64 / 1e6 / limit
    ));
    table.note(format!(
        "peak resident of lakegate through Flight: {:.0} MiB",
        median(&peaks)
    ));
    table.print();
    Ok(())
}
