use std::sync::Arc;

use async_trait::async_trait;
use contract::TableName;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, TableReference, internal_err};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use policy::RemoteScanExec;

use crate::remote_exec::Reason;
use crate::spark_sql::{is_written, write_plan};
use crate::{RemoteEngine, RemoteExec, RoutedTable};

/// A table that another system reads. By itself it pushes projections, limits and conditions on its own columns; what
/// [`push_down`](crate::push_down) cuts out of a plan over it is larger.
#[derive(Debug, Clone)]
pub struct RemoteTable {
    name: TableName,
    path: Arc<[String]>,
    schema: SchemaRef,
    engine: Arc<dyn RemoteEngine>,
    table_type: TableType,
}

impl RemoteTable {
    /// The table that `engine` knows as `path` (catalog, schema and table, or fewer), here `name`. `schema` has the
    /// columns in the remote system's order, names and types as it gives them.
    pub fn new(name: TableName, path: Vec<String>, schema: SchemaRef, engine: Arc<dyn RemoteEngine>) -> Self {
        Self {
            name,
            path: path.into(),
            schema,
            engine,
            table_type: TableType::Base,
        }
    }

    /// Says that it is a view, or a table.
    pub fn with_table_type(mut self, table_type: TableType) -> Self {
        self.table_type = table_type;
        self
    }

    /// Its name here.
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// Its name there, in parts.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// Who reads it.
    pub fn engine(&self) -> &Arc<dyn RemoteEngine> {
        &self.engine
    }

    /// Whether it takes all of `filters`, so that a scan of it can be planned with them.
    pub(crate) fn takes(&self, filters: &[Expr]) -> bool {
        let capabilities = self.engine.capabilities();
        filters
            .iter()
            .all(|filter| is_written(filter, &self.schema, capabilities))
    }

    /// A scan of it as a plan of its own.
    fn plan(&self, projection: Option<&Vec<usize>>, filters: &[Expr], limit: Option<usize>) -> Result<LogicalPlan> {
        let source = provider_as_source(Arc::new(self.clone()));
        let table = TableReference::bare(self.name.table.as_str());
        let mut plan = LogicalPlanBuilder::scan(table, source, None)?;
        if let Some(condition) = conjunction(filters.iter().cloned().map(unqualified)) {
            plan = plan.filter(condition)?;
        }
        if let Some(projection) = projection {
            let columns = projection.iter().map(|index| {
                let field = self.schema.field(*index);
                Expr::Column(datafusion::common::Column::new_unqualified(field.name()))
            });
            plan = plan.project(columns.collect::<Vec<_>>())?;
        }
        if limit.is_some() {
            plan = plan.limit(0, limit)?;
        }
        plan.build()
    }
}

#[async_trait]
impl TableProvider for RemoteTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        self.table_type
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let plan = self.plan(projection, filters, limit)?;
        match write_plan(&plan) {
            Ok(block) => {
                let reads = block.reads.clone();
                Ok(RemoteScanExec::over(
                    Arc::new(RemoteExec::new(block, schema, Reason::OneTable)),
                    reads,
                ))
            }
            Err(why) => internal_err!("a scan of {} cannot be written: {why}", self.name),
        }
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let capabilities = self.engine.capabilities();
        Ok(filters
            .iter()
            .map(|filter| match is_written(filter, &self.schema, capabilities) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }
}

/// The remote table that stands behind `provider`, if one does; for a table that can also be read from its files, only
/// if such are read `remotely`.
pub(crate) fn remote_of(provider: &dyn TableProvider, remotely: bool) -> Option<&RemoteTable> {
    match provider.downcast_ref::<RoutedTable>() {
        Some(RoutedTable::Either { .. }) if !remotely => None,
        Some(routed) => Some(routed.remote()),
        None => provider.downcast_ref::<RemoteTable>(),
    }
}

/// The condition with its columns named alone, as in a scan of one table.
fn unqualified(filter: Expr) -> Expr {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let renamed = filter.clone().transform(|part| {
        Ok(match part {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(datafusion::common::Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    });
    renamed.map_or(filter, |renamed| renamed.data)
}
