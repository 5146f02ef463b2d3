//! The leaf that stands for work done elsewhere, with what it reads declared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use contract::TableName;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;

use crate::barrier::conceal;

/// What a remote statement reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RemoteReads {
    /// The tables that it reads as they are.
    pub open: BTreeSet<TableName>,
    /// How often it reads each table through rules that its text carries.
    pub ruled: BTreeMap<TableName, usize>,
}

impl RemoteReads {
    /// One table, as it is.
    pub fn open(table: TableName) -> Self {
        Self {
            open: BTreeSet::from([table]),
            ruled: BTreeMap::new(),
        }
    }
}

/// Runs a statement elsewhere and hands on its rows. To every optimizer it is a leaf: what it computes was settled
/// when its statement was written, and is checked by what it declares to read.
///
/// Where its text carries rules, what fails there fails with a text that holds no value of a row.
#[derive(Debug, Clone)]
pub struct RemoteScanExec {
    reads: RemoteReads,
    input: Arc<dyn ExecutionPlan>,
}

impl RemoteScanExec {
    /// Puts `input` behind its declaration. `input` has one partition per statement and no child.
    pub fn over(input: Arc<dyn ExecutionPlan>, reads: RemoteReads) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { reads, input })
    }

    /// What it reads.
    pub fn reads(&self) -> &RemoteReads {
        &self.reads
    }

    /// The plan that runs the statement.
    pub fn input(&self) -> &Arc<dyn ExecutionPlan> {
        &self.input
    }
}

impl DisplayAs for RemoteScanExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = self.reads.open.iter().chain(self.reads.ruled.keys());
        let tables: Vec<_> = tables.map(ToString::to_string).collect();
        match format {
            DisplayFormatType::TreeRender => write!(f, "tables={}", tables.join(", ")),
            _ => write!(f, "RemoteScanExec: tables=[{}]", tables.join(", ")),
        }
    }
}

impl ExecutionPlan for RemoteScanExec {
    fn name(&self) -> &str {
        "RemoteScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        // What the statement takes of joins above, which look for it.
        self.input.apply_expressions(f)
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
            reads: self.reads.clone(),
        }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(table) = self.reads.ruled.keys().next().cloned() else {
            return self.input.execute(partition, context);
        };
        let stream = self
            .input
            .execute(partition, context)
            .map_err(|error| conceal(&table, error))?;
        let schema = stream.schema();
        let stream = stream.map(move |batch| batch.map_err(|error| conceal(&table, error)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
