//! A sub-plan that another system runs as one statement.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchemaRef, Result, internal_err};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};

use crate::remote_scan::{RemoteReads, RemoteScanExec};

/// A sub-plan of an authorized plan together with what runs it elsewhere. The sub-plan stays inside so that the
/// second walk sees every scan of it; to optimizers and planners the node is a leaf.
#[derive(Debug, Clone)]
pub struct DelegatedPlan {
    plan: Arc<LogicalPlan>,
    reads: RemoteReads,
    remote: Arc<dyn ExecutionPlan>,
}

impl DelegatedPlan {
    /// Says that `remote` answers `plan`, with rows of the same schema, by a statement that reads `reads`: as the
    /// statement's writer counted while writing, not as `plan` says.
    pub fn new(plan: LogicalPlan, reads: RemoteReads, remote: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            plan: Arc::new(plan),
            reads,
            remote,
        }
    }

    /// The sub-plan.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// What answers it.
    pub fn remote(&self) -> &Arc<dyn ExecutionPlan> {
        &self.remote
    }

    /// What the statement reads.
    pub fn reads(&self) -> &RemoteReads {
        &self.reads
    }
}

/// Two are equal if they are the same one: whoever makes a plan twice asks twice.
impl PartialEq for DelegatedPlan {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plan, &other.plan)
    }
}

impl Eq for DelegatedPlan {}

impl Hash for DelegatedPlan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.plan).hash(state);
    }
}

impl PartialOrd for DelegatedPlan {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl UserDefinedLogicalNodeCore for DelegatedPlan {
    fn name(&self) -> &str {
        "Delegated"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        self.plan.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.plan
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delegated")
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match inputs.is_empty() {
            true => Ok(self.clone()),
            false => internal_err!("a delegated plan has no input"),
        }
    }
}

/// Makes a [`RemoteScanExec`] of each [`DelegatedPlan`]; a session's planner needs it among its extension planners.
#[derive(Debug, Clone, Copy, Default)]
pub struct DelegatedPlanner;

#[async_trait]
impl ExtensionPlanner for DelegatedPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _planning_ctx: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let delegated = node.as_any().downcast_ref::<DelegatedPlan>();
        Ok(delegated.map(|node| RemoteScanExec::over(Arc::clone(&node.remote), node.reads.clone())))
    }
}
