//! Text of floating-point numbers: the shortest that reads back the same, laid out as PostgreSQL does.

use std::io::Write;

use crate::numeric::push_text_64;
use crate::scalar_text::push_signed;

/// From here on PostgreSQL writes an exponent: the digits that the type holds for certain.
const DOUBLE_DIGITS: i32 = 15;
const SINGLE_DIGITS: i32 = 6;

pub(crate) fn push_double(out: &mut Vec<u8>, value: f64, extra_float_digits: i32) {
    if !value.is_finite() {
        return push_special(out, value.is_nan(), value < 0.0);
    }
    if extra_float_digits <= 0 {
        return push_significant(out, value, DOUBLE_DIGITS + extra_float_digits);
    }
    // Whole numbers, by far the most frequent in practice, need no search for the shortest digits.
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < 1_000_000_000_000_000 && (whole != 0 || value.is_sign_positive())
    {
        return push_signed(out, whole);
    }
    let magnitude = value.abs();
    if magnitude < SHORT_MAX && push_short(out, value) {
        return;
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    if (1e-4..1e15).contains(&magnitude) {
        return out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
    let bits = value.to_bits();
    let decimal = Decimal::parse(text);
    // `bits` of a normal number; subnormal ones are far below any boundary that matters here.
    let significand = (bits & ((1 << 52) - 1)) | (1 << 52);
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1075;
    if decimal.on_boundary(significand, exponent) {
        for precision in 0..17 {
            let longer = format!("{value:.precision$e}");
            let candidate = Decimal::parse(&longer);
            if longer.parse() == Ok(value) && !candidate.on_boundary(significand, exponent) {
                return candidate.push(out, DOUBLE_DIGITS);
            }
        }
    }
    decimal.push(out, DOUBLE_DIGITS);
}

/// Below this, a number with [`SHORT_PLACES`] places behind the point has at most 15 digits.
const SHORT_MAX: f64 = 1e11;
const SHORT_PLACES: usize = 4;

/// Prices, rates and the like: a number that is a whole number of ten-thousandths is written as that. Both conversions
/// are exact, so the division gives the double nearest to the decimal; and two decimals of up to 15 digits never share
/// their nearest double, so no shorter text exists.
#[inline]
fn push_short(out: &mut Vec<u8>, value: f64) -> bool {
    let scaled = (value * 10_000.0).round_ties_even();
    if scaled / 10_000.0 != value || scaled == 0.0 {
        return false;
    }
    push_text_64(out, value < 0.0, scaled.abs() as u64, SHORT_PLACES);
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
    true
}

pub(crate) fn push_single(out: &mut Vec<u8>, value: f32, extra_float_digits: i32) {
    if !value.is_finite() {
        return push_special(out, value.is_nan(), value < 0.0);
    }
    if extra_float_digits <= 0 {
        return push_significant(out, value.into(), SINGLE_DIGITS + extra_float_digits);
    }
    let whole = value as i32;
    if whole as f32 == value && whole.unsigned_abs() < 1_000_000 && (whole != 0 || value.is_sign_positive()) {
        return push_signed(out, whole.into());
    }
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    if (1e-4..1e6).contains(&value.abs()) {
        return out.extend_from_slice(text.strip_suffix(".0").unwrap_or(text).as_bytes());
    }
    let bits = value.to_bits();
    let decimal = Decimal::parse(text);
    let significand = u64::from((bits & ((1 << 23) - 1)) | (1 << 23));
    let exponent = ((bits >> 23) & 0xff) as i32 - 150;
    if decimal.on_boundary(significand, exponent) {
        for precision in 0..9 {
            let longer = format!("{value:.precision$e}");
            let candidate = Decimal::parse(&longer);
            if longer.parse() == Ok(value) && !candidate.on_boundary(significand, exponent) {
                return candidate.push(out, SINGLE_DIGITS);
            }
        }
    }
    decimal.push(out, SINGLE_DIGITS);
}

fn push_special(out: &mut Vec<u8>, nan: bool, negative: bool) {
    let text: &[u8] = match (nan, negative) {
        (true, _) => b"NaN",
        (false, true) => b"-Infinity",
        (false, false) => b"Infinity",
    };
    out.extend_from_slice(text);
}

/// `%.{digits}g` of C: at most `digits` significant digits, trailing zeros dropped.
fn push_significant(out: &mut Vec<u8>, value: f64, digits: i32) {
    let digits = digits.max(1);
    let precision = digits as usize - 1;
    Decimal::parse(&format!("{value:.precision$e}")).push(out, digits);
}

/// `digits` times ten to the `exponent`, without trailing zeros.
#[derive(Debug)]
struct Decimal {
    negative: bool,
    digits: u64,
    exponent: i32,
}

impl Decimal {
    /// Reads the text of a finite number as ryu or `{:e}` write it: at most 17 digits, no plus sign.
    fn parse(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let mut decimal = Self {
            negative: false,
            digits: 0,
            exponent: exponent.parse().unwrap_or(0),
        };
        let mut fraction = false;
        for byte in mantissa.bytes() {
            match byte {
                b'-' => decimal.negative = true,
                b'.' => fraction = true,
                digit => {
                    decimal.digits = decimal.digits.wrapping_mul(10).wrapping_add(u64::from(digit & 15));
                    decimal.exponent -= i32::from(fraction);
                }
            }
        }
        while decimal.digits != 0 && decimal.digits.is_multiple_of(10) {
            decimal.digits /= 10;
            decimal.exponent += 1;
        }
        decimal
    }

    /// Whether the number lies exactly half way between `significand * 2^exponent` and a neighbour. PostgreSQL does
    /// not use such a text, ryu does when the significand is even. It takes a large number to have few digits there.
    fn on_boundary(&self, significand: u64, exponent: i32) -> bool {
        let shift = exponent - 1 - self.exponent;
        if !(0..=27).contains(&self.exponent) || !(0..=70).contains(&shift) {
            return false;
        }
        let Some(digits) = 5_u128
            .checked_pow(self.exponent as u32)
            .and_then(|power| power.checked_mul(self.digits.into()))
        else {
            return false;
        };
        let scaled = |half_steps: u64| u128::from(half_steps).checked_mul(1 << shift);
        scaled(2 * significand + 1) == Some(digits) || scaled(2 * significand - 1) == Some(digits)
    }

    /// Plain digits while the exponent lies in -4 up to `threshold`, else `d.ddde+XX`.
    fn push(&self, out: &mut Vec<u8>, threshold: i32) {
        if self.negative {
            out.push(b'-');
        }
        if self.digits == 0 {
            return out.push(b'0');
        }
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(self.digits).as_bytes();
        let point = digits.len() as i32 + self.exponent;
        let scientific = point - 1;
        if scientific < -4 || scientific >= threshold {
            let (first, rest) = digits.split_at(1);
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            let sign = if scientific < 0 { '-' } else { '+' };
            // Writing to a vector cannot fail.
            let _ = write!(out, "e{sign}{:02}", scientific.unsigned_abs());
        } else if point <= 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
            out.extend_from_slice(digits);
        } else if self.exponent >= 0 {
            out.extend_from_slice(digits);
            out.extend(std::iter::repeat_n(b'0', self.exponent as usize));
        } else {
            let (whole, fraction) = digits.split_at(point as usize);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    }
}
