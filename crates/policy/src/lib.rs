//! Access rules: their SQL, and the rewrite that turns a bound plan into an authorized one.
//!
//! Text becomes [`Rules`] ([`parse_rules`]); rules and an identity say what of a table is seen
//! ([`Rules::table_access`]); each table is handed to the planner as a [`PresentedTable`] that has only the visible
//! columns and keeps row filter and masks below a barrier ([`BarrierExec`]); [`authorize`] is the only door from a
//! bound plan to an [`AuthorizedPlan`], and only the checks of [`AuthorizedPlan::optimized`] and
//! [`OptimizedPlan::executable`] lead on to an [`ExecutablePlan`].
//!
//! This crate does no I/O and starts no task. What it does not know it refuses. Start reading at
//! [`presented_table`](PresentedTable).

mod access;
mod authorize;
mod barrier;
mod bind;
mod check;
mod cursor;
mod delegated_plan;
mod explain;
mod guard_projection;
mod identity_function;
mod leakproof;
mod parse;
mod presented_table;
mod remote_scan;
mod rule;
mod rule_dialect;
mod rule_error;
mod stamp;
mod system_scan;
mod system_table;
mod verify;

pub use access::{TableAccess, TableRules};
pub use authorize::{AuthorizedPlan, authorize};
pub use barrier::BarrierExec;
pub use bind::RuleScope;
pub use delegated_plan::{DelegatedPlan, DelegatedPlanner};
pub use explain::{render_logical, render_physical};
pub use guard_projection::{guarded_physical_rules, harden};
pub use parse::parse_rules;
pub use presented_table::{Presented, PresentedTable};
pub use remote_scan::{RemoteReads, RemoteScanExec};
pub use rule::{RateLimit, Rules, Service};
pub use rule_error::RuleError;
pub use stamp::Stamp;
pub use system_scan::{SystemRows, SystemScanExec};
pub use system_table::SystemTable;
pub use verify::{ExecutablePlan, OptimizedPlan};

#[cfg(test)]
mod tests;
