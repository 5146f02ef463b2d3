//! `samples.tpch`: the eight tables of TPC-H, as Databricks names them.

use std::sync::Arc;

use arrow::array::RecordBatchReader;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

use super::table::{Afterwards, Batches, DemoTable, Part};

/// Scale of data that one file of a big table holds at most.
const SCALE_OF_A_FILE: f64 = 0.25;
/// Files of a big table at least, so that scans have something to share out.
const FILES_MIN: i32 = 4;
/// Files of a big table at most: each is a commit.
const FILES_MAX: i32 = 64;

/// `make` is only called to write: its generators first compose 300 MB of text to quote from.
fn table<R>(
    name: &'static str,
    comment: &'static str,
    rows: SchemaRef,
    parts: i32,
    make: impl Fn(i32, i32) -> R + Clone + Send + Sync + 'static,
) -> DemoTable
where
    R: RecordBatchReader + Iterator<Item = Result<arrow::array::RecordBatch, ArrowError>> + Send + 'static,
{
    let part = |part: i32| -> Part {
        let make = make.clone();
        Arc::new(move || Box::new(make(part, parts)) as Batches)
    };
    let parts = (1..=parts).map(part).collect();
    DemoTable {
        schema: "tpch",
        name,
        comment,
        rows,
        parts,
        partition_column: None,
        afterwards: Afterwards::Nothing,
    }
}

pub(crate) fn tables(scale: f64) -> Vec<DemoTable> {
    // Scale is checked to be small, so the count of files fits.
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the clamp")]
    let many = (scale / SCALE_OF_A_FILE)
        .ceil()
        .clamp(f64::from(FILES_MIN), f64::from(FILES_MAX)) as i32;
    vec![
        table(
            "lineitem",
            "Line items of orders",
            LineItemArrow::schema_ref(),
            many,
            move |part, parts| LineItemArrow::new(LineItemGenerator::new(scale, part, parts)),
        ),
        table(
            "orders",
            "Orders of customers",
            OrderArrow::schema_ref(),
            many,
            move |part, parts| OrderArrow::new(OrderGenerator::new(scale, part, parts)),
        ),
        table(
            "partsupp",
            "Which supplier offers which part",
            PartSuppArrow::schema_ref(),
            2,
            move |part, parts| PartSuppArrow::new(PartSuppGenerator::new(scale, part, parts)),
        ),
        table(
            "customer",
            "Customers",
            CustomerArrow::schema_ref(),
            1,
            move |part, parts| CustomerArrow::new(CustomerGenerator::new(scale, part, parts)),
        ),
        table("part", "Parts", PartArrow::schema_ref(), 1, move |part, parts| {
            PartArrow::new(PartGenerator::new(scale, part, parts))
        }),
        table(
            "supplier",
            "Suppliers",
            SupplierArrow::schema_ref(),
            1,
            move |part, parts| SupplierArrow::new(SupplierGenerator::new(scale, part, parts)),
        ),
        table("nation", "Nations", NationArrow::schema_ref(), 1, move |part, parts| {
            NationArrow::new(NationGenerator::new(scale, part, parts))
        }),
        table(
            "region",
            "Regions of nations",
            RegionArrow::schema_ref(),
            1,
            move |part, parts| RegionArrow::new(RegionGenerator::new(scale, part, parts)),
        ),
    ]
}
