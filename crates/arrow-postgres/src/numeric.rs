//! Decimals as PostgreSQL's `numeric`: text with all digits of the scale, binary in base 10,000.

use arrow_buffer::i256;

use crate::scalar_text::{digit_count, fill_digits, pair, window};

/// 256 bits have up to 78 decimal digits.
const DIGITS_MAX: usize = 78;
/// The largest power of ten of 64 bits, and its exponent.
const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;
/// `numeric` sign word for negative numbers.
pub(crate) const NEGATIVE: u16 = 0x4000;

/// Decimal digits of a magnitude that does not fit 64 bits, right-aligned.
struct Digits {
    text: [u8; DIGITS_MAX + 2],
    start: usize,
}

impl Digits {
    /// From chunks of [`CHUNK_DIGITS`] digits, least significant first.
    fn from_chunks(chunks: impl IntoIterator<Item = u64>) -> Self {
        let mut text = [b'0'; DIGITS_MAX + 2];
        let mut end = text.len();
        for chunk in chunks {
            let start = end.saturating_sub(CHUNK_DIGITS);
            fill_digits(&mut text[start..end], chunk);
            end = start;
        }
        let start = text.iter().position(|digit| *digit != b'0').unwrap_or(text.len() - 1);
        Self { text, start }
    }

    fn of_128(magnitude: u128) -> Self {
        // One long division, whose remainder costs a multiplication. Above the 38 digits of a decimal a second follows.
        let chunk = u128::from(CHUNK);
        let high = magnitude / chunk;
        let low = (magnitude - high * chunk) as u64;
        match u64::try_from(high) {
            Ok(high) => Self::from_chunks([low, high % CHUNK, high / CHUNK]),
            Err(_) => Self::from_chunks([low, (high % chunk) as u64, (high / chunk) as u64]),
        }
    }

    fn of_256(magnitude: [u64; 4]) -> Self {
        let mut limbs = magnitude;
        let mut chunks = [0; 5];
        for chunk in &mut chunks {
            let mut remainder: u64 = 0;
            for limb in limbs.iter_mut().rev() {
                let value = (u128::from(remainder) << 64) | u128::from(*limb);
                *limb = (value / u128::from(CHUNK)) as u64;
                remainder = (value % u128::from(CHUNK)) as u64;
            }
            *chunk = remainder;
        }
        Self::from_chunks(chunks)
    }

    fn as_slice(&self) -> &[u8] {
        self.text.get(self.start..).unwrap_or_default()
    }
}

fn limbs_of(value: i256) -> [u64; 4] {
    let (low, high) = if value.is_negative() {
        value.wrapping_neg()
    } else {
        value
    }
    .to_parts();
    [
        low as u64,
        (low >> 64) as u64,
        high as u64,
        ((high as u128) >> 64) as u64,
    ]
}

#[inline]
pub(crate) fn push_text_128(out: &mut Vec<u8>, value: i128, scale: i8) {
    match u64::try_from(value.unsigned_abs()) {
        Ok(magnitude) if scale >= 0 => push_text_64(out, value < 0, magnitude, scale as usize),
        _ => push_text_digits(
            out,
            value < 0,
            Digits::of_128(value.unsigned_abs()).as_slice(),
            scale.into(),
        ),
    }
}

pub(crate) fn push_text_256(out: &mut Vec<u8>, value: i256, scale: i8) {
    match value.to_i128() {
        Some(small) => push_text_128(out, small, scale),
        None => push_text_digits(
            out,
            value.is_negative(),
            Digits::of_256(limbs_of(value)).as_slice(),
            scale.into(),
        ),
    }
}

/// Digits in front of the point fit 20 bytes, a scale has at most 127.
#[inline]
pub(crate) fn push_text_64(out: &mut Vec<u8>, negative: bool, magnitude: u64, scale: usize) {
    const WINDOW: usize = 1 + 20 + 1 + 19;
    if scale > 19 {
        let mut digits = [0; 20];
        let count = digit_count(magnitude);
        fill_digits(&mut digits[..count], magnitude);
        return push_text_digits(out, negative, &digits[..count], scale as i32);
    }
    let start = out.len();
    let sign = usize::from(negative);
    let whole = digit_count(magnitude).saturating_sub(scale).max(1);
    let window = window::<WINDOW>(out);
    window[0] = b'-';
    if scale == 0 {
        fill_digits(&mut window[sign..sign + whole], magnitude);
        return out.truncate(start + sign + whole);
    }
    let point = sign + whole;
    let end = point + 1 + scale;
    let mut rest = magnitude;
    let mut position = end;
    while position >= point + 3 {
        window[position - 2..position].copy_from_slice(&pair(rest));
        rest /= 100;
        position -= 2;
    }
    if position == point + 2 {
        window[point + 1] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    window[point] = b'.';
    fill_digits(&mut window[sign..point], rest);
    out.truncate(start + end);
}

/// `digits` hold no leading zero unless the number is zero.
fn push_text_digits(out: &mut Vec<u8>, negative: bool, digits: &[u8], scale: i32) {
    if negative {
        out.push(b'-');
    }
    if scale <= 0 {
        out.extend_from_slice(digits);
        if digits != b"0" {
            out.extend(std::iter::repeat_n(b'0', scale.unsigned_abs() as usize));
        }
        return;
    }
    let scale = scale as usize;
    match digits.len().checked_sub(scale) {
        Some(whole) if whole > 0 => {
            let (whole, fraction) = digits.split_at(whole);
            out.extend_from_slice(whole);
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
            out.extend_from_slice(digits);
        }
    }
}

#[inline]
pub(crate) fn push_binary_128(out: &mut Vec<u8>, value: i128, scale: i8) {
    match u64::try_from(value.unsigned_abs()) {
        Ok(magnitude) if scale >= 0 => push_binary_64(out, value < 0, magnitude, scale as usize),
        Err(_) if scale >= 0 => push_binary_wide(out, value < 0, value.unsigned_abs(), scale as usize),
        _ => push_binary_digits(
            out,
            value < 0,
            Digits::of_128(value.unsigned_abs()).as_slice(),
            scale.into(),
        ),
    }
}

pub(crate) fn push_binary_256(out: &mut Vec<u8>, value: i256, scale: i8) {
    match value.to_i128() {
        Some(small) => push_binary_128(out, small, scale),
        None => push_binary_digits(
            out,
            value.is_negative(),
            Digits::of_256(limbs_of(value)).as_slice(),
            scale.into(),
        ),
    }
}

#[inline]
fn push_binary_64(out: &mut Vec<u8>, negative: bool, magnitude: u64, scale: usize) {
    // 64 bits hold five groups, and the padding of the fraction one more.
    let mut groups = [0_u16; 7];
    let mut count = 0;
    let mut rest = magnitude;
    let (divisor, padding) = match scale % 4 {
        0 => (1, 0),
        1 => (10, 1000),
        2 => (100, 100),
        _ => (1000, 10),
    };
    if divisor > 1 {
        groups[0] = ((rest % divisor) * padding) as u16;
        rest /= divisor;
        count = 1;
    }
    while rest > 0 && count < groups.len() {
        groups[count] = (rest % 10_000) as u16;
        rest /= 10_000;
        count += 1;
    }
    let fraction_groups = scale.div_ceil(4) as i32;
    push_groups::<7>(out, negative, &groups[..count], fraction_groups, scale as u16);
}

/// As [`push_binary_64`], four groups to one long division.
fn push_binary_wide(out: &mut Vec<u8>, negative: bool, magnitude: u128, scale: usize) {
    const FOUR_GROUPS: u128 = 10_000_000_000_000_000;
    let mut groups = [0_u16; 14];
    let mut count = 0;
    let power = 10_u128.pow((scale % 4) as u32);
    let mut rest = magnitude / power;
    if power > 1 {
        groups[0] = ((magnitude - rest * power) * (10_000 / power)) as u16;
        count = 1;
    }
    while rest > 0 {
        let above = rest / FOUR_GROUPS;
        let mut part = (rest - above * FOUR_GROUPS) as u64;
        for group in groups.iter_mut().skip(count).take(4) {
            *group = (part % 10_000) as u16;
            part /= 10_000;
        }
        count += 4;
        rest = above;
    }
    let fraction_groups = scale.div_ceil(4) as i32;
    push_groups::<14>(out, negative, &groups[..count.min(14)], fraction_groups, scale as u16);
}

fn push_binary_digits(out: &mut Vec<u8>, negative: bool, digits: &[u8], scale: i32) {
    // 78 digits, up to 128 zeros behind them for a negative scale, one group of padding.
    let mut groups = [0_u16; 56];
    let mut count = 0;
    let fraction_groups = scale.max(0).div_euclid(4) + i32::from(scale.max(0) % 4 != 0);
    for (position, digit) in digits.iter().rev().enumerate() {
        let exponent = position as i32 - scale;
        let group = (exponent.div_euclid(4) + fraction_groups) as usize;
        let power = 10_u16.pow(exponent.rem_euclid(4) as u32);
        if let Some(slot) = groups.get_mut(group) {
            *slot += u16::from(digit & 15) * power;
            count = group + 1;
        }
    }
    push_groups::<56>(out, negative, &groups[..count], fraction_groups, scale.max(0) as u16);
}

/// At most `N` `groups` come least significant first, the last `fraction_groups` places lie behind the point.
#[inline]
fn push_groups<const N: usize>(out: &mut Vec<u8>, negative: bool, groups: &[u16], fraction_groups: i32, scale: u16) {
    let trailing = groups.iter().take_while(|group| **group == 0).count();
    let leading = groups.iter().rev().take_while(|group| **group == 0).count();
    let significant = groups.get(trailing..groups.len() - leading).unwrap_or_default();
    let weight = if significant.is_empty() {
        0
    } else {
        (groups.len() - leading) as i32 - fraction_groups - 1
    };
    let sign = if negative { NEGATIVE } else { 0 };
    let header = [significant.len() as u16, weight as u16, sign, scale];
    let start = out.len();
    // Four words of header come first; a window of two-byte words is written whole and then cut.
    let mut words = [[0_u8; 2]; 64];
    let words = &mut words[..4 + N];
    for (word, value) in words
        .iter_mut()
        .zip(header.into_iter().chain(significant.iter().rev().copied()))
    {
        *word = value.to_be_bytes();
    }
    out.extend_from_slice(words.as_flattened());
    out.truncate(start + 2 * (header.len() + significant.len()));
}
