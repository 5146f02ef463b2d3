//! Planning and running queries.

use std::sync::Arc;
use std::time::Instant;

use contract::{Error, ErrorKind, QueryContext, Result};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::execute_stream;
use datafusion::sql::sqlparser::ast::Statement;
use futures::StreamExt;
use policy::{ExecutablePlan, Stamp};
use postgres_dialect::Command;

use super::{ClientSession, Outcome};
use crate::even_batches::even;
use crate::metadata::SystemCatalog;
use crate::planning::{Ground, PlanKey, Planned, PlanningSession, TableFinder, convert};
use crate::query_log::QueryReport;
use crate::result_stream::{GuardedStream, ResultStream};
use crate::statement::{PreparedStatement, StatementText};

impl ClientSession {
    /// What one statement stands on while it is planned and run.
    pub(crate) fn ground(&self, ctx: &QueryContext) -> Ground {
        Ground {
            access: self.engine.shared().access.load_full(),
            sources: self.engine.shared().sources.load_full(),
            identity: Arc::clone(&self.identity),
            state: Arc::clone(&self.state),
            presented: self.engine.shared().plans.presented.clone(),
            pinned: self.transaction.pinned(),
            catalog: self.catalog.clone(),
            search_path: self.settings.search_path(),
            ctx: ctx.clone(),
        }
    }

    fn planning<'a>(
        &'a self,
        finder: &'a TableFinder<'a>,
        system: &'a SystemCatalog,
        ctx: &'a QueryContext,
    ) -> PlanningSession<'a> {
        PlanningSession {
            finder,
            state: system.state(),
            system,
            cache: &self.engine.shared().plans,
            key: PlanKey {
                text: "".into(),
                stamp: Stamp::new(&self.identity, finder.access.version),
                sources: finder.sources.version,
                catalog: self.catalog.clone(),
                search_path: self.settings.value("search_path"),
                time_zone: self.settings.value("TimeZone"),
                route: self.settings.route(),
                pushdown: self.settings.pushdown(),
                declared: Vec::new(),
            },
            moments: self.transaction.moments(),
            ctx,
        }
    }

    pub(super) async fn plan(
        &self,
        query: &Statement,
        text: &StatementText,
        declared: &[Option<DataType>],
        ctx: &QueryContext,
    ) -> Result<Arc<Planned>> {
        let ground = self.ground(ctx);
        let finder = ground.finder();
        let needs = postgres_dialect::needs_catalog(query);
        let system = SystemCatalog::for_statement(self, &ground, &needs).await?;
        self.planning(&finder, &system, ctx).plan(query, text, declared).await
    }

    /// The plan of a prepared query as it is now, ready to run.
    pub(super) async fn executable(
        &self,
        query: &Statement,
        text: &StatementText,
        planned: &Arc<Planned>,
        values: Vec<ScalarValue>,
        ctx: &QueryContext,
    ) -> Result<ExecutablePlan> {
        let ground = self.ground(ctx);
        let finder = ground.finder();
        let system = SystemCatalog::for_statement(self, &ground, planned.needs()).await?;
        system.learn_comments().await?;
        let planning = self.planning(&finder, &system, ctx);
        let values = convert(values, &planned.parameters)?;
        if planned.stamp() == planning.key.stamp && planning.is_current(planned).await? {
            return planning.executable(planned, values).await;
        }
        let declared: Vec<_> = planned
            .parameters
            .iter()
            .map(|field| Some(field.data_type().clone()))
            .collect();
        let renewed = planning.plan(query, text, &declared).await?;
        if renewed.schema != planned.schema {
            return Err(contract::Error::unsupported("cached plan must not change result type")
                .with_hint("A table changed its columns since the statement was prepared: prepare it again."));
        }
        planning.executable(&renewed, values).await
    }

    pub(super) async fn execute_query(
        &mut self,
        prepared: &Arc<PreparedStatement>,
        planned: &Arc<Planned>,
        values: Vec<ScalarValue>,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        let statement = &prepared.statement;
        let (query, copy) = match &statement.parsed.command {
            Command::Query(query) => (query, None),
            Command::CopyTo(copy) => match &copy.query.command {
                Command::Query(query) => (query, Some(&copy.options)),
                _ => return Err(contract::Error::internal("COPY of something that is no query")),
            },
            _ => return Err(contract::Error::internal("a plan for something that is no query")),
        };
        for (name, value, local) in postgres_dialect::settings_written(query) {
            self.set(local, &name, Some(&value))?;
        }
        let schema = Arc::clone(&planned.schema);
        let stream = match Box::pin(self.first_batch(query, statement, planned, values.clone(), ctx)).await {
            // A file went between planning and reading, and nothing is sent yet: a newer version is read from its
            // beginning. A transaction keeps to its version, and hears that it is gone.
            Err(error) if is_vanished(&error) => {
                Box::pin(self.first_batch(query, statement, planned, values, ctx)).await?
            }
            started => started?,
        };
        Ok(match copy {
            Some(options) => Outcome::CopyOut {
                schema,
                stream,
                options: options.clone(),
            },
            None => Outcome::Rows {
                schema,
                stream,
                tag: "SELECT",
            },
        })
    }

    /// The answer to a prepared query, with the first batch read.
    ///
    /// # Errors
    /// Those of planning, and that a file has vanished; other errors of reading come out of the stream.
    async fn first_batch(
        &self,
        query: &Statement,
        text: &StatementText,
        planned: &Arc<Planned>,
        values: Vec<ScalarValue>,
        ctx: &QueryContext,
    ) -> Result<ResultStream> {
        let ctx = ctx.for_execution();
        let executable = self.executable(query, text, planned, values, &ctx).await?;
        let mut stream = self.run(executable, &text.whole, &ctx).await?;
        match stream.next().await {
            Some(Err(error)) if is_vanished(&error) => Err(error),
            first => Ok(Box::pin(futures::stream::iter(first).chain(stream))),
        }
    }

    /// Plans and starts a query that has no parameters.
    pub(super) async fn start(
        &self,
        query: &Statement,
        text: &StatementText,
        ctx: &QueryContext,
    ) -> Result<(SchemaRef, ResultStream)> {
        let planned = self.plan(query, text, &[], ctx).await?;
        let ctx = ctx.for_execution();
        let executable = self.executable(query, text, &planned, Vec::new(), &ctx).await?;
        Ok((
            Arc::clone(&planned.schema),
            self.run(executable, &text.whole, &ctx).await?,
        ))
    }

    /// Starts a plan once there is room for one more query, in the context of its execution alone: the end of the stream
    /// cancels it.
    pub(super) async fn run(
        &self,
        executable: ExecutablePlan,
        text: &Arc<str>,
        ctx: &QueryContext,
    ) -> Result<ResultStream> {
        let report = QueryReport {
            log: Arc::clone(&self.engine.shared().queries),
            id: ctx.id,
            identity: Arc::clone(&self.identity),
            text: Arc::clone(text),
            plan: Arc::clone(executable.plan()),
            started: Instant::now(),
            rows: 0,
            state: "canceled",
        };
        let admission = Arc::clone(&self.engine.shared().admission);
        let permit = ctx.race(admission.acquire_owned()).await?;
        let stream = execute_stream(Arc::clone(executable.plan()), self.state.task_ctx())?;
        let stream = if executable.is_guarded() { even(stream) } else { stream };
        Ok(GuardedStream::start(stream, ctx.clone(), permit.ok(), report))
    }
}

/// Whether a file was removed after the version that names it was opened.
fn is_vanished(error: &Error) -> bool {
    error.kind() == ErrorKind::ObjectNotInPrerequisiteState
}
