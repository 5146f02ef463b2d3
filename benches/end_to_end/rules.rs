//! What a row filter and a mask cost: three users read the same rows through different rules.

use crate::lakegate::{self, Lakegate};
use crate::scan::{Runs, SQL};
use crate::table::{Table, median, progress};
use crate::wire::Mode;
use crate::{Bench, Outcome};

/// The filter keeps every row, so that all users carry the same number of them.
const RULES: &str = "CREATE ROLE filtered;
CREATE ROLE masked;
CREATE ROLE both;
GRANT EXECUTE ON SERVICE postgres TO filtered, masked, both;
GRANT SELECT ON samples.tpch.lineitem TO filtered, masked, both;
CREATE POLICY sold ON samples.tpch.lineitem FOR SELECT TO filtered, both USING (l_quantity > 0);
CREATE POLICY every_row ON samples.tpch.lineitem FOR SELECT TO masked USING (true);
CREATE MASK comment ON samples.tpch.lineitem (l_comment) TO masked, both USING ('****' || right(l_comment, 4));
";

/// Users, and whether no rule applies.
const USERS: [(&str, bool); 4] = [("open", true), ("filtered", false), ("masked", false), ("both", false)];

const QUERIES: [(&str, &str, Mode); 3] = [
    ("text", SQL, Mode::Text),
    ("binary", SQL, Mode::Binary),
    (
        "aggregate",
        "SELECT l_returnflag, sum(l_quantity), max(l_comment) FROM lineitem GROUP BY 1",
        Mode::Binary,
    ),
];

pub(crate) fn rules(bench: &mut Bench) -> Outcome<()> {
    let access = Some((RULES, USERS.as_slice()));
    let configuration = lakegate::configuration(&bench.binary, bench.temporary.path(), &bench.tables, access)?;
    let server = Lakegate::start(&bench.binary, &configuration)?;
    let mut connections = Vec::new();
    for (user, _) in USERS {
        connections.push((user, server.connect(user)?));
    }
    let columns = ["", "ms", "to open", "CPU s", "to open"];
    for (name, sql, mode) in QUERIES {
        let mut runs: Vec<(Vec<f64>, Runs)> = USERS.iter().map(|_| Default::default()).collect();
        for run in 0..=bench.runs {
            progress(format!("rules {name}, run {run} of {}", bench.runs));
            for ((_, connection), (times, of_user)) in connections.iter_mut().zip(&mut runs) {
                let mut once = Runs::default();
                once.add(connection, sql, mode, server.pid(), server.pid())?;
                // The first run warms up and is not counted.
                if run > 0 {
                    let rows = once.rows as f64;
                    times.push(rows / once.speed.iter().sum::<f64>());
                    of_user.cpu.push(once.cpu.iter().sum::<f64>() * rows / 1e6);
                }
                of_user.rows = once.rows;
            }
        }
        let mut table = Table::new(format!("rules: {name}, {sql}"), &columns);
        let of_open = runs.first().map_or((f64::NAN, f64::NAN, 0), |(times, runs)| {
            (median(times), median(&runs.cpu), runs.rows)
        });
        for ((user, _), (times, of_user)) in USERS.iter().zip(&runs) {
            let (time, cpu) = (median(times), median(&of_user.cpu));
            table.row(*user, &[time, time / of_open.0, cpu, cpu / of_open.1]);
            if of_user.rows != of_open.2 {
                table.note(format!(
                    "{user} got {} rows, the administrator {}",
                    of_user.rows, of_open.2
                ));
            }
        }
        table.note("open: the administrator; filtered: a filter that keeps all rows; masked: one column of text");
        table.print();
    }
    Ok(())
}
