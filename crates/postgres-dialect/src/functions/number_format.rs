//! `to_char` and `to_number`: PostgreSQL's patterns for numbers.

/// What stands at one place of a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// A digit; `true` if it is shown when it leads with zero.
    Digit(bool),
    Point,
    Group,
    /// The sign, `S`.
    Sign,
    /// A minus for negative numbers, `MI`.
    Minus,
    /// A plus for positive numbers, `PL`.
    Plus,
    /// Either, `SG`.
    Either,
    Ordinal(&'static str),
    Text(String),
}

#[derive(Debug, Default)]
struct Pattern {
    parts: Vec<Part>,
    fill: bool,
    brackets: bool,
    /// Digits behind `V`: the number is multiplied by as many tens.
    shift: usize,
    whole: usize,
    fraction: usize,
}

impl Pattern {
    fn read(pattern: &str) -> Self {
        let mut read = Self::default();
        let mut rest = pattern;
        let (mut in_fraction, mut shifted) = (false, false);
        while let Some(first) = rest.chars().next() {
            if first == '"' {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find('"').unwrap_or(inner.len());
                read.parts
                    .push(Part::Text(inner.get(..end).unwrap_or_default().to_owned()));
                rest = inner.get(end + 1..).unwrap_or_default();
                continue;
            }
            let two = rest.get(..2).unwrap_or_default().to_ascii_uppercase();
            let (part, length) = match two.as_str() {
                "FM" => {
                    read.fill = true;
                    (None, 2)
                }
                "PR" => {
                    read.brackets = true;
                    (None, 2)
                }
                "MI" => (Some(Part::Minus), 2),
                "PL" => (Some(Part::Plus), 2),
                "SG" => (Some(Part::Either), 2),
                "TH" => (Some(Part::Ordinal(if rest.starts_with('T') { "TH" } else { "th" })), 2),
                _ => {
                    let part = match first.to_ascii_uppercase() {
                        digit @ ('9' | '0') => {
                            if in_fraction {
                                read.fraction += 1;
                            } else {
                                read.whole += 1;
                                read.shift += usize::from(shifted);
                            }
                            Some(Part::Digit(digit == '0'))
                        }
                        '.' | 'D' => {
                            in_fraction = true;
                            Some(Part::Point)
                        }
                        ',' | 'G' => Some(Part::Group),
                        'S' => Some(Part::Sign),
                        'V' => {
                            shifted = true;
                            None
                        }
                        // The currency of the locale C has no sign.
                        'L' => Some(Part::Text(" ".to_owned())),
                        _ => Some(Part::Text(first.to_string())),
                    };
                    (part, first.len_utf8())
                }
            };
            read.parts.extend(part);
            rest = rest.get(length..).unwrap_or_default();
        }
        read
    }

    /// Whether the sign has a place of its own.
    fn shows_sign(&self) -> bool {
        let signs = |part: &Part| matches!(part, Part::Sign | Part::Minus | Part::Plus | Part::Either);
        self.brackets || self.parts.iter().any(signs)
    }
}

/// How many digits behind the point a pattern shows, and by how many tens it multiplies.
pub(super) fn digits(pattern: &str) -> (usize, usize) {
    let read = Pattern::read(pattern);
    (read.fraction, read.shift)
}

/// A number under a pattern. `digits` are those of its magnitude, rounded to what [`digits`] says, with a point if there
/// is a fraction.
pub(super) fn formatted(negative: bool, magnitude: &str, pattern: &str) -> String {
    let read = Pattern::read(pattern);
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let whole = whole.trim_start_matches('0');
    let negative = negative && magnitude.bytes().any(|digit| matches!(digit, b'1'..=b'9'));
    let overflow = whole.len() > read.whole;
    // The first place of the whole part that is shown: the first digit, or the first 0 of the pattern.
    let forced = digit_places(&read.parts).position(|zero| zero).unwrap_or(usize::MAX);
    let natural = read.whole.saturating_sub(whole.len());
    let natural = match read.fraction {
        0 => natural.min(read.whole.saturating_sub(1)),
        _ => natural,
    };
    let first = if overflow { 0 } else { natural.min(forced) };
    // With FM, zeros at the end are shown only as far as the pattern has a 0.
    let shown_fraction = match read.fill {
        true => {
            let significant = fraction.trim_end_matches('0').len();
            let zero = digit_places(&read.parts)
                .skip(read.whole)
                .collect::<Vec<_>>()
                .iter()
                .rposition(|zero| *zero)
                .map_or(0, |at| at + 1);
            significant.max(zero)
        }
        false => read.fraction,
    };
    let leading_sign = read.parts.iter().position(|part| *part == Part::Sign);
    let first_digit = read.parts.iter().position(|part| matches!(part, Part::Digit(_)));
    let sign_leads = leading_sign.is_some() && leading_sign < first_digit;
    let sign = match (negative, read.brackets) {
        (true, true) => "<",
        (false, true) if !read.fill => " ",
        _ if sign_leads => {
            if negative {
                "-"
            } else {
                "+"
            }
        }
        _ if read.shows_sign() => "",
        (true, false) => "-",
        (false, false) if !read.fill => " ",
        _ => "",
    };
    let mut output = String::new();
    let (mut place, mut started) = (0, false);
    let mut start = |output: &mut String| {
        if !started {
            output.push_str(sign);
            started = true;
        }
    };
    for part in &read.parts {
        match part {
            Part::Digit(_) if place < read.whole => {
                if place >= first {
                    start(&mut output);
                    let digit = (place + whole.len())
                        .checked_sub(read.whole)
                        .and_then(|at| whole.as_bytes().get(at));
                    output.push(match digit {
                        _ if overflow => '#',
                        Some(digit) => char::from(*digit),
                        None => '0',
                    });
                } else if !read.fill {
                    output.push(' ');
                }
                place += 1;
            }
            Part::Digit(_) => {
                start(&mut output);
                let at = place - read.whole;
                if at < shown_fraction {
                    output.push(match fraction.as_bytes().get(at) {
                        _ if overflow => '#',
                        Some(digit) => char::from(*digit),
                        None => '0',
                    });
                }
                place += 1;
            }
            Part::Point => {
                start(&mut output);
                output.push('.');
            }
            Part::Group => {
                if place > first {
                    output.push(',');
                } else if !read.fill {
                    output.push(' ');
                }
            }
            Part::Sign if sign_leads => {}
            Part::Sign | Part::Either => output.push(if negative { '-' } else { '+' }),
            Part::Minus if negative => output.push('-'),
            Part::Plus if !negative => output.push('+'),
            Part::Minus | Part::Plus => {
                if !read.fill {
                    output.push(' ');
                }
            }
            Part::Ordinal(word) if !negative && read.fraction == 0 => {
                let suffix = ordinal(whole);
                output.push_str(&if *word == "TH" {
                    suffix.to_uppercase()
                } else {
                    suffix.to_owned()
                });
            }
            Part::Ordinal(_) => {}
            Part::Text(text) => output.push_str(text),
        }
    }
    if read.brackets {
        match (negative, read.fill) {
            (true, _) => output.push('>'),
            (false, false) => output.push(' '),
            (false, true) => {}
        }
    }
    output
}

/// For each digit of a pattern, whether it is a 0.
fn digit_places(parts: &[Part]) -> impl Iterator<Item = bool> + '_ {
    parts.iter().filter_map(|part| match part {
        Part::Digit(zero) => Some(*zero),
        _ => None,
    })
}

/// `st`, `nd`, `rd` or `th`, for a number of these digits.
pub(super) fn ordinal(number: &str) -> &'static str {
    match number.as_bytes() {
        [.., b'1', _] => "th",
        [.., b'1'] => "st",
        [.., b'2'] => "nd",
        [.., b'3'] => "rd",
        _ => "th",
    }
}

/// The number that a text is under a pattern, as plain digits: without groups and currency, its sign in front.
/// `None` if it has no digit.
pub(super) fn parsed(text: &str, pattern: &str) -> Option<String> {
    let read = Pattern::read(pattern);
    let negative = text.contains('-') || read.brackets && text.contains('<');
    let mut number = String::from(if negative { "-" } else { "" });
    let (mut point, mut any) = (false, false);
    let (mut whole, mut fraction) = (0, 0);
    for sign in text.chars() {
        match sign {
            '0'..='9' if !point && whole < read.whole => {
                whole += 1;
                number.push(sign);
                any = true;
            }
            '0'..='9' if point && fraction < read.fraction => {
                fraction += 1;
                number.push(sign);
                any = true;
            }
            '.' if !point => {
                point = true;
                number.push(sign);
            }
            _ => {}
        }
    }
    any.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_form_of_the_pattern() {
        for (negative, magnitude, pattern, shown) in [
            (false, "485", "999", " 485"),
            (true, "485", "999", "-485"),
            (false, "1485", "9,999", " 1,485"),
            (false, "485", "9,999", "   485"),
            (false, "148.500", "999.999", " 148.500"),
            (false, "148.500", "FM999.999", "148.5"),
            (false, "148.500", "FM999.990", "148.500"),
            (false, "0.1", "0.9", " 0.1"),
            (false, "0.1", "99.9", "   .1"),
            (true, "0.1", "99.9", "  -.1"),
            (false, "0", "999", "   0"),
            (false, "12", "0999", " 0012"),
            (false, "12", "FM0999", "0012"),
            (true, "485", "999MI", "485-"),
            (false, "485", "999MI", "485 "),
            (false, "485", "FM999MI", "485"),
            (true, "485", "999PR", "<485>"),
            (false, "485", "PL999", "+485"),
            (false, "485", "S999", "+485"),
            (true, "12", "S9999", "  -12"),
            (true, "485", "999S", "485-"),
            (true, "485", "SG999", "-485"),
            (false, "1234", "999", " ###"),
            (false, "482", "999th", " 482nd"),
            (false, "485", "\"Good number:\"999", "Good number: 485"),
            (false, "1234567.89", "FM9,999,999.00", "1,234,567.89"),
        ] {
            assert_eq!(
                formatted(negative, magnitude, pattern),
                shown,
                "{magnitude} as {pattern}"
            );
        }
        assert_eq!(digits("99V99"), (0, 2));
        assert_eq!(digits("999D99"), (2, 0));
    }

    #[test]
    fn texts_are_read_by_the_pattern() {
        assert_eq!(parsed("12,454.8-", "99G999D9S").as_deref(), Some("-12454.8"));
        assert_eq!(parsed("$1,234.50", "L9,999.99").as_deref(), Some("1234.50"));
        assert_eq!(parsed("abc", "999"), None);
    }
}
