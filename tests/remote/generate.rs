//! Queries over the tables of [`cases`](crate::cases), from a seed.

use crate::expression::{Expressions, Kind};
use crate::random::Random;

/// How deep expressions go.
const DEPTH: usize = 3;

/// A query that names its tables `cases` and `others`, each a whole word.
pub(crate) fn query(seed: u64) -> String {
    let mut random = Random::new(seed);
    let shapes = [
        plain, plain, daring, grouped, grouped, by_sets, joined, joined, outer, existing, distinct, ordered, set,
        window, scalar,
    ];
    let shape = random.pick(&shapes);
    shape(&mut random)
}

fn over<'a>(random: &'a mut Random, alias: &'static str) -> Expressions<'a> {
    Expressions {
        random,
        alias,
        few: alias == "o",
    }
}

/// Some expressions with names for them: `e AS c1, …`.
fn selected(random: &mut Random, alias: &'static str, first: usize, count: usize) -> String {
    let mut expressions = over(random, alias);
    let items = (first..first + count).map(|number| {
        let kind = expressions.kind();
        format!("{} AS c{number}", expressions.value(kind, DEPTH))
    });
    items.collect::<Vec<_>>().join(", ")
}

fn condition(random: &mut Random, alias: &'static str) -> String {
    over(random, alias).condition(DEPTH)
}

fn plain(random: &mut Random) -> String {
    let count = random.below(4) + 1;
    let (items, condition) = (selected(random, "x", 1, count), condition(random, "x"));
    format!("SELECT x.id, {items} FROM cases AS x WHERE {condition}")
}

/// All rows, or few that each is sure to be looked at.
fn daring(random: &mut Random) -> String {
    let item = over(random, "x").daring();
    let some = random.below(97);
    format!(
        "SELECT x.id, {item} AS c1 FROM cases AS x WHERE x.id >= {some} AND x.id < {}",
        some + 5
    )
}

fn grouped(random: &mut Random) -> String {
    let mut expressions = over(random, "x");
    let keys = [
        Kind::Boolean,
        Kind::Int,
        Kind::Small,
        Kind::Money,
        Kind::Text,
        Kind::Day,
        Kind::Long,
        Kind::Stamp,
        Kind::Double,
        Kind::Real,
    ];
    let key = expressions.random.pick(&keys);
    let depth = expressions.random.below(2);
    let key = expressions.key(key, depth);
    let mut items = vec![format!("{key} AS c0")];
    for number in 1..expressions.random.below(4) + 2 {
        items.push(format!("{} AS c{number}", aggregate(&mut expressions)));
    }
    let condition = expressions.condition(DEPTH);
    let having = match expressions.random.chance(30) {
        true => " HAVING count(*) > 2",
        false => "",
    };
    format!(
        "SELECT {} FROM cases AS x WHERE {condition} GROUP BY {key}{having}",
        items.join(", ")
    )
}

/// By several sets of keys at once.
fn by_sets(random: &mut Random) -> String {
    let mut expressions = over(random, "x");
    let kinds = [
        Kind::Boolean,
        Kind::Int,
        Kind::Money,
        Kind::Text,
        Kind::Day,
        Kind::Double,
    ];
    let one = expressions.random.pick(&kinds);
    let one = expressions.key(one, 1);
    let two = "x.s";
    let (first, second) = (aggregate(&mut expressions), aggregate(&mut expressions));
    let condition = match expressions.random.chance(20) {
        true => "x.id < 0".to_owned(),
        false => expressions.condition(DEPTH),
    };
    let (sets, two) = match expressions.random.below(4) {
        0 => (format!("ROLLUP ({one}, {two})"), two),
        1 => (format!("CUBE ({one}, {two})"), two),
        2 => (format!("GROUPING SETS (({two}), ({one}, {two}))"), two),
        _ => (format!("GROUPING SETS (({one}), ())"), "1"),
    };
    format!(
        "SELECT {one} AS c0, {two} AS c1, {first} AS c2, {second} AS c3 FROM cases AS x WHERE {condition} GROUP BY {sets}"
    )
}

/// Nothing whose answer depends on the order of its rows: no sums of floats.
fn aggregate(expressions: &mut Expressions<'_>) -> String {
    let any = expressions.kind();
    let exact = expressions.random.pick(&[Kind::Small, Kind::Int, Kind::Money]);
    let distinct = expressions.random.pick(&["", "", "DISTINCT "]);
    let ordered = [
        Kind::Small,
        Kind::Int,
        Kind::Long,
        Kind::Double,
        Kind::Money,
        Kind::Text,
        Kind::Day,
        Kind::Moment,
    ];
    let ordered = expressions.random.pick(&ordered);
    let bits = expressions.random.pick(&[Kind::Small, Kind::Int, Kind::Long]);
    match expressions.random.below(9) {
        7 => {
            let function = expressions.random.pick(&["bit_and", "bit_or", "bit_xor"]);
            format!("{function}({})", expressions.value(bits, 1))
        }
        8 => {
            let function = expressions.random.pick(&["bool_and", "bool_or"]);
            format!("{function}({})", expressions.condition(1))
        }
        0 => "count(*)".to_owned(),
        1 => format!("count({distinct}{})", expressions.value(any, 1)),
        2 => format!("min({})", expressions.value(ordered, 1)),
        3 => format!("max({})", expressions.value(ordered, 1)),
        4 => format!("sum({distinct}{})", expressions.value(exact, 1)),
        5 => format!("avg({})", expressions.value(exact, 1)),
        _ => format!("count(*) FILTER (WHERE {})", expressions.condition(1)),
    }
}

fn join_condition(random: &mut Random) -> String {
    let column = random.pick(&["k", "l", "m", "t", "a", "d"]);
    match random.chance(60) || column == "k" {
        true => format!("x.{column} = o.{column}"),
        false => format!("x.k = o.k AND x.{column} = o.{column}"),
    }
}

fn joined(random: &mut Random) -> String {
    let on = join_condition(random);
    let (left, right) = (selected(random, "x", 1, 1), selected(random, "o", 2, 1));
    let (one, other) = (condition(random, "x"), condition(random, "o"));
    format!(
        "SELECT x.id, o.id AS other, {left}, {right} FROM cases AS x JOIN others AS o ON {on} WHERE {one} AND {other}"
    )
}

fn outer(random: &mut Random) -> String {
    let on = join_condition(random);
    let kind = random.pick(&["LEFT", "RIGHT", "FULL"]);
    let more = condition(random, "o");
    let (left, right) = (selected(random, "x", 1, 1), selected(random, "o", 2, 1));
    let filter = match random.chance(50) {
        true => format!(" WHERE {}", condition(random, "x")),
        false => String::new(),
    };
    format!(
        "SELECT x.id, o.id AS other, {left}, {right} FROM cases AS x {kind} JOIN others AS o ON {on} AND {more}{filter}"
    )
}

fn existing(random: &mut Random) -> String {
    let item = selected(random, "x", 1, 1);
    let (one, other) = (condition(random, "x"), condition(random, "o"));
    let column = random.pick(&["k", "l", "t"]);
    let not = random.pick(&["", "NOT "]);
    let test = match random.chance(50) {
        true => format!("{not}EXISTS (SELECT 1 FROM others AS o WHERE o.{column} = x.{column} AND {other})"),
        false => format!("x.{column} {not}IN (SELECT o.{column} FROM others AS o WHERE {other})"),
    };
    format!("SELECT x.id, {item} FROM cases AS x WHERE {one} AND {test}")
}

fn distinct(random: &mut Random) -> String {
    let mut expressions = over(random, "x");
    let kinds = [
        Kind::Boolean,
        Kind::Small,
        Kind::Int,
        Kind::Long,
        Kind::Money,
        Kind::Text,
        Kind::Day,
        Kind::Bytes,
        Kind::Double,
    ];
    let (one, two) = (expressions.random.pick(&kinds), expressions.random.pick(&kinds));
    let (one, two) = (expressions.value(one, 1), expressions.value(two, 1));
    let condition = expressions.condition(DEPTH);
    format!("SELECT DISTINCT {one} AS c1, {two} AS c2 FROM cases AS x WHERE {condition}")
}

/// With `id` behind, so that the order is a total one.
fn ordered(random: &mut Random) -> String {
    let mut expressions = over(random, "x");
    let kind = expressions.kind();
    let key = expressions.key(kind, 1);
    let condition = expressions.condition(1);
    let direction = random.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
    let (limit, offset) = (random.below(20) + 1, random.below(5));
    format!(
        "SELECT x.id, {key} AS c1 FROM cases AS x WHERE {condition} ORDER BY {key}{direction}, x.id LIMIT {limit} OFFSET {offset}"
    )
}

fn set(random: &mut Random) -> String {
    let kind = random.pick(&[Kind::Int, Kind::Long, Kind::Money, Kind::Text, Kind::Day, Kind::Double]);
    let operation = random.pick(&["UNION ALL", "UNION", "INTERSECT", "EXCEPT"]);
    let left = over(random, "x").value(kind, 1);
    let right = over(random, "o").value(kind, 1);
    let (one, other) = (condition(random, "x"), condition(random, "o"));
    format!("SELECT {left} AS c1 FROM cases AS x WHERE {one} {operation} SELECT {right} FROM others AS o WHERE {other}")
}

fn window(random: &mut Random) -> String {
    let function = random.pick(&[
        "row_number() OVER (PARTITION BY x.k ORDER BY x.id)",
        "rank() OVER (PARTITION BY x.k ORDER BY x.m)",
        "dense_rank() OVER (ORDER BY x.a DESC)",
        "lag(x.t) OVER (PARTITION BY x.k ORDER BY x.id)",
        "lead(x.m, 2) OVER (ORDER BY x.id)",
        "sum(x.s) OVER (PARTITION BY x.k ORDER BY x.id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "count(*) OVER (PARTITION BY x.k)",
        "max(x.t) OVER (PARTITION BY x.b ORDER BY x.id)",
        "percent_rank() OVER (PARTITION BY x.k ORDER BY x.m)",
        "cume_dist() OVER (PARTITION BY x.b ORDER BY x.t DESC)",
        "nth_value(x.t, 3) OVER (PARTITION BY x.k ORDER BY x.id)",
        "bit_or(x.s) OVER (PARTITION BY x.k)",
    ]);
    let condition = condition(random, "x");
    format!("SELECT x.id, {function} AS c1 FROM cases AS x WHERE {condition}")
}

fn scalar(random: &mut Random) -> String {
    let item = selected(random, "x", 1, 1);
    let (one, other) = (condition(random, "x"), condition(random, "o"));
    let column = random.pick(&["k", "l", "m", "t", "a"]);
    let function = random.pick(&["min", "max"]);
    format!(
        "WITH chosen AS (SELECT * FROM cases AS x WHERE {one})
         SELECT x.id, {item} FROM chosen AS x WHERE x.{column} >= (SELECT {function}(o.{column}) FROM others AS o WHERE {other})"
    )
}
