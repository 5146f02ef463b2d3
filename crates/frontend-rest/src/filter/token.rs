//! The words of a filter.

use contract::{Error, ErrorKind, Result};

/// A piece of a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or keyword.
    Word(String),
    /// A text in single or double quotes, without them.
    Text {
        value: String,
        /// Whether the quotes were double, so that it can also be the name of a column.
        double: bool,
    },
    /// A name in backticks.
    Name(String),
    /// Decimal digits with an optional sign, fraction and exponent.
    Number(String),
    /// `:name`, without the colon.
    Parameter(String),
    /// An operator or punctuation.
    Sign(&'static str),
    /// Behind the last one.
    End,
}

/// A token and where it starts, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) at: usize,
}

/// The longest first.
const SIGNS: [&str; 14] = [
    "<>", "<=", ">=", "!=", "==", "&&", "||", "=", "<", ">", "(", ")", ",", "!",
];

/// Cuts `text` into tokens, the last of which is [`Token::End`].
///
/// # Errors
/// `Syntax` with the place, for what is no token.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        let (token, length) = match trimmed.chars().next() {
            None => (Token::End, 0),
            Some(first) => token(text, at, trimmed, first)?,
        };
        let ended = token == Token::End;
        tokens.push(Placed { token, at });
        at += length;
        if ended {
            return Ok(tokens);
        }
    }
}

fn starts_word(letter: char) -> bool {
    letter == '_' || letter.is_alphabetic()
}

fn in_word(letter: char) -> bool {
    letter == '_' || letter == '$' || letter.is_alphanumeric()
}

/// The bytes at the start of `text` that `belongs` holds for.
fn span(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|letter| !belongs(letter)).unwrap_or(text.len())
}

/// The token that `rest`, which starts at `at`, begins with, and its length in bytes.
fn token(text: &str, at: usize, rest: &str, first: char) -> Result<(Token, usize)> {
    let part = |length: usize| rest.get(..length).unwrap_or("").to_owned();
    if matches!(first, '\'' | '"' | '`') {
        let (value, length) =
            quoted(rest, first).ok_or_else(|| wrong(text, at, "unterminated quoted string in the filter"))?;
        let token = match first {
            '`' => Token::Name(value),
            quote => Token::Text {
                value,
                double: quote == '"',
            },
        };
        return Ok((token, length));
    }
    if starts_word(first) {
        let length = span(rest, in_word);
        return Ok((Token::Word(part(length)), length));
    }
    if first == ':' {
        let name = rest.get(1..).unwrap_or("");
        let length = span(name, in_word);
        if length == 0 {
            return Err(wrong(text, at, "a parameter of the filter has no name"));
        }
        return Ok((
            Token::Parameter(name.get(..length).unwrap_or("").to_owned()),
            length + 1,
        ));
    }
    if let Some(length) = number(rest) {
        // "12abc" and "1.2.3" are mistakes, not two tokens side by side.
        let after = rest.get(length..).and_then(|rest| rest.chars().next());
        if after.is_some_and(|letter| in_word(letter) || letter == '.') {
            return Err(wrong(text, at, "a number of the filter has trailing junk"));
        }
        return Ok((Token::Number(part(length).trim_start_matches('+').to_owned()), length));
    }
    match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        Some(sign) => Ok((Token::Sign(sign), sign.len())),
        None => Err(near(text, at)),
    }
}

/// The length of the number at the start of `text`.
fn number(text: &str) -> Option<usize> {
    let digits = |from: usize| {
        text.get(from..)
            .map_or(0, |rest| span(rest, |letter| letter.is_ascii_digit()))
    };
    let sign = usize::from(text.starts_with(['+', '-']));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if text.get(end..)?.starts_with('.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if text.get(end..)?.starts_with(['e', 'E']) {
        let sign = usize::from(text.get(end + 1..)?.starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    Some(end)
}

/// The value within quotes and the length with them. The quote is written twice within, or behind a backslash; two
/// backslashes are one. Any other backslash stands for itself, as patterns need it.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if quote != '`' => match letters.next_if(|(_, next)| matches!(next, '\\' | '\'' | '"')) {
                Some((_, escaped)) => value.push(escaped),
                None => value.push('\\'),
            },
            letter if letter == quote => match letters.next_if(|(_, next)| *next == quote) {
                Some(_) => value.push(quote),
                None => return Some((value, at + quote.len_utf8())),
            },
            letter => value.push(letter),
        }
    }
    None
}

/// A mistake at the byte `at` of `text`, with a picture of the place.
pub(super) fn wrong(text: &str, at: usize, message: impl Into<String>) -> Error {
    let before = text.get(..at).unwrap_or(text);
    let position = before.chars().count();
    // A filter may be long, and a caret under a wrapped line helps nobody.
    let shown_before: Vec<char> = before.chars().rev().take(30).collect();
    let shown: String = shown_before
        .iter()
        .rev()
        .copied()
        .chain(text.get(at..).unwrap_or("").chars().take(30))
        .collect();
    let shown: String = shown
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let caret = " ".repeat(shown_before.len());
    Error::new(ErrorKind::Syntax, message)
        .with_detail(format!("{shown}\n{caret}^"))
        .with_position(position + 1)
}

/// A token that cannot stand at the byte `at`.
pub(super) fn near(text: &str, at: usize) -> Error {
    let rest = text.get(at..).unwrap_or("");
    match rest.chars().next() {
        None => wrong(text, at, "syntax error at the end of the filter"),
        Some(first) => {
            let length = if in_word(first) {
                span(rest, in_word)
            } else {
                first.len_utf8()
            };
            let shown: String = rest.get(..length).unwrap_or("").chars().take(40).collect();
            wrong(text, at, format!("syntax error in the filter at or near \"{shown}\""))
        }
    }
}
