//! The provider: one version of a table as DataFusion plans over it.

use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use contract::ScanOrigin;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::{Result, internal_err};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use object_store::memory::InMemory;

use crate::data_file_reader::{DataFileReaderFactory, DataFiles};
use crate::file_list::FileList;
use crate::one_nan::OneNanExpr;
use crate::open_version::OpenVersion;
use crate::relabel::RelabelExpr;
use crate::{deletion, pruning, statistics};

/// DataFusion wants a registered store before it asks the reader factory, which has the real one. Nothing is ever
/// read through this URL.
const UNUSED_STORE: &str = "lakegate-delta://unused/";

/// A Delta table frozen at one version.
#[derive(Debug)]
pub struct DeltaTableProvider {
    version: Arc<OpenVersion>,
    files: Arc<DataFiles>,
}

impl DeltaTableProvider {
    pub(crate) fn new(version: Arc<OpenVersion>, files: Arc<DataFiles>) -> Self {
        Self { version, files }
    }

    /// The number of the version that this provider reads.
    pub fn version(&self) -> u64 {
        self.version.version()
    }

    async fn plan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = &self.version.columns;
        let list = self.version.files(&self.files.table).await?;
        let mut kept = pruning::prune(&list, filters, columns, session)?;
        if let Some(limit) = limit {
            first_files(&list, &mut kept, limit);
        }
        let all: Vec<usize>;
        let projection = match projection {
            Some(projection) => projection,
            None => {
                all = (0..columns.logical.fields().len()).collect();
                &all
            }
        };
        if kept.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(columns.logical.project(projection)?))));
        }
        let root = self.version.snapshot.table_root();
        let files = deletion::selected_files(&list, &kept, &self.files, &self.version.engine, root).await?;
        let origin = Arc::new(ScanOrigin(self.files.table.clone()));
        let files = files.into_iter().map(|mut file| {
            file.extensions.insert_arc(Arc::clone(&origin));
            file
        });
        let groups = balanced(files.collect(), session.config().target_partitions());
        let places = projection.iter().filter_map(|&at| columns.places.get(at).copied());
        let source = self.projected(self.parquet_source(session), places)?;
        let config = FileScanConfigBuilder::new(unused_store(session)?, source)
            .with_file_groups(groups)
            .with_statistics(statistics::of_scan(&list, &kept, columns))
            .with_limit(limit)
            .build();
        self.named(DataSourceExec::from_data_source(config), projection)
    }

    fn parquet_source(&self, session: &dyn Session) -> Arc<ParquetSource> {
        let mut options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        // In nanoseconds, the default, times beyond the year 2262 wrap.
        options.global.coerce_int96 = Some("us".to_owned());
        let readers = Arc::new(DataFileReaderFactory::new(Arc::clone(&self.files)));
        let source = ParquetSource::new(self.version.columns.table.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(readers);
        Arc::new(source)
    }

    /// `source` with the columns at `places` of the reader's schema, those of floating point with one NaN. What filters
    /// ask of those is not looked up in statistics within files, which need not count a NaN.
    fn projected(
        &self,
        source: Arc<ParquetSource>,
        places: impl Iterator<Item = usize>,
    ) -> Result<Arc<dyn FileSource>> {
        let schema = self.version.columns.table.table_schema();
        let columns = places.filter_map(|place| schema.fields().get(place).map(|field| (place, field)));
        let columns = columns.map(|(place, field)| {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), place));
            let expr: Arc<dyn PhysicalExpr> = match field.data_type().is_floating() {
                true => Arc::new(OneNanExpr::new(column)),
                false => column,
            };
            ProjectionExpr {
                expr,
                alias: field.name().clone(),
            }
        });
        let projected = source.try_pushdown_projection(&columns.collect::<ProjectionExprs>())?;
        projected.map_or_else(|| internal_err!("files that give all of their columns"), Ok)
    }

    /// Gives the reader's columns the user's names, where column mapping makes them differ.
    fn named(&self, scan: Arc<dyn ExecutionPlan>, projection: &[usize]) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = &self.version.columns;
        let user = columns.logical.project(projection)?;
        if scan.schema().fields() == user.fields() {
            return Ok(scan);
        }
        let mut named = Vec::with_capacity(projection.len());
        for (at, field) in user.fields().iter().enumerate() {
            let reader = scan.schema();
            let from = reader.field(at);
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(from.name(), at));
            let expr = if from.data_type() == field.data_type() {
                column
            } else {
                Arc::new(RelabelExpr::new(column, field.data_type().clone()))
            };
            named.push(ProjectionExpr {
                expr,
                alias: field.name().clone(),
            });
        }
        Ok(Arc::new(ProjectionExec::try_new(named, scan)?))
    }
}

#[async_trait]
impl TableProvider for DeltaTableProvider {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.version.columns.logical)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.plan(session, projection, filters, limit).await
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| pruning::pushdown(filter, &self.version.columns))
            .collect())
    }
}

fn unused_store(session: &dyn Session) -> Result<ObjectStoreUrl> {
    let url = ObjectStoreUrl::parse(UNUSED_STORE)?;
    if session.runtime_env().object_store(&url).is_err() {
        session
            .runtime_env()
            .register_object_store(url.as_ref(), Arc::new(InMemory::new()));
    }
    Ok(url)
}

/// Drops the files that a limit without any filter over rows cannot reach.
fn first_files(list: &FileList, kept: &mut Vec<usize>, limit: usize) {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut rows = 0_u64;
    for (count, &at) in kept.iter().enumerate() {
        if rows >= limit {
            kept.truncate(count.max(1));
            return;
        }
        // A file of unknown length counts as empty: nothing is dropped because of it.
        rows = rows.saturating_add(list.files.get(at).and_then(|file| file.live_rows).unwrap_or(0));
    }
}

/// Spreads files over at most `groups_max` groups of about equal size. Large files are split further by DataFusion.
fn balanced(mut files: Vec<PartitionedFile>, groups_max: usize) -> Vec<FileGroup> {
    let mut groups = vec![(0_u64, Vec::new()); groups_max.clamp(1, files.len().max(1))];
    files.sort_by_key(|file| std::cmp::Reverse(file.object_meta.size));
    for file in files {
        if let Some(least) = groups.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            // A file costs its opening, however small it is.
            least.0 += file.object_meta.size.max(1);
            least.1.push(file);
        }
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}
