//! The physical barrier: what lies below it is planned apart and closed to every optimizer of the user's plan.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use contract::{Error, ErrorKind, TableName};
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType, reset_plan_states};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use crate::bind::refuse;

/// Runs the plan of a table's rules and hands on its rows, and nothing else.
///
/// To every optimizer it is a leaf: no filter, projection, limit, sort or dynamic filter can go below it, and no
/// ordering, partitioning, statistic or metric comes out. It has as many partitions as the session wants, however
/// many files there are, so that the plan above has the same shape whatever the rules hide. What fails below fails
/// with a text that holds no value of a row.
#[derive(Debug, Clone)]
pub struct BarrierExec {
    table: TableName,
    schema: SchemaRef,
    input: Arc<dyn ExecutionPlan>,
    /// The tables that may be read below: this one, and those that its rules read.
    reads: Arc<HashSet<TableName>>,
    properties: Arc<PlanProperties>,
}

impl BarrierExec {
    pub(crate) fn new(
        table: TableName,
        schema: SchemaRef,
        input: Arc<dyn ExecutionPlan>,
        partitions: usize,
        reads: Arc<HashSet<TableName>>,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.max(1)),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            table,
            schema,
            input,
            reads,
            properties: Arc::new(properties),
        }
    }

    /// The table behind the barrier.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The plan below, for checks and for administrators.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }

    pub(crate) fn reads(&self) -> &HashSet<TableName> {
        &self.reads
    }
}

impl DisplayAs for BarrierExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match format {
            DisplayFormatType::TreeRender => write!(f, "table={}", self.table),
            _ => write!(f, "BarrierExec: table={}", self.table),
        }
    }
}

impl ExecutionPlan for BarrierExec {
    fn name(&self) -> &str {
        "BarrierExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
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
        let input = reset_plan_states(Arc::clone(&self.input))?;
        Ok(Arc::new(Self {
            input,
            ..Self::clone(&self)
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let inner = self.input.output_partitioning().partition_count();
        let outer = self.properties.output_partitioning().partition_count();
        let mut streams: Vec<BoxStream<'static, Result<RecordBatch>>> = Vec::new();
        for index in (partition..inner).step_by(outer) {
            let stream = self
                .input
                .execute(index, Arc::clone(&context))
                .map_err(|error| conceal(&self.table, error))?;
            streams.push(stream.boxed());
        }
        let table = self.table.clone();
        let schema = Arc::clone(&self.schema);
        let stream = stream::select_all(streams).map(move |batch| {
            batch
                .and_then(|batch| stamp(batch, &schema))
                .map_err(|error| conceal(&table, error))
        });
        Ok(make_cooperative(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            stream,
        ))))
    }
}

/// Gives a batch the presented schema: same columns, but the names and nullability that were promised.
fn stamp(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(
        Arc::clone(schema),
        batch.columns().to_vec(),
        &options,
    )?)
}

/// Takes out of an error from below what it may say about hidden rows, paths or the rules; the log keeps it.
pub(crate) fn conceal(table: &TableName, error: DataFusionError) -> DataFusionError {
    let ours = Error::from(error);
    let shown = match ours.kind() {
        // These say nothing about rows, and clients act on them.
        ErrorKind::Canceled
        | ErrorKind::DeadlineExceeded
        | ErrorKind::MemoryExhausted
        | ErrorKind::DiskFull
        | ErrorKind::TooManyQueries
        | ErrorKind::LimitExceeded
        | ErrorKind::ShuttingDown => ours,
        kind @ (ErrorKind::SourceUnavailable | ErrorKind::SourceThrottled | ErrorKind::SourceRejected) => {
            Error::new(kind, format!("the source of table \"{}\" does not answer", table.table)).with_source(ours)
        }
        ErrorKind::DataCorrupted => {
            let message = format!("the data of table \"{}\" is damaged", table.table);
            Error::new(ErrorKind::DataCorrupted, message).with_source(ours)
        }
        ErrorKind::ObjectNotInPrerequisiteState => {
            let message = format!("a file of table \"{}\" is gone", table.table);
            Error::new(ErrorKind::ObjectNotInPrerequisiteState, message)
                .with_hint("Run the query again to read a newer version.")
                .with_source(ours)
        }
        ErrorKind::Internal => Error::internal(format!("below the barrier of {table}")).with_source(ours),
        _ => refuse(table, ours),
    };
    DataFusionError::External(Box::new(shown))
}
