use std::sync::Arc;

use contract::{PushdownLimit, Result};
use datafusion::catalog::Session;
use datafusion::physical_plan::ExecutionPlan;
use policy::{BarrierExec, RemoteScanExec};

use crate::bound_exec::bound;
use crate::join_keys::connect;

/// Makes a physical plan ready for one execution: remote statements take the keys of joins, and what they bring for work
/// here is counted where the session asks for it. To be called for each execution, after the plan's state was reset.
///
/// # Errors
/// `Internal` if the plan cannot be put together again.
pub fn ready(plan: Arc<dyn ExecutionPlan>, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
    if !reads_remotely(&plan) {
        return Ok(plan);
    }
    let limit = session.config().get_extension::<PushdownLimit>();
    Ok(bound(connect(plan)?, limit.map(|limit| *limit).unwrap_or_default())?)
}

/// Whether a remote statement is among its leaves, or rows of one come through rules.
fn reads_remotely(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if plan.is::<RemoteScanExec>() {
        return true;
    }
    match plan.downcast_ref::<BarrierExec>() {
        Some(barrier) => reads_remotely(barrier.input()),
        None => plan.children().into_iter().any(reads_remotely),
    }
}
