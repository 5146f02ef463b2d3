//! A large result of a SQL warehouse, which comes by links, against downloads of the same links and nothing else.

use engine::Engine;
use serde_json::json;
use system_tests::gateway::configured;

use crate::flight::Flight;
use crate::lakegate::{self, Lakegate};
use crate::process;
use crate::table::{Table, median, progress};
use crate::wire::{Connection, Mode};
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
    let mut readers = Readers {
        embedded: configured(&text, &[]),
        flight: Flight::connect(server.flight)?,
        wire: server.connect_to("bench", "main")?,
        pid: server.pid(),
        workspace: &workspace,
        urls,
        rows,
        megabytes: plain_bytes as f64 / 1e6,
    };
    // Encodes everything, and warms up.
    readers.read()?;
    readers.measure(bench.runs, "as fast as this machine copies")?;
    if bench.link_rate > 0 {
        workspace.control(
            "settings",
            &json!({"link_bytes_per_second": bench.link_rate * 1_000_000}),
        );
        let pace = format!("{} MB/s for each connection, as object stores give", bench.link_rate);
        readers.measure(bench.runs, &pace)?;
    }
    Ok(())
}

/// Everyone who reads the same result.
struct Readers<'a> {
    workspace: &'a Workspace,
    urls: Vec<String>,
    rows: u64,
    megabytes: f64,
    embedded: Engine,
    flight: Flight,
    wire: Connection,
    pid: u32,
}

/// What one round took.
struct Round {
    bytes: u64,
    /// Seconds of each reader, in the order of [`READERS`].
    seconds: [f64; READERS.len()],
    peak: f64,
}

const READERS: [&str; 5] = [
    "downloads thrown away",
    "downloads kept in memory",
    "lakegate, embedded: batches in the same process",
    "lakegate, through Flight",
    "lakegate, through PostgreSQL in binary",
];

impl Readers<'_> {
    fn read(&mut self) -> Outcome<Round> {
        let thrown_away = download(&self.urls, CONNECTIONS)?;
        let kept = self.workspace.download_kept(&self.urls, CONNECTIONS)?;
        let (rows_within, within) = self.workspace.embedded(&self.embedded, SQL)?;
        let forgotten = process::forget_peak(self.pid);
        let by_flight = self.flight.query(SQL)?;
        let peak = forgotten.and_then(|()| process::peak(self.pid)).unwrap_or(f64::NAN);
        let by_wire = self.wire.run(SQL, Mode::Binary)?;
        let came = [rows_within, by_flight.rows, by_wire.rows];
        if came != [self.rows; 3] {
            return Err(format!("{came:?} rows came of {}", self.rows).into());
        }
        let times = [thrown_away.whole, kept.whole, within, by_flight.whole, by_wire.whole];
        Ok(Round {
            bytes: thrown_away.bytes,
            seconds: times.map(|time| time.as_secs_f64()),
            peak,
        })
    }

    fn measure(&mut self, runs: usize, pace: &str) -> Outcome<()> {
        let mut rounds = Vec::new();
        for run in 1..=runs {
            progress(format!("links, {pace}, run {run} of {runs}"));
            rounds.push(self.read()?);
        }
        let median_of = |value: &dyn Fn(&Round) -> f64| median(&rounds.iter().map(value).collect::<Vec<_>>());
        let on_the_wire = median_of(&|round| round.bytes as f64 / 1e6);
        let title = format!(
            "links, {pace}: {} rows, {:.0} MB of Arrow, {on_the_wire:.0} MB on the wire in {} links, {CONNECTIONS} \
             connections",
            self.rows,
            self.megabytes,
            self.urls.len()
        );
        let mut table = Table::new(title, &["", "seconds", "MB/s of Arrow", "of thrown away", "of kept"]);
        let times: Vec<_> = (0..READERS.len())
            .map(|reader| median_of(&|round| round.seconds.get(reader).copied().unwrap_or(f64::NAN)))
            .collect();
        if let [thrown_away, kept, ..] = times.as_slice() {
            for (name, time) in READERS.iter().zip(&times) {
                table.row(*name, &[*time, self.megabytes / time, thrown_away / time, kept / time]);
            }
        }
        table.note(format!(
            "peak resident of lakegate through Flight: {:.0} MiB",
            median_of(&|round| round.peak)
        ));
        table.print();
        Ok(())
    }
}
