//! COPY.

use contract::{DataException, Error, ErrorKind, Result};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::cursor::Cursor;
use super::explain::boolean;
use super::{query, tokens};
use crate::command::{Command, CopyFormat, CopyOptions, CopyTo, ForceQuote, OtherKind, ParsedStatement};

/// Options as written, before defaults that depend on the format.
#[derive(Debug, Default)]
struct Written {
    format: Option<CopyFormat>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<bool>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<ForceQuote>,
}

/// Everything after COPY.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<Command> {
    let mut written = Written::default();
    if cursor.sees("BINARY")
        && matches!(cursor.peek_nth(1), Some(Token::Word(word)) if word.keyword != Keyword::TO && word.keyword != Keyword::FROM)
    {
        cursor.at += 1;
        written.format = Some(CopyFormat::Binary);
    }
    let source = source(cursor)?;
    if cursor.take("FROM") {
        let server = !cursor.sees("STDIN") && !cursor.sees("STDOUT");
        cursor.at = cursor.tokens.len();
        let kind = if server { OtherKind::Server } else { OtherKind::Write };
        return Ok(Command::Other { tag: "COPY", kind });
    }
    cursor.expect("TO")?;
    // PostgreSQL takes either word in either direction.
    if !cursor.take("STDOUT") && !cursor.take("STDIN") {
        if cursor.string().is_none() && !cursor.sees("PROGRAM") {
            return Err(cursor.error());
        }
        cursor.at = cursor.tokens.len();
        return Ok(Command::Other {
            tag: "COPY",
            kind: OtherKind::Server,
        });
    }
    let _ = cursor.take("WITH");
    if cursor.take_sign(&Token::LParen) {
        loop {
            generic_option(cursor, &mut written)?;
            if !cursor.take_sign(&Token::Comma) {
                break;
            }
        }
        cursor.expect_sign(&Token::RParen)?;
    } else {
        while !cursor.is_at_end() {
            old_option(cursor, &mut written)?;
        }
    }
    let options = written.finish()?;
    let text = match (source.first(), source.last()) {
        (Some(first), Some(last)) => {
            cursor.scope.places.byte(first.span.start)..cursor.scope.places.byte(last.span.end)
        }
        _ => 0..0,
    };
    let parameters = tokens::parameters(&source, &cursor.scope.places)?;
    match query::parse(cursor.scope, &source, None)? {
        command @ Command::Query(_) => Ok(Command::CopyTo(Box::new(CopyTo {
            query: ParsedStatement {
                command,
                text,
                parameters,
            },
            options,
        }))),
        other => Ok(other),
    }
}

/// The tokens of the query whose rows are copied.
fn source(cursor: &mut Cursor<'_>) -> Result<Vec<TokenWithSpan>> {
    let start = cursor.at;
    if cursor.take_sign(&Token::LParen) {
        let mut depth = 1_usize;
        while depth > 0 {
            match cursor.peek() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return Err(cursor.error()),
            }
            cursor.at += 1;
        }
        let inner = cursor.tokens.get(start + 1..cursor.at - 1).unwrap_or_default();
        if inner.is_empty() {
            cursor.at -= 1;
            return Err(cursor.error());
        }
        return Ok(inner.to_vec());
    }
    cursor.object_name()?;
    let table = cursor.tokens.get(start..cursor.at).unwrap_or_default().to_vec();
    let place = table
        .first()
        .map(|token| token.span)
        .unwrap_or_else(|| TokenWithSpan::new_eof().span);
    let word = |text: &str, keyword: Keyword| TokenWithSpan {
        token: Token::Word(Word {
            value: text.to_owned(),
            quote_style: None,
            keyword,
        }),
        span: place,
    };
    let mut query = vec![word("SELECT", Keyword::SELECT)];
    if cursor.take_sign(&Token::LParen) {
        let columns = cursor.at;
        loop {
            cursor.identifier()?;
            if !cursor.take_sign(&Token::Comma) {
                break;
            }
        }
        query.extend_from_slice(cursor.tokens.get(columns..cursor.at).unwrap_or_default());
        cursor.expect_sign(&Token::RParen)?;
    } else {
        query.push(TokenWithSpan {
            token: Token::Mul,
            span: place,
        });
    }
    query.push(word("FROM", Keyword::FROM));
    query.extend(table);
    Ok(query)
}

fn text(cursor: &mut Cursor<'_>) -> Result<String> {
    match cursor.string() {
        Some(text) => Ok(text),
        None => cursor.identifier(),
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    if slot.is_some() {
        return Err(Error::new(ErrorKind::Syntax, "conflicting or redundant options"));
    }
    *slot = Some(value);
    Ok(())
}

/// One of `(FORMAT csv, HEADER, …)`.
fn generic_option(cursor: &mut Cursor<'_>, written: &mut Written) -> Result<()> {
    let name = cursor.identifier()?;
    match name.as_str() {
        "format" => {
            let format = match text(cursor)?.as_str() {
                "text" => CopyFormat::Text,
                "csv" => CopyFormat::Csv,
                "binary" => CopyFormat::Binary,
                other => {
                    return Err(Error::new(
                        ErrorKind::InvalidParameter,
                        format!("COPY format \"{other}\" not recognized"),
                    ));
                }
            };
            once(&mut written.format, format)
        }
        "delimiter" => once(&mut written.delimiter, text(cursor)?),
        "null" => once(&mut written.null, text(cursor)?),
        "header" => once(&mut written.header, boolean(cursor, "header")?),
        "quote" => once(&mut written.quote, text(cursor)?),
        "escape" => once(&mut written.escape, text(cursor)?),
        "force_quote" => {
            if cursor.take_sign(&Token::Mul) {
                return once(&mut written.force_quote, ForceQuote::All);
            }
            cursor.expect_sign(&Token::LParen)?;
            let columns = names(cursor)?;
            cursor.expect_sign(&Token::RParen)?;
            once(&mut written.force_quote, ForceQuote::Columns(columns))
        }
        "encoding" => encoding(cursor),
        "freeze" => boolean(cursor, "freeze").map(|_| ()),
        "force_not_null" | "force_null" => Err(Error::unsupported(format!(
            "COPY {} is only available using COPY FROM",
            name.replace('_', " ").to_uppercase()
        ))),
        _ => Err(Error::new(
            ErrorKind::Syntax,
            format!("option \"{name}\" not recognized"),
        )),
    }
}

fn names(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut names = vec![cursor.identifier()?];
    while cursor.take_sign(&Token::Comma) {
        names.push(cursor.identifier()?);
    }
    Ok(names)
}

fn encoding(cursor: &mut Cursor<'_>) -> Result<()> {
    let name = text(cursor)?;
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(Error::unsupported(format!("COPY in encoding \"{name}\" is not supported")).with_hint("Use UTF8.")),
    }
}

/// One of the options as they were written before they had parentheses.
fn old_option(cursor: &mut Cursor<'_>, written: &mut Written) -> Result<()> {
    let value = |cursor: &mut Cursor<'_>| {
        let _ = cursor.take("AS");
        cursor.string().ok_or_else(|| cursor.error())
    };
    match cursor.take_any(&[
        "BINARY",
        "CSV",
        "HEADER",
        "DELIMITER",
        "DELIMITERS",
        "NULL",
        "QUOTE",
        "ESCAPE",
        "FORCE",
        "ENCODING",
    ]) {
        Some("BINARY") => once(&mut written.format, CopyFormat::Binary),
        Some("CSV") => once(&mut written.format, CopyFormat::Csv),
        Some("HEADER") => once(&mut written.header, true),
        Some("DELIMITER" | "DELIMITERS") => once(&mut written.delimiter, value(cursor)?),
        Some("NULL") => once(&mut written.null, value(cursor)?),
        Some("QUOTE") => once(&mut written.quote, value(cursor)?),
        Some("ESCAPE") => once(&mut written.escape, value(cursor)?),
        Some("ENCODING") => encoding(cursor),
        Some("FORCE") => {
            cursor.expect("QUOTE")?;
            let columns = if cursor.take_sign(&Token::Mul) {
                ForceQuote::All
            } else {
                ForceQuote::Columns(names(cursor)?)
            };
            once(&mut written.force_quote, columns)
        }
        _ => Err(cursor.error()),
    }
}

impl Written {
    fn finish(self) -> Result<CopyOptions> {
        let format = self.format.unwrap_or_default();
        let csv = format == CopyFormat::Csv;
        if format == CopyFormat::Binary {
            for (given, name) in [
                (self.delimiter.is_some(), "DELIMITER"),
                (self.null.is_some(), "NULL"),
                (self.header == Some(true), "HEADER"),
            ] {
                if given {
                    return Err(Error::new(
                        ErrorKind::Syntax,
                        format!("cannot specify {name} in BINARY mode"),
                    ));
                }
            }
        }
        for (given, name) in [
            (self.quote.is_some(), "quote"),
            (self.escape.is_some(), "escape"),
            (self.force_quote.is_some(), "force quote"),
        ] {
            if given && !csv {
                return Err(Error::unsupported(format!("COPY {name} available only in CSV mode")));
            }
        }
        let quote = one_byte(self.quote, b'"', "quote")?;
        let delimiter = one_byte(self.delimiter, if csv { b',' } else { b'\t' }, "delimiter")?;
        if matches!(delimiter, b'\n' | b'\r')
            || !csv
                && (delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || matches!(delimiter, b'\\' | b'.'))
        {
            return Err(Error::data(
                DataException::InvalidArgument,
                format!("COPY delimiter cannot be \"{}\"", char::from(delimiter)),
            ));
        }
        if csv && delimiter == quote {
            return Err(Error::data(
                DataException::InvalidArgument,
                "COPY delimiter and quote must be different",
            ));
        }
        let null = self
            .null
            .unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() });
        if null.contains(['\n', '\r']) {
            return Err(Error::data(
                DataException::InvalidArgument,
                "COPY null representation cannot use newline or carriage return",
            ));
        }
        if null.as_bytes().contains(&delimiter) {
            return Err(Error::data(
                DataException::InvalidArgument,
                "COPY delimiter must not appear in the NULL specification",
            ));
        }
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header: self.header.unwrap_or(false),
            escape: one_byte(self.escape, quote, "escape")?,
            quote,
            force_quote: self.force_quote.unwrap_or_default(),
        })
    }
}

fn one_byte(text: Option<String>, default: u8, what: &str) -> Result<u8> {
    match text.as_deref().map(str::as_bytes) {
        None => Ok(default),
        Some([byte]) => Ok(*byte),
        Some(_) => Err(Error::unsupported(format!(
            "COPY {what} must be a single one-byte character"
        ))),
    }
}
