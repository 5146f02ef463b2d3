//! A client that takes a megabyte a second and then leaves: what the server holds for it, and whether it lets go.

use std::time::{Duration, Instant};

use crate::process;
use crate::scan::SQL;
use crate::table::{Table, progress};
use crate::wire::Connection;
use crate::{Bench, Outcome};

/// Bytes of one reading, ten a second.
const READING_BYTES: usize = 100_000;
const BETWEEN: Duration = Duration::from_millis(100);
/// So many readings in vain mean that nothing more comes.
const IN_VAIN_MAX: u32 = 10;

/// What was seen of one server.
struct Seen {
    figures: Vec<f64>,
    was_read: bool,
}

fn watch(mut connection: Connection, root: u32, worker: u32, seconds: u64) -> Outcome<Seen> {
    let before = process::resident(worker)?;
    let start = Instant::now();
    connection.start(SQL)?;
    let (mut highest, mut bytes, mut in_vain, mut readings) = (before, 0, 0, 0);
    while start.elapsed() < Duration::from_secs(seconds) && in_vain < IN_VAIN_MAX {
        if connection.has_more()? {
            bytes += connection.read_some(READING_BYTES)?;
            in_vain = 0;
        } else {
            in_vain += 1;
        }
        highest = highest.max(process::resident(worker)?);
        readings += 1;
        std::thread::sleep((BETWEEN * readings).saturating_sub(start.elapsed()));
    }
    let was_read = in_vain >= IN_VAIN_MAX;
    let ticks = process::cpu_ticks(root);
    drop(connection);
    std::thread::sleep(Duration::from_secs(1));
    let first = process::cpu_ticks(root);
    std::thread::sleep(Duration::from_secs(1));
    let second = process::cpu_ticks(root);
    // Of PostgreSQL the process is gone by then, and with it all that it held.
    let after = process::resident(worker).unwrap_or(f64::NAN);
    let (at_once, later) = (first.saturating_sub(ticks) as f64, second.saturating_sub(first) as f64);
    let figures = vec![
        before,
        highest,
        highest - before,
        bytes as f64 / 1e6,
        at_once,
        later,
        after,
    ];
    Ok(Seen { figures, was_read })
}

pub(crate) fn slow_reader(bench: &mut Bench) -> Outcome<()> {
    let server = bench.server()?;
    let columns = [
        "",
        "MiB before",
        "highest",
        "growth",
        "MB read",
        "ticks 1st s after close",
        "2nd s",
        "MiB then",
    ];
    let mut table = Table::new(
        format!(
            "slow: {SQL} at 1 MB/s for {} s, then the socket is closed",
            bench.slow_seconds
        ),
        &columns,
    );
    // What any first query allocates for good is no growth.
    server
        .connect("bench")?
        .simple("SELECT count(l_comment) FROM lineitem")?;
    progress("slow reader of lakegate");
    let seen = watch(server.connect("bench")?, server.pid(), server.pid(), bench.slow_seconds)?;
    table.row("lakegate", &seen.figures);
    if seen.was_read {
        table.note("all of the result fitted into what was read and the sockets' buffers: choose a larger --scale");
    }
    if let Some(postgres) = &bench.postgres {
        progress("slow reader of PostgreSQL");
        let connection = postgres.connect()?;
        let worker = connection.process_id;
        let seen = watch(connection, postgres.pid(), worker, bench.slow_seconds)?;
        table.row("postgres", &seen.figures);
    }
    table.note("a tick is 10 ms of CPU: a scan that goes on takes 100 a second and core");
    table.print();
    Ok(())
}
