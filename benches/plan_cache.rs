//! What a statement costs before and around its rows: with its plan in the cache, without, and DataFusion alone.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use criterion::{Criterion, criterion_group, criterion_main};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::collect;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::prelude::{SessionConfig, SessionContext};
use engine::{ClientSession, Engine, EngineOptions, Outcome, PreparedStatement, SessionOptions};
use futures::TryStreamExt;
use system_tests::memory_source::MemorySource;
use tokio::runtime::Runtime;

type Outcomes<T> = Result<T, Box<dyn std::error::Error>>;

/// Rows of the table of the point query: few, so that the scan does not hide the rest.
const ROWS: i64 = 1000;
/// The row that is asked for.
const KEY: i64 = 417;

fn items() -> Outcomes<RecordBatch> {
    let labels = (0..ROWS).map(|id| format!("item {id}"));
    Ok(RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS)) as ArrayRef),
        ("label", Arc::new(StringArray::from_iter_values(labels)) as ArrayRef),
    ])?)
}

/// A statement in its two spellings: with parameters for us, with values for DataFusion, which plans it once.
struct Case {
    name: &'static str,
    sql: &'static str,
    parameters: Vec<ScalarValue>,
    literal: String,
}

fn cases() -> [Case; 2] {
    [
        Case {
            name: "select_1",
            sql: "SELECT 1",
            parameters: Vec::new(),
            literal: "SELECT 1".to_owned(),
        },
        Case {
            name: "point_query",
            sql: "SELECT id, label FROM items WHERE id = $1",
            parameters: vec![ScalarValue::Int64(Some(KEY))],
            literal: format!("SELECT id, label FROM items WHERE id = {KEY}"),
        },
    ]
}

/// What Parse does.
async fn prepare(session: &mut ClientSession, sql: &str) -> Outcomes<Arc<PreparedStatement>> {
    let statement = session.parse(sql)?.pop().ok_or("no statement")?;
    let context = session.query_context();
    Ok(session.prepare(statement, &[], &context).await?)
}

/// What Bind and Execute do, apart from encoding; gives the count of rows.
async fn execute(
    session: &mut ClientSession,
    statement: &Arc<PreparedStatement>,
    parameters: &[ScalarValue],
) -> Outcomes<usize> {
    let context = session.query_context();
    match session.execute(statement, parameters.to_vec(), &context).await? {
        Outcome::Rows { stream, .. } => {
            let batches: Vec<RecordBatch> = stream.try_collect().await?;
            Ok(batches.iter().map(RecordBatch::num_rows).sum())
        }
        other => Err(format!("no rows but {other:?}").into()),
    }
}

fn check(rows: Outcomes<usize>) {
    match rows {
        Ok(1) => {}
        Ok(rows) => unreachable!("one row is there, {rows} came"),
        Err(error) => unreachable!("the statement runs: {error}"),
    }
}

fn bench_case(criterion: &mut Criterion, runtime: &Runtime, case: &Case) -> Outcomes<()> {
    let options = EngineOptions {
        default_schema: "public".to_owned(),
        ..EngineOptions::default()
    };
    let source = MemorySource::new("memory").table("public", "items", vec![items()?]);
    let engine = Engine::builder(options).source(Arc::new(source)).build()?;
    let mut session = engine.open_session(engine.identity("bench")?, SessionOptions::default())?;
    let mut group = criterion.benchmark_group(case.name);

    let prepared = runtime.block_on(prepare(&mut session, case.sql))?;
    group.bench_function("prepared", |bencher| {
        bencher.iter(|| check(runtime.block_on(execute(&mut session, &prepared, &case.parameters))));
    });
    group.bench_function("hit", |bencher| {
        bencher.iter(|| {
            check(runtime.block_on(async {
                let prepared = prepare(&mut session, case.sql).await?;
                execute(&mut session, &prepared, &case.parameters).await
            }));
        });
    });
    // A text that was never seen: the cache knows statements by their text.
    let mut count = 0_u64;
    group.bench_function("miss", |bencher| {
        bencher.iter(|| {
            count += 1;
            let sql = case.sql.replacen("SELECT", &format!("SELECT /* {count} */"), 1);
            check(runtime.block_on(async {
                let prepared = prepare(&mut session, &sql).await?;
                execute(&mut session, &prepared, &case.parameters).await
            }));
        });
    });

    let config = SessionConfig::new().with_default_catalog_and_schema("memory", "public");
    let context = SessionContext::new_with_config(config);
    context.register_batch("items", items()?)?;
    let plan = runtime.block_on(async {
        let planned = context.sql(&case.literal).await?;
        planned.create_physical_plan().await
    })?;
    let rows = |batches: Vec<RecordBatch>| Ok(batches.iter().map(RecordBatch::num_rows).sum());
    group.bench_function("datafusion_execute", |bencher| {
        bencher.iter(|| {
            check(runtime.block_on(async {
                let plan = reset_plan_states(Arc::clone(&plan))?;
                rows(collect(plan, context.task_ctx()).await?)
            }));
        });
    });
    group.bench_function("datafusion_plan_and_execute", |bencher| {
        bencher.iter(|| {
            check(runtime.block_on(async { rows(context.sql(&case.literal).await?.collect().await?) }));
        });
    });
    group.finish();
    Ok(())
}

fn plan_cache(criterion: &mut Criterion) {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => unreachable!("a runtime starts: {error}"),
    };
    for case in cases() {
        if let Err(error) = bench_case(criterion, &runtime, &case) {
            unreachable!("{}: {error}", case.name);
        }
    }
}

criterion_group!(benches, plan_cache);
criterion_main!(benches);
