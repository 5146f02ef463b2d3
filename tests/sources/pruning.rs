//! Predicates over the corpus: pruning must never lose a row, with and without filters pushed into the reader.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;
use contract::{Error, TableVersion};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::logical_expr::{Expr, ident, lit};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::corpus::Corpus;
use crate::reading::{Reader, Rows, session};

/// Their logs state bounds that the files do not keep.
const INVENTED_STATISTICS: [&str; 2] = ["kernel_data/parsed-stats", "delta_rs/issue_1374"];

/// Distinct values tried per column.
const VALUES_MAX: usize = 3;

/// Columns tried per table.
const COLUMNS_MAX: usize = 6;

/// Larger tables would take minutes in a debug build.
const ROWS_MAX: usize = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_predicate_loses_or_invents_rows() {
    let Some(corpus) = Corpus::find() else { return };
    let reader = Reader::new();
    let mut predicates = 0;
    let mut wrong = Vec::new();
    for case in corpus
        .cases
        .iter()
        .filter(|case| !INVENTED_STATISTICS.contains(&case.id().as_str()))
    {
        let Ok(Some(table)) = reader.open(&corpus.table(case), TableVersion::Latest).await else {
            continue;
        };
        let Ok(all) = Rows::of(&session(Arc::clone(&table.provider)), "SELECT * FROM t").await else {
            continue;
        };
        let truth = SessionContext::new();
        let memory = MemTable::try_new(Arc::clone(&all.schema), vec![all.batches.clone()]).unwrap();
        truth.register_table("t", Arc::new(memory)).unwrap();
        if all.count() > ROWS_MAX {
            continue;
        }
        let readers = [false, true].map(|pushdown| reading_session(&table.provider, pushdown));
        for field in all
            .schema
            .fields()
            .iter()
            .take(COLUMNS_MAX)
            .filter(|field| is_comparable(field.data_type()))
        {
            let read = bounds(&readers[0], field.name()).await;
            let expected = bounds(&truth, field.name()).await;
            if read != expected {
                wrong.push(format!(
                    "{} {}: bounds {read:?} instead of {expected:?}",
                    case.id(),
                    field.name()
                ));
            }
        }
        for (at, predicate) in predicates_over(&all).into_iter().enumerate() {
            predicates += 1;
            let pushdown = at % readers.len();
            let read = filtered(&readers[pushdown], &predicate)
                .await
                .map_err(|error| error.to_string());
            let expected = filtered(&truth, &predicate).await.map_err(|error| error.to_string());
            if read != expected {
                let counts = (read.map(|rows| rows.len()), expected.map(|rows| rows.len()));
                wrong.push(format!(
                    "{} WHERE {predicate} (pushdown {pushdown}): {counts:?}",
                    case.id()
                ));
            }
        }
    }
    println!("pruning: {predicates} predicates, {} wrong", wrong.len());
    assert!(predicates > 1_000, "the corpus gave only {predicates} predicates");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_comparable(data_type: &DataType) -> bool {
    !data_type.is_nested() && data_type != &DataType::Null
}

/// Minimum, maximum and count, which may be answered from the log alone.
async fn bounds(ctx: &SessionContext, column: &str) -> Result<Vec<String>, String> {
    let frame = ctx.table("t").await.map_err(|error| error.to_string())?;
    let column = || ident(column);
    let frame = frame.aggregate(vec![], vec![min(column()), max(column()), count(column())]);
    let frame = frame.map_err(|error| error.to_string())?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(Rows { schema, batches }.sorted())
}

fn reading_session(provider: &Arc<dyn TableProvider>, pushdown: bool) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(3);
    config.options_mut().execution.parquet.pushdown_filters = pushdown;
    // So that files are cut into ranges even though they are small.
    config.options_mut().optimizer.repartition_file_min_size = 1;
    let ctx = SessionContext::new_with_config(config);
    ctx.register_table("t", Arc::clone(provider)).unwrap();
    ctx
}

async fn filtered(ctx: &SessionContext, predicate: &Expr) -> Result<Vec<String>, Error> {
    let frame = ctx
        .table("t")
        .await
        .map_err(Error::from)?
        .filter(predicate.clone())
        .map_err(Error::from)?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(Error::from)?;
    Ok(Rows { schema, batches }.sorted())
}

fn predicates_over(all: &Rows) -> Vec<Expr> {
    let mut predicates = Vec::new();
    for (at, field) in all.schema.fields().iter().enumerate() {
        if at >= COLUMNS_MAX || !is_comparable(field.data_type()) {
            continue;
        }
        let column = || ident(field.name());
        predicates.push(column().is_null());
        predicates.push(column().is_not_null());
        let values = distinct(all, at);
        for value in &values {
            predicates.push(column().eq(lit(value.clone())));
            predicates.push(column().gt(lit(value.clone())));
            predicates.push(column().lt_eq(lit(value.clone())));
        }
        if let [first, .., last] = values.as_slice() {
            predicates.push(column().in_list(vec![lit(first.clone()), lit(last.clone())], false));
            predicates.push(column().not_eq(lit(first.clone())));
            predicates.push(!column().between(lit(first.clone()), lit(last.clone())));
        }
    }
    predicates
}

fn distinct(all: &Rows, column: usize) -> Vec<ScalarValue> {
    let rows = all.count();
    let step = (rows / VALUES_MAX).max(1);
    let mut seen = BTreeSet::new();
    let mut values = Vec::new();
    let mut row_of_table = 0;
    for batch in &all.batches {
        for row in 0..batch.num_rows() {
            if row_of_table % step == 0 && values.len() < VALUES_MAX {
                let value = ScalarValue::try_from_array(batch.column(column), row).unwrap();
                if !value.is_null() && seen.insert(value.to_string()) {
                    values.push(value);
                }
            }
            row_of_table += 1;
        }
    }
    values
}
