//! Numbers: integers, floating point, and decimals of any size.

use std::str::FromStr;

use super::trim;
use crate::error::DecodeError;
use crate::numeric::NEGATIVE;
use crate::{oid, type_name};

/// More digits than any decimal holds: the bound that keeps a short text with a large exponent from becoming a long one.
const DIGITS_MAX: i64 = 1_000;

/// A whole number of the type `oid`.
pub(crate) fn integer<T: TryFrom<i128>>(text: &str, oid: u32) -> Result<T, DecodeError> {
    let trimmed = trim(text);
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecodeError::syntax(type_name(oid), text));
    }
    let out_of_range = || DecodeError::out_of_range(type_name(oid), text);
    let value = i128::from_str(trimmed).map_err(|_| out_of_range())?;
    T::try_from(value).map_err(|_| out_of_range())
}

pub(crate) fn double(text: &str) -> Result<f64, DecodeError> {
    float(text, type_name(oid::FLOAT8), f64::is_finite, |value| *value == 0.0)
}

pub(crate) fn single(text: &str) -> Result<f32, DecodeError> {
    float(text, type_name(oid::FLOAT4), f32::is_finite, |value| *value == 0.0)
}

fn float<T: FromStr + Copy>(
    text: &str,
    type_name: &str,
    is_finite: fn(T) -> bool,
    is_zero: fn(&T) -> bool,
) -> Result<T, DecodeError> {
    let trimmed = trim(text);
    let value: T = trimmed.parse().map_err(|_| DecodeError::syntax(type_name, text))?;
    let mantissa = trimmed.split(['e', 'E']).next().unwrap_or_default();
    let overflowed = !is_finite(value) && mantissa.bytes().any(|byte| byte.is_ascii_digit());
    let underflowed = is_zero(&value) && mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if overflowed || underflowed {
        return Err(DecodeError::new(
            "22003",
            format!("\"{trimmed}\" is out of range for type {type_name}"),
        ));
    }
    Ok(value)
}

/// A decimal number with all its digits.
#[derive(Debug, Clone)]
pub(crate) struct Numeric {
    negative: bool,
    /// ASCII, without leading zeros; the last `scale` of them, or zeros in front, stand behind the point.
    digits: String,
    pub(crate) scale: usize,
}

impl Numeric {
    pub(crate) fn from_text(text: &str) -> Result<Self, DecodeError> {
        let syntax = || DecodeError::syntax("numeric", text);
        let trimmed = trim(text);
        let unsigned = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
        if ["nan", "inf", "infinity"]
            .iter()
            .any(|word| unsigned.eq_ignore_ascii_case(word))
        {
            return Err(DecodeError::new("22003", format!("numeric {trimmed} is not supported")));
        }
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(syntax());
        }
        let exponent = match exponent {
            None => 0,
            Some(exponent) => {
                let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
                if digits.is_empty() || !all_digits(digits) {
                    return Err(syntax());
                }
                // An exponent that 64 bits do not hold is as far out of range as one they do.
                exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') {
                    -DIGITS_MAX - 1
                } else {
                    DIGITS_MAX + 1
                })
            }
        };
        Self::new(
            trimmed.starts_with('-'),
            format!("{whole}{fraction}"),
            fraction.len() as i64 - exponent,
        )
    }

    /// The number `digits` divided by ten to the `scale`.
    fn new(negative: bool, mut digits: String, scale: i64) -> Result<Self, DecodeError> {
        let overflow = || DecodeError::new("22003", "value overflows numeric format");
        if !(-DIGITS_MAX..=DIGITS_MAX).contains(&scale) {
            return Err(overflow());
        }
        if scale < 0 {
            digits.extend(std::iter::repeat_n('0', scale.unsigned_abs() as usize));
        }
        let digits = digits.trim_start_matches('0').to_owned();
        Ok(Self {
            negative: negative && !digits.is_empty(),
            digits,
            scale: scale.max(0) as usize,
        })
    }

    pub(crate) fn from_binary(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (words, rest) = bytes.as_chunks::<2>();
        let mut words = words.iter().map(|word| u16::from_be_bytes(*word));
        let mut word = || words.next().ok_or_else(DecodeError::binary);
        let (count, weight, sign, scale) = (word()?, word()?.cast_signed(), word()?, word()?);
        match sign {
            0 | NEGATIVE => {}
            0xc000 => return Err(DecodeError::new("22003", "numeric NaN is not supported")),
            0xd000 | 0xf000 => return Err(DecodeError::new("22003", "numeric Infinity is not supported")),
            _ => return Err(DecodeError::new("22P03", "invalid sign in external \"numeric\" value")),
        }
        let groups: Vec<u16> = words.collect();
        if !rest.is_empty() || groups.len() != usize::from(count) {
            return Err(DecodeError::binary());
        }
        if groups.iter().any(|group| *group > 9_999) {
            return Err(DecodeError::new("22P03", "invalid digit in external \"numeric\" value"));
        }
        let digits: String = groups.iter().map(|group| format!("{group:04}")).collect();
        // The groups reach down to this many places behind the point; the scale says how many of them are shown.
        let places = (i64::from(count) - 1 - i64::from(weight)) * 4;
        let scale = i64::from(scale);
        if digits.is_empty() {
            return Self::new(false, digits, scale);
        }
        let surplus = places - scale;
        if surplus > 0 {
            let kept = digits.len().saturating_sub(surplus as usize);
            let kept = digits.get(..kept).unwrap_or_default().to_owned();
            return Self::new(sign == NEGATIVE, kept, scale);
        }
        if surplus < -DIGITS_MAX {
            return Err(DecodeError::new("22003", "value overflows numeric format"));
        }
        let padded = digits + &"0".repeat(surplus.unsigned_abs() as usize);
        Self::new(sign == NEGATIVE, padded, scale)
    }

    /// How many digits stand before the point.
    pub(crate) fn whole_digits(&self) -> usize {
        self.digits.len().saturating_sub(self.scale)
    }

    /// The number times ten to the `scale`, which is not below its own.
    pub(crate) fn unscaled(&self, scale: usize) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        format!("{sign}{digits}{}", "0".repeat(scale.saturating_sub(self.scale)))
    }
}
