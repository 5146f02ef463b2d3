//! What a table of the demo is made of.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Rows made at once; the memory of a part is a few of these and a Parquet row group.
const BATCH_ROWS: u64 = 8192;

pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Starts a part of a table from its first row, any number of times.
pub(crate) type Part = Arc<dyn Fn() -> Batches + Send + Sync>;

/// What happens to a table after its rows are there, so that it has a past.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Afterwards {
    /// Nothing.
    Nothing,
    /// An UPDATE that rewrites files: `(assigned column, value, predicate)` in SQL.
    Update(&'static str, &'static str, &'static str),
    /// A DELETE that leaves the files and writes deletion vectors: rows whose 64-bit column is a multiple.
    DeleteMultiples(&'static str, i64),
}

/// A table of the demo; each part is a commit and a file (or one a partition value).
pub(crate) struct DemoTable {
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) rows: SchemaRef,
    pub(crate) parts: Vec<Part>,
    pub(crate) partition_column: Option<&'static str>,
    pub(crate) afterwards: Afterwards,
}

impl fmt::Debug for DemoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} in {} parts", self.schema, self.name, self.parts.len())
    }
}

/// Splits rows `0..count` into `parts`, each made by `make` in batches: row numbers in, columns out.
pub(crate) fn parts(
    count: u64,
    parts: u64,
    make: fn(std::ops::Range<u64>) -> Result<RecordBatch, ArrowError>,
) -> Vec<Part> {
    let bounds = (0..parts).map(|part| (count * part / parts)..(count * (part + 1) / parts));
    let part = |rows: std::ops::Range<u64>| -> Part {
        Arc::new(move || {
            let end = rows.end;
            let starts = rows.clone().step_by(usize::try_from(BATCH_ROWS).unwrap_or(usize::MAX));
            Box::new(starts.map(move |start| make(start..end.min(start + BATCH_ROWS)))) as Batches
        })
    };
    bounds.map(part).collect()
}

/// Chance for one row: the same whatever the scale and the batch, so that row 17 is row 17 everywhere.
pub(crate) fn chance(table: u64, row: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(table.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ row)
}
