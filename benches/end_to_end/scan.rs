//! One large result, thrown away by the client: what a row costs on its way out.

use crate::Bench;
use crate::Outcome;
use crate::process;
use crate::table::{Table, median, progress};
use crate::wire::{Connection, Mode};

/// What is read.
pub(crate) const SQL: &str = "SELECT * FROM lineitem";

const MODES: [(&str, Mode); 4] = [
    ("text", Mode::Text),
    ("binary", Mode::Binary),
    ("copy text", Mode::Copy("")),
    ("copy csv", Mode::Copy(" WITH (FORMAT csv)")),
];

/// The figures of several runs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// Rows that came the last time.
    pub(crate) rows: u64,
    /// Rows a second, in thousands.
    pub(crate) speed: Vec<f64>,
    /// Seconds of CPU of a million rows.
    pub(crate) cpu: Vec<f64>,
    /// Milliseconds.
    pub(crate) first_row: Vec<f64>,
    /// MiB.
    pub(crate) peak: Vec<f64>,
}

impl Runs {
    /// Reads once. CPU is of the tree of `root`, memory of `worker`.
    pub(crate) fn add(
        &mut self,
        connection: &mut Connection,
        sql: &str,
        mode: Mode,
        root: u32,
        worker: u32,
    ) -> Outcome<()> {
        let forgotten = process::forget_peak(worker);
        let before = process::cpu_seconds(root);
        let answer = connection.run(sql, mode)?;
        let rows = answer.rows as f64;
        self.rows = answer.rows;
        self.cpu.push((process::cpu_seconds(root) - before) / rows * 1e6);
        self.speed.push(rows / answer.whole.as_secs_f64() / 1e3);
        self.first_row
            .push(answer.first_row.map_or(f64::NAN, |first| first.as_secs_f64() * 1e3));
        self.peak
            .push(forgotten.and_then(|()| process::peak(worker)).unwrap_or(f64::NAN));
        Ok(())
    }
}

/// Medians of two lists and their ratio.
fn beside(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    let (ours, theirs) = (median(ours), median(theirs));
    [ours, theirs, ours / theirs]
}

pub(crate) fn scan(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let mut connection = server.connect("bench")?;
    let mut other = match &bench.postgres {
        Some(postgres) => Some((postgres.pid(), postgres.connect()?)),
        None => None,
    };
    let columns = ["", "lakegate", "postgres", "ratio"];
    let mut speed = Table::new("scan: thousand rows/s of SELECT * FROM lineitem", &columns);
    let mut cpu = Table::new("scan: CPU seconds of the server for a million rows", &columns);
    let mut first_row = Table::new("scan: ms to the first row", &columns);
    let mut peak = Table::new("scan: peak resident MiB of the process that answers", &columns);
    for (name, mode) in MODES {
        let (mut ours, mut theirs) = (Runs::default(), Runs::default());
        // The first run of each warms it up and is not counted.
        connection.run(SQL, mode)?;
        if let Some((_, other)) = &mut other {
            other.run(SQL, mode)?;
        }
        for run in 1..=bench.runs {
            progress(format!("scan {name}, run {run} of {}", bench.runs));
            ours.add(&mut connection, SQL, mode, server.pid(), server.pid())?;
            if let Some((root, other)) = &mut other {
                let worker = other.process_id;
                theirs.add(other, SQL, mode, *root, worker)?;
            }
        }
        if other.is_some() && ours.rows != theirs.rows {
            speed.note(format!("{name}: {} rows here, {} there", ours.rows, theirs.rows));
        }
        speed.row(name, &beside(&ours.speed, &theirs.speed));
        cpu.row(name, &beside(&ours.cpu, &theirs.cpu));
        first_row.row(name, &beside(&ours.first_row, &theirs.first_row));
        peak.row(name, &beside(&ours.peak, &theirs.peak));
    }
    peak.note("of PostgreSQL the one backend, shared memory that it touched included");
    for table in [speed, cpu, first_row, peak] {
        table.print();
    }
    Ok(())
}
