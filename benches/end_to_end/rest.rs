//! REST against HTTP alone: few rows, where the request is what costs, and many, where the encoding is.

use crate::http::{Http, Reply};
use crate::limits::Limits;
use crate::process;
use crate::table::{Table, median, milliseconds, progress, quantile};
use crate::wire::Mode;
use crate::{Bench, Outcome};

/// Requests of one run.
const REQUESTS: usize = 500;
const FEW: &str = "/api/v2/samples/_table/tpch.orders?limit=10";
/// The same rows without REST.
const FEW_SQL: &str = "SELECT * FROM tpch.orders LIMIT 10";
const MANY_ROWS: f64 = 100_000.0;
const MANY_SQL: &str = "SELECT * FROM tpch.lineitem LIMIT 100000";
pub(crate) const QUERY: &str = "/api/v2/samples/_query";

pub(crate) fn rest(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let limits = Limits::start(&bench.tables.join("tpch/region"))?;
    let (mut ours, mut plain) = (Http::connect(server.rest)?, Http::connect(limits.http)?);
    let mut wire = server.connect("bench")?;
    wire.prepare("few", FEW_SQL)?;
    let bytes = ours.get(FEW)?.bytes;
    let [mut few, mut engine, mut alone] = [const { Vec::new() }; 3];
    let requests = |http: &mut Http, path: &str| {
        let replies = (0..REQUESTS).map(|_| http.get(path).map(|reply| reply.whole));
        replies.collect::<Outcome<Vec<_>>>()
    };
    requests(&mut ours, FEW)?;
    for run in 1..=bench.runs {
        progress(format!("rest, few rows, run {run} of {}", bench.runs));
        few.extend(milliseconds(&requests(&mut ours, FEW)?));
        engine.extend(milliseconds(&wire.run_prepared("few", REQUESTS)?));
        alone.extend(milliseconds(&requests(&mut plain, &format!("/{bytes}"))?));
    }
    let columns = [
        "",
        "rest",
        "prepared, over PostgreSQL's protocol",
        "beyond",
        "plain HTTP",
    ];
    let mut table = Table::new(format!("rest: ms for ten rows, {bytes} bytes"), &columns);
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let [rest, engine, alone] = [&few, &engine, &alone].map(|times| quantile(times, part));
        table.row(name, &[rest, engine, rest - engine, alone]);
    }
    table.print();
    many(bench, &mut ours, &mut plain, server.pid(), limits.pid())?;
    // The connection is part of what is measured; it lives as long.
    wire.run("SELECT 1", Mode::Text).map(|_| ())
}

#[derive(Debug, Default)]
struct Runs {
    speed: Vec<f64>,
    bytes: Vec<f64>,
    cpu: Vec<f64>,
    first_byte: Vec<f64>,
    peak: Vec<f64>,
}

impl Runs {
    fn add(&mut self, pid: u32, ask: impl FnOnce() -> Outcome<Reply>) -> Outcome<u64> {
        let forgotten = process::forget_peak(pid);
        let before = process::cpu_seconds(pid);
        let reply = ask()?;
        let seconds = reply.whole.as_secs_f64();
        self.cpu.push((process::cpu_seconds(pid) - before) / MANY_ROWS * 1e6);
        self.speed.push(MANY_ROWS / seconds / 1e3);
        self.bytes.push(reply.bytes as f64 / seconds / 1e6);
        self.first_byte.push(reply.first_byte.as_secs_f64() * 1e3);
        self.peak
            .push(forgotten.and_then(|()| process::peak(pid)).unwrap_or(f64::NAN));
        Ok(reply.bytes)
    }
}

fn many(bench: &Bench, ours: &mut Http, plain: &mut Http, server: u32, limits: u32) -> Outcome<()> {
    ours.query(QUERY, MANY_SQL)?;
    let (mut answers, mut alone) = (Runs::default(), Runs::default());
    for run in 1..=bench.runs {
        progress(format!("rest, many rows, run {run} of {}", bench.runs));
        let bytes = answers.add(server, || ours.query(QUERY, MANY_SQL))?;
        alone.add(limits, || plain.get(&format!("/{bytes}")))?;
    }
    let columns = ["", "rest", "plain HTTP", "ratio"];
    let mut table = Table::new("rest: 100,000 rows of lineitem as JSON", &columns);
    let mut row = |name: &str, ours: &[f64], plain: &[f64]| {
        let (ours, plain) = (median(ours), median(plain));
        table.row(name, &[ours, plain, ours / plain]);
    };
    row("thousand rows/s", &answers.speed, &alone.speed);
    row("MB/s", &answers.bytes, &alone.bytes);
    row("CPU s of a million rows", &answers.cpu, &alone.cpu);
    row("ms to the first byte", &answers.first_byte, &alone.first_byte);
    row("peak resident MiB", &answers.peak, &alone.peak);
    table.note("plain HTTP: the same number of bytes from memory, in pieces of the same size");
    table.print();
    Ok(())
}
