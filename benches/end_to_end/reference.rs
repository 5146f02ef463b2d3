//! DataFusion alone over the same files, in a process of its own: the limit of what the server can do.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use datafusion::physical_plan::collect;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

use crate::Outcome;
use crate::tpch::{TABLES, queries};

/// This program again, as the reference.
pub(crate) struct Reference {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What one query took, in seconds, and the rows that it gave.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) planning: f64,
    pub(crate) execution: f64,
    pub(crate) rows: u64,
}

impl Reference {
    /// Starts it over the folder that holds a folder of Parquet files a table.
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--bench", "--reference"]).arg(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, input, output })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Plans a query and runs it.
    pub(crate) fn run(&mut self, number: usize) -> Outcome<Times> {
        writeln!(self.input, "{number}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(planning), Some(execution), Some(rows)) if planning != "error" => Ok(Times {
                planning: planning.parse()?,
                execution: execution.parse()?,
                rows: rows.parse()?,
            }),
            _ => Err(format!("the reference says: {}", line.trim()).into()),
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The data files of a table that was only ever appended to are its rows.
pub(crate) fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
        .collect();
    files.sort();
    Ok(files)
}

async fn context(folder: &Path) -> Outcome<SessionContext> {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.dialect = datafusion::config::Dialect::PostgreSQL;
    let context = SessionContext::new_with_config(config);
    for table in TABLES {
        let files = files(&folder.join(table))?;
        let files: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
        let rows = context.read_parquet(files, ParquetReadOptions::default()).await?;
        context.register_table(table, rows.into_view())?;
    }
    Ok(context)
}

async fn run(context: &SessionContext, sql: &str) -> Outcome<Times> {
    let start = Instant::now();
    let plan = context.sql(sql).await?.create_physical_plan().await?;
    let planning = start.elapsed().as_secs_f64();
    let batches = collect(plan, context.task_ctx()).await?;
    let execution = start.elapsed().as_secs_f64() - planning;
    let rows = batches.iter().map(|batch| batch.num_rows() as u64).sum();
    Ok(Times {
        planning,
        execution,
        rows,
    })
}

/// The child's side: a number a line in, times and rows a line out.
pub(crate) fn serve(folder: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let context = runtime.block_on(context(folder))?;
    let queries = queries()?;
    for line in std::io::stdin().lock().lines() {
        let number: usize = line?.trim().parse()?;
        let sql = queries.get(number - 1).ok_or("no such query")?;
        let line = match runtime.block_on(run(&context, sql)) {
            Ok(times) => format!("{} {} {}", times.planning, times.execution, times.rows),
            Err(error) => format!("error {}", error.to_string().replace('\n', " ")),
        };
        let mut output = std::io::stdout();
        writeln!(output, "{line}")?;
        output.flush()?;
    }
    Ok(())
}
