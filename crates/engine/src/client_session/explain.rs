//! EXPLAIN: the plan as one identity may see it.

use contract::{Error, QueryContext, Result};
use futures::StreamExt;
use postgres_dialect::{Command, Explain, ExplainFormat};

use super::outcome::text_schema;
use super::{ClientSession, Outcome};
use crate::statement::StatementText;

impl ClientSession {
    /// Checks what EXPLAIN is asked for, before anything runs.
    pub(super) fn explainable(&self, explain: &Explain) -> Result<()> {
        match explain.format {
            ExplainFormat::Text => Ok(()),
            ExplainFormat::Json | ExplainFormat::Xml | ExplainFormat::Yaml => {
                Err(Error::unsupported("EXPLAIN supports the text format only"))
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
            whole: std::sync::Arc::clone(&statement.whole),
            parsed: std::sync::Arc::new((*explain.statement).clone()),
        };
        let (prepared, values) = match &inner.parsed.command {
            Command::Execute { name, arguments } => {
                let prepared = std::sync::Arc::clone(self.named(name)?);
                (prepared, self.evaluate(arguments, ctx).await?)
            }
            _ => (self.prepare_query(inner, &[], ctx).await?, Vec::new()),
        };
        let (Some(planned), Command::Query(query)) = (&prepared.planned, &prepared.statement.parsed.command) else {
            return Err(Error::unsupported("only a query can be explained"));
        };
        let executable = self
            .executable(query, &prepared.statement, planned, values, ctx)
            .await?;
        let administrator = self.identity.is_administrator();
        let mut lines = Vec::new();
        if explain.analyze {
            let started = std::time::Instant::now();
            let plan = std::sync::Arc::clone(executable.plan());
            let mut stream = self.run(executable, ctx).await?;
            let mut rows = 0;
            while let Some(batch) = stream.next().await {
                rows += batch?.num_rows();
            }
            lines.extend(policy::render_physical(&plan, administrator).lines().map(str::to_owned));
            lines.push(format!("Rows: {rows}"));
            lines.push(format!(
                "Execution Time: {:.3} ms",
                started.elapsed().as_secs_f64() * 1000.0
            ));
        } else {
            lines.extend(
                policy::render_physical(executable.plan(), administrator)
                    .lines()
                    .map(str::to_owned),
            );
        }
        Outcome::lines(text_schema(&["QUERY PLAN"]), vec![lines], "EXPLAIN")
    }
}
