use contract::{Identity, TableName};
use datafusion::sql::sqlparser::ast::Expr;

use crate::access::{RowFilter, Visible};
use crate::{Rules, TableAccess, identity_function, parse_rules};

fn rules(text: &str) -> Rules {
    let roles = "CREATE ROLE a, b, c; GRANT c TO b;";
    parse_rules(&[("access.sql".to_owned(), format!("{roles}{text}"))]).unwrap()
}

fn seen(text: &str, roles: &[&str]) -> String {
    let identity = roles
        .iter()
        .fold(Identity::builder("u"), |builder, role| builder.role(*role))
        .build();
    match rules(text).table_access(&identity, &TableName::new("c", "s", "t")) {
        TableAccess::Hidden => "hidden".to_owned(),
        TableAccess::Full => "full".to_owned(),
        TableAccess::Restricted(rules) => {
            let columns = match &rules.visible {
                Visible::AllBut(hidden) => format!("all but {hidden:?}"),
                Visible::Only(shown) => format!("only {shown:?}"),
            };
            let rows = match &rules.filter {
                RowFilter::AllRows => "all rows".to_owned(),
                RowFilter::NoRow => "no row".to_owned(),
                RowFilter::Rows {
                    permissive,
                    restrictive,
                } => {
                    let names = |policies: &[std::sync::Arc<crate::rule::Policy>]| {
                        policies
                            .iter()
                            .map(|policy| policy.name.clone())
                            .collect::<Vec<_>>()
                            .join(" ")
                    };
                    format!("any of {} and {}", names(permissive), names(restrictive))
                }
            };
            let masks: Vec<_> = rules
                .masks
                .iter()
                .map(|mask| format!("{}={}", mask.column, mask.name))
                .collect();
            format!("{columns}; {rows}; {}", masks.join(" "))
        }
    }
}

#[test]
fn columns() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("", &["a"], "hidden"),
        ("GRANT SELECT ON c.s.t TO a", &[], "hidden"),
        ("GRANT SELECT ON c.s.t TO a", &["b"], "hidden"),
        ("GRANT SELECT ON c.s.t TO a", &["a"], "full"),
        ("GRANT SELECT ON c.s.t TO PUBLIC", &[], "full"),
        ("GRANT SELECT ON c.s.t TO c", &["b"], "full"),
        ("GRANT SELECT ON c.s.t TO b", &["c"], "hidden"),
        ("GRANT SELECT ON SCHEMA c.s TO a", &["a"], "full"),
        ("GRANT SELECT ON SCHEMA c.s2 TO a", &["a"], "hidden"),
        ("GRANT SELECT ON CATALOG c TO a", &["a"], "full"),
        ("GRANT UPDATE ON c.s.t TO a", &["a"], "hidden"),
        ("GRANT USAGE ON SCHEMA c.s TO a", &["a"], "hidden"),
        ("GRANT ALL ON c.s.t TO a", &["a"], "full"),
        (
            "GRANT SELECT (x, y) ON c.s.t TO a",
            &["a"],
            "only {\"x\", \"y\"}; all rows; ",
        ),
        (
            "GRANT SELECT (x) ON c.s.t TO a; GRANT SELECT (y) ON c.s.t TO c",
            &["a", "b"],
            "only {\"x\", \"y\"}; all rows; ",
        ),
        (
            "GRANT SELECT ON c.s.t TO a; REVOKE SELECT (x) ON c.s.t FROM a",
            &["a"],
            "all but {\"x\"}; all rows; ",
        ),
        (
            "GRANT SELECT ON c.s.t TO a; REVOKE SELECT (x) ON c.s.t FROM a; GRANT SELECT (x) ON c.s.t TO a",
            &["a"],
            "full",
        ),
        (
            "GRANT SELECT ON c.s.t TO a; REVOKE SELECT (x) ON c.s.t FROM a; GRANT SELECT (x) ON c.s.t TO c",
            &["a", "c"],
            "full",
        ),
        (
            "GRANT SELECT ON c.s.t TO a, c; REVOKE SELECT (x) ON c.s.t FROM a",
            &["a", "c"],
            "full",
        ),
        (
            "REVOKE SELECT (x) ON c.s.t FROM a; GRANT SELECT ON c.s.t TO a",
            &["a"],
            "full",
        ),
        (
            "GRANT SELECT (x, y) ON c.s.t TO a; REVOKE SELECT (x) ON c.s.t FROM a",
            &["a"],
            "only {\"y\"}; all rows; ",
        ),
        (
            "GRANT SELECT (x) ON c.s.t TO a; REVOKE SELECT (x) ON c.s.t FROM a",
            &["a"],
            "hidden",
        ),
        (
            "GRANT SELECT ON SCHEMA c.s TO a; REVOKE SELECT ON c.s.t FROM a",
            &["a"],
            "hidden",
        ),
        (
            "GRANT SELECT ON c.s.t TO a; REVOKE ALL ON CATALOG c FROM a",
            &["a"],
            "hidden",
        ),
        ("GRANT SELECT ON c.s.\"T\" TO a", &["a"], "hidden"),
    ];
    for (text, roles, expected) in cases {
        assert_eq!(seen(text, roles), *expected, "{text} as {roles:?}");
    }
}

#[test]
fn rows_and_masks() {
    let grant = "GRANT SELECT ON c.s.t TO PUBLIC;";
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "CREATE POLICY p ON c.s.t TO a USING (true)",
            &["a"],
            "all but {}; any of p and ; ",
        ),
        (
            "CREATE POLICY p ON c.s.t TO a USING (true)",
            &["b"],
            "all but {}; no row; ",
        ),
        (
            "CREATE POLICY p ON c.s.t TO c USING (true)",
            &["b"],
            "all but {}; any of p and ; ",
        ),
        (
            "CREATE POLICY p ON c.s.t AS RESTRICTIVE USING (true)",
            &["a"],
            "all but {}; no row; ",
        ),
        (
            "CREATE POLICY p ON c.s.t FOR UPDATE USING (true)",
            &["a"],
            "all but {}; no row; ",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (true); CREATE POLICY q ON c.s.t TO a USING (true);
             CREATE POLICY r ON c.s.t AS RESTRICTIVE TO a USING (true)",
            &["a"],
            "all but {}; any of p q and r; ",
        ),
        ("CREATE POLICY p ON c.s.other TO a USING (true)", &["a"], "full"),
        (
            "CREATE MASK m ON c.s.t (x) TO a USING (1)",
            &["a"],
            "all but {}; all rows; x=m",
        ),
        (
            "CREATE MASK m ON c.s.t (x) TO a USING (1)",
            &["a", "b"],
            "all but {}; all rows; x=m",
        ),
        ("CREATE MASK m ON c.s.t (x) TO a USING (1)", &["b"], "full"),
        (
            "CREATE MASK m ON c.s.t (x) TO a USING (1); CREATE MASK n ON c.s.t (x) TO c USING (2)",
            &["a", "b"],
            "all but {}; all rows; x=m",
        ),
    ];
    for (text, roles, expected) in cases {
        assert_eq!(seen(&format!("{grant}{text}"), roles), *expected, "{text} as {roles:?}");
    }
}

#[test]
fn schemas_and_catalogs() {
    let text = "GRANT SELECT (x) ON c.s.t TO a; GRANT USAGE ON SCHEMA c.s2 TO b; GRANT SELECT ON CATALOG d TO c;
        GRANT SELECT ON e.s.t TO a; REVOKE ALL ON CATALOG e FROM a; GRANT SELECT ON SCHEMA f.s TO a; REVOKE SELECT ON SCHEMA f.s FROM a";
    let rules = rules(text);
    let [a, b] = ["a", "b"].map(|role| Identity::builder("u").role(role).build());
    assert!(rules.sees_schema(&a, "c", "s") && rules.sees_catalog(&a, "c"));
    assert!(!rules.sees_schema(&a, "c", "s2") && rules.sees_schema(&b, "c", "s2"));
    assert!(rules.sees_schema(&b, "d", "anything") && !rules.sees_catalog(&a, "d"));
    assert!(!rules.sees_catalog(&a, "e") && !rules.sees_schema(&a, "f", "s"));
    assert!(rules.sees_catalog(&Identity::administrator("root"), "e"));
    assert!(!Rules::none().sees_catalog(&a, "c"));
}

#[test]
fn tables_that_rules_read() {
    let text = "GRANT SELECT ON c.s.t TO a; CREATE POLICY p ON c.s.t USING (
        x IN (SELECT y FROM near) AND EXISTS (WITH own AS (SELECT 1 FROM s2.far) SELECT 1 FROM own, \"O\".p.q WHERE t.x = 1));
        CREATE MASK m ON c.s.t (x) USING ((SELECT max(z) FROM s.near))";
    let identity = Identity::builder("u").role("a").build();
    let home = TableName::new("c", "s", "t");
    let TableAccess::Restricted(found) = rules(text).table_access(&identity, &home) else {
        panic!("restricted")
    };
    let names: Vec<_> = found.referenced_tables(&home).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["O.p.q", "c.s.near", "c.s2.far"]);
}

#[test]
fn identity_becomes_literals() {
    let cases = [
        (
            "current_user = x OR user = \"user\" OR session_user = y",
            "'o''brien' = x OR 'o''brien' = \"user\" OR 'o''brien' = y",
        ),
        ("x = user_attribute('id')::bigint", "x = TRY_CAST('7 OR 1=1' AS BIGINT)"),
        (
            "x = CAST((user_attribute('id')) AS INT)",
            "x = TRY_CAST(('7 OR 1=1') AS INT)",
        ),
        ("x = user_attribute('none')", "x = CAST(NULL AS TEXT)"),
        ("is_member('a') AND NOT is_member('b')", "true AND NOT false"),
        (
            "x IN (SELECT y FROM t WHERE z = USER_ATTRIBUTE('id'))",
            "x IN (SELECT y FROM t WHERE z = '7 OR 1=1')",
        ),
        ("region::bigint = 1", "region::BIGINT = 1"),
    ];
    let identity = Identity::builder("o'brien").attribute("id", "7 OR 1=1").build();
    let roles = ["a".to_owned()].into();
    for (text, expected) in cases {
        let dialect = datafusion::sql::sqlparser::dialect::PostgreSqlDialect {};
        let mut parser = datafusion::sql::sqlparser::parser::Parser::new(&dialect)
            .try_with_sql(text)
            .unwrap();
        let mut expression: Expr = parser.parse_expr().unwrap();
        identity_function::substitute(&mut expression, &identity, &roles);
        assert_eq!(expression.to_string(), expected);
    }
}
