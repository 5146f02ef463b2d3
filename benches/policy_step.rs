//! What access rules cost a statement while it is planned, and how that grows with their number.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use contract::{Identity, TableName};
use criterion::{BenchmarkId, Criterion, criterion_group};
use datafusion::catalog::{
    CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use policy::{
    ExecutablePlan, PresentedTable, RuleScope, Rules, Stamp, TableAccess, authorize, guarded_physical_rules, harden,
    parse_rules,
};
use tokio::runtime::Runtime;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const SQL: &str = "SELECT region, count(*), max(card) FROM trips WHERE fare > 10 GROUP BY region ORDER BY region";
const COUNTS: [usize; 3] = [10, 100, 1000];
const ROWS: i64 = 100;
const STACK_BYTES: usize = 64 << 20;

/// A role that sees `trips` through a filter and a mask.
const FILTER_AND_MASK: &str = "CREATE ROLE driver;
GRANT SELECT ON lake.rides.trips TO driver;
CREATE POLICY own ON lake.rides.trips FOR SELECT TO driver USING (driver = user_attribute('id')::bigint);
CREATE MASK card ON lake.rides.trips (card) TO driver USING ('****' || right(card, 4));
";

/// [`FILTER_AND_MASK`] and `count` policies more, on other tables or on the one that is read.
fn many_rules(count: usize, elsewhere: bool) -> Outcome<Rules> {
    let mut text = FILTER_AND_MASK.to_owned();
    for index in 0..count {
        let table = if elsewhere {
            format!("other_{index}")
        } else {
            "trips".to_owned()
        };
        text += &format!(
            "CREATE POLICY more_{index} ON lake.rides.{table} FOR SELECT TO driver USING (driver = {index} AND fare < {index});\n"
        );
    }
    rules(text)
}

fn rules(text: String) -> Outcome<Rules> {
    parse_rules(&[("bench.sql".to_owned(), text)]).map_err(|error| error.to_string().into())
}

/// The table without rules, and who reads it.
struct World {
    name: TableName,
    raw: HashMap<TableName, Arc<dyn TableProvider>>,
    identity: Identity,
}

impl World {
    fn new() -> Outcome<Self> {
        let number = |step: i64| Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row * step))) as ArrayRef;
        let text = |prefix: &str| {
            let values = (0..ROWS).map(|row| format!("{prefix}{}", row % 10));
            Arc::new(StringArray::from_iter_values(values)) as ArrayRef
        };
        let trips = RecordBatch::try_from_iter([
            ("trip", number(1)),
            ("driver", number(3)),
            ("fare", number(7)),
            ("region", text("region ")),
            ("card", text("411122223333444")),
        ])?;
        let name = TableName::new("lake", "rides", "trips");
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(trips.schema(), vec![vec![trips]])?);
        Ok(Self {
            raw: HashMap::from([(name.clone(), table)]),
            name,
            identity: Identity::builder("dora").role("driver").attribute("id", "7").build(),
        })
    }

    fn table(&self) -> Outcome<Arc<dyn TableProvider>> {
        self.raw
            .get(&self.name)
            .map(Arc::clone)
            .ok_or_else(|| "no table".into())
    }

    /// The table as the identity sees it: what is kept between statements until rules or table change.
    fn presented(&self, rules: &Rules, state: &SessionState) -> Outcome<Arc<dyn TableProvider>> {
        let stamp = Stamp::new(&self.identity, rules.version());
        match rules.table_access(&self.identity, &self.name) {
            TableAccess::Hidden => Err("the table is hidden".into()),
            TableAccess::Full => Ok(PresentedTable::full(self.name.clone(), self.table()?, stamp)),
            TableAccess::Restricted(of_table) => {
                let scope = RuleScope {
                    state,
                    tables: &self.raw,
                };
                let (name, inner) = (self.name.clone(), self.table()?);
                Ok(PresentedTable::restricted(
                    name,
                    inner,
                    &of_table,
                    &self.identity,
                    scope,
                    stamp,
                )?)
            }
        }
    }
}

/// A session in which `trips` is that table; with the engine's options and rules where they are wanted.
fn session(trips: Option<Arc<dyn TableProvider>>, guarded: bool) -> Outcome<SessionState> {
    let mut config = SessionConfig::new().with_default_catalog_and_schema("lake", "rides");
    if guarded {
        harden(config.options_mut());
    }
    let mut builder = SessionStateBuilder::new_with_default_features().with_config(config);
    if guarded {
        let optimizers = builder.physical_optimizers().take().unwrap_or_default().rules;
        builder = builder.with_physical_optimizer_rules(guarded_physical_rules(optimizers));
    }
    let context = SessionContext::new_with_state(builder.build());
    let schema = MemorySchemaProvider::new();
    if let Some(trips) = trips {
        schema.register_table("trips".to_owned(), trips)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema("rides", Arc::new(schema))?;
    context.register_catalog("lake", Arc::new(catalog));
    Ok(context.state())
}

/// Bound, authorized, optimized, verified: from the second step on.
async fn step(state: &SessionState, bound: LogicalPlan, identity: &Identity, version: u64) -> Outcome<ExecutablePlan> {
    let authorized = authorize(bound, identity, version)?;
    let optimized = authorized.optimized(state.optimize(authorized.plan())?)?;
    let planner = state.query_planner();
    let physical = planner.create_physical_plan(optimized.plan(), state).await?;
    Ok(optimized.executable(physical)?)
}

fn bench_step(
    criterion: &mut Criterion,
    id: BenchmarkId,
    runtime: &Runtime,
    world: &World,
    rules: &Rules,
    presented: Arc<dyn TableProvider>,
) -> Outcome<()> {
    let state = session(Some(presented), true)?;
    let bound = runtime.block_on(state.create_logical_plan(SQL))?;
    // The first run tells what is wrong; a bench cannot.
    runtime.block_on(step(&state, bound.clone(), &world.identity, rules.version()))?;
    let mut group = criterion.benchmark_group("policy_step");
    group.bench_function(id, |bencher| {
        bencher.iter(|| runtime.block_on(step(&state, bound.clone(), &world.identity, rules.version())));
    });
    group.finish();
    Ok(())
}

fn measure(criterion: &mut Criterion) -> Outcome<()> {
    let runtime = Runtime::new()?;
    let world = World::new()?;
    let scope = session(None, true)?;

    let plain = session(Some(world.table()?), false)?;
    let bound = runtime.block_on(plain.create_logical_plan(SQL))?;
    criterion.bench_function("policy_step/datafusion", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let optimized = plain.optimize(&bound)?;
                plain.query_planner().create_physical_plan(&optimized, &plain).await
            })
        });
    });

    let none = Rules::none();
    let full = PresentedTable::full(
        world.name.clone(),
        world.table()?,
        Stamp::new(&world.identity, none.version()),
    );
    let id = |name: &str| BenchmarkId::from_parameter(name);
    bench_step(criterion, id("without_rules"), &runtime, &world, &none, full)?;
    let both = rules(FILTER_AND_MASK.to_owned())?;
    let presented = world.presented(&both, &scope)?;
    bench_step(criterion, id("filter_and_mask"), &runtime, &world, &both, presented)?;

    for (place, elsewhere) in [("rules_elsewhere", true), ("rules_of_the_table", false)] {
        for count in COUNTS {
            let many = many_rules(count, elsewhere)?;
            let presented = world.presented(&many, &scope)?;
            bench_step(
                criterion,
                BenchmarkId::new(place, count),
                &runtime,
                &world,
                &many,
                presented,
            )?;
        }
    }
    for (place, elsewhere) in [("rules_elsewhere", true), ("rules_of_the_table", false)] {
        let mut group = criterion.benchmark_group("present_table");
        for count in COUNTS {
            let many = many_rules(count, elsewhere)?;
            group.bench_function(BenchmarkId::new(place, count), |bencher| {
                bencher.iter(|| world.presented(&many, &scope));
            });
        }
        group.finish();
    }
    let mut group = criterion.benchmark_group("parse_rules");
    for count in COUNTS {
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| many_rules(count, true))
        });
    }
    group.finish();
    Ok(())
}

fn policy_step(criterion: &mut Criterion) {
    if let Err(error) = measure(criterion) {
        unreachable!("{error}");
    }
}

criterion_group!(benches, policy_step);

/// On a stack as the server's threads have it: a thousand policies on one table are a deep expression.
fn main() -> std::io::Result<()> {
    let measuring = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        benches();
        Criterion::default().configure_from_args().final_summary();
    })?;
    measuring
        .join()
        .map_err(|_| std::io::Error::other("a measurement failed"))
}
