//! The body of one part of a result into batches.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_wire::{Limits, Sender, StreamDecoder, unfold_lz4_frames};
use bytes::Bytes;
use contract::{Error, ErrorKind, Result};
use datafusion::arrow::buffer::Buffer;

/// What a body unfolds to at most. Parts have some dozen megabytes.
const UNFOLDED_BYTES_MAX: usize = 512 << 20;
/// How a body begins that is folded, whatever the manifest says.
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4D, 0x18];

/// Decodes a body that must hold `rows` rows, if that is known, and an end.
pub(super) fn decode(service: &Arc<str>, body: Bytes, rows: Option<u64>) -> Result<Vec<RecordBatch>> {
    let sender = Sender::Source(Arc::clone(service));
    let mut input = match body.starts_with(&LZ4_MAGIC) {
        true => Buffer::from_vec(unfold_lz4_frames(&body, UNFOLDED_BYTES_MAX, &sender)?),
        false => Buffer::from(body),
    };
    let mut decoder = StreamDecoder::new(Limits::default(), sender);
    let mut batches = Vec::new();
    while let Some(batch) = decoder.decode(&mut input)? {
        batches.push(batch);
    }
    decoder.finish()?;
    let count = batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    if rows.is_some_and(|rows| u64::try_from(count) != Ok(rows)) {
        let message = format!("service \"{service}\" sent {count} rows where it announced another number");
        return Err(Error::new(ErrorKind::DataCorrupted, message));
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use arrow_array::Int32Array;

    use super::*;

    fn stream() -> Vec<u8> {
        let column = Arc::new(Int32Array::from(vec![1, 2, 3])) as _;
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let mut writer = datafusion::arrow::ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn whole_bodies_are_decoded_and_cut_ones_are_not() {
        let service: Arc<str> = "s".into();
        let whole = stream();
        assert_eq!(decode(&service, whole.clone().into(), Some(6)).unwrap().len(), 2);
        assert!(decode(&service, whole.clone().into(), Some(5)).is_err());
        for end in 0..whole.len() {
            let cut = whole[..end].to_vec();
            assert!(decode(&service, cut.into(), None).is_err(), "cut at {end}");
        }
    }
}
