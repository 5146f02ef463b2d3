//! `SET lakegate.pushdown`: what brings many rows for work that is done here is refused, or told.

use system_tests::transport::{Failure, Transport};
use system_tests::transport_embedded::Embedded;

use crate::joins::under_rules;
use crate::world::World;

/// Statements whose work is done here over more rows than ten, and what keeps it here.
const KEPT: [(&str, &str); 8] = [
    (
        "SELECT upper(t), count(*) FROM spark.public.cases GROUP BY upper(t)",
        "the function upper",
    ),
    ("SELECT DISTINCT upper(t) FROM spark.public.cases", "the function upper"),
    ("SELECT id FROM spark.public.cases ORDER BY t, id", "a sort of all rows"),
    (
        "SELECT id FROM spark.public.cases ORDER BY upper(t) LIMIT 3",
        "the function upper",
    ),
    (
        "SELECT count(*) FROM spark.public.cases AS c JOIN own.public.others AS o ON c.d = o.d",
        "other tables take part",
    ),
    (
        "SELECT count(*) FROM spark.public.cases AS c JOIN spark.public.others AS o ON c.id > o.id",
        "a join without equal keys",
    ),
    (
        "SELECT id, rank() OVER (ORDER BY d) FROM spark.public.cases",
        "the order of double",
    ),
    (
        "SELECT x.n FROM (SELECT lower(t) AS n, k FROM spark.public.cases) AS x
         JOIN spark.public.others AS o ON x.k = o.k",
        "the function lower",
    ),
];

/// What is done there, hands on its rows, or brings few.
const FINE: [&str; 8] = [
    "SELECT t, count(*) FROM spark.public.cases GROUP BY t",
    "SELECT upper(t) FROM spark.public.cases",
    "SELECT id FROM spark.public.cases ORDER BY t, id LIMIT 40",
    "SELECT upper(t), count(*) FROM spark.public.cases WHERE id < 10 GROUP BY upper(t)",
    "SELECT max(upper(x.t)) FROM (SELECT t FROM spark.public.cases LIMIT 7) AS x",
    "SELECT upper(t), count(*) FROM own.public.cases GROUP BY upper(t)",
    "SELECT c.id FROM (VALUES (3), (5)) AS v(id) JOIN spark.public.cases AS c ON c.id = v.id",
    "SELECT id FROM spark.public.cases WHERE k >= (SELECT max(k) FROM spark.public.others)",
];

async fn set(session: &mut Embedded, mode: &str, rows: usize) {
    for sql in [
        format!("SET lakegate.pushdown = '{mode}'"),
        format!("SET lakegate.pushdown_rows = {rows}"),
    ] {
        session.run(&sql).await.unwrap();
    }
}

fn assert_refused(failure: &Failure, why: &str, sql: &str) {
    assert_eq!(failure.sqlstate, "54000", "{sql}: {failure}");
    let hint = failure.more.join(" ");
    assert!(hint.contains(&format!("What keeps it here is {why}.")), "{sql}: {hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_refuses_and_names_what_keeps_the_work_here() {
    let Some(world) = World::shared().await else { return };
    let mut session = Embedded::open(&world.gateway(None), "root");
    set(&mut session, "strict", 10).await;
    for (sql, why) in KEPT {
        let failure = session.run(sql).await.unwrap_err();
        assert_refused(&failure, why, sql);
        let plan = session.run(&format!("EXPLAIN {sql}")).await.unwrap().lines().join("\n");
        let told = format!("over rows of spark, because of {why}");
        assert!(plan.contains("Kept here: ") && plan.contains(&told), "{plan}");
        // A kept plan is counted anew each time.
        set(&mut session, "strict", 100_000).await;
        session.run(sql).await.unwrap();
        session.run(sql).await.unwrap();
        set(&mut session, "strict", 10).await;
    }
    for sql in FINE {
        if let Err(failure) = session.run(sql).await {
            panic!("{sql}: {failure} {:?}", failure.more);
        }
    }
    assert!(session.notices().is_empty());
    // Prepared before, refused now: the setting is part of what a plan is kept under.
    set(&mut session, "auto", 10).await;
    let sql = KEPT[0].0;
    session.run(&format!("PREPARE kept AS {sql}")).await.unwrap();
    session.run("EXECUTE kept").await.unwrap();
    set(&mut session, "strict", 10).await;
    assert_refused(
        &session.run("EXECUTE kept").await.unwrap_err(),
        KEPT[0].1,
        "EXECUTE kept",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_says_the_same_beside_the_answer() {
    let Some(world) = World::shared().await else { return };
    let mut session = Embedded::open(&world.gateway(None), "root");
    for (sql, why) in KEPT {
        set(&mut session, "auto", 10).await;
        let answer = session.run(sql).await.unwrap();
        assert!(session.notices().is_empty(), "{sql}");
        set(&mut session, "warn", 10).await;
        assert_eq!(session.run(sql).await.unwrap().sorted(), answer.sorted(), "{sql}");
        let notices = session.notices();
        assert!(!notices.is_empty(), "{sql}");
        let hint = notices[0].hint().unwrap_or_default();
        assert!(hint.contains(why), "{sql}: {hint}");
        set(&mut session, "warn", 100_000).await;
        session.run(sql).await.unwrap();
        assert!(session.notices().is_empty(), "{sql}");
    }
    for sql in FINE {
        set(&mut session, "warn", 10).await;
        session.run(sql).await.unwrap();
        assert!(session.notices().is_empty(), "{sql}");
    }
}

/// Under rules only visible rows count, so that the limit tells nothing of others.
#[tokio::test(flavor = "multi_thread")]
async fn hidden_rows_do_not_count() {
    let Some(world) = World::shared().await else { return };
    let engine = under_rules(world);
    let mut dana = Embedded::open(&engine, "dana");
    let sql = "SELECT upper(status), count(*) FROM spark.logistics.trips GROUP BY upper(status)";
    let visible = dana
        .run("SELECT trip_id FROM spark.logistics.trips")
        .await
        .unwrap()
        .rows
        .len();
    let mut root = Embedded::open(&engine, "root");
    let all = root
        .run("SELECT trip_id FROM spark.logistics.trips")
        .await
        .unwrap()
        .rows
        .len();
    assert!(0 < visible && visible < all, "{visible} of {all}");
    set(&mut dana, "strict", visible).await;
    dana.run(sql).await.unwrap();
    set(&mut root, "strict", visible).await;
    assert_refused(&root.run(sql).await.unwrap_err(), "the function upper", sql);
    set(&mut dana, "strict", visible - 1).await;
    assert_refused(&dana.run(sql).await.unwrap_err(), "the function upper", sql);
}
