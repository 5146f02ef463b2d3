//! A Spark Connect server that runs statements.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, ErrorKind, QueryContext, Result, Route};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryPool;
use federation::{Capabilities, ComputeContext, ComputeMeter, RemoteEngine, RemoteStatement, RemoteStream};
use futures::StreamExt as _;
use spark_connect_proto as proto;

use crate::address::SparkAddress;
use crate::connection::Connection;
use crate::data_type::to_schema;
use crate::error::Fate;
use crate::execution::{Broken, Execution, SessionState};
use crate::literal::literal;
use crate::parameter::expression;
use crate::session::{Sessions, Ways};

/// One server, as one principal.
pub struct SparkEngine {
    context: ComputeContext,
    sessions: Arc<Sessions>,
    meter: ComputeMeter,
}

impl SparkEngine {
    /// The server at `address`, under the name that its service has in the configuration. Nothing is sent yet: a
    /// server that is down shows when it is used, and is found again when it is back.
    pub fn new(service: &str, address: SparkAddress) -> Arc<Self> {
        Arc::new(Self {
            context: ComputeContext::new(service, address.user()),
            sessions: Arc::new(Sessions::new(Connection::new(service, address))),
            meter: ComputeMeter::default(),
        })
    }

    /// The name of its service.
    pub(crate) fn service(&self) -> &str {
        self.sessions.service()
    }

    /// The columns of a statement, in a second session if the first is lost.
    async fn analyze(&self, statement: &RemoteStatement) -> Result<SchemaRef> {
        let mut again = true;
        loop {
            let session = self.sessions.current().await?;
            let plan = statement_plan(statement, session.ways(), self.service())?;
            match session.schema(plan).await {
                Ok(columns) => return to_schema(&columns),
                Err(refusal) => {
                    let lost = refusal.fate() == Fate::SessionLost;
                    if lost {
                        self.sessions.forget(&session);
                    }
                    if !(lost && again) {
                        return Err(refusal.into_error(self.service()));
                    }
                    again = false;
                }
            }
        }
    }
}

#[async_trait]
impl RemoteEngine for SparkEngine {
    fn compute_context(&self) -> &ComputeContext {
        &self.context
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            route: Route::Spark,
            ansi: self.sessions.ansi(),
        }
    }

    fn meter(&self) -> &ComputeMeter {
        &self.meter
    }

    async fn describe(&self, statement: &RemoteStatement, ctx: &QueryContext) -> Result<SchemaRef> {
        ctx.race(Box::pin(self.analyze(statement))).await?
    }

    async fn execute(&self, statement: Arc<RemoteStatement>, memory: &Arc<dyn MemoryPool>) -> Result<RemoteStream> {
        let reading = Reading {
            memory: Arc::clone(memory),
            sessions: Arc::clone(&self.sessions),
            statement,
            execution: None,
            again: true,
        };
        let rows = futures::stream::try_unfold(reading, |mut reading| async move {
            let batch = reading.next().await?;
            Ok(batch.map(|batch| (batch, reading)))
        });
        Ok(rows.boxed())
    }
}

impl fmt::Debug for SparkEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkEngine")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// A statement while it is read, across the loss of a session.
struct Reading {
    sessions: Arc<Sessions>,
    statement: Arc<RemoteStatement>,
    execution: Option<Execution>,
    memory: Arc<dyn MemoryPool>,
    /// Whether a lost session may still be replaced.
    again: bool,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let execution = match &mut self.execution {
                Some(execution) => execution,
                None => {
                    let session = self.sessions.current().await?;
                    let plan = statement_plan(&self.statement, session.ways(), self.sessions.service())?;
                    self.execution.insert(Execution::new(session, plan, &self.memory))
                }
            };
            let broken = match execution.next().await {
                Ok(batch) => return Ok(batch),
                Err(broken) => broken,
            };
            let session = Arc::clone(execution.session());
            match broken {
                Broken::SessionLost(error) => {
                    self.sessions.forget(&session);
                    self.execution = None;
                    if !std::mem::take(&mut self.again) {
                        return Err(error);
                    }
                }
                Broken::Failed(error, state) => {
                    if state == SessionState::Lost {
                        self.sessions.forget(&session);
                    }
                    return Err(error);
                }
            }
        }
    }
}

/// The plan for a statement at a server of these ways.
fn statement_plan(statement: &RemoteStatement, ways: Ways, service: &str) -> Result<proto::Plan> {
    let (text, values) = if ways.binds {
        let values = statement.parameters().iter().enumerate();
        let values = values.map(|(index, value)| Ok((format!("p{}", index + 1), expression(value)?)));
        (statement.text(), values.collect::<Result<Vec<_>>>()?)
    } else {
        (statement.inlined(literal)?, Vec::new())
    };
    // No literal holds a dollar: it is in a name.
    if ways.substitutes && text.contains("${") {
        let message = format!("service \"{service}\" would replace the variable in a name that holds \"${{\"");
        return Err(Error::new(ErrorKind::Unsupported, message)
            .with_hint("Let the server set spark.sql.variable.substitute to false."));
    }
    Ok(sql_plan(&text, values))
}

/// A query as a plan.
pub(crate) fn sql_plan(text: &str, values: impl IntoIterator<Item = (String, proto::Expression)>) -> proto::Plan {
    let sql = proto::Sql {
        query: text.to_owned(),
        named_arguments: values.into_iter().collect(),
        ..Default::default()
    };
    let relation = proto::Relation {
        rel_type: Some(proto::relation::RelType::Sql(sql)),
        ..Default::default()
    };
    proto::Plan {
        op_type: Some(proto::plan::OpType::Root(relation)),
    }
}
