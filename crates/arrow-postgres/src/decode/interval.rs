//! Intervals: PostgreSQL's own styles, the SQL standard's `1-2`, and ISO 8601 durations.

use super::datetime::fraction_micros;
use super::trim;
use crate::calendar::{MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::error::DecodeError;
use crate::scalar_text::Interval;

/// Reads an interval in any style PostgreSQL prints, whatever the session's style.
pub(crate) fn parse(text: &str) -> Result<Interval, DecodeError> {
    let trimmed = trim(text);
    let sum = if trimmed.starts_with(['P', 'p']) {
        iso(trimmed)
    } else {
        verbose(trimmed)
    };
    let Some(sum) = sum else {
        return Err(DecodeError::new(
            "22007",
            format!("invalid input syntax for type interval: \"{text}\""),
        ));
    };
    sum.finish()
        .ok_or_else(|| DecodeError::new("22008", format!("interval field value out of range: \"{text}\"")))
}

/// 128 bits so that no sum of fields that were themselves in range overflows before the end.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    months: i128,
    days: i128,
    micros: i128,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Micros(i64),
    Days(i64),
    Months(i64),
}

impl Unit {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecond" | "microseconds" | "microsec"
            | "microsecs" => Self::Micros(1),
            "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecond" | "milliseconds" | "millisec"
            | "millisecs" => Self::Micros(1_000),
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Micros(MICROS_PER_SECOND),
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Micros(60 * MICROS_PER_SECOND),
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Micros(3_600 * MICROS_PER_SECOND),
            "d" | "day" | "days" => Self::Days(1),
            "w" | "week" | "weeks" => Self::Days(7),
            "mon" | "mons" | "month" | "months" => Self::Months(1),
            "y" | "yr" | "yrs" | "year" | "years" => Self::Months(12),
            "dec" | "decs" | "decade" | "decades" => Self::Months(120),
            "c" | "cent" | "century" | "centuries" => Self::Months(1_200),
            "mil" | "mils" | "millennium" | "millennia" => Self::Months(12_000),
            _ => return None,
        })
    }
}

/// A signed number split at its point.
#[derive(Debug, Clone, Copy)]
struct Amount {
    whole: i64,
    /// Between -1 and 1, with the sign of the number.
    fraction: f64,
}

impl Sum {
    fn add(&mut self, amount: Amount, unit: Unit) {
        let whole = i128::from(amount.whole);
        match unit {
            Unit::Micros(micros) => {
                self.micros += whole * i128::from(micros);
                self.micros += (amount.fraction * micros as f64).round_ties_even() as i128;
            }
            Unit::Days(days) => {
                self.days += whole * i128::from(days);
                self.add_days(amount.fraction * days as f64);
            }
            Unit::Months(1) => {
                self.months += whole;
                // A month has 30 days where its parts are asked for.
                self.add_days(amount.fraction * 30.0);
            }
            Unit::Months(months) => {
                self.months += whole * i128::from(months);
                self.months += (amount.fraction * months as f64).round_ties_even() as i128;
            }
        }
    }

    fn add_days(&mut self, days: f64) {
        self.days += days.trunc() as i128;
        self.micros += (days.fract() * MICROS_PER_DAY as f64).round_ties_even() as i128;
    }

    fn negate(self) -> Self {
        Self {
            months: -self.months,
            days: -self.days,
            micros: -self.micros,
        }
    }

    fn finish(self) -> Option<Interval> {
        Some(Interval {
            months: self.months.try_into().ok()?,
            days: self.days.try_into().ok()?,
            micros: self.micros.try_into().ok()?,
        })
    }
}

/// Cuts a leading number, with or without sign and point.
fn amount(text: &str) -> Option<(Amount, &str)> {
    let (negative, unsigned) = sign(text);
    let end = unsigned
        .find(|character: char| !(character.is_ascii_digit() || character == '.'))
        .unwrap_or(unsigned.len());
    let (number, rest) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: f64 = if fraction.is_empty() {
        0.0
    } else {
        format!("0.{fraction}").parse().ok()?
    };
    Some((
        if negative {
            Amount {
                whole: -whole,
                fraction: -fraction,
            }
        } else {
            Amount { whole, fraction }
        },
        rest,
    ))
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    }
}

fn iso(text: &str) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut rest = text.get(1..)?;
    let mut in_time = false;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix(['T', 't']) {
            if in_time || time.is_empty() {
                return None;
            }
            in_time = true;
            rest = time;
            continue;
        }
        let (value, behind) = amount(rest)?;
        let designator = behind.chars().next()?.to_ascii_uppercase();
        let unit = match (in_time, designator) {
            (false, 'Y') => Unit::Months(12),
            (false, 'M') => Unit::Months(1),
            (false, 'W') => Unit::Days(7),
            (false, 'D') => Unit::Days(1),
            (true, 'H') => Unit::Micros(3_600 * MICROS_PER_SECOND),
            (true, 'M') => Unit::Micros(60 * MICROS_PER_SECOND),
            (true, 'S') => Unit::Micros(MICROS_PER_SECOND),
            _ => return None,
        };
        sum.add(value, unit);
        rest = behind.get(1..)?;
    }
    Some(sum)
}

fn verbose(text: &str) -> Option<Sum> {
    let mut rest = trim(text.strip_prefix('@').unwrap_or(text));
    let mut sum = Sum::default();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest
            .find(|character: char| character.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (token, behind) = rest.split_at(end);
        if token.eq_ignore_ascii_case("ago") {
            return trim(behind).is_empty().then(|| sum.negate());
        }
        if token.contains(':') {
            sum.micros += clock(token)?;
            rest = trim(behind);
            continue;
        }
        let (negative, unsigned) = sign(token);
        if let Some((years, months)) = unsigned.split_once('-') {
            let months: i64 = months.parse().ok().filter(|months| (0..12).contains(months))?;
            let total = years.parse::<u32>().ok().map(|years| i64::from(years) * 12 + months)?;
            sum.months += i128::from(if negative { -total } else { total });
            rest = trim(behind);
            continue;
        }
        let (value, tail) = amount(rest)?;
        let tail = trim(tail);
        let word_end = tail
            .find(|character: char| !character.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (word, behind) = tail.split_at(word_end);
        let unit = match word {
            // A number alone: days in front of a time, else seconds, and then it is the last.
            "" if tail
                .split_ascii_whitespace()
                .next()
                .is_some_and(|next| next.contains(':')) =>
            {
                Unit::Days(1)
            }
            "" if tail.is_empty() => Unit::Micros(MICROS_PER_SECOND),
            word if word.eq_ignore_ascii_case("ago") => return None,
            word => Unit::parse(word)?,
        };
        sum.add(value, unit);
        rest = trim(behind);
    }
    Some(sum)
}

/// `[-]HH:MM[:SS[.ffffff]]`, hours of any size.
fn clock(token: &str) -> Option<i128> {
    let (negative, unsigned) = sign(token);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let number = |text: &str| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse::<u32>().ok()
        } else {
            None
        }
    };
    let parts: Vec<&str> = whole.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] if fraction.is_empty() => (number(hours)?, number(minutes)?, 0),
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        _ => return None,
    };
    if minutes > 59 || seconds > 60 {
        return None;
    }
    let seconds = i128::from(hours) * 3_600 + i128::from(minutes) * 60 + i128::from(seconds);
    let micros = seconds * i128::from(MICROS_PER_SECOND) + i128::from(fraction_micros(fraction).ok()?);
    Some(if negative { -micros } else { micros })
}
