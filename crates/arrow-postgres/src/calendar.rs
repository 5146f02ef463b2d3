//! Days to civil dates and back in the proleptic Gregorian calendar, by arithmetic alone.

/// Days from 1970-01-01 to 2000-01-01, PostgreSQL's day zero.
pub(crate) const POSTGRES_EPOCH_DAYS: i64 = 10_957;
pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
pub(crate) const POSTGRES_EPOCH_MICROS: i64 = POSTGRES_EPOCH_DAYS * MICROS_PER_DAY;

/// 4713-11-24 BC, the first day of PostgreSQL's `date` and `timestamp`, in days of the Unix epoch.
pub(crate) const DAYS_MIN: i64 = -2_440_588;
/// 5874897-12-31, the last day of `date`.
pub(crate) const DAYS_MAX: i64 = 2_145_042_905;
/// The first instant of `timestamp` in microseconds of the Unix epoch.
pub(crate) const MICROS_MIN: i64 = DAYS_MIN * MICROS_PER_DAY;
/// The end of `timestamp`, 294277-01-01, lies beyond what 64 bits hold from the Unix epoch on: decoding checks it there.
pub(crate) const POSTGRES_MICROS_END: i64 = 9_223_371_331_200_000_000;

/// Days from 0000-03-01 to 1970-01-01.
const MARCH_EPOCH_DAYS: i64 = 719_468;
const ERA_DAYS: i64 = 146_097;
/// Whole eras of 400 years added so that every day PostgreSQL knows counts from zero up.
const SHIFTED_ERAS: i64 = 12;

/// A date; year 0 is 1 BC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i32,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

/// The date `days` after 1970-01-01; `days` lies within [`DAYS_MIN`] and [`DAYS_MAX`].
///
/// The divisions are those of Neri and Schneider, "Euclidean affine functions and their application to calendar
/// algorithms" (2023): multiplications and shifts instead of a table or a loop.
#[inline]
pub(crate) fn civil_from_days(days: i64) -> Civil {
    let shifted = (days + MARCH_EPOCH_DAYS + SHIFTED_ERAS * ERA_DAYS) as u64;
    let quarter_days = 4 * shifted + 3;
    let century = quarter_days / ERA_DAYS as u64;
    let day_of_century = (quarter_days % ERA_DAYS as u64) / 4;
    let product = 2_939_745 * (4 * day_of_century + 3);
    let year_of_century = product >> 32;
    let day_of_year = (product as u32) / 2_939_745 / 4;
    let month_and_day = 2_141 * day_of_year + 197_913;
    let month = month_and_day >> 16;
    let day = (month_and_day & 0xffff) / 2_141 + 1;
    let year = (100 * century + year_of_century) as i32 - 400 * SHIFTED_ERAS as i32;
    // The algorithm's year begins in March.
    if day_of_year >= 306 {
        Civil {
            year: year + 1,
            month: month - 12,
            day,
        }
    } else {
        Civil { year, month, day }
    }
}

/// The inverse of [`civil_from_days`] for any year of 32 bits; month and day must exist.
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let march_year = if month <= 2 { year - 1 } else { year };
    let era = march_year.div_euclid(400);
    let year_of_era = march_year.rem_euclid(400);
    let march_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * march_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA_DAYS + day_of_era - MARCH_EPOCH_DAYS
}

pub(crate) fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}
