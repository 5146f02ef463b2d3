//! The whole server from outside, over real sockets and real Delta tables, with PostgreSQL and DataFusion beside it.
//!
//! Everything that is compared runs in the same minute and in turn: a machine that slows down slows down both.

mod doors;
mod ending_keys;
mod flight;
mod http;
mod lakegate;
mod limits;
mod links;
mod many_tables;
mod postgres;
mod process;
mod pushed;
mod reference;
mod rest;
mod rules;
mod scan;
mod slow_reader;
mod small;
mod table;
mod tpch;
mod wire;
mod workspace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use self::lakegate::Lakegate;
use self::postgres::Postgres;
use self::table::progress;

/// Whatever goes wrong ends a group and is told.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// As the server's: an allocator is part of what the reference is compared for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures one group.
type Run = fn(&mut Bench) -> Outcome<()>;

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// The whole of lineitem, in four formats
    Scan,
    /// SELECT 1, prepared, and a new connection
    Small,
    /// From the start of the process to its first answer
    Start,
    /// TPC-H's queries against DataFusion alone
    Tpch,
    /// A scan with row filter and mask against one without
    Rules,
    /// A client that reads slowly and leaves
    Slow,
    /// The whole of lineitem through Flight, against Flight from memory
    Flight,
    /// Few rows and many through REST, against HTTP alone
    Rest,
    /// TPC-H's queries through each door
    Doors,
    /// A statement pushed to Spark and to a warehouse, against the same sent by a plain client
    Pushed,
    /// A large result of a warehouse, against downloads of its links
    Links,
    /// A point query on one of very many tables of Unity Catalog, against a plain folder
    ManyTables,
    /// A scan by psql while the keys for its files end
    Keys,
}

impl Group {
    /// Those that need Spark or the stand-in of a workspace, and no demo data.
    const REMOTE: [Self; 4] = [Self::Pushed, Self::Links, Self::ManyTables, Self::Keys];
}

/// Measures the server end to end, beside PostgreSQL and DataFusion
#[derive(Debug, Parser)]
#[command(name = "end_to_end")]
struct Arguments {
    /// TPC-H's scale factor
    #[arg(long, default_value_t = 0.1)]
    scale: f64,
    /// Only these groups; without it all but those of `remote`
    #[arg(long, value_enum, value_name = "GROUP", value_delimiter = ',')]
    only: Vec<Group>,
    /// `remote` stands for `--only pushed,links,many-tables,keys`
    #[arg(value_parser = ["remote"])]
    set: Option<String>,
    /// Bytes of the large result, as Arrow
    #[arg(long, default_value_t = 1_000_000_000)]
    link_bytes: u64,
    /// MB/s that each connection gets of the large result in the second round; 0 leaves that out
    #[arg(long, default_value_t = 30)]
    link_rate: u64,
    /// Tables of the large catalog
    #[arg(long, default_value_t = 100_000)]
    tables: usize,
    /// Seconds that psql reads while keys end
    #[arg(long, default_value_t = 60)]
    keys_seconds: u64,
    /// Runs of each measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    runs: u16,
    /// Where the demo's data lies or is made; kept for the next time
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The server's binary; else the one beside this program, else one that cargo builds
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Seconds that the slow reader reads
    #[arg(long, default_value_t = 10)]
    slow_seconds: u16,
    /// Leave PostgreSQL out
    #[arg(long)]
    no_postgres: bool,
    /// Set by `cargo bench`
    #[arg(long = "bench", hide = true)]
    _bench: bool,
    /// Be the reference over these Parquet files
    #[arg(long, hide = true, value_name = "DIR")]
    reference: Option<PathBuf>,
    /// Be the limits of Flight and HTTP over these Parquet files
    #[arg(long, hide = true, value_name = "DIR")]
    limits: Option<PathBuf>,
}

/// What all groups work with.
struct Bench {
    runs: usize,
    binary: PathBuf,
    /// The folder of the catalog: schemas, in them tables.
    tables: PathBuf,
    /// For configurations; gone at the end.
    temporary: tempfile::TempDir,
    slow_seconds: u64,
    link_bytes: u64,
    link_rate: u64,
    /// Tables of the large catalog.
    tables_many: usize,
    keys_seconds: u64,
    postgres: Option<Postgres>,
}

impl Bench {
    /// Starts a server in which everybody is the administrator.
    fn server(&self) -> Outcome<Lakegate> {
        let configuration = lakegate::configuration(&self.binary, self.temporary.path(), &self.tables, None)?;
        Lakegate::start(&self.binary, &configuration)
    }
}

fn main() -> ExitCode {
    // `cargo test` runs benches too, with whatever flags tests take.
    if !std::env::args().any(|argument| matches!(argument.as_str(), "--bench" | "--help" | "-h")) {
        progress("not asked to measure: run it with cargo bench");
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let done = match (&arguments.reference, &arguments.limits) {
        (Some(folder), _) => reference::serve(folder),
        (None, Some(folder)) => limits::serve(folder),
        (None, None) => measure(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn data_folder(arguments: &Arguments) -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("end_to_end-{}", arguments.scale));
    arguments.data.clone().unwrap_or(own)
}

fn yardstick(arguments: &Arguments, needed: bool) -> Option<Postgres> {
    if arguments.no_postgres || !needed {
        return None;
    }
    match Postgres::start() {
        Ok(Some(postgres)) => {
            progress(format!("beside it: {}", postgres.version()));
            Some(postgres)
        }
        Ok(None) => {
            progress("PostgreSQL is not installed (no initdb in PATH): its columns stay empty");
            None
        }
        Err(error) => {
            progress(format!("PostgreSQL is left out: {error}"));
            None
        }
    }
}

fn measure(arguments: &Arguments) -> Outcome<()> {
    let binary = lakegate::binary(arguments.server.as_deref())?;
    let named: &[Group] = match arguments.set {
        Some(_) => &Group::REMOTE,
        None => &arguments.only,
    };
    let wanted = |group: Group| match named {
        [] => !Group::REMOTE.contains(&group),
        named => named.contains(&group),
    };
    let tables = match named.iter().all(|group| Group::REMOTE.contains(group)) && !named.is_empty() {
        true => PathBuf::new(),
        false => {
            let data = data_folder(arguments);
            progress(format!("demo data of scale {} in {}", arguments.scale, data.display()));
            lakegate::make_data(&binary, &data, arguments.scale)?;
            data.canonicalize()?.join(lakegate::CATALOG)
        }
    };
    let compared = [Group::Scan, Group::Small, Group::Start, Group::Slow]
        .into_iter()
        .any(wanted);
    let mut bench = Bench {
        runs: usize::from(arguments.runs),
        binary,
        tables,
        temporary: tempfile::tempdir()?,
        slow_seconds: u64::from(arguments.slow_seconds),
        link_bytes: arguments.link_bytes,
        link_rate: arguments.link_rate,
        tables_many: arguments.tables,
        keys_seconds: arguments.keys_seconds,
        postgres: yardstick(arguments, compared),
    };
    load(&mut bench);

    let groups: [(Group, Run); 13] = [
        (Group::Start, small::start),
        (Group::Small, small::small),
        (Group::Scan, scan::scan),
        (Group::Rules, rules::rules),
        (Group::Tpch, tpch::tpch),
        (Group::Slow, slow_reader::slow_reader),
        (Group::Flight, flight::flight),
        (Group::Rest, rest::rest),
        (Group::Doors, doors::doors),
        (Group::Pushed, pushed::pushed),
        (Group::Links, links::links),
        (Group::ManyTables, many_tables::many_tables),
        (Group::Keys, ending_keys::ending_keys),
    ];
    let mut failed = Vec::new();
    for (group, run) in groups.into_iter().filter(|(group, _)| wanted(*group)) {
        progress(format!("group {group:?}").to_lowercase());
        if let Err(error) = run(&mut bench) {
            progress(format!("group {group:?} failed: {error}"));
            failed.push(format!("{group:?}"));
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join(", ").into()),
    }
}

/// Gives PostgreSQL our rows, or goes on without it.
fn load(bench: &mut Bench) {
    let Some(postgres) = &bench.postgres else {
        return;
    };
    progress("loading lineitem into PostgreSQL from our own COPY");
    let loaded = bench
        .server()
        .and_then(|server| postgres.load(&mut server.connect("bench")?));
    if let Err(error) = loaded {
        progress(format!(
            "PostgreSQL is left out, its table could not be loaded: {error}"
        ));
        bench.postgres = None;
    }
}
