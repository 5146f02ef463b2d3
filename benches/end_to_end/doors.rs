//! The same queries through each door, in turn: none is to be the slow one.

use std::time::Instant;

use crate::flight::Flight;
use crate::http::Http;
use crate::process::cpu_seconds;
use crate::rest::QUERY;
use crate::table::{Table, median, progress};
use crate::tpch::queries;
use crate::wire::Mode;
use crate::{Bench, Outcome};

const DOORS: [&str; 3] = ["postgres", "flight", "rest"];

pub(crate) fn doors(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let mut wire = server.connect("bench")?;
    let mut flight = Flight::connect(server.flight)?;
    let mut http = Http::connect(server.rest)?;
    let columns = ["", "postgres", "flight", "rest", "slowest to fastest"];
    let mut table = Table::new("doors: ms a query of TPC-H", &columns);
    let (mut totals, mut cpu) = ([0.0; 3], [0.0; 3]);
    for (index, sql) in queries()?.iter().enumerate() {
        let name = format!("q{:02}", index + 1);
        progress(format!("doors {name}"));
        let mut times = [const { Vec::new() }; 3];
        let mut failed = None;
        // The run before the first warms up files, plans and what is kept of metadata.
        for run in 0..=bench.runs {
            let asked = times.iter_mut().zip(&mut cpu).zip(DOORS);
            for ((times, cpu), door) in asked {
                let (start, before) = (Instant::now(), cpu_seconds(server.pid()));
                let done = match door {
                    "postgres" => wire.run(sql, Mode::Text).map(drop),
                    "flight" => flight.query(sql).map(drop),
                    _ => http.query(QUERY, sql).map(drop),
                };
                match done {
                    Ok(()) if run > 0 => {
                        times.push(start.elapsed().as_secs_f64() * 1e3);
                        *cpu += cpu_seconds(server.pid()) - before;
                    }
                    Ok(()) => {}
                    Err(error) => failed = Some(format!("{name} through {door}: {error}")),
                }
            }
            if failed.is_some() {
                break;
            }
        }
        if let Some(failed) = failed {
            table.note(failed);
            continue;
        }
        let medians = times.each_ref().map(|times| median(times));
        for (total, one) in totals.iter_mut().zip(medians) {
            *total += one;
        }
        row(&mut table, &name, medians);
    }
    row(&mut table, "all", totals);
    row(
        &mut table,
        "CPU ms of all",
        cpu.map(|cpu| cpu * 1e3 / bench.runs as f64),
    );
    table.print();
    Ok(())
}

fn row(table: &mut Table, name: &str, times: [f64; 3]) {
    let slowest = times.into_iter().fold(f64::MIN, f64::max);
    let fastest = times.into_iter().fold(f64::MAX, f64::min);
    let [postgres, flight, rest] = times;
    table.row(name, &[postgres, flight, rest, slowest / fastest]);
}
