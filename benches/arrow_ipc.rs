//! Batches as Arrow messages and back, in bytes of messages per second, and the copy of the same bytes beside each.

use std::hint::black_box;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_ipc::CompressionType;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::ArrowError;
use benches::lineitem;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use frontend_rest::encode::{AnswerEncoder, AnswerFormat, Envelope};
use futures::{FutureExt, StreamExt, stream};

/// The limit: the same number of bytes, copied.
fn limit(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, bytes: usize) {
    let source = vec![1_u8; bytes];
    let mut target = Vec::with_capacity(bytes);
    group.bench_function(format!("{name}_memcpy"), |bencher| {
        bencher.iter(|| {
            target.clear();
            target.extend_from_slice(black_box(&source));
            black_box(target.len())
        });
    });
}

/// Bytes of the messages of one batch, its schema in front.
fn flight(batch: &RecordBatch) -> usize {
    let batches = stream::iter([Ok(batch.clone())]);
    let messages = FlightDataEncoderBuilder::new()
        .with_schema(batch.schema())
        .build(batches);
    let bytes =
        messages.map(|message| message.map_or(0, |message| message.data_header.len() + message.data_body.len()));
    let sum = bytes.fold(0, |sum, bytes| async move { sum + bytes });
    // Nothing in it ever waits.
    sum.now_or_never().unwrap_or_default()
}

fn answer(batch: &RecordBatch, out: &mut Vec<u8>) -> usize {
    out.clear();
    let encoded = AnswerEncoder::new(AnswerFormat::Arrow, &batch.schema(), Envelope::Bare).and_then(|mut encoder| {
        encoder.begin(out);
        encoder.batch(batch, 0..batch.num_rows(), out)?;
        encoder.end(None, out)
    });
    if encoded.is_ok() { out.len() } else { 0 }
}

fn encode(criterion: &mut Criterion) {
    let batch = lineitem();
    let mut group = criterion.benchmark_group("encode_flight");
    let bytes = flight(&batch);
    assert!(bytes > 0, "generated batches can be encoded");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("lineitem", |bencher| bencher.iter(|| flight(&batch)));
    limit(&mut group, "lineitem", bytes);
    group.finish();

    let mut group = criterion.benchmark_group("encode_arrow_stream");
    let mut out = Vec::new();
    let bytes = answer(&batch, &mut out);
    assert!(bytes > 0, "generated batches can be encoded");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("lineitem", |bencher| bencher.iter(|| answer(&batch, &mut out)));
    limit(&mut group, "lineitem", bytes);
    group.finish();
}

fn stream_of(batch: &RecordBatch, compression: Option<CompressionType>) -> Result<Buffer, ArrowError> {
    let options = IpcWriteOptions::default().try_with_compression(compression)?;
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options)?;
    writer.write(batch)?;
    writer.into_inner().map(Buffer::from)
}

fn decoded_rows(stream: &Buffer) -> Result<usize, ArrowError> {
    let mut decoder = StreamDecoder::new();
    let mut rest = stream.clone();
    let mut rows = 0;
    while let Some(batch) = decoder.decode(&mut rest)? {
        rows += black_box(&batch).num_rows();
    }
    decoder.finish()?;
    Ok(rows)
}

fn decode(criterion: &mut Criterion) {
    let batch = lineitem();
    let mut group = criterion.benchmark_group("decode_ipc");
    for (name, compression) in [("plain", None), ("lz4", Some(CompressionType::LZ4_FRAME))] {
        let stream = match stream_of(&batch, compression) {
            Ok(stream) => stream,
            Err(error) => unreachable!("generated batches can be encoded: {error}"),
        };
        let rows = decoded_rows(&stream).unwrap_or_default();
        assert_eq!(rows, batch.num_rows(), "the stream reads back");
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| decoded_rows(&stream)));
        limit(&mut group, name, stream.len());
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
