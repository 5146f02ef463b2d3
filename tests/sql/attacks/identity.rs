//! A33: no setting makes anybody somebody else.

use tokio_postgres::NoTls;

use system_tests::attack_tables::Twin;

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn settings_change_no_right() {
    let world = World::open(Twin::First).await;
    let statements = [
        "SET user.id = 8",
        "SET ROLE root",
        "SET ROLE dave",
        "SET SESSION AUTHORIZATION root",
        "SET SESSION AUTHORIZATION dave",
        "SELECT set_config('user.id', '8', false)",
        "SELECT set_config('role', 'root', false)",
        "SET application_name = 'root'",
        "SET search_path = vault, rides",
        "SET search_path = other, rides",
        "SET row_security = off",
        "SET datafusion.optimizer.enable_dynamic_filter_pushdown = true",
        "SET datafusion.execution.parquet.pushdown_filters = true",
        "SET datafusion.optimizer.max_passes = 0",
        "RESET ALL",
        "DISCARD ALL",
    ];
    for door in &mut world.doors("dora").await {
        for sql in statements {
            let (answer, _) = world.ask(&mut **door, sql).await;
            if sql.starts_with("SET datafusion") {
                assert_eq!(answer.expect_err(sql).sqlstate, "42704", "{sql}");
            }
            let (count, _) = world
                .ask(
                    &mut **door,
                    "SELECT count(*), min(driver_id), current_user FROM rides.trips",
                )
                .await;
            assert_eq!(count.unwrap().lines(), ["6000|7|dora"], "after {sql}");
            let (keys, _) = world.ask(&mut **door, "SELECT * FROM keys").await;
            assert_eq!(keys.expect_err(sql).sqlstate, "42P01");
            let (_, _) = world
                .ask(&mut **door, "SELECT * FROM trips WHERE CAST(region AS INT) > 0")
                .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn start_up_options_change_no_right() {
    let world = World::open(Twin::First).await;
    for options in [
        "-c user.id=8 -c role=root",
        "-c role=dave",
        "-c session_authorization=root",
        "-c is_superuser=on",
    ] {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(world.recorder.address.port())
            .user("dora")
            .options(options);
        let Ok((client, connection)) = config.connect(NoTls).await else {
            continue;
        };
        tokio::spawn(connection);
        let row = client
            .query_one("SELECT count(*) FROM rides.trips WHERE driver_id = 7", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(0), 6000, "{options}");
        let row = client.query_one("SELECT count(*) FROM rides.trips", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 6000, "{options}");
    }
}

/// The other driver sees the other trips, in the same breath.
#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_cross_users() {
    let world = World::open(Twin::First).await;
    let mut counts = Vec::new();
    for user in ["dora", "dave", "dora", "ana", "root"] {
        for door in &mut world.doors(user).await {
            counts.extend(door.run("SELECT count(*) FROM trips").await.unwrap().lines());
        }
    }
    let expected = ["6000", "3000", "6000", "6000", "10000"]
        .iter()
        .flat_map(|count| [*count; 5]);
    assert_eq!(counts, expected.collect::<Vec<_>>());
}
