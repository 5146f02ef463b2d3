//! A catalog of tables in memory, and a table that tells how it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use contract::{QueryContext, Result, TableName, TableVersion};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use federation::{Source, SourceTable, TableKind, TableSummary};
use futures::stream;
use tokio_util::sync::CancellationToken;

/// Named tables under one catalog.
#[derive(Debug, Clone)]
pub struct MemorySource {
    name: String,
    tables: BTreeMap<(String, String), Arc<dyn TableProvider>>,
}

impl MemorySource {
    /// An empty catalog.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            tables: BTreeMap::new(),
        }
    }

    /// Adds a table with these rows.
    pub fn table(self, schema: &str, table: &str, batches: Vec<RecordBatch>) -> Self {
        let columns = batches[0].schema();
        self.provider(
            schema,
            table,
            Arc::new(MemTable::try_new(columns, vec![batches]).unwrap()),
        )
    }

    /// Adds a table of any kind.
    pub fn provider(mut self, schema: &str, table: &str, provider: Arc<dyn TableProvider>) -> Self {
        self.tables.insert((schema.to_owned(), table.to_owned()), provider);
        self
    }
}

#[async_trait]
impl Source for MemorySource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn schemas(&self, _: &QueryContext) -> Result<Vec<String>> {
        let mut schemas: Vec<_> = self.tables.keys().map(|(schema, _)| schema.clone()).collect();
        schemas.dedup();
        Ok(schemas)
    }

    async fn tables(&self, schema: &str, _: &QueryContext) -> Result<Vec<TableSummary>> {
        let names = self.tables.keys().filter(|(of, _)| of == schema);
        Ok(names
            .map(|(_, name)| TableSummary {
                name: name.clone(),
                kind: TableKind::Table,
            })
            .collect())
    }

    async fn table(&self, name: &TableName, _: TableVersion, _: &QueryContext) -> Result<Option<Arc<SourceTable>>> {
        let provider = self.tables.get(&(name.schema.clone(), name.table.clone()));
        Ok(provider.map(|provider| {
            Arc::new(SourceTable {
                provider: Arc::clone(provider),
                state: 1,
                comment: None,
            })
        }))
    }
}

/// Rows of one endless table in a batch of [`ProbeTable`].
pub const PROBE_BATCH_ROWS: usize = 8192;

#[derive(Clone, Copy)]
enum Behaviour {
    Gives,
    Waits,
    Panics,
}

/// A table without end, `n bigint`, that counts the batches taken from it and tells when a reader let go.
#[derive(Clone)]
pub struct ProbeTable {
    schema: SchemaRef,
    /// Batches handed out so far.
    pub produced: Arc<AtomicUsize>,
    /// Fires when a scan of it is dropped.
    pub dropped: CancellationToken,
    /// Fires when the first batch is asked for.
    pub started: CancellationToken,
    behaviour: Behaviour,
}

impl ProbeTable {
    /// A table that gives rows as fast as they are taken.
    pub fn endless() -> Self {
        Self {
            schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)])),
            produced: Arc::default(),
            dropped: CancellationToken::new(),
            started: CancellationToken::new(),
            behaviour: Behaviour::Gives,
        }
    }

    /// A table that never gives its first row.
    pub fn silent() -> Self {
        Self {
            behaviour: Behaviour::Waits,
            ..Self::endless()
        }
    }

    /// A table whose reader runs into a bug.
    pub fn panicking() -> Self {
        Self {
            behaviour: Behaviour::Panics,
            ..Self::endless()
        }
    }

    /// For [`MemorySource::provider`].
    pub fn provider(&self) -> Arc<dyn TableProvider> {
        let table = StreamingTable::try_new(Arc::clone(&self.schema), vec![Arc::new(self.clone())]);
        Arc::new(table.unwrap().with_infinite_table(true))
    }
}

impl fmt::Debug for ProbeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeTable")
            .field("produced", &self.produced)
            .finish_non_exhaustive()
    }
}

impl PartitionStream for ProbeTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let probe = self.clone();
        // Unlike the token's drop guard this is part of the stream, and goes when the stream goes.
        let guard = self.dropped.clone().drop_guard();
        let batches = stream::unfold((probe, guard), |(probe, guard)| async move {
            probe.started.cancel();
            match probe.behaviour {
                Behaviour::Gives => {}
                Behaviour::Waits => std::future::pending().await,
                Behaviour::Panics => panic!("a bug that the test put here"),
            }
            let index = probe.produced.fetch_add(1, Ordering::SeqCst) * PROBE_BATCH_ROWS;
            let numbers = Int64Array::from_iter_values((index..index + PROBE_BATCH_ROWS).map(|n| n as i64));
            let batch = RecordBatch::try_new(Arc::clone(&probe.schema), vec![Arc::new(numbers)]);
            Some((batch.map_err(Into::into), (probe, guard)))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}
