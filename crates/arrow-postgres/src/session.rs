//! The session settings that show in a value's text.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use crate::calendar::{self, days_from_civil};

/// The settings of a session that decide how values are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFormat {
    /// In which zone `timestamp with time zone` is shown.
    pub time_zone: Zone,
    /// Above zero: the shortest text that reads back as the same number; else that many digits fewer than 15 (or 6).
    pub extra_float_digits: i32,
    /// `bytea_output`: hex if true, else escape.
    pub bytea_hex: bool,
}

impl Default for SessionFormat {
    fn default() -> Self {
        Self {
            time_zone: Zone::Utc,
            extra_float_digits: 1,
            bytea_hex: true,
        }
    }
}

/// A session's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// Seconds east of UTC.
    Fixed(i32),
    /// A zone of the IANA database.
    Named(Tz),
}

/// A fixed offset lies strictly within a week, as in PostgreSQL's interval form of SET TIME ZONE; ours within a day.
const OFFSET_SECONDS_MAX: i32 = 24 * 3600 - 1;

impl FromStr for Zone {
    type Err = String;

    /// Reads a value of `SET TimeZone`: an IANA name in any case, `UTC`, or an ISO offset such as `+02`, `-7`,
    /// `+05:30`.
    ///
    /// # Errors
    /// The message PostgreSQL gives for an unknown zone.
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        if ["utc", "gmt", "z", "zulu", "etc/utc"]
            .iter()
            .any(|name| trimmed.eq_ignore_ascii_case(name))
        {
            return Ok(Self::Utc);
        }
        if let Some(seconds) = offset_seconds(trimmed) {
            return Ok(if seconds == 0 { Self::Utc } else { Self::Fixed(seconds) });
        }
        let named = TZ_VARIANTS
            .iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(trimmed));
        named
            .copied()
            .map(Self::Named)
            .ok_or_else(|| format!("invalid value for parameter \"TimeZone\": \"{text}\""))
    }
}

impl fmt::Display for Zone {
    /// As `SHOW TimeZone` prints it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utc => formatter.write_str("UTC"),
            Self::Named(zone) => formatter.write_str(zone.name()),
            Self::Fixed(seconds) => {
                let mut east = Vec::new();
                crate::scalar_text::push_offset(&mut east, *seconds);
                let mut west = Vec::new();
                crate::scalar_text::push_offset(&mut west, -*seconds);
                write!(
                    formatter,
                    "<{}>{}",
                    String::from_utf8_lossy(&east),
                    String::from_utf8_lossy(&west)
                )
            }
        }
    }
}

/// `+HH`, `+H`, `+HH:MM`, `+HHMM`, `+HH:MM:SS` with either sign, or a plain number of hours.
pub(crate) fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') {
        return None;
    }
    let parts: Vec<&str> = digits.split(':').collect();
    let number = |text: &str| {
        if text.is_empty() || text.len() > 2 {
            None
        } else {
            text.parse::<i32>().ok()
        }
    };
    let (hours, minutes, seconds) = match parts.as_slice() {
        [only] if only.len() == 4 => (number(only.get(..2)?)?, number(only.get(2..)?)?, 0),
        [only] => (number(only)?, 0, 0),
        [hours, minutes] => (number(hours)?, number(minutes)?, 0),
        [hours, minutes, seconds] => (number(hours)?, number(minutes)?, number(seconds)?),
        _ => return None,
    };
    let total = hours * 3600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= OFFSET_SECONDS_MAX).then_some(sign * total)
}

impl Zone {
    /// Seconds east of UTC at an instant given in seconds of the Unix epoch.
    pub(crate) fn offset_at(&self, unix_seconds: i64) -> i32 {
        match self {
            Self::Utc => 0,
            Self::Fixed(seconds) => *seconds,
            Self::Named(zone) => zone
                .offset_from_utc_datetime(&naive(within_table(unix_seconds)))
                .fix()
                .local_minus_utc(),
        }
    }

    /// Turns a wall-clock time, in seconds as if it were UTC, into the instant. Of two instants the later one counts;
    /// in a gap the offset before it counts. Both are PostgreSQL's choices.
    pub(crate) fn instant_of(&self, wall_seconds: i64) -> i64 {
        match self {
            Self::Utc => wall_seconds,
            Self::Fixed(seconds) => wall_seconds - i64::from(*seconds),
            Self::Named(zone) => {
                let local = zone
                    .offset_from_local_datetime(&naive(within_table(wall_seconds)))
                    .latest();
                let offset = match local {
                    Some(offset) => offset.fix().local_minus_utc(),
                    None => self.offset_at(wall_seconds - 86_400),
                };
                wall_seconds - i64::from(offset)
            }
        }
    }
}

/// From this year on the zone tables are taken to have ended and their last rules to go on.
const TABLE_END_YEAR: i64 = 2090;
/// The calendars of all years, leap years among them, come round once in this many years up to 2099.
const CALENDAR_CYCLE_YEARS: i64 = 28;

/// Moves a time beyond the zone tables to the same day of an equal year within them: the last rules speak of weekdays
/// and months only, so they give the same offset there.
fn within_table(seconds: i64) -> i64 {
    const TABLE_END: i64 = 3_786_912_000;
    if seconds < TABLE_END {
        return seconds;
    }
    let days = seconds.div_euclid(86_400).min(calendar::DAYS_MAX);
    let year = i64::from(calendar::civil_from_days(days).year);
    let first_day = days_from_civil(year, 1, 1);
    let length = days_from_civil(year + 1, 1, 1) - first_day;
    let mut twins = (TABLE_END_YEAR - CALENDAR_CYCLE_YEARS..TABLE_END_YEAR)
        .map(|year| (days_from_civil(year, 1, 1), days_from_civil(year + 1, 1, 1)));
    let twin = twins.find(|(start, end)| end - start == length && (start - first_day) % 7 == 0);
    twin.map_or(seconds, |(start, _)| seconds - (first_day - start) * 86_400)
}

fn naive(unix_seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(unix_seconds, 0).map_or_else(
        || {
            if unix_seconds < 0 {
                NaiveDateTime::MIN
            } else {
                NaiveDateTime::MAX
            }
        },
        |instant| instant.naive_utc(),
    )
}
