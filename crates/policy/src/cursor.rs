//! Walks over the tokens of one rules file. Every failure knows its place.

use std::sync::Arc;

use contract::TableName;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};

use crate::rule::RuleExpression;
use crate::rule_dialect::RuleDialect;
use crate::rule_error::{Place, RuleError};

type Result<T> = std::result::Result<T, RuleError>;

pub(crate) struct Cursor {
    file: Arc<str>,
    tokens: Vec<TokenWithSpan>,
    next: usize,
    end: Location,
}

impl Cursor {
    pub(crate) fn new(file: &str, text: &str) -> Result<Self> {
        let file: Arc<str> = Arc::from(file);
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
            .tokenize_with_location()
            .map_err(|error| {
                let Location { line, column } = error.location;
                RuleError::new(
                    &Place {
                        file: Arc::clone(&file),
                        line,
                        column,
                    },
                    lower_first(&error.message),
                )
            })?;
        let end = tokens.last().map_or(Location::new(1, 1), |token| token.span.end);
        let tokens = tokens
            .into_iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .collect();
        Ok(Self {
            file,
            tokens,
            next: 0,
            end,
        })
    }

    pub(crate) fn at_end(&self) -> bool {
        self.next >= self.tokens.len()
    }

    /// The place of the next token, or of the end of the text.
    pub(crate) fn place(&self) -> Place {
        let Location { line, column } = self.tokens.get(self.next).map_or(self.end, |token| token.span.start);
        Place {
            file: Arc::clone(&self.file),
            line,
            column,
        }
    }

    pub(crate) fn expected<T>(&self, what: &str) -> Result<T> {
        let message = match self.tokens.get(self.next) {
            Some(token) => format!("expected {what}, found \"{}\"", token.token),
            None => format!("expected {what}, found the end of the file"),
        };
        Err(RuleError::new(&self.place(), message))
    }

    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.next + ahead).map(|token| &token.token)
    }

    pub(crate) fn next_is(&self, token: &Token) -> bool {
        self.peek(0) == Some(token)
    }

    pub(crate) fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek(0) == Some(token);
        if found {
            self.next += 1;
        }
        found
    }

    pub(crate) fn expect(&mut self, token: &Token) -> Result<()> {
        if self.eat(token) {
            Ok(())
        } else {
            self.expected(&format!("\"{token}\""))
        }
    }

    /// Whether the token `ahead` of the next is that word, without quotes and in any case.
    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek(ahead), Some(Token::Word(Word { value, quote_style: None, .. })) if value.eq_ignore_ascii_case(word))
    }

    pub(crate) fn peek_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| self.is_word(ahead, word))
    }

    pub(crate) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = self.peek_words(words);
        if found {
            self.next += words.len();
        }
        found
    }

    pub(crate) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_words(&[word]) {
            Ok(())
        } else {
            self.expected(&word.to_ascii_uppercase())
        }
    }

    /// The index of the one of `words` that stands next, which is passed over.
    pub(crate) fn eat_one_of<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        let found = words.iter().find(|word| self.is_word(0, word)).copied();
        if found.is_some() {
            self.next += 1;
        }
        found
    }

    /// A name: folded to lower case unless it is quoted.
    pub(crate) fn name(&mut self, what: &str) -> Result<String> {
        let name = match self.peek(0) {
            Some(Token::Word(Word {
                value,
                quote_style: None,
                ..
            })) => value.to_lowercase(),
            Some(Token::Word(Word {
                value,
                quote_style: Some('"'),
                ..
            })) => value.clone(),
            _ => return self.expected(what),
        };
        self.next += 1;
        Ok(name)
    }

    pub(crate) fn names(&mut self, what: &str) -> Result<Vec<(String, Place)>> {
        let mut names = Vec::new();
        loop {
            let place = self.place();
            names.push((self.name(what)?, place));
            if !self.eat(&Token::Comma) {
                return Ok(names);
            }
        }
    }

    /// `( name, … )`
    pub(crate) fn column_list(&mut self) -> Result<Vec<String>> {
        self.expect(&Token::LParen)?;
        let names = self.names("a column")?.into_iter().map(|(name, _)| name).collect();
        self.expect(&Token::RParen)?;
        Ok(names)
    }

    pub(crate) fn dotted_name(&mut self, parts: usize, what: &str) -> Result<Vec<String>> {
        let place = self.place();
        let mut names = vec![self.name(what)?];
        while self.eat(&Token::Period) {
            names.push(self.name(what)?);
        }
        if names.len() != parts {
            return Err(RuleError::new(
                &place,
                format!("expected {what}, found \"{}\"", names.join(".")),
            ));
        }
        Ok(names)
    }

    pub(crate) fn table(&mut self) -> Result<TableName> {
        let parts = self.dotted_name(3, "a table as catalog.schema.table")?;
        match <[String; 3]>::try_from(parts) {
            Ok([catalog, schema, table]) => Ok(TableName { catalog, schema, table }),
            Err(_) => self.expected("a table as catalog.schema.table"),
        }
    }

    pub(crate) fn string(&mut self, what: &str) -> Result<String> {
        match self.peek(0) {
            Some(Token::SingleQuotedString(text)) => {
                let text = text.clone();
                self.next += 1;
                Ok(text)
            }
            _ => self.expected(what),
        }
    }

    /// `( expression )`, with sqlparser's own grammar inside.
    pub(crate) fn parenthesized_expression(&mut self) -> Result<RuleExpression> {
        let open = self.place();
        self.expect(&Token::LParen)?;
        let place = self.place();
        let start = self.next;
        let mut depth = 1usize;
        while depth > 0 {
            match self.peek(0) {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(Token::SemiColon) | None => {
                    return Err(RuleError::new(&open, "this parenthesis is not closed"));
                }
                Some(_) => {}
            }
            self.next += 1;
        }
        let tokens = self.tokens.get(start..self.next - 1).unwrap_or_default().to_vec();
        let expression = self.parse_expression(tokens, &place)?;
        Ok(RuleExpression { expression, place })
    }

    fn parse_expression(&self, tokens: Vec<TokenWithSpan>, place: &Place) -> Result<Expr> {
        let dialect = RuleDialect::default();
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let expression = parser
            .parse_expr()
            .map_err(|error| self.expression_error(&error, place))?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            let Location { line, column } = rest.span.start;
            let place = Place {
                file: Arc::clone(&self.file),
                line,
                column,
            };
            return Err(RuleError::new(
                &place,
                format!("expected the end of the expression, found \"{}\"", rest.token),
            ));
        }
        Ok(expression)
    }

    /// sqlparser writes the place into the text: ` at Line: 3, Column: 7`.
    fn expression_error(&self, error: &ParserError, place: &Place) -> RuleError {
        const MARK: &str = " at Line: ";
        let text = match error {
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
            ParserError::RecursionLimitExceeded => "the expression is nested too deeply",
        };
        let mut place = place.clone();
        let mut message = text;
        if let Some((before, after)) = text.rsplit_once(MARK) {
            message = before;
            let mut numbers = after.split(", Column: ").map(str::parse::<u64>);
            if let (Some(Ok(line)), Some(Ok(column))) = (numbers.next(), numbers.next())
                && line > 0
            {
                place.line = line;
                place.column = column;
            }
        }
        RuleError::new(&place, lower_first(message))
    }
}

fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}
