use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use crate::stamp::Stamp;
use crate::system_scan::{SystemRows, SystemScanExec};

/// A relation of the product itself (a catalog view, a table function's result), whose rows were chosen for the
/// identity when it was made: the way for such a relation to pass [`authorize`](crate::authorize).
///
/// Whoever makes one answers for it holding nothing that the identity may not see. It may read no file: a scan of
/// files below it is refused by the last check.
#[derive(Debug)]
pub struct SystemTable {
    inner: Arc<dyn TableProvider>,
}

impl SystemTable {
    /// Marks `inner` as a relation of the product.
    pub fn wrap(inner: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        Arc::new(Self { inner })
    }

    /// The relation `name`, whose rows are made by each scan, for the identity and rules of `stamp` alone.
    pub fn of_rows(name: &str, rows: Arc<dyn SystemRows>, stamp: Stamp) -> Arc<dyn TableProvider> {
        Self::wrap(Arc::new(MadeTable {
            name: name.into(),
            rows,
            stamp,
        }))
    }
}

/// A table over [`SystemRows`].
#[derive(Debug)]
struct MadeTable {
    name: Arc<str>,
    rows: Arc<dyn SystemRows>,
    stamp: Stamp,
}

#[async_trait]
impl TableProvider for MadeTable {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let scan = SystemScanExec::new(Arc::clone(&self.name), Arc::clone(&self.rows), self.stamp, projection)?;
        Ok(Arc::new(scan))
    }
}

#[async_trait]
impl TableProvider for SystemTable {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.inner.scan(state, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }
}
