//! Hazards 1, 2, 3 and 11, and trap 2: what the usual recipes over the plain crate show to a user, and that our server
//! does not. A plain half that fails tells that an upgrade changed what our guards are for.

use std::cmp::Ordering;
use std::fmt;

use arrow::util::pretty::pretty_format_batches;
use datafusion::common::DFSchemaRef;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore, lit};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

use system_tests::attack_statements::REFUSALS;
use system_tests::attack_tables::{Twin, canaries_in, contains};

use super::world::World;

/// `trips` in the plain crate, cut down by a condition in a view.
async fn plain(world: &World, row_filter: &str) -> SessionContext {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    let path = world.folder.path().join("rides/trips");
    let options = ParquetReadOptions::default();
    context
        .register_parquet("raw", path.to_str().unwrap(), options)
        .await
        .unwrap();
    let visible = context
        .sql(&format!("SELECT * FROM raw WHERE {row_filter}"))
        .await
        .unwrap();
    context.register_table("trips", visible.into_view()).unwrap();
    context
}

/// What the plain crate tells: the rows, or the error.
async fn told(context: &SessionContext, sql: &str) -> Result<String, String> {
    let frame = context.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(pretty_format_batches(&batches).unwrap().to_string())
}

/// Hazards 1 and 2: a user's expression ran on rows that the row filter hides, and its error told their values.
#[tokio::test(flavor = "multi_thread")]
async fn a_users_expression_meets_visible_rows_only() {
    let world = World::open(Twin::First).await;
    for (user, row_filter) in [("dora", "driver_id = 7"), ("ana", "region LIKE '1%'")] {
        let context = plain(&world, row_filter).await;
        for (sql, shown) in [
            ("SELECT count(*) FROM trips WHERE CAST(region AS INT) > 0", "ZQX8"),
            (
                "SELECT count(*) FROM trips WHERE 100 / (driver_id - 8) < 1000",
                "ivide by zero",
            ),
            (
                "SELECT trip_id FROM trips WHERE trip_id >= 0 AND CAST(region AS BIGINT) > 0 ORDER BY trip_id LIMIT 3",
                "ZQX8",
            ),
        ] {
            let error = told(&context, sql).await.expect_err("the hazard is mended");
            assert!(error.contains(shown), "{sql}: {error}");
            for door in &mut world.doors(user).await {
                let (answer, _) = world.ask(&mut **door, sql).await;
                let answer = answer.unwrap_or_else(|failure| panic!("{user} {sql} ({}): {failure}", door.name()));
                match answer.rows.len() {
                    1 => assert_eq!(answer.lines(), ["6000"], "{user} {sql}"),
                    _ => assert_eq!(answer.lines(), ["0", "1", "2"], "{user} {sql}"),
                }
            }
        }
    }
}

/// Hazard 2: the order of conditions is no promise; what seems cheap goes first, and a cast seems cheap.
#[tokio::test(flavor = "multi_thread")]
async fn the_plain_crate_reorders_conditions() {
    let world = World::open(Twin::First).await;
    let context = plain(&world, "region LIKE '%0%1%'").await;
    let plan = told(
        &context,
        "EXPLAIN FORMAT INDENT SELECT count(*) FROM trips WHERE CAST(region AS INT) > 0",
    )
    .await
    .unwrap();
    let filter = plan
        .lines()
        .find(|line| line.contains("FilterExec"))
        .unwrap_or_else(|| panic!("no filter in {plan}"));
    assert!(
        filter.find("CAST").unwrap() < filter.find("LIKE").unwrap(),
        "the hazard is mended: {filter}"
    );
}

/// A node that hands its rows on, as one would write a barrier in a logical plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PlainBarrier(LogicalPlan);

impl PartialOrd for PlainBarrier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

impl UserDefinedLogicalNodeCore for PlainBarrier {
    fn name(&self) -> &str {
        "PlainBarrier"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.0]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.0.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainBarrier")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> datafusion::common::Result<Self> {
        Ok(Self(inputs.remove(0)))
    }
}

/// Trap 2, hazard 3: a condition without a column crosses a node of one's own, and so tells that hidden rows exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_without_a_column_stays_above_the_barrier() {
    let world = World::with_rules(
        Twin::First,
        "GRANT SELECT ON lake.rides.trips TO guest;
         CREATE POLICY nothing ON lake.rides.trips TO guest USING (region LIKE 'zz%');",
    )
    .await;
    for door in &mut world.doors("nob").await {
        for condition in [
            "1 / (SELECT 0) > 0",
            "random() < 2 AND 1 / (SELECT 0) > 0",
            "random() < 2",
        ] {
            let sql = format!("SELECT trip_id FROM trips WHERE {condition}");
            let (answer, _) = world.ask(&mut **door, &sql).await;
            assert_eq!(answer.expect(&sql).rows.len(), 0, "{sql} ({})", door.name());
        }
    }

    let context = plain(&world, "region LIKE 'zz%'").await;
    let visible = context.table("trips").await.unwrap().into_unoptimized_plan();
    let barrier = LogicalPlan::Extension(Extension {
        node: std::sync::Arc::new(PlainBarrier(visible)),
    });
    let random = datafusion::functions::math::expr_fn::random();
    let plan = LogicalPlanBuilder::from(barrier)
        .filter(random.lt(lit(2)))
        .unwrap()
        .build();
    let optimized = context
        .state()
        .optimize(&plan.unwrap())
        .unwrap()
        .display_indent()
        .to_string();
    let (above, below) = optimized
        .split_once("PlainBarrier")
        .unwrap_or_else(|| panic!("no barrier in {optimized}"));
    assert!(
        below.contains("random()") && !above.contains("random()"),
        "the trap is mended: {optimized}"
    );
}

/// A rule that fails on a hidden row says nothing of what it met there.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fails_tells_no_value() {
    let world = World::with_rules(
        Twin::First,
        "CREATE POLICY broken ON lake.rides.riders TO driver USING (email::bigint > 0);",
    )
    .await;
    for door in &mut world.doors("dora").await {
        for sql in ["SELECT * FROM riders", "SELECT count(*) FROM riders WHERE rider_id = 1"] {
            let (answer, _) = world.ask(&mut **door, sql).await;
            answer.expect_err(sql);
        }
    }
    let context = plain(&world, "CAST(region AS INT) > 0").await;
    let error = told(&context, "SELECT * FROM trips").await.unwrap_err();
    assert!(error.contains("ZQX8"), "the plain crate conceals it: {error}");
}

/// Hazard 11: errors listed every column of a table, and statements reached files and settings of the server.
#[tokio::test(flavor = "multi_thread")]
async fn errors_and_statements_reach_nothing_else() {
    let world = World::open(Twin::First).await;
    let context = plain(&world, "driver_id = 7").await;
    let unknown = "SELECT nope FROM trips";
    let error = told(&context, unknown).await.unwrap_err();
    assert!(error.contains("rider_name"), "the hazard is mended: {error}");

    let scratch = tempfile::tempdir().unwrap();
    let secret = scratch.path().join("secret.csv");
    std::fs::write(&secret, "word\nHIDCOL-of-the-server\n").unwrap();
    let secret = secret.to_str().unwrap();
    let written = scratch.path().join("written.csv");
    let statements = [
        format!("COPY (SELECT 1 AS x) TO '{}' STORED AS CSV", written.display()),
        format!("CREATE EXTERNAL TABLE stolen STORED AS CSV LOCATION '{secret}' OPTIONS ('format.has_header' 'true')"),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        format!("COPY (SELECT 1 AS x) TO '{}'", written.display()),
    ];
    for user in ["dora", "root"] {
        for door in &mut world.doors(user).await {
            for sql in &statements {
                let failure = door.run(sql).await.expect_err(sql);
                let known = REFUSALS.contains(&&*failure.sqlstate) || failure.sqlstate == "42704";
                assert!(known, "{user} {sql}: {failure}");
                assert!(!written.exists(), "{sql}");
            }
            for sql in [
                format!("SELECT * FROM '{secret}'"),
                format!("SELECT * FROM \"{secret}\""),
                "SELECT * FROM stolen".to_owned(),
            ] {
                let failure = door.run(&sql).await.expect_err(&sql);
                assert!(REFUSALS.contains(&&*failure.sqlstate), "{user} {sql}: {failure}");
            }
            let settings = door.run("SHOW ALL").await.unwrap().lines();
            assert!(settings.iter().any(|line| line.starts_with("TimeZone")), "{settings:?}");
            assert!(
                !settings.iter().any(|line| line.contains("datafusion.")),
                "{settings:?}"
            );
        }
    }
    world.recorder.take();
    for door in &mut world.doors("dora").await {
        for sql in [
            unknown,
            "SELECT trips.nope FROM trips",
            "SELECT t.rider_nam FROM trips t",
            "SELECT * FROM trips t JOIN drivers d ON t.nope = d.license",
            "SELECT nope(trip_id) FROM trips",
            "SELECT trip_id FROM trips GROUP BY region",
        ] {
            let failure = door.run(sql).await.expect_err(sql);
            let bytes = world.recorder.take();
            for hidden in ["rider_name", "license_no", "Valid fields", "vault"] {
                assert!(!contains(&bytes, hidden), "{sql} tells {hidden}: {failure}");
            }
            assert_eq!(canaries_in(&bytes, sql), [""; 0], "{failure}");
        }
    }
    for sql in &statements[..3] {
        told(&context, sql)
            .await
            .unwrap_or_else(|error| panic!("mended: {sql}: {error}"));
    }
    assert!(written.exists());
    assert!(
        told(&context, "SELECT * FROM stolen")
            .await
            .unwrap()
            .contains("HIDCOL-of-the-server")
    );
}
