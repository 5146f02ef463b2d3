//! Batches of one size, so that where they end tells nothing.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

/// Rows of each batch but the last.
const ROWS: usize = 8192;

/// The same rows in batches of one size.
///
/// Batches end where files and row groups of a table end, rows that a rule hides included, and some doors hand batches
/// on as they are: a user could count what was left out. It costs one copy of the rows.
pub(crate) fn even(input: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let schema = input.schema();
    let evener = Evener {
        input: input.boxed(),
        coalescer: Some(BatchCoalescer::new(schema.clone(), ROWS)),
    };
    let batches = stream::try_unfold(evener, |mut evener| async move {
        Ok(evener.next().await?.map(|batch| (batch, evener)))
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}

struct Evener {
    input: BoxStream<'static, Result<RecordBatch>>,
    /// None once the input has ended and its last rows are handed on.
    coalescer: Option<BatchCoalescer>,
}

impl Evener {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let Some(coalescer) = &mut self.coalescer else {
            return Ok(None);
        };
        loop {
            if let Some(batch) = coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            match self.input.next().await {
                Some(batch) => coalescer.push_batch(batch?)?,
                None => {
                    coalescer.finish_buffered_batch()?;
                    let last = coalescer.next_completed_batch();
                    self.coalescer = None;
                    return Ok(last);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, AsArray, Int32Array};
    use datafusion::arrow::datatypes::Int32Type;
    use futures::TryStreamExt;

    use super::*;

    async fn evened(sizes: &[usize]) -> Vec<RecordBatch> {
        let mut next = 0;
        let batches = sizes.iter().map(|size| {
            let values = Int32Array::from_iter_values(next..next + *size as i32);
            next += *size as i32;
            RecordBatch::try_from_iter([("n", Arc::new(values) as ArrayRef)]).unwrap()
        });
        let batches: Vec<_> = batches.map(Ok).collect();
        let schema = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![0])) as ArrayRef)]);
        let stream = RecordBatchStreamAdapter::new(schema.unwrap().schema(), stream::iter(batches));
        even(Box::pin(stream)).try_collect().await.unwrap()
    }

    #[tokio::test]
    async fn where_batches_end_depends_on_the_number_of_rows_alone() {
        for sizes in [
            vec![20_000],
            vec![1; 20_000],
            vec![0, 8192, 0, 3616, 8192],
            vec![8191, 2, 11_807],
        ] {
            let batches = evened(&sizes).await;
            let rows: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
            assert_eq!(rows, [8192, 8192, 3616]);
            let values = batches
                .iter()
                .flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec());
            assert!(values.eq(0..20_000));
        }
        assert!(evened(&[]).await.is_empty());
        assert!(evened(&[0, 0]).await.is_empty());
    }
}
