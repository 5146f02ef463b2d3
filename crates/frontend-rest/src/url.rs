//! Paths and query strings.

use contract::{Error, ErrorKind, Result};

/// The parts of a path between slashes, percent-decoded; a trailing slash adds none.
///
/// # Errors
/// `InvalidParameter` for what is not UTF-8 or no percent encoding.
pub(crate) fn segments(path: &str) -> Result<Vec<String>> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    match path {
        "" => Ok(Vec::new()),
        path => path.split('/').map(|segment| decode(segment, false)).collect(),
    }
}

/// The pairs of a query string, decoded, in their order.
///
/// # Errors
/// As [`segments`].
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let decoded = pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name, true)?, decode(value, true)?))
    });
    decoded.collect()
}

fn decode(text: &str, plus_is_blank: bool) -> Result<String> {
    let wrong = || Error::new(ErrorKind::InvalidParameter, "the URL is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit().ok_or_else(wrong)?, digit().ok_or_else(wrong)?);
                bytes.push(u8::try_from(high * 16 + low).map_err(|_| wrong())?);
            }
            b'+' if plus_is_blank => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// Cuts `text` at each `separator` that is not within double quotes. Quotes around a whole part are taken away; within
/// them a quote is written twice. Blanks around parts do not count.
///
/// # Errors
/// `InvalidParameter` for an empty part, or a quote in the middle of one.
pub(crate) fn names(text: &str, separator: char) -> Result<Vec<String>> {
    let wrong = || Error::new(ErrorKind::InvalidParameter, format!("\"{text}\" is no list of names"));
    let mut names = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (name, after) = quoted_name(quoted).ok_or_else(wrong)?;
                (name, after.trim_start())
            }
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                let (name, after) = rest.split_at_checked(end).ok_or_else(wrong)?;
                (name.trim_end().to_owned(), after)
            }
        };
        if name.is_empty() || (!rest.starts_with('"') && name.contains('"')) {
            return Err(wrong());
        }
        names.push(name);
        if after.is_empty() {
            return Ok(names);
        }
        rest = after.strip_prefix(separator).ok_or_else(wrong)?;
    }
}

/// The name up to its closing quote, and what follows.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

/// A name as it stands among dots: quoted only where it must be.
pub(crate) fn dotted(parts: &[&str]) -> String {
    let quoted = |part: &&str| match part.contains(['.', '"']) || part.trim() != *part || part.is_empty() {
        true => format!("\"{}\"", part.replace('"', "\"\"")),
        false => (*part).to_owned(),
    };
    parts.iter().map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_decoded_once() {
        assert_eq!(segments("/api/v2/").unwrap(), ["api", "v2"]);
        assert_eq!(segments("/a%2Fb/%C3%A9+%2525").unwrap(), ["a/b", "é+%25"]);
        assert_eq!(
            pairs("a=1&b=x%26y+z&&c").unwrap(),
            [
                ("a".to_owned(), "1".to_owned()),
                ("b".to_owned(), "x&y z".to_owned()),
                ("c".to_owned(), String::new()),
            ]
        );
        for broken in ["%", "%4", "%zz", "%ff", "%+1"] {
            segments(broken).unwrap_err();
            pairs(broken).unwrap_err();
        }
    }

    #[test]
    fn names_with_separators_are_quoted() {
        assert_eq!(names("a.\"b.c\".\"d\"\"e\"", '.').unwrap(), ["a", "b.c", "d\"e"]);
        assert_eq!(
            names(" a , first name,\"x,y\" ", ',').unwrap(),
            ["a", "first name", "x,y"]
        );
        for broken in ["", ".", "a.", ".a", "a..b", "\"a", "\"a\"b", "a\"b\"", "\"\""] {
            names(broken, '.').unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn a_dotted_name_reads_back(parts in proptest::collection::vec("[a.\" é]{1,6}", 1..4)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(names(&dotted(&parts), '.').unwrap(), parts);
        }
    }
}
