//! Deletion vectors as row selections, so that a table that has them still reads in parallel.

use std::ops::Range;
use std::sync::Arc;

use contract::{Error, ErrorKind, Result, TableName};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
use delta_kernel::Engine;
use futures::{StreamExt as _, TryStreamExt as _};
use parquet::arrow::arrow_reader::RowSelection;
use url::Url;

use crate::data_file_reader::DataFiles;
use crate::error;
use crate::file_list::{DataFile, FileList};

/// How many deletion vectors of one scan are fetched at once.
const FETCHES_MAX: usize = 16;

/// The files of a scan with their row selections; fetches the vectors that nobody fetched before.
pub(crate) async fn selected_files(
    list: &Arc<FileList>,
    kept: &[usize],
    files: &Arc<DataFiles>,
    engine: &Arc<dyn Engine>,
    root: &Url,
) -> Result<Vec<PartitionedFile>> {
    let fetch = |at: usize| {
        let list = Arc::clone(list);
        let files = Arc::clone(files);
        let engine = Arc::clone(engine);
        let root = root.clone();
        async move {
            let Some(file) = list.files.get(at) else {
                return Err(Error::internal("no such file in the list"));
            };
            if !file.deleted.has_vector() {
                return Ok(file.template.clone());
            }
            file.selected
                .get_or_try_init(|| select(file, &files, engine, root))
                .await
                .cloned()
        }
    };
    futures::stream::iter(kept.iter().copied())
        .map(fetch)
        .buffered(FETCHES_MAX)
        .try_collect()
        .await
}

async fn select(file: &DataFile, files: &DataFiles, engine: Arc<dyn Engine>, root: Url) -> Result<PartitionedFile> {
    let table = files.table.clone();
    let vector = file.deleted.clone();
    let fetched = tokio::task::spawn_blocking(move || vector.get_row_indexes(engine.as_ref(), &root));
    let gone = fetched
        .await
        .map_err(|error| Error::internal(format!("reading a deletion vector: {error}")))?;
    let gone = gone.map_err(|error| missing_or(error, &table))?.unwrap_or_default();
    let rows = match file.rows {
        Some(rows) => rows,
        None => {
            let footer = files.footer(&file.template.object_meta).await;
            let footer = footer.map_err(|error| Error::from(datafusion::error::DataFusionError::from(error)))?;
            u64::try_from(footer.file_metadata().num_rows()).unwrap_or_default()
        }
    };
    let kept = kept_ranges(&gone, rows).ok_or_else(|| {
        Error::new(
            ErrorKind::DataCorrupted,
            format!(
                "a deletion vector of table \"{}\" names rows that its data file does not have",
                table.table
            ),
        )
    })?;
    let rows = usize::try_from(rows).map_err(|_| Error::internal("a file with more rows than memory has bytes"))?;
    let selection = RowSelection::from_consecutive_ranges(kept.into_iter(), rows);
    Ok(file
        .template
        .clone()
        .with_extension(ParquetRowSelection::new(selection)))
}

fn missing_or(error: delta_kernel::KernelError, table: &TableName) -> Error {
    let gone = matches!(
        &error,
        delta_kernel::KernelError::FileNotFound(_)
            | delta_kernel::KernelError::ObjectStore(object_store::Error::NotFound { .. })
    );
    if gone {
        return Error::new(
            ErrorKind::ObjectNotInPrerequisiteState,
            format!("a deletion vector of table \"{}\" is gone", table.table),
        )
        .with_detail("It was probably removed by VACUUM after the query began.")
        .with_hint("Run the query again to read a newer version.");
    }
    error::from_kernel(error, table)
}

/// The ranges between deleted rows (sorted, without repeats), or `None` if one lies beyond the file.
fn kept_ranges(gone: &[u64], rows: u64) -> Option<Vec<Range<usize>>> {
    let mut kept = Vec::new();
    let mut next = 0;
    for &row in gone {
        if row >= rows || row < next {
            return None;
        }
        if row > next {
            kept.push(usize::try_from(next).ok()?..usize::try_from(row).ok()?);
        }
        next = row + 1;
    }
    if next < rows {
        kept.push(usize::try_from(next).ok()?..usize::try_from(rows).ok()?);
    }
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_kept() {
        assert_eq!(kept_ranges(&[], 3), Some(std::iter::once(0..3).collect()));
        assert_eq!(kept_ranges(&[0, 1, 4], 6), Some(vec![2..4, 5..6]));
        assert_eq!(kept_ranges(&[0, 1], 2), Some(vec![]));
        assert_eq!(kept_ranges(&[2], 2), None);
        assert_eq!(kept_ranges(&[1, 0], 2), None);
    }
}
