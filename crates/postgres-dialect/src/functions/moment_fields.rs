//! The fields that a text says of a moment, and the moment that they make together.

use chrono::{Datelike, Duration, NaiveDate, Weekday};
use contract::{DataException, Error, Result};

/// The day that PostgreSQL's Julian day 0 is, in days of the common era.
const JULIAN_START: i32 = -1_721_425;
const ZONE_HOURS_MAX: i32 = 15;

/// What a text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) date: NaiveDate,
    /// Since midnight.
    pub(super) micros: i64,
    /// Seconds east of Greenwich, where the text says them.
    pub(super) offset: Option<i32>,
}

/// The fields as they were read, zero where there is none.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) hour: i32,
    pub(super) of_twelve: bool,
    pub(super) afternoon: bool,
    pub(super) minute: i32,
    pub(super) second: i32,
    pub(super) second_of_day: i32,
    pub(super) millis: i32,
    pub(super) micros: i32,
    pub(super) zone_sign: i32,
    pub(super) zone_hour: i32,
    pub(super) zone_minute: i32,
    pub(super) before_christ: bool,
    pub(super) year: i32,
    /// How many digits of the year were asked for.
    pub(super) year_digits: usize,
    pub(super) century: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    pub(super) day_of_year: i32,
    /// From Sunday, which is 1.
    pub(super) weekday: i32,
    pub(super) week: i32,
    pub(super) week_of_month: i32,
    pub(super) julian: i32,
    pub(super) quarter: i32,
    pub(super) convention: Option<Convention>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convention {
    Gregorian,
    IsoWeek,
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::data(DataException::InvalidDatetimeFormat, message)
}

fn out_of_range(text: &str) -> Error {
    Error::data(
        DataException::DatetimeFieldOverflow,
        format!("date/time field value out of range: \"{text}\""),
    )
}

impl Found {
    /// The moment that the fields of `text` make.
    ///
    /// # Errors
    /// `DatetimeFieldOverflow` if it does not exist, `InvalidDatetimeFormat` if the fields do not go together.
    pub(super) fn moment(&self, text: &str) -> Result<Moment> {
        let date = self.date(text)?;
        let micros = self.micros_of_day(text)?;
        let offset = match self.zone_sign {
            0 => None,
            sign => {
                let exists = (0..=ZONE_HOURS_MAX).contains(&self.zone_hour) && (0..60).contains(&self.zone_minute);
                if !exists {
                    return Err(out_of_range(text));
                }
                Some(sign * (self.zone_hour * 3600 + self.zone_minute * 60))
            }
        };
        Ok(Moment { date, micros, offset })
    }

    fn micros_of_day(&self, text: &str) -> Result<i64> {
        let (mut hour, mut minute, mut second) = (self.hour, self.minute, self.second);
        if self.second_of_day != 0 {
            hour = self.second_of_day / 3600;
            minute = self.second_of_day / 60 % 60;
            second = self.second_of_day % 60;
        }
        if self.of_twelve {
            if !(1..=12).contains(&hour) {
                return Err(invalid(format!("hour \"{hour}\" is invalid for the 12-hour clock"))
                    .with_hint("Use the 24-hour clock, or give an hour between 1 and 12."));
            }
            hour = hour % 12 + if self.afternoon { 12 } else { 0 };
        }
        let fraction = i64::from(self.millis) * 1000 + i64::from(self.micros);
        let exists = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..1_000_000).contains(&fraction);
        if !exists {
            return Err(out_of_range(text));
        }
        Ok(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + fraction)
    }

    /// As chrono counts: the year before 1 is 0.
    fn astronomical_year(&self) -> i32 {
        let century = if self.before_christ {
            -self.century
        } else {
            self.century
        };
        if self.year == 0 {
            return match century {
                0 => 0,
                1.. => (century - 1).saturating_mul(100) + 1,
                _ => century.saturating_mul(100) + 1,
            };
        }
        if century != 0 && self.year_digits <= 2 {
            let year = self.year % 100;
            return match (year, century) {
                (0, 0..) => century.saturating_mul(100),
                (0, _) => century.saturating_mul(100) + 1,
                (_, 0..) => year + (century - 1).saturating_mul(100),
                _ => year + (century + 1).saturating_mul(100),
            };
        }
        let year = if self.before_christ { -self.year } else { self.year };
        if year < 0 { year + 1 } else { year }
    }

    fn date(&self, text: &str) -> Result<NaiveDate> {
        let mut year = self.astronomical_year();
        let (mut month, mut day, mut day_of_year) = (1, 1, self.day_of_year);
        let iso = self.convention == Some(Convention::IsoWeek);
        let mut take = |date: NaiveDate| {
            year = date.year();
            month = date.month().cast_signed();
            day = date.day().cast_signed();
        };
        if self.julian != 0 {
            let date = self
                .julian
                .checked_add(JULIAN_START)
                .and_then(NaiveDate::from_num_days_from_ce_opt);
            take(date.ok_or_else(|| out_of_range(text))?);
        }
        if self.week != 0 {
            if iso {
                // Monday unless the text says a day.
                let weekday = match self.weekday {
                    0 => 0,
                    1 => 6,
                    weekday => weekday - 2,
                };
                let date = first_monday(self.astronomical_year())
                    .and_then(|monday| moved(monday, i64::from(self.week - 1) * 7 + i64::from(weekday)));
                take(date.ok_or_else(|| out_of_range(text))?);
            } else {
                day_of_year = (self.week - 1).saturating_mul(7).saturating_add(1);
            }
        }
        if self.week_of_month != 0 {
            day = (self.week_of_month - 1).saturating_mul(7).saturating_add(1);
        }
        if self.day != 0 {
            day = self.day;
        }
        if self.month != 0 {
            month = self.month;
        }
        if day_of_year != 0 && (month <= 1 || day <= 1) {
            if year == 0 && !self.before_christ {
                return Err(invalid("cannot calculate day of year without year information"));
            }
            let start = if iso {
                first_monday(year)
            } else {
                NaiveDate::from_ymd_opt(year, 1, 1)
            };
            let date = start.and_then(|start| moved(start, i64::from(day_of_year) - 1));
            let date = date.filter(|date| iso || date.year() == year);
            let date = date.ok_or_else(|| out_of_range(text))?;
            if iso {
                return Ok(date);
            }
            if month <= 1 {
                month = date.month().cast_signed();
            }
            if day <= 1 {
                day = date.day().cast_signed();
            }
        }
        let (month, day) = (u32::try_from(month).ok(), u32::try_from(day).ok());
        month
            .zip(day)
            .and_then(|(month, day)| NaiveDate::from_ymd_opt(year, month, day))
            .ok_or_else(|| out_of_range(text))
    }
}

fn first_monday(year: i32) -> Option<NaiveDate> {
    NaiveDate::from_isoywd_opt(year, 1, Weekday::Mon)
}

fn moved(date: NaiveDate, days: i64) -> Option<NaiveDate> {
    date.checked_add_signed(Duration::try_days(days)?)
}
