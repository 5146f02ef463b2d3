//! What stands between an actor and the data, taken out piece by piece: each time the judges above must notice.

use std::collections::HashMap;
use std::sync::Arc;

use contract::{Identity, QueryContext, TableName, TableVersion};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::config::Dialect;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{LogicalPlanBuilder, col, lit};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use engine::AccessConfig;
use frontend_flight::FlightOptions;
use frontend_rest::RestOptions;
use policy::{BarrierExec, PresentedTable, RuleScope, Stamp, TableAccess, authorize, guarded_physical_rules, harden};
use system_tests::attack_tables::{Twin, access, canaries_in};
use system_tests::flight_server::FlightServer;
use system_tests::memory_source::MemorySource;
use system_tests::transport_flight::Flight;
use system_tests::transport_recorder::Recorder;
use system_tests::transport_rest::{Rest, RestServer};
use system_tests::transport_wire::wire_transports;

use super::world::World;
use crate::lake;

const PROBE: &str = "SELECT count(*) FROM trips WHERE CAST(region AS INT) > 0";

async fn raw_trips(world: &World) -> Arc<dyn TableProvider> {
    let source = lake::catalog("lake", world.folder.path());
    let ctx = QueryContext::new(Arc::new(Identity::administrator("test")));
    let table = source
        .table(&name(), TableVersion::Latest, &ctx)
        .await
        .unwrap()
        .unwrap();
    Arc::clone(&table.provider)
}

fn name() -> TableName {
    TableName::new("lake", "rides", "trips")
}

/// Without the barrier: the row filter as a plain view, as it is usually done.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_barrier_a_canary_is_seen() {
    let world = World::open(Twin::First).await;
    let scan = LogicalPlanBuilder::scan("trips", provider_as_source(raw_trips(&world).await), None).unwrap();
    let filtered = scan.filter(col("driver_id").eq(lit(7_i32))).unwrap().build().unwrap();
    let source = MemorySource::new("lake").provider("rides", "trips", Arc::new(ViewTable::new(filtered, None)));
    let server = lake::serve(vec![Arc::new(source)], "rides", AccessConfig::open()).await;
    let recorder = Recorder::start(server.address).await;
    let flight_server = FlightServer::over(server.engine.clone(), FlightOptions::default()).await;
    let rest_server = RestServer::over(server.engine.clone(), RestOptions::default()).await;
    let flight = recorder.also(flight_server.address).await;
    let rest = recorder.also(rest_server.address).await;
    let mut doors = wire_transports(recorder.address, "dora").await.unwrap();
    doors.push(Box::new(Flight::connect(flight, "dora", Some(recorder.clone())).await));
    doors.push(Box::new(Rest::connect(rest, "lake", "dora").await.recorded(&recorder)));
    for door in &mut doors {
        recorder.take();
        let answer = door.run(PROBE).await;
        let found = canaries_in(&recorder.take(), PROBE);
        assert_eq!(found, ["ZQX8"], "{}: {answer:?}", door.name());
    }
}

/// Without hidden columns: the grant of all columns.
#[tokio::test(flavor = "multi_thread")]
async fn without_column_hiding_a_canary_is_seen() {
    let world = World::with_rules(Twin::First, "GRANT SELECT ON lake.rides.trips TO driver;").await;
    for door in &mut world.doors("dora").await {
        world.recorder.take();
        let answer = door.run("SELECT * FROM trips").await.unwrap();
        assert_eq!(answer.columns.len(), 7);
        assert_eq!(canaries_in(&world.recorder.take(), ""), ["HIDCOL"], "{}", door.name());
    }
}

/// Without the second check: a plan that lost its barrier would run, and would show canaries.
#[tokio::test(flavor = "multi_thread")]
async fn without_verify_a_plan_without_barrier_would_run() {
    let world = World::open(Twin::First).await;
    let raw = raw_trips(&world).await;
    let rules = access("").rules;
    let dora = Identity::builder("dora").role("driver").attribute("id", "7").build();
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema("lake", "rides")
        .with_target_partitions(2);
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    harden(config.options_mut());
    let mut builder = SessionStateBuilder::new_with_default_features().with_config(config);
    let physical = builder.physical_optimizers().take().unwrap_or_default().rules;
    let builder = builder.with_physical_optimizer_rules(guarded_physical_rules(physical));
    let context = SessionContext::new_with_state(builder.build());
    let state = context.state();
    let TableAccess::Restricted(restricted) = rules.table_access(&dora, &name()) else {
        panic!("no rules")
    };
    let tables = HashMap::from([(name(), Arc::clone(&raw))]);
    let scope = RuleScope {
        state: &state,
        tables: &tables,
    };
    let stamp = Stamp::new(&dora, rules.version());
    let presented = PresentedTable::restricted(name(), raw, &restricted, &dora, scope, stamp).unwrap();
    context.register_table("trips", presented).unwrap();
    let state = context.state();
    let plan = state.create_logical_plan("SELECT region FROM trips").await.unwrap();
    let authorized = authorize(plan, &dora, rules.version()).unwrap();
    let optimized = authorized
        .optimized(state.optimize(authorized.plan()).unwrap())
        .unwrap();
    let plan = state
        .query_planner()
        .create_physical_plan(optimized.plan(), &state)
        .await
        .unwrap();
    optimized.executable(Arc::clone(&plan)).expect("the plan as it is runs");
    // The barrier, with the row filter below it, becomes the bare scan.
    let scan = |barrier: &BarrierExec| {
        let mut bare = Arc::clone(barrier.input());
        while let [child] = bare.children()[..] {
            bare = Arc::clone(child);
        }
        bare
    };
    let stripped = Arc::clone(&plan)
        .transform_up(|plan| {
            Ok(match plan.downcast_ref::<BarrierExec>() {
                Some(barrier) => Transformed::yes(Arc::clone(barrier.input())),
                None => Transformed::no(plan),
            })
        })
        .data()
        .unwrap();
    optimized
        .executable(Arc::clone(&stripped))
        .expect_err("a plan without its barrier is refused");
    let mut bare: Option<Arc<dyn ExecutionPlan>> = None;
    plan.apply(|plan| {
        if let Some(barrier) = plan.downcast_ref::<BarrierExec>() {
            bare = Some(scan(barrier));
        }
        Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
    })
    .unwrap();
    let bare = bare.expect("a barrier");
    optimized
        .executable(Arc::clone(&bare))
        .expect_err("a bare scan is refused");
    let batches = collect(bare, context.task_ctx()).await.unwrap();
    let shown = arrow::util::pretty::pretty_format_batches(&batches)
        .unwrap()
        .to_string();
    assert!(
        canaries_in(shown.as_bytes(), "").contains(&"ZQX8"),
        "the bare scan shows hidden rows, which is why it is refused"
    );
}
