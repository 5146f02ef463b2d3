//! EXPLAIN.

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::statement;
use crate::command::{Command, Explain, ExplainFormat, OtherKind};

/// Everything after EXPLAIN.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Command> {
    let (mut analyze, mut verbose, mut format) = (false, false, ExplainFormat::Text);
    if is_option_list(cursor) {
        cursor.at += 1;
        loop {
            option(cursor, &mut analyze, &mut verbose, &mut format)?;
            if !cursor.take_sign(&Token::Comma) {
                break;
            }
        }
        cursor.expect_sign(&Token::RParen)?;
    } else {
        analyze = cursor.take_any(&["ANALYZE", "ANALYSE"]).is_some();
        verbose = cursor.take("VERBOSE");
    }
    let at = cursor.at;
    if cursor.is_at_end() {
        return Err(cursor.error());
    }
    let explained = statement::parse(cursor.scope, cursor.rest(), cursor.end)?;
    cursor.at = cursor.tokens.len();
    match explained.command {
        Command::Query(_)
        | Command::Execute { .. }
        | Command::Declare(_)
        | Command::Other {
            kind: OtherKind::Write | OtherKind::Definition,
            ..
        } => Ok(Command::Explain(Explain {
            analyze,
            verbose,
            format,
            statement: Box::new(explained),
        })),
        _ => {
            cursor.at = at;
            Err(cursor.error())
        }
    }
}

/// `(ANALYZE …)` rather than a query in parentheses.
fn is_option_list(cursor: &Cursor<'_>) -> bool {
    cursor.peek() == Some(&Token::LParen)
        && !["SELECT", "WITH", "VALUES", "TABLE"]
            .iter()
            .any(|word| cursor.sees_nth(1, word))
        && cursor.peek_nth(1) != Some(&Token::LParen)
}

fn option(cursor: &mut Cursor<'_>, analyze: &mut bool, verbose: &mut bool, format: &mut ExplainFormat) -> Result<()> {
    let name = cursor.identifier()?;
    match name.as_str() {
        "analyze" | "analyse" => *analyze = boolean(cursor, &name)?,
        "verbose" => *verbose = boolean(cursor, &name)?,
        "format" => {
            let value = match cursor.string() {
                Some(text) => text.to_lowercase(),
                None => cursor.identifier()?,
            };
            *format = match value.as_str() {
                "text" => ExplainFormat::Text,
                "json" => ExplainFormat::Json,
                "xml" => ExplainFormat::Xml,
                "yaml" => ExplainFormat::Yaml,
                _ => {
                    return Err(Error::new(
                        ErrorKind::InvalidParameter,
                        format!("unrecognized value for EXPLAIN option \"format\": \"{value}\""),
                    ));
                }
            };
        }
        "costs" | "settings" | "generic_plan" | "buffers" | "wal" | "timing" | "summary" | "memory" => {
            boolean(cursor, &name)?;
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Syntax,
                format!("unrecognized EXPLAIN option \"{name}\""),
            ));
        }
    }
    Ok(())
}

/// The value of a switch; nothing means on.
pub(crate) fn boolean(cursor: &mut Cursor<'_>, name: &str) -> Result<bool> {
    if matches!(cursor.peek(), Some(Token::Comma | Token::RParen) | None) {
        return Ok(true);
    }
    let value = match (cursor.integer(), cursor.string()) {
        (Some(number), _) => number.to_string(),
        (None, Some(text)) => text.to_lowercase(),
        (None, None) => cursor.identifier()?,
    };
    match value.as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(Error::new(
            ErrorKind::Syntax,
            format!("{name} requires a Boolean value"),
        )),
    }
}
