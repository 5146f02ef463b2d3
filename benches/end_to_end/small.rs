//! What is paid a statement, a connection and a start, whatever the rows.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::table::{Table, median, milliseconds, progress, quantile};
use crate::wire::Connection;
use crate::{Bench, Outcome};

/// Executions of one run.
const EXECUTIONS: usize = 2000;
/// Connections of one run.
const CONNECTIONS: usize = 50;
/// As long as Bind, Execute and Sync, and about as long as their answer.
const MESSAGE_BYTES: usize = 32;
/// The smallest query that reads a table.
const FIRST_QUERY: &str = "SELECT * FROM lineitem LIMIT 1";

/// Round trips through the loopback with nothing behind it.
fn echo(times: usize) -> Outcome<Vec<Duration>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let answering = std::thread::spawn(move || {
        let mut message = [0; MESSAGE_BYTES];
        while far.read_exact(&mut message).is_ok() && far.write_all(&message).is_ok() {}
    });
    let mut trips = Vec::with_capacity(times);
    let mut message = [0; MESSAGE_BYTES];
    for _ in 0..times {
        let start = Instant::now();
        near.write_all(&message)?;
        near.read_exact(&mut message)?;
        trips.push(start.elapsed());
    }
    drop(near);
    answering.join().map_err(|_| "the echo failed")?;
    Ok(trips)
}

fn connections(connect: impl Fn() -> Outcome<Connection>) -> Outcome<Vec<Duration>> {
    let timed = (0..CONNECTIONS).map(|_| {
        let start = Instant::now();
        connect().map(|_| start.elapsed())
    });
    timed.collect()
}

pub(crate) fn small(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let postgres = bench.postgres.as_ref();
    let mut ours = server.connect("bench")?;
    let mut theirs = postgres.map(|postgres| postgres.connect()).transpose()?;
    ours.prepare("one", "SELECT 1")?;
    ours.run_prepared("one", EXECUTIONS)?;
    if let Some(theirs) = &mut theirs {
        theirs.prepare("one", "SELECT 1")?;
        theirs.run_prepared("one", EXECUTIONS)?;
    }
    let mut one = [Vec::new(), Vec::new(), Vec::new()];
    let mut connect = [Vec::new(), Vec::new()];
    let [our_trips, their_trips, echoes] = &mut one;
    let [our_logins, their_logins] = &mut connect;
    for run in 1..=bench.runs {
        progress(format!("small, run {run} of {}", bench.runs));
        our_trips.extend(milliseconds(&ours.run_prepared("one", EXECUTIONS)?));
        our_logins.extend(milliseconds(&connections(|| server.connect("bench"))?));
        if let (Some(theirs), Some(postgres)) = (&mut theirs, postgres) {
            their_trips.extend(milliseconds(&theirs.run_prepared("one", EXECUTIONS)?));
            their_logins.extend(milliseconds(&connections(|| postgres.connect())?));
        }
        echoes.extend(milliseconds(&echo(EXECUTIONS)?));
    }
    let mut table = Table::new(
        "small: microseconds",
        &["", "lakegate", "postgres", "ratio", "loopback alone"],
    );
    for (name, part) in [("SELECT 1 prepared, p50", 0.5), ("SELECT 1 prepared, p99", 0.99)] {
        let [ours, theirs, echo] = [&*our_trips, &*their_trips, &*echoes].map(|times| quantile(times, part) * 1e3);
        table.row(name, &[ours, theirs, ours / theirs, echo]);
    }
    let (logins, others) = (median(our_logins) * 1e3, median(their_logins) * 1e3);
    table.row(
        "connect without password, p50",
        &[logins, others, logins / others, f64::NAN],
    );
    table.print();
    Ok(())
}

pub(crate) fn start(bench: &mut Bench) -> Outcome<()> {
    let [mut ready, mut ours, mut theirs] = [const { Vec::new() }; 3];
    for run in 1..=bench.runs {
        progress(format!("start, run {run} of {}", bench.runs));
        let server = bench.server()?;
        server.connect("bench")?.simple(FIRST_QUERY)?;
        ours.push(server.started.elapsed().as_secs_f64() * 1e3);
        ready.push(server.ready.as_secs_f64() * 1e3);
        drop(server);
        if let Some(postgres) = &mut bench.postgres {
            postgres.start_again()?.simple(FIRST_QUERY)?;
            theirs.push(postgres.started.elapsed().as_secs_f64() * 1e3);
        }
    }
    let mut table = Table::new(
        "start: ms from the start of the process",
        &["", "lakegate", "postgres", "ratio"],
    );
    table.row("to its ready line", &[median(&ready), f64::NAN, f64::NAN]);
    let (ours, theirs) = (median(&ours), median(&theirs));
    table.row("to the answer of a first query", &[ours, theirs, ours / theirs]);
    table.note(format!("the first query: {FIRST_QUERY}, over a new connection"));
    table.print();
    Ok(())
}
