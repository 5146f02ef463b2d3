//! Writes a table of the demo through deltalake, batch by batch.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use contract::{Error, ErrorKind, Result};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError};
use futures::StreamExt;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use url::Url;

use super::deletion_vector;
use super::table::{Afterwards, DemoTable, Part};

struct Rows {
    schema: SchemaRef,
    part: Part,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("generated rows")
    }
}

impl PartitionStream for Rows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = futures::stream::iter((self.part)()).map(|batch| batch.map_err(Into::into));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}

/// Rows of a row group. A reader holds the compressed columns of a whole group for each of its threads: small groups
/// keep a query that streams a table to a slow client small.
const ROW_GROUP_ROWS: usize = 64 * 1024;
/// Rows of a page, the unit that is decompressed at once.
const PAGE_ROWS: usize = 16 * 1024;

fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_compression(Compression::SNAPPY)
        .build()
}

/// Writes all of `table` into the empty folder at `path`: one commit a part, then what happens afterwards.
pub(crate) async fn table(table: &DemoTable, path: &Path) -> Result<()> {
    let url = Url::from_directory_path(path).map_err(|()| Error::internal("a folder that is no URL"))?;
    let mut delta = DeltaTable::try_from_url(url).await.map_err(failed)?;
    for part in &table.parts {
        let mut write = delta
            .write(Vec::new())
            .with_save_mode(SaveMode::Append)
            .with_writer_properties(writer_properties())
            .with_input_plan(plan(table, part)?);
        if let Some(column) = table.partition_column {
            write = write.with_partition_columns([column]);
        }
        if matches!(table.afterwards, Afterwards::DeleteMultiples(..)) {
            write = write.with_configuration([("delta.enableDeletionVectors", Some("true"))]);
        }
        // Boxed: the future holds whole plans.
        let write = write.with_table_name(table.name).with_description(table.comment);
        delta = Box::pin(write.into_future()).await.map_err(failed)?;
    }
    match table.afterwards {
        Afterwards::Nothing => Ok(()),
        Afterwards::Update(column, value, predicate) => {
            let update = delta.update().with_predicate(predicate).with_update(column, value);
            Box::pin(update.into_future()).await.map_err(failed)?;
            Ok(())
        }
        Afterwards::DeleteMultiples(column, divisor) => {
            let path = path.to_owned();
            let delete = move || deletion_vector::delete_where(&path, column, |value| value % divisor == 0);
            tokio::task::spawn_blocking(delete)
                .await
                .map_err(|error| Error::internal(error.to_string()))?
        }
    }
}

fn plan(table: &DemoTable, part: &Part) -> Result<LogicalPlan> {
    let rows = Rows {
        schema: Arc::clone(&table.rows),
        part: Arc::clone(part),
    };
    let provider = StreamingTable::try_new(Arc::clone(&table.rows), vec![Arc::new(rows)])?;
    Ok(LogicalPlanBuilder::scan(table.name, provider_as_source(Arc::new(provider)), None)?.build()?)
}

fn failed(error: DeltaTableError) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(one) = cause {
        if let Some(io) = one.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::StorageFull
        {
            return Error::new(ErrorKind::DiskFull, "no space is left for the demo's data").with_source(error);
        }
        cause = one.source();
    }
    let detail = error.to_string().lines().next().unwrap_or_default().to_owned();
    Error::new(
        ErrorKind::SourceUnavailable,
        format!("writing the demo's data failed: {detail}"),
    )
    .with_source(error)
}
