//! Tables of Spark beside tables from files, and the rules over both.

use engine::Engine;
use lakegate::demo::DEMO_RULES;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;

use crate::twofold::{Agreement, Tables, Twofold, Way, compare};
use crate::world::{Access, World};

const LOGISTICS: [&str; 4] = ["drivers", "riders", "shipments", "trips"];

/// The demo's users; `erin` is a driver beside dana.
const USERS: &str = r#"
[[access.user]]
name = "dana"
roles = ["driver"]
attributes = { id = "17", region = "north" }
[[access.user]]
name = "erin"
roles = ["driver"]
attributes = { id = "18", region = "south" }
[[access.user]]
name = "ana"
roles = ["analyst"]
[[access.user]]
name = "pat"
roles = ["partner"]
[[access.user]]
name = "root"
administrator = true
"#;

/// The demo's rules, over the tables at Spark and over the same tables as files.
fn rules() -> String {
    let lines = DEMO_RULES.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let for_both = text.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    let mut rules = String::new();
    for statement in for_both {
        match statement.contains("samples.") {
            true => {
                for catalog in ["spark.", "lake."] {
                    rules += &format!("{};\n", statement.replace("samples.", catalog));
                }
            }
            false => rules += &format!("{statement};\n"),
        }
    }
    rules
}

/// A gateway for the demo's users, under its rules.
pub(crate) fn under_rules(world: &World) -> Engine {
    world.gateway(Some(Access {
        rules: &rules(),
        users: USERS,
    }))
}

/// What users ask of the tables that rules are about.
const QUESTIONS: [&str; 17] = [
    "SELECT * FROM trips",
    "SELECT * FROM drivers",
    "SELECT * FROM riders",
    "SELECT * FROM shipments",
    "SELECT count(*) FROM trips",
    "SELECT driver_id, count(*), min(trip_id), max(trip_id) FROM trips GROUP BY driver_id",
    "SELECT DISTINCT region FROM riders",
    "SELECT t.trip_id, r.rider_name FROM trips AS t JOIN riders AS r ON r.rider_id = t.rider_id",
    "SELECT s.status, count(*) FROM shipments AS s GROUP BY s.status HAVING count(*) > 1",
    "SELECT d.driver_id FROM drivers AS d WHERE EXISTS (SELECT 1 FROM trips AS t WHERE t.driver_id = d.driver_id)",
    "SELECT trip_id FROM trips ORDER BY trip_id DESC LIMIT 3",
    "SELECT card_number FROM riders",
    "SELECT rider_id FROM riders WHERE card_number LIKE '4%'",
    "SELECT max(card_number), min(card_number) FROM riders",
    "SELECT 1 / (driver_id - 18) FROM trips",
    "SELECT trip_id FROM trips WHERE 1 / (driver_id - 19) >= 0",
    "SELECT rider_id FROM riders WHERE CAST(rider_name AS int) = 1",
];

/// Rows and errors, for each user, are those of the tables that are read here, where rules were tried by attacks.
#[tokio::test(flavor = "multi_thread")]
async fn rules_hold_at_spark_as_here() {
    let Some(world) = World::shared().await else { return };
    let engine = under_rules(world);
    let tables = Tables::of("lake", "logistics", &LOGISTICS);
    let mut wrong = Vec::new();
    let mut passed = 0;
    for user in ["dana", "erin", "ana", "pat", "root"] {
        let mut both = Twofold::open(&engine, user, &tables);
        for question in QUESTIONS {
            match both.agrees(question).await {
                Ok(_) => passed += 1,
                Err(why) => wrong.push(format!("{user}: {why}")),
            }
        }
    }
    println!(
        "scoreboard remote rules (spark): {passed} of {} pass",
        passed + wrong.len()
    );
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n\n"));
}

/// What is sent to Spark for dana names her rule; nothing that it brings is of another driver.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_carries_the_rules() {
    let Some(world) = World::shared().await else { return };
    let engine = under_rules(world);
    let tables = Tables::of("lake", "logistics", &LOGISTICS);
    let mut dana = Twofold::open(&engine, "dana", &tables);
    let sql = "SELECT driver_id, count(*) FROM trips GROUP BY driver_id";
    let plan = dana.explained(sql, Way::Pushed).await;
    assert!(plan.contains("RemoteScanExec"), "{plan}");
    assert!(!plan.contains("WHERE"), "what her rules are is not for her: {plan}");
    let answer = dana.run(sql, Way::Pushed).await.unwrap();
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.rows[0][0].as_deref(), Some("17"));
    let sent = "SELECT remote_sql FROM lakegate.queries WHERE user_name = 'dana' AND remote_sql IS NOT NULL";
    let own = dana.says(sent).await;
    assert_eq!(own, [[Some("(carries access rules)".to_owned())]]);
    let mut root = Twofold::open(&engine, "root", &tables);
    let seen = root.says(sent).await;
    let text = seen[0][0].as_deref().unwrap();
    assert!(text.contains("WHERE") && text.contains("`driver_id`"), "{text}");

    let mut ana = Twofold::open(&engine, "ana", &tables);
    let masked = ana.run("SELECT card_number FROM riders", Way::Pushed).await.unwrap();
    assert!(!masked.rows.is_empty());
    for value in masked.rows.iter().flatten().flatten() {
        assert!(value.starts_with("****") && value.len() == 8, "{value}");
    }
    let hidden = dana
        .run("SELECT card_number FROM riders", Way::Pushed)
        .await
        .unwrap_err();
    assert_eq!(hidden.sqlstate, "42703", "{hidden}");
}

/// One text, asked in turns: each user gets the own answer each time, whatever was planned and kept for others.
#[tokio::test(flavor = "multi_thread")]
async fn identities_never_share() {
    let Some(world) = World::shared().await else { return };
    let engine = under_rules(world);
    let tables = Tables::of("lake", "logistics", &LOGISTICS);
    let mut users = ["dana", "erin", "root", "ana"].map(|user| Twofold::open(&engine, user, &tables));
    let sql = "SELECT driver_id, trip_id FROM trips";
    let mut counts = Vec::new();
    for _ in 0..3 {
        for user in &mut users {
            let (there, here) = (user.run(sql, Way::Pushed).await, user.run(sql, Way::Local).await);
            assert_eq!(compare(&there, &here), Ok(Agreement::Rows));
            counts.push(there.unwrap().rows.len());
        }
    }
    let [dana, erin, root, ana] = counts[..4] else {
        panic!("four users")
    };
    assert!(dana > 0 && erin > 0 && root > dana + erin && ana == root, "{counts:?}");
    assert_eq!(counts[..4], counts[4..8]);
    assert_eq!(counts[..4], counts[8..]);
}

/// A part runs at Spark, the rest here; the plan tells what is sent where.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_spark_is_joined_with_files() {
    let Some(world) = World::shared().await else { return };
    let engine = world.gateway(None);
    let mut session = Embedded::open(&engine, "root");
    let query = |nation: &str, customer: &str| {
        format!(
            "SELECT n.n_name, count(*), sum(c.c_acctbal) FROM {nation}.tpch.nation AS n
             JOIN {customer}.tpch.customer AS c ON c.c_nationkey = n.n_nationkey
             WHERE n.n_regionkey = 3 GROUP BY n.n_name"
        )
    };
    let local = session.run(&query("lake", "lake")).await.unwrap();
    assert_eq!(local.rows.len(), 5);
    for (nation, customer) in [("spark", "lake"), ("lake", "spark"), ("spark", "spark")] {
        let mixed = session.run(&query(nation, customer)).await.unwrap();
        assert_eq!(mixed.columns, local.columns);
        assert_eq!(mixed.sorted(), local.sorted(), "{nation} and {customer}");
    }
    let plan = session
        .run(&format!("EXPLAIN {}", query("spark", "lake")))
        .await
        .unwrap();
    let plan = plan.lines().join("\n");
    for part in [
        "RemoteExec",
        "service=spark",
        "route=spark",
        "sql=SELECT",
        "`nation`",
        "n_regionkey",
    ] {
        assert!(plan.contains(part), "{part} in\n{plan}");
    }
    assert!(!plan.contains("`customer`"), "{plan}");
}
