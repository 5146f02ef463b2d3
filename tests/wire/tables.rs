//! The tables that the tests query.

use std::sync::Arc;

use arrow::array::{Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use system_tests::memory_source::MemorySource;

/// `public.trips`: five rows.
pub(crate) fn source() -> MemorySource {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int32, false),
        Field::new("city", DataType::Utf8, true),
        Field::new("distance", DataType::Float64, true),
        Field::new("cents", DataType::Int64, false),
    ]);
    let batch = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5])),
            Arc::new(StringArray::from(vec![
                Some("Oslo"),
                Some("Bonn"),
                None,
                Some("Łódź"),
                Some("Ur"),
            ])),
            Arc::new(Float64Array::from(vec![
                Some(1.5),
                None,
                Some(3.0),
                Some(1e22),
                Some(0.1),
            ])),
            Arc::new(Int64Array::from(vec![100, 200, 300, 400, 500])),
        ],
    );
    MemorySource::new("lake").table("public", "trips", vec![batch.unwrap()])
}
