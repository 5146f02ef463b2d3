//! Opens tables with a plain DataFusion session and turns rows into text that can be compared.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use contract::{Error, Identity, QueryContext, TableName, TableVersion};
use datafusion::catalog::TableProvider;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use federation::{SourceTable, TableLocation, TableOpener};
use object_store::local::LocalFileSystem;
use source_delta::{DeltaOpener, DeltaOptions};
use url::Url;

/// An opener over the local disk, as a server would hold it.
pub(crate) struct Reader {
    pub(crate) opener: Arc<DeltaOpener>,
    store: Arc<LocalFileSystem>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            opener: DeltaOpener::new(DeltaOptions::default()),
            store: Arc::new(LocalFileSystem::new()),
        }
    }

    pub(crate) async fn open(&self, folder: &Path, version: TableVersion) -> Result<Option<Arc<SourceTable>>, Error> {
        let location = TableLocation {
            name: TableName::new("lake", "default", "t"),
            root: Url::from_directory_path(folder).unwrap(),
            store: Arc::clone(&self.store) as _,
            in_catalog: false,
        };
        self.opener.open(&location, version, &context()).await
    }

    pub(crate) async fn provider(&self, folder: &Path) -> Arc<dyn TableProvider> {
        let table = self
            .open(folder, TableVersion::Latest)
            .await
            .unwrap()
            .expect("no table");
        Arc::clone(&table.provider)
    }
}

pub(crate) fn context() -> QueryContext {
    QueryContext::new(Arc::new(Identity::administrator("test")))
}

/// A session in which `provider` is the table `t`.
pub(crate) fn session(provider: Arc<dyn TableProvider>) -> SessionContext {
    let config = SessionConfig::new().with_target_partitions(4);
    let session = SessionContext::new_with_config(config);
    session.register_table("t", provider).unwrap();
    session
}

/// What a statement gives.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Rows {
    pub(crate) async fn of(session: &SessionContext, sql: &str) -> Result<Self, Error> {
        let frame = session.sql(sql).await.map_err(Error::from)?;
        let schema = Arc::clone(frame.schema().inner());
        let batches = frame.collect().await.map_err(Error::from)?;
        Ok(Self { schema, batches })
    }

    /// The rows of Parquet files.
    pub(crate) async fn of_parquet(folder: &Path) -> Self {
        let mut config = SessionConfig::new();
        config.options_mut().execution.parquet.coerce_int96 = Some("us".to_owned());
        let session = SessionContext::new_with_config(config);
        let frame = session
            .read_parquet(folder.to_str().unwrap(), ParquetReadOptions::default())
            .await
            .unwrap();
        let schema = Arc::clone(frame.schema().inner());
        Self {
            schema,
            batches: frame.collect().await.unwrap(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The one number that a `count(*)` gives.
    pub(crate) fn number(&self) -> i64 {
        use arrow::array::AsArray as _;
        use arrow::datatypes::Int64Type;
        self.batches
            .iter()
            .find(|batch| batch.num_rows() > 0)
            .unwrap()
            .column(0)
            .as_primitive::<Int64Type>()
            .value(0)
    }

    /// The columns and types of `schema`, as far as a cast leads there; else why not.
    pub(crate) fn shaped(&self, schema: &Schema) -> Result<Self, String> {
        let shape = |batch: &RecordBatch| {
            let columns = schema.fields().iter().map(|field| {
                let column = batch
                    .column_by_name(field.name())
                    .ok_or(format!("no column {}", field.name()))?;
                cast(column, field.data_type()).map_err(|error| error.to_string())
            });
            let columns = columns.collect::<Result<Vec<_>, _>>()?;
            RecordBatch::try_new(Arc::new(schema.clone()), columns).map_err(|error| error.to_string())
        };
        let batches = self.batches.iter().map(shape).collect::<Result<_, _>>()?;
        Ok(Self {
            schema: Arc::new(schema.clone()),
            batches,
        })
    }

    /// One text per row, sorted: equal for equal multisets.
    pub(crate) fn sorted(&self) -> Vec<String> {
        let options = FormatOptions::default().with_null("∅").with_display_error(true);
        let mut rows = Vec::new();
        for batch in &self.batches {
            let columns = batch
                .columns()
                .iter()
                .map(|column| ArrayFormatter::try_new(column, &options).unwrap());
            let columns = columns.collect::<Vec<_>>();
            for row in 0..batch.num_rows() {
                let values = columns.iter().map(|column| column.value(row).to_string());
                rows.push(values.collect::<Vec<_>>().join(" | "));
            }
        }
        rows.sort_unstable();
        rows
    }
}

/// Compares as multisets, the expected rows cast to the types that were read.
pub(crate) fn difference(read: &Rows, expected: &Rows) -> Option<String> {
    if read.count() != expected.count() {
        return Some(format!("{} rows instead of {}", read.count(), expected.count()));
    }
    let plain = Schema::new(
        read.schema
            .fields()
            .iter()
            .map(|field| plain(field))
            .collect::<Vec<_>>(),
    );
    let read = match read.shaped(&plain) {
        Ok(read) => read.sorted(),
        Err(why) => return Some(why),
    };
    let expected = match expected.shaped(&plain) {
        Ok(expected) => expected.sorted(),
        Err(why) => return Some(why),
    };
    let (read, expected) = read.iter().zip(&expected).find(|(read, expected)| read != expected)?;
    Some(format!("read {} instead of {}", shortened(read), shortened(expected)))
}

fn shortened(row: &str) -> String {
    row.chars().take(200).collect()
}

/// Binary compares as bytes, text as text; everything nullable.
fn plain(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    };
    Field::new(field.name(), data_type, true)
}
