//! Trap 14: statements whose plan holds no scan that rules could be put on.

use std::sync::Arc;

use arrow::array::{Int32Array, RecordBatch};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;

use system_tests::attack_statements::REFUSALS;
use system_tests::attack_tables::{Twin, access};

use super::world::World;

/// In the plain crate none of them has a scan of the table that it is about.
#[tokio::test]
async fn the_plain_plans_hold_no_scan() {
    let context = SessionContext::new();
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(vec![1])) as _)]).unwrap();
    context.register_batch("keys", batch).unwrap();
    context.sql("PREPARE p AS SELECT * FROM keys").await.unwrap();
    for sql in [
        "DESCRIBE keys",
        "DESCRIBE SELECT * FROM keys",
        "TRUNCATE TABLE keys",
        "INSERT INTO keys VALUES (2)",
        "EXECUTE p",
    ] {
        let plan = context.state().create_logical_plan(sql).await.unwrap();
        let mut scans = 0;
        plan.apply_with_subqueries(|node| {
            scans += usize::from(matches!(node, LogicalPlan::TableScan(_)));
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
        assert_eq!(scans, 0, "the trap is mended: {sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_scan_is_refused_and_tells_nothing() {
    let world = World::open(Twin::First).await;
    for user in ["dora", "nob", "root"] {
        for door in &mut world.doors(user).await {
            for sql in [
                "DESCRIBE trips",
                "DESC trips",
                "DESCRIBE vault.keys",
                "DESCRIBE SELECT * FROM trips",
                "DESCRIBE SELECT * FROM vault.keys",
                "TRUNCATE trips",
                "TRUNCATE TABLE vault.keys",
                "INSERT INTO vault.keys VALUES (3, 'x')",
                "INSERT INTO trips SELECT * FROM trips",
                "INSERT INTO trips (trip_id) SELECT key_id FROM vault.keys",
                "INSERT INTO vault.keys DEFAULT VALUES RETURNING *",
                "COPY vault.keys FROM STDIN",
                "EXECUTE nothing",
                "CREATE TABLE x AS TABLE trips",
                "CREATE VIEW x AS SELECT * FROM trips",
                "SELECT * INTO x FROM trips",
                "MERGE INTO trips t USING vault.keys k ON t.trip_id = k.key_id WHEN MATCHED THEN DELETE",
            ] {
                let answer = if user == "root" {
                    door.run(sql).await
                } else {
                    world.ask(&mut **door, sql).await.0
                };
                let failure = answer.expect_err(sql);
                let known = REFUSALS.contains(&&*failure.sqlstate) || ["25006", "26000"].contains(&&*failure.sqlstate);
                assert!(known, "{user} {sql} ({}): {failure}", door.name());
            }
        }
    }
    for door in &mut world.doors("root").await {
        for (sql, rows) in [
            ("SELECT count(*) FROM trips", "10000"),
            ("SELECT count(*) FROM vault.keys", "2"),
        ] {
            assert_eq!(door.run(sql).await.unwrap().lines(), [rows], "{sql}");
        }
    }
}

/// What is withheld and what is not there cannot be told apart by them.
#[tokio::test(flavor = "multi_thread")]
async fn they_do_not_tell_hidden_from_absent() {
    let world = World::open(Twin::First).await;
    for door in &mut world.doors("dora").await {
        for frame in [
            "DESCRIBE vault.@",
            "TRUNCATE vault.@",
            "INSERT INTO vault.@ VALUES (1, 'a')",
            "INSERT INTO trips SELECT * FROM vault.@",
            "DELETE FROM vault.@",
            "PREPARE p AS SELECT * FROM vault.@",
            "EXPLAIN SELECT * FROM vault.@",
            "DECLARE c CURSOR FOR SELECT * FROM vault.@",
            "LOCK TABLE vault.@",
        ] {
            let mut told = Vec::new();
            for table in ["keys", "nope"] {
                let sql = frame.replace('@', table);
                if door.keeps_session() {
                    door.run("BEGIN").await.unwrap();
                }
                let (answer, _) = world.ask(&mut **door, &sql).await;
                let answer = answer.map(|answer| answer.lines());
                told.push(format!("{answer:?}").replace(table, "…"));
                if door.keeps_session() {
                    door.run("ROLLBACK").await.unwrap();
                    let _ = door.run("DEALLOCATE ALL").await;
                }
            }
            assert_eq!(told[0], told[1], "{frame} ({})", door.name());
        }
    }
}

/// A prepared statement has the rules of when it is executed, at every door, and never those of whom it was kept for.
#[tokio::test(flavor = "multi_thread")]
async fn execute_goes_by_the_rules_of_now() {
    const SQL: &str = "SELECT count(*), min(driver_id), max(card_number) FROM trips";
    let world = World::open(Twin::First).await;
    let (mut dora, mut dave) = (world.doors("dora").await, world.doors("dave").await);
    for doors in [&mut dora, &mut dave] {
        doors.retain(|door| door.keeps_session());
    }
    for (door, rows) in dora.iter_mut().map(|door| (door, "6000|7|****9995")) {
        door.run(&format!("PREPARE p AS {SQL}")).await.unwrap();
        assert_eq!(world.ask(&mut **door, "EXECUTE p").await.0.unwrap().lines(), [rows]);
    }
    for door in &mut dave {
        assert_eq!(door.run("EXECUTE p").await.unwrap_err().sqlstate, "26000");
        door.run(&format!("PREPARE p AS {SQL}")).await.unwrap();
        assert_eq!(door.run("EXECUTE p").await.unwrap().lines()[0][..7], *"3000|8|");
    }
    let mut config = world.server.config();
    let (client, connection) = config.user("dora").connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let prepared = client.prepare(SQL).await.unwrap();

    let fewer = "CREATE POLICY few ON lake.rides.trips AS RESTRICTIVE TO driver USING (trip_id < 10);";
    world.server.engine.reload_access(access(fewer));
    for door in &mut dora {
        assert_eq!(
            world.ask(&mut **door, "EXECUTE p").await.0.unwrap().lines(),
            ["6|7|****0005"]
        );
    }
    let row = client.query_one(&prepared, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(2)), (6, "****0005"));

    world
        .server
        .engine
        .reload_access(access("REVOKE SELECT ON lake.rides.trips FROM driver, analyst;"));
    for door in &mut dora {
        let (answer, _) = world.ask(&mut **door, "EXECUTE p").await;
        assert_eq!(answer.unwrap_err().sqlstate, "42P01", "{}", door.name());
    }
    let error = client.query(&prepared, &[]).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.code()), Some("42P01"));
}
