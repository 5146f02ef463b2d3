//! The first walk: every node of a bound plan is known, and every table in it was presented for this identity.

use std::collections::{BTreeSet, HashSet};

use contract::{Error, ErrorKind, Identity, Result, TableName};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, ParamValues};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::source_as_provider;
use datafusion::functions_table::generate_series::GenerateSeriesTable;
use datafusion::logical_expr::{LogicalPlan, TableScan, WriteOp};

use crate::presented_table::PresentedTable;
use crate::stamp::Stamp;
use crate::system_table::SystemTable;
use crate::verify::{OptimizedPlan, verify_logical};

/// A bound plan that reads only what its identity may see. [`authorize`] is the only way to one.
#[derive(Debug, Clone)]
pub struct AuthorizedPlan {
    plan: LogicalPlan,
    stamp: Stamp,
    admitted: HashSet<TableName>,
    restricted: BTreeSet<TableName>,
}

impl AuthorizedPlan {
    /// The plan, to describe or to optimize.
    pub fn plan(&self) -> &LogicalPlan {
        &self.plan
    }

    /// For whom it is authorized.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The tables that it reads as they are.
    pub fn admitted(&self) -> &HashSet<TableName> {
        &self.admitted
    }

    /// The tables that it reads behind a barrier.
    pub fn restricted(&self) -> &BTreeSet<TableName> {
        &self.restricted
    }

    /// The same plan with its parameters filled in, authorized anew.
    ///
    /// # Errors
    /// If a value does not fit its parameter.
    pub fn with_parameters(self, values: &ParamValues) -> Result<Self> {
        let plan = self.plan.replace_params_with_values(values)?;
        authorize_for(plan, self.stamp)
    }

    /// Changes the plan and authorizes the outcome for the same identity: for rewrites between binding and the
    /// optimizer, such as taking the plan out of an EXPLAIN.
    ///
    /// # Errors
    /// Those of `change` and of [`authorize`].
    pub fn map(self, change: impl FnOnce(LogicalPlan) -> Result<LogicalPlan>) -> Result<Self> {
        let plan = change(self.plan)?;
        authorize_for(plan, self.stamp)
    }

    /// Accepts what an optimizer made of this plan, after a second walk over it.
    ///
    /// # Errors
    /// `Internal` if it reads a table that this plan does not, or in another way.
    pub fn optimized(&self, plan: LogicalPlan) -> Result<OptimizedPlan> {
        verify_logical(plan, self.stamp, &self.admitted, &self.restricted)
    }
}

/// Authorizes a bound plan for `identity` under the rules of that version.
///
/// # Errors
/// `PermissionDenied` for statements that write, `Unsupported` for kinds of statement and plan that are not known
/// here, `Internal` if a table in it was not presented, or for someone else.
pub fn authorize(plan: LogicalPlan, identity: &Identity, rules_version: u64) -> Result<AuthorizedPlan> {
    authorize_for(plan, Stamp::new(identity, rules_version))
}

fn authorize_for(plan: LogicalPlan, stamp: Stamp) -> Result<AuthorizedPlan> {
    let mut admitted = HashSet::new();
    let mut restricted = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            match presented(scan, stamp)? {
                Some((name, true)) => restricted.insert(name),
                Some((name, false)) => admitted.insert(name),
                None => false,
            };
        } else {
            check_kind(node)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(own_error)?;
    Ok(AuthorizedPlan {
        plan,
        stamp,
        admitted,
        restricted,
    })
}

fn own_error(error: DataFusionError) -> Error {
    Error::from(error)
}

/// The table behind a scan and whether it is restricted; `None` for relations that belong to no catalog.
fn presented(scan: &TableScan, stamp: Stamp) -> Result<Option<(TableName, bool)>> {
    let unknown = || {
        Error::internal(format!(
            "the scan of {} is not covered by the access rules",
            scan.table_name
        ))
    };
    let provider = source_as_provider(&scan.source).map_err(|_| unknown())?;
    if let Some(table) = provider.downcast_ref::<PresentedTable>() {
        if table.stamp() != stamp {
            let what = format!(
                "the scan of {} was made for another identity or under other rules",
                scan.table_name
            );
            return Err(Error::internal(what));
        }
        return Ok(Some((table.name().clone(), table.is_restricted())));
    }
    let harmless =
        provider.is::<SystemTable>() || provider.is::<CteWorkTable>() || provider.is::<GenerateSeriesTable>();
    if harmless { Ok(None) } else { Err(unknown()) }
}

fn check_kind(node: &LogicalPlan) -> Result<()> {
    match node {
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Repartition(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::TableScan(_)
        | LogicalPlan::EmptyRelation(_)
        | LogicalPlan::Subquery(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Values(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Unnest(_)
        | LogicalPlan::RecursiveQuery(_) => Ok(()),
        LogicalPlan::Dml(statement) => {
            let verb = match &statement.op {
                WriteOp::Insert(_) => "INSERT",
                WriteOp::Delete => "DELETE",
                WriteOp::Update => "UPDATE",
                WriteOp::Truncate => "TRUNCATE",
                WriteOp::Ctas => "CREATE TABLE AS",
                WriteOp::MergeInto(_) => "MERGE",
                _ => "this statement",
            };
            Err(denied(verb))
        }
        LogicalPlan::Ddl(_) => Err(denied("this statement")),
        LogicalPlan::Copy(_) => Err(denied("COPY to a file")),
        LogicalPlan::Statement(_) | LogicalPlan::Extension(_) | LogicalPlan::DescribeTable(_) => {
            Err(Error::unsupported("this kind of statement is not supported"))
        }
    }
}

fn denied(verb: &str) -> Error {
    Error::new(ErrorKind::PermissionDenied, format!("permission denied for {verb}"))
        .with_hint("No access rule allows writing.")
}
