//! The tables that `sql/suites` speaks of, and the files there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};

use crate::lake;

/// The names of the tables, in schema `public`.
pub const NAMES: [&str; 3] = ["cities", "zeros", "history"];

/// Writes them below `folder`.
pub async fn write(folder: &Path) {
    let public = folder.join("public");
    lake::write(&public.join("cities"), [cities()]).await;
    lake::write(&public.join("zeros"), [zeros()]).await;
    lake::write(
        &public.join("history"),
        [numbers(&[1, 2]), numbers(&[3]), numbers(&[4, 5])],
    )
    .await;
}

fn cities() -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5])) as ArrayRef, true),
        (
            "name",
            Arc::new(StringArray::from(vec!["Oslo", "Bonn", "Łódź", "Ur", "Rome"])),
            true,
        ),
        (
            "country",
            Arc::new(StringArray::from(vec![
                Some("NO"),
                Some("DE"),
                Some("PL"),
                None,
                Some("IT"),
            ])),
            true,
        ),
        (
            "people",
            Arc::new(Int64Array::from(vec![
                Some(709_000),
                Some(336_000),
                Some(670_000),
                None,
                Some(2_800_000),
            ])),
            true,
        ),
        (
            "area",
            Arc::new(
                Decimal128Array::from(vec![Some(45_400), Some(14_106), Some(29_325), None, Some(128_500)])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
            true,
        ),
        (
            "height",
            Arc::new(Float64Array::from(vec![
                Some(23.5),
                Some(60.0),
                Some(278.0),
                None,
                Some(-0.25),
            ])),
            true,
        ),
        (
            "founded",
            Arc::new(Date32Array::from(vec![
                Some(-337_000),
                Some(10_957),
                Some(0),
                None,
                Some(19_782),
            ])),
            true,
        ),
        (
            "seen",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    Some(0),
                    Some(1_700_000_000_000_000),
                    Some(1_719_835_200_123_456),
                    None,
                    Some(-1),
                ])
                .with_timezone("UTC"),
            ),
            true,
        ),
    ])
    .unwrap()
}

fn zeros() -> RecordBatch {
    let rows = 0..1000;
    RecordBatch::try_from_iter([
        (
            "z",
            Arc::new(Int32Array::from_iter_values(rows.clone().map(|row| row % 4))) as ArrayRef,
        ),
        ("a", Arc::new(Int32Array::from_iter_values(rows.clone())) as ArrayRef),
        (
            "b",
            Arc::new(Int32Array::from_iter_values(rows.map(|row| row / 4))) as ArrayRef,
        ),
    ])
    .unwrap()
}

/// A batch of `history`.
pub fn numbers(values: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]).unwrap()
}

/// The files of the suites, sorted.
pub fn files() -> Vec<PathBuf> {
    files_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/suites"))
}

/// The suites in a folder, sorted.
pub fn files_in(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files = files
        .filter(|file| file.extension().is_some_and(|end| end == "slt"))
        .collect::<Vec<_>>();
    files.sort();
    files
}
