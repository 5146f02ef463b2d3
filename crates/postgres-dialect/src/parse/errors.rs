//! PostgreSQL's words for what does not parse.

use contract::{Error, ErrorKind};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, TokenWithSpan, TokenizerError};

use super::text::Places;

/// How much of a token an error quotes.
const QUOTED_CHARACTERS_MAX: usize = 100;

pub(crate) fn near(token: &TokenWithSpan, places: &Places<'_>) -> Error {
    if token.span.start.line == 0 {
        return end_of_input(places);
    }
    let (from, to) = (places.byte(token.span.start), places.byte(token.span.end));
    let source = places.text.get(from..to.max(from)).unwrap_or_default();
    let shown: String = source.chars().take(QUOTED_CHARACTERS_MAX).collect();
    Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{shown}\""))
        .with_position(places.character(token.span.start) + 1)
}

pub(crate) fn end_of_input(places: &Places<'_>) -> Error {
    Error::new(ErrorKind::Syntax, "syntax error at end of input").with_position(places.end())
}

pub(crate) fn unsupported_at(what: &str, token: &TokenWithSpan, places: &Places<'_>) -> Error {
    Error::unsupported(format!("{what} is not supported")).with_position(places.character(token.span.start) + 1)
}

pub(crate) fn too_deep() -> Error {
    Error::new(ErrorKind::StatementTooComplex, "statement is nested too deeply")
        .with_hint("Use fewer levels of parentheses and subqueries.")
}

/// What the tokenizer could not read.
pub(crate) fn from_tokenizer(error: &TokenizerError, places: &Places<'_>) -> Error {
    let start = places.byte(error.location);
    let rest: String = places
        .text
        .get(start..)
        .unwrap_or_default()
        .chars()
        .take(QUOTED_CHARACTERS_MAX)
        .collect();
    let message = error.message.to_ascii_lowercase();
    let what = if message.contains("comment") {
        "unterminated /* comment"
    } else if message.contains("dollar") || message.contains('$') {
        "unterminated dollar-quoted string"
    } else if message.contains("delimiter") || rest.starts_with('"') {
        "unterminated quoted identifier"
    } else if message.contains("unterminated") || message.contains("expected '''") {
        "unterminated quoted string"
    } else {
        "syntax error"
    };
    Error::new(ErrorKind::Syntax, format!("{what} at or near \"{rest}\""))
        .with_position(places.character(error.location) + 1)
}

/// What the parser did not expect. `end` is the semicolon that ends the statement, if one does.
pub(crate) fn from_parser(
    error: &ParserError,
    tokens: &[TokenWithSpan],
    end: Option<&TokenWithSpan>,
    places: &Places<'_>,
) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => return too_deep(),
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    match location_in(text) {
        Some(location) => match tokens.iter().find(|token| token.span.start == location) {
            Some(token) => near(token, places),
            None => Error::new(ErrorKind::Syntax, "syntax error").with_position(places.character(location) + 1),
        },
        None if text.contains("EOF") || text.contains("end of input") => match end {
            Some(semicolon) => near(semicolon, places),
            None => end_of_input(places),
        },
        None => Error::new(ErrorKind::Syntax, "syntax error"),
    }
}

/// sqlparser says where only in the text, as its last words.
fn location_in(text: &str) -> Option<Location> {
    let (_, place) = text.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some(Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?))
}
