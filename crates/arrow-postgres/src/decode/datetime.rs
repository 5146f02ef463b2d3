//! Dates, times and timestamps in ISO 8601 as PostgreSQL reads it: years of any length, `BC`, zones by offset or name,
//! `infinity` and `epoch`.

use super::trim;
use crate::calendar::{self, MICROS_PER_DAY, MICROS_PER_SECOND, days_from_civil, days_in_month};
use crate::error::DecodeError;
use crate::session::{Zone, offset_seconds};

/// Why a text is not a date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    Syntax,
    /// A field such as the month 13.
    Field,
    /// All fields are possible, the whole is not.
    Range,
}

impl Problem {
    fn into_error(self, type_name: &str, text: &str) -> DecodeError {
        match self {
            Self::Syntax => DecodeError::new(
                "22007",
                format!("invalid input syntax for type {type_name}: \"{text}\""),
            ),
            Self::Field => DecodeError::new("22008", format!("date/time field value out of range: \"{text}\"")),
            Self::Range => {
                let short = type_name.split(' ').next().unwrap_or(type_name);
                DecodeError::new("22008", format!("{short} out of range: \"{text}\""))
            }
        }
    }
}

/// Days of the Unix epoch; infinity is the largest number, -infinity the smallest.
pub(crate) fn date(text: &str) -> Result<i32, DecodeError> {
    let read = || match Moment::parse(trim(text))? {
        Moment::Infinite { negative } => Ok(if negative { i32::MIN } else { i32::MAX }),
        Moment::Finite { days, .. } if (calendar::DAYS_MIN..=calendar::DAYS_MAX).contains(&days) => {
            i32::try_from(days).map_err(|_| Problem::Range)
        }
        Moment::Finite { .. } => Err(Problem::Range),
    };
    read().map_err(|problem| problem.into_error("date", text))
}

/// Microseconds of the day. A zone behind the time is read and does not count, as in PostgreSQL.
pub(crate) fn time(text: &str) -> Result<i64, DecodeError> {
    let read = || {
        let trimmed = trim(text);
        match time_of_day(trimmed)? {
            (micros, rest) if zone_of(rest).is_ok() => Ok(micros),
            _ => Err(Problem::Syntax),
        }
    };
    read().map_err(|problem| problem.into_error("time", text))
}

/// Microseconds of the Unix epoch. With `zone` an instant: the text's own zone counts, else `zone`. Without, the text's
/// zone is read and does not count.
pub(crate) fn timestamp(text: &str, zone: Option<&Zone>) -> Result<i64, DecodeError> {
    let read = || {
        let (days, micros, own_zone) = match Moment::parse(trim(text))? {
            Moment::Infinite { negative } => return Ok(if negative { i64::MIN } else { i64::MAX }),
            Moment::Finite { days, micros, zone } => (days, micros, zone),
        };
        let wall = days
            .checked_mul(MICROS_PER_DAY)
            .and_then(|start| start.checked_add(micros))
            .ok_or(Problem::Range)?;
        let instant = match zone {
            None => wall,
            Some(session) => {
                let zone = own_zone.unwrap_or(*session);
                let seconds = wall.div_euclid(MICROS_PER_SECOND);
                let shift = zone.instant_of(seconds) - seconds;
                wall.checked_add(shift * MICROS_PER_SECOND).ok_or(Problem::Range)?
            }
        };
        if instant < calendar::MICROS_MIN {
            Err(Problem::Range)
        } else {
            Ok(instant)
        }
    };
    let type_name = if zone.is_some() {
        "timestamp with time zone"
    } else {
        "timestamp"
    };
    read().map_err(|problem| problem.into_error(type_name, text))
}

enum Moment {
    Infinite { negative: bool },
    Finite { days: i64, micros: i64, zone: Option<Zone> },
}

impl Moment {
    fn parse(text: &str) -> Result<Self, Problem> {
        match text.to_ascii_lowercase().as_str() {
            "infinity" | "+infinity" => return Ok(Self::Infinite { negative: false }),
            "-infinity" => return Ok(Self::Infinite { negative: true }),
            "epoch" => {
                return Ok(Self::Finite {
                    days: 0,
                    micros: 0,
                    zone: Some(Zone::Utc),
                });
            }
            _ => {}
        }
        let (text, before_christ) = era(text);
        let end = text.find(|character: char| !(character.is_ascii_digit() || matches!(character, '-' | '/')));
        let (date, rest) = text.split_at(end.unwrap_or(text.len()));
        let days = calendar_date(date, before_christ)?;
        let rest = match rest.as_bytes().first() {
            None => {
                return Ok(Self::Finite {
                    days,
                    micros: 0,
                    zone: None,
                });
            }
            Some(b'T' | b't' | b' ') => trim(rest.get(1..).unwrap_or_default()),
            Some(_) => return Err(Problem::Syntax),
        };
        if !rest.starts_with(|character: char| character.is_ascii_digit()) {
            // A date and a zone, without a time between them.
            return Ok(Self::Finite {
                days,
                micros: 0,
                zone: zone_of(rest)?,
            });
        }
        let (micros, rest) = time_of_day(rest)?;
        Ok(Self::Finite {
            days,
            micros,
            zone: zone_of(rest)?,
        })
    }
}

/// Cuts ` BC` or ` AD` off the end.
fn era(text: &str) -> (&str, bool) {
    let Some(cut) = text.len().checked_sub(2) else {
        return (text, false);
    };
    let (Some(front), Some(mark)) = (text.get(..cut), text.get(cut..)) else {
        return (text, false);
    };
    let before_christ = mark.eq_ignore_ascii_case("bc");
    if !front.ends_with([' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        || !(before_christ || mark.eq_ignore_ascii_case("ad"))
    {
        return (text, false);
    }
    (trim(front), before_christ)
}

fn number(text: &str, length_max: usize) -> Result<i64, Problem> {
    if text.is_empty() || text.len() > length_max || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Syntax);
    }
    text.parse().map_err(|_| Problem::Syntax)
}

fn calendar_date(text: &str, before_christ: bool) -> Result<i64, Problem> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let parts: Vec<&str> = text.split(separator).collect();
    let (year, month, day) = match parts.as_slice() {
        // A year of one or two digits could be a day: PostgreSQL asks DateStyle, here it is an error.
        [year, month, day] if year.len() >= 3 => (number(year, 7)?, number(month, 2)?, number(day, 2)?),
        [packed] if packed.len() == 8 => {
            let (year, month_and_day) = packed.split_at(4);
            let (month, day) = month_and_day.split_at(2);
            (number(year, 4)?, number(month, 2)?, number(day, 2)?)
        }
        _ => return Err(Problem::Syntax),
    };
    if year == 0 || !(1..=12).contains(&month) {
        return Err(Problem::Field);
    }
    let year = if before_christ { 1 - year } else { year };
    let (month, day) = (month as u32, day as u32);
    if day == 0 || day > days_in_month(year, month) {
        return Err(Problem::Field);
    }
    Ok(days_from_civil(year, month, day))
}

/// Reads `HH:MM[:SS[.ffffff]]` with an optional AM or PM, and returns what follows.
fn time_of_day(text: &str) -> Result<(i64, &str), Problem> {
    let end = text.find(|character: char| !(character.is_ascii_digit() || matches!(character, ':' | '.')));
    let (clock, rest) = text.split_at(end.unwrap_or(text.len()));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let (mut hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] if fraction.is_empty() => (number(hours, 2)?, number(minutes, 2)?, 0),
        [hours, minutes, seconds] => (number(hours, 2)?, number(minutes, 2)?, number(seconds, 2)?),
        _ => return Err(Problem::Syntax),
    };
    let rest = trim(rest);
    let word = rest
        .find(|character: char| !character.is_ascii_alphabetic())
        .unwrap_or(rest.len());
    let half = rest.get(..word).unwrap_or_default().to_ascii_lowercase();
    let rest = if half == "am" || half == "pm" {
        if !(1..=12).contains(&hours) {
            return Err(Problem::Field);
        }
        hours = hours % 12 + if half == "pm" { 12 } else { 0 };
        trim(rest.get(2..).unwrap_or_default())
    } else {
        rest
    };
    if minutes > 59 || seconds > 60 {
        return Err(Problem::Field);
    }
    let micros = (hours * 3600 + minutes * 60 + seconds) * MICROS_PER_SECOND + fraction_micros(fraction)?;
    if micros > MICROS_PER_DAY {
        Err(Problem::Field)
    } else {
        Ok((micros, rest))
    }
}

/// Digits behind the point of a second, rounded to microseconds.
pub(crate) fn fraction_micros(digits: &str) -> Result<i64, Problem> {
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Syntax);
    }
    let fraction: f64 = format!("0.{digits}").parse().map_err(|_| Problem::Syntax)?;
    Ok((fraction * MICROS_PER_SECOND as f64).round_ties_even() as i64)
}

/// A zone by offset or name; nothing is no zone.
fn zone_of(text: &str) -> Result<Option<Zone>, Problem> {
    let text = trim(text);
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with(['+', '-']) {
        return offset_seconds(text)
            .map(|seconds| Some(Zone::Fixed(seconds)))
            .ok_or(Problem::Syntax);
    }
    if !text.starts_with(|character: char| character.is_ascii_alphabetic()) {
        return Err(Problem::Syntax);
    }
    text.parse().map(Some).map_err(|_| Problem::Syntax)
}
