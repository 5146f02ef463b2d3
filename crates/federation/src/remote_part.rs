use std::sync::Arc;
use std::time::Duration;

use contract::Route;
use datafusion::physical_plan::ExecutionPlan;
use policy::{BarrierExec, RemoteScanExec};

use crate::RemoteExec;

/// What one remote statement of a plan did, as far as it was run.
#[derive(Debug, Clone)]
pub struct RemotePart {
    /// The service that ran it.
    pub service: String,
    /// The way that it took.
    pub route: Route,
    /// The statement, without its values.
    pub sql: String,
    /// Whether its text carries rules, or stands below them: only an administrator may read it then.
    pub ruled: bool,
    /// Rows that came back.
    pub rows: usize,
    /// Bytes that came back, as Arrow arrays.
    pub bytes: usize,
    /// Values of joins that were sent along.
    pub join_keys: usize,
    /// From sending it to its last row.
    pub elapsed: Duration,
}

/// The remote statements of a physical plan, in the order of the plan.
pub fn remote_parts(plan: &Arc<dyn ExecutionPlan>) -> Vec<RemotePart> {
    let mut parts = Vec::new();
    collect(plan, false, &mut parts);
    parts
}

fn collect(plan: &Arc<dyn ExecutionPlan>, ruled: bool, parts: &mut Vec<RemotePart>) {
    if let Some(barrier) = plan.downcast_ref::<BarrierExec>() {
        return collect(barrier.input(), true, parts);
    }
    if let Some(scan) = plan.downcast_ref::<RemoteScanExec>() {
        return collect(scan.input(), ruled || !scan.reads().ruled.is_empty(), parts);
    }
    if let Some(remote) = plan.downcast_ref::<RemoteExec>() {
        parts.push(remote.part(ruled));
    }
    for child in plan.children() {
        collect(child, ruled, parts);
    }
}
