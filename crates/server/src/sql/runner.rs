//! Runs statements one after another and writes what they answer.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_postgres::{CopyFormat, SessionFormat};
use contract::{Error, ErrorKind, QueryContext, Result};
use engine::{ClientSession, Outcome, ResultStream, StatementText};
use futures::StreamExt;
use tokio::task::JoinHandle;

use crate::command::{Progress, print_error};
use crate::output::{Cells, CopyWriter, Format, ResultWriter, Style, Target, write_failed};

/// Quick answers come without a flicker.
const PROGRESS_AFTER: Duration = Duration::from_millis(300);

/// A session and how its answers look.
pub(crate) struct Runner {
    pub(crate) session: ClientSession,
    pub(crate) format: Format,
    pub(crate) expanded: bool,
    pub(crate) timing: bool,
    /// Whether rows are counted on the terminal while they come; not where they themselves appear.
    pub(crate) show_progress: bool,
}

impl Runner {
    pub(crate) fn new(session: ClientSession, format: Format) -> Self {
        Self {
            session,
            format,
            expanded: false,
            timing: false,
            show_progress: false,
        }
    }

    /// Runs all statements of `sql`; the first error ends it. Ctrl-C cancels what runs.
    pub(crate) async fn run(&mut self, sql: &str, target: &mut Target) -> Result<()> {
        let statements = self.session.parse(sql)?;
        let mut results = 0;
        for statement in statements {
            let start = Instant::now();
            let done = self.statement(statement, target, &mut results).await;
            if done.is_err() {
                self.session.fail_transaction();
            }
            for notice in self.session.take_notices() {
                print_error(&notice, None);
            }
            if done.is_err() {
                self.session.end_of_batch();
                return done;
            }
            if self.timing {
                let line = format!("Time: {:.3} ms\n", start.elapsed().as_secs_f64() * 1000.0);
                target.writer().write_all(line.as_bytes()).map_err(write_failed)?;
            }
        }
        self.session.end_of_batch();
        Ok(())
    }

    async fn statement(&mut self, statement: StatementText, target: &mut Target, results: &mut usize) -> Result<()> {
        let ctx = self.session.query_context();
        let _interrupt = Interrupt::listen(&ctx);
        let work = async {
            let prepared = self.session.prepare(statement, &[], &ctx).await?;
            self.session.execute(&prepared, Vec::new(), &ctx).await
        };
        // Boxed: plans make these futures large.
        let outcome = with_progress(ctx.race(Box::pin(work))).await??;
        match outcome {
            Outcome::Rows { schema, stream, .. } => {
                *results += 1;
                if *results > 1 && self.format.is_binary() {
                    let message = format!("{} output holds one result, and this is the second", self.format.name());
                    return Err(Error::new(ErrorKind::Unsupported, message).with_hint("Run the statements one by one."));
                }
                let mut writer = ResultWriter::new(&self.style(), &schema, target.writer())?;
                self.stream(stream, |batch| writer.write(batch)).await?;
                writer.finish()
            }
            Outcome::CopyOut {
                schema,
                stream,
                options,
            } => {
                let format = copy_format(&options, &schema);
                let mut writer = CopyWriter::new(&self.style(), &schema, format, target.writer())?;
                self.stream(stream, |batch| writer.write(batch)).await?;
                writer.finish()
            }
            Outcome::Command { tag } if self.format == Format::Table => {
                writeln!(target.writer(), "{tag}").map_err(write_failed)
            }
            Outcome::Command { .. } | Outcome::Empty => Ok(()),
        }
    }

    async fn stream(&self, mut stream: ResultStream, mut write: impl FnMut(&RecordBatch) -> Result<()>) -> Result<()> {
        let start = Instant::now();
        let mut progress = None;
        let mut rows = 0;
        // Until the first batch nothing is on the screen yet, wherever the rows go.
        let mut next = with_progress(stream.next()).await;
        while let Some(batch) = next {
            let batch = batch?;
            write(&batch)?;
            rows += batch.num_rows();
            if self.show_progress && start.elapsed() > PROGRESS_AFTER {
                progress.get_or_insert_with(Progress::start).rows(rows);
            }
            next = stream.next().await;
        }
        Ok(())
    }

    fn style(&self) -> Style {
        Style {
            format: self.format,
            expanded: self.expanded,
            session: session_format(&self.session),
        }
    }
}

/// The rows of the last statement of `sql`, as PostgreSQL prints values.
///
/// # Errors
/// The statement's.
pub(crate) async fn rows_of(session: &mut ClientSession, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    let mut rows = Vec::new();
    for statement in session.parse(sql)? {
        rows.clear();
        let ctx = session.query_context();
        let prepared = Box::pin(session.prepare(statement, &[], &ctx)).await?;
        let outcome = Box::pin(session.execute(&prepared, Vec::new(), &ctx)).await?;
        let Outcome::Rows { schema, mut stream, .. } = outcome else {
            continue;
        };
        let mut cells = Cells::new(&schema, &session_format(session));
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                rows.push(cells.row(&batch, row)?);
            }
        }
    }
    session.end_of_batch();
    Ok(rows)
}

/// The session's settings that show in values.
fn session_format(session: &ClientSession) -> SessionFormat {
    let defaults = SessionFormat::default();
    let setting = |name| session.setting(name);
    SessionFormat {
        time_zone: setting("TimeZone")
            .and_then(|zone| zone.parse().ok())
            .unwrap_or(defaults.time_zone),
        extra_float_digits: setting("extra_float_digits")
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(defaults.extra_float_digits),
        bytea_hex: setting("bytea_output").map_or(defaults.bytea_hex, |output| output == "hex"),
    }
}

fn copy_format(options: &postgres_dialect::CopyOptions, schema: &SchemaRef) -> CopyFormat {
    use postgres_dialect::{CopyFormat as Asked, ForceQuote};
    match options.format {
        Asked::Text => CopyFormat::Text {
            delimiter: options.delimiter,
            null: options.null.clone(),
            header: options.header,
        },
        Asked::Binary => CopyFormat::Binary,
        Asked::Csv => CopyFormat::Csv {
            delimiter: options.delimiter,
            null: options.null.clone(),
            quote: options.quote,
            escape: options.escape,
            header: options.header,
            force_quote: match &options.force_quote {
                ForceQuote::Nothing => arrow_postgres::ForceQuote::None,
                ForceQuote::All => arrow_postgres::ForceQuote::All,
                ForceQuote::Columns(names) => {
                    let is_named = |index: &usize| names.iter().any(|name| name == schema.field(*index).name());
                    arrow_postgres::ForceQuote::Columns((0..schema.fields().len()).filter(is_named).collect())
                }
            },
        },
    }
}

/// Cancels the query on Ctrl-C, as long as it lives.
struct Interrupt(JoinHandle<()>);

impl Interrupt {
    fn listen(ctx: &QueryContext) -> Self {
        let cancellation = ctx.cancellation.clone();
        Self(tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                cancellation.cancel();
            }
        }))
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits for `work`, with a spinner if that takes long.
async fn with_progress<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PROGRESS_AFTER) => {}
    }
    let _progress = Progress::start();
    work.await
}
