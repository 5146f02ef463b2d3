//! The schema that the clients were recorded over: `sales`, with the same columns and numbers of rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int16Array, Int32Array, Int32Builder, Int64Array, IntervalMonthDayNanoArray, ListBuilder,
    RecordBatch, StringArray, StringBuilder, Time64MicrosecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, IntervalMonthDayNano, Schema};
use arrow_postgres::PG_TYPE_METADATA;
use async_trait::async_trait;
use contract::{QueryContext, Result, TableName, TableVersion};
use federation::{Source, SourceTable, TableKind, TableSummary};
use system_tests::memory_source::MemorySource;

use crate::slow;

const CUSTOMERS: i32 = 50;
const PRODUCTS: i16 = 30;
const ORDERS: i64 = 300;
/// 2024-01-01 in days and in microseconds.
const NEW_YEAR_DAYS: i32 = 19_723;
const NEW_YEAR: i64 = NEW_YEAR_DAYS as i64 * DAY;
const DAY: i64 = 86_400_000_000;

/// Four tables, a view and a materialized view; and the tables of [`slow`].
pub(crate) fn source() -> Arc<SalesSource> {
    let tables = slow::tables(MemorySource::new("lake"))
        .table("sales", "customers", vec![customers()])
        .table("sales", "products", vec![products()])
        .table("sales", "orders", vec![orders()])
        .table("sales", "order_items", vec![order_items()])
        .table("sales", "customer_totals", vec![customer_totals()])
        .table("sales", "daily", vec![daily()]);
    Arc::new(SalesSource { tables })
}

/// As the tables that it holds, but two are views.
#[derive(Debug)]
pub(crate) struct SalesSource {
    tables: MemorySource,
}

#[async_trait]
impl Source for SalesSource {
    fn name(&self) -> &str {
        self.tables.name()
    }

    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        self.tables.schemas(ctx).await
    }

    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        let mut tables = self.tables.tables(schema, ctx).await?;
        for table in &mut tables {
            if ["customer_totals", "daily"].contains(&table.name.as_str()) {
                table.kind = TableKind::View;
            }
        }
        Ok(tables)
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        Source::table(&self.tables, name, version, ctx).await
    }
}

/// A batch of columns; a type name after a column's name says what the Arrow type stands for.
fn batch(columns: Vec<(&str, Option<&str>, ArrayRef)>) -> RecordBatch {
    let field = |(name, pg_type, array): &(&str, Option<&str>, ArrayRef)| {
        let field = Field::new(*name, array.data_type().clone(), array.null_count() > 0);
        match pg_type {
            Some(pg_type) => field.with_metadata(HashMap::from([(PG_TYPE_METADATA.to_owned(), (*pg_type).to_owned())])),
            None => field,
        }
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(
        Arc::new(schema),
        columns.into_iter().map(|(_, _, array)| array).collect(),
    )
    .unwrap()
}

fn texts(numbers: std::ops::RangeInclusive<i64>, text: impl Fn(i64) -> String) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(numbers.map(text)))
}

fn decimals(values: impl Iterator<Item = i128>, precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from_iter_values(values);
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

fn customers() -> RecordBatch {
    let ids = 1..=CUSTOMERS;
    let numbers = 1..=i64::from(CUSTOMERS);
    let mut tags = ListBuilder::new(StringBuilder::new());
    for id in ids.clone() {
        tags.values().append_value(format!("t{id}"));
        tags.values().append_value("all");
        tags.append(true);
    }
    let uids = ids.clone().map(|id| Some(uuid_of(id)));
    let instants = numbers.clone().map(|id| NEW_YEAR + id * DAY);
    batch(vec![
        ("id", None, Arc::new(Int32Array::from_iter_values(ids.clone()))),
        (
            "uid",
            Some("uuid"),
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(uids, 16).unwrap()),
        ),
        ("name", None, texts(numbers.clone(), |id| format!("C{id}"))),
        (
            "email",
            Some("varchar"),
            texts(numbers.clone(), |id| format!("c{id}@example.com")),
        ),
        (
            "active",
            None,
            Arc::new(ids.clone().map(|id| Some(id % 2 == 0)).collect::<BooleanArray>()),
        ),
        (
            "score",
            None,
            Arc::new(Float32Array::from_iter_values(ids.clone().map(|id| id as f32 / 2.0))),
        ),
        (
            "balance",
            None,
            decimals(ids.clone().map(|id| i128::from(id) * 1050), 12, 2),
        ),
        (
            "born",
            None,
            Arc::new(Date32Array::from_iter_values(ids.map(|id| 7_000 + id))),
        ),
        (
            "created_at",
            None,
            Arc::new(TimestampMicrosecondArray::from_iter_values(instants).with_timezone("UTC")),
        ),
        (
            "attrs",
            Some("jsonb"),
            texts(numbers, |id| format!("{{\"level\": {id}}}")),
        ),
        ("tags", None, Arc::new(tags.finish())),
    ])
}

fn uuid_of(id: i32) -> [u8; 16] {
    let mut bytes = [0x20; 16];
    bytes[12..].copy_from_slice(&id.to_be_bytes());
    bytes
}

fn products() -> RecordBatch {
    let numbers = 1..=i64::from(PRODUCTS);
    let count = 1..=PRODUCTS;
    let mut sizes = ListBuilder::new(Int32Builder::new());
    for number in count.clone() {
        sizes.values().append_slice(&[i32::from(number), 40]);
        sizes.append(true);
    }
    let launches = numbers.clone().map(|number| NEW_YEAR - number * DAY);
    batch(vec![
        (
            "sku",
            Some("varchar"),
            texts(numbers.clone(), |number| format!("SKU{number}")),
        ),
        (
            "title",
            None,
            texts(numbers.clone(), |number| format!("Product {number}")),
        ),
        (
            "price",
            None,
            decimals(count.clone().map(|number| i128::from(number) * 199), 10, 2),
        ),
        (
            "weight",
            None,
            Arc::new(Float64Array::from_iter_values(
                count.clone().map(|number| f64::from(number) / 4.0),
            )),
        ),
        ("stock", None, Arc::new(Int16Array::from_iter_values(count.clone()))),
        (
            "picture",
            None,
            Arc::new(BinaryArray::from_iter_values(count.map(|number| [0xff, number as u8]))),
        ),
        ("sizes", None, Arc::new(sizes.finish())),
        (
            "launch",
            None,
            Arc::new(TimestampMicrosecondArray::from_iter_values(launches)),
        ),
        (
            "grade",
            Some("bpchar"),
            texts(numbers, |number| format!("A{}", number % 10)),
        ),
    ])
}

fn orders() -> RecordBatch {
    let ids = 1..=ORDERS;
    let status = |id: i64| ["new", "paid", "shipped"][usize::try_from(id % 3).unwrap()].to_owned();
    // Two months, so that with three states there are six groups.
    let placed = ids.clone().map(|id| NEW_YEAR + (id % 2) * 31 * DAY);
    let hours = ids.clone().map(|id| (id % 24) * 3_600_000_000);
    let lead = ids.clone().map(|id| IntervalMonthDayNano::new(0, (id % 5) as i32, 0));
    batch(vec![
        ("id", None, Arc::new(Int64Array::from_iter_values(ids.clone()))),
        (
            "customer_id",
            None,
            Arc::new(Int32Array::from_iter_values(ids.clone().map(|id| (id % 50) as i32 + 1))),
        ),
        (
            "placed",
            None,
            Arc::new(TimestampMicrosecondArray::from_iter_values(placed)),
        ),
        (
            "deliver_at",
            None,
            Arc::new(Time64MicrosecondArray::from_iter_values(hours)),
        ),
        (
            "lead",
            None,
            Arc::new(IntervalMonthDayNanoArray::from_iter_values(lead)),
        ),
        ("status", None, texts(ids.clone(), status)),
        (
            "total",
            None,
            decimals(ids.clone().map(|id| i128::from(id) * 100 + 95), 18, 2),
        ),
        (
            "note",
            None,
            Arc::new(StringArray::from_iter(
                ids.clone().map(|id| (id % 2 == 0).then(|| format!("n{id}"))),
            )),
        ),
        ("raw", Some("json"), texts(ids, |id| format!("{{\"n\":{id}}}"))),
    ])
}

fn order_items() -> RecordBatch {
    let rows = 0..ORDERS * 2;
    let discounts = rows.clone().map(|row| (row % 4 == 0).then_some(0.25));
    batch(vec![
        (
            "order_id",
            None,
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row / 2 + 1))),
        ),
        (
            "line",
            None,
            Arc::new(Int16Array::from_iter_values(
                rows.clone().map(|row| (row % 2) as i16 + 1),
            )),
        ),
        (
            "sku",
            Some("varchar"),
            Arc::new(StringArray::from_iter_values(
                rows.clone().map(|row| format!("SKU{}", row % 30 + 1)),
            )),
        ),
        (
            "qty",
            None,
            Arc::new(Int32Array::from_iter_values(rows.map(|row| (row % 3) as i32 + 1))),
        ),
        ("discount", None, Arc::new(Float64Array::from_iter(discounts))),
    ])
}

fn customer_totals() -> RecordBatch {
    let ids = 1..=CUSTOMERS;
    batch(vec![
        ("id", None, Arc::new(Int32Array::from_iter_values(ids.clone()))),
        ("name", None, texts(1..=i64::from(CUSTOMERS), |id| format!("C{id}"))),
        (
            "orders",
            None,
            Arc::new(Int64Array::from_iter_values(ids.clone().map(|_| 6))),
        ),
        ("total", None, decimals(ids.map(|id| i128::from(id) * 600), 18, 2)),
    ])
}

fn daily() -> RecordBatch {
    batch(vec![
        (
            "day",
            None,
            Arc::new(Date32Array::from(vec![NEW_YEAR_DAYS, NEW_YEAR_DAYS + 31])),
        ),
        ("orders", None, Arc::new(Int64Array::from(vec![150, 150]))),
    ])
}
