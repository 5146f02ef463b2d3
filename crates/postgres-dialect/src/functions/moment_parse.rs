//! Reads a text by a template, as PostgreSQL's `to_date` and `to_timestamp` do.

use contract::{DataException, Error, Result};

use super::calendar_names::{DAYS, MONTHS};
use super::moment_fields::{Convention, Found, Moment, invalid};
use super::moment_template::{Field, Node, is_separator};

const ROMAN_MONTHS: [&str; 12] = ["XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"];
/// Letters of a name that tell it from others.
const SHORT: usize = 3;

/// The moment that `text` names by a template.
///
/// # Errors
/// `InvalidDatetimeFormat` where the text is not of the template's form, `DatetimeFieldOverflow` for a moment that does
/// not exist, `Unsupported` for a pattern that only `to_char` has.
pub(super) fn parse(text: &str, nodes: &[Node]) -> Result<Moment> {
    let mut reader = Reader {
        rest: text,
        fixed: false,
        extra: 0,
        found: Found::default(),
    };
    reader.read(nodes)?;
    reader.found.moment(text)
}

struct Reader<'t> {
    rest: &'t str,
    /// After `FX`.
    fixed: bool,
    /// Characters that were skipped beyond those of the template.
    extra: i32,
    found: Found,
}

impl Reader<'_> {
    fn read(&mut self, nodes: &[Node]) -> Result<()> {
        for (at, node) in nodes.iter().enumerate() {
            if self.rest.is_empty() {
                break;
            }
            if !self.fixed && (at == 0 || !matches!(node, Node::Character(_))) {
                self.skip_spaces();
            }
            match node {
                Node::Space | Node::Separator if self.fixed => self.skip(1),
                Node::Space | Node::Separator => {
                    self.extra -= 1;
                    let next = self.rest.chars().next();
                    if next.is_some_and(|next| next.is_ascii_whitespace() || is_separator(next)) {
                        self.skip(1);
                        self.extra += 1;
                    }
                }
                Node::Character(_) if !self.fixed && self.extra > 0 => self.extra -= 1,
                Node::Character(_) => self.skip(1),
                Node::Field {
                    field: Field::Fixed, ..
                } => self.fixed = true,
                Node::Field {
                    field,
                    name,
                    fill,
                    ordinal,
                } => {
                    // A number goes on to where it ends, unless another one follows at once.
                    let open = *fill || *ordinal || nodes.get(at + 1).is_none_or(Node::is_no_digit);
                    self.field(*field, name, open)?;
                    if *ordinal {
                        self.skip(2);
                    }
                    if !self.fixed {
                        self.extra = 0;
                        self.skip_spaces();
                    }
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, characters: usize) {
        let end = self
            .rest
            .char_indices()
            .nth(characters)
            .map_or(self.rest.len(), |(end, _)| end);
        self.rest = self.rest.get(end..).unwrap_or_default();
    }

    fn skip_spaces(&mut self) {
        let trimmed = self.rest.trim_ascii_start();
        self.extra = self
            .extra
            .saturating_add(i32::try_from(self.rest.len() - trimmed.len()).unwrap_or(i32::MAX));
        self.rest = trimmed;
    }

    fn field(&mut self, field: Field, name: &str, open: bool) -> Result<()> {
        self.convention(field)?;
        let number = |reader: &mut Self, length| reader.number(length, name, open);
        match field {
            Field::Fixed | Field::ShownOnly => {
                return Err(Error::unsupported(format!(
                    "formatting field \"{name}\" is only supported in to_char"
                )));
            }
            Field::Meridiem(words) => {
                let afternoon = self.word(words, usize::MAX, name)? == 1;
                self.found.afternoon = afternoon;
                self.found.of_twelve = true;
            }
            Field::Era(words) => self.found.before_christ = self.word(words, usize::MAX, name)? == 1,
            Field::Hour12 => {
                let (hour, _) = number(self, 2)?;
                self.found.of_twelve = true;
                set(&mut self.found.hour, hour, name)?;
            }
            Field::Hour24 => {
                let (hour, _) = number(self, 2)?;
                set(&mut self.found.hour, hour, name)?;
            }
            Field::Minute => {
                let (minute, _) = number(self, 2)?;
                set(&mut self.found.minute, minute, name)?;
            }
            Field::Second => {
                let (second, _) = number(self, 2)?;
                set(&mut self.found.second, second, name)?;
            }
            Field::SecondOfDay(length) => {
                let (second, _) = number(self, length)?;
                set(&mut self.found.second_of_day, second, name)?;
            }
            Field::Millisecond => {
                let (millis, length) = number(self, 3)?;
                set(&mut self.found.millis, scaled(millis, length, 3), name)?;
            }
            Field::Fraction(digits) => {
                let (micros, length) = number(self, digits)?;
                set(&mut self.found.micros, scaled(micros, length, 6), name)?;
            }
            Field::ZoneHour => self.zone_hour(name, open)?,
            Field::ZoneMinute => {
                let (minute, _) = number(self, 2)?;
                set(&mut self.found.zone_minute, minute, name)?;
            }
            Field::MonthName => {
                let month = self.word(&MONTHS, usize::MAX, name)?;
                set(&mut self.found.month, one_based(month), name)?;
            }
            Field::MonthShort => {
                let month = self.word(&MONTHS, SHORT, name)?;
                set(&mut self.found.month, one_based(month), name)?;
            }
            Field::Roman => {
                let month = self.word(&ROMAN_MONTHS, usize::MAX, name)?;
                set(&mut self.found.month, 13 - one_based(month), name)?;
            }
            Field::Month => {
                let (month, _) = number(self, 2)?;
                set(&mut self.found.month, month, name)?;
            }
            Field::DayName => {
                let day = self.word(&DAYS, usize::MAX, name)?;
                set(&mut self.found.weekday, one_based(day), name)?;
            }
            Field::DayShort => {
                let day = self.word(&DAYS, SHORT, name)?;
                set(&mut self.found.weekday, one_based(day), name)?;
            }
            Field::DayOfYear | Field::IsoDayOfYear => {
                let (day, _) = number(self, 3)?;
                set(&mut self.found.day_of_year, day, name)?;
            }
            Field::Day => {
                let (day, _) = number(self, 2)?;
                set(&mut self.found.day, day, name)?;
            }
            Field::Weekday => {
                let (day, _) = number(self, 1)?;
                set(&mut self.found.weekday, day, name)?;
            }
            Field::IsoWeekday => {
                let (day, _) = number(self, 1)?;
                set(&mut self.found.weekday, if day >= 7 { 1 } else { day + 1 }, name)?;
            }
            Field::Week | Field::IsoWeek => {
                let (week, _) = number(self, 2)?;
                set(&mut self.found.week, week, name)?;
            }
            Field::WeekOfMonth => {
                let (week, _) = number(self, 1)?;
                set(&mut self.found.week_of_month, week, name)?;
            }
            // Read over: it does not tell the month.
            Field::Quarter => {
                let (quarter, _) = number(self, 1)?;
                self.found.quarter = quarter;
            }
            Field::Century => {
                let (century, _) = number(self, 2)?;
                set(&mut self.found.century, century, name)?;
            }
            Field::YearWithComma => self.year_with_comma(name)?,
            Field::Year(digits) | Field::IsoYear(digits) => {
                let (year, length) = number(self, digits)?;
                let year = if digits < 4 && length < 4 {
                    near_2020(year)
                } else {
                    year
                };
                set(&mut self.found.year, year, name)?;
                self.found.year_digits = digits;
            }
            Field::Julian => {
                let (day, _) = number(self, 1)?;
                set(&mut self.found.julian, day, name)?;
            }
        }
        Ok(())
    }

    /// Days of weeks and days of months do not mix.
    fn convention(&mut self, field: Field) -> Result<()> {
        let convention = match field {
            Field::IsoDayOfYear | Field::IsoWeekday | Field::IsoWeek | Field::IsoYear(_) => Convention::IsoWeek,
            Field::MonthName
            | Field::MonthShort
            | Field::Month
            | Field::Roman
            | Field::DayOfYear
            | Field::Day
            | Field::Weekday
            | Field::Week
            | Field::WeekOfMonth
            | Field::YearWithComma
            | Field::Year(_) => Convention::Gregorian,
            _ => return Ok(()),
        };
        if *self.found.convention.get_or_insert(convention) == convention {
            return Ok(());
        }
        Err(invalid("invalid combination of date conventions")
            .with_hint("Do not mix Gregorian and ISO week date conventions in a formatting template."))
    }

    /// A whole number and how many characters it took; of exactly `length` characters unless it is `open`.
    fn number(&mut self, length: usize, name: &str, open: bool) -> Result<(i32, usize)> {
        self.rest = self.rest.trim_ascii_start();
        let end = self
            .rest
            .char_indices()
            .nth(length)
            .map_or(self.rest.len(), |(end, _)| end);
        let piece = self.rest.get(..end).unwrap_or_default();
        let source = if open { self.rest } else { piece };
        if !open && piece.chars().count() < length {
            return Err(
                invalid(format!("source string too short for \"{name}\" formatting field"))
                    .with_detail(format!(
                        "Field requires {length} characters, but only {} remain.",
                        piece.chars().count()
                    ))
                    .with_hint("If your source string is not fixed-width, try using the \"FM\" modifier."),
            );
        }
        let unsigned = source.strip_prefix(['-', '+']).unwrap_or(source);
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return Err(
                invalid(format!("invalid value \"{piece}\" for \"{name}\"")).with_detail("Value must be an integer.")
            );
        }
        let used = source.len() - unsigned.len() + digits;
        if !open && used < length {
            return Err(
                invalid(format!("invalid value \"{piece}\" for \"{name}\"")).with_detail(format!(
                    "Field requires {length} characters, but only {used} could be parsed."
                )),
            );
        }
        let number = source.get(..used).unwrap_or_default().parse::<i32>().map_err(|_| {
            Error::data(
                DataException::DatetimeFieldOverflow,
                format!("value for \"{name}\" in source string is out of range"),
            )
        })?;
        self.rest = self.rest.get(used..).unwrap_or_default();
        Ok((number, used))
    }

    /// Which of the words stands next, of which `letters` count.
    fn word(&mut self, words: &[&str], letters: usize, name: &str) -> Result<usize> {
        for (at, word) in words.iter().enumerate() {
            let length = word.len().min(letters);
            let (Some(own), Some(wanted)) = (self.rest.get(..length), word.get(..length)) else {
                continue;
            };
            if own.eq_ignore_ascii_case(wanted) {
                self.rest = self.rest.get(length..).unwrap_or_default();
                return Ok(at);
            }
        }
        let end = self
            .rest
            .find(|letter: char| letter.is_ascii_whitespace())
            .unwrap_or(self.rest.len());
        let shown = self.rest.get(..end).unwrap_or_default();
        Err(invalid(format!("invalid value \"{shown}\" for \"{name}\""))
            .with_detail("The given value did not match any of the allowed values for this field."))
    }

    fn zone_hour(&mut self, name: &str, open: bool) -> Result<()> {
        self.found.zone_sign = match self.rest.chars().next() {
            Some('-') => -1,
            _ => 1,
        };
        if self.rest.starts_with(['+', '-', ' ']) {
            self.skip(1);
        }
        let (hour, _) = self.number(2, name, open)?;
        set(&mut self.found.zone_hour, hour, name)
    }

    fn year_with_comma(&mut self, name: &str) -> Result<()> {
        let read = self.rest.split_once(',').and_then(|(thousands, rest)| {
            let digits = rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
            let units: i32 = rest.get(..digits)?.parse().ok()?;
            let thousands: i32 = thousands.parse().ok()?;
            Some((thousands.checked_mul(1000)?.checked_add(units)?, rest.get(digits..)?))
        });
        let Some((year, rest)) = read else {
            return Err(invalid(format!("invalid input string for \"{name}\"")));
        };
        self.rest = rest;
        self.found.year_digits = 4;
        set(&mut self.found.year, year, name)
    }
}

fn set(field: &mut i32, value: i32, name: &str) -> Result<()> {
    if *field != 0 && *field != value {
        return Err(
            invalid(format!("conflicting values for \"{name}\" field in formatting string"))
                .with_detail("This value contradicts a previous setting for the same field type."),
        );
    }
    *field = value;
    Ok(())
}

fn one_based(at: usize) -> i32 {
    i32::try_from(at + 1).unwrap_or(0)
}

/// `.5` is half a second whatever the unit: digits that are missing are zeros behind the others.
fn scaled(value: i32, length: usize, digits: usize) -> i32 {
    let missing = u32::try_from(digits.saturating_sub(length)).unwrap_or(0);
    value.saturating_mul(10_i32.saturating_pow(missing))
}

/// The year of fewer than four digits that is nearest to 2020.
fn near_2020(year: i32) -> i32 {
    match year {
        ..70 => year + 2000,
        70..100 => year + 1900,
        100..520 => year + 2000,
        520..1000 => year + 1000,
        _ => year,
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment_template::nodes;
    use super::*;

    fn read(text: &str, template: &str) -> Result<String> {
        let Moment { date, micros, offset } = parse(text, &nodes(template))?;
        let zone = offset.map_or_else(String::new, |offset| format!(" {offset}"));
        Ok(format!("{date} {}{zone}", micros / 1_000))
    }

    #[test]
    fn texts_are_read_by_templates() {
        for (text, template, moment) in [
            ("2024-02-29", "YYYY-MM-DD", "2024-02-29 0"),
            ("05 Dec 2000", "DD Mon YYYY", "2000-12-05 0"),
            ("20240229", "YYYYMMDD", "2024-02-29 0"),
            ("1/2/24", "MM/DD/YY", "2024-01-02 0"),
            ("2024-060", "YYYY-DDD", "2024-02-29 0"),
            (
                "05 Dec 2000 03:04:05.678 PM",
                "DD Mon YYYY HH12:MI:SS.MS AM",
                "2000-12-05 54245678",
            ),
            (
                "2000-1-2 3:4:5.123456",
                "YYYY-MM-DD HH24:MI:SS.US",
                "2000-01-02 11045123",
            ),
            (
                "2011-12-18 11:38 +05:30",
                "YYYY-MM-DD HH12:MI TZH:TZM",
                "2011-12-18 41880000 19800",
            ),
            ("2005 40 3", "IYYY IW ID", "2005-10-05 0"),
            ("3rd 4 1999", "FMDDth MM YYYY", "1999-04-03 0"),
            ("2451187", "J", "1999-01-08 0"),
            ("44 BC", "YYYY BC", "-0043-01-01 0"),
            ("XII 1999", "RM YYYY", "1999-12-01 0"),
            ("2,024-05", "Y,YYY-MM", "2024-05-01 0"),
            (
                "2024-01-01T10:11:12",
                "YYYY-MM-DD\"T\"HH24:MI:SS",
                "2024-01-01 36672000",
            ),
            ("20240101 36000", "YYYYMMDD SSSSS", "2024-01-01 36000000"),
            ("2024January05", "YYYYMonthDD", "2024-01-05 0"),
            ("  2024   3  4", "YYYY MM DD", "2024-03-04 0"),
            ("21 2", "CC W", "2001-01-08 0"),
            ("2024 3", "YYYY WW", "2024-01-15 0"),
            ("2024 2 3", "YYYY MM W", "2024-02-15 0"),
        ] {
            assert_eq!(read(text, template).unwrap(), moment, "{text} by {template}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (text, template, sqlstate) in [
            ("2024-02-30", "YYYY-MM-DD", "22008"),
            ("2024-13-01", "YYYY-MM-DD", "22008"),
            ("99", "HH24", "22008"),
            ("abc", "YYYY", "22007"),
            ("20", "YYYYMM", "22007"),
            ("13", "HH12", "22007"),
            ("2024 Foo", "YYYY Mon", "22007"),
            ("2024 10 1", "YYYY IW ID", "22007"),
            ("99999999999", "YYYY", "22008"),
        ] {
            let error = read(text, template).unwrap_err();
            assert_eq!(error.kind().sqlstate(), sqlstate, "{text} by {template}: {error}");
        }
        assert_eq!(
            read("2024 UTC", "YYYY TZ").unwrap_err().kind(),
            contract::ErrorKind::Unsupported
        );
    }
}
