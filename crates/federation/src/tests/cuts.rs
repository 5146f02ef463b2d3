//! Where a plan is cut.

use super::world::Asker;

#[test]
fn systems_and_principals_are_not_mixed() {
    let asker = Asker::administrator();
    for other in ["elsewhere", "theirs", "here"] {
        let pushed = asker.pushed(&format!(
            "SELECT o.id, c.name FROM orders o JOIN {other} c ON o.customer = c.id WHERE o.city = 'x'"
        ));
        assert_eq!(pushed.len(), if other == "here" { 1 } else { 2 }, "{other}: {pushed:?}");
        let mine = pushed.iter().find(|one| one.text.contains("orders")).unwrap();
        assert!(!mine.text.contains(other), "{other}: {}", mine.text);
        assert!(mine.text.contains("WHERE (t0.`city` = :p1)"), "{other}: {}", mine.text);
        assert_eq!(mine.system, "spark");
    }
    let united = asker.pushed("SELECT id FROM customers UNION ALL SELECT id FROM theirs");
    assert_eq!(united.len(), 2, "{united:?}");
    let within = asker.pushed("SELECT id FROM orders WHERE customer > (SELECT max(id) FROM theirs)");
    assert_eq!(within.len(), 2, "{within:?}");
}

#[test]
fn the_smallest_remainder_is_left() {
    let asker = Asker::administrator();
    let pushed = asker
        .pushed("SELECT upper(s.city), s.n FROM (SELECT city, count(*) AS n FROM orders WHERE id > 3 GROUP BY city) s");
    assert_eq!(pushed.len(), 1, "{pushed:?}");
    assert!(pushed[0].text.contains("GROUP BY"), "{pushed:?}");
}

#[test]
fn a_plan_without_remote_tables_is_left_alone() {
    let plan = Asker::administrator().plan("SELECT name FROM here WHERE id > 1");
    assert!(super::world::pushed(&plan).is_empty());
}

#[test]
fn explain_shows_the_same_cut() {
    let pushed = Asker::administrator().pushed("EXPLAIN SELECT id FROM orders WHERE id > 3");
    assert_eq!(pushed.len(), 1, "{pushed:?}");
}

#[test]
fn what_a_statement_reads_is_declared() {
    let pushed = Asker::administrator().whole(
        "SELECT o.id FROM orders o JOIN customers c ON o.customer = c.id \
         WHERE o.id > (SELECT max(id) FROM orders)",
    );
    let tables: Vec<_> = pushed.reads.open.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(tables, ["customers", "orders"]);
}
