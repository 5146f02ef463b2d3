//! The leaf that makes rows of a system relation when they are asked for, knowing the conditions above it.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType, apply_expression_roots};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};

use crate::stamp::Stamp;

/// Makes the rows of a system relation.
///
/// Whoever implements it answers for the rows holding nothing that the identity may not see: of a table no more than
/// its name, columns and comments, and of those only what rules leave.
pub trait SystemRows: fmt::Debug + Send + Sync {
    /// All columns of the relation.
    fn schema(&self) -> SchemaRef;

    /// How many rows there may be: a guess, for the order of joins.
    fn rows_estimated(&self) -> usize;

    /// The rows, of the columns `projection` in that order. Rows for which one of `conditions` (over these columns)
    /// does not hold may be left out; whoever reads checks them again. Conditions may have become narrower since the
    /// plan was made, and are final when the stream is polled first.
    ///
    /// # Errors
    /// In the stream, what the systems say that are asked.
    fn rows(&self, projection: Arc<[usize]>, conditions: Vec<Arc<dyn PhysicalExpr>>) -> SendableRecordBatchStream;
}

/// A scan of [`SystemRows`], made for one identity under one version of the rules and run for no other. Conditions that
/// stand above it are handed to it, those among them that a join learns while it runs; each is checked above all the same.
#[derive(Debug, Clone)]
pub struct SystemScanExec {
    name: Arc<str>,
    stamp: Stamp,
    rows: Arc<dyn SystemRows>,
    projection: Arc<[usize]>,
    conditions: Vec<Arc<dyn PhysicalExpr>>,
    properties: Arc<PlanProperties>,
}

impl SystemScanExec {
    /// Will read `projection` of the relation; `name` is for EXPLAIN.
    ///
    /// # Errors
    /// If the relation has not these columns.
    pub(crate) fn new(
        name: Arc<str>,
        rows: Arc<dyn SystemRows>,
        stamp: Stamp,
        projection: Option<&Vec<usize>>,
    ) -> Result<Self> {
        let all = rows.schema();
        let projection: Arc<[usize]> = match projection {
            Some(projection) => projection.as_slice().into(),
            None => (0..all.fields().len()).collect(),
        };
        let schema = Arc::new(all.project(&projection)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Ok(Self {
            name,
            stamp,
            rows,
            projection,
            conditions: Vec::new(),
            properties: Arc::new(properties),
        })
    }

    /// For whom its rows were chosen.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }
}

impl DisplayAs for SystemScanExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemScanExec: relation={}", self.name)?;
        for (at, condition) in self.conditions.iter().enumerate() {
            let before = if at == 0 { ", conditions=" } else { " AND " };
            write!(f, "{before}{condition}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for SystemScanExec {
    fn name(&self) -> &str {
        "SystemScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    /// A join fills in what it learned only where it finds its own condition again.
    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(&self.conditions, f)
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

    /// What a join learned belongs to the run that it learned it in.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let mut scan = Arc::unwrap_or_clone(self);
        let mut lasting = Vec::with_capacity(scan.conditions.len());
        for condition in scan.conditions {
            if !condition.exists(|part| Ok(part.is::<DynamicFilterPhysicalExpr>()))? {
                lasting.push(condition);
            }
        }
        scan.conditions = lasting;
        Ok(Arc::new(scan))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        child_pushdown_result: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filters = child_pushdown_result.parent_filters;
        let kept = vec![PushedDown::No; filters.len()];
        if filters.is_empty() {
            return Ok(FilterPushdownPropagation::with_parent_pushdown_result(kept));
        }
        let mut scan = self.clone();
        for filter in filters {
            // Both phases bring what stands above.
            if !scan.conditions.iter().any(|known| Arc::ptr_eq(known, &filter.filter)) {
                scan.conditions.push(filter.filter);
            }
        }
        let scan: Arc<dyn ExecutionPlan> = Arc::new(scan);
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(kept).with_updated_node(scan))
    }

    fn statistics_from_inputs(&self, _inputs: &[Arc<Statistics>], _args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        statistics.num_rows = Precision::Inexact(self.rows.rows_estimated());
        Ok(Arc::new(statistics))
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition != 0 {
            return internal_err!("SystemScanExec has one partition, not {partition}");
        }
        let rows = self.rows.rows(Arc::clone(&self.projection), self.conditions.clone());
        Ok(make_cooperative(rows))
    }
}
