//! The texts of single values, for formats that are not PostgreSQL's but agree with it on digits. Each function appends
//! and allocates nothing.

use arrow_buffer::i256;

use crate::{calendar, numeric, scalar_text};

/// The decimal digits of a number.
#[inline]
pub fn push_signed(out: &mut Vec<u8>, value: i64) {
    scalar_text::push_signed(out, value);
}

/// The decimal digits of a number.
#[inline]
pub fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    scalar_text::push_unsigned(out, value);
}

/// A decimal with as many places as `scale` says; for a negative scale, with zeros in front of the point.
#[inline]
pub fn push_decimal_128(out: &mut Vec<u8>, value: i128, scale: i8) {
    numeric::push_text_128(out, value, scale);
}

/// As [`push_decimal_128`].
#[inline]
pub fn push_decimal_256(out: &mut Vec<u8>, value: i256, scale: i8) {
    numeric::push_text_256(out, value, scale);
}

/// Sixteen bytes as `8-4-4-4-12` hexadecimal digits.
pub fn push_uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    scalar_text::push_uuid(out, bytes);
}

/// An interval in PostgreSQL's default style: `1 year 2 mons -3 days +04:05:06`.
pub fn push_interval(out: &mut Vec<u8>, months: i32, days: i32, micros: i64) {
    let interval = scalar_text::Interval { months, days, micros };
    scalar_text::push_interval(out, interval);
}

/// The last two digits of a number.
#[inline]
pub fn pair(value: u64) -> [u8; 2] {
    scalar_text::pair(value)
}

/// Fills `digits` from its end with the decimal digits of `value`, leading zeros included.
#[inline]
pub fn fill(digits: &mut [u8], value: u64) {
    scalar_text::fill_digits(digits, value);
}

/// Year, month and day of the date `days` after 1970-01-01, in which year 0 is 1 BC; none outside the range of
/// PostgreSQL's `date`.
#[inline]
pub fn date_from_days(days: i64) -> Option<(i32, u32, u32)> {
    (calendar::DAYS_MIN..=calendar::DAYS_MAX).contains(&days).then(|| {
        let date = calendar::civil_from_days(days);
        (date.year, date.month, date.day)
    })
}
