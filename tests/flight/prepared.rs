//! Prepared statements and their parameters.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::Int32Type;
use system_tests::flight_server::FlightServer;
use tonic::Code;

use crate::world::{codes, fetch, lines, source, status};

fn row(values: impl IntoIterator<Item = ArrayRef>) -> RecordBatch {
    let names = (1..).map(|number| format!("{number}"));
    RecordBatch::try_from_iter_with_nullable(names.zip(values).map(|(name, value)| (name, value, true))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn described_as_answered() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let sql = "SELECT id, city FROM trips WHERE id > $1 AND city <> $2 ORDER BY id";
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    assert_eq!(prepared.parameter_schema().unwrap().fields().len(), 2);
    let described = prepared.dataset_schema().unwrap().clone();
    for (after, expected) in [(3, vec!["4|Lodz-in-hiding"]), (4, vec![])] {
        let values = row([
            Arc::new(Int32Array::from(vec![after])) as ArrayRef,
            Arc::new(StringArray::from(vec!["Ur-in-hiding"])),
        ]);
        prepared.set_parameters(values).unwrap();
        let info = prepared.execute().await.unwrap();
        assert_eq!(info.clone().try_decode_schema().unwrap(), described);
        let batches = fetch(&mut client, &info).await.unwrap();
        assert_eq!(lines(&batches), expected);
        // A client that rebinds shows the handle that it got first; what was bound stays.
        assert_eq!(lines(&fetch(&mut client, &info).await.unwrap()), expected);
    }
    let info = prepared.execute().await.unwrap();
    prepared.close().await.unwrap();
    let failure = status(fetch(&mut client, &info).await);
    assert_eq!(codes(&failure), (Code::NotFound, "26000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_each_type() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let decimal = Decimal128Array::from(vec![12345])
        .with_precision_and_scale(10, 2)
        .unwrap();
    let dictionary: DictionaryArray<Int32Type> = ["word"].into_iter().collect();
    for (cast, value, expected) in [
        ("boolean", Arc::new(BooleanArray::from(vec![true])) as ArrayRef, "true"),
        ("smallint", Arc::new(Int8Array::from(vec![-7])), "-7"),
        ("smallint", Arc::new(Int16Array::from(vec![7])), "7"),
        ("int", Arc::new(Int32Array::from(vec![7])), "7"),
        (
            "bigint",
            Arc::new(Int64Array::from(vec![i64::MIN])),
            "-9223372036854775808",
        ),
        ("bigint", Arc::new(UInt32Array::from(vec![u32::MAX])), "4294967295"),
        ("real", Arc::new(Float32Array::from(vec![1.5])), "1.5"),
        ("double precision", Arc::new(Float64Array::from(vec![0.1])), "0.1"),
        ("numeric(10, 2)", Arc::new(decimal), "123.45"),
        ("text", Arc::new(StringArray::from(vec!["Łódź"])), "Łódź"),
        ("text", Arc::new(LargeStringArray::from(vec![""])), ""),
        (
            "text",
            Arc::new(StringViewArray::from(vec!["a text that is not in line"])),
            "a text that is not in line",
        ),
        ("text", Arc::new(dictionary), "word"),
        ("bytea", Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]])), "00ff"),
        ("date", Arc::new(Date32Array::from(vec![19_782])), "2024-02-29"),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from(vec![1_000_000])),
            "00:00:01",
        ),
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from(vec![1_000_000])),
            "1970-01-01T00:00:01",
        ),
        ("text", Arc::new(StringArray::from(vec![None::<&str>])), "∅"),
        ("int", Arc::new(Int32Array::from(vec![None])), "∅"),
    ] {
        for parameter in ["$1", "?"] {
            let sql = format!("SELECT {parameter}::{cast}");
            let mut prepared = client.prepare(sql.clone(), None).await.unwrap();
            prepared.set_parameters(row([Arc::clone(&value)])).unwrap();
            let info = prepared.execute().await.unwrap();
            let batches = fetch(&mut client, &info).await;
            let batches = batches.unwrap_or_else(|error| panic!("{sql} of {}: {error}", value.data_type()));
            assert_eq!(lines(&batches), [expected], "{sql} of {}", value.data_type());
            prepared.close().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_rows_are_several_executions() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let sql = "SELECT id, city FROM trips WHERE id >= $1 ORDER BY id LIMIT 1";
    let mut prepared = client.prepare(sql.to_owned(), None).await.unwrap();
    prepared
        .set_parameters(row([Arc::new(Int32Array::from(vec![5, 1, 9])) as ArrayRef]))
        .unwrap();
    let info = prepared.execute().await.unwrap();
    assert_eq!(
        lines(&fetch(&mut client, &info).await.unwrap()),
        ["5|Ur-in-hiding", "1|Oslo"]
    );
    assert_eq!(prepared.execute_update().await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit() {
    let server = FlightServer::open(source()).await;
    let mut client = server.client().await;
    let mut prepared = client
        .prepare("SELECT id FROM trips WHERE id = $1".to_owned(), None)
        .await
        .unwrap();
    let info = prepared.execute().await.unwrap();
    let failure = status(fetch(&mut client, &info).await);
    assert_eq!(codes(&failure), (Code::InvalidArgument, "08P01"));
    let one = || Arc::new(Int32Array::from(vec![1])) as ArrayRef;
    prepared.set_parameters(row([one(), one()])).unwrap();
    let failure = status(prepared.execute().await);
    assert_eq!(codes(&failure), (Code::InvalidArgument, "08P01"));
    prepared
        .set_parameters(row([Arc::new(StringArray::from(vec!["x"])) as ArrayRef]))
        .unwrap();
    let info = prepared.execute().await.unwrap();
    let failure = status(fetch(&mut client, &info).await);
    assert_eq!(failure.code(), Code::InvalidArgument, "{failure}");
    prepared.set_parameters(row([one()])).unwrap();
    let info = prepared.execute().await.unwrap();
    assert_eq!(lines(&fetch(&mut client, &info).await.unwrap()), ["1"]);
}
