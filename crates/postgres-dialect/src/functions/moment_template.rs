//! The template patterns of `to_date` and `to_timestamp`: what a text must look like.

use std::iter::Peekable;
use std::str::Chars;

/// What a pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// `FX`: what follows stands exactly as in the template.
    Fixed,
    /// AM or PM, written with periods or without.
    Meridiem(&'static [&'static str; 2]),
    Hour12,
    Hour24,
    Minute,
    Second,
    Millisecond,
    /// A fraction of a second with so many digits.
    Fraction(usize),
    /// Seconds since midnight, in so many digits.
    SecondOfDay(usize),
    ZoneHour,
    ZoneMinute,
    /// `to_char` alone knows it.
    ShownOnly,
    /// BC or AD, written with periods or without.
    Era(&'static [&'static str; 2]),
    MonthName,
    MonthShort,
    Month,
    DayName,
    DayShort,
    DayOfYear,
    IsoDayOfYear,
    Day,
    Weekday,
    IsoWeekday,
    Week,
    IsoWeek,
    WeekOfMonth,
    Quarter,
    Century,
    /// `Y,YYY`.
    YearWithComma,
    /// The last so many digits of a year.
    Year(usize),
    IsoYear(usize),
    Roman,
    Julian,
}

/// One piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Field {
        field: Field,
        /// As it is spelled in PostgreSQL's messages.
        name: &'static str,
        /// `FM` in front of it.
        fill: bool,
        /// `TH` behind it.
        ordinal: bool,
    },
    Space,
    Separator,
    Character(char),
}

const PLAIN_MERIDIEM: [&str; 2] = ["AM", "PM"];
const DOTTED_MERIDIEM: [&str; 2] = ["A.M.", "P.M."];
const PLAIN_ERA: [&str; 2] = ["AD", "BC"];
const DOTTED_ERA: [&str; 2] = ["A.D.", "B.C."];

/// The patterns, those that begin another one behind it.
const PATTERNS: [(&str, Field); 54] = [
    ("A.D.", Field::Era(&DOTTED_ERA)),
    ("A.M.", Field::Meridiem(&DOTTED_MERIDIEM)),
    ("AD", Field::Era(&PLAIN_ERA)),
    ("AM", Field::Meridiem(&PLAIN_MERIDIEM)),
    ("B.C.", Field::Era(&DOTTED_ERA)),
    ("BC", Field::Era(&PLAIN_ERA)),
    ("CC", Field::Century),
    ("DAY", Field::DayName),
    ("DDD", Field::DayOfYear),
    ("DD", Field::Day),
    ("DY", Field::DayShort),
    ("D", Field::Weekday),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("FX", Field::Fixed),
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("IDDD", Field::IsoDayOfYear),
    ("ID", Field::IsoWeekday),
    ("IW", Field::IsoWeek),
    ("IYYY", Field::IsoYear(4)),
    ("IYY", Field::IsoYear(3)),
    ("IY", Field::IsoYear(2)),
    ("I", Field::IsoYear(1)),
    ("J", Field::Julian),
    ("MI", Field::Minute),
    ("MM", Field::Month),
    ("MONTH", Field::MonthName),
    ("MON", Field::MonthShort),
    ("MS", Field::Millisecond),
    ("OF", Field::ShownOnly),
    ("P.M.", Field::Meridiem(&DOTTED_MERIDIEM)),
    ("PM", Field::Meridiem(&PLAIN_MERIDIEM)),
    ("Q", Field::Quarter),
    ("RM", Field::Roman),
    ("SSSSS", Field::SecondOfDay(5)),
    ("SSSS", Field::SecondOfDay(4)),
    ("SS", Field::Second),
    ("TZH", Field::ZoneHour),
    ("TZM", Field::ZoneMinute),
    ("TZ", Field::ShownOnly),
    ("US", Field::Fraction(6)),
    ("WW", Field::Week),
    ("W", Field::WeekOfMonth),
    ("Y,YYY", Field::YearWithComma),
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("Y", Field::Year(1)),
];

impl Field {
    /// Whether its values begin with a digit.
    fn is_digit(self) -> bool {
        !matches!(
            self,
            Self::Fixed
                | Self::Meridiem(_)
                | Self::Era(_)
                | Self::MonthName
                | Self::MonthShort
                | Self::DayName
                | Self::DayShort
                | Self::ZoneHour
                | Self::ShownOnly
                | Self::Roman
        )
    }
}

impl Node {
    /// Whether the number in front of it ends where it begins.
    pub(super) fn is_no_digit(&self) -> bool {
        match self {
            Self::Field { field, .. } => !field.is_digit(),
            Self::Character(character) => !character.is_ascii_digit(),
            Self::Space | Self::Separator => true,
        }
    }
}

/// Cuts a template into its pieces.
pub(super) fn nodes(template: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let (fill, after) = match prefix(rest, "FM") {
            Some(after) => (true, after),
            None => (false, prefix(rest, "TM").unwrap_or(rest)),
        };
        let found = PATTERNS
            .iter()
            .find_map(|(name, field)| prefix(after, name).map(|after| (*name, *field, after)));
        if let Some((name, field, after)) = found {
            let end = prefix(after, "TH");
            nodes.push(Node::Field {
                field,
                name,
                fill,
                ordinal: end.is_some(),
            });
            rest = end.or_else(|| prefix(after, "SP")).unwrap_or(after);
            continue;
        }
        if after.len() < rest.len() {
            // A modifier of nothing.
            rest = after;
            continue;
        }
        let mut characters = rest.chars().peekable();
        characters.next();
        match first {
            '"' => quoted(&mut characters, &mut nodes),
            '\\' if characters.peek() == Some(&'"') => {
                characters.next();
                nodes.push(Node::Character('"'));
            }
            _ if first.is_ascii_whitespace() => nodes.push(Node::Space),
            _ if is_separator(first) => nodes.push(Node::Separator),
            _ => nodes.push(Node::Character(first)),
        }
        rest = rest
            .get(rest.len() - characters.map(char::len_utf8).sum::<usize>()..)
            .unwrap_or_default();
    }
    nodes
}

/// The characters up to the closing quote, a backslash taking the next one as it is.
fn quoted(characters: &mut Peekable<Chars<'_>>, nodes: &mut Vec<Node>) {
    while let Some(character) = characters.next() {
        match character {
            '"' => return,
            '\\' => nodes.extend(characters.next().map(Node::Character)),
            other => nodes.push(Node::Character(other)),
        }
    }
}

pub(super) fn is_separator(character: char) -> bool {
    character.is_ascii_graphic() && !character.is_ascii_alphanumeric()
}

/// What follows `name` at the beginning of `text`, in any case.
fn prefix<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let start = text.get(..name.len())?;
    start.eq_ignore_ascii_case(name).then(|| text.get(name.len()..))?
}
