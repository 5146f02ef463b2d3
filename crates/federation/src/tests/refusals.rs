//! What is not written, each for its own reason.

use super::world::Asker;

/// Whether `expression` over orders is computed here: the statement only brings columns.
fn stays(asker: &Asker, expression: &str) -> bool {
    let sql = format!("SELECT {expression} AS x FROM orders");
    let pushed = asker.pushed(&sql);
    let [scan] = pushed.as_slice() else { return false };
    // Of what names no column only the number of rows is asked for.
    let brings = |what: &str| scan.text.starts_with(what);
    (brings("SELECT t0.") || brings("SELECT TRUE AS nothing FROM `main`")) && !scan.text.contains("t1.")
}

#[test]
fn expressions_without_an_equal() {
    let asker = Asker::administrator();
    for expression in [
        // Floating point: two zeros, infinity, digits.
        "weight IN (0.0, 1.5, 2.5, 3.5)",
        "nullif(weight, 0.0)",
        "CASE weight WHEN 0.0 THEN 1 END",
        "weight * 2",
        "greatest(weight, 1.0)",
        "round(weight)",
        "CAST(weight AS DECIMAL(10, 2))",
        "CAST(price AS DOUBLE)",
        "sqrt(weight)",
        // Wraps here and raises there.
        "id + 1",
        "-id",
        "-CAST(price AS DECIMAL(38, 4))",
        "abs(CAST(price AS DECIMAL(36, 2)))",
        // Unicode.
        "upper(city)",
        "lower(city)",
        "city ILIKE 'a%'",
        // Patterns.
        "city LIKE city",
        "city LIKE 'a\\'",
        "city ~ 'a.c'",
        "city ~ 'a(b|c)+d'",
        "city ~* 'a[bc]+d'",
        "regexp_replace(city, 'a', 'b')",
        // Other counting.
        "substr(city, 1, -1)",
        "left(city, -1)",
        "substr(city, customer)",
        "replace(city, '', 'b')",
        "strpos(city, '')",
        "trim(city, city)",
        "split_part(city, '', 1)",
        "split_part(city, 'a', -1)",
        "lpad(city, 5, '')",
        "repeat(city, 100000)",
        // Other digits or types.
        "price / 3",
        "price % 3",
        "round(price, -1)",
        "CAST(city AS INT)",
        "CAST(ordered AS VARCHAR)",
        "date_trunc('hour', shipped + interval '1 day')",
        "date_trunc('millisecond', shipped)",
        "shipped + interval '1 nanosecond'",
        "translate(city, '', 'b')",
        "translate(city, city, 'b')",
        "extract(millisecond FROM shipped)",
        "to_char(ordered, '%Y')",
        "random()",
        "now()",
    ] {
        assert!(
            stays(&asker, expression),
            "{expression}: {:?}",
            asker.pushed(&format!("SELECT {expression} FROM orders"))
        );
    }
}

#[test]
fn what_does_not_raise_there_is_computed_here() {
    let lenient = Asker::of_lenient_system();
    for expression in [
        "checked_add(customer, CAST(1 AS INT))",
        "id / customer",
        "CAST(id AS INT)",
        "CAST(price AS DECIMAL(5, 2))",
        "abs(id)",
    ] {
        assert!(stays(&lenient, expression), "{expression}");
        assert!(!stays(&Asker::administrator(), expression), "{expression}");
    }
    assert!(!stays(&lenient, "char_length(city)"));
}

#[test]
fn nodes_without_an_equal() {
    let asker = Asker::administrator();
    for (sql, absent) in [
        ("SELECT sum(weight) FROM orders", "sum("),
        ("SELECT avg(weight) FROM orders", "avg("),
        ("SELECT avg(price) FROM orders", "avg("),
        ("SELECT max(weight) FROM orders", "max("),
        ("SELECT stddev(id) FROM orders", "stddev("),
        ("SELECT array_agg(id) FROM orders", "array_agg("),
        ("SELECT string_agg(city, ',') FROM orders", "string_agg("),
        (
            "SELECT count(DISTINCT weight), count(DISTINCT id) FROM orders",
            "count(",
        ),
        (
            "SELECT city, count(*) FROM orders GROUP BY GROUPING SETS ((city), (city))",
            "GROUP BY",
        ),
        ("SELECT id FROM orders ORDER BY weight LIMIT 5", "ORDER BY"),
        ("SELECT o.id FROM orders o, customers c", "JOIN"),
        (
            "SELECT o.id FROM orders o JOIN customers c ON o.customer < c.id",
            "JOIN",
        ),
        (
            "SELECT id FROM orders WHERE customer NOT IN (SELECT id FROM customers)",
            "JOIN",
        ),
        ("SELECT row_number() OVER () FROM orders", "row_number"),
        ("SELECT ntile(4) OVER (ORDER BY id) FROM orders", "ntile"),
        (
            "SELECT sum(id) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) FROM orders",
            "OVER",
        ),
        (
            "SELECT rank() OVER (PARTITION BY weight ORDER BY id) FROM orders",
            "rank",
        ),
    ] {
        for one in asker.pushed(sql) {
            assert!(!one.text.contains(absent), "{sql}: {}", one.text);
        }
    }
}

#[test]
fn averages_of_whole_numbers_are_exact() {
    let pushed = Asker::administrator().pushed("SELECT avg(customer) FROM orders");
    assert!(pushed[0].text.contains("avg(t1.c0)"), "{pushed:?}");
}

#[test]
fn long_lists_stay() {
    let list = (0..2000)
        .map(|number| (number * 3).to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let pushed = Asker::administrator().pushed(&format!("SELECT city FROM orders WHERE id IN ({list})"));
    assert_eq!(pushed.len(), 1);
    assert!(pushed[0].parameters.is_empty());
}
