use contract::Identity;

use crate::{RuleError, Rules, Service, parse_rules};

fn parse(text: &str) -> Result<Rules, RuleError> {
    parse_rules(&[("access.sql".to_owned(), text.to_owned())])
}

#[test]
fn the_demo_rules() {
    let rules = parse(include_str!("../../../../sql/policy/rides.sql")).unwrap();
    let ana = Identity::builder("ana").role("analyst").build();
    let dora = Identity::builder("dora").role("driver").build();
    assert!(rules.may_use_service(&ana, Service::Rest));
    assert!(
        rules.may_use_service(&ana, Service::Postgres),
        "through the membership in staff"
    );
    assert!(!rules.may_use_service(&dora, Service::Rest));
    assert!(!rules.may_use_service(&Identity::builder("nob").build(), Service::Postgres));
    assert!(rules.may_use_service(&Identity::administrator("root"), Service::Rest));
    let [limit] = rules.rate_limits(&ana)[..] else {
        panic!("one limit")
    };
    assert_eq!((limit.requests, limit.period.as_secs()), (100, 3600));
    assert!(rules.rate_limits(&dora).is_empty());
    assert_eq!(rules.protected_tables().len(), 1);
    assert_eq!(
        rules
            .policies
            .iter()
            .filter(|policy| policy.with_check.is_some())
            .count(),
        0
    );
}

#[test]
fn every_statement_has_its_forms() {
    let text = r#"
        CREATE ROLE IF NOT EXISTS a; CREATE ROLE b, "C d";;
        GRANT a, b TO "C d"; REVOKE b FROM "C d";
        GRANT ALL PRIVILEGES ON TABLE c.s.t, c.s."T 2" TO a, PUBLIC;
        GRANT SELECT (x, "Y"), UPDATE (x), INSERT, DELETE ON c.s.t TO a;
        GRANT SELECT ON ALL TABLES IN SCHEMA c.s, c.s2 TO a;
        GRANT USAGE ON SCHEMA c.s TO a; GRANT SELECT ON CATALOG c TO a; GRANT SELECT ON DATABASE d TO a;
        REVOKE SELECT (x) ON c.s.t FROM a; REVOKE EXECUTE ON SERVICE rest FROM a;
        CREATE POLICY p ON c.s.t USING (true);
        CREATE POLICY q ON c.s.t AS RESTRICTIVE FOR ALL TO a, PUBLIC USING (x > (1 + 2)) WITH CHECK (is_member('a'));
        CREATE POLICY r ON c.s.t FOR INSERT TO a WITH CHECK (current_user = owner OR session_user = 'x' OR user = 'y');
        CREATE MASK m ON c.s.t (x) TO a USING (CASE WHEN is_member('b') THEN x ELSE NULL END);
        ALTER ROLE a SET rate_limit TO '5/second' -- the last semicolon may be left out
    "#;
    let rules = parse(text).unwrap();
    assert_eq!(rules.policies.len(), 3);
    let tables: Vec<_> = rules
        .tables_named()
        .into_iter()
        .map(|table| table.table.as_str())
        .collect();
    assert_eq!(tables, ["T 2", "t"]);
    assert_eq!(rules.schemas_named(), [("c", "s"), ("c", "s2")].into());
    assert_eq!(rules.catalogs_named(), ["c", "d"].into());
    assert_eq!(rules.roles().collect::<Vec<_>>(), ["C d", "a", "b"]);
    assert!(rules.has_role("C d") && !rules.has_role("c d"));
    assert_ne!(rules.version(), parse("CREATE ROLE a").unwrap().version());
    assert_eq!(rules.version(), parse(text).unwrap().version());
}

#[test]
fn mistakes_have_a_place() {
    let cases = [
        (
            "DROP TABLE x",
            "1:1: expected CREATE ROLE, CREATE POLICY, CREATE MASK, ALTER ROLE, GRANT or REVOKE, found \"DROP\"",
        ),
        ("CREATE ROLE a\nCREATE ROLE b", "2:1: expected \";\", found \"CREATE\""),
        ("CREATE ROLE a, a", "1:16: role \"a\" already exists"),
        ("CREATE ROLE public", "1:13: role name \"public\" is reserved"),
        ("CREATE ROLE 'a'", "1:13: expected the name of a role, found \"'a'\""),
        (
            "GRANT SELECT ON c.s.t TO\n  nobody",
            "2:3: role \"nobody\" does not exist",
        ),
        (
            "CREATE ROLE a;\nGRANT SELECT ON t TO a",
            "2:17: expected a table as catalog.schema.table, found \"t\"",
        ),
        (
            "CREATE ROLE a; GRANT SELECT (x) ON SCHEMA c.s TO a",
            "1:36: columns can be listed for a table only",
        ),
        (
            "CREATE ROLE a; GRANT TRUNCATE ON c.s.t TO a",
            "1:31: expected TO (the privileges are SELECT, INSERT, UPDATE, DELETE, USAGE, ALL, EXECUTE), found \"ON\"",
        ),
        (
            "CREATE ROLE a; GRANT EXECUTE ON SERVICE ftp TO a",
            "1:41: expected postgres, flight or rest, found \"ftp\"",
        ),
        (
            "CREATE ROLE a, b; GRANT a TO b;\nGRANT b TO a",
            "2:12: role \"b\" is a member of role \"a\"",
        ),
        (
            "CREATE ROLE a; GRANT a TO a",
            "1:27: role \"a\" is a member of role \"a\"",
        ),
        (
            "CREATE POLICY p ON c.s.t FOR SELECT",
            "1:36: expected USING and the condition of the policy, found the end of the file",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (x = 1",
            "1:32: this parenthesis is not closed",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (x = 1 y)",
            "1:39: expected the end of the expression, found \"y\"",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (x = )",
            "1:33: expected: an expression, found: EOF",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (x = $1)",
            "1:33: there is no parameter $1 in a rule",
        ),
        (
            "CREATE POLICY p ON c.s.t\n USING (is_member('zz'))",
            "2:9: role \"zz\" does not exist",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (user_attribute(x) = 'a')",
            "1:33: user_attribute takes the name of an attribute in single quotes",
        ),
        (
            "CREATE POLICY p ON c.s.t USING (true); CREATE POLICY p ON c.s.t USING (true)",
            "1:54: policy \"p\" for table \"c.s.t\" already exists",
        ),
        (
            "CREATE MASK m ON c.s.t (x) USING (1); CREATE MASK m ON c.s.t (y) USING (1)",
            "1:51: mask \"m\" for table \"c.s.t\" already exists",
        ),
        (
            "CREATE MASK m ON c.s.t (x) USING (1); CREATE MASK n ON c.s.t (x) USING (1)",
            "1:51: column \"x\" has the mask \"m\" for role \"public\" already",
        ),
        (
            "CREATE ROLE a; ALTER ROLE a SET rate_limit = '0/hour'",
            "1:46: invalid rate limit \"0/hour\"",
        ),
        (
            "CREATE ROLE a; ALTER ROLE a SET rate_limits = '1/hour'",
            "1:33: unrecognized setting \"rate_limits\"",
        ),
        (
            "CREATE ROLE a;\n CREATE ROLE 'open",
            "2:14: unterminated string literal",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!(error.to_string(), format!("access.sql:{expected}"), "{text}");
    }
}
