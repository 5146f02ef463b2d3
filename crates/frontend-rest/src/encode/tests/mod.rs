mod accept;
mod property;
mod value;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};

use super::{AnswerEncoder, AnswerFormat, Envelope};

/// A batch with columns of these names, all nullable; names may repeat.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

/// The whole answer, `step` rows at a time.
fn encode(format: AnswerFormat, envelope: Envelope, batches: &[RecordBatch], step: usize) -> Vec<u8> {
    let mut encoder = AnswerEncoder::new(format, &batches[0].schema(), envelope).unwrap();
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for batch in batches {
        for start in (0..batch.num_rows()).step_by(step) {
            encoder.batch(batch, start..start + step, &mut out).unwrap();
        }
    }
    encoder.end(None, &mut out).unwrap();
    out
}

/// The lines of NDJSON.
fn lines(batch: &RecordBatch) -> Vec<String> {
    let text = encode(AnswerFormat::NdJson, Envelope::Bare, std::slice::from_ref(batch), 3);
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}
