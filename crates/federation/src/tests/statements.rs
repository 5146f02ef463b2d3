//! Each kind of node as SQL.

use datafusion::common::ScalarValue;

use super::world::Asker;

const ORDERS: &str = "`main`.`sales`.`orders` AS t0";
const CUSTOMERS: &str = "`main`.`sales`.`customers` AS t0";

fn becomes(sql: &str, expected: &str) {
    let pushed = Asker::administrator().whole(sql);
    assert_eq!(pushed.text, expected, "{sql}");
}

#[test]
fn scans_have_the_columns_conditions_and_limit_of_their_node() {
    let pushed = Asker::administrator().whole("SELECT id, city FROM orders WHERE id > 5 LIMIT 3");
    let scan = format!("SELECT t0.`id` AS c0, t0.`city` AS c1 FROM {ORDERS} WHERE (t0.`id` > :p1) LIMIT 3");
    assert!(pushed.text.contains(&scan), "{}", pushed.text);
}

#[test]
fn values_are_parameters_with_their_types() {
    let pushed = Asker::administrator().whole(
        "SELECT id FROM orders WHERE city = 'x'' OR 1=1 --' AND price > 10.5 AND ordered >= DATE '2024-02-29' AND paid",
    );
    assert!(!pushed.text.contains("OR 1=1"), "{}", pushed.text);
    assert!(
        pushed.text.contains("(t0.`price` > CAST(:p2 AS DECIMAL(15, 2)))"),
        "{}",
        pushed.text
    );
    assert_eq!(
        pushed.parameters,
        [
            ScalarValue::Utf8(Some("x' OR 1=1 --".to_owned())),
            ScalarValue::Decimal128(Some(1050), 15, 2),
            ScalarValue::Date32(Some(19_782)),
        ]
    );
}

#[test]
fn names_are_quoted() {
    becomes(
        "SELECT \"odd ` name\" FROM customers",
        &format!("SELECT t0.`odd `` name` AS c0 FROM {CUSTOMERS}"),
    );
}

#[test]
fn rows_without_columns_are_counted() {
    let pushed = Asker::administrator().whole("SELECT count(*) FROM orders WHERE city IS NULL");
    let counted =
        format!("SELECT count(*) AS c0 FROM (SELECT TRUE AS nothing FROM {ORDERS} WHERE (t0.`city` IS NULL)) AS t1");
    assert!(pushed.text.contains(&counted), "{}", pushed.text);
}

#[test]
fn groups_name_columns() {
    let sql = "SELECT city, sum(price), min(ordered), count(DISTINCT customer) FILTER (WHERE paid) FROM orders \
               GROUP BY city";
    let pushed = Asker::administrator().whole(sql);
    let grouped = format!(
        "SELECT t1.c1 AS c0, sum(t1.c2) AS c1, min(t1.c3) AS c2, count(DISTINCT t1.c0) FILTER (WHERE t1.c4) AS c3 \
         FROM (SELECT t0.`customer` AS c0, t0.`city` AS c1, t0.`price` AS c2, t0.`ordered` AS c3, t0.`paid` AS c4 \
         FROM {ORDERS}) AS t1 GROUP BY t1.c1"
    );
    assert!(pushed.text.contains(&grouped), "{}", pushed.text);
}

#[test]
fn what_is_grouped_by_is_computed_below() {
    let pushed = Asker::administrator().whole("SELECT char_length(city) AS l, count(*) FROM orders GROUP BY 1");
    assert!(
        pushed
            .text
            .contains("SELECT t2.k0 AS c0, count(*) AS c1 FROM (SELECT char_length(t1.c0) AS k0 FROM ("),
        "{}",
        pushed.text
    );
    assert!(pushed.text.contains(" GROUP BY t2.k0"), "{}", pushed.text);
}

#[test]
fn several_sets_of_keys_have_a_row_over_nothing_too() {
    let pushed = Asker::administrator().whole("SELECT city, paid, count(*) FROM orders GROUP BY ROLLUP (city, paid)");
    let expected = format!(
        "SELECT t3.c0 AS c0, t3.c1 AS c1, t3.c2 AS c2, t3.c3 AS c3 FROM (SELECT t2.k0 AS c0, t2.k1 AS c1, \
         (2 * CAST(grouping(t2.k0) AS BIGINT) + 1 * CAST(grouping(t2.k1) AS BIGINT)) AS c2, count(t2.is_row) AS c3, \
         count(t2.is_row) AS is_row FROM (SELECT t1.c0 AS k0, t1.c1 AS k1, TRUE AS is_row FROM \
         (SELECT t0.`city` AS c0, t0.`paid` AS c1 FROM {ORDERS}) AS t1 UNION ALL SELECT CAST(NULL AS STRING), \
         CAST(NULL AS BOOLEAN), CAST(NULL AS BOOLEAN)) AS t2 GROUP BY GROUPING SETS ((t2.k0, t2.k1), (t2.k0), ())) AS t3 \
         WHERE t3.is_row > 0 OR t3.c2 = 3"
    );
    assert!(pushed.text.contains(&expected), "{}", pushed.text);
    let pushed = Asker::administrator().whole("SELECT city, paid FROM orders GROUP BY GROUPING SETS ((city), (paid))");
    assert!(!pushed.text.contains("UNION ALL"), "{}", pushed.text);
    assert!(
        pushed.text.contains("GROUP BY GROUPING SETS ((t2.k0), (t2.k1)))"),
        "{}",
        pushed.text
    );
}

#[test]
fn joins_have_a_side_each() {
    becomes(
        "SELECT o.id, c.name FROM orders o JOIN customers c ON o.customer = c.id",
        &format!(
            "SELECT t2.c0 AS c0, t2.c3 AS c1 FROM (SELECT l1.c0 AS c0, l1.c1 AS c1, r1.c0 AS c2, r1.c1 AS c3 FROM \
             (SELECT t0.`id` AS c0, t0.`customer` AS c1 FROM {ORDERS}) AS l1 INNER JOIN \
             (SELECT t0.`id` AS c0, t0.`name` AS c1 FROM {CUSTOMERS}) AS r1 ON (l1.c1 = r1.c0)) AS t2"
        ),
    );
}

#[test]
fn every_kind_of_join_is_said() {
    let asker = Asker::administrator();
    for (sql, words) in [
        (
            "SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON o.customer = c.id AND o.id > 5",
            " LEFT OUTER JOIN (",
        ),
        (
            "SELECT o.id, c.name FROM orders o RIGHT JOIN customers c ON o.customer = c.id",
            " RIGHT OUTER JOIN (",
        ),
        (
            "SELECT o.id, c.name FROM orders o FULL JOIN customers c ON o.customer = c.id",
            " FULL OUTER JOIN (",
        ),
        (
            "SELECT id FROM orders WHERE customer IN (SELECT id FROM customers)",
            " LEFT SEMI JOIN (",
        ),
        (
            "SELECT id FROM orders o WHERE NOT EXISTS (SELECT 1 FROM customers c WHERE c.id = o.customer)",
            " LEFT ANTI JOIN (",
        ),
        ("SELECT id FROM orders o JOIN customers c USING (id)", " INNER JOIN ("),
    ] {
        let pushed = asker.pushed(sql);
        let [one] = pushed.as_slice() else {
            panic!("{sql}: {pushed:?}");
        };
        // A cast between the keys is of the list too.
        assert!(one.text.contains(words), "{sql}: {}", one.text);
    }
}

#[test]
fn nulls_that_are_one_value_are_compared_as_one() {
    let pushed = Asker::administrator().whole("SELECT name FROM customers INTERSECT SELECT city FROM orders");
    assert!(pushed.text.contains(" LEFT SEMI JOIN ("), "{}", pushed.text);
    assert!(
        pushed.text.contains("(l2.c0 <=> r2.c0)") || pushed.text.contains(" <=> "),
        "{}",
        pushed.text
    );
}

#[test]
fn unions_go_by_position() {
    becomes(
        "SELECT city FROM orders UNION ALL SELECT name FROM customers",
        &format!(
            "SELECT t2.c0 AS c0 FROM (SELECT t0.`city` AS c0 FROM {ORDERS}) AS t2 UNION ALL \
             SELECT t2.c0 AS c0 FROM (SELECT t1.c0 AS c0 FROM (SELECT t0.`name` AS c0 FROM {CUSTOMERS}) AS t1) AS t2"
        ),
    );
}

#[test]
fn a_limit_is_one_block_with_its_sort_and_the_order_is_made_here() {
    let asker = Asker::administrator();
    for (sql, clauses) in [
        (
            "SELECT id FROM orders ORDER BY id DESC LIMIT 5",
            " ORDER BY t1.c0 DESC NULLS FIRST LIMIT 5",
        ),
        (
            "SELECT id FROM orders ORDER BY id LIMIT 5 OFFSET 2",
            " ORDER BY t1.c0 ASC NULLS LAST LIMIT 5 OFFSET 2",
        ),
    ] {
        let plan = asker.plan(sql);
        assert!(
            plan.display_indent().to_string().starts_with("Sort: "),
            "{sql}: {}",
            plan.display_indent()
        );
        let pushed = asker.pushed(sql);
        assert_eq!(pushed.len(), 1, "{sql}");
        assert!(pushed[0].text.ends_with(clauses), "{sql}: {}", pushed[0].text);
    }
    // Within a query that goes by no order it stays inside.
    let pushed = asker.whole("SELECT count(*) FROM (SELECT id FROM orders ORDER BY id LIMIT 5 OFFSET 2) s");
    assert!(pushed.text.contains("LIMIT 5 OFFSET 2"), "{}", pushed.text);
}

#[test]
fn a_sort_of_everything_is_done_here() {
    let asker = Asker::administrator();
    let plan = asker.plan("SELECT city, count(*) FROM orders GROUP BY city ORDER BY 2");
    assert!(
        plan.display_indent().to_string().starts_with("Sort: "),
        "{}",
        plan.display_indent()
    );
    let pushed = super::world::pushed(&plan);
    assert_eq!(pushed.len(), 1);
    assert!(!pushed[0].text.contains("ORDER BY"), "{}", pushed[0].text);
}

#[test]
fn windows_say_their_frames() {
    let asker = Asker::administrator();
    for (function, expected) in [
        (
            "row_number() OVER (PARTITION BY city ORDER BY id)",
            "CAST(row_number() OVER (PARTITION BY t1.c1 ORDER BY t1.c0 ASC NULLS LAST) AS BIGINT)",
        ),
        (
            "sum(id) OVER (PARTITION BY city ORDER BY id)",
            "sum(t1.c0) OVER (PARTITION BY t1.c1 ORDER BY t1.c0 ASC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND \
             CURRENT ROW)",
        ),
        (
            "max(id) OVER (ORDER BY id DESC NULLS LAST ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
            "max(t1.c0) OVER (ORDER BY t1.c0 DESC NULLS LAST ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING)",
        ),
        (
            "count(*) OVER (PARTITION BY city)",
            "count(*) OVER (PARTITION BY t1.c1)",
        ),
        (
            "lag(id, 2) OVER (ORDER BY id)",
            "lag(t1.c0, 2) OVER (ORDER BY t1.c0 ASC NULLS LAST)",
        ),
    ] {
        let sql = format!("SELECT id, city, {function} FROM orders");
        let pushed = asker.whole(&sql);
        assert!(pushed.text.contains(expected), "{sql}: {}", pushed.text);
    }
}

#[test]
fn subqueries_of_one_row_stand_within() {
    let pushed = Asker::administrator().whole("SELECT id FROM orders WHERE id > (SELECT max(id) FROM orders)");
    assert!(pushed.text.contains("> (SELECT"), "{}", pushed.text);
}

#[test]
fn expressions_of_the_list() {
    let asker = Asker::administrator();
    for (expression, expected) in [
        ("concat(city, '!')", "concat(coalesce(t1.c0, ''), coalesce(:p1, ''))"),
        ("substr(city, 2, 3)", "substr(t1.c0, :p1, :p2)"),
        ("left(city, 2)", "left(t1.c0, :p1)"),
        ("trim(city)", "trim(t1.c0)"),
        ("char_length(city)", "char_length(t1.c0)"),
        ("replace(city, 'a', 'b')", "replace(t1.c0, :p1, :p2)"),
        ("strpos(city, 'a')", "instr(t1.c0, :p1)"),
        ("price * (1 - price)", "(t1.c0 * (CAST(:p1 AS DECIMAL(20, 0)) - t1.c0))"),
        ("id / 7", "CAST((t1.c0 div :p1) AS BIGINT)"),
        ("id % 7", "(t1.c0 % :p1)"),
        ("checked_add(customer, CAST(1 AS INT))", "(t1.c0 + :p1)"),
        ("CAST(customer AS BIGINT)", "CAST(t1.c0 AS BIGINT)"),
        ("CAST(id AS VARCHAR)", "CAST(t1.c0 AS STRING)"),
        ("CAST(price AS DECIMAL(20, 4))", "CAST(t1.c0 AS DECIMAL(20, 4))"),
        ("extract(year FROM ordered)", "year(t1.c0)"),
        ("extract(dow FROM shipped)", "(dayofweek(t1.c0) - 1)"),
        ("city LIKE 'a!\\_%'", "(t1.c0 LIKE :p1 ESCAPE '!')"),
        (
            "CASE WHEN paid THEN city ELSE 'no' END",
            "(CASE WHEN t1.c1 THEN t1.c0 ELSE :p1 END)",
        ),
        ("city IS DISTINCT FROM 'a'", "(NOT (t1.c0 <=> :p1))"),
        ("-price", "(- t1.c0)"),
        ("weight IS NULL", "(t1.c0 IS NULL)"),
        ("weight > 1.5", "(t1.c0 > :p1)"),
        ("weight = id", "(t1.c1 = CAST(t1.c0 AS DOUBLE))"),
        ("weight IN (1.5, 2.5, 3.5, 4.5)", "(t1.c0 IN (:p1, :p2, :p3, :p4))"),
        ("id & 7", "(t1.c0 & :p1)"),
        ("reverse(city)", "reverse(t1.c0)"),
        ("lpad(city, 5)", "lpad(t1.c0, :p1, ' ')"),
        ("rpad(city, 5, 'ab')", "rpad(t1.c0, :p1, :p2)"),
        ("repeat(city, 3)", "repeat(t1.c0, :p1)"),
        ("concat_ws('-', city, city)", "concat_ws(:p1, t1.c0, t1.c0)"),
        ("split_part(city, ',', 2)", "split_part(t1.c0, :p1, :p2)"),
        ("btrim(city, 'xyz')", "trim(BOTH :p1 FROM t1.c0)"),
        ("ltrim(city, 'xyz')", "trim(LEADING :p1 FROM t1.c0)"),
        ("translate(city, 'ab', 'x')", "translate(t1.c0, :p1, :p2)"),
        ("md5(city)", "md5(CAST(t1.c0 AS BINARY))"),
        ("substr(city, 0, 3)", "substr(t1.c0, :p1, :p2)"),
        ("city ~ 'a[bc]+d'", "(t1.c0 RLIKE :p1)"),
        ("CAST(price AS VARCHAR)", "CAST(t1.c0 AS STRING)"),
        (
            "date_trunc('month', shipped)",
            "CAST(trunc(CAST(t1.c0 AS DATE), 'MONTH') AS TIMESTAMP_NTZ)",
        ),
        (
            "date_trunc('minute', shipped)",
            "(CAST(CAST(t1.c0 AS DATE) AS TIMESTAMP_NTZ) + make_dt_interval(0, hour(t1.c0), minute(t1.c0)))",
        ),
        ("extract(isodow FROM ordered)", "((dayofweek(t1.c0) + 5) % 7 + 1)"),
        ("weight = 0", "((t1.c0 + CAST(0 AS DOUBLE)) = :p1)"),
        ("weight > 1.5", "(t1.c0 > :p1)"),
        ("round(price)", "CAST(round(t1.c0, 0) AS DECIMAL(15, 0))"),
        ("round(price, 1)", "CAST(round(t1.c0, 1) AS DECIMAL(15, 1))"),
        ("round(price, 2)", "t1.c0"),
        (
            "extract(epoch FROM ordered)",
            "(CAST(datediff(t1.c0, DATE '1970-01-01') AS DOUBLE) * CAST(86400 AS DOUBLE))",
        ),
        ("ordered + 5", "date_add(t1.c0, 5)"),
        ("ordered - DATE '2024-01-01'", "CAST(datediff(t1.c0, :p1) AS BIGINT)"),
        (
            "shipped - interval '1 month 1.5 seconds'",
            "(t1.c0 - make_interval(0, 1, 0, 0, 0, 0, 1.500000))",
        ),
    ] {
        let sql = format!("SELECT {expression} AS x FROM orders");
        let pushed = asker.whole(&sql);
        assert!(
            pushed.text.starts_with(&format!("SELECT {expected} AS c0 FROM (")),
            "{sql}: {}",
            pushed.text
        );
    }
}
