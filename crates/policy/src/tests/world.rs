//! A small world to attack: the tables of the catalogue in memory or in Parquet files, and sessions over them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, Identity, Result, ScanOrigin, TableName};
use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, Session, TableProvider,
};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::Dialect;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::{
    ExecutablePlan, PresentedTable, RuleScope, Rules, Stamp, TableAccess, authorize, guarded_physical_rules, harden,
    parse_rules,
};

pub(crate) const RULES: &str = include_str!("../../../../sql/policy/rides.sql");
const ROWS: i32 = 2000;

pub(crate) fn dora() -> Identity {
    Identity::builder("dora").role("driver").attribute("id", "7").build()
}

pub(crate) fn ana() -> Identity {
    Identity::builder("ana").role("analyst").build()
}

/// Two worlds differ only in what neither dora nor ana may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twin {
    First,
    Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Memory,
    Parquet,
}

pub(crate) type Tables = HashMap<TableName, Arc<dyn TableProvider>>;

pub(crate) fn name(table: &str) -> TableName {
    TableName::new("lake", "rides", table)
}

fn strings(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn trips(twin: Twin) -> RecordBatch {
    let ids: Vec<i32> = (0..ROWS).collect();
    // Per ten rows: six of driver 7, three of driver 8, one of the others, of whom one in twenty is nobody.
    let driver = |id: i32| match id % 10 {
        0..=5 => Some(7),
        6..=8 => Some(8),
        _ if id % 200 == 9 => None,
        _ => Some(9 + (id / 10) % 12),
    };
    let hidden = |id: i32| driver(id) != Some(7);
    let second = twin == Twin::Second;
    let fare = |id: i32| match (hidden(id), id / 10 % 10) {
        (true, 0) => 0,
        (true, _) if second => 99_999,
        _ => i128::from(100 + id % 50),
    };
    let card = |id: i32| match hidden(id) {
        true => format!(
            "RAWPAN-{}",
            ["x", "yy"][usize::from(second)].repeat(1 + usize::try_from(id % 7).unwrap())
        ),
        // Equal ends, so that the mask's output is equal.
        false => format!("{}{:04}", if second { "499988887777" } else { "411122223333" }, id),
    };
    let region = |id: i32| {
        if hidden(id) {
            format!("ZQX8-{}", if second { id * 3 } else { id })
        } else {
            format!("1{}", id % 30)
        }
    };
    let rider = |id: i32| format!("HIDCOL-{}", if second { id + 7 } else { id });
    RecordBatch::try_from_iter([
        ("trip_id", Arc::new(Int32Array::from(ids.clone())) as ArrayRef),
        (
            "driver_id",
            Arc::new(Int32Array::from_iter(ids.iter().map(|id| driver(*id)))) as ArrayRef,
        ),
        ("rider_name", strings(ids.iter().map(|id| rider(*id)))),
        (
            "fare",
            Arc::new(
                Decimal128Array::from_iter_values(ids.iter().map(|id| fare(*id)))
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ) as ArrayRef,
        ),
        ("card_number", strings(ids.iter().map(|id| card(*id)))),
        ("region", strings(ids.iter().map(|id| region(*id)))),
        (
            "started_at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(ids.iter().map(|id| {
                let far = if second && hidden(*id) {
                    1_000_000_000_000_000
                } else {
                    0
                };
                1_700_000_000_000_000 + i64::from(*id) * 60_000_000 + far
            }))) as ArrayRef,
        ),
    ])
    .unwrap()
}

fn drivers(twin: Twin) -> RecordBatch {
    let ids: Vec<i32> = (7..=20).collect();
    RecordBatch::try_from_iter([
        ("driver_id", Arc::new(Int32Array::from(ids.clone())) as ArrayRef),
        ("name", strings(ids.iter().map(|id| format!("driver {id}")))),
        (
            "license_no",
            strings(ids.iter().map(|id| format!("HIDCOL-{twin:?}-{id}"))),
        ),
        ("home_region", strings(ids.iter().map(|id| format!("r{id}")))),
    ])
    .unwrap()
}

fn riders(twin: Twin) -> RecordBatch {
    let ids: Vec<i32> = (1..=30).collect();
    RecordBatch::try_from_iter([
        ("rider_id", Arc::new(Int32Array::from(ids.clone())) as ArrayRef),
        ("rider_name", strings(ids.iter().map(|id| format!("rider {id}")))),
        ("phone", strings(ids.iter().map(|id| format!("+49-{id}")))),
        (
            "email",
            strings(ids.iter().map(|id| format!("HIDCOL-{twin:?}-{id}@example.com"))),
        ),
    ])
    .unwrap()
}

/// The raw tables. `folder` is where Parquet files go.
pub(crate) async fn raw_tables(twin: Twin, storage: Storage, folder: &Path, partitions: usize) -> Tables {
    // How many files there are is hidden too.
    let files = if twin == Twin::First { 2 } else { 5 };
    let mut tables = Tables::new();
    for (table, batch) in [
        ("trips", trips(twin)),
        ("drivers", drivers(twin)),
        ("riders", riders(twin)),
    ] {
        let provider = match storage {
            Storage::Memory => in_memory(&batch, partitions),
            Storage::Parquet => in_files(&batch, &name(table), &folder.join(format!("{twin:?}-{table}")), files).await,
        };
        tables.insert(name(table), provider);
    }
    tables
}

pub(crate) fn in_memory(batch: &RecordBatch, partitions: usize) -> Arc<dyn TableProvider> {
    let length = batch.num_rows().div_ceil(partitions);
    let parts = (0..partitions).map(|part| {
        let start = (part * length).min(batch.num_rows());
        vec![batch.slice(start, length.min(batch.num_rows() - start))]
    });
    Arc::new(MemTable::try_new(batch.schema(), parts.collect()).unwrap())
}

async fn in_files(batch: &RecordBatch, name: &TableName, folder: &Path, files: usize) -> Arc<dyn TableProvider> {
    std::fs::create_dir_all(folder).unwrap();
    let length = batch.num_rows().div_ceil(files);
    for index in 0..files {
        let start = index * length;
        let part = batch.slice(start, length.min(batch.num_rows() - start));
        let file = std::fs::File::create(folder.join(format!("part-{index}.parquet"))).unwrap();
        let mut writer = ArrowWriter::try_new(file, part.schema(), None).unwrap();
        writer.write(&part).unwrap();
        writer.close().unwrap();
    }
    let url = ListingTableUrl::parse(format!("{}/", folder.display())).unwrap();
    let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
    let config = ListingTableConfig::new(url).with_listing_options(options);
    let config = config.infer_schema(&SessionContext::new().state()).await.unwrap();
    Arc::new(FilesWithOrigin {
        name: name.clone(),
        inner: ListingTable::try_new(config).unwrap(),
    })
}

/// What every opener must do: say of each file whose it is.
#[derive(Debug)]
struct FilesWithOrigin {
    name: TableName,
    inner: ListingTable,
}

#[async_trait]
impl TableProvider for FilesWithOrigin {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let plan = self.inner.scan(state, projection, filters, limit).await?;
        plan.transform_up(|plan| {
            let files = plan
                .downcast_ref::<DataSourceExec>()
                .and_then(|source| source.data_source().downcast_ref::<FileScanConfig>());
            let Some(files) = files else {
                return Ok(Transformed::no(plan));
            };
            let mut files = files.clone();
            for group in &mut files.file_groups {
                let marked = group.iter().map(|file| {
                    let mut file = file.clone();
                    file.extensions.insert(ScanOrigin(self.name.clone()));
                    file
                });
                *group = marked.collect::<Vec<_>>().into();
            }
            Ok(Transformed::yes(
                DataSourceExec::from_data_source(files) as Arc<dyn ExecutionPlan>
            ))
        })
        .data()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::common::Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }
}

/// A context as the engine makes one, without tables.
pub(crate) fn bare_context(partitions: usize, batch_size: usize) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_size)
        .with_default_catalog_and_schema("lake", "rides");
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    harden(config.options_mut());
    let mut builder = SessionStateBuilder::new_with_default_features().with_config(config);
    let rules = builder.physical_optimizers().take().unwrap_or_default().rules;
    SessionContext::new_with_state(
        builder
            .with_physical_optimizer_rules(guarded_physical_rules(rules))
            .build(),
    )
}

/// One identity's session over tables that it was presented.
pub(crate) struct Actor {
    pub(crate) context: SessionContext,
    pub(crate) identity: Identity,
    pub(crate) rules_version: u64,
}

/// What a statement brought: types and sorted rows, or the error as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Rows { types: Vec<String>, rows: Vec<String> },
    Error { kind: String, text: String },
}

pub(crate) fn rules(text: &str) -> Rules {
    parse_rules(&[("rides.sql".to_owned(), text.to_owned())]).unwrap()
}

impl Actor {
    pub(crate) fn new(identity: Identity, rules: &Rules, raw: &Tables, partitions: usize) -> Self {
        Self::with_batch_size(identity, rules, raw, partitions, 8192)
    }

    pub(crate) fn with_batch_size(
        identity: Identity,
        rules: &Rules,
        raw: &Tables,
        partitions: usize,
        batch_size: usize,
    ) -> Self {
        let context = bare_context(partitions, batch_size);
        let state = context.state();
        let stamp = Stamp::new(&identity, rules.version());
        let tables = raw.iter().filter_map(|(name, inner)| {
            let inner = Arc::clone(inner);
            let presented = match rules.table_access(&identity, name) {
                TableAccess::Hidden => return None,
                TableAccess::Full => PresentedTable::full(name.clone(), inner, stamp),
                TableAccess::Restricted(table_rules) => {
                    for other in table_rules.referenced_tables(name) {
                        assert!(raw.contains_key(&other), "{other}");
                    }
                    let scope = RuleScope {
                        state: &state,
                        tables: raw,
                    };
                    PresentedTable::restricted(name.clone(), inner, &table_rules, &identity, scope, stamp).unwrap()
                }
            };
            Some((name.clone(), presented))
        });
        let tables: Tables = tables.collect();
        register(&context, &tables);
        Self {
            context,
            identity,
            rules_version: rules.version(),
        }
    }

    /// An administrator over tables that hold only what another may see.
    pub(crate) fn over(tables: &Tables, partitions: usize) -> Self {
        Self::new(Identity::administrator("root"), &Rules::none(), tables, partitions)
    }

    pub(crate) async fn plan(&self, sql: &str) -> Result<ExecutablePlan> {
        let mut state = self.context.state();
        state.mark_start_execution();
        let plan = state.create_logical_plan(sql).await?;
        let authorized = authorize(plan, &self.identity, self.rules_version)?;
        let optimized = authorized.optimized(state.optimize(authorized.plan())?)?;
        let physical = state
            .query_planner()
            .create_physical_plan(optimized.plan(), &state)
            .await?;
        optimized.executable(physical)
    }

    pub(crate) async fn batches(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let plan = self.plan(sql).await?;
        let schema = plan.plan().schema();
        let mut batches = collect(Arc::clone(plan.plan()), self.context.task_ctx()).await?;
        // A plan that was executed can be executed again once it is reset.
        let again = collect(Arc::clone(plan.fresh()?.plan()), self.context.task_ctx()).await?;
        if !sql.contains("EXPLAIN") {
            let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
            assert_eq!(count(&batches), count(&again), "{sql}");
        }
        batches.push(RecordBatch::new_empty(schema));
        Ok(batches)
    }

    pub(crate) async fn ask(&self, sql: &str) -> Answer {
        match self.batches(sql).await {
            Ok(batches) => {
                let schema = batches[0].schema();
                let types = schema
                    .fields()
                    .iter()
                    .map(|field| format!("{} {}", field.name(), field.data_type()));
                Answer::Rows {
                    types: types.collect(),
                    rows: sorted_rows(&batches),
                }
            }
            Err(error) => Answer::error(&error),
        }
    }
}

impl Answer {
    pub(crate) fn error(error: &Error) -> Self {
        let text = [Some(error.message()), error.detail(), error.hint()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        Self::Error {
            kind: format!("{:?}", error.kind()),
            text: text.join(" / "),
        }
    }

    pub(crate) fn text(&self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn rows(&self) -> &[String] {
        match self {
            Self::Rows { rows, .. } => rows,
            Self::Error { kind, text } => panic!("{kind}: {text}"),
        }
    }
}

fn sorted_rows(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let options = FormatOptions::default().with_null("NULL");
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values: Vec<_> = columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(values.join("|"));
        }
    }
    rows.sort();
    rows
}

pub(crate) fn register(context: &SessionContext, tables: &Tables) {
    let catalog = MemoryCatalogProvider::new();
    let schema = MemorySchemaProvider::new();
    for (name, provider) in tables {
        schema.register_table(name.table.clone(), Arc::clone(provider)).unwrap();
    }
    catalog.register_schema("rides", Arc::new(schema)).unwrap();
    context.register_catalog("lake", Arc::new(catalog));
}
