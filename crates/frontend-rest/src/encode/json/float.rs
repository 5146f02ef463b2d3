//! Floating-point numbers: the fewest digits that read back as the same number, always with a point or an exponent.

use arrow_postgres::digits;

/// Below these, whole numbers are written digit by digit: all of their digits are significant.
const WHOLE_DOUBLES: u64 = 1_000_000_000_000_000;
const WHOLE_SINGLES: u32 = 1_000_000;
/// Below this, a number with [`SHORT_PLACES`] places behind the point has at most 15 digits.
const SHORT_MAX: f64 = 1e11;
const SHORT_PLACES: i8 = 4;

pub(super) fn push_double(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        return push_special(out, value.is_nan(), value < 0.0);
    }
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < WHOLE_DOUBLES && (whole != 0 || value.is_sign_positive()) {
        digits::push_signed(out, whole);
        return out.extend_from_slice(b".0");
    }
    if value.abs() < SHORT_MAX && push_short(out, value) {
        return;
    }
    out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
}

pub(super) fn push_single(out: &mut Vec<u8>, value: f32) {
    if !value.is_finite() {
        return push_special(out, value.is_nan(), value < 0.0);
    }
    let whole = value as i32;
    if whole as f32 == value && whole.unsigned_abs() < WHOLE_SINGLES && (whole != 0 || value.is_sign_positive()) {
        digits::push_signed(out, whole.into());
        return out.extend_from_slice(b".0");
    }
    out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
}

/// Prices and rates: a number that is a whole number of ten-thousandths is written as that. Both conversions are exact,
/// so the division gives the double nearest to the decimal; two decimals of up to 15 digits never share their nearest
/// double, so no shorter text exists.
#[inline]
fn push_short(out: &mut Vec<u8>, value: f64) -> bool {
    let scaled = (value * 10_000.0).round_ties_even();
    if scaled / 10_000.0 != value || scaled == 0.0 {
        return false;
    }
    digits::push_decimal_128(out, scaled as i128, SHORT_PLACES);
    // It is no whole number, so a digit stays behind the point.
    while out.last() == Some(&b'0') {
        out.pop();
    }
    true
}

fn push_special(out: &mut Vec<u8>, nan: bool, negative: bool) {
    let text: &[u8] = match (nan, negative) {
        (true, _) => b"\"NaN\"",
        (false, true) => b"\"-Infinity\"",
        (false, false) => b"\"Infinity\"",
    };
    out.extend_from_slice(text);
}
