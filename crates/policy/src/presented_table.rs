//! A table as one identity sees it.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, Identity, TableName};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Constraints, Result, Statistics, TableReference, internal_err};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::access::TableRules;
use crate::barrier::{BarrierExec, conceal};
use crate::bind::{RulePlan, RuleScope, plan_rules, refuse};
use crate::leakproof::is_leakproof;
use crate::stamp::Stamp;

/// A table as one identity sees it, given to the planner in place of the table itself, before names are resolved:
/// hidden columns are not there to be found.
///
/// With full access it is the table. With rules, each scan plans them apart (scan, row filter, masks) and puts a
/// [`BarrierExec`] over them, below which only conditions of the leakproof list go; it has no statistics, no
/// constraints and no plan to inline.
#[derive(Debug)]
pub struct PresentedTable {
    name: TableName,
    stamp: Stamp,
    kind: Kind,
}

/// What a [`PresentedTable`] stands for.
#[derive(Debug, Clone, Copy)]
pub enum Presented<'a> {
    /// The table itself.
    Full(&'a Arc<dyn TableProvider>),
    /// What rules leave of it.
    Ruled {
        /// The table's scan below the row filter.
        rows: &'a LogicalPlan,
        /// One expression over `rows` for each column of `schema`, masks among them.
        columns: &'a [Expr],
        /// The visible columns.
        schema: &'a SchemaRef,
    },
}

#[derive(Debug)]
enum Kind {
    Full(Arc<dyn TableProvider>),
    Restricted {
        rules: Box<RulePlan>,
        open: Schema,
        table_type: TableType,
        reads: Arc<HashSet<TableName>>,
    },
}

impl PresentedTable {
    /// Presents `inner` as it is.
    pub fn full(name: TableName, inner: Arc<dyn TableProvider>, stamp: Stamp) -> Arc<dyn TableProvider> {
        Arc::new(Self {
            name,
            stamp,
            kind: Kind::Full(inner),
        })
    }

    /// Presents what `rules` let `identity` see of `inner`. `scope` must hold the tables of
    /// [`TableRules::referenced_tables`].
    ///
    /// # Errors
    /// `PermissionDenied` if the rules do not fit the table (an unknown column, a wrong type): the cause, for logs,
    /// says why and where in which file.
    pub fn restricted(
        name: TableName,
        inner: Arc<dyn TableProvider>,
        rules: &TableRules,
        identity: &Identity,
        scope: RuleScope<'_>,
        stamp: Stamp,
    ) -> Result<Arc<dyn TableProvider>, Error> {
        let table_type = inner.table_type();
        let reads = rules
            .referenced_tables(&name)
            .into_iter()
            .chain([name.clone()])
            .collect();
        let rules = plan_rules(&name, inner, rules, identity, scope).map_err(|error| refuse(&name, error))?;
        let fields = rules.schema.fields().iter().zip(&rules.open).filter(|(_, open)| **open);
        let open = Schema::new(fields.map(|(field, _)| Arc::clone(field)).collect::<Vec<_>>());
        Ok(Arc::new(Self {
            name,
            stamp,
            kind: Kind::Restricted {
                rules: Box::new(rules),
                open,
                table_type,
                reads: Arc::new(reads),
            },
        }))
    }

    /// The table's full name.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// For whom it was presented.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Whether there is a barrier.
    pub fn is_restricted(&self) -> bool {
        matches!(self.kind, Kind::Restricted { .. })
    }

    /// What stands behind it, for a writer of SQL that puts the same rules into another system's statement.
    pub fn presented(&self) -> Presented<'_> {
        match &self.kind {
            Kind::Full(inner) => Presented::Full(inner),
            Kind::Restricted { rules, .. } => Presented::Ruled {
                rows: &rules.rows,
                columns: &rules.columns,
                schema: &rules.schema,
            },
        }
    }

    /// Whether `filter` may be evaluated inside a scan of this table.
    pub fn admits(&self, filter: &Expr) -> bool {
        match &self.kind {
            Kind::Full(_) => true,
            Kind::Restricted { open, .. } => is_leakproof(filter, open),
        }
    }
}

#[async_trait]
impl TableProvider for PresentedTable {
    fn schema(&self) -> SchemaRef {
        match &self.kind {
            Kind::Full(inner) => inner.schema(),
            Kind::Restricted { rules, .. } => Arc::clone(&rules.schema),
        }
    }

    fn constraints(&self) -> Option<&Constraints> {
        match &self.kind {
            Kind::Full(inner) => inner.constraints(),
            Kind::Restricted { .. } => None,
        }
    }

    fn table_type(&self) -> TableType {
        match &self.kind {
            Kind::Full(inner) => inner.table_type(),
            Kind::Restricted { table_type, .. } => *table_type,
        }
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match &self.kind {
            Kind::Full(inner) => inner.scan(state, projection, filters, limit).await,
            Kind::Restricted { .. } => {
                self.scan_behind_barrier(state, projection.map(Vec::as_slice), filters, limit)
                    .await
            }
        }
    }

    async fn scan_with_args<'a>(&self, state: &dyn Session, args: ScanArgs<'a>) -> Result<ScanResult> {
        match &self.kind {
            Kind::Full(inner) => inner.scan_with_args(state, args).await,
            Kind::Restricted { .. } => {
                let filters = args.filters().unwrap_or(&[]);
                let plan = self
                    .scan_behind_barrier(state, args.projection(), filters, args.limit())
                    .await?;
                Ok(plan.into())
            }
        }
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        match &self.kind {
            Kind::Full(inner) => inner.supports_filters_pushdown(filters),
            Kind::Restricted { open, .. } => Ok(filters
                .iter()
                .map(|filter| {
                    if is_leakproof(filter, open) {
                        TableProviderFilterPushDown::Exact
                    } else {
                        TableProviderFilterPushDown::Unsupported
                    }
                })
                .collect()),
        }
    }

    fn statistics(&self) -> Option<Statistics> {
        match &self.kind {
            Kind::Full(inner) => inner.statistics(),
            Kind::Restricted { .. } => None,
        }
    }
}

impl PresentedTable {
    async fn scan_behind_barrier(
        &self,
        state: &dyn Session,
        projection: Option<&[usize]>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Kind::Restricted { rules, reads, .. } = &self.kind else {
            return internal_err!("{} has no rules", self.name);
        };
        if let Some(filter) = filters.iter().find(|filter| !self.admits(filter)) {
            return internal_err!("{filter} was to cross the barrier of {}", self.name);
        }
        let all: Vec<usize> = (0..rules.columns.len()).collect();
        let projection = projection.unwrap_or(&all);
        let schema = Arc::new(rules.schema.project(projection)?);
        let columns = projection.iter().filter_map(|index| rules.columns.get(*index)).cloned();

        let relation = TableReference::bare(self.name.table.as_str());
        let filters = filters
            .iter()
            .map(|filter| qualify(filter.clone(), &relation))
            .collect::<Result<Vec<_>>>()?;
        let mut plan = LogicalPlanBuilder::from(rules.rows.clone());
        if let Some(condition) = conjunction(filters) {
            plan = plan.filter(condition)?;
        }
        let plan = plan.project(columns.collect::<Vec<_>>())?;
        let plan = if limit.is_some() { plan.limit(0, limit)? } else { plan };
        let plan = plan.build()?;
        // Planned and optimized on its own, as if it were the whole query.
        let input = state
            .create_physical_plan(&plan)
            .await
            .map_err(|error| conceal(&self.name, error))?;
        let partitions = state.config().target_partitions();
        Ok(Arc::new(BarrierExec::new(
            self.name.clone(),
            schema,
            input,
            partitions,
            Arc::clone(reads),
        )))
    }
}

/// Makes the columns of a user's condition those of the rule's own scan. They are visible and not masked, so they are
/// the same columns.
fn qualify(filter: Expr, relation: &TableReference) -> Result<Expr> {
    filter
        .transform(|expression| {
            Ok(match expression {
                Expr::Column(column) => {
                    Transformed::yes(Expr::Column(Column::new(Some(relation.clone()), column.name)))
                }
                other => Transformed::no(other),
            })
        })
        .data()
}
