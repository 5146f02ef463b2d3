use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use contract::Error;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::lit;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use futures::{FutureExt, StreamExt, TryStreamExt};

use crate::fit::fit;
use crate::join_keys::conditions;
use crate::spark_sql::{Block, narrowed};
use crate::{RemoteEngine, RemotePart, RemoteStatement, RemoteStream};

/// Bytes that came back, as Arrow arrays.
const BYTES_MOVED: &str = "bytes_moved";
/// Values of joins that were sent along.
const JOIN_KEYS: &str = "join_keys";
/// From sending a statement to its last row.
const REMOTE_TIME: &str = "remote_time";

/// Why a statement is as large as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is the whole query.
    Whole,
    /// All but the order of its rows, which are few.
    SortedThere,
    /// It is one table, which nothing above could be written around.
    OneTable,
    /// A subquery of what runs here.
    Subquery,
    /// Something above has no equal there: what.
    Part(Arc<str>),
}

impl Reason {
    /// What keeps the work above here.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Whole | Self::SortedThere | Self::OneTable => "the way in which its table is read".to_owned(),
            Self::Subquery => "a subquery".to_owned(),
            Self::Part(why) => why.to_string(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the whole query"),
            Self::SortedThere => f.write_str("all but the order of the last rows"),
            Self::OneTable => f.write_str("one table"),
            Self::Subquery => f.write_str("a subquery"),
            Self::Part(why) => write!(f, "part of the query: {why}"),
        }
    }
}

/// Runs one statement at a remote engine: one partition, in the order in which rows arrive.
#[derive(Debug, Clone)]
pub struct RemoteExec {
    block: Arc<Block>,
    schema: SchemaRef,
    reason: Reason,
    known_rows: Option<u64>,
    /// What joins above say of the rows that they can use, once it is complete.
    join_keys: Vec<Arc<DynamicFilterPhysicalExpr>>,
    /// What was sent instead of the block's own statement.
    narrowed: Arc<OnceLock<Arc<RemoteStatement>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RemoteExec {
    /// Will run the statement of `block`, whose columns are those of `schema` by position; each batch is checked
    /// against it.
    pub(crate) fn new(block: Block, schema: SchemaRef, reason: Reason) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            block: Arc::new(block),
            schema,
            reason,
            known_rows: None,
            join_keys: Vec::new(),
            narrowed: Arc::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// Says that it gives so many rows, if that is known for certain.
    pub(crate) fn with_known_rows(mut self, rows: Option<u64>) -> Self {
        self.known_rows = rows;
        self
    }

    /// Adds what a join above says of the rows that it can use, over this one's columns.
    pub(crate) fn with_join_keys(mut self, filter: Arc<DynamicFilterPhysicalExpr>) -> Self {
        self.join_keys.push(filter);
        self
    }

    /// The columns that joins have keys for.
    fn joined_columns(&self) -> String {
        let columns = self.join_keys.iter().flat_map(|filter| filter.children());
        let columns = columns.flat_map(collect_columns).map(|column| column.name().to_owned());
        columns
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .join(", ")
    }

    pub(crate) fn known_rows(&self) -> Option<u64> {
        self.known_rows
    }

    pub(crate) fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The statement.
    pub fn statement(&self) -> &RemoteStatement {
        &self.block.statement
    }

    /// What it did until now; `ruled` as in [`RemotePart`].
    pub(crate) fn part(&self, ruled: bool) -> RemotePart {
        let metrics = self.metrics.clone_inner();
        let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |value| value.as_usize());
        RemotePart {
            service: self.engine().compute_context().system().to_owned(),
            route: self.engine().capabilities().route,
            sql: self
                .narrowed
                .get()
                .map_or_else(|| self.statement().text(), |sent| sent.text()),
            ruled,
            rows: metrics.output_rows().unwrap_or(0),
            bytes: sum(BYTES_MOVED),
            join_keys: sum(JOIN_KEYS),
            elapsed: Duration::from_nanos(sum(REMOTE_TIME) as u64),
        }
    }

    /// Where it runs.
    pub fn engine(&self) -> &Arc<dyn RemoteEngine> {
        &self.block.engine
    }
}

impl RemoteExec {
    /// Sends the statement, with what is known of the rows that can be used.
    async fn send(
        &self,
        sent: &OnceLock<Instant>,
        keys: &Count,
        memory: &Arc<dyn MemoryPool>,
    ) -> contract::Result<RemoteStream> {
        let complete = self
            .join_keys
            .iter()
            .filter(|filter| filter.wait_complete().now_or_never().is_some());
        let conditions: Vec<_> = complete
            .flat_map(|filter| conditions(&(Arc::clone(filter) as Arc<dyn PhysicalExpr>)))
            .collect();
        if conditions.contains(&lit(false)) {
            return Ok(Box::pin(futures::stream::empty()));
        }
        let statement = match narrowed(&self.block, &conditions) {
            Some((statement, values)) => {
                keys.add(values);
                Arc::clone(self.narrowed.get_or_init(|| Arc::new(statement)))
            }
            None => Arc::new(self.statement().clone()),
        };
        sent.get_or_init(Instant::now);
        self.engine().execute(statement, memory).await
    }
}

impl DisplayAs for RemoteExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RemoteExec: service={}, route={}, reason={}, sql={}",
            self.engine().compute_context(),
            self.engine().capabilities().route,
            self.reason,
            self.statement()
        )?;
        match self.join_keys.is_empty() {
            true => Ok(()),
            false => write!(f, ", join_keys=[{}]", self.joined_columns()),
        }
    }
}

impl ExecutionPlan for RemoteExec {
    fn name(&self) -> &str {
        "RemoteExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // A join fills in its filter only if it finds it here.
        for filter in &self.join_keys {
            let filter = Arc::clone(filter) as Arc<dyn PhysicalExpr>;
            if f(&filter)? == TreeNodeRecursion::Stop {
                return Ok(TreeNodeRecursion::Stop);
            }
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self {
            metrics: ExecutionPlanMetricsSet::new(),
            join_keys: Vec::new(),
            narrowed: Arc::default(),
            ..Self::clone(&self)
        }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("RemoteExec has one partition, not {partition}");
        }
        let remote = self.clone();
        let keys = MetricBuilder::new(&self.metrics).counter(JOIN_KEYS, partition);
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let bytes = MetricBuilder::new(&self.metrics).counter(BYTES_MOVED, partition);
        let time = MetricBuilder::new(&self.metrics).subset_time(REMOTE_TIME, partition);
        let sent = Arc::new(OnceLock::new());
        let since = Arc::clone(&sent);
        let mut counted = None;
        let mut begun = false;
        let metered = Arc::clone(self.engine());
        let schema = Arc::clone(&self.schema);
        let memory = Arc::clone(context.memory_pool());
        // Not before rows are asked for: a join does so once it has its keys.
        let rows = futures::stream::once(async move { remote.send(&since, &keys, &memory).await })
            .try_flatten()
            .map(move |batch| {
                let now = Instant::now();
                let sent = *sent.get_or_init(|| now);
                time.add_duration(now - counted.unwrap_or(sent));
                counted = Some(now);
                if !std::mem::replace(&mut begun, true) && batch.is_ok() {
                    metered.meter().began_after(now - sent);
                }
                let batch = batch.and_then(|batch| {
                    bytes.add(batch.get_array_memory_size());
                    fit(batch, &schema)
                });
                if let Ok(batch) = &batch {
                    baseline.record_output(batch.num_rows());
                }
                batch.map_err(external)
            });
        let stream = RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows);
        Ok(make_cooperative(Box::pin(stream)))
    }
}

fn external(error: Error) -> datafusion::common::DataFusionError {
    datafusion::common::DataFusionError::External(Box::new(error))
}
