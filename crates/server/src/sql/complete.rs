//! When a typed text is a whole statement, and which words could follow.

/// Whether `text` can be run: a backslash command, nothing, or statements up to a semicolon outside of quotes and
/// comments.
pub(crate) fn is_complete(text: &str) -> bool {
    let trimmed = text.trim();
    trimmed.is_empty() || trimmed.starts_with('\\') || ends_with_semicolon(text)
}

fn ends_with_semicolon(text: &str) -> bool {
    let mut rest = text;
    let mut ended = false;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        let skipped = match first {
            '\'' | '"' => skip_past(after, &first.to_string()),
            '-' if after.starts_with('-') => Some(skip_past(after, "\n").unwrap_or_default()),
            '/' if after.starts_with('*') => skip_comment(after.get(1..).unwrap_or_default()),
            '$' => match dollar_tag(rest) {
                Some(tag) => rest.get(tag.len()..).and_then(|inner| skip_past(inner, tag)),
                None => Some(after),
            },
            _ => Some(after),
        };
        match first {
            ';' => ended = true,
            '-' | '/' if skipped != Some(after) => {}
            other if other.is_whitespace() => {}
            _ => ended = false,
        }
        // What is still open needs more lines.
        let Some(next) = skipped else { return false };
        rest = next;
    }
    ended
}

fn skip_past<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    text.find(end).and_then(|at| text.get(at + end.len()..))
}

/// Behind a block comment; they nest.
fn skip_comment(mut rest: &str) -> Option<&str> {
    let mut depth = 1;
    while depth > 0 {
        let open = rest.find("/*").unwrap_or(usize::MAX);
        let close = rest.find("*/")?;
        depth = if open < close { depth + 1 } else { depth - 1 };
        rest = rest.get(open.min(close) + 2..)?;
    }
    Some(rest)
}

/// `$$` or `$tag$` at the beginning.
fn dollar_tag(text: &str) -> Option<&str> {
    let name = text.get(1..)?;
    let length = name.find('$')?;
    let tag = name.get(..length)?;
    let is_name = tag
        .chars()
        .all(|character| character.is_alphanumeric() || character == '_');
    (is_name && !tag.starts_with(|first: char| first.is_ascii_digit())).then(|| text.get(..length + 2))?
}

/// Words that statements are made of.
const KEYWORDS: [&str; 64] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CLOSE",
    "COMMIT",
    "COPY",
    "COUNT",
    "CROSS JOIN",
    "CURRENT_DATE",
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "DECLARE",
    "DESC",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FETCH",
    "FILTER",
    "FROM",
    "FULL JOIN",
    "GROUP BY",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER JOIN",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT JOIN",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER BY",
    "OVER",
    "PARTITION BY",
    "RIGHT JOIN",
    "ROLLBACK",
    "SELECT",
    "SET",
    "SHOW",
    "SUM",
    "THEN",
    "TRUE",
    "UNION",
    "VALUES",
    "WHERE",
    "WITH",
];

/// The backslash commands, for completion.
const COMMANDS: [&str; 13] = [
    "\\?", "\\as", "\\c", "\\d", "\\dn", "\\dt", "\\format", "\\i", "\\l", "\\o", "\\q", "\\timing", "\\x",
];

/// A list longer than this is no help.
const CANDIDATES_MAX: usize = 200;

/// Where the word before the cursor begins, and what it could become.
pub(crate) fn candidates(line: &str, position: usize, names: &[String]) -> (usize, Vec<String>) {
    let before = line.get(..position).unwrap_or(line);
    let is_word = |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '"' | '\\' | '?');
    let start = before
        .char_indices()
        .rev()
        .take_while(|(_, character)| is_word(*character))
        .last();
    let start = start.map_or(before.len(), |(index, _)| index);
    let word = before.get(start..).unwrap_or_default();
    if word.is_empty() {
        return (start, Vec::new());
    }
    let lower = word.to_lowercase();
    let fits = |candidate: &str| candidate.to_lowercase().starts_with(&lower);
    if word.starts_with('\\') {
        return (
            start,
            COMMANDS
                .iter()
                .filter(|command| fits(command))
                .map(|command| (*command).to_owned())
                .collect(),
        );
    }
    let as_typed = |keyword: &&str| {
        if word.chars().all(|one| !one.is_uppercase()) {
            keyword.to_lowercase()
        } else {
            (*keyword).to_owned()
        }
    };
    let mut found: Vec<String> = names
        .iter()
        .filter(|name| fits(name))
        .take(CANDIDATES_MAX)
        .cloned()
        .collect();
    found.extend(KEYWORDS.iter().filter(|keyword| fits(keyword)).map(as_typed));
    (start, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_a_semicolon_of_their_own() {
        for whole in [
            "",
            "\\dt",
            "SELECT 1;",
            "SELECT ';' ;  ",
            "SELECT 1; -- done",
            "SELECT $$;$$;",
            "SELECT 1;;\n",
            "SELECT 1; /* a */",
            "SELECT 'it''s';",
            "SELECT $1;",
            "SELECT 1 - 2;",
            "SELECT 4 / 2;",
        ] {
            assert!(is_complete(whole), "{whole}");
        }
        for part in [
            "SELECT 1",
            "SELECT ';",
            "SELECT \";",
            "SELECT 1 -- ;",
            "SELECT /* ; ",
            "SELECT /* /* */ ; ",
            "SELECT $a$ ; $b$;",
            "SELECT 1; SELECT 2",
            "SELECT 'ä",
        ] {
            assert!(!is_complete(part), "{part}");
        }
    }

    #[test]
    fn words_are_completed() {
        let names = [
            "samples".to_owned(),
            "samples.tpch.lineitem".to_owned(),
            "shipment_id".to_owned(),
        ];
        assert_eq!(candidates("sel", 3, &names), (0, vec!["select".to_owned()]));
        assert_eq!(
            candidates("SELECT shi", 10, &names),
            (7, vec!["shipment_id".to_owned()])
        );
        assert_eq!(candidates("from samples.tp", 15, &names).1, ["samples.tpch.lineitem"]);
        assert_eq!(candidates("\\ti", 3, &names).1, ["\\timing"]);
        assert!(candidates("ö ", 3, &names).1.is_empty());
    }
}
