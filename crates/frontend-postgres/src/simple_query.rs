//! The simple protocol: a string of statements, each answered in turn, up to the first error.

use std::sync::Arc;

use arrow_postgres::{Format, RowEncoder, pg_type};
use arrow_schema::Schema;
use engine::{Outcome, StatementText};
use pgwire::messages::data::{FieldDescription, RowDescription};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};
use tokio_util::sync::CancellationToken;

use crate::conversation::Conversation;
use crate::copy_out;
use crate::error::{WireError, without_nul};
use crate::portal::{Encoder, Progress, Rows, guarded};
use crate::wire::Failure;

impl Conversation {
    /// Answers a Query message, ReadyForQuery included unless it fails.
    pub(crate) async fn simple_query(&mut self, sql: &str) -> Result<(), Failure> {
        // As in PostgreSQL the unnamed statement and portal do not outlive it.
        self.statements.remove("");
        self.portals.remove("");
        let statements = self.session.parse(sql).map_err(|error| WireError::of(&error, None))?;
        if statements.is_empty() {
            self.wire.writer.put(&EmptyQueryResponse::new());
        }
        // A CancelRequest means the whole string, whichever of its statements runs.
        let token = CancellationToken::new();
        let _armed = self.entry.arm(&token);
        for statement in statements {
            self.simple_statement(statement, &token).await?;
        }
        self.ready().await
    }

    async fn simple_statement(&mut self, statement: StatementText, token: &CancellationToken) -> Result<(), Failure> {
        let mut ctx = self.session.query_context();
        ctx.cancellation = token.child_token();
        let before = self.session.transaction_status();
        let reader = &mut self.wire.reader;
        let prepared = guarded(
            reader,
            &self.shutdown,
            &ctx,
            self.session.prepare(statement.clone(), &[], &ctx),
        )
        .await?;
        if prepared.parameters().next().is_some() {
            return Err(WireError::new("42P02", "there is no parameter $1").into());
        }
        if self.deallocate(&statement) {
            self.wire.writer.put(&CommandComplete::new("DEALLOCATE".to_owned()));
            return Ok(());
        }
        let reader = &mut self.wire.reader;
        let outcome = guarded(
            reader,
            &self.shutdown,
            &ctx,
            self.session.execute(&prepared, Vec::new(), &ctx),
        )
        .await?;
        match outcome {
            Outcome::Rows { schema, stream, tag } => {
                let formats = vec![Format::Text; schema.fields().len()];
                let encoder = RowEncoder::new(&schema, &formats, self.format.of(&self.session));
                self.wire.writer.put(&row_description(&schema, &formats)?);
                let mut rows = Rows::new(stream, Encoder::DataRows(encoder), tag, ctx.clone());
                let progress = rows.send(&mut self.wire, &self.shutdown, &ctx, None).await?;
                self.put_notices();
                self.complete(tag, &progress);
            }
            Outcome::CopyOut {
                schema,
                stream,
                options,
            } => {
                let format = self.format.of(&self.session);
                let count =
                    copy_out::send(&mut self.wire, &self.shutdown, &ctx, &schema, stream, options, format).await?;
                self.put_notices();
                self.wire.writer.put(&CommandComplete::new(format!("COPY {count}")));
            }
            Outcome::Command { tag } => {
                self.command_done(&tag, before);
                self.put_notices();
                self.wire.writer.put(&CommandComplete::new(tag));
            }
            Outcome::Empty => self.wire.writer.put(&EmptyQueryResponse::new()),
        }
        Ok(())
    }

    /// Says that an answer with rows is complete.
    pub(crate) fn complete(&mut self, tag: &str, progress: &Progress) {
        let text = match (tag, progress) {
            ("SELECT" | "FETCH", Progress::Finished(count)) => format!("{tag} {count}"),
            _ => tag.to_owned(),
        };
        self.wire.writer.put(&CommandComplete::new(text));
    }
}

/// The columns of an answer.
///
/// # Errors
/// If there are more of them than a message can count.
pub(crate) fn row_description(schema: &Arc<Schema>, formats: &[Format]) -> Result<RowDescription, WireError> {
    if i16::try_from(schema.fields().len()).is_err() {
        return Err(WireError::new("54011", "target lists can have at most 32767 entries"));
    }
    let fields = schema.fields().iter().zip(formats).map(|(field, format)| {
        let kind = pg_type(field);
        let format = match format {
            Format::Text => 0,
            Format::Binary => 1,
        };
        FieldDescription::new(
            without_nul(field.name()),
            0,
            0,
            kind.oid,
            kind.size,
            kind.modifier,
            format,
        )
    });
    Ok(RowDescription::new(fields.collect()))
}
