//! Tables that do not end, and one that tells who still reads them: what a client stopped must be seen to stop while
//! the client's connection is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, stream};
use system_tests::memory_source::{MemorySource, ProbeTable};

/// Adds `slow.waits(n)`, which never gives a row, `slow.endless(n)`, which gives rows as long as they are taken, and
/// `slow.scans(name, begun, open)`: how many scans of each began, and how many are not dropped yet.
pub(crate) fn tables(source: MemorySource) -> MemorySource {
    let counted = |name, make: fn() -> ProbeTable| Counted {
        name,
        make,
        schema: Arc::clone(PartitionStream::schema(&make())),
        count: Arc::default(),
    };
    let waits = counted("waits", ProbeTable::silent);
    let endless = counted("endless", ProbeTable::endless);
    let columns = vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("begun", DataType::Int64, false),
        Field::new("open", DataType::Int64, false),
    ];
    let scans = Scans {
        schema: Arc::new(Schema::new(columns)),
        of: [waits.clone(), endless.clone()],
    };
    source
        .provider("slow", "waits", provider(waits, true))
        .provider("slow", "endless", provider(endless, true))
        .provider("slow", "scans", provider(scans, false))
}

fn provider(stream: impl PartitionStream + 'static, endless: bool) -> Arc<StreamingTable> {
    let table = StreamingTable::try_new(Arc::clone(stream.schema()), vec![Arc::new(stream)]);
    Arc::new(table.unwrap().with_infinite_table(endless))
}

#[derive(Debug, Default)]
struct Count {
    begun: AtomicI64,
    open: AtomicI64,
}

/// One scan; it is over when this is dropped.
struct Open(Arc<Count>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone)]
struct Counted {
    name: &'static str,
    /// Each scan begins anew.
    make: fn() -> ProbeTable,
    schema: SchemaRef,
    count: Arc<Count>,
}

impl PartitionStream for Counted {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        self.count.open.fetch_add(1, Ordering::SeqCst);
        self.count.begun.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.count));
        let batches = (self.make)().execute(context).inspect(move |_| {
            let _of_the_stream = &open;
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(self.schema()), batches))
    }
}

#[derive(Debug)]
struct Scans {
    schema: SchemaRef,
    of: [Counted; 2],
}

impl PartitionStream for Scans {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let numbers = |count: fn(&Count) -> &AtomicI64| {
            let numbers = self.of.iter().map(|table| count(&table.count).load(Ordering::SeqCst));
            Arc::new(Int64Array::from_iter_values(numbers))
        };
        let names = StringArray::from_iter_values(self.of.iter().map(|table| table.name));
        let columns = vec![
            Arc::new(names) as _,
            numbers(|count| &count.begun) as _,
            numbers(|count| &count.open) as _,
        ];
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let batches = stream::iter([batch.map_err(Into::into)]);
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches))
    }
}
