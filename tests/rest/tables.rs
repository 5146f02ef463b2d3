//! The tables that the tests ask for.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use system_tests::memory_source::MemorySource;

/// `public.trips` with values that lose something in a careless encoder, `public.numbers` with a thousand rows, and a
/// table whose name needs quotes.
pub(crate) fn source() -> MemorySource {
    MemorySource::new("lake")
        .table("public", "trips", vec![trips()])
        .table("public", "numbers", vec![numbers()])
        .table("odd", "a.b", vec![numbers()])
}

fn trips() -> RecordBatch {
    let fare = Decimal128Array::from(vec![
        Some(1_2500),
        Some(123_456_789_012_345_678_901_234),
        None,
        Some(-1),
        Some(0),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5]))),
        (
            "city",
            Arc::new(StringArray::from(vec![
                Some("Oslo"),
                Some("50% \"off\""),
                None,
                Some("Łódź"),
                Some("O'Hara_"),
            ])),
        ),
        (
            "distance",
            Arc::new(Float64Array::from(vec![
                Some(1.5),
                None,
                Some(f64::NAN),
                Some(1e22),
                Some(0.1),
            ])),
        ),
        (
            "cents",
            Arc::new(Int64Array::from(vec![
                100,
                9_007_199_254_740_993,
                i64::MAX,
                i64::MIN,
                0,
            ])),
        ),
        ("fare", Arc::new(fare.with_precision_and_scale(28, 4).unwrap())),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(0), Some(19_723), None, Some(-1), Some(1)])),
        ),
        (
            "shared",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
                Some(false),
            ])),
        ),
    ];
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), !matches!(*name, "id" | "cents")))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn numbers() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int64, false),
        Field::new("third", DataType::Int64, true),
    ]);
    let n = Int64Array::from_iter_values(0..1_000);
    let third = Int64Array::from_iter((0..1_000).map(|n| (n % 3 == 0).then_some(n / 3)));
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(n), Arc::new(third)]).unwrap()
}
