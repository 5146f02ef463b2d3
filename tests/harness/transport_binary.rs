//! PostgreSQL's binary values as PostgreSQL's texts: written from the documentation, apart from the server's encoder.

use std::fmt::Write as _;

use tokio_postgres::types::{Kind, Type};

const DAYS_TO_2000: i64 = 10_957;
const MICROS_OF_DAY: i64 = 86_400_000_000;

/// The text of a value. `timestamptz` is shown in UTC.
pub fn text_of(kind: &Type, value: &[u8]) -> String {
    if let Kind::Array(element) = kind.kind() {
        return array(element, value);
    }
    match *kind {
        Type::BOOL => if value == [1] { "t" } else { "f" }.to_owned(),
        Type::INT2 => i16::from_be_bytes(fixed(value)).to_string(),
        Type::INT4 => i32::from_be_bytes(fixed(value)).to_string(),
        Type::INT8 => i64::from_be_bytes(fixed(value)).to_string(),
        // A name in text, a number in binary.
        Type::OID | Type::XID | Type::REGTYPE | Type::REGCLASS | Type::REGPROC | Type::REGNAMESPACE | Type::REGROLE => {
            u32::from_be_bytes(fixed(value)).to_string()
        }
        Type::FLOAT4 => {
            let value = f32::from_be_bytes(fixed(value));
            float(f64::from(value), &format!("{value:e}"), 6)
        }
        Type::FLOAT8 => {
            let value = f64::from_be_bytes(fixed(value));
            float(value, &format!("{value:e}"), 15)
        }
        Type::NUMERIC => numeric(value),
        Type::DATE => date(i64::from(i32::from_be_bytes(fixed(value))) + DAYS_TO_2000),
        Type::TIME => time(i64::from_be_bytes(fixed(value))),
        Type::TIMESTAMP => timestamp(i64::from_be_bytes(fixed(value)), ""),
        Type::TIMESTAMPTZ => timestamp(i64::from_be_bytes(fixed(value)), "+00"),
        Type::INTERVAL => interval(value),
        Type::BYTEA => value.iter().fold("\\x".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        }),
        Type::UUID => {
            let hex = value.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
        Type::JSONB => String::from_utf8(value[1..].to_vec()).unwrap(),
        _ => String::from_utf8(value.to_vec()).unwrap_or_else(|_| panic!("no text for a {kind}: {value:?}")),
    }
}

fn fixed<const N: usize>(value: &[u8]) -> [u8; N] {
    value.try_into().expect("the length of the type")
}

/// `scientific` has the shortest digits that read back as the same number.
fn float(value: f64, scientific: &str, plain_digits: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (digits, exponent) = scientific.split_once('e').unwrap();
    let exponent: i32 = exponent.parse().unwrap();
    if (-4..plain_digits).contains(&exponent) {
        let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
        let digits = digits.replace('.', "");
        return match usize::try_from(exponent) {
            Ok(exponent) if digits.len() > exponent + 1 => {
                format!("{sign}{}.{}", &digits[..=exponent], &digits[exponent + 1..])
            }
            Ok(exponent) => format!("{sign}{digits}{}", "0".repeat(exponent + 1 - digits.len())),
            Err(_) => format!(
                "{sign}0.{}{digits}",
                "0".repeat(usize::try_from(-exponent - 1).unwrap())
            ),
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn numeric(value: &[u8]) -> String {
    let word = |index: usize| u16::from_be_bytes([value[2 * index], value[2 * index + 1]]);
    let (count, weight, sign, scale) = (usize::from(word(0)), i32::from(word(1).cast_signed()), word(2), word(3));
    match sign {
        0xC000 => return "NaN".to_owned(),
        0xD000 => return "Infinity".to_owned(),
        0xF000 => return "-Infinity".to_owned(),
        _ => {}
    }
    let digit = |position: i32| match usize::try_from(weight - position) {
        Ok(index) if index < count => word(4 + index),
        _ => 0,
    };
    let mut text = String::new();
    for position in (0..=weight.max(0)).rev() {
        write!(text, "{:04}", digit(position)).unwrap();
    }
    let whole = text.trim_start_matches('0');
    let mut text = if whole.is_empty() {
        "0".to_owned()
    } else {
        whole.to_owned()
    };
    if scale > 0 {
        let mut fraction = String::new();
        for position in 1..=i32::from(scale).div_euclid(4) + 1 {
            write!(fraction, "{:04}", digit(-position)).unwrap();
        }
        write!(text, ".{}", &fraction[..usize::from(scale)]).unwrap();
    }
    if sign == 0x4000 { format!("-{text}") } else { text }
}

/// Days since 1970 to year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (of_month, month) = (
        day - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    (year + era * 400 + i64::from(month <= 2), month, of_month)
}

fn split_date(days: i64) -> (String, &'static str) {
    let (year, month, day) = civil(days);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

fn date(days: i64) -> String {
    match days - DAYS_TO_2000 {
        days if days == i64::from(i32::MAX) => return "infinity".to_owned(),
        days if days == i64::from(i32::MIN) => return "-infinity".to_owned(),
        _ => {}
    }
    let (date, era) = split_date(days);
    date + era
}

fn time(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if micros % 1_000_000 != 0 {
        let fraction = format!(".{:06}", micros % 1_000_000);
        text.push_str(fraction.trim_end_matches('0'));
    }
    text
}

fn timestamp(micros: i64, zone: &str) -> String {
    match micros {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let (date, era) = split_date(micros.div_euclid(MICROS_OF_DAY) + DAYS_TO_2000);
    format!("{date} {}{zone}{era}", time(micros.rem_euclid(MICROS_OF_DAY)))
}

fn interval(value: &[u8]) -> String {
    let micros = i64::from_be_bytes(fixed(&value[..8]));
    let days = i32::from_be_bytes(fixed(&value[8..12]));
    let months = i32::from_be_bytes(fixed(&value[12..16]));
    let mut parts = Vec::new();
    let mut negative = false;
    for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if count != 0 {
            let sign = if negative && count > 0 { "+" } else { "" };
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{sign}{count} {unit}{plural}"));
            negative = count < 0;
        }
    }
    if micros != 0 || parts.is_empty() {
        let sign = match (micros < 0, negative) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        parts.push(format!("{sign}{}", time(micros.abs())));
    }
    parts.join(" ")
}

fn array(element: &Type, value: &[u8]) -> String {
    let word = |at: usize| i32::from_be_bytes(fixed(&value[at..at + 4]));
    let dimensions = usize::try_from(word(0)).unwrap();
    if dimensions == 0 {
        return "{}".to_owned();
    }
    let lengths = (0..dimensions).map(|index| usize::try_from(word(12 + 8 * index)).unwrap());
    let lengths = lengths.collect::<Vec<_>>();
    let mut rest = &value[12 + 8 * dimensions..];
    let text = nested(element, &lengths, &mut rest);
    assert!(rest.is_empty(), "bytes after the last element");
    text
}

fn nested(element: &Type, lengths: &[usize], rest: &mut &[u8]) -> String {
    let elements = (0..lengths[0]).map(|_| {
        if lengths.len() > 1 {
            return nested(element, &lengths[1..], rest);
        }
        let length = i32::from_be_bytes(fixed(&rest[..4]));
        *rest = &rest[4..];
        let Ok(length) = usize::try_from(length) else {
            return "NULL".to_owned();
        };
        let text = text_of(element, &rest[..length]);
        *rest = &rest[length..];
        let special = |letter: char| "{},\"\\".contains(letter) || letter.is_ascii_whitespace();
        if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(special) {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            text
        }
    });
    format!("{{{}}}", elements.collect::<Vec<_>>().join(","))
}
