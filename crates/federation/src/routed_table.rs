use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::RemoteTable;
use crate::route_choice::asked_route;

/// A table that a remote engine can read, and perhaps this one from its files: the same rows in the same types.
#[derive(Debug, Clone)]
pub enum RoutedTable {
    /// Both ways are open. Scans read the files unless somebody chooses otherwise.
    Either {
        /// The way over files.
        direct: Arc<dyn TableProvider>,
        /// The way over a remote engine, with the columns of the other.
        remote: RemoteTable,
    },
    /// Only a remote engine may read it.
    RemoteOnly {
        /// The way over a remote engine.
        remote: RemoteTable,
        /// Why it is not read from its files, for EXPLAIN.
        reason: Arc<str>,
    },
}

impl RoutedTable {
    /// The way over a remote engine.
    pub fn remote(&self) -> &RemoteTable {
        match self {
            Self::Either { remote, .. } | Self::RemoteOnly { remote, .. } => remote,
        }
    }

    /// The way over files alone of a table whose remote way is open too. Only files stay as they were when it was
    /// opened: a remote engine reads what is there when it is asked.
    pub fn files_of(provider: &dyn TableProvider) -> Option<&Arc<dyn TableProvider>> {
        match provider.downcast_ref::<Self>()? {
            Self::Either { direct, .. } => Some(direct),
            Self::RemoteOnly { .. } => None,
        }
    }

    fn provider(&self) -> &dyn TableProvider {
        match self {
            Self::Either { direct, .. } => &**direct,
            Self::RemoteOnly { remote, .. } => remote,
        }
    }
}

#[async_trait]
impl TableProvider for RoutedTable {
    fn schema(&self) -> SchemaRef {
        self.provider().schema()
    }

    fn table_type(&self) -> TableType {
        self.provider().table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let Self::Either { remote, .. } = self
            && asked_route(state) == remote.engine().capabilities().route
            && remote.takes(filters)
        {
            return remote.scan(state, projection, filters, limit).await;
        }
        self.provider().scan(state, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.provider().supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.provider().statistics()
    }
}
