//! From a query string to commands.

mod cursor;
mod errors;
mod explain;
mod limits;
mod misplaced;
mod query;
mod session;
mod statement;
mod text;
mod tokens;
mod transfer;

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

pub use limits::Limits;

use crate::command::ParsedStatement;
use text::Places;

/// What all statements of one query string share.
#[derive(Debug)]
pub(crate) struct Scope<'t> {
    pub(crate) places: Places<'t>,
    pub(crate) limits: Limits,
}

/// Reads a query string: statements separated by semicolons. Between semicolons with nothing but blanks and comments
/// lies no statement; a string without any statement is one [`Command::Empty`](crate::Command::Empty).
///
/// # Errors
/// [`ErrorKind::Syntax`] with PostgreSQL's wording and a position, [`ErrorKind::StatementTooComplex`] beyond the
/// limits, [`ErrorKind::Unsupported`] for what PostgreSQL's grammar has inside a query and this one has not.
pub fn parse(sql: &str, limits: &Limits) -> Result<Vec<ParsedStatement>> {
    parse_tokens(sql, limits, false)
}

/// [`parse`] of a text whose parameters are written `?`: the first stands for `$1`, and so on. No other sign or text
/// that holds a question mark is touched.
///
/// # Errors
/// As [`parse`]; `Syntax` also if the text has both.
pub fn parse_question_marks(sql: &str, limits: &Limits) -> Result<Vec<ParsedStatement>> {
    parse_tokens(sql, limits, true)
}

fn parse_tokens(sql: &str, limits: &Limits, question_marks: bool) -> Result<Vec<ParsedStatement>> {
    if sql.len() > limits.text_bytes {
        return Err(Error::new(
            ErrorKind::StatementTooComplex,
            format!("query string is longer than {} bytes", limits.text_bytes),
        )
        .with_hint("Send long values as parameters."));
    }
    let scope = Scope {
        places: Places::new(sql),
        limits: *limits,
    };
    let mut tokens = tokens::tokenize(&scope.places, limits)?;
    if question_marks {
        tokens::number_question_marks(&mut tokens, &scope.places)?;
    }
    let mut statements = Vec::new();
    let mut rest: &[TokenWithSpan] = &tokens;
    while !rest.is_empty() {
        let length = rest
            .iter()
            .position(|token| token.token == Token::SemiColon)
            .unwrap_or(rest.len());
        let (own, after) = rest.split_at(length);
        if !own.is_empty() {
            limits::check_height(own, limits)?;
            statements.push(statement::parse(&scope, own, after.first())?);
        }
        rest = after.get(1..).unwrap_or_default();
    }
    if statements.is_empty() {
        statements.push(ParsedStatement {
            command: crate::Command::Empty,
            text: 0..0,
            parameters: 0,
        });
    }
    Ok(statements)
}

#[cfg(test)]
mod precedence_tests;
#[cfg(test)]
mod tests;
