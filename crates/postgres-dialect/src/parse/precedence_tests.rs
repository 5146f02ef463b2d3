//! How tightly operators bind: each text must read as the same text with parentheses.

use std::ops::ControlFlow;

use contract::ErrorKind;
use datafusion::sql::sqlparser::ast::{Expr, Statement, VisitMut, VisitorMut};

use super::*;
use crate::command::Command;

fn tree(expression: &str) -> Statement {
    struct Peel;
    impl VisitorMut for Peel {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Nested(inner) = expr {
                *expr = (**inner).clone();
            }
            ControlFlow::Continue(())
        }
    }
    let sql = format!("select {expression}");
    let mut parsed = parse(&sql, &Limits::default()).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let Command::Query(mut statement) = parsed.remove(0).command else {
        panic!("{sql} is no query");
    };
    let _ = VisitMut::visit(&mut *statement, &mut Peel);
    *statement
}

#[test]
fn operators_bind_as_in_postgresql() {
    let cases = [
        // AND, OR, NOT
        ("a or b and c", "a or (b and c)"),
        ("not a and b", "(not a) and b"),
        ("not a = b", "not (a = b)"),
        ("not a is null", "not (a is null)"),
        ("not a in (1) or b", "(not (a in (1))) or b"),
        ("not a like b", "not (a like b)"),
        // IS
        ("a is not distinct from b and c", "(a is not distinct from b) and c"),
        ("a is distinct from b or c", "(a is distinct from b) or c"),
        ("x and a is distinct from b or c", "(x and (a is distinct from b)) or c"),
        ("not a is distinct from b and c", "(not (a is distinct from b)) and c"),
        ("a is distinct from b + 1", "a is distinct from (b + 1)"),
        ("a is distinct from b = c", "a is distinct from (b = c)"),
        (
            "a is not distinct from b and c is not distinct from d",
            "(a is not distinct from b) and (c is not distinct from d)",
        ),
        ("a = b is null", "(a = b) is null"),
        ("a < b is true", "(a < b) is true"),
        ("a + b is not null", "(a + b) is not null"),
        // Comparisons, BETWEEN, IN, LIKE
        ("a = b and c", "(a = b) and c"),
        ("a between 1 and 2 and b", "(a between 1 and 2) and b"),
        ("a between b + 1 and c * 2 or d", "(a between (b + 1) and (c * 2)) or d"),
        ("a = b between c and d", "a = (b between c and d)"),
        ("a = b in (1)", "a = (b in (1))"),
        ("a = b like c", "a = (b like c)"),
        ("a like b || c", "a like (b || c)"),
        ("a || b like c", "(a || b) like c"),
        ("a not like b and c", "(a not like b) and c"),
        // Operators of no level of their own
        ("a = b ~ c", "a = (b ~ c)"),
        ("a ~ b = c", "(a ~ b) = c"),
        ("a ~ b || c", "(a ~ b) || c"),
        ("a || b ~ c", "(a || b) ~ c"),
        ("a !~* b and c", "(a !~* b) and c"),
        ("a || b + c", "a || (b + c)"),
        ("a + b || c", "(a + b) || c"),
        ("a || b || c", "(a || b) || c"),
        ("a = b || c", "a = (b || c)"),
        ("a & b = c", "(a & b) = c"),
        ("a << b + c", "a << (b + c)"),
        ("a -> b = c", "(a -> b) = c"),
        ("a ->> b ~ c", "(a ->> b) ~ c"),
        ("a = b operator(pg_catalog.+) c", "a = (b operator(pg_catalog.+) c)"),
        ("~ a + b", "~ (a + b)"),
        ("~ a & b", "(~ a) & b"),
        ("@ a - b", "@ (a - b)"),
        // Arithmetic and signs
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a / b % c", "(a / b) % c"),
        ("a * b ^ c", "a * (b ^ c)"),
        ("a ^ b ^ c", "(a ^ b) ^ c"),
        ("- a ^ b", "(- a) ^ b"),
        ("- a * b", "(- a) * b"),
        ("- a + b", "(- a) + b"),
        ("- a::int", "- (a::int)"),
        ("- a[1]", "- (a[1])"),
        ("a ^ - b", "a ^ (- b)"),
        // Casts, time zones, collations
        ("a + b::int", "a + (b::int)"),
        ("a || b::text", "a || (b::text)"),
        ("a + b at time zone c", "a + (b at time zone c)"),
        ("a at time zone b = c", "(a at time zone b) = c"),
        ("a at time zone b::text", "a at time zone (b::text)"),
        ("a || b collate \"C\"", "a || (b collate \"C\")"),
        ("a < b collate \"C\"", "a < (b collate \"C\")"),
    ];
    for (written, meant) in cases {
        assert_eq!(tree(written), tree(meant), "{written}");
    }
}

#[test]
fn comparisons_do_not_chain() {
    for expression in ["a < b = c", "a = b = c", "a <> b >= c"] {
        let error = parse(&format!("select {expression}"), &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{expression}");
        assert_eq!(
            error.position(),
            Some(14 + usize::from(expression.contains("<>"))),
            "{error:?}"
        );
    }
}
