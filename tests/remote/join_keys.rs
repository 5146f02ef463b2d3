//! Joins of a remote table with what is read here: the remote system is sent the keys, and sends only rows that match.

use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;

use crate::joins::under_rules;
use crate::world::World;

/// Joins with `{c}`, a table at Spark, and which of its rows are moved for them; `true` for all.
const JOINS: [(&str, &str); 27] = [
    (
        "SELECT c.id, v.k FROM (VALUES (1), (3)) AS v(k) JOIN {c} AS c ON c.k = v.k",
        "k IN (1, 3)",
    ),
    // The other way round; the small side is collected all the same.
    (
        "SELECT c.id, v.k FROM {c} AS c JOIN (VALUES (1), (3)) AS v(k) ON c.k = v.k",
        "k IN (1, 3)",
    ),
    // One key, none that is there, none at all, and NULL alone.
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (2)) AS v(k) ON c.k = v.k",
        "k = 2",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (77)) AS v(k) ON c.k = v.k",
        "false",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (SELECT k FROM own.public.others WHERE k = 99) AS v ON c.k = v.k",
        "false",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (NULL::int), (NULL)) AS v(k) ON c.k = v.k",
        "false",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (NULL::int), (4)) AS v(k) ON c.k = v.k",
        "k = 4",
    ),
    // Kinds of join: rows that match nothing are wanted of some, and the remote side of an anti join is collected first.
    (
        "SELECT v.k, c.id FROM (VALUES (1), (9)) AS v(k) LEFT JOIN {c} AS c ON c.k = v.k",
        "k IN (1, 9)",
    ),
    (
        "SELECT v.k, c.id FROM {c} AS c RIGHT JOIN (VALUES (1), (9)) AS v(k) ON c.k = v.k",
        "k IN (1, 9)",
    ),
    (
        "SELECT v.k, c.id FROM {c} AS c LEFT JOIN (VALUES (1), (9)) AS v(k) ON c.k = v.k",
        "true",
    ),
    (
        "SELECT v.k, c.id FROM {c} AS c FULL JOIN (VALUES (1), (9)) AS v(k) ON c.k = v.k",
        "true",
    ),
    (
        "SELECT c.id FROM {c} AS c WHERE c.k IN (SELECT o.k FROM own.public.others AS o WHERE o.id = 1)",
        "k IN (SELECT k FROM own.public.others WHERE id = 1)",
    ),
    (
        "SELECT c.id FROM {c} AS c WHERE NOT EXISTS (SELECT 1 FROM own.public.others AS o WHERE o.k = c.k AND o.id = 1)",
        "true",
    ),
    (
        "SELECT v.k FROM (VALUES (1), (9)) AS v(k) WHERE NOT EXISTS (SELECT 1 FROM {c} AS c WHERE c.k = v.k)",
        "true",
    ),
    (
        "SELECT v.k FROM (VALUES (1), (9)) AS v(k) WHERE v.k NOT IN (SELECT c.k FROM {c} AS c WHERE c.k IS NOT NULL)",
        "k IN (1, 9)",
    ),
    // Types: text goes by its bytes, decimals keep their digits, integers may be of two widths, floats are not sent where
    // a zero is among them.
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES ('it''s'), ('x\\y'), ('é'), ('')) AS v(t) ON c.t = v.t",
        "t IN ('it''s', 'x\\y', 'é', '')",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (1.50::numeric(10,2)), (-1.50)) AS v(m) ON c.m = v.m",
        "m IN (1.50, -1.50)",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (DATE '0001-01-01'), (DATE '2024-02-29')) AS v(a) ON c.a = v.a",
        "a IN (DATE '0001-01-01', DATE '2024-02-29')",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (TIMESTAMPTZ '1970-01-01 00:00:00+00')) AS v(z) ON c.z = v.z",
        "z = TIMESTAMPTZ '1970-01-01 00:00:00+00'",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (1), (5)) AS v(l) ON c.l = v.l",
        "l IN (1, 5)",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (42::bigint), (-7::bigint)) AS v(i) ON c.i = v.i",
        "i IN (42, -7)",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES ('NaN'::float8), ((-0.0)::float8), (2.5::float8)) AS v(d) ON c.d = v.d",
        "true",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES ('NaN'::float8), (2.5::float8)) AS v(d) ON c.d = v.d",
        "d IN ('NaN'::float8, 2.5::float8)",
    ),
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (true)) AS v(b) ON c.b = v.b",
        "b",
    ),
    // Two keys: each by itself.
    (
        "SELECT c.id FROM {c} AS c JOIN (VALUES (1, 'a'), (2, 'A')) AS v(k, t) ON c.k = v.k AND c.t = v.t",
        "k IN (1, 2) AND t IN ('a', 'A')",
    ),
    // More keys than are sent one by one: their range.
    (
        "SELECT c.id FROM generate_series(90, 2500) AS g(id) JOIN {c} AS c ON c.id = g.id",
        "id BETWEEN 90 AND 2500",
    ),
    // Two joins over one table, and work between.
    (
        "SELECT x.n, v.k FROM (SELECT upper(t) AS n, k AS key, id FROM {c} WHERE upper(t) <> 'B') AS x
         JOIN (VALUES (1), (2)) AS v(k) ON x.key = v.k JOIN (VALUES (10), (15), (20), (25)) AS w(id) ON x.id = w.id",
        "k IN (1, 2) AND id IN (10, 15, 20, 25)",
    ),
];

/// Rows that the last statement moved, and what it sent.
async fn moved(session: &mut Embedded) -> (String, String) {
    let sql = "SELECT rows_moved, remote_sql FROM lakegate.queries WHERE remote_sql IS NOT NULL OR route <> 'direct'
        ORDER BY started_at DESC, query_id DESC LIMIT 1";
    let row = session.run(sql).await.unwrap().rows.remove(0);
    (row[0].clone().unwrap(), row[1].clone().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_rows_that_match_are_moved() {
    let Some(world) = World::shared().await else { return };
    let mut session = Embedded::open(&world.gateway(None), "root");
    let mut wrong = Vec::new();
    for (join, matching) in JOINS {
        let here = session.run(&join.replace("{c}", "own.public.cases")).await.unwrap();
        let count = format!("SELECT count(*) FROM own.public.cases WHERE {matching}");
        let expected = session.run(&count).await.unwrap().rows[0][0].clone().unwrap();
        // A plan that is kept does as well as a new one.
        for _ in 0..2 {
            let there = match session.run(&join.replace("{c}", "spark.public.cases")).await {
                Ok(there) => there,
                Err(failure) => {
                    wrong.push(format!("{join}: {failure}"));
                    continue;
                }
            };
            let (rows, sent) = moved(&mut session).await;
            if there.sorted() != here.sorted() {
                wrong.push(format!("{join}: {:?} instead of {:?}", there.sorted(), here.sorted()));
            }
            if rows != expected {
                wrong.push(format!("{join}: moved {rows} instead of {expected}: {sent}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The keys stand around what carries the rules, and are those of rows that the user sees.
#[tokio::test(flavor = "multi_thread")]
async fn keys_stay_above_rules_and_come_from_visible_rows() {
    let Some(world) = World::shared().await else { return };
    let engine = under_rules(world);
    let mut dana = Embedded::open(&engine, "dana");
    let mut root = Embedded::open(&engine, "root");

    let join = |trips: &str| {
        format!(
            "SELECT t.trip_id, t.driver_id FROM generate_series(1, 400) AS v(id) JOIN {trips} AS t ON t.trip_id = v.id"
        )
    };
    let here = dana.run(&join("lake.logistics.trips")).await.unwrap();
    let there = dana.run(&join("spark.logistics.trips")).await.unwrap();
    assert_eq!(there.sorted(), here.sorted());
    assert!(!there.rows.is_empty());
    assert!(
        there.rows.iter().all(|row| row[1].as_deref() == Some("17")),
        "{:?}",
        there.rows
    );
    let (rows, sent) = moved(&mut root).await;
    assert_eq!(rows, there.rows.len().to_string(), "{sent}");
    let rule = sent.find("`driver_id`").and_then(|_| sent.find("WHERE")).unwrap();
    let keys = sent.rfind(" IN (").unwrap();
    assert!(rule < keys && sent.matches("WHERE").count() == 2, "{sent}");
    assert!(!sent[..keys].contains(" IN ("), "{sent}");

    // Here the keys are those of trips that dana sees; which riders she sees is a rule of its own, before them.
    let sql =
        "SELECT r.rider_id FROM lake.logistics.trips AS t JOIN spark.logistics.riders AS r ON r.rider_id = t.rider_id";
    let own = "SELECT count(DISTINCT rider_id) FROM lake.logistics.trips WHERE rider_id IS NOT NULL";
    let expected = dana.run(own).await.unwrap().rows[0][0].clone().unwrap();
    let all = root.run(own).await.unwrap().rows[0][0].clone().unwrap();
    assert_ne!(expected, all);
    let plan = dana
        .run(&format!("EXPLAIN ANALYZE {sql}"))
        .await
        .unwrap()
        .lines()
        .join("\n");
    let (_, sent) = moved(&mut root).await;
    let keys = &sent[sent.rfind(" IN (").unwrap_or_else(|| panic!("{sent}\n{plan}"))..];
    assert_eq!(keys.matches(":p").count().to_string(), expected, "{sent}\n{plan}");
}
