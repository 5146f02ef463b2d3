//! Batches as DataRow messages, in bytes of output per second, and the copy of the same bytes beside each.

use arrow_array::RecordBatch;
use arrow_postgres::{CopyEncoder, CopyFormat, Format, RowEncoder, SessionFormat, Zone};
use benches::{BATCH_ROWS, lineitem, shapes, timestamps};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// When a front end hands its buffer to the socket. Encoding into a buffer that stays in the cache is what it does.
const FLUSH_BYTES: usize = 64 * 1024;
/// Rows encoded between two looks at the size of the buffer.
const STEP_ROWS: usize = 256;

/// Encodes the batch as a front end does and returns the number of bytes.
fn encode(encoder: &RowEncoder, batch: &RecordBatch, out: &mut Vec<u8>) -> usize {
    let mut bytes = 0;
    for start in (0..batch.num_rows()).step_by(STEP_ROWS) {
        if encoder.encode_data_rows(batch, start..start + STEP_ROWS, out).is_err() {
            return 0;
        }
        if out.len() >= FLUSH_BYTES {
            bytes += out.len();
            out.clear();
        }
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

fn rows(criterion: &mut Criterion) {
    let session = SessionFormat::default();
    for (name, batch) in shapes() {
        let mut group = criterion.benchmark_group(name);
        for (format_name, format) in [("text", Format::Text), ("binary", Format::Binary)] {
            let encoder = RowEncoder::new(&batch.schema(), &vec![format; batch.num_columns()], &session);
            let mut whole = Vec::new();
            if let Err(error) = encoder.encode_data_rows(&batch, 0..BATCH_ROWS, &mut whole) {
                unreachable!("generated values are in range: {error}");
            }
            group.throughput(Throughput::Bytes(whole.len() as u64));
            let mut out = Vec::with_capacity(2 * FLUSH_BYTES);
            group.bench_function(format_name, |bencher| {
                bencher.iter(|| encode(&encoder, &batch, &mut out))
            });
            group.bench_function(format!("{format_name}_memcpy"), |bencher| {
                bencher.iter(|| copy(&whole, &mut out))
            });
        }
        group.finish();
    }
}

fn zones(criterion: &mut Criterion) {
    let batch = timestamps();
    let mut group = criterion.benchmark_group("timestamps_in_zone");
    let mut out = Vec::with_capacity(2 * FLUSH_BYTES);
    for name in ["UTC", "+02", "Europe/Berlin"] {
        let Ok(time_zone) = name.parse::<Zone>() else { continue };
        let session = SessionFormat {
            time_zone,
            ..SessionFormat::default()
        };
        let encoder = RowEncoder::new(&batch.schema(), &[], &session);
        group.throughput(Throughput::Bytes(encode(&encoder, &batch, &mut out) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| encode(&encoder, &batch, &mut out)));
    }
    group.finish();
}

fn copy_out(criterion: &mut Criterion) {
    let batch = lineitem();
    let mut group = criterion.benchmark_group("copy_lineitem");
    let session = SessionFormat::default();
    let formats = [
        ("text", CopyFormat::text()),
        ("csv", CopyFormat::csv()),
        ("binary", CopyFormat::Binary),
    ];
    for (name, format) in formats {
        let encoder = CopyEncoder::new(&batch.schema(), format, &session);
        let mut out = Vec::new();
        if let Err(error) = encoder.encode(&batch, 0..BATCH_ROWS, &mut out) {
            unreachable!("generated values are in range: {error}");
        }
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                encoder.encode(&batch, 0..BATCH_ROWS, &mut out)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rows, zones, copy_out);
criterion_main!(benches);
