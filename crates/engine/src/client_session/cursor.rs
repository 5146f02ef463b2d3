//! SQL cursors: DECLARE, FETCH, MOVE, CLOSE. Forward only.

use std::sync::Arc;

use contract::{Error, ErrorKind, QueryContext, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use futures::{StreamExt, stream};
use postgres_dialect::{Command, Declare, FetchCount, FetchDirection};
use tokio::sync::Mutex;

use super::{ClientSession, NAMED_OBJECTS_MAX, Outcome, TransactionStatus};
use crate::ResultStream;
use crate::planning::Planned;
use crate::statement::StatementText;

/// An open cursor; FETCH holds its rows while it streams.
#[derive(Debug)]
pub(crate) struct Cursor {
    schema: SchemaRef,
    rows: Arc<Mutex<Rows>>,
    /// WITH HOLD: outlives the transaction.
    pub(crate) hold: bool,
}

struct Rows {
    stream: ResultStream,
    rest: Option<RecordBatch>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

impl Rows {
    /// The next rows, at most so many.
    async fn next(&mut self, most: u64) -> Option<Result<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(batch) => batch,
            None => match self.stream.next().await? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error)),
            },
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if batch.num_rows() <= most {
            return Some(Ok(batch));
        }
        self.rest = Some(batch.slice(most, batch.num_rows() - most));
        Some(Ok(batch.slice(0, most)))
    }
}

fn forward_only() -> Error {
    Error::new(ErrorKind::ObjectNotInPrerequisiteState, "cursor can only scan forward")
        .with_hint("Declare it again to start over.")
}

/// How many rows forward; none for a direction that would go back.
fn count(direction: FetchDirection) -> Result<u64> {
    match direction {
        FetchDirection::Forward(FetchCount::All) => Ok(u64::MAX),
        FetchDirection::Forward(FetchCount::Rows(rows)) | FetchDirection::Relative(rows @ 1) => {
            u64::try_from(rows).map_err(|_| forward_only())
        }
        FetchDirection::Relative(_) | FetchDirection::Absolute(_) | FetchDirection::Backward(_) => Err(forward_only()),
    }
}

impl ClientSession {
    pub(super) async fn declare(
        &mut self,
        declare: &Declare,
        statement: &StatementText,
        planned: &Arc<Planned>,
        parameters: Vec<ScalarValue>,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        if self.transaction.status == TransactionStatus::Idle && !declare.hold {
            return Err(Error::new(
                ErrorKind::NoActiveTransaction,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if self.cursors.contains_key(&declare.name) {
            let message = format!("cursor \"{}\" already exists", declare.name);
            return Err(Error::new(ErrorKind::DuplicateCursor, message));
        }
        if self.cursors.len() >= NAMED_OBJECTS_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, "too many open cursors").with_hint("Close some."));
        }
        let Command::Query(query) = &declare.query.command else {
            return Err(Error::internal("a cursor over something that is no query"));
        };
        // The cursor lives longer than this statement: it has a token and no deadline of its own.
        let mut own = ctx.clone();
        own.cancellation = tokio_util::sync::CancellationToken::new();
        own.deadline = None;
        let schema = Arc::clone(&planned.schema);
        let start = async {
            let executable = self.executable(query, statement, planned, parameters, &own).await?;
            self.run(executable, &statement.whole, &own).await
        };
        let stream = ctx.race(start).await??;
        let rows = Arc::new(Mutex::new(Rows { stream, rest: None }));
        self.cursors.insert(
            declare.name.clone(),
            Cursor {
                schema,
                rows,
                hold: declare.hold,
            },
        );
        Ok(Outcome::command("DECLARE CURSOR"))
    }

    pub(super) fn cursor(&self, name: &str) -> Result<&Cursor> {
        self.cursors
            .get(name)
            .ok_or_else(|| Error::new(ErrorKind::UndefinedCursor, format!("cursor \"{name}\" does not exist")))
    }

    /// The columns of a cursor that DECLARE made; none if there is no such cursor.
    pub fn cursor_columns(&self, name: &str) -> Option<SchemaRef> {
        self.cursors.get(name).map(|cursor| Arc::clone(&cursor.schema))
    }

    pub(super) fn cursor_schema(&self, name: &str) -> Result<SchemaRef> {
        Ok(Arc::clone(&self.cursor(name)?.schema))
    }

    pub(super) fn fetch(&self, name: &str, direction: FetchDirection, ctx: &QueryContext) -> Result<Outcome> {
        let cursor = self.cursor(name)?;
        let (schema, rows) = (Arc::clone(&cursor.schema), Arc::clone(&cursor.rows));
        let state = (rows, ctx.clone(), count(direction)?);
        let stream = stream::unfold(state, |(rows, ctx, left)| async move {
            if left == 0 {
                return None;
            }
            let next = ctx.race(async { rows.lock().await.next(left).await }).await;
            match next {
                Ok(Some(Ok(batch))) => {
                    let left = left - batch.num_rows() as u64;
                    Some((Ok(batch), (rows, ctx, left)))
                }
                Ok(Some(Err(error))) | Err(error) => Some((Err(error), (rows, ctx, 0))),
                Ok(None) => None,
            }
        });
        Ok(Outcome::Rows {
            schema,
            stream: Box::pin(stream),
            tag: "FETCH",
        })
    }

    pub(super) async fn move_cursor(
        &self,
        name: &str,
        direction: FetchDirection,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        let Outcome::Rows { mut stream, .. } = self.fetch(name, direction, ctx)? else {
            return Err(Error::internal("FETCH without rows"));
        };
        let mut moved = 0;
        while let Some(batch) = stream.next().await {
            moved += batch?.num_rows();
        }
        Ok(Outcome::Command {
            tag: format!("MOVE {moved}"),
        })
    }

    pub(super) fn close(&mut self, name: Option<&str>) -> Result<Outcome> {
        match name {
            Some(name) => {
                self.cursor(name)?;
                self.cursors.remove(name);
                Ok(Outcome::command("CLOSE CURSOR"))
            }
            None => {
                self.cursors.clear();
                Ok(Outcome::command("CLOSE CURSOR ALL"))
            }
        }
    }
}
