//! The extended protocol: Parse, Bind, Describe, Execute, Close.

use std::sync::Arc;

use arrow_postgres::{Format, RowEncoder, arrow_type, decode_parameter_in, pg_type};
use arrow_schema::Field;
use datafusion_common::ScalarValue;
use engine::{Outcome, PreparedStatement};
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};

use crate::conversation::{Conversation, formats};
use crate::copy_out;
use crate::decode::{Bind, Target};
use crate::error::WireError;
use crate::frame::LARGE_BYTES_MAX;
use crate::portal::{Encoder, Portal, PortalState, Progress, Rows, Statement, guarded};
use crate::simple_query::row_description;
use crate::wire::Failure;

/// Statements one connection may keep. Drivers cache a few hundred; a client that reaches this one leaks.
const STATEMENTS_MAX: usize = 4096;
/// Portals one connection may keep. Each suspended one holds a running query.
const PORTALS_MAX: usize = 1024;
/// Bytes of text that all statements of one connection may have, and bytes of values that all its portals may hold:
/// one message of the largest size fits, many of them do not.
const KEPT_BYTES_MAX: usize = LARGE_BYTES_MAX;

/// A parameter as bound: its type and format, and its bytes if it is not null.
type BoundValue<'b> = ((&'b u32, Format), &'b Option<&'b [u8]>);

impl Conversation {
    pub(crate) async fn parse(&mut self, name: &str, query: &str, types: Vec<u32>) -> Result<(), Failure> {
        if name.is_empty() {
            self.statements.remove("");
        } else if self.statements.contains_key(name) {
            return Err(WireError::new("42P05", format!("prepared statement \"{name}\" already exists")).into());
        }
        let kept = self.statements.values().map(|statement| statement.bytes);
        need_room(kept, query.len(), STATEMENTS_MAX, "prepared statements")?;
        let mut statements = self.session.parse(query).map_err(|error| WireError::of(&error, None))?;
        let text = statements.pop();
        if !statements.is_empty() {
            return Err(WireError::new("42601", "cannot insert multiple commands into a prepared statement").into());
        }
        let statement = match text {
            None => Statement {
                prepared: None,
                parameter_oids: types,
                bytes: query.len(),
            },
            Some(text) => {
                let ctx = self.session.query_context();
                let _armed = self.entry.arm(&ctx.cancellation);
                let declared = types
                    .iter()
                    .map(|oid| is_declared(*oid).then(|| arrow_type(*oid)).flatten());
                let declared: Vec<_> = declared.collect();
                let work = self.session.prepare(text, &declared, &ctx);
                let prepared = guarded(&mut self.wire.reader, &self.shutdown, &ctx, work).await?;
                let parameter_oids = parameter_oids(&types, &prepared);
                Statement {
                    prepared: Some(prepared),
                    parameter_oids,
                    bytes: query.len(),
                }
            }
        };
        self.statements.insert(name.to_owned(), Arc::new(statement));
        self.put_notices();
        self.wire.writer.put(&ParseComplete::new());
        Ok(())
    }

    pub(crate) fn bind(&mut self, bind: &Bind<'_>) -> Result<(), Failure> {
        let statement = Arc::clone(self.statement(bind.statement)?);
        let (given, format_codes) = (bind.parameters.len(), bind.parameter_formats.len());
        if format_codes > 1 && format_codes != given {
            return Err(WireError::protocol(format!(
                "bind message has {format_codes} parameter formats but {given} parameters"
            ))
            .into());
        }
        let wanted = statement.parameter_oids.len();
        if given != wanted {
            return Err(WireError::protocol(format!(
                "bind message supplies {given} parameters, but prepared statement \"{}\" requires {wanted}",
                bind.statement
            ))
            .into());
        }
        if bind.portal.is_empty() {
            self.portals.remove("");
        } else if self.portals.contains_key(bind.portal) {
            return Err(WireError::new("42P03", format!("cursor \"{}\" already exists", bind.portal)).into());
        }
        let bytes = bind.parameters.iter().flatten().map(|value| value.len()).sum();
        need_room(
            self.portals.values().map(|portal| portal.bytes),
            bytes,
            PORTALS_MAX,
            "portals",
        )?;
        let values = self.values(bind, &statement)?;
        let columns = statement.prepared.as_ref().and_then(|prepared| prepared.schema());
        let columns = columns.map_or(0, |schema| schema.fields().len());
        let format_codes = bind.result_formats.len();
        if format_codes > 1 && format_codes != columns {
            return Err(WireError::protocol(format!(
                "bind message has {format_codes} result formats but query has {columns} columns"
            ))
            .into());
        }
        let portal = Portal {
            formats: formats(&bind.result_formats, columns)?,
            state: PortalState::Bound(values),
            statement,
            bytes,
        };
        self.portals.insert(bind.portal.to_owned(), portal);
        self.wire.writer.put(&BindComplete::new());
        Ok(())
    }

    fn values(&mut self, bind: &Bind<'_>, statement: &Statement) -> Result<Vec<ScalarValue>, WireError> {
        let formats = formats(&bind.parameter_formats, bind.parameters.len())?;
        let session = self.format.of(&self.session);
        let decode = |(position, ((oid, format), bytes)): (usize, BoundValue<'_>)| {
            let value = decode_parameter_in(*oid, format, *bytes, session).map_err(|error| {
                let place = if error.sqlstate == "22P03" {
                    format!(" in bind parameter {}", position + 1)
                } else {
                    String::new()
                };
                WireError::new(error.sqlstate, format!("{}{place}", error.message))
            })?;
            ScalarValue::try_from_array(&value.array, 0).map_err(|error| {
                let error = contract::Error::internal("a decoded parameter is no value").with_source(error);
                WireError::of(&error, None)
            })
        };
        let values = statement
            .parameter_oids
            .iter()
            .zip(formats)
            .zip(&bind.parameters)
            .enumerate()
            .map(decode);
        let mut values = values.collect::<Result<Vec<_>, _>>()?;
        values.truncate(
            statement
                .prepared
                .as_ref()
                .map_or(0, |prepared| prepared.parameters().len()),
        );
        Ok(values)
    }

    pub(crate) fn describe(&mut self, target: Target, name: &str) -> Result<(), Failure> {
        let (statement, formats) = match target {
            Target::Statement => {
                let statement = Arc::clone(self.statement(name)?);
                self.wire
                    .writer
                    .put(&ParameterDescription::new(statement.parameter_oids.clone()));
                (statement, None)
            }
            Target::Portal if !self.portals.contains_key(name) && self.session.cursor_columns(name).is_some() => {
                // DECLARE made it: in PostgreSQL a cursor is a portal too, and psycopg asks for its columns so.
                let schema = self
                    .session
                    .cursor_columns(name)
                    .unwrap_or_else(|| Arc::new(arrow_schema::Schema::empty()));
                self.wire
                    .writer
                    .put(&row_description(&schema, &vec![Format::Text; schema.fields().len()])?);
                return Ok(());
            }
            Target::Portal => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                (Arc::clone(&portal.statement), Some(portal.formats.clone()))
            }
        };
        match statement.prepared.as_ref().and_then(|prepared| prepared.schema()) {
            None => self.wire.writer.put(&NoData::new()),
            Some(schema) => {
                let formats = formats.unwrap_or_else(|| vec![Format::Text; schema.fields().len()]);
                self.wire.writer.put(&row_description(schema, &formats)?);
            }
        }
        Ok(())
    }

    /// Closing what does not exist is no error.
    pub(crate) fn close(&mut self, target: Target, name: &str) {
        match target {
            Target::Statement => drop(self.statements.remove(name)),
            Target::Portal => drop(self.portals.remove(name)),
        }
        self.wire.writer.put(&CloseComplete::new());
    }

    pub(crate) async fn execute(&mut self, name: &str, rows_max: i32) -> Result<(), Failure> {
        // Out of the map while it runs: if it fails, it is gone.
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let rows_max = u64::try_from(rows_max).ok().filter(|max| *max > 0);
        match std::mem::replace(&mut portal.state, PortalState::Done) {
            PortalState::Bound(values) => match portal.statement.prepared.clone() {
                None => self.wire.writer.put(&EmptyQueryResponse::new()),
                Some(prepared) => self.start(&mut portal, &prepared, values, rows_max).await?,
            },
            PortalState::Suspended(rows) => self.go_on(&mut portal, rows, rows_max).await?,
            PortalState::Exhausted(tag) => {
                self.complete(tag, &Progress::Finished(0));
                portal.state = PortalState::Exhausted(tag);
            }
            PortalState::Done => {
                return Err(WireError::new("55000", format!("portal \"{name}\" cannot be run")).into());
            }
        }
        self.portals.insert(name.to_owned(), portal);
        Ok(())
    }

    async fn start(
        &mut self,
        portal: &mut Portal,
        prepared: &Arc<PreparedStatement>,
        values: Vec<ScalarValue>,
        rows_max: Option<u64>,
    ) -> Result<(), Failure> {
        if self.deallocate(prepared.statement()) {
            self.wire.writer.put(&CommandComplete::new("DEALLOCATE".to_owned()));
            return Ok(());
        }
        let ctx = self.session.query_context();
        let _armed = self.entry.arm(&ctx.cancellation);
        // While a portal is suspended no time counts, so the deadline is ours to watch, anew for each Execute.
        let mut untimed = ctx.clone();
        untimed.deadline = None;
        let before = self.session.transaction_status();
        let engine_ctx = if rows_max.is_some() { &untimed } else { &ctx };
        let work = self.session.execute(prepared, values, engine_ctx);
        match guarded(&mut self.wire.reader, &self.shutdown, &ctx, work).await? {
            Outcome::Rows { schema, stream, tag } => {
                let described = prepared.schema().map_or(&[][..], |schema| schema.fields());
                let same = described.len() == schema.fields().len()
                    && described
                        .iter()
                        .zip(schema.fields())
                        .all(|(old, new)| Arc::ptr_eq(old, new) || same_type(old, new));
                if !same {
                    return Err(WireError::new("0A000", "cached plan must not change result type").into());
                }
                let encoder = RowEncoder::new(&schema, &portal.formats, self.format.of(&self.session));
                let rows = Rows::new(stream, Encoder::DataRows(encoder), tag, untimed);
                self.send(portal, Box::new(rows), &ctx, rows_max).await
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
                Ok(())
            }
            Outcome::Command { tag } => {
                self.command_done(&tag, before);
                self.put_notices();
                self.wire.writer.put(&CommandComplete::new(tag));
                Ok(())
            }
            Outcome::Empty => {
                self.wire.writer.put(&EmptyQueryResponse::new());
                Ok(())
            }
        }
    }

    async fn go_on(&mut self, portal: &mut Portal, rows: Box<Rows>, rows_max: Option<u64>) -> Result<(), Failure> {
        let mut ctx = rows.ctx.clone();
        ctx.deadline = self.session.query_context().deadline;
        let _armed = self.entry.arm(&ctx.cancellation);
        self.send(portal, rows, &ctx, rows_max).await
    }

    async fn send(
        &mut self,
        portal: &mut Portal,
        mut rows: Box<Rows>,
        ctx: &contract::QueryContext,
        rows_max: Option<u64>,
    ) -> Result<(), Failure> {
        let progress = rows.send(&mut self.wire, &self.shutdown, ctx, rows_max).await?;
        self.put_notices();
        if let Progress::Suspended = progress {
            self.wire.writer.put(&PortalSuspended::new());
            portal.state = PortalState::Suspended(rows);
        } else {
            self.complete(rows.tag, &progress);
            portal.state = PortalState::Exhausted(rows.tag);
        }
        Ok(())
    }

    fn statement(&self, name: &str) -> Result<&Arc<Statement>, WireError> {
        self.statements.get(name).ok_or_else(|| {
            WireError::new(
                "26000",
                match name {
                    "" => "unnamed prepared statement does not exist".to_owned(),
                    name => format!("prepared statement \"{name}\" does not exist"),
                },
            )
        })
    }
}

/// Checks that one more of `bytes` may be kept beside those that are.
fn need_room(
    kept: impl ExactSizeIterator<Item = usize>,
    bytes: usize,
    count_max: usize,
    what: &str,
) -> Result<(), WireError> {
    if kept.len() >= count_max || kept.sum::<usize>() + bytes > KEPT_BYTES_MAX {
        let message = format!("a connection can keep {count_max} {what} of {KEPT_BYTES_MAX} bytes together");
        return Err(WireError::new("53400", message).with_hint("Close those that are not needed any more."));
    }
    Ok(())
}

fn no_portal(name: &str) -> WireError {
    WireError::new("34000", format!("portal \"{name}\" does not exist"))
}

/// 0 and `unknown` leave the type to us.
fn is_declared(oid: u32) -> bool {
    oid != 0 && oid != 705
}

/// As the client declared them, else as inferred.
fn parameter_oids(declared: &[u32], prepared: &PreparedStatement) -> Vec<u32> {
    let inferred: Vec<u32> = prepared.parameters().map(|field| pg_type(field).oid).collect();
    let known = |oid: u32| is_declared(oid) && arrow_type(oid).is_some();
    let mut oids: Vec<u32> = inferred;
    for (oid, declared) in oids.iter_mut().zip(declared) {
        if known(*declared) {
            *oid = *declared;
        }
    }
    // Types declared beyond what the text uses count as well: the client will bind them.
    oids.extend(declared.iter().skip(prepared.parameters().len()));
    oids
}

fn same_type(left: &Field, right: &Field) -> bool {
    left.data_type() == right.data_type() && pg_type(left) == pg_type(right)
}
