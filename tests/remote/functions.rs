//! Each function and operator that is pushed, by itself, over the ends of the types that it takes: it is pushed, and
//! its answers there are those of here. What a generator meets by luck is met here each time.

use system_tests::data::Expectations;

use crate::differential::EXPECTATIONS;
use crate::edges;
use crate::twofold::{Agreement, Tables, Twofold, Way};
use crate::warehouse_differential::{REFUSED, over};
use crate::workspace::assert_correct;
use crate::world::World;

/// Expressions over every row of `edges AS x`.
const EXPRESSIONS: [(&str, &[&str]); 33] = [
    (
        "bits of integers",
        &[
            "x.s & 7::smallint",
            "x.s # (-1)::smallint",
            "x.i & x.j",
            "x.i | x.j",
            "x.i # x.j",
            "x.l & x.i",
            "x.l | 1",
            "x.l # 9223372036854775807",
        ],
    ),
    ("reverse", &["reverse(x.t)", "reverse(x.t || x.u)"]),
    ("ascii", &["ascii(x.t)", "ascii(x.u)", "ascii(reverse(x.t))"]),
    (
        "bit_length",
        &["bit_length(x.t)", "bit_length(x.u)", "octet_length(x.t)"],
    ),
    ("md5", &["md5(x.t)", "md5(x.u || x.t)"]),
    (
        "lpad",
        &[
            "lpad(x.t, 0)",
            "lpad(x.t, 1)",
            "lpad(x.t, 7)",
            "lpad(x.t, 5, 'é-')",
            "lpad(x.t, 3, '😀')",
            "lpad(x.u, 1000, 'e\u{301}')",
        ],
    ),
    (
        "rpad",
        &[
            "rpad(x.t, 0)",
            "rpad(x.t, 1)",
            "rpad(x.t, 7)",
            "rpad(x.t, 5, 'é-')",
            "rpad(x.t, 3, '😀')",
            "rpad(x.u, 1000, 'e\u{301}')",
        ],
    ),
    (
        "repeat",
        &[
            "repeat(x.t, 0)",
            "repeat(x.t, 1)",
            "repeat(x.t, 3)",
            "repeat(x.u, 1000)",
        ],
    ),
    (
        "concat_ws",
        &[
            "concat_ws('-', x.t, x.u)",
            "concat_ws('é', x.u, 'z', x.t, x.u)",
            "concat_ws(', ', x.t)",
            "concat_ws('\\', x.t, x.u)",
        ],
    ),
    (
        "split_part",
        &[
            "split_part(x.t, ',', 1)",
            "split_part(x.t, ',', 2)",
            "split_part(x.t, ',', 3)",
            "split_part(x.t, ',', 1000)",
            "split_part(x.t, 'aa', 2)",
            "split_part(x.t, 'X', 2)",
            "split_part(x.t, '.', 2)",
            "split_part(x.t, '\\', 2)",
            "split_part(x.t, '[', 1)",
            "split_part(x.t, '|', 1)",
            "split_part(x.t, 'é', 1)",
            "split_part(x.t, '\u{301}', 2)",
            "split_part(x.t, '😀', 2)",
        ],
    ),
    (
        "trim of some characters",
        &[
            "btrim(x.t, 'a')",
            "btrim(x.t, 'abc,')",
            "btrim(x.t, '\\')",
            "btrim(x.t, '''')",
            "btrim(x.t, '%_[]')",
            "btrim(x.t, '😀a')",
            "btrim(x.t, 'e\u{301}')",
            "ltrim(x.t, ' a')",
            "ltrim(x.t, '\u{feff}\u{a0}\u{2003}')",
            "rtrim(x.t, 'é b')",
            "rtrim(x.t, 'c\u{301}')",
        ],
    ),
    (
        "trim of spaces",
        &["trim(x.t)", "ltrim(x.t)", "rtrim(x.t)", "btrim(x.t, ' ')"],
    ),
    (
        "substr",
        &[
            "substr(x.t, -2147483647)",
            "substr(x.t, -3)",
            "substr(x.t, 0)",
            "substr(x.t, 2)",
            "substr(x.t, 2147483647)",
            "substr(x.t, -3, 5)",
            "substr(x.t, -3, 4)",
            "substr(x.t, -3, 3)",
            "substr(x.t, 0, 0)",
            "substr(x.t, 0, 2)",
            "substr(x.t, 2, 0)",
            "substr(x.t, 2, 2147483647)",
        ],
    ),
    (
        "translate",
        &[
            "translate(x.t, 'abc', 'xyz')",
            "translate(x.t, 'abc', 'x')",
            "translate(x.t, 'aab', 'xyz')",
            "translate(x.t, 'a, ', '')",
            "translate(x.t, 'é😀\u{301}', '😀e')",
            "translate(x.t, '\\', '/')",
        ],
    ),
    (
        "starts_with and ends_with",
        &[
            "starts_with(x.t, x.u)",
            "starts_with(x.t, 'a')",
            "ends_with(x.t, x.u)",
            "ends_with(x.t, '\u{301}')",
        ],
    ),
    (
        "regular expressions",
        &[
            "x.t ~ '^a'",
            "x.t ~ 'b|Z'",
            "x.t ~ '[^a-z ]'",
            "x.t ~ '[^a-zA-Z0-9_ ]'",
            "x.t ~ '^[^a]'",
            "x.t ~ 'a[a-z_]*c'",
            "x.t ~ '^ *x'",
            "x.t ~ 'ab?|e'",
            "x.t ~ '[A-Z0-9]+'",
            "x.t ~ 'ab ab'",
            "x.t ~ '_'",
            "x.t !~ '[a-c]'",
            "x.t !~ 'ab'",
        ],
    ),
    (
        "date_trunc",
        &[
            "date_trunc('second', x.p)",
            "date_trunc('minute', x.p)",
            "date_trunc('hour', x.p)",
            "date_trunc('day', x.p)",
            "date_trunc('week', x.p)",
            "date_trunc('month', x.p)",
            "date_trunc('quarter', x.p)",
            "date_trunc('year', x.p)",
            "date_trunc('month', x.a)",
            "date_trunc('week', x.a)",
        ],
    ),
    (
        "parts of dates",
        &[
            "extract(year FROM x.a)",
            "extract(isoyear FROM x.a)",
            "extract(quarter FROM x.a)",
            "extract(month FROM x.a)",
            "extract(week FROM x.a)",
            "extract(day FROM x.a)",
            "extract(doy FROM x.a)",
            "extract(dow FROM x.a)",
            "extract(isodow FROM x.a)",
        ],
    ),
    (
        "parts of times",
        &[
            "extract(isoyear FROM x.p)",
            "extract(isodow FROM x.p)",
            "extract(week FROM x.p)",
            "extract(hour FROM x.p)",
            "extract(minute FROM x.p)",
            "extract(second FROM x.p)",
        ],
    ),
    (
        "dates and days",
        &[
            "x.a + 1",
            "x.a - 1",
            "x.a + 0",
            "x.a + 36525",
            "x.a - 36525",
            "x.a - x.g",
            "x.g - x.a",
        ],
    ),
    (
        "times and intervals",
        &[
            "x.p + interval '1 day'",
            "x.p - interval '1 day'",
            "x.p + interval '1 month'",
            "x.p - interval '13 months'",
            "x.p + interval '90 minutes'",
            "x.p - interval '0.000001 seconds'",
            "x.p + interval '1 month -1 day 00:00:01.5'",
            "x.a + interval '1 month'",
            "x.a - interval '1 hour'",
        ],
    ),
    (
        "decimals as text",
        &[
            "x.m::text",
            "x.w::text",
            "x.n::text",
            "(x.m * x.m)::text",
            "(- x.m)::text",
        ],
    ),
    (
        "casts of integers",
        &[
            "x.s::int",
            "x.i::bigint",
            "x.s::real",
            "x.l::real",
            "x.l::float8",
            "x.i::boolean",
            "x.l::numeric(19,0)",
            "x.i::numeric(14,4)",
            "x.i::text",
        ],
    ),
    ("decimals to integers", &["x.m::int", "x.m::bigint", "x.n::bigint"]),
    (
        "round",
        &[
            "round(x.m)",
            "round(x.m, 1)",
            "round(x.m, 2)",
            "round(x.m, 5)",
            "round(x.w)",
            "round(x.w, 9)",
            "round(x.w, 4)",
            "round(x.n)",
        ],
    ),
    (
        "seconds since 1970",
        &["extract(epoch FROM x.a)", "extract(epoch FROM x.p)"],
    ),
    ("absolute values", &["abs(x.d)", "abs(x.r)", "abs(x.m)", "abs(x.n)"]),
    (
        "comparisons of floating point",
        &[
            "x.d = x.c",
            "x.d <> x.c",
            "x.d < x.c",
            "x.d <= x.c",
            "x.d > x.c",
            "x.d >= x.c",
            "x.d IS DISTINCT FROM x.c",
            "x.d IS NOT DISTINCT FROM x.c",
            "x.r < x.d",
            "x.l = x.d",
            "x.d = 0",
            "x.d < 'NaN'::float8",
            "x.d = 'NaN'::float8",
            "x.d > 'Infinity'::float8",
            "x.r = 0::real",
            "x.r >= 0.1::real",
            "x.r > 0.1",
        ],
    ),
    (
        "ranges of floating point",
        &[
            "x.d BETWEEN 0 AND 2.5",
            "x.d NOT BETWEEN x.c AND 'NaN'::float8",
            "x.r BETWEEN '-Infinity'::real AND 1.5::real",
            "abs(x.d) BETWEEN 0.1 AND 'Infinity'::float8",
        ],
    ),
    (
        "lists of floating point",
        &[
            "x.d IN (2.5, 'NaN'::float8)",
            "x.d IN (2.5, 0.1, 'Infinity'::float8, '-Infinity'::float8, 3.5, 7)",
            "x.d NOT IN (2.5, 0.1, 0.5, NULL)",
            "x.d IN ('NaN'::float8, 0.1, 0.5, 2.5, 3.5)",
        ],
    ),
    (
        "choices of floating point",
        &[
            "CASE WHEN x.d > 1 THEN x.d ELSE x.c END",
            "coalesce(x.d, x.c)",
            "CASE WHEN x.r = x.d THEN 'same' WHEN x.d IS NULL THEN 'none' ELSE 'other' END",
        ],
    ),
    (
        "greatest and least",
        &[
            "greatest(x.i, x.j)",
            "least(x.t, x.u)",
            "greatest(x.a, x.g)",
            "least(x.m, 1.50)",
        ],
    ),
    (
        "order of text",
        &["x.t < x.u", "x.t >= 'b'", "x.t BETWEEN '' AND 'é'", "nullif(x.t, x.u)"],
    ),
];

/// Queries over `edges`, and over `cases` and `others`.
const QUERIES: [(&str, &str); 33] = [
    (
        "bits over groups",
        "SELECT k, bit_and(i), bit_or(i), bit_xor(i), bit_and(l), bit_or(s), bit_xor(s) FROM edges GROUP BY k",
    ),
    (
        "bits over no rows",
        "SELECT bit_and(i), bit_or(i), bit_xor(i) FROM edges WHERE id < 0",
    ),
    (
        "bits in a window",
        "SELECT id, bit_or(s) OVER (PARTITION BY k), bit_and(i) OVER (PARTITION BY b) FROM edges",
    ),
    (
        "percent_rank",
        "SELECT id, percent_rank() OVER (PARTITION BY k ORDER BY m), percent_rank() OVER (ORDER BY t DESC) FROM edges",
    ),
    (
        "cume_dist",
        "SELECT id, cume_dist() OVER (PARTITION BY b ORDER BY a NULLS FIRST), cume_dist() OVER (ORDER BY s) FROM edges",
    ),
    (
        "percent_rank of one row",
        "SELECT id, percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM edges WHERE id = 5",
    ),
    (
        "nth_value",
        "SELECT id, nth_value(t, 1) OVER (PARTITION BY k ORDER BY id), nth_value(m, 3) OVER (PARTITION BY k ORDER BY id), \
         nth_value(u, 2) OVER (PARTITION BY k ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM edges",
    ),
    (
        "moments and intervals",
        "SELECT id, z + interval '90 minutes', z - interval '0.000001 seconds', extract(epoch FROM z) FROM cases",
    ),
    (
        "a filter by floating point",
        "SELECT id FROM edges WHERE d > 2.5 AND c IS DISTINCT FROM d",
    ),
    (
        "sums under a filter by floating point",
        "SELECT k, count(*), sum(i), max(a) FROM edges WHERE d >= 0.1 AND r < 100 GROUP BY k",
    ),
    (
        "aggregates filtered by floating point",
        "SELECT count(*) FILTER (WHERE d = 0), count(*) FILTER (WHERE c <= d) FROM edges",
    ),
    (
        "groups of floating point",
        "SELECT d, count(*), sum(i) FROM edges GROUP BY d",
    ),
    (
        "groups of floating point and more",
        "SELECT r, k, c, count(*) FROM edges GROUP BY r, k, c",
    ),
    ("distinct floating point", "SELECT DISTINCT d, r FROM edges"),
    (
        "a count of distinct floating point",
        "SELECT k, count(DISTINCT d) FROM edges GROUP BY k",
    ),
    (
        "a join of floating point",
        "SELECT x.id, y.id AS other FROM edges AS x JOIN edges AS y ON x.d = y.c",
    ),
    (
        "an outer join of floating point",
        "SELECT x.id, o.id AS other FROM cases AS x LEFT JOIN others AS o ON x.d = o.d AND x.k = o.k",
    ),
    (
        "rows without an equal of floating point",
        "SELECT x.id FROM cases AS x WHERE NOT EXISTS (SELECT 1 FROM others AS o WHERE o.d = x.d)",
    ),
    (
        "comparisons of NaN with a sign",
        "SELECT id, d > 1.5, d = 'NaN'::float8, d < 'Infinity'::float8, d IS DISTINCT FROM 'NaN'::float8, \
         r >= 2.5::real, d <= r, d IN (1.5, 'NaN'::float8, 2.5, 3.5, 4.5), r BETWEEN 1::real AND 'NaN'::real FROM nans",
    ),
    (
        "a filter of NaN with a sign",
        "SELECT id, d, r FROM nans WHERE d >= 'Infinity'::float8 OR r > 2.5::real",
    ),
    ("groups of NaN with a sign", "SELECT d, count(*) FROM nans GROUP BY d"),
    ("distinct NaN with a sign", "SELECT DISTINCT r FROM nans"),
    (
        "a join of NaN with a sign",
        "SELECT x.id, y.id AS other FROM nans AS x JOIN nans AS y ON x.d = y.d",
    ),
    (
        "rollup",
        "SELECT k, b, count(*), sum(i), max(t) FROM edges GROUP BY ROLLUP (k, b)",
    ),
    (
        "cube",
        "SELECT k, b, s, count(i), count(DISTINCT u) FROM edges GROUP BY CUBE (k, b, s)",
    ),
    (
        "grouping sets",
        "SELECT k, b, count(*) FILTER (WHERE m > 0), min(m) FROM edges GROUP BY GROUPING SETS ((b), (k, b), ())",
    ),
    (
        "grouping sets without the empty one",
        "SELECT k, b, sum(s) FROM edges GROUP BY GROUPING SETS ((k), (b))",
    ),
    (
        "rollup over no rows",
        "SELECT k, count(*), count(i), sum(i) FROM edges WHERE id < 0 GROUP BY ROLLUP (k)",
    ),
    (
        "rollup over one row of NULL",
        "SELECT k, b, count(*) FROM edges WHERE k IS NULL AND b IS NULL GROUP BY ROLLUP (k, b)",
    ),
    (
        "rollup of a key that is summed",
        "SELECT k, sum(k), count(k) FROM edges GROUP BY ROLLUP (k)",
    ),
    (
        "grouping",
        "SELECT k, b, grouping(k), grouping(b), grouping(k, b), count(*) FROM edges GROUP BY CUBE (k, b)",
    ),
    (
        "rollup of expressions",
        "SELECT extract(year FROM a), length(t), count(*) FROM edges GROUP BY ROLLUP (extract(year FROM a), length(t))",
    ),
    (
        "decimals that fit integers",
        "SELECT id, w::int, w::bigint FROM edges WHERE w BETWEEN -2147483648.4 AND 2147483647.4",
    ),
];

/// What raises on both sides, for the rows of `edges AS x`.
const FAILURES: [(&str, &str); 6] = [
    (
        "a decimal beyond an integer",
        "SELECT x.id, x.w::int FROM edges AS x WHERE x.w = 2147483647.5",
    ),
    (
        "a decimal beyond a bigint",
        "SELECT x.id, x.w::bigint FROM edges AS x WHERE x.w > 9223372036854775808",
    ),
    (
        "a decimal beyond a smallint",
        "SELECT x.id, x.n::smallint FROM edges AS x",
    ),
    (
        "an integer beyond a smallint",
        "SELECT x.id, x.i::smallint FROM edges AS x",
    ),
    ("a bigint beyond an integer", "SELECT x.id, x.l::int FROM edges AS x"),
    (
        "a decimal with more digits than fit",
        "SELECT x.id, x.m::numeric(5,2) FROM edges AS x",
    ),
];

/// Everything that is tried: its name, its text, and how its answers agree.
fn all() -> Vec<(&'static str, String, Agreement)> {
    let expressions = EXPRESSIONS.iter().map(|(name, items)| {
        let items = items.iter().enumerate();
        let items = items.map(|(number, item)| format!("{item} AS c{number}"));
        let items = items.collect::<Vec<_>>().join(", ");
        (*name, format!("SELECT x.id, {items} FROM edges AS x"), Agreement::Rows)
    });
    let queries = QUERIES
        .iter()
        .map(|(name, sql)| (*name, (*sql).to_owned(), Agreement::Rows));
    let failures = FAILURES
        .iter()
        .map(|(name, sql)| (*name, (*sql).to_owned(), Agreement::Error));
    expressions.chain(queries).chain(failures).collect()
}

const TABLES: [&str; 4] = ["cases", "others", edges::NAME, edges::NANS];

/// What is computed of a query where it is only partly pushed.
const PARTS: [(&str, &str); 1] = [("grouping", "GROUPING SETS")];

async fn is_pushed(both: &mut Twofold<'_>, name: &str, sql: &str) -> Result<(), String> {
    let plan = both.explained(sql, Way::Pushed).await;
    let part = PARTS.iter().find(|(partly, _)| *partly == name);
    let pushed = match part {
        Some((_, part)) => plan.contains(part),
        None => plan.contains("the whole query"),
    };
    match pushed {
        true => Ok(()),
        false => Err(format!("it is not pushed: {sql}\n{plan}")),
    }
}

fn as_expected(outcome: Result<Agreement, String>, expected: Agreement) -> Result<(), String> {
    match outcome {
        Ok(agreement) if agreement == expected => Ok(()),
        Ok(agreement) => Err(format!("{agreement:?} instead of {expected:?}")),
        Err(why) => Err(why),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_means_the_same_at_spark() {
    let Some(world) = World::shared().await else { return };
    let tables = Tables::of("own", "public", &TABLES);
    let mut both = Twofold::open(&world.gateway(None), "root", &tables);
    let mut expectations = Expectations::read(EXPECTATIONS, "functions");
    for (name, sql, expected) in all() {
        let mut outcome = is_pushed(&mut both, name, &sql).await;
        if outcome.is_ok() {
            outcome = as_expected(both.agrees(&sql).await, expected);
        }
        expectations.record(name, outcome);
    }
    expectations.finish("remote functions (spark)");
}

/// What the stand-in's engine refuses is listed too: it proves nothing there.
#[tokio::test(flavor = "multi_thread")]
async fn each_means_the_same_at_a_warehouse() {
    let Some(world) = World::shared().await else { return };
    let Some((workspace, engine)) = over(world).await else {
        return;
    };
    let tables = Tables::of("own", "public", &TABLES).at("work");
    let mut both = Twofold::open(&engine, "root", &tables);
    let mut expectations = Expectations::read(EXPECTATIONS, "warehouse_functions");
    for (name, sql, expected) in all() {
        let outcome = match both.run(&sql, Way::Pushed).await {
            Err(failure) if failure.sqlstate == REFUSED => Err(format!("refused: {failure}")),
            _ => as_expected(both.agrees(&sql).await, expected),
        };
        expectations.record(name, outcome);
    }
    expectations.finish("remote functions (warehouse)");
    assert_correct(&workspace).await;
}
