use std::collections::HashSet;
use std::sync::Arc;

use contract::{ErrorKind, Identity, Result};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, EmptyRecordBatchStream, ExecutionPlan, PhysicalExpr, PlanProperties,
};

use super::world::{Actor, RULES, Storage, Tables, Twin, ana, bare_context, dora, name, raw_tables, register, rules};
use crate::{AuthorizedPlan, BarrierExec, Rules, Stamp, SystemRows, SystemTable, authorize};

async fn bind(actor: &Actor, sql: &str) -> LogicalPlan {
    actor.context.state().create_logical_plan(sql).await.unwrap()
}

async fn authorized(actor: &Actor, sql: &str) -> Result<AuthorizedPlan> {
    authorize(bind(actor, sql).await, &actor.identity, actor.rules_version)
}

fn cause<T: std::fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    error.causes()
}

async fn raw(storage: Storage) -> (Tables, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (raw_tables(Twin::First, storage, folder.path(), 2).await, folder)
}

#[tokio::test]
async fn naked_scans_are_not_authorized() {
    let (tables, _folder) = raw(Storage::Memory).await;
    let context = bare_context(2, 8192);
    register(&context, &tables);
    let naked = Actor {
        context,
        identity: dora(),
        rules_version: 1,
    };
    for sql in [
        "SELECT 1 FROM trips",
        "SELECT (SELECT max(trip_id) FROM trips)",
        "WITH x AS (SELECT 1 FROM trips) SELECT 1 WHERE EXISTS (SELECT * FROM x)",
        "SELECT 1 WHERE 1 IN (SELECT trip_id FROM trips)",
        "EXPLAIN SELECT 1 FROM trips",
        "SELECT 1 UNION ALL SELECT trip_id FROM trips",
    ] {
        assert!(cause(authorized(&naked, sql).await).contains("not covered"), "{sql}");
    }
    authorized(&naked, "SELECT 1").await.unwrap();
    authorized(&naked, "SELECT * FROM generate_series(1, 3)").await.unwrap();
}

#[tokio::test]
async fn plans_belong_to_an_identity_and_a_rule_version() {
    let (tables, _folder) = raw(Storage::Memory).await;
    let rules = rules(RULES);
    let actor = Actor::new(dora(), &rules, &tables, 2);
    let plan = bind(&actor, "SELECT 1 FROM trips").await;
    authorize(plan.clone(), &dora(), rules.version()).unwrap();
    let dave = Identity::builder("dora").role("driver").attribute("id", "8").build();
    assert!(cause(authorize(plan.clone(), &dave, rules.version())).contains("another identity"));
    assert!(cause(authorize(plan.clone(), &dora(), rules.version() ^ 1)).contains("other rules"));
    assert!(cause(authorize(plan, &Identity::administrator("root"), rules.version())).contains("another identity"));
}

#[tokio::test]
async fn what_writes_or_is_unknown_is_denied() {
    let (tables, _folder) = raw(Storage::Memory).await;
    let root = Actor::new(Identity::administrator("root"), &Rules::none(), &tables, 2);
    for (sql, kind) in [
        ("INSERT INTO riders SELECT * FROM riders", ErrorKind::PermissionDenied),
        ("DELETE FROM riders", ErrorKind::PermissionDenied),
        ("UPDATE riders SET phone = ''", ErrorKind::PermissionDenied),
        ("CREATE TABLE x AS SELECT * FROM trips", ErrorKind::PermissionDenied),
        ("CREATE VIEW x AS SELECT * FROM trips", ErrorKind::PermissionDenied),
        ("DROP TABLE trips", ErrorKind::PermissionDenied),
        ("COPY trips TO '/tmp/x.parquet'", ErrorKind::PermissionDenied),
        ("PREPARE p AS SELECT 1", ErrorKind::Unsupported),
        ("DESCRIBE trips", ErrorKind::Unsupported),
        ("START TRANSACTION", ErrorKind::Unsupported),
        ("SET datafusion.optimizer.max_passes = 1", ErrorKind::Unsupported),
    ] {
        assert_eq!(authorized(&root, sql).await.unwrap_err().kind(), kind, "{sql}");
    }
}

#[tokio::test]
async fn the_second_walk_finds_what_an_optimizer_brought_in() {
    let (tables, _folder) = raw(Storage::Parquet).await;
    let rules = rules(RULES);
    let actor = Actor::new(dora(), &rules, &tables, 2);
    let plan = authorized(&actor, "SELECT trip_id FROM trips").await.unwrap();
    let naked = LogicalPlanBuilder::scan("trips", provider_as_source(Arc::clone(&tables[&name("trips")])), None);
    let naked = naked.unwrap().build().unwrap();
    assert!(cause(plan.optimized(naked.clone())).contains("not covered"));
    // Presented to the same identity, but not read by the plan that was authorized.
    let other = bind(&actor, "SELECT 1 FROM drivers").await;
    assert!(cause(plan.optimized(other)).contains("not authorized"));
    let inside = bind(&actor, "SELECT 1 WHERE 1 IN (SELECT driver_id FROM drivers)").await;
    assert!(cause(plan.optimized(inside)).contains("not authorized"));
    // A filter in the scan that must not cross.
    let mut optimized = actor.context.state().optimize(plan.plan()).unwrap();
    let wrong = bind(&actor, "SELECT trip_id FROM trips WHERE CAST(region AS INT) > 0").await;
    let LogicalPlan::TableScan(scan) = &mut optimized else {
        panic!("{optimized}")
    };
    let LogicalPlan::Filter(filter) = wrong.inputs()[0] else {
        panic!("{wrong}")
    };
    scan.filters.push(filter.predicate.clone());
    assert!(cause(plan.optimized(optimized)).contains("must not cross"));
}

#[tokio::test]
async fn the_second_walk_finds_scans_that_lost_their_barrier() {
    let (tables, _folder) = raw(Storage::Parquet).await;
    let rules = rules(RULES);
    let actor = Actor::new(dora(), &rules, &tables, 2);
    let state = actor.context.state();
    let plan = authorized(&actor, "SELECT trip_id FROM trips").await.unwrap();
    let optimized = plan.optimized(state.optimize(plan.plan()).unwrap()).unwrap();
    let physical = state
        .query_planner()
        .create_physical_plan(optimized.plan(), &state)
        .await
        .unwrap();
    optimized.executable(Arc::clone(&physical)).unwrap();

    let files = tables[&name("trips")].scan(&state, None, &[], None).await.unwrap();
    assert!(cause(optimized.executable(files)).contains("not covered"));
    let barrier = physical.downcast_ref::<crate::BarrierExec>().unwrap();
    assert!(cause(optimized.executable(Arc::clone(barrier.input()))).contains("not covered"));
    let empty: Arc<dyn ExecutionPlan> = Arc::new(EmptyExec::new(physical.schema()));
    assert!(cause(optimized.executable(empty)).contains("lost its barrier"));

    // Two scans need two barriers.
    let twice = authorized(&actor, "SELECT 1 FROM trips a, trips b").await.unwrap();
    let twice = twice.optimized(state.optimize(twice.plan()).unwrap()).unwrap();
    assert!(cause(twice.executable(physical)).contains("lost its barrier"));
}

#[tokio::test]
async fn files_need_an_origin_that_is_admitted() {
    let (tables, _folder) = raw(Storage::Parquet).await;
    let root = Actor::over(&tables, 2);
    let state = root.context.state();
    let plan = authorized(&root, "SELECT driver_id FROM drivers").await.unwrap();
    let optimized = plan.optimized(state.optimize(plan.plan()).unwrap()).unwrap();
    let own = tables[&name("drivers")].scan(&state, None, &[], None).await.unwrap();
    optimized.executable(own).unwrap();
    let other = tables[&name("trips")].scan(&state, None, &[], None).await.unwrap();
    assert!(cause(optimized.executable(other)).contains("not covered"));
    // A catalog view may hold rows, never files.
    let wrapped = SystemTable::wrap(Arc::clone(&tables[&name("trips")]));
    let plan = LogicalPlanBuilder::scan("v", provider_as_source(wrapped), None)
        .unwrap()
        .build()
        .unwrap();
    let plan = authorize(plan, &ana(), 1).unwrap();
    let optimized = plan.optimized(plan.plan().clone()).unwrap();
    let physical = state.create_physical_plan(optimized.plan()).await.unwrap();
    assert!(cause(optimized.executable(physical)).contains("not covered"));
}

/// Rows of a system relation with one column.
#[derive(Debug)]
struct Names(SchemaRef);

impl SystemRows for Names {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn rows_estimated(&self) -> usize {
        0
    }

    fn rows(&self, _: Arc<[usize]>, _: Vec<Arc<dyn PhysicalExpr>>) -> SendableRecordBatchStream {
        Box::pin(EmptyRecordBatchStream::new(Arc::clone(&self.0)))
    }
}

/// A leaf of a kind that nobody has heard of.
#[derive(Debug)]
struct Unheard(Arc<dyn ExecutionPlan>);

impl DisplayAs for Unheard {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SystemScanExec: by name only")
    }
}

impl ExecutionPlan for Unheard {
    fn name(&self) -> &str {
        "SystemScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> datafusion::common::Result<TreeNodeRecursion>,
    ) -> datafusion::common::Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> datafusion::common::Result<SendableRecordBatchStream> {
        self.0.execute(partition, context)
    }
}

/// Rows that are made while a plan runs were chosen for one identity under one version of the rules.
#[tokio::test]
async fn system_scans_are_read_by_whom_they_were_made_for() {
    let (tables, _folder) = raw(Storage::Parquet).await;
    let rules = rules(RULES);
    let dora_sees = Stamp::new(&dora(), rules.version());
    let names = Arc::new(Names(Arc::new(Schema::new(vec![Field::new(
        "name",
        DataType::Utf8,
        true,
    )]))));
    let relation = SystemTable::of_rows("names", names, dora_sees);
    let actor = Actor::new(dora(), &rules, &tables, 2);
    let state = actor.context.state();
    let scan = LogicalPlanBuilder::scan("names", provider_as_source(Arc::clone(&relation)), None);
    let scan = scan.unwrap().build().unwrap();
    let physical = state.create_physical_plan(&scan).await.unwrap();
    let may = |identity: Identity, version: u64, plan: &Arc<dyn ExecutionPlan>| {
        let authorized = authorize(scan.clone(), &identity, version).unwrap();
        let optimized = authorized.optimized(scan.clone()).unwrap();
        optimized.executable(Arc::clone(plan))
    };
    may(dora(), rules.version(), &physical).unwrap();
    for (identity, version) in [
        (ana(), rules.version()),
        (Identity::administrator("root"), rules.version()),
        (dora(), rules.version() ^ 1),
    ] {
        assert!(cause(may(identity, version, &physical)).contains("another identity"));
    }
    // By its kind it is known, not by its name.
    let unheard: Arc<dyn ExecutionPlan> = Arc::new(Unheard(Arc::clone(&physical)));
    assert!(cause(may(dora(), rules.version(), &unheard)).contains("not covered"));

    // It stands for no table, neither in the place of a barrier nor below one.
    let plan = authorized(&actor, "SELECT trip_id FROM trips").await.unwrap();
    let optimized = plan.optimized(state.optimize(plan.plan()).unwrap()).unwrap();
    assert!(cause(optimized.executable(Arc::clone(&physical))).contains("lost its barrier"));
    let reads = Arc::new(HashSet::from([name("trips")]));
    let below: Arc<dyn ExecutionPlan> =
        Arc::new(BarrierExec::new(name("trips"), physical.schema(), physical, 1, reads));
    assert!(cause(optimized.executable(below)).contains("another identity"));
}

#[tokio::test]
async fn parameters_are_authorized_anew() {
    let (tables, _folder) = raw(Storage::Memory).await;
    let rules = rules(RULES);
    let actor = Actor::new(dora(), &rules, &tables, 2);
    let plan = authorized(&actor, "SELECT trip_id FROM trips WHERE trip_id = $1")
        .await
        .unwrap();
    let values = vec![datafusion::common::ScalarValue::from(4i32)].into();
    let filled = plan.with_parameters(&values).unwrap();
    assert!(!format!("{}", filled.plan().display_indent()).contains("$1"));
    assert_eq!(filled.restricted().len(), 1);
}
