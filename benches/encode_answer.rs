//! Batches as JSON and CSV, in bytes of output per second, and the copy of the same bytes beside each.

use arrow_array::RecordBatch;
use benches::{BATCH_ROWS, lineitem, shapes};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use frontend_rest::encode::{AnswerEncoder, AnswerFormat, Envelope};

/// When a front end hands its buffer to the socket.
const FLUSH_BYTES: usize = 64 * 1024;
/// Rows encoded between two looks at the size of the buffer.
const STEP_ROWS: usize = 256;

/// Encodes a whole answer as a front end does and returns the number of bytes.
fn encode(format: AnswerFormat, batch: &RecordBatch, out: &mut Vec<u8>) -> usize {
    let Ok(mut encoder) = AnswerEncoder::new(format, &batch.schema(), Envelope::Resource) else {
        return 0;
    };
    let mut bytes = 0;
    encoder.begin(out);
    for start in (0..batch.num_rows()).step_by(STEP_ROWS) {
        if encoder.batch(batch, start..start + STEP_ROWS, out).is_err() {
            return 0;
        }
        if out.len() >= FLUSH_BYTES {
            bytes += out.len();
            out.clear();
        }
    }
    if encoder.end(None, out).is_err() {
        return 0;
    }
    bytes += out.len();
    out.clear();
    bytes
}

/// The limit: the same number of bytes copied into the same buffer in the same portions.
fn copy(source: &[u8], out: &mut Vec<u8>) -> usize {
    for portion in source.chunks(FLUSH_BYTES) {
        out.clear();
        out.extend_from_slice(portion);
        std::hint::black_box(&out);
    }
    out.len()
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, format: AnswerFormat, batch: &RecordBatch) {
    let mut out = Vec::with_capacity(2 * FLUSH_BYTES);
    let bytes = encode(format, batch, &mut out);
    assert!(bytes > 0, "generated values are in range");
    let source = vec![b'x'; bytes];
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(name, |bencher| bencher.iter(|| encode(format, batch, &mut out)));
    group.bench_function(format!("{name}_memcpy"), |bencher| {
        bencher.iter(|| copy(&source, &mut out))
    });
}

fn json(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode_json");
    for (name, batch) in shapes() {
        bench(&mut group, &format!("{name}/json"), AnswerFormat::Json, &batch);
    }
    bench(&mut group, "lineitem/ndjson", AnswerFormat::NdJson, &lineitem());
    group.finish();
}

fn csv(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode_csv");
    let batch = lineitem();
    assert_eq!(batch.num_rows(), BATCH_ROWS, "README divides by it");
    bench(&mut group, "lineitem/csv", AnswerFormat::Csv, &batch);
    group.finish();
}

criterion_group!(benches, json, csv);
criterion_main!(benches);
