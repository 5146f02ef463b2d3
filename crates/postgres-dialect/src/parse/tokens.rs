//! What sqlparser would misread, mended or refused while it is still a list of tokens.

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::errors;
use super::limits::Limits;
use super::text::Places;
use crate::dialect::LakegateDialect;

/// The largest `n` of `$n`: the wire counts parameters in 16 bits.
const PARAMETER_NUMBER_MAX: usize = 65_535;

/// Reads the tokens of a query string, without blanks, with adjacent string literals joined.
pub(crate) fn tokenize(places: &Places<'_>, limits: &Limits) -> Result<Vec<TokenWithSpan>> {
    let dialect = LakegateDialect::default();
    let all = Tokenizer::new(&dialect, places.text)
        .tokenize_with_location()
        .map_err(|error| errors::from_tokenizer(&error, places))?;
    let mut tokens: Vec<TokenWithSpan> = Vec::with_capacity(all.len() / 2);
    let mut line_ended = false;
    let mut blank = false;
    for token in all {
        match &token.token {
            Token::Whitespace(space) => {
                blank = true;
                line_ended |= matches!(space, Whitespace::Newline | Whitespace::SingleLineComment { .. });
                continue;
            }
            Token::SingleQuotedString(more) if blank => {
                if let Some(last) = tokens.last_mut() {
                    match &mut last.token {
                        Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) if line_ended => {
                            text.push_str(more);
                            last.span.end = token.span.end;
                            (line_ended, blank) = (false, false);
                            continue;
                        }
                        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => {
                            return Err(errors::near(&token, places));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        (line_ended, blank) = (false, false);
        if tokens.len() >= limits.tokens {
            return Err(Error::new(
                ErrorKind::StatementTooComplex,
                format!("query string has more than {} words and signs", limits.tokens),
            )
            .with_hint("Send values as parameters, or in several statements."));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// Makes `$1`, `$2` … of question marks.
///
/// # Errors
/// `Syntax` at a `$n` beside them: it cannot be told which comes first.
pub(crate) fn number_question_marks(tokens: &mut [TokenWithSpan], places: &Places<'_>) -> Result<()> {
    let is_mark = |token: &Token| match token {
        Token::Question => true,
        Token::Placeholder(name) => name == "?",
        _ => false,
    };
    if !tokens.iter().any(|token| is_mark(&token.token)) {
        return Ok(());
    }
    let mut number = 0;
    for token in tokens {
        if is_mark(&token.token) {
            number += 1;
            token.token = Token::Placeholder(format!("${number}"));
        } else if matches!(token.token, Token::Placeholder(_)) {
            return Err(errors::near(token, places).with_hint("Write parameters as ? or as $1, not both."));
        }
    }
    Ok(())
}

/// The largest parameter number, after a check that all placeholders are PostgreSQL's.
pub(crate) fn parameters(tokens: &[TokenWithSpan], places: &Places<'_>) -> Result<usize> {
    let mut largest = 0;
    for token in tokens {
        if let Token::Placeholder(name) = &token.token {
            let digits = name.strip_prefix('$').ok_or_else(|| errors::near(token, places))?;
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(errors::near(token, places));
            }
            match digits.parse::<usize>() {
                Ok(number @ 1..=PARAMETER_NUMBER_MAX) => largest = largest.max(number),
                _ => {
                    return Err(Error::new(ErrorKind::Syntax, format!("there is no parameter {name}"))
                        .with_position(places.character(token.span.start) + 1));
                }
            }
        }
    }
    Ok(largest)
}

/// Mends the tokens of one query. Everything here keeps PostgreSQL's meaning.
pub(crate) fn mend(tokens: &[TokenWithSpan], places: &Places<'_>) -> Result<Vec<TokenWithSpan>> {
    let mut mended: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        refuse(tokens, at, places)?;
        let previous = mended.last().map(|token| &token.token);
        let next = tokens.get(at + 1).map(|token| &token.token);
        match &token.token {
            Token::Word(word) if word.quote_style.is_none() => match word.value.to_ascii_uppercase().as_str() {
                "ISNULL" if previous.is_some_and(ends_operand) && next != Some(&Token::LParen) => {
                    mended.push(replaced(token, keyword("IS", Keyword::IS)));
                    mended.push(replaced(token, keyword("NULL", Keyword::NULL)));
                }
                "ONLY"
                    if previous
                        .is_some_and(|token| is_keyword(token, Keyword::FROM) || is_keyword(token, Keyword::JOIN))
                        && next.is_some_and(|token| matches!(token, Token::Word(_) | Token::LParen)) => {}
                "TABLE"
                    if next.is_some_and(|token| matches!(token, Token::Word(_)))
                        && previous.is_none_or(begins_query) =>
                {
                    mended.push(replaced(token, keyword("SELECT", Keyword::SELECT)));
                    mended.push(replaced(token, Token::Mul));
                    mended.push(replaced(token, keyword("FROM", Keyword::FROM)));
                }
                // sqlparser does not read `OPERATOR(…) ANY (…)`; the schema can only be PostgreSQL's own.
                "OPERATOR" if next == Some(&Token::LParen) && quantified(tokens, at).is_some() => {
                    let (sign, length) = quantified(tokens, at).unwrap_or((token, 0));
                    mended.push(sign.clone());
                    at += length;
                }
                // Aliases in PostgreSQL; sqlparser would look for a time travel clause of other systems.
                "BEFORE" | "CHANGES" => mended.push(replaced(token, plain(word))),
                "AT" if !next.is_some_and(|token| is_word(token, "TIME")) => mended.push(replaced(token, plain(word))),
                "FOR" if versions_follow(tokens, at) => {
                    mended.push(replaced(token, keyword("VERSION", Keyword::VERSION)));
                    at += 1;
                }
                "FETCH" if at > 0 && next.is_some_and(|token| is_word(token, "FIRST") || is_word(token, "NEXT")) => {
                    match fetched(tokens, at, places)? {
                        Some((count, length)) => {
                            mended.push(replaced(token, keyword("LIMIT", Keyword::LIMIT)));
                            match count {
                                [] => mended.push(replaced(token, Token::Number("1".to_owned(), false))),
                                count => mended.extend_from_slice(count),
                            }
                            at += length;
                        }
                        None => mended.push(token.clone()),
                    }
                }
                _ => mended.push(token.clone()),
            },
            Token::Assignment => mended.push(replaced(token, Token::RArrow)),
            _ => mended.push(token.clone()),
        }
        at += 1;
    }
    Ok(mended)
}

/// The sign of `OPERATOR(schema.sign)` at `at` and how many tokens follow the first, if ANY, SOME or ALL comes next.
fn quantified(tokens: &[TokenWithSpan], at: usize) -> Option<(&TokenWithSpan, usize)> {
    let shut = tokens
        .iter()
        .skip(at)
        .take(6)
        .position(|token| token.token == Token::RParen)?;
    let next = tokens.get(at + shut + 1)?;
    if !["ANY", "SOME", "ALL"].iter().any(|word| is_word(&next.token, word)) {
        return None;
    }
    Some((tokens.get(at + shut - 1)?, shut))
}

/// The count of `FETCH FIRST count ROWS ONLY` at `at` (empty if none is written), and how many tokens follow the first.
fn fetched<'t>(
    tokens: &'t [TokenWithSpan],
    at: usize,
    places: &Places<'_>,
) -> Result<Option<(&'t [TokenWithSpan], usize)>> {
    let after = tokens.get(at + 2..).unwrap_or_default();
    let mut depth = 0_usize;
    let mut rows = None;
    for (offset, token) in after.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => break,
            Token::RParen => depth -= 1,
            token if depth == 0 && (is_word(token, "ROW") || is_word(token, "ROWS")) => {
                rows = Some(offset);
                break;
            }
            _ => {}
        }
    }
    let Some(rows) = rows else { return Ok(None) };
    let follows = |offset: usize, text: &str| {
        let token = after.get(rows + offset);
        token.is_some_and(|token| is_word(&token.token, text))
    };
    if follows(1, "WITH") && follows(2, "TIES") {
        let place = after.get(rows + 1).or(tokens.get(at));
        return Err(match place {
            Some(place) => errors::unsupported_at("FETCH FIRST … WITH TIES", place, places),
            None => errors::end_of_input(places),
        });
    }
    let count = after.get(..rows).unwrap_or_default();
    Ok(follows(1, "ONLY").then_some((count, rows + 3)))
}

/// `FOR SYSTEM_VERSION AS OF` and `FOR VERSION AS OF`, beginning at `at`.
fn versions_follow(tokens: &[TokenWithSpan], at: usize) -> bool {
    let word = |offset: usize, text: &str| {
        at.checked_add(offset)
            .and_then(|at| tokens.get(at))
            .is_some_and(|token| is_word(&token.token, text))
    };
    word(0, "FOR") && (word(1, "SYSTEM_VERSION") || word(1, "VERSION")) && word(2, "AS") && word(3, "OF")
}

/// Refuses what PostgreSQL's grammar does not have and sqlparser's takes.
fn refuse(tokens: &[TokenWithSpan], at: usize, places: &Places<'_>) -> Result<()> {
    let Some(token) = tokens.get(at) else { return Ok(()) };
    let next = tokens.get(at + 1);
    match &token.token {
        Token::DoubleEq | Token::Spaceship | Token::DuckIntDiv | Token::LBrace | Token::RBrace | Token::Backslash => {
            return Err(errors::near(token, places));
        }
        Token::HexStringLiteral(_) => {
            let source = places.text.get(places.byte(token.span.start)..).unwrap_or_default();
            if source.starts_with('0') {
                return Err(errors::near(token, places));
            }
            return Err(errors::unsupported_at("a bit string literal", token, places));
        }
        Token::SingleQuotedByteStringLiteral(_) => {
            return Err(errors::unsupported_at("a bit string literal", token, places));
        }
        Token::Word(word) if word.quote_style.is_none() => match word.keyword {
            Keyword::AS => {
                if let Some(next) = next.filter(|next| matches!(next.token, Token::SingleQuotedString(_))) {
                    return Err(errors::near(next, places));
                }
            }
            Keyword::TABLESAMPLE if at > 0 => return Err(errors::unsupported_at("TABLESAMPLE", token, places)),
            _ => {}
        },
        _ => {}
    }
    let operator = match &token.token {
        Token::Plus
        | Token::Minus
        | Token::Div
        | Token::Mod
        | Token::Eq
        | Token::Neq
        | Token::Lt
        | Token::Gt
        | Token::LtEq
        | Token::GtEq
        | Token::StringConcat => true,
        Token::Mul => at
            .checked_sub(1)
            .and_then(|at| tokens.get(at))
            .is_some_and(|token| ends_operand(&token.token)),
        _ => false,
    };
    if operator {
        match next {
            Some(next) if is_reserved_after_operator(&next.token) => return Err(errors::near(next, places)),
            _ => {}
        }
    }
    Ok(())
}

fn is_reserved_after_operator(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && matches!(word.keyword,
        Keyword::FROM | Keyword::WHERE | Keyword::GROUP | Keyword::ORDER | Keyword::HAVING | Keyword::LIMIT
        | Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT | Keyword::AND | Keyword::OR | Keyword::AS
        | Keyword::ON | Keyword::THEN | Keyword::WHEN | Keyword::ELSE | Keyword::END))
}

fn ends_operand(token: &Token) -> bool {
    match token {
        Token::Word(word) => {
            word.quote_style.is_some()
                || matches!(
                    word.keyword,
                    Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::END
                )
                || !is_clause_word(word.keyword)
        }
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::Placeholder(_)
        | Token::RParen
        | Token::RBracket => true,
        _ => false,
    }
}

fn is_clause_word(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::SELECT
            | Keyword::DISTINCT
            | Keyword::ALL
            | Keyword::FROM
            | Keyword::WHERE
            | Keyword::AND
            | Keyword::OR
            | Keyword::NOT
            | Keyword::ON
            | Keyword::BY
            | Keyword::HAVING
            | Keyword::CASE
            | Keyword::WHEN
            | Keyword::THEN
            | Keyword::ELSE
            | Keyword::RETURNING
            | Keyword::IN
            | Keyword::LIKE
            | Keyword::BETWEEN
            | Keyword::UNION
            | Keyword::EXCEPT
            | Keyword::INTERSECT
    )
}

fn begins_query(previous: &Token) -> bool {
    match previous {
        Token::LParen => true,
        Token::Word(word) => {
            word.quote_style.is_none()
                && matches!(
                    word.keyword,
                    Keyword::UNION | Keyword::ALL | Keyword::EXCEPT | Keyword::INTERSECT
                )
        }
        _ => false,
    }
}

/// Whether `token` is that word, not quoted. `text` in upper case.
pub(crate) fn is_word(token: &Token, text: &str) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
}

fn is_keyword(token: &Token, expected: Keyword) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none() && word.keyword == expected)
}

fn keyword(text: &str, keyword: Keyword) -> Token {
    Token::Word(Word {
        value: text.to_owned(),
        quote_style: None,
        keyword,
    })
}

fn plain(word: &Word) -> Token {
    Token::Word(Word {
        keyword: Keyword::NoKeyword,
        ..word.clone()
    })
}

fn replaced(token: &TokenWithSpan, by: Token) -> TokenWithSpan {
    TokenWithSpan {
        token: by,
        span: token.span,
    }
}
