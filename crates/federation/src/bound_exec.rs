//! Rows of remote systems that work here is done on: how many may come, and why the work is not done there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use contract::{Error, ErrorKind, PushdownLimit, PushdownMode};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, replace_children_if_necessary};
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec, SymmetricHashJoinExec,
};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use policy::{BarrierExec, RemoteScanExec};

use crate::remote_exec::Reason;
use crate::{RemoteExec, Warnings};

/// Puts a count under all work of `plan` that is done here on rows of a remote system, if `limit` asks for it.
///
/// # Errors
/// If the plan cannot be put together again.
pub(crate) fn bound(plan: Arc<dyn ExecutionPlan>, limit: PushdownLimit) -> Result<Arc<dyn ExecutionPlan>> {
    match limit.mode {
        PushdownMode::Auto => Ok(plan),
        PushdownMode::Warn | PushdownMode::Strict => bound_below(plan, None, limit),
    }
}

/// What of `plan` is done here on rows of a remote system, and why: lines for EXPLAIN. Of tables with rules only an
/// `administrator` is told.
pub fn explain_kept(plan: &Arc<dyn ExecutionPlan>, administrator: bool) -> Vec<String> {
    let mut lines = Vec::new();
    collect(plan, None, administrator, &mut lines);
    lines
}

fn collect(plan: &Arc<dyn ExecutionPlan>, purpose: Option<&'static str>, administrator: bool, lines: &mut Vec<String>) {
    if let (Some(purpose), Some(origin)) = (purpose, Origin::of(plan)) {
        let line = format!(
            "Kept here: {purpose} over rows of {}, because of {}",
            origin.service, origin.reason
        );
        if (administrator || !origin.ruled) && !lines.contains(&line) {
            lines.push(line);
        }
        return;
    }
    let purpose = purpose_of(plan).or(purpose);
    for child in plan.children() {
        collect(child, purpose, administrator, lines);
    }
}

fn bound_below(
    plan: Arc<dyn ExecutionPlan>,
    purpose: Option<&'static str>,
    limit: PushdownLimit,
) -> Result<Arc<dyn ExecutionPlan>> {
    if plan.is::<BoundExec>() {
        return Ok(plan);
    }
    if let (Some(purpose), Some(origin)) = (purpose, Origin::of(&plan)) {
        return Ok(Arc::new(BoundExec {
            input: plan,
            limit,
            told: Arc::new(Told { purpose, origin }),
            counted: Arc::default(),
        }));
    }
    let purpose = purpose_of(&plan).or(purpose);
    let children = plan
        .children()
        .into_iter()
        .map(|child| bound_below(Arc::clone(child), purpose, limit))
        .collect::<Result<Vec<_>>>()?;
    replace_children_if_necessary(plan, children)
}

/// What a node does that needs many rows; `None` for what takes them one by one.
fn purpose_of(plan: &Arc<dyn ExecutionPlan>) -> Option<&'static str> {
    if plan.is::<HashJoinExec>()
        || plan.is::<NestedLoopJoinExec>()
        || plan.is::<CrossJoinExec>()
        || plan.is::<SortMergeJoinExec>()
        || plan.is::<SymmetricHashJoinExec>()
        || plan.is::<PiecewiseMergeJoinExec>()
    {
        return Some("a join");
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return Some(match aggregate.aggr_expr().is_empty() {
            true => "distinct values",
            false => "an aggregation",
        });
    }
    if plan.is::<WindowAggExec>() || plan.is::<BoundedWindowAggExec>() {
        return Some("a window function");
    }
    // The last rows of a sort that was done there are the answer itself.
    let sorts = plan.is::<SortExec>() && !plan.children().into_iter().any(is_sorted_there);
    sorts.then_some("a sort")
}

fn is_sorted_there(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        let remote = scan.input().downcast_ref::<RemoteExec>();
        return remote.is_some_and(|remote| *remote.reason() == Reason::SortedThere);
    }
    matches!(plan.children().as_slice(), [only] if is_sorted_there(only))
}

/// Where rows come from, and why the work on them is done here.
#[derive(Debug)]
struct Origin {
    service: String,
    reason: String,
    /// Rules stand before the rows, or their text is part of what is sent.
    ruled: bool,
    /// How many there are, where that is known for certain.
    known: Option<u64>,
}

impl Origin {
    fn of(plan: &Arc<dyn ExecutionPlan>) -> Option<Self> {
        if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
            let remote = scan.input().downcast_ref::<RemoteExec>()?;
            let ruled = !scan.reads().ruled.is_empty();
            return Some(Self {
                service: remote.engine().compute_context().to_string(),
                reason: remote.reason().why(),
                ruled,
                known: remote.known_rows().filter(|_| !ruled),
            });
        }
        // Only what comes out is counted: how many rows a rule hides is nobody's business.
        let barrier = plan.downcast_ref::<BarrierExec>()?;
        Some(Self {
            service: service_below(barrier.input())?,
            reason: "the access rules of its table".to_owned(),
            ruled: true,
            known: None,
        })
    }
}

/// The first service that is read below a barrier.
fn service_below(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        let remote = scan.input().downcast_ref::<RemoteExec>()?;
        return Some(remote.engine().compute_context().to_string());
    }
    match plan.downcast_ref::<BarrierExec>() {
        Some(barrier) => service_below(barrier.input()),
        None => plan.children().into_iter().find_map(service_below),
    }
}

/// What a client is told.
#[derive(Debug)]
struct Told {
    purpose: &'static str,
    origin: Origin,
}

impl Told {
    fn error(&self, limit: PushdownLimit) -> Error {
        let message = format!(
            "more than {} rows of \"{}\" are needed for {} that is done here",
            limit.rows, self.origin.service, self.purpose
        );
        let hint = format!(
            "What keeps it here is {}. Write it another way, ask for fewer rows, or change lakegate.pushdown_rows or \
             lakegate.pushdown; EXPLAIN shows what is sent.",
            self.origin.reason
        );
        Error::new(ErrorKind::LimitExceeded, message).with_hint(hint)
    }
}

#[derive(Debug, Default)]
struct Counted {
    rows: AtomicU64,
    told: AtomicBool,
}

/// Counts rows that work here is done on. Beyond the limit it ends the statement with an error, or tells the client.
#[derive(Debug)]
pub(crate) struct BoundExec {
    input: Arc<dyn ExecutionPlan>,
    limit: PushdownLimit,
    told: Arc<Told>,
    /// Over all partitions.
    counted: Arc<Counted>,
}

impl BoundExec {
    fn over(&self, input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self {
            input,
            limit: self.limit,
            told: Arc::clone(&self.told),
            counted: Arc::default(),
        })
    }
}

/// What is done once there are more rows than there may be.
#[derive(Clone)]
struct Beyond {
    limit: PushdownLimit,
    told: Arc<Told>,
    counted: Arc<Counted>,
    warnings: Option<Arc<Warnings>>,
}

impl Beyond {
    fn take(&self, rows: u64) -> Result<()> {
        if rows <= self.limit.rows {
            return Ok(());
        }
        if self.limit.mode == PushdownMode::Strict {
            return Err(DataFusionError::External(Box::new(self.told.error(self.limit))));
        }
        if let Some(warnings) = &self.warnings
            && !self.counted.told.swap(true, Ordering::Relaxed)
        {
            warnings.push(self.told.error(self.limit));
        }
        Ok(())
    }
}

impl DisplayAs for BoundExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BoundExec: rows={}, mode={}", self.limit.rows, self.limit.mode)
    }
}

impl ExecutionPlan for BoundExec {
    fn name(&self) -> &str {
        "BoundExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match children.pop() {
            Some(input) if children.is_empty() => Ok(self.over(input)),
            _ => internal_err!("BoundExec has one child"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.over(Arc::clone(&self.input)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let beyond = Beyond {
            limit: self.limit,
            told: Arc::clone(&self.told),
            counted: Arc::clone(&self.counted),
            warnings: context.session_config().get_extension::<Warnings>(),
        };
        // Where it is known beforehand nothing is sent.
        beyond.take(self.told.origin.known.unwrap_or(0))?;
        let stream = self.input.execute(partition, context)?;
        let schema = stream.schema();
        let stream = stream.map(move |batch| {
            let batch = batch?;
            let rows = batch.num_rows() as u64;
            let before = beyond.counted.rows.fetch_add(rows, Ordering::Relaxed);
            beyond.take(before.saturating_add(rows))?;
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
