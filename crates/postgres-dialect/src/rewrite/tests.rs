use datafusion::sql::sqlparser::ast::Statement;

use crate::{Command, Limits, SessionFacts, display_name, parse, settings_written};

fn query(sql: &str) -> Statement {
    match parse(sql, &Limits::default()).unwrap().remove(0).command {
        Command::Query(statement) => *statement,
        other => panic!("{sql}: {other:?}"),
    }
}

fn rewritten(sql: &str) -> String {
    let mut statement = query(sql);
    super::rewrite(&mut statement, &SessionFacts::new("ana", "lake")).unwrap();
    statement.to_string()
}

#[test]
fn words_that_datafusion_plans() {
    for (sql, expected) in [
        (
            "select pg_catalog.lower(a) from t",
            "SELECT lower(a) AS \"lower\" FROM t",
        ),
        ("select a from pg_class", "SELECT a FROM pg_catalog.pg_class"),
        (
            "with pg_class as (select 1 as a) select a from pg_class",
            "WITH pg_class AS (SELECT 1 AS a) SELECT a FROM pg_class",
        ),
        (
            "select x::regclass::text from t",
            "SELECT lakegate_regclass_text(x) AS \"x\" FROM t",
        ),
        ("select x::oid as o from t", "SELECT lakegate_oid(x) AS o FROM t"),
        ("select a collate \"C\" from t", "SELECT a AS \"a\" FROM t"),
        (
            "select a = any('{1,2}') as b from t",
            "SELECT a = ANY(ARRAY[1, 2]) AS b FROM t",
        ),
        (
            "select a from t where b = any (select c from u)",
            "SELECT a FROM t WHERE b IN (SELECT c FROM u)",
        ),
        (
            "select array(select a from t order by b) as x",
            "SELECT (SELECT array_agg(a ORDER BY b) FROM t) AS x",
        ),
        (
            "select * from current_schema()",
            "SELECT * FROM (SELECT current_schema() AS \"current_schema\") AS \"current_schema\"",
        ),
        ("select current_user", "SELECT current_user() AS \"current_user\""),
        (
            "select * from unnest(array[1]) with ordinality as u(v, n)",
            "SELECT * FROM (SELECT unnest(ARRAY[1]) AS v, CAST(unnest(generate_series(1, array_length(ARRAY[1], 1))) AS \
             BIGINT) AS n) AS u",
        ),
        (
            "select sum(a::bigint), sum(a), max(a::int) from t",
            "SELECT sum(lakegate_told_apart(a::BIGINT, 'BIGINT')) AS \"sum\", sum(a) AS \"sum\u{1}1\", max(a::INT) AS \
             \"max\" FROM t",
        ),
        (
            "select a::date, count(*) from t group by 1, a::timestamp",
            "SELECT lakegate_told_apart(a::DATE, 'DATE') AS \"a\", count(*) AS \"count\" FROM t GROUP BY 1, \
             lakegate_told_apart(a::TIMESTAMP(6), 'TIMESTAMP')",
        ),
        (
            "values (1), ((select 2))",
            "SELECT 1 AS \"column1\" UNION ALL SELECT (SELECT 2 AS \"?column?\") AS \"column1\"",
        ),
        (
            "select a from t where exists (select from u)",
            "SELECT a FROM t WHERE EXISTS (SELECT 1 AS \"?column?\" FROM u)",
        ),
        (
            "select (select d.x from d where d.k = a.k and a.ok) as v from a",
            "SELECT CASE WHEN a.ok THEN (SELECT lakegate_single_value(d.x) FROM d WHERE d.k = a.k) END AS v FROM a",
        ),
    ] {
        assert_eq!(rewritten(sql), expected, "{sql}");
    }
}

#[test]
fn output_names_are_those_of_postgres() {
    for (item, expected) in [
        ("max(a)", "max"),
        ("a::int8", "a"),
        ("1::int8", "int8"),
        ("date '2024-01-01'", "date"),
        ("case when a then 1 else b end", "b"),
        ("case when a then 1 end", "case"),
        ("coalesce(a, 1)", "coalesce"),
        ("a + 1", "?column?"),
        ("true", "bool"),
        ("(select max(a) from t)", "max"),
        ("a[1]", "a"),
        ("extract(year from a)", "extract"),
    ] {
        let text = rewritten(&format!("select {item} from t"));
        assert!(text.contains(&format!("AS \"{expected}\"")), "{item}: {text}");
    }
    assert_eq!(display_name("oid\u{1}0"), "oid");
    assert!(rewritten("select 1, 2").contains("\u{1}1"));
    assert!(!rewritten("select a.x, b.x from a, b").contains('\u{1}'));
}

#[test]
fn what_does_not_exist_is_said() {
    for sql in [
        "select a::nothing from t",
        "select a collate \"xx\" from t",
        "select '{1'::int[]",
    ] {
        let mut statement = query(sql);
        assert!(
            super::rewrite(&mut statement, &SessionFacts::new("ana", "lake")).is_err(),
            "{sql}"
        );
    }
}

#[test]
fn settings_of_set_config_are_found() {
    let written = settings_written(&query(
        "select set_config('TimeZone', 'UTC', false), current_setting('jit') as j",
    ));
    assert_eq!(written, [("timezone".to_owned(), "UTC".to_owned(), false)]);
    assert!(settings_written(&query("select set_config(a, b, true) from t")).is_empty());
}
