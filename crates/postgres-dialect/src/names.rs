//! PostgreSQL's quoting of names and literals.

use std::collections::HashSet;
use std::sync::OnceLock;

/// PostgreSQL's key words: word, category code, whether it can stand as a label without AS, descriptions of both.
pub(crate) const KEYWORDS: &str = include_str!("../data/keywords.tsv");

/// Quotes a name where PostgreSQL's `quote_ident` does.
pub fn quote_identifier(name: &str) -> String {
    let plain = name
        .bytes()
        .enumerate()
        .all(|(at, byte)| byte.is_ascii_lowercase() || byte == b'_' || at > 0 && byte.is_ascii_digit());
    if plain && !name.is_empty() && !is_reserved(name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text as PostgreSQL's `quote_literal` does.
pub fn quote_literal(text: &str) -> String {
    let prefix = if text.contains('\\') { "E" } else { "" };
    format!("{prefix}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Whether a name must be quoted because it is a key word, other than an unreserved one.
fn is_reserved(name: &str) -> bool {
    static RESERVED: OnceLock<HashSet<&'static str>> = OnceLock::new();
    let reserved = RESERVED.get_or_init(|| {
        let rows = KEYWORDS.lines().skip(1).map(|line| line.split('\t'));
        rows.filter_map(|mut fields| Some((fields.next()?, fields.next()?)))
            .filter_map(|(word, category)| (category != "U").then_some(word))
            .collect()
    });
    reserved.contains(name)
}

/// Splits a dotted name as PostgreSQL reads it: unquoted parts in lower case. `None` if it is not a name.
pub fn split_name(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (mut part, mut end) = (String::new(), None);
            let mut characters = quoted.char_indices().peekable();
            while let Some((at, character)) = characters.next() {
                if character != '"' {
                    part.push(character);
                } else if characters.next_if(|(_, next)| *next == '"').is_some() {
                    part.push('"');
                } else {
                    end = Some(at + 1);
                    break;
                }
            }
            rest = quoted.get(end?..)?.trim_start();
            parts.push(part);
        } else {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            let (part, after) = rest.split_at(end);
            if part.is_empty() || part.starts_with(|c: char| c.is_ascii_digit()) {
                return None;
            }
            parts.push(part.to_lowercase());
            rest = after.trim_start();
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => return Some(parts),
            None => return None,
        }
    }
}
