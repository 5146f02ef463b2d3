//! Text, numbers and arrays.

use contract::{DataException, Error};
use datafusion::common::Result;
use regex::{Regex, RegexBuilder};

use super::scalar::{Declared, Give, Take, Value};
use crate::catalog::type_oid;
use crate::names::{quote_identifier, quote_literal, split_name};

fn text(arguments: &[Value], at: usize) -> &str {
    arguments.get(at).and_then(Value::text).unwrap_or_default()
}

fn integer(arguments: &[Value], at: usize) -> Option<i64> {
    arguments.get(at).and_then(Value::integer)
}

pub(super) fn declare() -> Vec<Declared> {
    let mut all = quoting();
    all.extend(numbers());
    all.extend(patterns());
    all.extend(arrays());
    all
}

fn quoting() -> Vec<Declared> {
    vec![
        Declared::new("quote_ident", &[Take::Text], Give::Text, |arguments, _| {
            Ok(Value::from(quote_identifier(text(arguments, 0))))
        })
        .immutable(),
        Declared::new("quote_literal", &[Take::Text], Give::Text, |arguments, _| {
            Ok(Value::from(quote_literal(text(arguments, 0))))
        })
        .immutable(),
        Declared::new("quote_nullable", &[Take::Text], Give::Text, |arguments, _| {
            Ok(Value::from(
                arguments
                    .first()
                    .and_then(Value::text)
                    .map_or("NULL".to_owned(), quote_literal),
            ))
        })
        .called_on_null()
        .immutable(),
        Declared::new("format", &[Take::Text], Give::Text, |arguments, _| {
            match arguments.split_first() {
                Some((Value::Text(template), rest)) => Ok(Value::from(format(template, rest)?)),
                _ => Ok(Value::Null),
            }
        })
        .variadic(Take::Any)
        .called_on_null()
        .immutable(),
        Declared::new("parse_ident", &[Take::Text], Give::TextList, |arguments, _| {
            let name = text(arguments, 0);
            let parts = split_name(name).ok_or_else(|| {
                Error::data(
                    DataException::InvalidArgument,
                    format!("string is not a valid identifier: \"{name}\""),
                )
            })?;
            Ok(Value::TextList(parts.into_iter().map(Some).collect()))
        })
        .optional(&[Take::Boolean])
        .immutable(),
        Declared::new("pg_typeof", &[Take::Any], Give::RegType, |_, fields| {
            let unknown = fields.first().is_none_or(|field| field.data_type().is_null());
            Ok(Value::from(if unknown {
                705
            } else {
                fields.first().map_or(705, |field| type_oid(field))
            }))
        })
        .called_on_null(),
        Declared::new("lakegate_char", &[Take::Text], Give::Text, |arguments, _| {
            Ok(Value::from(text(arguments, 0).chars().take(1).collect::<String>()))
        })
        .immutable(),
    ]
}

/// PostgreSQL's `format`: `%s`, `%I`, `%L`, `%%`, with positions and widths.
fn format(template: &str, arguments: &[Value]) -> Result<String> {
    let invalid = |message: &str| Error::data(DataException::InvalidArgument, message.to_owned());
    let mut output = String::with_capacity(template.len());
    let mut characters = template.chars().peekable();
    let mut next = 0;
    while let Some(character) = characters.next() {
        if character != '%' {
            output.push(character);
            continue;
        }
        if characters.next_if_eq(&'%').is_some() {
            output.push('%');
            continue;
        }
        let mut digits = String::new();
        let mut left = false;
        let mut width = 0_usize;
        loop {
            match characters.peek() {
                Some('-') => left = true,
                Some(digit) if digit.is_ascii_digit() => digits.push(*digit),
                Some('$') => {
                    let position: usize = digits
                        .parse()
                        .map_err(|_| invalid("unrecognized format() type specifier"))?;
                    next = position
                        .checked_sub(1)
                        .ok_or_else(|| invalid("format specifies argument 0, but arguments are numbered from 1"))?;
                    digits.clear();
                }
                _ => break,
            }
            characters.next();
        }
        if !digits.is_empty() {
            // A bound on what a template can ask for.
            width = digits
                .parse()
                .ok()
                .filter(|width| *width <= 1 << 20)
                .ok_or_else(|| invalid("number is out of range"))?;
        }
        let kind = characters
            .next()
            .ok_or_else(|| invalid("unterminated format() type specifier"))?;
        let argument = arguments
            .get(next)
            .ok_or_else(|| invalid("too few arguments for format()"))?;
        next += 1;
        let shown = match (kind, argument.text()) {
            ('s', value) => value.unwrap_or_default().to_owned(),
            ('I', Some(value)) => quote_identifier(value),
            ('I', None) => {
                return Err(invalid("null values cannot be formatted as an SQL identifier").into());
            }
            ('L', value) => value.map_or("NULL".to_owned(), quote_literal),
            (other, _) => {
                return Err(invalid(&format!("unrecognized format() type specifier \"{other}\"")).into());
            }
        };
        let padding = " ".repeat(width.saturating_sub(shown.chars().count()));
        let (before, after) = if left {
            ("", padding.as_str())
        } else {
            (padding.as_str(), "")
        };
        output.extend([before, &shown, after]);
    }
    Ok(output)
}

fn numbers() -> Vec<Declared> {
    let mut all = vec![
        Declared::new("pg_size_pretty", &[Take::Integer], Give::Text, |arguments, _| {
            Ok(Value::from(integer(arguments, 0).map(size_pretty)))
        })
        .immutable(),
        Declared::new("sign", &[Take::Float], Give::Float8, |arguments, _| {
            let number = arguments.first().and_then(Value::float);
            Ok(Value::from(
                number.map(|number| if number == 0.0 { 0.0 } else { number.signum() }),
            ))
        })
        .immutable(),
        Declared::new(
            "width_bucket",
            &[Take::Float, Take::Float, Take::Float, Take::Integer],
            Give::Int4,
            |values, _| {
                let (Some(operand), Some(low), Some(high), Some(count)) = (
                    values.first().and_then(Value::float),
                    values.get(1).and_then(Value::float),
                    values.get(2).and_then(Value::float),
                    integer(values, 3),
                ) else {
                    return Ok(Value::Null);
                };
                width_bucket(operand, low, high, count).map(Value::from)
            },
        )
        .immutable(),
    ];
    all.push(
        Declared::new("div", &[Take::Integer, Take::Integer], Give::Int8, |arguments, _| {
            let (Some(a), Some(b)) = (integer(arguments, 0), integer(arguments, 1)) else {
                return Ok(Value::Null);
            };
            if b == 0 {
                return Err(Error::data(DataException::DivisionByZero, "division by zero").into());
            }
            let quotient = a
                .checked_div(b)
                .ok_or_else(|| Error::data(DataException::NumericValueOutOfRange, "bigint out of range"))?;
            Ok(Value::from(quotient))
        })
        .immutable(),
    );
    all
}

fn width_bucket(operand: f64, low: f64, high: f64, count: i64) -> Result<i64> {
    let invalid = |message: &str| Error::data(DataException::InvalidArgument, message);
    if count <= 0 || count > i64::from(i32::MAX) - 1 {
        return Err(invalid("count must be greater than zero").into());
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        return Err(invalid("operand, lower bound, and upper bound cannot be NaN").into());
    }
    if !low.is_finite() || !high.is_finite() {
        return Err(invalid("lower and upper bounds must be finite").into());
    }
    if low == high {
        return Err(invalid("lower bound cannot equal upper bound").into());
    }
    let (before, after) = if low < high {
        (operand < low, operand >= high)
    } else {
        (operand > low, operand <= high)
    };
    if before {
        return Ok(0);
    }
    if after {
        return Ok(count + 1);
    }
    let share = (operand - low) / (high - low);
    Ok(((share * count as f64).floor() as i64 + 1).min(count))
}

/// As PostgreSQL: the next unit from 10 of it on, rounded half away from zero.
fn size_pretty(bytes: i64) -> String {
    if bytes.unsigned_abs() < 10 * 1024 {
        return format!("{bytes} bytes");
    }
    let units = ["kB", "MB", "GB", "TB", "PB"];
    // One bit is kept for rounding.
    let mut doubled = bytes >> 9;
    for (at, unit) in units.iter().enumerate() {
        if doubled.unsigned_abs() < 20 * 1024 - 1 || at + 1 == units.len() {
            let rounded = if doubled >= 0 {
                (doubled + 1) / 2
            } else {
                (doubled - 1) / 2
            };
            return format!("{rounded} {unit}");
        }
        doubled >>= 10;
    }
    format!("{bytes} bytes")
}

/// A pattern with PostgreSQL's option letters. Patterns come from clients: their compiled size is bounded.
fn compile(pattern: &str, flags: &str) -> Result<Regex> {
    const COMPILED_BYTES_MAX: usize = 1 << 20;
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(COMPILED_BYTES_MAX).dot_matches_new_line(true);
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'c' => builder.case_insensitive(false),
            'x' => builder.ignore_whitespace(true),
            'n' | 'm' => builder.multi_line(true).dot_matches_new_line(false),
            'p' => builder.dot_matches_new_line(false),
            'w' => builder.multi_line(true),
            'g' | 's' => &mut builder,
            other => {
                return Err(Error::data(
                    DataException::InvalidArgument,
                    format!("invalid regular expression option: \"{other}\""),
                )
                .into());
            }
        };
    }
    builder
        .build()
        .map_err(|_| Error::data(DataException::InvalidRegularExpression, "invalid regular expression").into())
}

fn patterns() -> Vec<Declared> {
    vec![
        Declared::new(
            "regexp_match",
            &[Take::Text, Take::Text],
            Give::TextList,
            |arguments, _| {
                let regex = compile(text(arguments, 1), text(arguments, 2))?;
                let Some(found) = regex.captures(text(arguments, 0)) else {
                    return Ok(Value::Null);
                };
                let group = |at: usize| found.get(at).map(|part| part.as_str().to_owned());
                let groups = if found.len() == 1 {
                    vec![group(0)]
                } else {
                    (1..found.len()).map(group).collect()
                };
                Ok(Value::TextList(groups))
            },
        )
        .optional(&[Take::Text])
        .immutable(),
        Declared::new(
            "regexp_split_to_array",
            &[Take::Text, Take::Text],
            Give::TextList,
            |arguments, _| {
                let regex = compile(text(arguments, 1), text(arguments, 2))?;
                let subject = text(arguments, 0);
                // As PostgreSQL: an empty match at the beginning or end, or right after another, splits nothing.
                let (mut parts, mut start) = (Vec::new(), 0);
                for found in regex.find_iter(subject) {
                    if found.is_empty() && (found.start() <= start || found.end() == subject.len()) {
                        continue;
                    }
                    parts.push(subject.get(start..found.start()).map(str::to_owned));
                    start = found.end();
                }
                parts.push(subject.get(start..).map(str::to_owned));
                Ok(Value::TextList(parts))
            },
        )
        .optional(&[Take::Text])
        .immutable(),
    ]
}

fn arrays() -> Vec<Declared> {
    let length = |value: Option<&Value>| match value {
        Some(Value::TextList(items)) => i64::try_from(items.len()).ok().filter(|length| *length > 0),
        _ => None,
    };
    vec![
        Declared::new(
            "array_upper",
            &[Take::TextList, Take::Integer],
            Give::Int4,
            move |arguments, _| {
                Ok(Value::from(
                    length(arguments.first()).filter(|_| integer(arguments, 1) == Some(1)),
                ))
            },
        )
        .immutable(),
        Declared::new(
            "array_lower",
            &[Take::TextList, Take::Integer],
            Give::Int4,
            move |arguments, _| {
                let first = length(arguments.first()).filter(|_| integer(arguments, 1) == Some(1));
                Ok(Value::from(first.map(|_| 1_i64)))
            },
        )
        .immutable(),
        // `generate_subscripts` is `unnest` of this.
        Declared::new(
            "lakegate_subscripts",
            &[Take::TextList, Take::Integer],
            Give::Int4List,
            move |arguments, _| {
                let count = length(arguments.first())
                    .filter(|_| integer(arguments, 1) == Some(1))
                    .unwrap_or(0);
                let numbers = (1..=count).map(|number| Some(number.to_string()));
                let mut numbers: Vec<Option<String>> = numbers.collect();
                if arguments.get(2).and_then(Value::boolean) == Some(true) {
                    numbers.reverse();
                }
                Ok(Value::TextList(numbers))
            },
        )
        .optional(&[Take::Boolean])
        .immutable(),
    ]
}
