//! From tokens to [`Filter`].

use contract::{Error, ErrorKind, Result};
use engine::{Comparison, Filter, Literal, Order};

use super::token::{Placed, Token, near, tokens, wrong};
use crate::json::Json;

/// The deepest nesting of parentheses and NOT.
const DEPTH_MAX: usize = 50;
/// The most comparisons and listed values. XOR is written out, so that each doubles what is left and right of it.
const TERMS_MAX: usize = 1_000;

/// The values of named parameters.
pub(crate) type Parameters = Vec<(String, Json)>;

/// Reads a filter whose `:name`s stand for `parameters`.
///
/// # Errors
/// `Syntax` with the place; `StatementTooComplex`; `InvalidParameter` for a parameter that cannot stand where it does.
pub(crate) fn parse(text: &str, parameters: &Parameters) -> Result<Filter> {
    let mut parser = Parser::new(text, parameters)?;
    let filter = parser.any(0)?;
    match parser.peek() {
        Token::End => Ok(filter.filter),
        _ => Err(parser.unexpected()),
    }
}

/// Reads an order: `column [ASC|DESC] [NULLS FIRST|LAST], …`.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_order(text: &str) -> Result<Vec<Order>> {
    let mut parser = Parser::new(text, &NO_PARAMETERS)?;
    let mut order = Vec::new();
    loop {
        let column = parser.column()?;
        let descending = parser.keyword("DESC") || {
            parser.keyword("ASC");
            false
        };
        let nulls_first = match parser.keyword("NULLS") {
            false => None,
            true if parser.keyword("FIRST") => Some(true),
            true => {
                parser.expect("LAST")?;
                Some(false)
            }
        };
        order.push(Order {
            column,
            descending,
            nulls_first,
        });
        match parser.peek() {
            Token::Sign(",") => parser.next += 1,
            Token::End => return Ok(order),
            _ => return Err(parser.unexpected()),
        }
    }
}

static NO_PARAMETERS: Parameters = Parameters::new();

/// A part of the filter, and how many terms it has.
#[derive(Clone)]
struct Part {
    filter: Filter,
    terms: usize,
}

struct Parser<'p> {
    text: &'p str,
    tokens: Vec<Placed>,
    next: usize,
    parameters: &'p Parameters,
}

const END: Token = Token::End;

impl<'p> Parser<'p> {
    fn new(text: &'p str, parameters: &'p Parameters) -> Result<Self> {
        Ok(Self {
            text,
            tokens: tokens(text)?,
            next: 0,
            parameters,
        })
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&END, |placed| &placed.token)
    }

    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |placed| placed.at)
    }

    fn unexpected(&self) -> Error {
        near(self.text, self.at())
    }

    fn wrong(&self, message: impl Into<String>) -> Error {
        wrong(self.text, self.at(), message)
    }

    /// Takes the keyword if it is next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let there = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword));
        self.next += usize::from(there);
        there
    }

    fn sign(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Token::Sign(next) if *next == sign);
        self.next += usize::from(there);
        there
    }

    fn expect(&mut self, keyword: &str) -> Result<()> {
        match self.keyword(keyword) {
            true => Ok(()),
            false => Err(self.unexpected().with_hint(format!("Here stands {keyword}."))),
        }
    }

    fn expect_sign(&mut self, sign: &str) -> Result<()> {
        match self.sign(sign) {
            true => Ok(()),
            false => Err(self.unexpected().with_hint(format!("Here stands \"{sign}\"."))),
        }
    }

    fn part(&self, filter: Filter, terms: usize) -> Result<Part> {
        if terms > TERMS_MAX {
            let message = format!("the filter has more than {TERMS_MAX} terms");
            return Err(Error::new(ErrorKind::StatementTooComplex, message));
        }
        Ok(Part { filter, terms })
    }

    /// `parts` joined; one stays as it is.
    fn joined(&self, mut parts: Vec<Part>, join: fn(Vec<Filter>) -> Filter) -> Result<Part> {
        let terms = parts.iter().map(|part| part.terms).sum();
        match (parts.len(), parts.pop()) {
            (1, Some(part)) => Ok(part),
            (_, last) => {
                let filters = parts.into_iter().chain(last).map(|part| part.filter);
                self.part(join(filters.collect()), terms)
            }
        }
    }

    fn any(&mut self, depth: usize) -> Result<Part> {
        let mut parts = vec![self.exclusive(depth)?];
        loop {
            if self.keyword("OR") || self.sign("||") {
                parts.push(self.exclusive(depth)?);
            } else if self.keyword("NOR") {
                // Neither what came so far nor the next.
                parts.push(self.exclusive(depth)?);
                let Part { filter, terms } = self.joined(parts, Filter::Or)?;
                parts = vec![self.part(not(filter), terms)?];
            } else {
                return self.joined(parts, Filter::Or);
            }
        }
    }

    fn exclusive(&mut self, depth: usize) -> Result<Part> {
        let mut left = self.all(depth)?;
        while self.keyword("XOR") {
            let right = self.all(depth)?;
            let terms = (left.terms + right.terms) * 2;
            if terms > TERMS_MAX {
                return Err(Error::new(
                    ErrorKind::StatementTooComplex,
                    format!("the filter has more than {TERMS_MAX} terms"),
                )
                .with_hint("Each XOR doubles the terms on its sides."));
            }
            let (left_too, right_too) = (left.filter.clone(), right.filter.clone());
            let only_left = Filter::And(vec![left.filter, not(right.filter)]);
            let only_right = Filter::And(vec![not(left_too), right_too]);
            left = self.part(Filter::Or(vec![only_left, only_right]), terms)?;
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<Part> {
        let mut parts = vec![self.not(depth)?];
        while self.keyword("AND") || self.sign("&&") {
            parts.push(self.not(depth)?);
        }
        self.joined(parts, Filter::And)
    }

    fn not(&mut self, depth: usize) -> Result<Part> {
        if depth > DEPTH_MAX {
            let message = format!("the filter is nested deeper than {DEPTH_MAX} levels");
            return Err(Error::new(ErrorKind::StatementTooComplex, message));
        }
        if self.keyword("NOT") || self.sign("!") {
            let Part { filter, terms } = self.not(depth + 1)?;
            return self.part(not(filter), terms);
        }
        if self.sign("(") {
            let inner = self.any(depth + 1)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        self.comparison()
    }

    fn column(&mut self) -> Result<String> {
        let name = match self.peek() {
            Token::Word(word) => word.clone(),
            Token::Name(name)
            | Token::Text {
                value: name,
                double: true,
            } => name.clone(),
            _ => return Err(self.unexpected().with_hint("Here stands the name of a column.")),
        };
        if name.is_empty() {
            return Err(self.wrong("the name of a column is empty"));
        }
        if matches!(self.peek_at(1), Token::Sign("(")) && !matches!(self.peek(), Token::Name(_)) {
            let is_keyword = ["IN", "NOT"].iter().any(|keyword| name.eq_ignore_ascii_case(keyword));
            if !is_keyword {
                return Err(self
                    .wrong("functions cannot stand in a filter")
                    .with_hint("POST the whole query as SQL to _query."));
            }
        }
        self.next += 1;
        Ok(name)
    }

    fn comparison(&mut self) -> Result<Part> {
        let column = self.column()?;
        if let Some(comparison) = self.comparison_sign() {
            let value = self.value()?;
            let filter = Filter::Compare {
                column,
                comparison,
                value,
            };
            return self.part(filter, 1);
        }
        if self.keyword("IS") {
            let negated = self.keyword("NOT");
            self.expect("NULL")?;
            return self.negated(Filter::IsNull { column }, 1, negated);
        }
        if self.keyword("DOES") {
            let negated = self.keyword("NOT");
            self.expect("EXIST")?;
            return self.negated(Filter::IsNull { column }, 1, !negated);
        }
        let negated = self.keyword("NOT");
        if self.keyword("IN") {
            let values = self.list()?;
            let terms = values.len() + 1;
            return self.negated(Filter::In { column, values }, terms, negated);
        }
        let pattern = if self.keyword("LIKE") {
            self.string()?
        } else if self.keyword("CONTAINS") {
            format!("%{}%", literally(&self.string()?))
        } else if self.keyword("STARTS") {
            self.expect("WITH")?;
            format!("{}%", literally(&self.string()?))
        } else if self.keyword("ENDS") {
            self.expect("WITH")?;
            format!("%{}", literally(&self.string()?))
        } else {
            let hint =
                "Here stands an operator: = != < <= > >= IN, NOT IN, LIKE, STARTS WITH, ENDS WITH, CONTAINS, IS NULL.";
            return Err(self.unexpected().with_hint(hint));
        };
        self.negated(Filter::Like { column, pattern }, 1, negated)
    }

    fn negated(&self, filter: Filter, terms: usize, negated: bool) -> Result<Part> {
        self.part(if negated { not(filter) } else { filter }, terms)
    }

    fn comparison_sign(&mut self) -> Option<Comparison> {
        let comparison = match self.peek() {
            Token::Sign("=" | "==") => Comparison::Equal,
            Token::Sign("!=" | "<>") => Comparison::NotEqual,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::LessOrEqual,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) => match word.to_ascii_uppercase().as_str() {
                "EQ" => Comparison::Equal,
                "NE" => Comparison::NotEqual,
                "LT" => Comparison::Less,
                "LTE" => Comparison::LessOrEqual,
                "GT" => Comparison::Greater,
                "GTE" => Comparison::GreaterOrEqual,
                _ => return None,
            },
            _ => return None,
        };
        self.next += 1;
        Some(comparison)
    }

    fn value(&mut self) -> Result<Literal> {
        let value = match self.peek() {
            Token::Text { value, .. } => Literal::Text(value.clone()),
            Token::Number(number) => Literal::Number(number.clone()),
            Token::Parameter(_) => literal(self.parameter()?).ok_or_else(|| self.wrong_parameter("one value"))?,
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "null" => Literal::Null,
                "true" => Literal::Boolean(true),
                "false" => Literal::Boolean(false),
                _ => {
                    let hint = "Texts stand in quotes: column = 'text'. A column can only be compared with a value.";
                    return Err(self.unexpected().with_hint(hint));
                }
            },
            _ => return Err(self.unexpected().with_hint("Here stands a value.")),
        };
        self.next += 1;
        Ok(value)
    }

    /// What a pattern is made of.
    fn string(&mut self) -> Result<String> {
        let at = self.at();
        match self.value()? {
            Literal::Text(text) | Literal::Number(text) => Ok(text),
            Literal::Null | Literal::Boolean(_) => Err(wrong(self.text, at, "here stands a text")),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>> {
        // A parameter may be the whole list.
        if let Token::Parameter(_) = self.peek() {
            let values = self
                .whole_list()?
                .ok_or_else(|| self.wrong_parameter("an array of values"))?;
            self.next += 1;
            return Ok(values);
        }
        self.expect_sign("(")?;
        let mut values = Vec::new();
        loop {
            match self.peek() {
                Token::Parameter(_) => match self.whole_list()? {
                    Some(listed) => {
                        self.next += 1;
                        values.extend(listed);
                    }
                    None => values.push(self.value()?),
                },
                _ => values.push(self.value()?),
            }
            if values.len() > TERMS_MAX {
                let message = format!("the filter has more than {TERMS_MAX} terms");
                return Err(Error::new(ErrorKind::StatementTooComplex, message));
            }
            if self.sign(")") {
                return match values.is_empty() {
                    true => Err(self.wrong("a list of the filter is empty")),
                    false => Ok(values),
                };
            }
            self.expect_sign(",")?;
        }
    }

    /// The values of the parameter that is next, if it is an array.
    fn whole_list(&self) -> Result<Option<Vec<Literal>>> {
        let Json::Array(items) = self.parameter()? else {
            return Ok(None);
        };
        let values: Option<Vec<_>> = items.iter().map(literal).collect();
        match values {
            Some(values) if !values.is_empty() => Ok(Some(values)),
            Some(_) => Err(self.wrong("a list of the filter is empty")),
            None => Err(self.wrong_parameter("an array of values")),
        }
    }

    /// The value of the parameter that is next.
    fn parameter(&self) -> Result<&'p Json> {
        let Token::Parameter(name) = self.peek() else {
            return Err(self.unexpected());
        };
        let named = |(given, _): &&(String, Json)| given.strip_prefix(':').unwrap_or(given) == name;
        match self.parameters.iter().find(named) {
            Some((_, value)) => Ok(value),
            None => Err(self
                .wrong(format!("the filter's parameter :{name} has no value"))
                .with_hint(
                    "POST the request with the header X-HTTP-Method: GET and {\"filter\": …, \"params\": {\":name\": value}}.",
                )),
        }
    }

    fn wrong_parameter(&self, expected: &str) -> Error {
        self.wrong(format!("a parameter of the filter must be {expected}"))
    }
}

fn literal(value: &Json) -> Option<Literal> {
    Some(match value {
        Json::Null => Literal::Null,
        Json::Bool(value) => Literal::Boolean(*value),
        Json::Number(number) => Literal::Number(number.clone()),
        Json::String(text) => Literal::Text(text.clone()),
        Json::Array(_) | Json::Object(_) => return None,
    })
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

/// A pattern that only `text` itself fits.
fn literally(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
