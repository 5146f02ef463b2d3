//! What every `RemoteEngine` owes: the same values back, whole answers or errors, and an end when it is dropped.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use contract::{DataException, ErrorKind};
use datafusion::common::ScalarValue;
use federation::RemoteEngine;
use futures::StreamExt;
use system_tests::sail_server::SailServer;

use crate::patience::until;
use crate::random::{Random, number};
use crate::seam::{engine, failure, memory, one_row, row_of, run, sql};
use crate::world::World;

/// How many random texts, byte strings and names each server gets back if `LAKEGATE_REMOTE_VALUES` does not say otherwise.
const RANDOM_VALUES: u64 = 1000;
/// How many of them one statement carries.
const VALUES_IN_STATEMENT: usize = 50;
/// More rows than any server puts into one batch.
const MANY_ROWS: usize = 100_000;

/// Values of every type that statements carry, the ends of the types among them.
fn values() -> Vec<ScalarValue> {
    let utc = || Some(Arc::from("UTC"));
    let mut values = vec![
        ScalarValue::Boolean(Some(true)),
        ScalarValue::Boolean(Some(false)),
        ScalarValue::Int8(Some(i8::MIN)),
        ScalarValue::Int16(Some(i16::MIN)),
        ScalarValue::Int16(Some(i16::MAX)),
        ScalarValue::Int32(Some(i32::MIN)),
        ScalarValue::Int32(Some(i32::MAX)),
        ScalarValue::Int64(Some(i64::MIN)),
        ScalarValue::Int64(Some(i64::MAX)),
        ScalarValue::Decimal128(Some(-150), 10, 2),
        ScalarValue::Decimal128(Some(0), 38, 10),
        ScalarValue::Decimal128(Some(10_i128.pow(38) - 1), 38, 0),
        ScalarValue::Decimal128(Some(1 - 10_i128.pow(38)), 38, 38),
    ];
    let floats = [
        0.0,
        -0.0,
        0.1,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    values.extend(floats.map(|value| ScalarValue::Float64(Some(value))));
    let floats = [
        0.0,
        -0.0,
        0.1,
        f32::MAX,
        1e-45,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    values.extend(floats.map(|value| ScalarValue::Float32(Some(value))));
    let texts = [
        "",
        " ",
        "it's",
        "back\\slash",
        "a\\'b",
        "${x}",
        ":p1 ?",
        "Łódź",
        "e\u{301}",
        "\u{1f600}",
        "\n\t\r",
        "--",
        "\u{feff}",
    ];
    values.extend(texts.map(|text| ScalarValue::Utf8(Some(text.to_owned()))));
    values.push(ScalarValue::Binary(Some(Vec::new())));
    values.push(ScalarValue::Binary(Some((0..=255).collect())));
    // The first and the last day of four digits, and one that only one of two calendars has.
    let days = [0, -1, -719_162, 2_932_896, -141_428, 19_782];
    values.extend(days.map(|days| ScalarValue::Date32(Some(days))));
    let moments = [
        0,
        -1,
        -62_135_596_800_000_000,
        253_402_300_799_999_999,
        1_719_835_200_123_456,
    ];
    values.extend(moments.map(|moment| ScalarValue::TimestampMicrosecond(Some(moment), None)));
    values.extend(moments.map(|moment| ScalarValue::TimestampMicrosecond(Some(moment), utc())));
    let types = values
        .iter()
        .map(ScalarValue::data_type)
        .collect::<std::collections::HashSet<_>>();
    values.extend(types.iter().map(|kind| ScalarValue::try_new_null(kind).unwrap()));
    values
}

pub(crate) async fn values_come_back(engine: &dyn RemoteEngine) {
    let values = values();
    for some in values.chunks(VALUES_IN_STATEMENT) {
        let back = one_row(engine, row_of(some), some).await.unwrap();
        for (back, value) in back.iter().zip(some) {
            // By their bits: -0.0 is another value than 0.0, and NaN is itself.
            assert_eq!(format!("{back:?}"), format!("{value:?}"));
        }
    }
}

/// A value that the server compares with itself is itself, of its own type.
pub(crate) async fn values_equal_themselves(engine: &dyn RemoteEngine) {
    let values = values();
    let mut statement = sql("SELECT ");
    for (index, value) in values.iter().enumerate() {
        statement.push(if index == 0 { "" } else { ", " });
        statement.push_parameter(value.clone());
        statement.push(" <=> ");
        statement.push_parameter(value.clone());
        statement.push(&format!(" AS c{index}"));
    }
    let expected = vec![ScalarValue::Boolean(Some(true)); values.len()];
    let equal = one_row(engine, statement, &expected).await.unwrap();
    for (equal, value) in equal.iter().zip(&values) {
        assert_eq!(*equal, ScalarValue::Boolean(Some(true)), "{value:?}");
    }
}

/// No text, no byte string and no name is taken for SQL, or changed.
pub(crate) async fn random_values_come_back(engine: &dyn RemoteEngine) {
    let mut random = Random::new(20_240_229);
    let values = number("LAKEGATE_REMOTE_VALUES").unwrap_or(RANDOM_VALUES);
    let statements = usize::try_from(values).unwrap().div_ceil(VALUES_IN_STATEMENT);
    for _ in 0..statements {
        let texts = (0..VALUES_IN_STATEMENT).map(|_| ScalarValue::Utf8(Some(random.text(24))));
        let texts = texts.collect::<Vec<_>>();
        assert_eq!(one_row(engine, row_of(&texts), &texts).await.unwrap(), texts);
        let bytes = (0..VALUES_IN_STATEMENT).map(|_| ScalarValue::Binary(Some(random.bytes(24))));
        let bytes = bytes.collect::<Vec<_>>();
        assert_eq!(one_row(engine, row_of(&bytes), &bytes).await.unwrap(), bytes);

        let names = (0..VALUES_IN_STATEMENT).map(|number| format!("{number}{}", random.text(24)));
        let names = names.collect::<Vec<_>>();
        let mut statement = sql("SELECT ");
        for (index, name) in names.iter().enumerate() {
            statement.push(if index == 0 { "1 AS " } else { ", 1 AS " });
            statement.push_identifier(name);
        }
        let batch = run(engine, statement).await.unwrap();
        let fields = batch.schema();
        let back = fields.fields().iter().map(|field| field.name()).collect::<Vec<_>>();
        assert_eq!(back, names.iter().collect::<Vec<_>>());
    }
    let each = statements * VALUES_IN_STATEMENT;
    println!("{each} random texts, byte strings and names each came back as they were");
}

pub(crate) async fn no_rows_are_an_answer(engine: &dyn RemoteEngine) {
    let batch = run(engine, sql("SELECT 1 AS a, 'x' AS b WHERE 1 = 0")).await.unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (0, 2));
}

pub(crate) async fn many_rows_come_whole(engine: &dyn RemoteEngine) {
    let text =
        format!("SELECT id, CAST(id AS STRING) AS s, CASE WHEN id % 3 = 0 THEN id END AS n FROM range({MANY_ROWS})");
    let batch = run(engine, sql(&text)).await.unwrap();
    assert_eq!(batch.num_rows(), MANY_ROWS);
    let mut ids = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
    ids.sort_unstable();
    assert!(ids.iter().zip(0..).all(|(id, expected)| *id == expected));
    assert_eq!(batch.column(2).null_count(), MANY_ROWS - MANY_ROWS.div_ceil(3));
}

pub(crate) async fn what_cannot_run_is_refused(engine: &dyn RemoteEngine) {
    for text in [
        "SELECT * FROM no_such_table",
        "SELECT no_such_column FROM range(1)",
        "SELEC 1",
        "SELECT no_such_function(1)",
    ] {
        let error = failure(engine, text).await;
        assert_eq!(error.kind(), ErrorKind::SourceRejected, "{text}: {error:?}");
        assert!(!error.message().contains("at org.apache"), "{error:?}");
    }
}

async fn arithmetic_raises(engine: &dyn RemoteEngine) {
    use DataException::{DivisionByZero, InvalidTextRepresentation, NumericValueOutOfRange};
    for (text, exception) in [
        (
            "SELECT CAST(id + 2147483647 AS INT) + 1 FROM range(1)",
            NumericValueOutOfRange,
        ),
        (
            "SELECT id + 9223372036854775807 FROM range(1, 2)",
            NumericValueOutOfRange,
        ),
        (
            "SELECT CAST(id + 2147483648 AS INT) FROM range(1)",
            NumericValueOutOfRange,
        ),
        ("SELECT 1 div id FROM range(1)", DivisionByZero),
        ("SELECT 1 % id FROM range(1)", DivisionByZero),
        ("SELECT 1 / id FROM range(1)", DivisionByZero),
        (
            "SELECT CAST(concat('x', id) AS INT) FROM range(1)",
            InvalidTextRepresentation,
        ),
        (
            "SELECT sum(id + 9223372036854775806) FROM range(2)",
            NumericValueOutOfRange,
        ),
    ] {
        let error = failure(engine, text).await;
        assert_eq!(error.kind(), ErrorKind::DataException(exception), "{text}: {error:?}");
    }
}

/// A statement whose first rows come soon and whose last rows would come in half an hour. Spark sends the rows of a part
/// when that part is done, so there are many small ones.
const ENDLESS: &str = "SELECT id, sha2(CAST(id AS STRING), 512) AS digest FROM range(0, 4000000000, 1, 20000)";

async fn first_batch(engine: &dyn RemoteEngine) -> (RecordBatch, federation::RemoteStream) {
    let mut stream = engine.execute(Arc::new(sql(ENDLESS)), &memory()).await.unwrap();
    let batch = stream.next().await.expect("there are rows").unwrap();
    (batch, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_keeps_the_contract() {
    let Some(world) = World::shared().await else { return };
    let engine = engine(&world.spark.url());
    let engine = engine.as_ref();
    values_come_back(engine).await;
    values_equal_themselves(engine).await;
    no_rows_are_an_answer(engine).await;
    many_rows_come_whole(engine).await;
    what_cannot_run_is_refused(engine).await;
    arithmetic_raises(engine).await;
    assert!(engine.capabilities().ansi);
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_takes_nothing_for_sql() {
    let Some(world) = World::shared().await else { return };
    random_values_come_back(engine(&world.spark.url()).as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sail_keeps_the_contract() {
    let Some(server) = SailServer::start().await else {
        return;
    };
    let engine = engine(&server.url());
    let engine = engine.as_ref();
    values_come_back(engine).await;
    values_equal_themselves(engine).await;
    no_rows_are_an_answer(engine).await;
    many_rows_come_whole(engine).await;
    what_cannot_run_is_refused(engine).await;
    // Its integers wrap: nothing that relies on errors may be sent there.
    assert!(!engine.capabilities().ansi);
}

#[tokio::test(flavor = "multi_thread")]
async fn sail_takes_nothing_for_sql() {
    let Some(server) = SailServer::start().await else {
        return;
    };
    random_values_come_back(engine(&server.url()).as_ref()).await;
}

/// With a server of its own, in which nothing else runs.
#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_stream_ends_its_statement() {
    let Some(server) = system_tests::spark_server::SparkServer::start(0).await else {
        return;
    };
    let engine = engine(&server.url());
    let (batch, stream) = first_batch(engine.as_ref()).await;
    assert!(batch.num_rows() > 0);
    until("the statement runs", async || server.running_jobs().await > 0).await;
    drop(stream);
    until("the statement has ended", async || server.running_jobs().await == 0).await;
    // And the session goes on.
    no_rows_are_an_answer(engine.as_ref()).await;
}
