//! Queries derived from TPC-H through the wire, against DataFusion alone over the same Parquet files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::reference::Reference;
use crate::table::{Table, median, progress};
use crate::wire::Mode;
use crate::{Bench, Outcome};

/// The tables that the queries read.
pub(crate) const TABLES: [&str; 8] = [
    "customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier",
];

/// The texts, the first first; from the folder of conformance data.
///
/// # Errors
/// A file that cannot be read, with what to set.
pub(crate) fn queries() -> Outcome<Vec<String>> {
    let data = match std::env::var_os("LAKEGATE_CONFORMANCE_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
    };
    let text = |number: usize| {
        let file = data.join(format!("tpch/queries/q{number:02}.sql"));
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(text.trim().trim_end_matches(';').to_owned()),
            Err(error) => Err(format!(
                "cannot read {}: {error} (set LAKEGATE_CONFORMANCE_DATA)",
                file.display()
            )
            .into()),
        }
    };
    (1..=22).map(text).collect()
}

pub(crate) fn tpch(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let mut connection = server.connect("bench")?;
    let mut reference = Reference::start(&bench.tables.join("tpch"))?;
    let columns = ["", "lakegate", "datafusion", "ratio", "its planning", "ratio without"];
    let mut table = Table::new("tpch: ms a query", &columns);
    let (mut totals, mut logarithms) = ([0.0; 3], [0.0; 2]);
    let mut compared = 0_u32;
    for (index, sql) in queries()?.iter().enumerate() {
        let (number, name) = (index + 1, format!("q{:02}", index + 1));
        progress(format!("tpch {name}"));
        let (mut ours, mut planning, mut execution) = (Vec::new(), Vec::new(), Vec::new());
        // The run before the first warms both up: files, plans and what is kept of metadata.
        for run in 0..=bench.runs {
            let start = Instant::now();
            let answer = connection.run(sql, Mode::Binary);
            let seconds = start.elapsed().as_secs_f64();
            match answer.and_then(|answer| Ok((answer.rows, reference.run(number)?))) {
                Ok((rows, times)) if rows != times.rows => {
                    table.note(format!("{name}: {rows} rows here, {} there", times.rows));
                    break;
                }
                Err(error) => {
                    table.note(format!("{name} failed: {error}"));
                    break;
                }
                Ok((_, times)) if run > 0 => {
                    ours.push(seconds * 1e3);
                    planning.push(times.planning * 1e3);
                    execution.push(times.execution * 1e3);
                }
                Ok(_) => {}
            }
        }
        let (ours, planning, execution) = (median(&ours), median(&planning), median(&execution));
        let theirs = planning + execution;
        table.row(name, &[ours, theirs, ours / theirs, planning, ours / execution]);
        if ours.is_finite() {
            compared += 1;
            let [all, planned, executed] = totals;
            totals = [all + ours, planned + planning, executed + execution];
            let [with, without] = logarithms;
            logarithms = [with + (ours / theirs).ln(), without + (ours / execution).ln()];
        }
    }
    let [ours, planning, execution] = totals;
    let theirs = planning + execution;
    table.row("all", &[ours, theirs, ours / theirs, planning, ours / execution]);
    let [with, without] = logarithms.map(|sum| (sum / f64::from(compared)).exp());
    table.row(
        "geometric mean of ratios",
        &[f64::NAN, f64::NAN, with, f64::NAN, without],
    );
    table.note("DataFusion plans each time; the server keeps plans and carries rows through a socket");
    let memory = |pid: u32| crate::process::peak(pid).unwrap_or(f64::NAN);
    let (ours, theirs) = (memory(server.pid()), memory(reference.pid()));
    table.row("peak resident MiB", &[ours, theirs, ours / theirs]);
    table.print();
    Ok(())
}
