//! Keeps physical rules from computing an expression below the filter that stood beneath it.
//!
//! DataFusion's `ProjectionPushdown` swaps a projection with the filter below it when that narrows the rows, computed
//! columns included: `SELECT 10 / z FROM t WHERE z <> 0` then divides by zero. It can be removed when that rule
//! leaves expressions that may fail where they are.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::config::ConfigOptions;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, replace_children_if_necessary};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};

const PROJECTION_PUSHDOWN: &str = "ProjectionPushdown";

/// Puts the guard around each `ProjectionPushdown` of `rules`; all else stays as it is.
pub fn guarded_physical_rules(
    rules: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>,
) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut guarded: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> = Vec::with_capacity(rules.len() + 4);
    for rule in rules {
        if rule.name() == PROJECTION_PUSHDOWN {
            guarded.push(Arc::new(GuardProjections));
            guarded.push(rule);
            guarded.push(Arc::new(ReleaseProjections));
        } else {
            guarded.push(rule);
        }
    }
    guarded
}

/// Sets the options that a session must have for what its users compute to stay above its filters.
pub fn harden(options: &mut ConfigOptions) {
    // It moves field access and other "leaf" functions below filters under names that look like plain columns.
    options.optimizer.enable_leaf_expression_pushdown = false;
    // A rule that fails must fail the query: skipping one leaves a plan that nobody has looked at.
    options.optimizer.skip_failed_rules = false;
}

#[derive(Debug)]
struct GuardProjections;

impl PhysicalOptimizerRule for GuardProjections {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let computes = plan.downcast_ref::<ProjectionExec>().is_some_and(computes);
            // Of a join's own condition the same rule makes projections over the join's inputs.
            if !computes && !plan.is::<NestedLoopJoinExec>() {
                return Ok(Transformed::no(plan));
            }
            let children = plan
                .children()
                .into_iter()
                .map(|child| GuardExec::over(Arc::clone(child)))
                .collect();
            Ok(Transformed::yes(replace_children_if_necessary(plan, children)?))
        })
        .data()
    }

    fn name(&self) -> &str {
        "GuardProjections"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Whether it does more than choose, repeat and rename columns.
fn computes(projection: &ProjectionExec) -> bool {
    projection
        .expr()
        .iter()
        .any(|column| !column.expr.is::<Column>() && !column.expr.is::<Literal>())
}

#[derive(Debug)]
struct ReleaseProjections;

impl PhysicalOptimizerRule for ReleaseProjections {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            Ok(match plan.downcast_ref::<GuardExec>() {
                Some(guard) => Transformed::yes(Arc::clone(&guard.input)),
                None => Transformed::no(plan),
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "ReleaseProjections"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Stands between a projection and its input while `ProjectionPushdown` runs; it is never executed.
#[derive(Debug)]
struct GuardExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl GuardExec {
    fn over(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        let properties = Arc::clone(input.properties());
        Arc::new(Self { input, properties })
    }
}

impl DisplayAs for GuardExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardExec")
    }
}

impl ExecutionPlan for GuardExec {
    fn name(&self) -> &str {
        "GuardExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
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
            Some(input) if children.is_empty() => Ok(Self::over(input)),
            _ => datafusion::common::internal_err!("GuardExec has one child"),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.input.execute(partition, context)
    }
}
