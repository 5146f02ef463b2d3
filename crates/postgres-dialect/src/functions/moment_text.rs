//! Literals of dates, timestamps and intervals as PostgreSQL reads them, brought into the form that Arrow reads.

use chrono::{Datelike, NaiveDate};
use contract::{DataException, Error, Result};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: f64 = 86_400_000_000.0;

/// A date and a time of day, and what follows them: a zone or nothing.
#[derive(Debug, PartialEq)]
struct Moment<'t> {
    date: NaiveDate,
    micros: i64,
    zone: &'t str,
}

/// The day that a text names, in days of the Unix epoch; `None` for a text that is not in the ISO form.
///
/// # Errors
/// `DatetimeFieldOverflow` for a day or time that does not exist.
pub(crate) fn date(text: &str) -> Result<Option<i32>> {
    let moment = parse(text)?;
    Ok(moment.map(|moment| moment.date.num_days_from_ce() - 719_163))
}

/// The text of a day as Arrow reads it; as [`date`] otherwise.
///
/// # Errors
/// As [`date`].
pub(crate) fn date_text(text: &str) -> Result<Option<String>> {
    Ok(parse(text)?.map(|moment| moment.date.format("%Y-%m-%d").to_string()))
}

/// The text of a timestamp as Arrow reads it, with the zone that it names if `with_zone`: without, PostgreSQL reads a
/// zone over. `None` for a text that is not in the ISO form.
///
/// # Errors
/// `DatetimeFieldOverflow` for a day or time that does not exist.
pub(crate) fn timestamp_text(text: &str, with_zone: bool) -> Result<Option<String>> {
    let Some(moment) = parse(text)? else {
        return Ok(None);
    };
    let Some(date) = moment
        .date
        .checked_add_signed(chrono::Duration::days(moment.micros / 86_400_000_000))
    else {
        return Ok(None);
    };
    let micros = moment.micros % 86_400_000_000;
    let seconds = micros / MICROS_PER_SECOND;
    let mut shown = format!(
        "{} {:02}:{:02}:{:02}",
        date.format("%Y-%m-%d"),
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if micros % MICROS_PER_SECOND != 0 {
        shown.push_str(&format!(".{:06}", micros % MICROS_PER_SECOND));
    }
    if with_zone && !moment.zone.is_empty() {
        if !moment.zone.starts_with(['+', '-']) && !moment.zone.eq_ignore_ascii_case("z") {
            shown.push(' ');
        }
        shown.push_str(moment.zone);
    }
    Ok(Some(shown))
}

fn parse(text: &str) -> Result<Option<Moment<'_>>> {
    let trimmed = text.trim();
    let end = trimmed
        .find(|sign: char| !(sign.is_ascii_digit() || sign == '-'))
        .unwrap_or(trimmed.len());
    let (day, rest) = trimmed.split_at(end);
    let mut parts = day.split('-');
    let (Some(year), Some(month), Some(day), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let (Some(year), Some(month), Some(day)) = (digits(year, 4, 4), digits(month, 1, 2), digits(day, 1, 2)) else {
        return Ok(None);
    };
    let rest = match rest.strip_prefix(['T', 't', ' ']) {
        Some(after) => after.trim_start(),
        None if rest.is_empty() => rest,
        None => return Ok(None),
    };
    let (micros, zone) = match rest.starts_with(|sign: char| sign.is_ascii_digit()) {
        true => match clock(rest) {
            Some(read) => read,
            None => return Ok(None),
        },
        false => (Some(0), rest),
    };
    // A year before Christ, and anything else behind a date that is no zone.
    let is_zone = zone.is_empty()
        || zone.eq_ignore_ascii_case("z")
        || zone.starts_with(['+', '-'])
        || zone.contains('/')
        || zone.eq_ignore_ascii_case("utc");
    if !is_zone {
        return Ok(None);
    }
    let date = i32::try_from(year)
        .ok()
        .filter(|year| *year > 0)
        .and_then(|year| NaiveDate::from_ymd_opt(year, month, day));
    match (date, micros) {
        (Some(date), Some(micros)) => Ok(Some(Moment { date, micros, zone })),
        _ => Err(Error::data(
            DataException::DatetimeFieldOverflow,
            format!("date/time field value out of range: \"{text}\""),
        )),
    }
}

fn digits(text: &str, least: usize, most: usize) -> Option<u32> {
    let right = (least..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

/// `HH:MM[:SS[.ffffff]]` in microseconds, and what follows; no number for a time that does not exist.
fn clock(text: &str) -> Option<(Option<i64>, &str)> {
    let end = text
        .find(|sign: char| !(sign.is_ascii_digit() || matches!(sign, ':' | '.')))
        .unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':');
    let hours = digits(parts.next()?, 1, 2)?;
    let minutes = digits(parts.next()?, 2, 2)?;
    let seconds = match parts.next() {
        Some(seconds) => digits(seconds, 2, 2)?,
        None if fraction.is_empty() => 0,
        None => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    let micros = match fraction {
        "" => 0,
        digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
            let fraction: f64 = format!("0.{digits}").parse().ok()?;
            (fraction * 1e6).round_ties_even() as i64
        }
        _ => return None,
    };
    let total = i64::from(hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND + micros;
    let exists = minutes < 60 && seconds <= 60 && total <= 86_400 * MICROS_PER_SECOND;
    Some((exists.then_some(total), rest.trim_start()))
}

/// Months, days and microseconds.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Parts {
    months: i64,
    days: i64,
    micros: i64,
}

/// The text of an interval as Arrow reads it; `None` for what is left to Arrow.
pub(crate) fn interval_text(text: &str) -> Option<String> {
    let Parts { months, days, micros } = interval(text)?;
    Some(format!("{months} months {days} days {micros} microseconds"))
}

fn interval(text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let lower = text.trim().to_ascii_lowercase();
    let mut rest = lower.trim_start_matches('@').trim_start();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after = after.trim_start();
        if word == "ago" {
            return after.is_empty().then_some(Parts {
                months: -parts.months,
                days: -parts.days,
                micros: -parts.micros,
            });
        }
        if word.contains(':') {
            let (negative, unsigned) = signed(word);
            parts.micros = parts.micros.checked_add(match negative {
                true => -duration(unsigned)?,
                false => duration(unsigned)?,
            })?;
            rest = after;
            continue;
        }
        if let (negative, unsigned) = signed(word)
            && let Some((years, months)) = unsigned.split_once('-')
        {
            let months = digits(months, 1, 2).filter(|months| *months < 12)?;
            let total = f64::from(digits(years, 1, 9)?) * 12.0 + f64::from(months);
            parts.add_months(if negative { -total } else { total })?;
            rest = after;
            continue;
        }
        let (negative, unsigned) = signed(rest);
        let end = unsigned
            .find(|sign: char| !(sign.is_ascii_digit() || sign == '.'))
            .unwrap_or(unsigned.len());
        let (number, after) = unsigned.split_at(end);
        let number: f64 = number.parse().ok()?;
        let number = if negative { -number } else { number };
        let after = after.trim_start();
        let end = after
            .find(|sign: char| !sign.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit = match unit {
            // A number in front of a time is days, one alone is seconds.
            "" if after.split_whitespace().next().is_some_and(|next| next.contains(':')) => "day",
            "" if after.is_empty() => "second",
            unit => unit,
        };
        parts.add(number, unit)?;
        rest = after.trim_start();
    }
    Some(parts)
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// `HH:MM[:SS[.ffffff]]` with any number of hours, in microseconds.
fn duration(text: &str) -> Option<i64> {
    let (hours, rest) = text.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let minutes = digits(minutes, 1, 2).filter(|minutes| *minutes < 60)?;
    let is_number = seconds.bytes().all(|sign| sign.is_ascii_digit() || sign == b'.');
    let seconds: f64 = seconds.parse().ok().filter(|seconds| is_number && *seconds < 61.0)?;
    let whole = i64::from(digits(hours, 1, 9)?) * 3600 + i64::from(minutes) * 60;
    whole
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add((seconds * 1e6).round_ties_even() as i64)
}

impl Parts {
    fn add(&mut self, number: f64, unit: &str) -> Option<()> {
        let singular = unit
            .strip_suffix('s')
            .filter(|singular| !singular.is_empty())
            .unwrap_or(unit);
        match singular {
            // No plural of minutes.
            _ if unit == "ms" => self.add_micros(number * 1e3),
            "year" | "yr" | "y" => self.add_months(number * 12.0),
            "month" | "mon" => {
                self.add_months(number.trunc())?;
                self.add_days(number.fract() * 30.0)
            }
            "decade" | "dec" => self.add_months(number * 120.0),
            "century" | "centurie" | "cent" | "c" => self.add_months(number * 1200.0),
            "millennium" | "millennia" | "mil" => self.add_months(number * 12_000.0),
            "week" | "w" => self.add_days(number * 7.0),
            "day" | "d" => self.add_days(number),
            "hour" | "hr" | "h" => self.add_micros(number * 3.6e9),
            "minute" | "min" | "m" => self.add_micros(number * 6e7),
            "second" | "sec" | "s" => self.add_micros(number * 1e6),
            "millisecond" | "msec" => self.add_micros(number * 1e3),
            "microsecond" | "usec" | "u" => self.add_micros(number),
            _ => None,
        }
    }

    fn add_months(&mut self, number: f64) -> Option<()> {
        // Months that no interval holds are left to Arrow, which refuses them.
        let months = Some(number.round_ties_even()).filter(|months| months.abs() < 2_147_483_648.0)?;
        self.months = self.months.checked_add(months as i64)?;
        Some(())
    }

    fn add_days(&mut self, number: f64) -> Option<()> {
        let days = Some(number.trunc()).filter(|days| days.abs() < 2_147_483_648.0)?;
        self.days = self.days.checked_add(days as i64)?;
        self.add_micros(number.fract() * MICROS_PER_DAY)
    }

    fn add_micros(&mut self, number: f64) -> Option<()> {
        let micros = Some(number.round_ties_even()).filter(|micros| micros.abs() < 9e15)?;
        self.micros = self.micros.checked_add(micros as i64)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_take_arrows_form() {
        for (text, with_zone, form) in [
            ("2025-07-01 12:00", false, "2025-07-01 12:00:00"),
            ("2025-07-01T12:00Z", true, "2025-07-01 12:00:00Z"),
            ("2025-07-01 12:00+02", true, "2025-07-01 12:00:00+02"),
            ("2025-07-01 12:00+02", false, "2025-07-01 12:00:00"),
            ("2025-7-1", false, "2025-07-01 00:00:00"),
            ("2025-07-01 24:00", false, "2025-07-02 00:00:00"),
            (
                "2025-07-01 12:00:00.5 Europe/Oslo",
                true,
                "2025-07-01 12:00:00.500000 Europe/Oslo",
            ),
        ] {
            assert_eq!(
                timestamp_text(text, with_zone).unwrap().as_deref(),
                Some(form),
                "{text}"
            );
        }
        assert_eq!(timestamp_text("infinity", false).unwrap(), None);
        assert_eq!(timestamp_text("2025-07-01 BC", false).unwrap(), None);
        assert_eq!(date("1970-01-02").unwrap(), Some(1));
    }

    #[test]
    fn what_does_not_exist_is_out_of_range() {
        for text in [
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "0000-01-01",
            "2024-01-01 25:00",
            "2024-01-01 10:60",
        ] {
            assert!(timestamp_text(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn intervals_take_signs_on_every_part() {
        for (text, months, days, micros) in [
            ("-1 day +02:00:00", 0, -1, 7_200_000_000),
            ("1 day -02:00:00", 0, 1, -7_200_000_000),
            ("1 year 2 mons 3 days", 14, 3, 0),
            ("1.5 months", 1, 15, 0),
            ("1 2:03:04.5", 0, 1, 7_384_500_000),
            ("90", 0, 0, 90_000_000),
            ("2 hours ago", 0, 0, -7_200_000_000),
            ("1.5 days", 0, 1, 43_200_000_000),
            ("5 ms 1 us", 0, 0, 5_001),
            ("1-2", 14, 0, 0),
            ("-1-2 3 days", -14, 3, 0),
        ] {
            assert_eq!(interval(text), Some(Parts { months, days, micros }), "{text}");
        }
        for text in ["", "a day", "1 fortnight", "1:2:3:4", "ago 1"] {
            assert_eq!(interval(text), None, "{text}");
        }
    }
}
