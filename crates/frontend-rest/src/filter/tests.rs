use contract::ErrorKind;
use engine::{Comparison, Filter, Literal, Order};
use proptest::prelude::*;

use super::parse::{Parameters, parse, parse_order};
use crate::json::Json;

fn read(text: &str) -> Filter {
    parse(text, &Parameters::new()).unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.detail()))
}

fn equals(column: &str, value: Literal) -> Filter {
    Filter::Compare {
        column: column.to_owned(),
        comparison: Comparison::Equal,
        value,
    }
}

fn one(column: &str) -> Filter {
    equals(column, Literal::Number("1".to_owned()))
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn like(pattern: &str) -> Filter {
    Filter::Like {
        column: "a".to_owned(),
        pattern: pattern.to_owned(),
    }
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

#[test]
fn precedence_is_that_of_sql() {
    let expected = Filter::Or(vec![one("a"), Filter::And(vec![not(one("b")), one("c")])]);
    for spelled in [
        "a=1 OR NOT b=1 AND c=1",
        "(a = 1) || ((!(b EQ 1)) && c eq 1)",
        "((a==1) or (not (b=1) and (c=1)))",
    ] {
        assert_eq!(read(spelled), expected, "{spelled}");
    }
    let exclusive = |left: Filter, right: Filter| {
        Filter::Or(vec![
            Filter::And(vec![left.clone(), not(right.clone())]),
            Filter::And(vec![not(left), right]),
        ])
    };
    assert_eq!(
        read("a=1 OR b=1 XOR c=1 AND d=1"),
        Filter::Or(vec![
            one("a"),
            exclusive(one("b"), Filter::And(vec![one("c"), one("d")]))
        ])
    );
    assert_eq!(read("a=1 NOR b=1"), not(Filter::Or(vec![one("a"), one("b")])));
}

#[test]
fn every_operator_is_read() {
    for (spelled, comparison) in [
        ("!=", Comparison::NotEqual),
        ("<>", Comparison::NotEqual),
        (" ne ", Comparison::NotEqual),
        ("<", Comparison::Less),
        (" LT ", Comparison::Less),
        ("<=", Comparison::LessOrEqual),
        (" lte ", Comparison::LessOrEqual),
        (">", Comparison::Greater),
        (" GT ", Comparison::Greater),
        (">=", Comparison::GreaterOrEqual),
        (" GTE ", Comparison::GreaterOrEqual),
    ] {
        let expected = Filter::Compare {
            column: "a".to_owned(),
            comparison,
            value: Literal::Number("-1.50".to_owned()),
        };
        assert_eq!(read(&format!("a{spelled}-1.50")), expected, "{spelled}");
    }
    let null = Filter::IsNull { column: "a".to_owned() };
    assert_eq!(read("a IS NULL"), null);
    assert_eq!(read("a does not exist"), null);
    assert_eq!(read("a is not null"), not(null.clone()));
    assert_eq!(read("a DOES EXIST"), not(null));
    let listed = Filter::In {
        column: "a".to_owned(),
        values: vec![
            Literal::Number("1".to_owned()),
            text("x"),
            Literal::Boolean(true),
            Literal::Null,
        ],
    };
    assert_eq!(read("a IN (1, 'x', TRUE, null)"), listed);
    assert_eq!(read("a not in(1,\"x\",true,NULL)"), not(listed));
    assert_eq!(read("a LIKE '1\\%_%'"), like("1\\%_%"));
    assert_eq!(read("a NOT LIKE 'x'"), not(like("x")));
    assert_eq!(read("a CONTAINS '50%'"), like("%50\\%%"));
    assert_eq!(read("a starts with 'a_b'"), like("a\\_b%"));
    assert_eq!(read("a ENDS WITH '\\\\'"), like("%\\\\"));
}

#[test]
fn a_value_never_becomes_syntax() {
    for value in [
        "') OR (1=1",
        "x' OR 'a'='a",
        "a) AND (b",
        "' -- ",
        "\\' OR 1=1",
        "\\",
        "\"",
        "NULL",
        ":p",
    ] {
        for quote in ['\'', '"'] {
            let doubled = value.replace('\\', "\\\\").replace(quote, &format!("{quote}{quote}"));
            assert_eq!(
                read(&format!("(a = {quote}{doubled}{quote})")),
                equals("a", text(value))
            );
            let escaped = value.replace('\\', "\\\\").replace(quote, &format!("\\{quote}"));
            assert_eq!(read(&format!("a = {quote}{escaped}{quote}")), equals("a", text(value)));
        }
        let parameters = vec![(":p".to_owned(), Json::String(value.to_owned()))];
        assert_eq!(parse("a = :p", &parameters).unwrap(), equals("a", text(value)));
    }
}

#[test]
fn parameters_may_be_lists() {
    let number = |text: &str| Json::Number(text.to_owned());
    let parameters = vec![
        ("x".to_owned(), Json::Array(vec![number("1"), number("2.50")])),
        (":y".to_owned(), Json::Null),
    ];
    let values = ["1", "2.50"].map(|text| Literal::Number(text.to_owned())).to_vec();
    for spelled in ["a IN :x", "a IN (:x)"] {
        let expected = Filter::In {
            column: "a".to_owned(),
            values: values.clone(),
        };
        assert_eq!(parse(spelled, &parameters).unwrap(), expected);
    }
    assert_eq!(parse("a = :y", &parameters).unwrap(), equals("a", Literal::Null));
    for broken in ["a = :x", "a = :z", "a IN :y", "a = :", "a IN :z"] {
        parse(broken, &parameters).unwrap_err();
    }
}

#[test]
fn columns_may_have_any_name() {
    for (spelled, name) in [
        ("\"two words\" = 1", "two words"),
        ("`a``b` = 1", "a`b"),
        ("\"in\" = 1", "in"),
        ("Größe_1 = 1", "Größe_1"),
        ("\"a\"\"b\"=1", "a\"b"),
    ] {
        assert_eq!(read(spelled), one(name), "{spelled}");
    }
}

#[test]
fn a_mistake_is_shown_at_its_place() {
    let none = Parameters::new();
    let error = parse("é = 1 AN b = 2", &none).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Syntax);
    assert_eq!(error.message(), "syntax error in the filter at or near \"AN\"");
    assert_eq!(error.position(), Some(7));
    assert_eq!(error.detail(), Some("é = 1 AN b = 2\n      ^"));
    for broken in [
        "",
        " ",
        "a",
        "a =",
        "= 1",
        "a = b",
        "a = 1 AND",
        "(a = 1",
        "a = 1)",
        "a = 1 b = 2",
        "a = 'x",
        "a = \"x",
        "a IN ()",
        "a IN (1",
        "a IN 1",
        "a IS 1",
        "a IS NOT",
        "a LIKE null",
        "a LIKE",
        "a STARTS 'x'",
        "a = 1.2.3",
        "a = 12x",
        "a = {user.id}",
        "a = 1; DROP",
        "a = 1 -- x",
        "lower(a) = 'x'",
        "a.b = 1",
        "a = ALL (1)",
        "'a' = 1",
        "a = (1)",
        "a NOT = 1",
        "a = 0x10",
        "``=1",
        "a ~ 'x'",
        "a & 1",
        "NOT",
        "()",
        "a = \u{0}",
    ] {
        let error = parse(broken, &none).expect_err(broken);
        assert_eq!(error.kind(), ErrorKind::Syntax, "{broken}");
        assert!(error.position().is_some() && error.detail().is_some(), "{broken}");
    }
}

#[test]
fn size_is_bounded() {
    let none = Parameters::new();
    let nested = |levels: usize| format!("{}a=1{}", "(".repeat(levels), ")".repeat(levels));
    parse(&nested(50), &none).unwrap();
    for huge in [
        nested(51),
        nested(100_000),
        "(".repeat(100_000),
        format!("{}a=1", "NOT ".repeat(100_000)),
        vec!["a=1"; 1_001].join(" OR "),
        vec!["a=1"; 60].join(" XOR "),
        format!("a IN ({})", vec!["1"; 1_001].join(",")),
    ] {
        let error = parse(&huge, &none).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::StatementTooComplex | ErrorKind::Syntax),
            "{error}"
        );
    }
}

#[test]
fn an_order_is_read() {
    let key = |column: &str, descending, nulls_first| Order {
        column: column.to_owned(),
        descending,
        nulls_first,
    };
    assert_eq!(
        parse_order("a, b desc,\"c d\" ASC nulls first,d DESC NULLS LAST").unwrap(),
        [
            key("a", false, None),
            key("b", true, None),
            key("c d", false, Some(true)),
            key("d", true, Some(false)),
        ]
    );
    for broken in [
        "",
        ",",
        "a,",
        "a b",
        "a asc desc",
        "a nulls",
        "1",
        "a; drop",
        "lower(a)",
    ] {
        parse_order(broken).unwrap_err();
    }
}

/// Writes a filter in one of its spellings; `dice` decides which.
struct Printer<D> {
    dice: D,
}

impl<D: FnMut() -> u8> Printer<D> {
    fn pick(&mut self, of: &[&str]) -> String {
        let chosen = of[usize::from((self.dice)()) % of.len()];
        match (self.dice)() % 3 {
            0 => chosen.to_lowercase(),
            1 => chosen.to_uppercase(),
            _ => chosen
                .chars()
                .enumerate()
                .map(|(at, letter)| {
                    if at.is_multiple_of(2) {
                        letter
                    } else {
                        letter.to_ascii_lowercase()
                    }
                })
                .collect(),
        }
    }

    fn quoted(&mut self, value: &str) -> String {
        let quote = if (self.dice)().is_multiple_of(2) { '\'' } else { '"' };
        let doubled = (self.dice)().is_multiple_of(2);
        let mut out = String::from(quote);
        for letter in value.chars() {
            match letter {
                '\\' => out.push_str("\\\\"),
                letter if letter == quote && doubled => out.extend([quote, quote]),
                letter if letter == quote => out.extend(['\\', quote]),
                letter => out.push(letter),
            }
        }
        out.push(quote);
        out
    }

    fn column(&mut self, name: &str) -> String {
        match (self.dice)() % 2 {
            0 => format!("`{}`", name.replace('`', "``")),
            _ => format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\"\"")),
        }
    }

    fn value(&mut self, value: &Literal) -> String {
        match value {
            Literal::Null => self.pick(&["null"]),
            Literal::Boolean(true) => self.pick(&["true"]),
            Literal::Boolean(false) => self.pick(&["false"]),
            Literal::Number(number) => number.clone(),
            Literal::Text(text) => self.quoted(text),
        }
    }

    fn spaced(&mut self, text: &str) -> String {
        format!("{0}{text}{0}", [" ", "  ", "\t", "\n"][usize::from((self.dice)()) % 4])
    }

    fn print(&mut self, filter: &Filter) -> String {
        let printed = match filter {
            Filter::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.operand(part)).collect();
                let word = self.pick(&["AND", "&&"]);
                parts.join(&self.spaced(&word))
            }
            Filter::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.operand(part)).collect();
                let word = self.pick(&["OR", "||"]);
                parts.join(&self.spaced(&word))
            }
            Filter::Not(inner) => match &**inner {
                Filter::IsNull { column } if (self.dice)().is_multiple_of(2) => {
                    format!("{} {}", self.column(column), self.pick(&["IS NOT NULL", "DOES EXIST"]))
                }
                Filter::In { .. } | Filter::Like { .. } if (self.dice)().is_multiple_of(2) => {
                    self.leaf(inner, &format!("{} ", "NOT"))
                }
                inner => {
                    let word = self.pick(&["NOT", "!"]);
                    format!("{word} {}", self.operand(inner))
                }
            },
            leaf => self.leaf(leaf, ""),
        };
        match (self.dice)() % 4 {
            0 => format!("({printed})"),
            1 if !matches!(filter, Filter::And(_) | Filter::Or(_)) => format!("( ( {printed} ) )"),
            _ => printed,
        }
    }

    fn operand(&mut self, filter: &Filter) -> String {
        match filter {
            Filter::And(_) | Filter::Or(_) => format!("({})", self.print(filter)),
            _ => self.print(filter),
        }
    }

    fn leaf(&mut self, filter: &Filter, negation: &str) -> String {
        match filter {
            Filter::Compare {
                column,
                comparison,
                value,
            } => {
                let spellings: &[&str] = match comparison {
                    Comparison::Equal => &["=", "==", "EQ"],
                    Comparison::NotEqual => &["!=", "<>", "NE"],
                    Comparison::Less => &["<", "LT"],
                    Comparison::LessOrEqual => &["<=", "LTE"],
                    Comparison::Greater => &[">", "GT"],
                    Comparison::GreaterOrEqual => &[">=", "GTE"],
                };
                let sign = self.pick(spellings);
                let sign = self.spaced(&sign);
                format!("{}{sign}{}", self.column(column), self.value(value))
            }
            Filter::In { column, values } => {
                let values: Vec<_> = values.iter().map(|value| self.value(value)).collect();
                let comma = [",", ", ", " , "][usize::from((self.dice)()) % 3];
                format!(
                    "{} {negation}{} ({})",
                    self.column(column),
                    self.pick(&["IN"]),
                    values.join(comma)
                )
            }
            Filter::Like { column, pattern } => {
                format!(
                    "{} {negation}{} {}",
                    self.column(column),
                    self.pick(&["LIKE"]),
                    self.quoted(pattern)
                )
            }
            Filter::IsNull { column } => {
                format!("{} {}", self.column(column), self.pick(&["IS NULL", "DOES NOT EXIST"]))
            }
            other => unreachable!("{other:?} is no leaf"),
        }
    }
}

fn literals() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        "-?[0-9]{1,30}(\\.[0-9]{1,10})?([eE][+-]?[0-9]{1,3})?".prop_map(Literal::Number),
        any::<String>().prop_map(Literal::Text),
        "[ '\"\\\\()=:%_;ANDOR-]{0,12}".prop_map(Literal::Text),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let column = || prop_oneof!["[a-z]{1,5}", "[ '\"\\\\`()=ANDnot]{1,8}", "\\PC{1,5}"];
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Less),
        Just(Comparison::LessOrEqual),
        Just(Comparison::Greater),
        Just(Comparison::GreaterOrEqual),
    ];
    let leaf = prop_oneof![
        (column(), comparison, literals()).prop_map(|(column, comparison, value)| Filter::Compare {
            column,
            comparison,
            value
        }),
        (column(), proptest::collection::vec(literals(), 1..5))
            .prop_map(|(column, values)| Filter::In { column, values }),
        (column(), any::<String>()).prop_map(|(column, pattern)| Filter::Like { column, pattern }),
        column().prop_map(|column| Filter::IsNull { column }),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(filter in filters(), dice in proptest::collection::vec(any::<u8>(), 97)) {
        let mut throws = dice.iter().copied().cycle();
        let mut printer = Printer { dice: || throws.next().unwrap() };
        let printed = printer.print(&filter);
        let read = parse(&printed, &Parameters::new());
        prop_assert_eq!(read.map_err(|error| format!("{printed}: {error}")), Ok(filter));
    }

    #[test]
    fn nothing_panics(text in any::<String>(), near in "[ab '\"`()=<>!&|:,.0-9eE+\\-\\\\é]{0,40}") {
        let _ = parse(&text, &Parameters::new());
        let _ = parse(&near, &Parameters::new());
        let _ = parse_order(&text);
        let _ = parse_order(&near);
    }

    #[test]
    fn keywords_in_any_order_never_panic(words in proptest::collection::vec(
        prop_oneof![
            Just("a"), Just("NOT"), Just("AND"), Just("OR"), Just("XOR"), Just("NOR"), Just("IN"), Just("LIKE"), Just("IS"),
            Just("NULL"), Just("("), Just(")"), Just("="), Just("'x'"), Just("1"), Just(","), Just(":p"), Just("STARTS"),
            Just("WITH"), Just("CONTAINS"), Just("DOES"), Just("EXIST"),
        ], 0..30)) {
        let _ = parse(&words.join(" "), &Parameters::new());
    }
}
