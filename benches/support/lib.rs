//! Batch generators shared by all benches. Each gives the same values at every run.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    Array, ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, RecordBatch, StringArray, StringViewArray, StructArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema};

/// Rows of a batch: what DataFusion hands on by default.
pub const BATCH_ROWS: usize = 8192;

/// A small generator of equally distributed numbers; benches need repeatable values, not good randomness.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Starts the one sequence that all generators use.
    pub fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    /// Lower-case words of `least` up to `most` characters in all.
    pub fn words(&mut self, least: u64, most: u64) -> String {
        let length = least + self.below(most - least + 1);
        (0..length)
            .map(|_| {
                if self.below(7) == 0 {
                    ' '
                } else {
                    char::from(b'a' + self.below(26) as u8)
                }
            })
            .collect()
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self::new()
    }
}

/// Names the columns `c0`, `c1`, ….
///
/// # Panics
/// If the columns differ in length.
pub fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = columns.iter().enumerate();
    let fields = fields.map(|(position, column)| Field::new(format!("c{position}"), column.data_type().clone(), true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    match RecordBatch::try_new(Arc::new(schema), columns) {
        Ok(batch) => batch,
        Err(error) => unreachable!("columns of one generator: {error}"),
    }
}

fn decimals(values: impl Iterator<Item = i128>, precision: u8, scale: i8) -> ArrayRef {
    Arc::new(Decimal128Array::from_iter_values(values).with_data_type(DataType::Decimal128(precision, scale)))
}

/// The sixteen columns of TPC-H's lineitem in its types and value ranges.
pub fn lineitem() -> RecordBatch {
    let mut numbers = Numbers::new();
    let mut whole = |end: u64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(
            (0..BATCH_ROWS).map(|_| 1 + numbers.below(end) as i64),
        ))
    };
    let (order, part, supplier) = (whole(6_000_000), whole(200_000), whole(10_000));
    let line: ArrayRef = Arc::new(Int32Array::from_iter_values(
        (0..BATCH_ROWS).map(|row| 1 + row as i32 % 7),
    ));
    let mut cents = |end: u64| decimals((0..BATCH_ROWS).map(|_| i128::from(numbers.below(end))), 15, 2);
    let (quantity, price, discount, tax) = (cents(5_000), cents(10_000_000), cents(11), cents(9));
    let mut word = |words: &[&str]| -> ArrayRef {
        let values = (0..BATCH_ROWS).map(|_| words[numbers.below(words.len() as u64) as usize]);
        Arc::new(StringViewArray::from_iter_values(values))
    };
    let (flag, status) = (word(&["A", "N", "R"]), word(&["F", "O"]));
    let instruction = word(&["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"]);
    let mode = word(&["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]);
    let mut date = || -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(
            (0..BATCH_ROWS).map(|_| 8_036 + numbers.below(2_500) as i32),
        ))
    };
    let (shipped, committed, received) = (date(), date(), date());
    let comment: ArrayRef = Arc::new(StringViewArray::from_iter_values(
        (0..BATCH_ROWS).map(|_| numbers.words(10, 43)),
    ));
    batch(vec![
        order,
        part,
        supplier,
        line,
        quantity,
        price,
        discount,
        tax,
        flag,
        status,
        shipped,
        committed,
        received,
        instruction,
        mode,
        comment,
    ])
}

/// Eight columns of 16, 32 and 64 bits.
pub fn narrow_integers() -> RecordBatch {
    let mut numbers = Numbers::new();
    let columns = (0..8).map(|position| -> ArrayRef {
        let mut values = (0..BATCH_ROWS).map(|_| numbers.below(1 << (8 + position * 5)) as i64 - 100);
        match position {
            0 | 1 => Arc::new(Int16Array::from_iter_values(values.by_ref().map(|value| value as i16))),
            2..5 => Arc::new(Int32Array::from_iter_values(values.by_ref().map(|value| value as i32))),
            _ => Arc::new(Int64Array::from_iter_values(values)),
        }
    });
    batch(columns.collect())
}

/// Two columns of strings of some hundred bytes, in both layouts.
pub fn wide_strings() -> RecordBatch {
    let mut numbers = Numbers::new();
    let plain = StringArray::from_iter_values((0..BATCH_ROWS).map(|_| numbers.words(100, 400)));
    let views = StringViewArray::from_iter_values((0..BATCH_ROWS).map(|_| numbers.words(100, 400)));
    batch(vec![Arc::new(plain), Arc::new(views)])
}

/// Six columns, half of whose values are null.
pub fn nulls() -> RecordBatch {
    let mut numbers = Numbers::new();
    let columns = (0..6).map(|position| -> ArrayRef {
        let values: Vec<Option<u64>> = (0..BATCH_ROWS)
            .map(|_| {
                if numbers.below(2) == 0 {
                    None
                } else {
                    Some(numbers.below(100_000))
                }
            })
            .collect();
        match position % 3 {
            0 => Arc::new(
                values
                    .iter()
                    .map(|value| value.map(|value| value as i32))
                    .collect::<Int32Array>(),
            ),
            1 => Arc::new(
                values
                    .iter()
                    .map(|value| value.map(|value| value as f64 / 8.0))
                    .collect::<Float64Array>(),
            ),
            _ => Arc::new(
                values
                    .iter()
                    .map(|value| value.map(|value| value.to_string()))
                    .collect::<StringArray>(),
            ),
        }
    });
    batch(columns.collect())
}

/// Decimals of few, eighteen and thirty-eight digits.
pub fn decimal_columns() -> RecordBatch {
    let mut numbers = Numbers::new();
    let mut column = |digits: u32, scale: i8| {
        let values = (0..BATCH_ROWS).map(|_| {
            let value = i128::from(numbers.below(u64::MAX)) * i128::from(numbers.below(u64::MAX >> 2));
            value % 10_i128.pow(digits)
        });
        decimals(values, digits as u8, scale)
    };
    batch(vec![column(9, 2), column(18, 4), column(38, 10)])
}

/// Floating-point numbers with few and with all digits.
pub fn doubles() -> RecordBatch {
    let mut numbers = Numbers::new();
    let short = Float64Array::from_iter_values((0..BATCH_ROWS).map(|_| numbers.below(100_000) as f64 / 100.0));
    let long = Float64Array::from_iter_values((0..BATCH_ROWS).map(|_| numbers.below(1 << 52) as f64 / 1e13));
    batch(vec![Arc::new(short), Arc::new(long)])
}

/// Timestamps without and with a zone, and dates.
pub fn timestamps() -> RecordBatch {
    let mut numbers = Numbers::new();
    let mut micros = || {
        TimestampMicrosecondArray::from_iter_values((0..BATCH_ROWS).map(|_| numbers.below(1 << 50) as i64 + (1 << 50)))
    };
    let (plain, zoned) = (micros(), micros().with_timezone("UTC"));
    let days = Date32Array::from_iter_values((0..BATCH_ROWS).map(|_| numbers.below(20_000) as i32));
    batch(vec![Arc::new(plain), Arc::new(zoned), Arc::new(days)])
}

/// Arrays, structs and dictionaries.
pub fn nested() -> RecordBatch {
    let mut numbers = Numbers::new();
    let mut whole = ListBuilder::new(Int32Builder::new());
    let mut words = ListBuilder::new(StringBuilder::new());
    for _ in 0..BATCH_ROWS {
        let length = numbers.below(6);
        whole.append_value(
            (0..length)
                .map(|_| Some(numbers.below(10_000) as i32))
                .collect::<Vec<_>>(),
        );
        words.append_value((0..length).map(|_| Some(numbers.words(1, 12))).collect::<Vec<_>>());
    }
    let members: Vec<(Arc<Field>, ArrayRef)> = vec![
        (
            Arc::new(Field::new("id", DataType::Int64, true)),
            Arc::new(Int64Array::from_iter_values(
                (0..BATCH_ROWS).map(|_| numbers.below(1 << 40) as i64),
            )),
        ),
        (
            Arc::new(Field::new("name", DataType::Utf8, true)),
            Arc::new(StringArray::from_iter_values(
                (0..BATCH_ROWS).map(|_| numbers.words(5, 20)),
            )),
        ),
    ];
    let keys = Int8Array::from_iter_values((0..BATCH_ROWS).map(|_| numbers.below(5) as i8));
    let labels = StringArray::from(vec!["new", "paid", "shipped", "returned", "closed"]);
    let dictionary = DictionaryArray::<Int8Type>::new(keys, Arc::new(labels));
    batch(vec![
        Arc::new(whole.finish()),
        Arc::new(words.finish()),
        Arc::new(StructArray::from(members)),
        Arc::new(dictionary),
    ])
}

/// Every shape above with its name.
pub fn shapes() -> Vec<(&'static str, RecordBatch)> {
    vec![
        ("lineitem", lineitem()),
        ("narrow_integers", narrow_integers()),
        ("wide_strings", wide_strings()),
        ("nulls", nulls()),
        ("decimals", decimal_columns()),
        ("doubles", doubles()),
        ("timestamps", timestamps()),
        ("nested", nested()),
    ]
}
