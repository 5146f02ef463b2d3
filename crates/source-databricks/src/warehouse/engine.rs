use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{Schema, SchemaRef};
use async_trait::async_trait;
use contract::{Error, QueryContext, Result, Route};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use federation::{Capabilities, ComputeContext, ComputeMeter, RemoteEngine, RemoteStatement, RemoteStream};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::as_text::AsText;
use super::model::WarehouseInfo;
use super::parameters::text_and_parameters;
use super::rows::rows;
use super::statement::{Delivery, Form, Succeeded, run};
use crate::outcome::shortened;
use crate::unity::{ColumnInfo, field_of};
use crate::workspace::Workspace;

/// What the parts of a result that wait are called where memory is short.
const WAITING: &str = "WarehouseResult";

/// Which warehouse, and how patient.
#[derive(Debug, Clone)]
pub struct WarehouseOptions {
    /// The warehouse's id, as [`warehouse_id`] finds it.
    pub warehouse_id: String,
    /// How long it may take to start.
    pub start_time: Duration,
}

/// A SQL warehouse of a workspace.
///
/// Results come as Arrow, small ones with the answer and others over signed links, fetched ahead of the reader and
/// checked against what the statement announced; as text where a workspace allows no links. A statement whose rows
/// nobody reads any more is cancelled, and looked after until its end was seen.
#[derive(Debug)]
pub struct WarehouseEngine {
    run: Run,
    context: ComputeContext,
    meter: ComputeMeter,
}

/// What it takes to run statements.
#[derive(Debug, Clone)]
struct Run {
    workspace: Workspace,
    options: WarehouseOptions,
    delivery: Arc<Delivery>,
}

impl Run {
    async fn run(&self, statement: &RemoteStatement, form: Form) -> Result<Option<Succeeded>> {
        let (text, parameters) = text_and_parameters(statement)?;
        let mut request = json!({
            "statement": text,
            "warehouse_id": self.options.warehouse_id,
            "parameters": parameters,
            // Without waiting the id comes at once, and nothing is cancelled without it.
            "wait_timeout": "0s",
        });
        match form {
            Form::Arrow => {
                request["format"] = "ARROW_STREAM".into();
                request["result_compression"] = "LZ4_FRAME".into();
            }
            Form::Text => request["format"] = "JSON_ARRAY".into(),
        }
        run(&self.workspace, request, &self.delivery, form, self.options.start_time).await
    }

    /// The columns of a statement, which is not run for that.
    async fn columns(&self, statement: &RemoteStatement) -> Result<Vec<ColumnInfo>> {
        let mut nothing = RemoteStatement::new();
        nothing.push("SELECT * FROM (");
        nothing.append(statement.clone());
        nothing.push(") LIMIT 0");
        let succeeded = match self.run(&nothing, Form::Arrow).await? {
            Some(succeeded) => succeeded,
            None => self.must_run(&nothing, Form::Text).await?,
        };
        let mut columns = succeeded.manifest.schema.columns;
        succeeded.running.close();
        columns.sort_by_key(|column| column.position);
        Ok(columns)
    }

    async fn must_run(&self, statement: &RemoteStatement, form: Form) -> Result<Succeeded> {
        let succeeded = self.run(statement, form).await?;
        succeeded.ok_or_else(|| Error::internal("a statement was not run"))
    }

    async fn rows(self, statement: Arc<RemoteStatement>, waiting: MemoryReservation) -> Result<RemoteStream> {
        if let Some(succeeded) = self.run(&statement, Form::Arrow).await? {
            return rows(succeeded, None, waiting);
        }
        let columns = self.columns(&statement).await?;
        let statement = RemoteStatement::clone(&statement);
        let (statement, as_text) = AsText::of(self.workspace.service(), statement, &columns)?;
        let succeeded = self.must_run(&statement, Form::Text).await?;
        rows(succeeded, Some(as_text), waiting)
    }
}

impl WarehouseEngine {
    /// Sends nothing yet.
    pub fn new(workspace: Workspace, options: WarehouseOptions) -> Arc<Self> {
        let context = ComputeContext::new(workspace.service(), workspace.principal());
        Arc::new(Self {
            run: Run {
                workspace,
                options,
                delivery: Arc::default(),
            },
            context,
            meter: ComputeMeter::default(),
        })
    }

    async fn describe_now(&self, statement: &RemoteStatement) -> Result<SchemaRef> {
        let columns = self.run.columns(statement).await?;
        let fields = columns.iter().map(|column| {
            let name = &column.name;
            let known = column.spark_type().ok_or_else(|| {
                format!(
                    "column \"{name}\" has the type \"{}\", which is not known",
                    shortened(&column.type_text)
                )
            });
            let field = known.and_then(|known| field_of(name, &known));
            field.map_err(|why| {
                Error::unsupported(format!(
                    "a result of service \"{}\" cannot be read: {why}",
                    self.run.workspace.service()
                ))
                .with_hint("Make a view there that casts the column to STRING.")
            })
        });
        Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
    }
}

#[async_trait]
impl RemoteEngine for WarehouseEngine {
    fn compute_context(&self) -> &ComputeContext {
        &self.context
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            route: Route::Warehouse,
            ansi: true,
        }
    }

    fn meter(&self) -> &ComputeMeter {
        &self.meter
    }

    async fn state(&self, ctx: &QueryContext) -> Result<Option<String>> {
        let path = ["api", "2.0", "sql", "warehouses", &self.run.options.warehouse_id];
        let workspace = &self.run.workspace;
        let asked = workspace.get::<WarehouseInfo>(workspace.address(&path, &[]));
        let info = ctx.race(asked).await?;
        let info = info.map_err(|failure| failure.into_error(workspace.service()))?;
        Ok(Some(info.in_words()))
    }

    async fn describe(&self, statement: &RemoteStatement, ctx: &QueryContext) -> Result<SchemaRef> {
        ctx.race(self.describe_now(statement)).await?
    }

    async fn execute(&self, statement: Arc<RemoteStatement>, memory: &Arc<dyn MemoryPool>) -> Result<RemoteStream> {
        let waiting = MemoryConsumer::new(WAITING).register(memory);
        let stream = futures::stream::once(self.run.clone().rows(statement, waiting));
        Ok(stream.try_flatten().boxed())
    }
}

/// The warehouse's id and the workspace's, out of a `http_path` such as `/sql/1.0/warehouses/abc123?o=42`.
///
/// # Errors
/// What is wrong with the path.
pub fn warehouse_id(http_path: &str) -> Result<(String, Option<String>), String> {
    let (path, query) = http_path.split_once('?').unwrap_or((http_path, ""));
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    let id = match parts.as_slice() {
        ["sql", "1.0", "warehouses" | "endpoints", id] if !id.is_empty() => (*id).to_owned(),
        ["sql", "protocolv1", ..] => return Err("is that of a cluster; give cluster_id instead".to_owned()),
        _ => return Err("does not look like /sql/1.0/warehouses/ID".to_owned()),
    };
    let workspace = url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "o")
        .map(|(_, value)| value.into_owned());
    Ok((id, workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_warehouses_are_taken_apart() {
        let id = |path: &str| warehouse_id(path);
        assert_eq!(id("/sql/1.0/warehouses/abc").unwrap(), ("abc".to_owned(), None));
        assert_eq!(
            id("sql/1.0/endpoints/abc?o=42").unwrap(),
            ("abc".to_owned(), Some("42".to_owned()))
        );
        assert!(id("/sql/protocolv1/o/1/0123-456").unwrap_err().contains("cluster_id"));
        assert!(id("/sql/1.0/warehouses/").is_err());
    }
}
