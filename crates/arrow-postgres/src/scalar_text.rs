//! Text of integers, dates, times, intervals and bytes. Everything appends to the output and allocates nothing.
//!
//! Short values are written into a window of fixed size that is appended first and cut to length afterwards: stores of
//! a known width instead of a call to copy a handful of bytes.

use crate::calendar::{self, Civil, MICROS_PER_DAY, MICROS_PER_SECOND};
use crate::error::Failure;
use crate::session::Zone;
use crate::type_map;

/// "00" to "99".
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// The longest 64-bit number has 20 digits.
const INTEGER_WINDOW: usize = 20;

/// Powers of ten, except that zero, which has one digit, stands for the first.
static POWERS: [u64; 20] = {
    let mut powers = [0; 20];
    let mut power = 1_u64;
    let mut exponent = 1;
    while exponent < 20 {
        power *= 10;
        powers[exponent] = power;
        exponent += 1;
    }
    powers
};

/// The bits of a number tell its digits but for one, and a comparison tells that: no branch.
#[inline]
pub(crate) fn digit_count(value: u64) -> usize {
    let bits = u64::BITS - (value | 1).leading_zeros();
    // 1233 / 4096 is the logarithm of two to base ten.
    let guess = ((bits * 1233) >> 12) as usize;
    guess + usize::from(value >= POWERS[guess])
}

#[inline]
pub(crate) fn pair(value: u64) -> [u8; 2] {
    PAIRS[(value % 100) as usize]
}

/// Fills `digits` from its end with the decimal digits of `value`, leading zeros included.
#[inline]
pub(crate) fn fill_digits(digits: &mut [u8], mut value: u64) {
    let mut chunks = digits.rchunks_exact_mut(4);
    for chunk in &mut chunks {
        let rest = value / 10_000;
        let four = value - rest * 10_000;
        let ([high_tens, high_ones], [low_tens, low_ones]) = (pair(four / 100), pair(four));
        chunk.copy_from_slice(&[high_tens, high_ones, low_tens, low_ones]);
        value = rest;
    }
    for digit in chunks.into_remainder().iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Appends `N` bytes that the caller overwrites and then cuts to length.
#[inline]
pub(crate) fn window<const N: usize>(out: &mut Vec<u8>) -> &mut [u8] {
    let start = out.len();
    out.extend_from_slice(&[0; N]);
    out.get_mut(start..).unwrap_or_default()
}

#[inline]
pub(crate) fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    let start = out.len();
    let count = digit_count(value);
    fill_digits(&mut window::<INTEGER_WINDOW>(out)[..count], value);
    out.truncate(start + count);
}

/// A `regtype`: the name of a built-in type; the number of any other.
pub(crate) fn push_type(out: &mut Vec<u8>, oid: u32) {
    match type_map::built_in_name(oid) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None if oid == 0 => out.push(b'-'),
        None => push_unsigned(out, oid.into()),
    }
}

#[inline]
pub(crate) fn push_signed(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_unsigned(out, value.unsigned_abs());
}

/// A four-byte length and the digits, as one window.
#[inline]
pub(crate) fn push_signed_field(out: &mut Vec<u8>, value: i64) {
    let start = out.len();
    let negative = usize::from(value < 0);
    let magnitude = value.unsigned_abs();
    let length = digit_count(magnitude) + negative;
    let window = window::<{ 4 + 1 + INTEGER_WINDOW }>(out);
    window[..4].copy_from_slice(&(length as u32).to_be_bytes());
    window[4] = b'-';
    fill_digits(&mut window[4 + negative..4 + length], magnitude);
    out.truncate(start + 4 + length);
}

/// Length and text of a date, in one piece for the years that have four digits.
#[inline]
pub(crate) fn push_date_field(out: &mut Vec<u8>, days: i64) -> Result<(), Failure> {
    // From 0001-01-01 to 9999-12-31.
    if (-719_162..=2_932_896).contains(&days) {
        let mut field = [0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fill_date(&mut field[4..], calendar::civil_from_days(days));
        out.extend_from_slice(&field);
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    push_date(out, days)?;
    crate::column::patch_length(out, start)
}

/// Writes `YYYY-MM-DD` into `window` and returns its length; the year of a date before Christ counts from 1 BC.
#[inline]
fn fill_date(window: &mut [u8], date: Civil) -> usize {
    let year = if date.year > 0 { date.year } else { 1 - date.year } as u64;
    let width = if year < 10_000 { 4 } else { digit_count(year) };
    fill_digits(&mut window[..width], year);
    let [month_tens, month_ones] = pair(date.month.into());
    let [day_tens, day_ones] = pair(date.day.into());
    window[width..width + 6].copy_from_slice(&[b'-', month_tens, month_ones, b'-', day_tens, day_ones]);
    width + 6
}

/// Writes `HH:MM:SS[.ffffff]` and returns its length; `hours` may have any number of digits.
#[inline]
fn fill_time(window: &mut [u8], micros: u64) -> usize {
    let fraction = micros % MICROS_PER_SECOND as u64;
    let seconds = micros / MICROS_PER_SECOND as u64;
    let hours = seconds / 3600;
    let width = if hours < 100 { 2 } else { digit_count(hours) };
    fill_digits(&mut window[..width], hours);
    let [minute_tens, minute_ones] = pair(seconds / 60 % 60);
    let [second_tens, second_ones] = pair(seconds % 60);
    window[width..width + 6].copy_from_slice(&[b':', minute_tens, minute_ones, b':', second_tens, second_ones]);
    let mut length = width + 6;
    if fraction != 0 {
        window[length] = b'.';
        fill_digits(&mut window[length + 1..length + 7], fraction);
        length += 7;
        while window[length - 1] == b'0' {
            length -= 1;
        }
    }
    length
}

/// A date of PostgreSQL's range.
#[inline]
pub(crate) fn push_date(out: &mut Vec<u8>, days: i64) -> Result<(), Failure> {
    if !(calendar::DAYS_MIN..=calendar::DAYS_MAX).contains(&days) {
        return Err(Failure::DateOutOfRange);
    }
    let date = calendar::civil_from_days(days);
    let start = out.len();
    let length = fill_date(window::<32>(out), date);
    out.truncate(start + length);
    push_era(out, date);
    Ok(())
}

#[inline]
fn push_era(out: &mut Vec<u8>, date: Civil) {
    if date.year <= 0 {
        out.extend_from_slice(b" BC");
    }
}

#[inline]
pub(crate) fn push_time(out: &mut Vec<u8>, micros: u64) {
    let start = out.len();
    let length = fill_time(window::<32>(out), micros);
    out.truncate(start + length);
}

/// A timestamp in microseconds of the Unix epoch, in `zone` if it has one; `separator` stands between date and time.
#[inline]
pub(crate) fn push_timestamp(
    out: &mut Vec<u8>,
    micros: i64,
    zone: Option<&Zone>,
    separator: u8,
) -> Result<(), Failure> {
    if micros < calendar::MICROS_MIN {
        return Err(Failure::TimestampOutOfRange);
    }
    let offset = zone.map(|zone| zone.offset_at(micros.div_euclid(MICROS_PER_SECOND)));
    let mut days = micros.div_euclid(MICROS_PER_DAY);
    let mut time = micros.rem_euclid(MICROS_PER_DAY);
    if let Some(offset) = offset.filter(|offset| *offset != 0) {
        time += i64::from(offset) * MICROS_PER_SECOND;
        days += time.div_euclid(MICROS_PER_DAY);
        time = time.rem_euclid(MICROS_PER_DAY);
    }
    let date = calendar::civil_from_days(days);
    let start = out.len();
    let window = window::<40>(out);
    let date_length = fill_date(window, date);
    window[date_length] = separator;
    let length = date_length + 1 + fill_time(&mut window[date_length + 1..], time as u64);
    out.truncate(start + length);
    match offset {
        Some(0) => out.extend_from_slice(b"+00"),
        Some(offset) => push_offset(out, offset),
        None => {}
    }
    push_era(out, date);
    Ok(())
}

/// `+HH[:MM[:SS]]`.
pub(crate) fn push_offset(out: &mut Vec<u8>, offset: i32) {
    let seconds = u64::from(offset.unsigned_abs());
    out.push(if offset < 0 { b'-' } else { b'+' });
    out.extend_from_slice(&pair(seconds / 3600));
    if !seconds.is_multiple_of(3600) {
        out.push(b':');
        out.extend_from_slice(&pair(seconds / 60 % 60));
    }
    if !seconds.is_multiple_of(60) {
        out.push(b':');
        out.extend_from_slice(&pair(seconds % 60));
    }
}

/// An interval as PostgreSQL keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Interval {
    pub(crate) months: i32,
    pub(crate) days: i32,
    pub(crate) micros: i64,
}

/// In the style `postgres`: `1 year 2 mons -3 days +04:05:06`.
pub(crate) fn push_interval(out: &mut Vec<u8>, interval: Interval) {
    let start = out.len();
    let mut after_negative = false;
    let parts = [
        (interval.months / 12, "year"),
        (interval.months % 12, "mon"),
        (interval.days, "day"),
    ];
    for (value, unit) in parts.into_iter().filter(|(value, _)| *value != 0) {
        if out.len() > start {
            out.push(b' ');
        }
        if after_negative && value > 0 {
            out.push(b'+');
        }
        push_signed(out, value.into());
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        if value != 1 {
            out.push(b's');
        }
        after_negative = value < 0;
    }
    if out.len() == start || interval.micros != 0 {
        if out.len() > start {
            out.push(b' ');
        }
        if interval.micros < 0 {
            out.push(b'-');
        } else if after_negative {
            out.push(b'+');
        }
        push_time(out, interval.micros.unsigned_abs());
    }
}

static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

#[inline]
fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len() * 2, 0);
    if let Some(target) = out.get_mut(start..) {
        for (pair, byte) in target.chunks_exact_mut(2).zip(bytes) {
            pair.copy_from_slice(&HEX[usize::from(*byte)]);
        }
    }
}

pub(crate) fn push_bytea(out: &mut Vec<u8>, bytes: &[u8], hex: bool) {
    if hex {
        out.extend_from_slice(b"\\x");
        return push_hex(out, bytes);
    }
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(*byte),
            _ => out.extend_from_slice(&[b'\\', b'0' + (byte >> 6), b'0' + (byte >> 3 & 7), b'0' + (byte & 7)]),
        }
    }
}

/// Sixteen bytes as `8-4-4-4-12` hexadecimal digits.
pub(crate) fn push_uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend_from_slice(&HEX[usize::from(*byte)]);
    }
}
