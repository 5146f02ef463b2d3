//! Batches as Arrow messages and back, in bytes of messages per second, and the copy of the same bytes beside each.

use std::hint::black_box;
use std::io::Write;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::ArrowError;
use arrow_wire::{Limits, Sender, unfold_lz4_frames};
use benches::lineitem;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use frontend_rest::encode::{AnswerEncoder, AnswerFormat, Envelope};
use futures::{FutureExt, StreamExt, stream};
use lz4_flex::frame::FrameEncoder;

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

/// What arrow-ipc takes, which believes the numbers that it reads.
fn unguarded_rows(stream: &Buffer) -> Result<usize, ArrowError> {
    let mut decoder = arrow_ipc::reader::StreamDecoder::new();
    let mut rest = stream.clone();
    let mut rows = 0;
    while let Some(batch) = decoder.decode(&mut rest)? {
        rows += black_box(&batch).num_rows();
    }
    decoder.finish()?;
    Ok(rows)
}

fn guarded_rows(stream: &Buffer) -> contract::Result<usize> {
    let mut decoder = arrow_wire::StreamDecoder::new(Limits::default(), Sender::Client);
    let mut rest = stream.clone();
    let mut rows = 0;
    while let Some(batch) = decoder.decode(&mut rest)? {
        rows += black_box(&batch).num_rows();
    }
    decoder.finish()?;
    Ok(rows)
}

/// A whole stream in LZ4 frames, as a warehouse sends it.
fn framed(stream: &Buffer) -> std::io::Result<Vec<u8>> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(stream)?;
    Ok(encoder.finish()?)
}

fn unframed_rows(frames: &[u8]) -> contract::Result<usize> {
    let unfolded = unfold_lz4_frames(frames, Limits::default().batch_bytes, &Sender::Client)?;
    guarded_rows(&Buffer::from_vec(unfolded))
}

fn decode(criterion: &mut Criterion) {
    let batch = lineitem();
    let mut group = criterion.benchmark_group("decode_ipc");
    let made = |compression| match stream_of(&batch, compression) {
        Ok(stream) => stream,
        Err(error) => unreachable!("generated batches can be encoded: {error}"),
    };
    let plain = made(None);
    for (name, stream) in [
        ("plain", plain.clone()),
        ("lz4", made(Some(CompressionType::LZ4_FRAME))),
        ("zstd", made(Some(CompressionType::ZSTD))),
    ] {
        let rows = (guarded_rows(&stream).ok(), unguarded_rows(&stream).ok());
        assert_eq!(
            rows,
            (Some(batch.num_rows()), Some(batch.num_rows())),
            "the stream reads back"
        );
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| guarded_rows(&stream)));
        group.bench_function(format!("{name}_arrow_ipc"), |bencher| {
            bencher.iter(|| unguarded_rows(&stream))
        });
        limit(&mut group, name, stream.len());
    }
    let frames = framed(&plain).unwrap_or_default();
    assert_eq!(
        unframed_rows(&frames).ok(),
        Some(batch.num_rows()),
        "the frames read back"
    );
    // In bytes of the stream: `plain` is what its reading alone takes.
    group.throughput(Throughput::Bytes(plain.len() as u64));
    group.bench_function("in_lz4_frames", |bencher| bencher.iter(|| unframed_rows(&frames)));
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
