//! What reaches a client: the bytes of its rows and no other.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Int32Array, ListArray, RecordBatch, StringArray, StringViewArray,
    StructArray,
};
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_schema::{DataType, Field, Schema};
use datafusion_common::arrow::compute::{filter, nullif};
use engine::{owned_batch, owned_schema};
use futures::{FutureExt, StreamExt, stream};

const SECRET: &str = "SECRET-CARD-OF-BOB";

/// What a client would get of a column.
fn sent(column: ArrayRef) -> (ArrayRef, Vec<u8>) {
    let schema = Schema::new(vec![Field::new("c", column.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![column]).unwrap();
    let schema = owned_schema(&schema);
    let batch = owned_batch(&batch, &schema).unwrap();
    let column = Arc::clone(batch.column(0));
    let data = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        .build(stream::iter([Ok::<_, FlightError>(batch)]))
        .collect::<Vec<_>>()
        .now_or_never()
        .unwrap();
    (
        column,
        data.into_iter()
            .flat_map(|data| data.unwrap().data_body.to_vec())
            .collect(),
    )
}

fn holds_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

/// Ten rows, of which only the first is for the client.
fn only_first(column: ArrayRef) -> [ArrayRef; 3] {
    let first = (0..column.len()).map(|row| Some(row == 0)).collect::<BooleanArray>();
    let others = (0..column.len()).map(|row| Some(row != 0)).collect::<BooleanArray>();
    [
        filter(&column, &first).unwrap(),
        nullif(&column, &others).unwrap(),
        column.slice(0, 1),
    ]
}

#[test]
fn nothing_beside_the_answer_is_sent() {
    let texts = || (0..10).map(|row| Some(if row == 0 { "a text for the client" } else { SECRET }));
    let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
    let mut lists = ListBuilder::new(arrow_array::builder::StringBuilder::new());
    for text in texts() {
        dictionary.append_value(text.unwrap());
        lists.append_value([text, text]);
    }
    let strings: ArrayRef = Arc::new(texts().collect::<StringArray>());
    let structs = StructArray::from(vec![(
        Arc::new(Field::new("s", DataType::Utf8, true)),
        Arc::clone(&strings),
    )]);
    let binary = texts().map(|text| text.map(str::as_bytes)).collect::<BinaryViewArray>();
    for column in [
        strings,
        Arc::new(texts().collect::<StringViewArray>()),
        Arc::new(binary),
        Arc::new(dictionary.finish()),
        Arc::new(lists.finish()) as ArrayRef,
        Arc::new(structs),
    ] {
        for (way, column) in only_first(column).into_iter().enumerate() {
            let data_type = column.data_type().clone();
            let before = column.len();
            let (column, bytes) = sent(column);
            assert_eq!(column.len(), before);
            assert!(!column.is_null(0));
            assert!(!holds_secret(&bytes), "{data_type}, {way}");
            assert!(bytes.windows(6).any(|window| window == b"client"), "{data_type}, {way}");
        }
    }
}

#[test]
fn numbers_below_nulls_are_zero() {
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(1000..1010));
    let [_, masked, _] = only_first(numbers);
    assert_eq!(masked.as_primitive::<arrow_array::types::Int32Type>().values()[5], 1005);
    let (column, _) = sent(masked);
    let column = column.as_primitive::<arrow_array::types::Int32Type>();
    assert_eq!(column.values()[0], 1000);
    assert_eq!(column.values()[1..], [0; 9]);
}

#[test]
fn lists_stay_what_they_are() {
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
        Some(vec![Some(4)]),
    ]);
    let (column, _) = sent(Arc::new(lists.slice(1, 3)));
    assert_eq!(column.as_list::<i32>(), &lists.slice(1, 3));
}
