//! A07, A15, A36: what does not exist and what is withheld look the same; old versions have the same rules.

use system_tests::attack_tables::{Twin, contains};

use super::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn hidden_and_absent_are_one() {
    let world = World::open(Twin::First).await;
    for (user, withheld, absent) in [
        ("dora", "SELECT * FROM vault.keys", "SELECT * FROM vault.nope"),
        ("nob", "SELECT * FROM vault.keys", "SELECT * FROM vault.nope"),
        ("nob", "SELECT * FROM trips", "SELECT * FROM nope"),
        ("ana", "SELECT * FROM drivers", "SELECT * FROM nope"),
        (
            "dora",
            "SELECT count(*) FROM other.rides.trips",
            "SELECT count(*) FROM other.rides.nope",
        ),
        ("dora", "SELECT rider_name FROM trips", "SELECT nope FROM trips"),
        ("dora", "SELECT license_no FROM drivers", "SELECT nope FROM drivers"),
        ("dora", "SELECT 'vault.keys'::regclass", "SELECT 'vault.nope'::regclass"),
        (
            "dora",
            "SELECT to_regclass('vault.keys')",
            "SELECT to_regclass('vault.nope')",
        ),
        (
            "dora",
            "SELECT has_table_privilege('vault.keys', 'select')",
            "SELECT has_table_privilege('vault.nope', 'select')",
        ),
        (
            "dora",
            "EXPLAIN SELECT * FROM trips WHERE driver_id = 8",
            "EXPLAIN SELECT * FROM trips WHERE driver_id = 99",
        ),
    ] {
        for door in &mut world.doors(user).await {
            let said = |answer: Result<system_tests::transport::Answer, system_tests::transport::Failure>| {
                let text = match answer {
                    Ok(answer) => answer.lines().join("\n"),
                    Err(failure) => failure.to_string(),
                };
                [
                    "vault.keys",
                    "vault.nope",
                    "trips",
                    "drivers",
                    "nope",
                    "keys",
                    "rider_name",
                    "license_no",
                    "99",
                    "8",
                ]
                .iter()
                .fold(text, |text, name| text.replace(name, "…"))
            };
            let (one, _) = world.ask(&mut **door, withheld).await;
            let (other, _) = world.ask(&mut **door, absent).await;
            assert_eq!(said(one), said(other), "{user} {withheld}");
        }
    }
}

/// A hint may offer what is visible, never what is not.
#[tokio::test(flavor = "multi_thread")]
async fn hints_name_only_what_is_visible() {
    let world = World::open(Twin::First).await;
    for door in &mut world.doors("dora").await {
        let _ = door.run("SELECT rider_nam FROM trips").await.unwrap_err();
        let bytes = world.recorder.take();
        assert!(!contains(&bytes, "rider_name"), "{}", String::from_utf8_lossy(&bytes));
        let _ = door.run("SELECT * FROM trip WHERE licence_no = 'x'").await.unwrap_err();
        assert!(!contains(&world.recorder.take(), "license_no"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_have_the_same_rules() {
    let world = World::open(Twin::First).await;
    for door in &mut world.doors("dora").await {
        let mut count = 0;
        for sql in [
            "SELECT count(*), count(DISTINCT driver_id) FROM trips VERSION AS OF 0",
            "SELECT count(*), count(DISTINCT driver_id) FROM trips FOR SYSTEM_VERSION AS OF 0",
        ] {
            let (answer, _) = world.ask(&mut **door, sql).await;
            assert_eq!(answer.unwrap().lines(), ["1500|1"], "{sql}");
            count += 1;
        }
        let (answer, _) = world.ask(&mut **door, "SELECT * FROM trips VERSION AS OF 1").await;
        let answer = answer.unwrap();
        assert_eq!((answer.columns.len(), answer.rows.len(), count), (6, 3000, 2));
        for sql in [
            "SELECT rider_name FROM trips VERSION AS OF 0",
            "SELECT * FROM vault.keys VERSION AS OF 0",
            "SELECT * FROM trips@v0",
            "SELECT * FROM table_changes('trips', 0)",
            "SELECT * FROM \"trips$history\"",
            "SELECT _metadata.file_path FROM trips",
            "SELECT _change_type FROM trips",
            "SELECT _commit_version FROM trips",
            "DESCRIBE HISTORY trips",
            "DESCRIBE DETAIL trips",
            "RESTORE TABLE trips TO VERSION AS OF 0",
            "SELECT * FROM trips VERSION AS OF 99",
        ] {
            let (answer, _) = world.ask(&mut **door, sql).await;
            let failure = answer.expect_err(sql);
            assert!(
                ["42601", "42P01", "42703", "42883", "0A000", "42501", "42704", "22023"]
                    .contains(&failure.sqlstate.as_str()),
                "{sql}: {failure}"
            );
        }
    }
}
