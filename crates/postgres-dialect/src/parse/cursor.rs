//! Walks over the tokens of one statement.

use contract::{Error, Result};
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::tokens::is_word;
use super::{Scope, errors};
use crate::dialect::LakegateDialect;

/// A place in a statement's tokens.
#[derive(Debug)]
pub(crate) struct Cursor<'s> {
    pub(crate) scope: &'s Scope<'s>,
    pub(crate) tokens: &'s [TokenWithSpan],
    pub(crate) at: usize,
    /// The semicolon after the statement, if there is one.
    pub(crate) end: Option<&'s TokenWithSpan>,
}

impl<'s> Cursor<'s> {
    pub(crate) fn new(scope: &'s Scope<'s>, tokens: &'s [TokenWithSpan], end: Option<&'s TokenWithSpan>) -> Self {
        Self {
            scope,
            tokens,
            at: 0,
            end,
        }
    }

    pub(crate) fn peek(&self) -> Option<&'s Token> {
        self.peek_nth(0)
    }

    pub(crate) fn peek_nth(&self, offset: usize) -> Option<&'s Token> {
        self.tokens.get(self.at + offset).map(|token| &token.token)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.tokens.len()
    }

    pub(crate) fn rest(&self) -> &'s [TokenWithSpan] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// `syntax error at or near` the next token.
    pub(crate) fn error(&self) -> Error {
        match self.tokens.get(self.at).or(self.end) {
            Some(token) => errors::near(token, &self.scope.places),
            None => errors::end_of_input(&self.scope.places),
        }
    }

    pub(crate) fn expect_end(&self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.error()) }
    }

    pub(crate) fn sees(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| is_word(token, word))
    }

    pub(crate) fn sees_nth(&self, offset: usize, word: &str) -> bool {
        self.peek_nth(offset).is_some_and(|token| is_word(token, word))
    }

    /// Steps over `word` if it comes next.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let found = self.sees(word);
        self.at += usize::from(found);
        found
    }

    /// Steps over one of `words`, all or nothing.
    pub(crate) fn take_all(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(offset, word)| self.sees_nth(offset, word));
        if found {
            self.at += words.len();
        }
        found
    }

    pub(crate) fn take_any<'w>(&mut self, words: &[&'w str]) -> Option<&'w str> {
        words.iter().copied().find(|word| self.take(word))
    }

    pub(crate) fn take_sign(&mut self, sign: &Token) -> bool {
        let found = self.peek() == Some(sign);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, word: &str) -> Result<()> {
        if self.take(word) { Ok(()) } else { Err(self.error()) }
    }

    pub(crate) fn expect_sign(&mut self, sign: &Token) -> Result<()> {
        if self.take_sign(sign) {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    /// An identifier, in lower case unless quoted.
    pub(crate) fn identifier(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(if word.quote_style.is_some() {
                    word.value.clone()
                } else {
                    word.value.to_lowercase()
                })
            }
            _ => Err(self.error()),
        }
    }

    /// A name of one or more parts, each in lower case unless quoted, joined by periods.
    pub(crate) fn dotted_name(&mut self) -> Result<String> {
        let mut name = self.identifier()?;
        while self.take_sign(&Token::Period) {
            name.push('.');
            name.push_str(&self.identifier()?);
        }
        Ok(name)
    }

    pub(crate) fn object_name(&mut self) -> Result<ObjectName> {
        let mut parts = Vec::new();
        loop {
            match self.peek() {
                Some(Token::Word(word)) => {
                    let ident = Ident {
                        value: word.value.clone(),
                        quote_style: word.quote_style,
                        span: self.span(),
                    };
                    parts.push(ObjectNamePart::Identifier(ident));
                    self.at += 1;
                }
                _ => return Err(self.error()),
            }
            if !self.take_sign(&Token::Period) {
                return Ok(ObjectName(parts));
            }
        }
    }

    fn span(&self) -> datafusion::sql::sqlparser::tokenizer::Span {
        self.tokens
            .get(self.at)
            .map_or_else(datafusion::sql::sqlparser::tokenizer::Span::empty, |token| token.span)
    }

    /// A string literal, if one comes next.
    pub(crate) fn string(&mut self) -> Option<String> {
        let text = match self.peek()? {
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => text.clone(),
            Token::DollarQuotedString(quoted) => quoted.value.clone(),
            _ => return None,
        };
        self.at += 1;
        Some(text)
    }

    /// An integer with an optional sign, if one comes next.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        let (negative, offset) = match self.peek()? {
            Token::Minus => (true, 1),
            Token::Plus => (false, 1),
            _ => (false, 0),
        };
        let Some(Token::Number(digits, _)) = self.peek_nth(offset) else {
            return None;
        };
        let number: i64 = digits.parse().ok()?;
        self.at += offset + 1;
        Some(if negative { -number } else { number })
    }

    /// Lets sqlparser read from here; the cursor then stands where sqlparser stopped.
    pub(crate) fn with_parser<T>(&mut self, read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>) -> Result<T> {
        let dialect = LakegateDialect::default();
        let rest = self.rest();
        let mut parser = Parser::new(&dialect)
            .with_recursion_limit(self.scope.limits.nesting)
            .with_tokens_with_locations(rest.to_vec());
        let value =
            read(&mut parser).map_err(|error| errors::from_parser(&error, rest, self.end, &self.scope.places))?;
        self.at += parser.index().min(rest.len());
        Ok(value)
    }

    /// Expressions in parentheses, separated by commas.
    pub(crate) fn expressions(&mut self) -> Result<Vec<Expr>> {
        self.expect_sign(&Token::LParen)?;
        if self.take_sign(&Token::RParen) {
            return Ok(Vec::new());
        }
        let list = self.with_parser(|parser| parser.parse_comma_separated(Parser::parse_expr))?;
        self.expect_sign(&Token::RParen)?;
        Ok(list)
    }
}
