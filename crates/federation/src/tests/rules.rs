//! Tables with rules: the rule is in the innermost block of each of their scans, and nothing above can fail.

use contract::Identity;

use super::world::{Asker, name};

const RULES: &str = "
CREATE ROLE seller;
GRANT SELECT (id, customer, city, price, ordered) ON main.sales.orders TO seller;
GRANT SELECT ON main.sales.customers TO seller;
CREATE POLICY own ON main.sales.orders FOR SELECT TO seller USING (customer = user_attribute('id')::int);
CREATE MASK city ON main.sales.orders (city) TO seller USING (concat('**', right(city, 2)));
";

/// The condition of the rule, without the number of its parameter.
const RULE: &str = "(t1.c1 = :p";

fn seller() -> Asker {
    let identity = Identity::builder("sam").role("seller").attribute("id", "17").build();
    Asker::under(&identity, RULES)
}

#[test]
fn a_rule_is_the_innermost_block() {
    let pushed = seller().whole("SELECT id, city FROM orders WHERE id > 5");
    let (before, after) = pushed
        .text
        .split_once(RULE)
        .unwrap_or_else(|| panic!("{}", pushed.text));
    assert!(
        before.contains("FROM `main`.`sales`.`orders` AS t0) AS t1 WHERE "),
        "{}",
        pushed.text
    );
    // The user's condition is in a block further out.
    assert!(after.contains("WHERE (t3.c0 > :p"), "{}", pushed.text);
    assert_eq!(pushed.reads.ruled.get(&name("orders")), Some(&1));
    assert!(pushed.reads.open.is_empty());
}

#[test]
fn a_mask_is_computed_there() {
    let pushed = seller().whole("SELECT city FROM orders");
    assert!(pushed.text.contains("right(t2.c2, "), "{}", pushed.text);
}

#[test]
fn each_scan_has_the_rule_once() {
    let pushed = seller()
        .whole("SELECT a.id FROM orders a JOIN orders b ON a.id = b.customer JOIN customers c ON c.id = a.customer");
    assert_eq!(pushed.text.matches(RULE).count(), 2, "{}", pushed.text);
    assert_eq!(pushed.reads.ruled.get(&name("orders")), Some(&2));
    assert!(pushed.reads.open.contains(&name("customers")));
}

#[test]
fn what_can_fail_is_not_above_a_rule() {
    let asker = seller();
    for (sql, absent) in [
        ("SELECT id / customer FROM orders", " div "),
        ("SELECT CAST(id AS INT) FROM orders", "AS INT)"),
        ("SELECT id FROM orders WHERE id / customer > 1", " div "),
        ("SELECT checked_add(customer, CAST(1 AS INT)) FROM orders", " + "),
        ("SELECT abs(id) FROM orders", "abs("),
        (
            "SELECT o.id FROM orders o JOIN customers c ON o.id / o.customer = c.id",
            " div ",
        ),
        ("SELECT max(id / customer) FROM orders", " div "),
    ] {
        let pushed = asker.pushed(sql);
        assert!(!pushed.is_empty(), "{sql}");
        for one in pushed {
            // The mask and the rule of the other columns have neither.
            assert!(!one.text.contains(absent), "{sql}: {}", one.text);
        }
        // Over the same table as it is, it is pushed.
        let open = Asker::administrator().pushed(sql);
        assert!(open.iter().any(|one| one.text.contains(absent)), "{sql}: {open:?}");
    }
    let total = asker.whole("SELECT count(*), max(price) FROM orders WHERE city = 'x' AND char_length(city) > 3");
    assert!(total.text.contains("char_length("), "{}", total.text);
}

#[test]
fn rules_that_are_not_written_stay_behind_their_barrier() {
    for rule in [
        "customer = 1 / (id::int - 3)",
        "upper(city) = 'X'",
        "customer IN (SELECT id FROM main.sales.customers)",
        "nullif(weight, 0.0) > 1.5",
    ] {
        let rules = format!(
            "CREATE ROLE seller; GRANT SELECT ON main.sales.orders TO seller;\n\
             CREATE POLICY own ON main.sales.orders FOR SELECT TO seller USING ({rule});"
        );
        let identity = Identity::builder("sam").role("seller").build();
        let pushed = Asker::under(&identity, &rules).pushed("SELECT id FROM orders");
        assert!(pushed.is_empty(), "{rule}: {pushed:?}");
    }
}

#[test]
fn an_identity_without_the_attribute_sees_no_row() {
    let identity = Identity::builder("sam").role("seller").build();
    let pushed = Asker::under(&identity, RULES).pushed("SELECT id FROM orders");
    for one in pushed {
        assert!(
            one.text.contains("CAST(NULL AS BOOLEAN)") || one.text.contains("WHERE :p1"),
            "{}",
            one.text
        );
    }
}
