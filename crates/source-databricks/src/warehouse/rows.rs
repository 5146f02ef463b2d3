//! The rows of a statement that succeeded, checked against what it announced.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::RecordBatch;
use contract::{Error, ErrorKind, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use federation::RemoteStream;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use super::as_text::AsText;
use super::chunks::Chunks;
use super::in_order::{Kept, Room, in_order};
use super::model::{ChunkInfo, Manifest};
use super::statement::{Running, Succeeded};

/// Parts that are fetched at once, as many as by the service's own drivers: storage limits each connection.
const AHEAD: usize = 10;
/// Bytes of parts that wait for the reader, for each statement.
const WAITING_BYTES: u64 = 96 << 20;
/// What a part is taken to have if nothing is said.
const PART_BYTES_DEFAULT: u64 = 20 << 20;
/// Parts of one result: of a hundred gigabytes in parts of one megabyte.
const PARTS_MAX: u64 = 100_000;

struct Rows {
    running: Running,
    parts: BoxStream<'static, Result<Kept<Vec<RecordBatch>>>>,
    /// The part that is being handed on, which keeps its room until then.
    current: Option<Kept<VecDeque<RecordBatch>>>,
    columns: usize,
    rows: u64,
    rows_announced: u64,
}

/// The batches of a result, in order. The end comes only if all announced rows came. Parts that wait are charged to
/// `waiting`.
///
/// `as_text` reads those that come as texts.
pub(super) fn rows(succeeded: Succeeded, as_text: Option<AsText>, waiting: MemoryReservation) -> Result<RemoteStream> {
    let Succeeded {
        running,
        manifest,
        result,
    } = succeeded;
    let service = running.workspace().service().to_owned();
    if manifest.truncated {
        let message = format!("service \"{service}\" cut the result off because of its size");
        return Err(Error::new(ErrorKind::LimitExceeded, message)
            .with_hint("Ask for fewer rows or columns, or aggregate them."));
    }
    let parts = announced(&service, &manifest)?;
    let chunks = Arc::new(Chunks::new(
        running.workspace().clone(),
        Arc::clone(running.id()),
        result,
        as_text,
    ));
    let fetch = move |chunk| Arc::clone(&chunks).fetch(chunk);
    let bytes_of = |chunk: &ChunkInfo| chunk.byte_count.unwrap_or(PART_BYTES_DEFAULT);
    let rows = Rows {
        running,
        parts: in_order(parts, AHEAD, Room::of_bytes(WAITING_BYTES, waiting), bytes_of, fetch).boxed(),
        current: None,
        columns: manifest.schema.columns.len(),
        rows: 0,
        rows_announced: manifest.total_row_count,
    };
    Ok(futures::stream::try_unfold(Box::new(rows), |rows| rows.next()).boxed())
}

impl Rows {
    async fn next(mut self: Box<Self>) -> Result<Option<(RecordBatch, Box<Self>)>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(|current| current.part.pop_front()) {
                self.check(&batch)?;
                return Ok(Some((batch, self)));
            }
            self.current = None;
            match self.parts.try_next().await? {
                Some(part) => self.current = Some(part.map(VecDeque::from)),
                None => break,
            }
        }
        if self.rows != self.rows_announced {
            return Err(self.contradiction());
        }
        self.running.close();
        Ok(None)
    }

    fn check(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows = self
            .rows
            .saturating_add(u64::try_from(batch.num_rows()).unwrap_or(u64::MAX));
        match batch.num_columns() == self.columns && self.rows <= self.rows_announced {
            true => Ok(()),
            false => Err(self.contradiction()),
        }
    }

    fn contradiction(&self) -> Error {
        contradiction(self.running.workspace().service())
    }
}

fn contradiction(service: &str) -> Error {
    let message = format!("service \"{service}\" sent another result than it announced");
    Error::new(ErrorKind::DataCorrupted, message)
}

/// The parts that the manifest promises, in order, each once.
fn announced(service: &str, manifest: &Manifest) -> Result<Vec<ChunkInfo>> {
    if manifest.total_chunk_count > PARTS_MAX {
        let message = format!("a result of service \"{service}\" has too many parts");
        return Err(Error::new(ErrorKind::LimitExceeded, message).with_hint("Ask for fewer rows or columns."));
    }
    let mut parts: Vec<_> = (0..manifest.total_chunk_count)
        .map(|chunk_index| ChunkInfo {
            chunk_index,
            ..ChunkInfo::default()
        })
        .collect();
    for chunk in &manifest.chunks {
        let place = usize::try_from(chunk.chunk_index)
            .ok()
            .and_then(|index| parts.get_mut(index));
        *place.ok_or_else(|| contradiction(service))? = chunk.clone();
    }
    let mut rows = 0_u64;
    for part in &parts {
        if part.row_offset.is_some_and(|offset| offset != rows) {
            return Err(contradiction(service));
        }
        match part.row_count {
            Some(count) => rows = rows.saturating_add(count),
            // The manifest tells no more than the number of parts; the rows are counted as they come.
            None => return Ok(parts),
        }
    }
    match rows == manifest.total_row_count {
        true => Ok(parts),
        false => Err(contradiction(service)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parts(manifest: serde_json::Value) -> Result<usize> {
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        announced("s", &manifest).map(|parts| parts.len())
    }

    #[test]
    fn manifests_that_contradict_themselves_are_refused() {
        let chunk = |index: u64, offset: u64, count: u64| json!({"chunk_index": index, "row_offset": offset, "row_count": count});
        let good = json!({"total_chunk_count": 2, "total_row_count": 5, "chunks": [chunk(1, 3, 2), chunk(0, 0, 3)]});
        assert_eq!(parts(good).unwrap(), 2);
        assert_eq!(parts(json!({"total_chunk_count": 0})).unwrap(), 0);
        assert_eq!(parts(json!({"total_chunk_count": 3, "total_row_count": 5})).unwrap(), 3);
        for bad in [
            json!({"total_chunk_count": 2, "total_row_count": 6, "chunks": [chunk(0, 0, 3), chunk(1, 3, 2)]}),
            json!({"total_chunk_count": 1, "total_row_count": 5, "chunks": [chunk(0, 0, 3), chunk(1, 3, 2)]}),
            json!({"total_chunk_count": 2, "total_row_count": 5, "chunks": [chunk(0, 0, 3), chunk(1, 4, 2)]}),
            json!({"total_chunk_count": u64::MAX, "total_row_count": 5}),
        ] {
            assert!(parts(bad.clone()).is_err(), "{bad}");
        }
    }
}
