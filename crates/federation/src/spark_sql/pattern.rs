//! Patterns that mean the same in every flavour.

/// Escapes `%`, `_` and itself in patterns of LIKE that are sent. Not a backslash, which literals may treat in two ways.
pub(super) const PATTERN_ESCAPE: char = '!';

/// Whether a regular expression means the same in every flavour: letters, digits, blanks, classes of them, `^` in front,
/// alternatives, and one sign of repetition behind one of these. Not `.` and `$`, which see line ends in other ways, and
/// no groups, whose repetition can take for ever where matching goes back.
pub(super) fn is_plain_pattern(pattern: &str) -> bool {
    pattern.split('|').all(|branch| {
        let mut signs = branch.strip_prefix('^').unwrap_or(branch).chars();
        let mut repeatable = false;
        let mut empty = true;
        while let Some(sign) = signs.next() {
            empty = false;
            repeatable = match sign {
                '*' | '+' | '?' if repeatable => false,
                '[' => {
                    let within: String = signs.by_ref().take_while(|sign| *sign != ']').collect();
                    let closed = branch.matches('[').count() == branch.matches(']').count();
                    if !closed || !is_plain_class(&within) {
                        return false;
                    }
                    true
                }
                sign if is_letter(sign) => true,
                _ => return false,
            };
        }
        !empty
    })
}

fn is_letter(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, ' ' | '_')
}

/// Letters, and ranges of them that have nothing in common.
fn is_plain_class(within: &str) -> bool {
    let listed: Vec<char> = within.strip_prefix('^').unwrap_or(within).chars().collect();
    let mut rest = listed.as_slice();
    loop {
        rest = match rest {
            [first, '-', last, rest @ ..] if is_letter(*first) && is_letter(*last) && first < last => rest,
            [sign, rest @ ..] if is_letter(*sign) => rest,
            rest => return rest.is_empty() && !listed.is_empty(),
        };
    }
}

/// A pattern whose escapes are backslashes, with [`PATTERN_ESCAPE`] instead; `None` where a backslash escapes nothing.
pub(super) fn escaped_pattern(pattern: &str) -> Option<String> {
    let mut written = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let sign = characters.next().filter(|sign| matches!(sign, '%' | '_'))?;
                written.extend([PATTERN_ESCAPE, sign]);
            }
            PATTERN_ESCAPE => written.extend([PATTERN_ESCAPE, PATTERN_ESCAPE]),
            other => written.push(other),
        }
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_expressions_that_mean_one_thing() {
        for pattern in ["abc", "^a", "a|b", "[a-z]+", "^[A-Za-z_]*x?", "[^0-9]", "a b"] {
            assert!(is_plain_pattern(pattern), "{pattern}");
        }
        for pattern in [
            "", "a$", "a.b", "(a)", "a{2}", "a\\d", "a++", "a*?", "*a", "[]", "[a", "a]", "[a-]", "[z-a]", "[[a]",
            "a|", "[a&&b]", "é", "b^a", "[a-b-c]",
        ] {
            assert!(!is_plain_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn patterns_get_another_escape() {
        for (pattern, written) in [
            ("a%b_", Some("a%b_")),
            (r"50\%", Some("50!%")),
            (r"a\_b", Some("a!_b")),
            ("hey!", Some("hey!!")),
            (r"a\", None),
            (r"a\\b", None),
            (r"a\x", None),
        ] {
            assert_eq!(escaped_pattern(pattern).as_deref(), written, "{pattern}");
        }
    }
}
