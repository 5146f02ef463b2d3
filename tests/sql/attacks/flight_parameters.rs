//! Hazard 4 and oracle 1 by way of Flight's parameters: values are compared, never read as SQL, and never meet a row
//! that rules hide; batches that no client of good will sends end in an error that says nothing.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, Decimal256Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, LargeStringArray, ListArray, NullArray, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, i256};
use arrow_flight::error::FlightError;
use system_tests::attack_tables::{Twin, card};
use system_tests::transport::Failure;
use system_tests::transport_flight::failure;
use system_tests::transport_grpc_record::RecordedClient;

use super::flight::{client, fetch, lines, ticket};
use super::literals::HOSTILE;
use super::world::World;

fn batch(values: Vec<ArrayRef>) -> RecordBatch {
    let fields = values
        .iter()
        .enumerate()
        .map(|(index, values)| Field::new(format!("p{index}"), values.data_type().clone(), true));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), values).unwrap()
}

/// The rows of one statement with these values.
async fn run(client: &mut RecordedClient, sql: &str, values: RecordBatch) -> Result<Vec<String>, Failure> {
    let answer: Result<_, FlightError> = async {
        let mut prepared = client.prepare(sql.to_owned(), None).await?;
        prepared.set_parameters(values)?;
        let info = prepared.execute().await?;
        fetch(client, ticket(&info)).await
    }
    .await;
    answer.map(|batches| lines(&batches)).map_err(|error| failure(&error))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_stays_one_text() {
    const SQL: &str =
        "SELECT $1::text AS v, (SELECT count(*) FROM trips WHERE region = $1 OR card_number LIKE $1) AS n";
    let world = World::open(Twin::First).await;
    let mut client = client(&world, "dora").await;
    world.recorder.take();
    for text in HOSTILE {
        let value = batch(vec![Arc::new(StringArray::from(vec![text]))]);
        let answer = run(&mut client, SQL, value).await;
        assert_eq!(answer.as_deref(), Ok(&[format!("{text}|0")][..]));
        world.judge(text, "flight");
    }
}

/// A02, A07, A21, A35 with the value apart from the statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_meets_visible_rows_only() {
    let int = |value: Option<i32>| Arc::new(Int32Array::from(vec![value])) as ArrayRef;
    let text = |value: &str| Arc::new(StringArray::from(vec![value])) as ArrayRef;
    for twin in [Twin::First, Twin::Second] {
        let world = World::open(twin).await;
        for (user, sql, value, expected) in [
            (
                "dora",
                "SELECT count(*) FROM trips WHERE driver_id = $1",
                int(Some(7)),
                "6000",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE driver_id = $1",
                int(Some(8)),
                "0",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE driver_id = $1",
                int(None),
                "0",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE driver_id IS NOT DISTINCT FROM $1::int",
                int(None),
                "0",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE card_number = $1",
                text(&card(twin, 1)),
                "0",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE card_number = $1",
                text("****0001"),
                "1",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE card_number LIKE $1",
                text("4111%"),
                "0",
            ),
            (
                "dora",
                "SELECT count(*) FROM trips WHERE CAST(region AS INT) > $1",
                int(Some(0)),
                "6000",
            ),
            (
                "ana",
                "SELECT count(*) FROM trips WHERE 100 / (driver_id - $1) < 1000",
                int(Some(8)),
                "6000",
            ),
        ] {
            let mut client = client(&world, user).await;
            world.recorder.take();
            let shown = format!("{value:?}");
            let answer = run(&mut client, sql, batch(vec![value])).await;
            assert_eq!(
                answer.as_deref(),
                Ok(&[expected.to_owned()][..]),
                "{user} {sql} {shown}"
            );
            world.judge(&shown, "flight");
        }
        // Each row of values is an execution of its own, under the same rules.
        let mut client = client(&world, "dora").await;
        let drivers = Int32Array::from(vec![Some(7), Some(8), None, Some(9), Some(7)]);
        let counts = run(
            &mut client,
            "SELECT count(*) FROM trips WHERE driver_id = $1",
            batch(vec![Arc::new(drivers)]),
        );
        assert_eq!(counts.await.unwrap(), ["6000", "0", "0", "0", "6000"]);
    }
}

/// Values of another shape than the statement has.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_batch_is_the_clients_fault() {
    const SQL: &str = "SELECT count(*) FROM trips WHERE driver_id = $1";
    let world = World::open(Twin::First).await;
    let mut client = client(&world, "dora").await;
    let field = Arc::new(Field::new("x", DataType::Int32, true));
    let eight = || Arc::new(Int32Array::from(vec![8])) as ArrayRef;
    let none = Arc::new(Schema::empty());
    let three = RecordBatchOptions::new().with_row_count(Some(3));
    let mut named = batch(vec![eight()]).schema().as_ref().clone();
    named.metadata.insert("driver_id".to_owned(), "8 OR true".to_owned());
    let dictionary: DictionaryArray<Int32Type> = ["8 OR true"].into_iter().collect();
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(7), Some(8)])]);
    let mut answered = 0;
    for (what, values) in [
        ("one too many", batch(vec![eight(), eight()])),
        (
            "none",
            RecordBatch::try_new_with_options(Arc::clone(&none), Vec::new(), &three).unwrap(),
        ),
        ("no row", batch(vec![Arc::new(Int32Array::from(Vec::<i32>::new()))])),
        (
            "a struct",
            batch(vec![Arc::new(StructArray::from(vec![(field, eight())]))]),
        ),
        ("a list", batch(vec![Arc::new(lists)])),
        ("a dictionary", batch(vec![Arc::new(dictionary)])),
        ("SQL", batch(vec![Arc::new(StringArray::from(vec!["8 OR true"]))])),
        (
            "a quote",
            batch(vec![Arc::new(LargeStringArray::from(vec!["7'); --"]))]),
        ),
        ("a zero byte", batch(vec![Arc::new(StringArray::from(vec!["7\0"]))])),
        (
            "bytes",
            batch(vec![Arc::new(BinaryArray::from(vec![&b"\xff\xfe"[..]]))]),
        ),
        (
            "a large decimal",
            batch(vec![Arc::new(Decimal256Array::from(vec![i256::MAX]))]),
        ),
        (
            "a decimal",
            batch(vec![Arc::new(
                Decimal128Array::from(vec![81]).with_precision_and_scale(10, 1).unwrap(),
            )]),
        ),
        ("no number", batch(vec![Arc::new(Float64Array::from(vec![f64::NAN]))])),
        (
            "a large number",
            batch(vec![Arc::new(Int64Array::from(vec![i64::MAX]))]),
        ),
        (
            "a moment",
            batch(vec![Arc::new(TimestampSecondArray::from(vec![i64::MAX]))]),
        ),
        ("null", batch(vec![Arc::new(NullArray::new(1))])),
        (
            "metadata",
            RecordBatch::try_new(Arc::new(named), vec![eight()]).unwrap(),
        ),
    ] {
        world.recorder.take();
        match run(&mut client, SQL, values).await {
            Ok(counts) => {
                answered += 1;
                assert_eq!(counts, ["0"], "{what}");
            }
            Err(failure) => {
                let state = failure.sqlstate.as_str();
                let clients = ["08P01", "0A000", "42804", "42846", "42601", "42P18"].contains(&state);
                assert!(clients || state.starts_with("22"), "{what}: {failure}");
            }
        }
        world.judge(what, "flight");
        let after = run(&mut client, SQL, batch(vec![Arc::new(Int32Array::from(vec![7]))])).await;
        assert_eq!(after.as_deref(), Ok(&["6000".to_owned()][..]), "after {what}");
    }
    assert!(answered > 0, "nothing is taken at all");
}
