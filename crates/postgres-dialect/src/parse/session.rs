//! SET, SHOW and RESET.

use contract::Result;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::statement::modes;
use crate::command::Command;
use crate::names::quote_identifier;

/// Settings whose values are lists of identifiers, kept quoted where needed.
const IDENTIFIER_LISTS: [&str; 4] = [
    "search_path",
    "temp_tablespaces",
    "session_preload_libraries",
    "local_preload_libraries",
];

/// Everything after SET.
pub(crate) fn set(cursor: &mut Cursor<'_>) -> Result<Command> {
    if cursor.take_all(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return some_modes(cursor, true);
    }
    if cursor.sees("TRANSACTION") && !matches!(cursor.peek_nth(1), Some(Token::Eq)) && !cursor.sees_nth(1, "TO") {
        cursor.at += 1;
        if cursor.take("SNAPSHOT") {
            cursor.string().ok_or_else(|| cursor.error())?;
            return Err(contract::Error::unsupported(
                "SET TRANSACTION SNAPSHOT is not supported",
            ));
        }
        return some_modes(cursor, false);
    }
    if cursor.take("CONSTRAINTS") {
        if !cursor.take("ALL") {
            loop {
                cursor.object_name()?;
                if !cursor.take_sign(&Token::Comma) {
                    break;
                }
            }
        }
        if cursor.take_any(&["DEFERRED", "IMMEDIATE"]).is_none() {
            return Err(cursor.error());
        }
        return Ok(Command::SetConstraints);
    }
    let mut local = false;
    let authorization = cursor.sees("SESSION") && cursor.sees_nth(1, "AUTHORIZATION");
    if !authorization && !matches!(cursor.peek_nth(1), Some(Token::Eq)) {
        local = cursor.take("LOCAL");
        let _ = !local && cursor.take("SESSION");
    }
    let set = |name: &str, value| Command::Set {
        local,
        name: name.to_owned(),
        value,
    };
    if cursor.take_all(&["TIME", "ZONE"]) {
        let value = zone(cursor)?;
        return Ok(set("timezone", value));
    }
    if cursor.take_all(&["SESSION", "AUTHORIZATION"]) {
        return Ok(set("session_authorization", word_or_string(cursor, "DEFAULT")?));
    }
    let assigned = matches!(cursor.peek_nth(1), Some(Token::Eq | Token::Period)) || cursor.sees_nth(1, "TO");
    if !assigned {
        if cursor.take("ROLE") {
            return Ok(set("role", word_or_string(cursor, "DEFAULT")?));
        }
        if cursor.take("NAMES") {
            let value = if cursor.is_at_end() {
                None
            } else {
                word_or_string(cursor, "DEFAULT")?
            };
            return Ok(set("client_encoding", value));
        }
        if cursor.take("SCHEMA") {
            let schema = cursor.string().ok_or_else(|| cursor.error())?;
            return Ok(set("search_path", Some(quote_identifier(&schema))));
        }
        if cursor.take_all(&["XML", "OPTION"]) {
            let value = cursor
                .take_any(&["DOCUMENT", "CONTENT"])
                .ok_or_else(|| cursor.error())?;
            return Ok(set("xmloption", Some(value.to_lowercase())));
        }
    }
    let name = cursor.dotted_name()?.to_lowercase();
    if !cursor.take_sign(&Token::Eq) && !cursor.take("TO") {
        return Err(cursor.error());
    }
    let value = values(cursor, &name)?;
    Ok(Command::Set { local, name, value })
}

fn some_modes(cursor: &mut Cursor<'_>, session: bool) -> Result<Command> {
    let modes = modes(cursor)?;
    if modes == crate::command::TransactionModes::default() {
        return Err(cursor.error());
    }
    Ok(Command::SetTransaction { session, modes })
}

fn word_or_string(cursor: &mut Cursor<'_>, default: &str) -> Result<Option<String>> {
    if cursor.take(default) {
        return Ok(None);
    }
    match cursor.string() {
        Some(text) => Ok(Some(text)),
        None => cursor.identifier().map(Some),
    }
}

fn zone(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.take("LOCAL") || cursor.take("DEFAULT") {
        return Ok(None);
    }
    if cursor.take("INTERVAL") {
        let text = cursor.string().ok_or_else(|| cursor.error())?;
        let _ = cursor.take_all(&["HOUR", "TO", "MINUTE"]) || cursor.take("HOUR");
        return Ok(Some(text));
    }
    if let Some(number) = number(cursor) {
        return Ok(Some(number));
    }
    word_or_string(cursor, "DEFAULT")
}

fn number(cursor: &mut Cursor<'_>) -> Option<String> {
    let (sign, offset) = match cursor.peek()? {
        Token::Minus => ("-", 1),
        Token::Plus => ("", 1),
        _ => ("", 0),
    };
    let Some(Token::Number(digits, _)) = cursor.peek_nth(offset) else {
        return None;
    };
    cursor.at += offset + 1;
    Some(format!("{sign}{digits}"))
}

/// The values after `=` or TO, as PostgreSQL stores them; `None` for DEFAULT.
fn values(cursor: &mut Cursor<'_>, name: &str) -> Result<Option<String>> {
    if cursor.sees("DEFAULT") && cursor.peek_nth(1).is_none() {
        cursor.at += 1;
        return Ok(None);
    }
    let mut list = Vec::new();
    loop {
        let value = match number(cursor) {
            Some(number) => number,
            None => match cursor.string() {
                Some(text) if name == "timezone" || !IDENTIFIER_LISTS.contains(&name) => text,
                Some(text) => quote_identifier(&text),
                None if IDENTIFIER_LISTS.contains(&name) => quote_identifier(&cursor.identifier()?),
                None => cursor.identifier()?,
            },
        };
        list.push(value);
        if !cursor.take_sign(&Token::Comma) {
            return Ok(Some(list.join(", ")));
        }
    }
}

/// A setting's name after SHOW or RESET; `None` for ALL.
fn setting(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    let spelled = [
        (&["TIME", "ZONE"][..], "timezone"),
        (&["TRANSACTION", "ISOLATION", "LEVEL"], "transaction_isolation"),
        (&["SESSION", "AUTHORIZATION"], "session_authorization"),
    ];
    if cursor.take("ALL") {
        return Ok(None);
    }
    for (words, name) in spelled {
        if cursor.take_all(words) {
            return Ok(Some(name.to_owned()));
        }
    }
    let at = cursor.at;
    let name = cursor.dotted_name()?.to_lowercase();
    // `SHOW TABLES` and its kin are another system's.
    if !cursor.is_at_end() {
        return Err(cursor.error());
    }
    if matches!(
        name.as_str(),
        "tables" | "columns" | "databases" | "schemas" | "functions" | "variables"
    ) {
        cursor.at = at;
        return Err(contract::Error::new(
            contract::ErrorKind::UndefinedObject,
            format!("unrecognized configuration parameter \"{name}\""),
        )
        .with_hint("Read information_schema, or use \\d in psql."));
    }
    Ok(Some(name))
}

/// Everything after SHOW.
pub(crate) fn show(cursor: &mut Cursor<'_>) -> Result<Command> {
    setting(cursor).map(Command::Show)
}

/// Everything after RESET.
pub(crate) fn reset(cursor: &mut Cursor<'_>) -> Result<Command> {
    setting(cursor).map(Command::Reset)
}
