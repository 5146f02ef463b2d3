//! Dates, times and timestamps of ISO 8601, in quotes.

use arrow_postgres::digits::{date_from_days, fill, pair};
use arrow_schema::TimeUnit;

use super::Failure;

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_DAY: i64 = SECONDS_PER_DAY * 1_000_000_000;

/// `"2024-01-31"`.
#[inline]
pub(super) fn push_date(out: &mut Vec<u8>, days: i64) -> Result<(), Failure> {
    let date = date_from_days(days).ok_or(Failure::Date)?;
    let mut window = [b'"'; 32];
    let length = 1 + fill_date(&mut window[1..], date);
    window[length] = b'"';
    let start = out.len();
    out.extend_from_slice(&window);
    out.truncate(start + length + 1);
    Ok(())
}

/// `"12:00:00.500"`; a day has 24:00:00 as its end.
pub(super) fn push_time(out: &mut Vec<u8>, value: i64, unit: TimeUnit) -> Result<(), Failure> {
    let nanos = value
        .checked_mul(NANOS_PER_DAY / per_day(unit))
        .ok_or(Failure::Timestamp)?;
    if !(0..=NANOS_PER_DAY).contains(&nanos) {
        return Err(Failure::Timestamp);
    }
    let mut window = [b'"'; 32];
    let length = 1 + fill_time(&mut window[1..], nanos as u64);
    window[length] = b'"';
    let start = out.len();
    out.extend_from_slice(&window);
    out.truncate(start + length + 1);
    Ok(())
}

/// `"2024-01-31T12:00:00.123456"`, and `Z` behind it for an instant.
#[inline]
pub(super) fn push_timestamp(out: &mut Vec<u8>, value: i64, unit: TimeUnit, instant: bool) -> Result<(), Failure> {
    // Divisors that are known to the compiler become multiplications.
    let (days, nanos) = match unit {
        TimeUnit::Second => split::<SECONDS_PER_DAY>(value),
        TimeUnit::Millisecond => split::<{ SECONDS_PER_DAY * 1_000 }>(value),
        TimeUnit::Microsecond => split::<{ SECONDS_PER_DAY * 1_000_000 }>(value),
        TimeUnit::Nanosecond => split::<NANOS_PER_DAY>(value),
    };
    let date = date_from_days(days).ok_or(Failure::Timestamp)?;
    let mut window = [b'"'; 48];
    let mut length = 1 + fill_date(&mut window[1..], date);
    window[length] = b'T';
    length += 1;
    length += fill_time(&mut window[length..], nanos);
    window[length] = b'Z';
    length += usize::from(instant);
    window[length] = b'"';
    let start = out.len();
    out.extend_from_slice(&window);
    out.truncate(start + length + 1);
    Ok(())
}

#[inline]
fn split<const PER_DAY: i64>(value: i64) -> (i64, u64) {
    let rest = value.rem_euclid(PER_DAY) as u64;
    (value.div_euclid(PER_DAY), rest * (NANOS_PER_DAY / PER_DAY) as u64)
}

fn per_day(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => SECONDS_PER_DAY,
        TimeUnit::Millisecond => SECONDS_PER_DAY * 1_000,
        TimeUnit::Microsecond => SECONDS_PER_DAY * 1_000_000,
        TimeUnit::Nanosecond => NANOS_PER_DAY,
    }
}

/// Writes a date and returns its length. A year that does not have four digits has a sign, and year 0 is 1 BC, as the
/// standard wants it.
#[inline]
fn fill_date(window: &mut [u8], (year, month, day): (i32, u32, u32)) -> usize {
    let magnitude = u64::from(year.unsigned_abs());
    let (signed, width) = match magnitude {
        0..=9_999 => (year < 0, 4),
        10_000..=99_999 => (true, 5),
        100_000..=999_999 => (true, 6),
        _ => (true, 7),
    };
    let mut length = 0;
    if signed {
        window[0] = if year < 0 { b'-' } else { b'+' };
        length = 1;
    }
    fill(&mut window[length..length + width], magnitude);
    length += width;
    let [month_tens, month_ones] = pair(month.into());
    let [day_tens, day_ones] = pair(day.into());
    window[length..length + 6].copy_from_slice(&[b'-', month_tens, month_ones, b'-', day_tens, day_ones]);
    length + 6
}

/// Writes a time of day and returns its length. A fraction has three, six or nine digits.
#[inline]
fn fill_time(window: &mut [u8], nanos: u64) -> usize {
    let seconds = nanos / 1_000_000_000;
    let fraction = nanos % 1_000_000_000;
    let [hour_tens, hour_ones] = pair(seconds / 3_600);
    let [minute_tens, minute_ones] = pair(seconds / 60 % 60);
    let [second_tens, second_ones] = pair(seconds % 60);
    window[..8].copy_from_slice(&[
        hour_tens,
        hour_ones,
        b':',
        minute_tens,
        minute_ones,
        b':',
        second_tens,
        second_ones,
    ]);
    if fraction == 0 {
        return 8;
    }
    window[8] = b'.';
    let (width, value) = if !fraction.is_multiple_of(1_000) {
        (9, fraction)
    } else if !fraction.is_multiple_of(1_000_000) {
        (6, fraction / 1_000)
    } else {
        (3, fraction / 1_000_000)
    };
    fill(&mut window[9..9 + width], value);
    9 + width
}
