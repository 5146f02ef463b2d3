//! One parameter at a time, as a Bind message brings it.

use arrow_postgres::{Format, decode_parameter, oid};
use criterion::{Criterion, criterion_group, criterion_main};

fn parameters(criterion: &mut Criterion) {
    let cases: &[(&str, u32, Format, &[u8])] = &[
        ("int8_text", oid::INT8, Format::Text, b"1234567890"),
        (
            "int8_binary",
            oid::INT8,
            Format::Binary,
            &1_234_567_890_i64.to_be_bytes(),
        ),
        ("text", oid::TEXT, Format::Text, b"a customer's name of usual length"),
        ("float8_text", oid::FLOAT8, Format::Text, b"3.14159"),
        ("numeric_text", oid::NUMERIC, Format::Text, b"12345.67"),
        (
            "timestamptz_text",
            oid::TIMESTAMPTZ,
            Format::Text,
            b"2024-01-01 10:00:00.123+02",
        ),
        (
            "int4_array_text",
            oid::INT4_ARRAY,
            Format::Text,
            b"{1,2,3,4,5,6,7,8,9,10}",
        ),
    ];
    let mut group = criterion.benchmark_group("decode_parameter");
    for (name, oid, format, bytes) in cases {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| decode_parameter(*oid, *format, Some(bytes)))
        });
    }
    // The limit: what an array of one row costs, whatever is in it.
    group.bench_function("null", |bencher| {
        bencher.iter(|| decode_parameter(oid::INT8, Format::Text, None))
    });
    group.finish();
}

criterion_group!(benches, parameters);
criterion_main!(benches);
