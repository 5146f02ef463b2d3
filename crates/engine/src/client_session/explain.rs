//! EXPLAIN: the plan as one identity may see it.

use std::collections::HashMap;
use std::sync::Arc;

use contract::{Error, QueryContext, Result};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use postgres_dialect::{Command, Explain, ExplainFormat};

use super::{ClientSession, Outcome, explain_json};
use crate::statement::StatementText;

impl ClientSession {
    /// Checks what EXPLAIN is asked for, before anything runs.
    pub(super) fn explainable(&self, explain: &Explain) -> Result<()> {
        match explain.format {
            ExplainFormat::Text | ExplainFormat::Json => Ok(()),
            ExplainFormat::Xml | ExplainFormat::Yaml => {
                Err(Error::unsupported("EXPLAIN supports the formats TEXT and JSON only"))
            }
        }
    }

    pub(super) async fn explain(
        &mut self,
        explain: &Explain,
        statement: &StatementText,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        self.explainable(explain)?;
        let inner = StatementText {
            whole: Arc::clone(&statement.whole),
            parsed: Arc::new((*explain.statement).clone()),
        };
        let (prepared, values) = match &inner.parsed.command {
            Command::Execute { name, arguments } => {
                let prepared = Arc::clone(self.named(name)?);
                (prepared, self.evaluate(arguments, &inner.whole, ctx).await?)
            }
            _ => (self.prepare_query(inner, &[], ctx).await?, Vec::new()),
        };
        let (Some(planned), Command::Query(query)) = (&prepared.planned, &prepared.statement.parsed.command) else {
            return Err(Error::unsupported("only a query can be explained"));
        };
        let ctx = ctx.for_execution();
        let executable = self
            .executable(query, &prepared.statement, planned, values, &ctx)
            .await?;
        let administrator = self.identity.is_administrator();
        // Sizes of files tell of rows that rules hide.
        let routes = match administrator || !executable.is_guarded() {
            true => planned.routes(&self.state).await?,
            false => Vec::new(),
        };
        let plan = Arc::clone(executable.plan());
        let mut measured = None;
        if explain.analyze {
            let started = std::time::Instant::now();
            let mut stream = self.run(executable, &statement.whole, &ctx).await?;
            let mut rows = 0;
            while let Some(batch) = stream.next().await {
                rows += batch?.num_rows();
            }
            measured = Some((rows, started.elapsed().as_secs_f64() * 1000.0));
        }
        let rendered = policy::render_physical(&plan, administrator);
        if explain.format == ExplainFormat::Json {
            let text = explain_json::render(&rendered, measured);
            return Outcome::lines(explain_schema(explain), vec![vec![text]], "EXPLAIN");
        }
        let mut lines: Vec<String> = rendered.lines().map(str::to_owned).collect();
        lines.extend(routes);
        lines.extend(federation::explain_kept(&plan, administrator));
        if let Some((rows, milliseconds)) = measured {
            lines.extend(remote_lines(&plan, administrator));
            lines.push(format!("Rows: {rows}"));
            lines.push(format!("Execution Time: {milliseconds:.3} ms"));
        }
        Outcome::lines(explain_schema(explain), vec![lines], "EXPLAIN")
    }
}

/// What the remote statements of a plan brought.
fn remote_lines(plan: &Arc<dyn ExecutionPlan>, administrator: bool) -> Vec<String> {
    let parts = federation::remote_parts(plan).into_iter();
    let seen = parts.filter(|part| administrator || !part.ruled);
    seen.map(|part| {
        let milliseconds = part.elapsed.as_secs_f64() * 1000.0;
        let keys = match part.join_keys {
            0 => String::new(),
            keys => format!(", join_keys={keys}"),
        };
        format!(
            "Remote: service={}, route={}, rows={}, bytes={}{keys}, time={milliseconds:.3} ms",
            part.service, part.route, part.rows, part.bytes
        )
    })
    .collect()
}

/// The one column of an answer.
pub(super) fn explain_schema(explain: &Explain) -> SchemaRef {
    let column = Field::new("QUERY PLAN", DataType::Utf8, true);
    let column = match explain.format {
        ExplainFormat::Json => column.with_metadata(HashMap::from([(
            postgres_dialect::PG_TYPE_METADATA.to_owned(),
            "json".to_owned(),
        )])),
        _ => column,
    };
    Arc::new(Schema::new(vec![column]))
}
