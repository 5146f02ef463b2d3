//! The second walk, over what the optimizers made, written apart from the first: a scan that lost its barrier is
//! refused whatever became of it on the way.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use contract::{Error, Result, ScanOrigin, TableName};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::sink::DataSinkExec;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, TableScan};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::explain::ExplainExec;
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::work_table::WorkTableExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

use crate::barrier::BarrierExec;
use crate::delegated_plan::DelegatedPlan;
use crate::presented_table::PresentedTable;
use crate::remote_scan::RemoteScanExec;
use crate::stamp::Stamp;
use crate::system_scan::SystemScanExec;
use crate::system_table::SystemTable;

/// An optimized plan that was found to read what the authorized one reads, in the same way.
#[derive(Debug, Clone)]
pub struct OptimizedPlan {
    plan: LogicalPlan,
    stamp: Stamp,
    admitted: HashSet<TableName>,
    /// How often each restricted table is read outside of subqueries; 0 if in those only.
    barriers: BTreeMap<TableName, usize>,
}

impl OptimizedPlan {
    /// The plan, to make a physical one from.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// For whom it is authorized.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Changes the plan and verifies the outcome: for filling in parameters of a plan that was kept.
    ///
    /// # Errors
    /// Those of `change`, and `Internal` if the outcome reads something else.
    pub fn map(self, change: impl FnOnce(LogicalPlan) -> Result<LogicalPlan>) -> Result<Self> {
        let restricted = self.barriers.keys().cloned().collect();
        verify_logical(change(self.plan)?, self.stamp, &self.admitted, &restricted)
    }

    /// Accepts a physical plan that was made from this one.
    ///
    /// # Errors
    /// `Internal` if any of its leaves is not a table that may be read as it is, a barrier, or a kind of leaf that
    /// reads no table; the cause holds the plan.
    pub fn executable(&self, plan: Arc<dyn ExecutionPlan>) -> Result<ExecutablePlan> {
        let mut found = BTreeMap::new();
        verify_physical(&plan, &self.admitted, Some(self.stamp), &mut found)?;
        let is_explain = matches!(self.plan, LogicalPlan::Explain(_));
        let missing = self
            .barriers
            .iter()
            .find(|(name, count)| found.get(*name).copied().unwrap_or(0) < (**count).max(1));
        if let (Some((name, _)), false) = (missing, is_explain) {
            return Err(uncovered(&format!("a scan of {name} lost its barrier"), &plan));
        }
        Ok(ExecutablePlan {
            plan,
            stamp: self.stamp,
            guarded: !found.is_empty(),
        })
    }
}

/// A physical plan that may be executed: nothing else may.
#[derive(Debug, Clone)]
pub struct ExecutablePlan {
    plan: Arc<dyn ExecutionPlan>,
    stamp: Stamp,
    guarded: bool,
}

impl ExecutablePlan {
    /// The plan. It can be executed once; see [`fresh`](Self::fresh).
    pub fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    /// For whom it is authorized.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether rows of a table come through its rules: then nothing but the rows may be told of how they were read.
    pub fn is_guarded(&self) -> bool {
        self.guarded
    }

    /// A copy that was never executed.
    ///
    /// # Errors
    /// If an operator cannot be reset.
    pub fn fresh(&self) -> Result<Self> {
        Ok(Self {
            plan: reset_plan_states(Arc::clone(&self.plan))?,
            ..self.clone()
        })
    }
}

/// Walks by `inputs()` and expressions, where the first walk uses DataFusion's own traversal of subqueries.
pub(crate) fn verify_logical(
    plan: LogicalPlan,
    stamp: Stamp,
    admitted: &HashSet<TableName>,
    restricted: &BTreeSet<TableName>,
) -> Result<OptimizedPlan> {
    let mut barriers = BTreeMap::new();
    let mut open = vec![&plan];
    let mut subqueries: Vec<Arc<LogicalPlan>> = Vec::new();
    loop {
        while let Some(node) = open.pop() {
            check_node(node)?;
            match node {
                LogicalPlan::TableScan(scan) => check_scan(scan, stamp, admitted, restricted, &mut barriers)?,
                LogicalPlan::Extension(extension) => {
                    let delegated = delegated(extension)?;
                    let inner = verify_logical(delegated.plan().clone(), stamp, admitted, restricted)?;
                    check_delegated(delegated, &inner)?;
                    for (name, count) in inner.barriers {
                        *barriers.entry(name).or_insert(0) += count;
                    }
                }
                _ => {}
            }
            subqueries.extend(subqueries_of(node)?);
            open.extend(node.inputs());
        }
        let Some(subquery) = subqueries.pop() else { break };
        let inner = verify_logical(Arc::unwrap_or_clone(subquery), stamp, admitted, restricted)?;
        // Equal subqueries of one plan are run once, so of these only whether they are there can be told.
        for name in inner.barriers.into_keys() {
            barriers.entry(name).or_insert(0);
        }
    }
    Ok(OptimizedPlan {
        plan,
        stamp,
        admitted: admitted.clone(),
        barriers,
    })
}

fn subqueries_of(node: &LogicalPlan) -> Result<Vec<Arc<LogicalPlan>>> {
    let mut found = Vec::new();
    for expression in node.expressions() {
        expression
            .apply(|part| {
                match part {
                    Expr::ScalarSubquery(subquery) => found.push(Arc::clone(&subquery.subquery)),
                    Expr::Exists(exists) => found.push(Arc::clone(&exists.subquery.subquery)),
                    Expr::InSubquery(within) => found.push(Arc::clone(&within.subquery.subquery)),
                    Expr::SetComparison(comparison) => found.push(Arc::clone(&comparison.subquery.subquery)),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
            .map_err(|error: DataFusionError| Error::from(error))?;
    }
    Ok(found)
}

fn check_node(node: &LogicalPlan) -> Result<()> {
    let refused = matches!(
        node,
        LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::DescribeTable(_)
    );
    if refused {
        Err(Error::internal(format!(
            "an optimizer made a node that is not allowed: {}",
            node.display()
        )))
    } else {
        Ok(())
    }
}

fn delegated(extension: &Extension) -> Result<&DelegatedPlan> {
    let node = extension.node.as_any().downcast_ref::<DelegatedPlan>();
    node.ok_or_else(|| {
        let name = extension.node.name();
        Error::internal(format!("an optimizer made a node that is not allowed: {name}"))
    })
}

/// What the remote statement declares to read is what its sub-plan reads: no table as it is that rules stand before,
/// and rules as often as the sub-plan has them.
fn check_delegated(delegated: &DelegatedPlan, inner: &OptimizedPlan) -> Result<()> {
    let reads = delegated.reads();
    let open = reads.open.iter().find(|table| !inner.admitted.contains(*table));
    if let Some(table) = open {
        return Err(Error::internal(format!(
            "a remote statement reads {table} without its rules"
        )));
    }
    let lost = inner
        .barriers
        .iter()
        .find(|(table, count)| reads.ruled.get(*table).copied().unwrap_or(0) < (**count).max(1));
    match lost {
        Some((table, _)) => Err(Error::internal(format!("a remote statement lost the rules of {table}"))),
        None => Ok(()),
    }
}

fn check_scan(
    scan: &TableScan,
    stamp: Stamp,
    admitted: &HashSet<TableName>,
    restricted: &BTreeSet<TableName>,
    barriers: &mut BTreeMap<TableName, usize>,
) -> Result<()> {
    let refuse = |why: &str| Err(Error::internal(format!("the scan of {} {why}", scan.table_name)));
    let Ok(provider) = source_as_provider(&scan.source) else {
        return refuse("has no provider");
    };
    let Some(table) = provider.downcast_ref::<PresentedTable>() else {
        let harmless =
            provider.is::<SystemTable>() || provider.is::<CteWorkTable>() || provider.is::<GenerateSeriesTable>();
        return if harmless {
            Ok(())
        } else {
            refuse("is not covered by the access rules")
        };
    };
    if table.stamp() != stamp {
        return refuse("was made for another identity or under other rules");
    }
    if !table.is_restricted() {
        return if admitted.contains(table.name()) {
            Ok(())
        } else {
            refuse("was not authorized")
        };
    }
    if !restricted.contains(table.name()) {
        return refuse("was not authorized");
    }
    if !scan.filters.iter().all(|filter| table.admits(filter)) {
        return refuse("has a filter that must not cross its barrier");
    }
    *barriers.entry(table.name().clone()).or_insert(0) += 1;
    Ok(())
}

/// Checks every leaf, and counts the barriers by table. System relations are read for `reader` alone, and where there is
/// none not at all.
fn verify_physical(
    plan: &Arc<dyn ExecutionPlan>,
    admitted: &HashSet<TableName>,
    reader: Option<Stamp>,
    barriers: &mut BTreeMap<TableName, usize>,
) -> Result<()> {
    let mut open = vec![plan];
    while let Some(node) = open.pop() {
        if node.is::<DataSinkExec>() {
            return Err(uncovered("a plan that writes", plan));
        }
        if let Some(barrier) = node.downcast_ref::<BarrierExec>() {
            *barriers.entry(barrier.table().clone()).or_insert(0) += 1;
            // Below a barrier only its own table and those that its rules name are read.
            verify_physical(barrier.input(), barrier.reads(), None, &mut BTreeMap::new())?;
            continue;
        }
        if let Some(remote) = node.downcast_ref::<RemoteScanExec>() {
            let reads = remote.reads();
            if !reads.open.iter().all(|table| admitted.contains(table)) {
                return Err(uncovered(
                    "a remote statement that is not covered by the access rules",
                    plan,
                ));
            }
            for (table, count) in &reads.ruled {
                *barriers.entry(table.clone()).or_insert(0) += count;
            }
            continue;
        }
        if let Some(system) = node.downcast_ref::<SystemScanExec>() {
            if reader != Some(system.stamp()) {
                return Err(uncovered("a system relation of another identity or other rules", plan));
            }
            continue;
        }
        let children = node.children();
        if children.is_empty() && !is_harmless(node, admitted) {
            return Err(uncovered(
                &format!("a leaf {} that is not covered by the access rules", node.name()),
                plan,
            ));
        }
        open.extend(children);
    }
    Ok(())
}

fn is_harmless(leaf: &Arc<dyn ExecutionPlan>, admitted: &HashSet<TableName>) -> bool {
    if let Some(source) = leaf.downcast_ref::<DataSourceExec>() {
        let source = source.data_source();
        if let Some(files) = source.downcast_ref::<FileScanConfig>() {
            return files.file_groups.iter().flat_map(|group| group.iter()).all(|file| {
                file.extensions
                    .get::<ScanOrigin>()
                    .is_some_and(|origin| admitted.contains(&origin.0))
            });
        }
        return source.is::<MemorySourceConfig>();
    }
    leaf.is::<EmptyExec>()
        || leaf.is::<PlaceholderRowExec>()
        || leaf.is::<WorkTableExec>()
        || leaf.is::<LazyMemoryExec>()
        || leaf.is::<StreamingTableExec>()
        || leaf.is::<ExplainExec>()
}

fn uncovered(why: &str, plan: &Arc<dyn ExecutionPlan>) -> Error {
    Error::internal(format!("{why}:\n{}", displayable(plan.as_ref()).indent(false)))
}
