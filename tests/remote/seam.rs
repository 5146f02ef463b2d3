//! Statements at the seam `RemoteEngine`, without the rest of the product.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use contract::{Error, Identity, QueryContext, Result};
use datafusion::common::ScalarValue;
use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};
use federation::{RemoteEngine, RemoteStatement};
use futures::TryStreamExt;
use source_spark::{SparkAddress, SparkEngine};

/// The engine of a server.
pub(crate) fn engine(url: &str) -> Arc<dyn RemoteEngine> {
    SparkEngine::new("spark", SparkAddress::parse(url).unwrap())
}

/// Memory without an end.
pub(crate) fn memory() -> Arc<dyn MemoryPool> {
    Arc::new(UnboundedMemoryPool::default())
}

/// A statement without values.
pub(crate) fn sql(text: &str) -> RemoteStatement {
    let mut statement = RemoteStatement::new();
    statement.push(text);
    statement
}

/// A row of these values, in columns `c0`, `c1`, …
pub(crate) fn row_of(values: &[ScalarValue]) -> RemoteStatement {
    let mut statement = sql("SELECT ");
    for (index, value) in values.iter().enumerate() {
        statement.push(if index == 0 { "" } else { ", " });
        statement.push_parameter(value.clone());
        statement.push(&format!(" AS c{index}"));
    }
    statement
}

/// Runs a statement to its end; each batch has the columns that the server described before.
pub(crate) async fn run(engine: &dyn RemoteEngine, statement: RemoteStatement) -> Result<RecordBatch> {
    let ctx = QueryContext::new(Arc::new(Identity::administrator("tests")));
    let described = engine.describe(&statement, &ctx).await?;
    let stream = engine.execute(Arc::new(statement), &memory()).await?;
    let batches: Vec<RecordBatch> = stream.try_collect().await?;
    let schema = batches.first().map_or(Arc::clone(&described), RecordBatch::schema);
    let names = |schema: &arrow::datatypes::Schema| {
        let fields = schema.fields().iter();
        fields.map(|field| field.name().clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&schema), names(&described));
    Ok(concat_batches(&schema, &batches).unwrap())
}

/// The values of the one row that a statement gives, in the types of `like`.
pub(crate) async fn one_row(
    engine: &dyn RemoteEngine,
    statement: RemoteStatement,
    like: &[ScalarValue],
) -> Result<Vec<ScalarValue>> {
    let batch = run(engine, statement).await?;
    assert_eq!((batch.num_rows(), batch.num_columns()), (1, like.len()));
    let columns = batch.columns().iter().zip(like);
    let values = columns.map(|(column, like)| {
        let column = cast(column, &like.data_type()).unwrap();
        ScalarValue::try_from_array(&column, 0).unwrap()
    });
    Ok(values.collect())
}

/// The error of a statement that has to fail.
pub(crate) async fn failure(engine: &dyn RemoteEngine, text: &str) -> Error {
    match run(engine, sql(text)).await {
        Ok(batch) => panic!("{text} gives {} rows", batch.num_rows()),
        Err(error) => error,
    }
}
