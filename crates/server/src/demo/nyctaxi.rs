//! `samples.nyctaxi.trips`: invented taxi rides in the columns, the count and the months of Databricks' sample.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use rand::Rng;

use super::table::{Afterwards, DemoTable, chance, parts};

const ROWS: u64 = 21_932;
/// 2016-01-01 00:00 UTC.
const FIRST_SECOND: i64 = 1_451_606_400;
/// January and February of 2016.
const SECONDS: i64 = 60 * 86_400;
const TABLE: u64 = 1;

const ZIP_CODES: [i32; 32] = [
    10001, 10002, 10003, 10007, 10009, 10011, 10012, 10014, 10016, 10017, 10018, 10019, 10021, 10022, 10023, 10025,
    10028, 10035, 10065, 10069, 10103, 10110, 10119, 10128, 10153, 10167, 10199, 11101, 11109, 11211, 11371, 11422,
];

static ROWS_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("tpep_pickup_datetime", timestamp.clone(), true),
        Field::new("tpep_dropoff_datetime", timestamp, true),
        Field::new("trip_distance", DataType::Float64, true),
        Field::new("fare_amount", DataType::Float64, true),
        Field::new("pickup_zip", DataType::Int32, true),
        Field::new("dropoff_zip", DataType::Int32, true),
    ]))
});

pub(crate) fn trips() -> DemoTable {
    DemoTable {
        schema: "nyctaxi",
        name: "trips",
        comment: "Taxi rides, invented",
        rows: Arc::clone(&ROWS_SCHEMA),
        parts: parts(ROWS, 2, batch),
        partition_column: None,
        afterwards: Afterwards::Nothing,
    }
}

fn batch(rows: Range<u64>) -> Result<RecordBatch, ArrowError> {
    let (mut pickups, mut dropoffs, mut distances, mut fares) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut from, mut to) = (Vec::new(), Vec::new());
    for row in rows {
        let mut chance = chance(TABLE, row);
        let pickup = FIRST_SECOND + chance.random_range(0..SECONDS);
        // Many short rides, few long ones, in hundredths of a mile.
        let hundredths = 30 + (chance.random_range(0.0_f64..1.0).powi(3) * 2_170.0).round() as i64;
        let seconds = 120 + hundredths * chance.random_range(2..6);
        let half_dollars = 5 + (hundredths * 5 + seconds / 2) / 100;
        pickups.push(pickup * 1_000_000);
        dropoffs.push((pickup + seconds) * 1_000_000);
        distances.push(hundredths as f64 / 100.0);
        fares.push(half_dollars as f64 / 2.0);
        from.push(zip_code(&mut chance));
        to.push(zip_code(&mut chance));
    }
    let timestamps =
        |values: Vec<i64>| Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC")) as ArrayRef;
    let columns: Vec<ArrayRef> = vec![
        timestamps(pickups),
        timestamps(dropoffs),
        Arc::new(Float64Array::from(distances)),
        Arc::new(Float64Array::from(fares)),
        Arc::new(Int32Array::from(from)),
        Arc::new(Int32Array::from(to)),
    ];
    RecordBatch::try_new(Arc::clone(&ROWS_SCHEMA), columns)
}

fn zip_code(chance: &mut impl Rng) -> i32 {
    ZIP_CODES
        .get(chance.random_range(0..ZIP_CODES.len()))
        .copied()
        .unwrap_or_default()
}
