//! Functions that have an equal there.
//!
//! Not listed: what changes case (the tables of Unicode differ), regular expressions, and whatever goes by a session's
//! zone.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

use super::NotWritten;
use super::arithmetic::write_checked;
use super::data_type::{DECIMAL_DIGITS_MAX, SIGNED_DIGITS_MAX, SparkType};
use super::expression::{ExpressionWriter, one_type};
use crate::RemoteStatement;

/// Escapes `%`, `_` and itself in patterns that are sent. Not a backslash, which literals may treat in two ways.
pub(super) const PATTERN_ESCAPE: char = '!';

type Result<T> = std::result::Result<T, NotWritten>;

/// One entry of the list.
struct Listed {
    /// As the engine calls it.
    name: &'static str,
    /// Whether it has a value for all arguments that `write` takes, so that it may stand above rules.
    total: bool,
    /// Writes a call.
    write: fn(&mut ExpressionWriter<'_>, &[Expr], &mut RemoteStatement) -> Result<SparkType>,
}

impl Listed {
    const fn total(
        name: &'static str,
        write: fn(&mut ExpressionWriter<'_>, &[Expr], &mut RemoteStatement) -> Result<SparkType>,
    ) -> Self {
        Self {
            name,
            total: true,
            write,
        }
    }

    const fn partial(
        name: &'static str,
        write: fn(&mut ExpressionWriter<'_>, &[Expr], &mut RemoteStatement) -> Result<SparkType>,
    ) -> Self {
        Self {
            name,
            total: false,
            write,
        }
    }
}

static LIST: &[Listed] = &[
    Listed::partial("checked_add", |writer, arguments, out| {
        write_checked(writer, arguments, "+", out)
    }),
    Listed::partial("checked_subtract", |writer, arguments, out| {
        write_checked(writer, arguments, "-", out)
    }),
    Listed::partial("checked_multiply", |writer, arguments, out| {
        write_checked(writer, arguments, "*", out)
    }),
    Listed::total("bounded_concatenation", |writer, arguments, out| {
        texts(writer, "concat", arguments, out)?;
        Ok(SparkType::String)
    }),
    Listed::total("concat", concatenation_without_nulls),
    Listed::total("coalesce", |writer, arguments, out| {
        let types = call(writer, "coalesce", arguments, out)?;
        one_type(types, "coalesce")
    }),
    Listed::total("nullif", |writer, arguments, out| {
        compared(writer, "nullif", arguments, out)
    }),
    Listed::total("greatest", |writer, arguments, out| {
        compared(writer, "greatest", arguments, out)
    }),
    Listed::total("least", |writer, arguments, out| {
        compared(writer, "least", arguments, out)
    }),
    Listed::total("character_length", |writer, arguments, out| {
        texts(writer, "char_length", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("octet_length", |writer, arguments, out| {
        texts(writer, "octet_length", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("btrim", |writer, arguments, out| {
        trimmed(writer, "trim", arguments, out)
    }),
    Listed::total("ltrim", |writer, arguments, out| {
        trimmed(writer, "ltrim", arguments, out)
    }),
    Listed::total("rtrim", |writer, arguments, out| {
        trimmed(writer, "rtrim", arguments, out)
    }),
    Listed::total("left", |writer, arguments, out| {
        cut(writer, "left", &[0], arguments, out)
    }),
    Listed::total("right", |writer, arguments, out| {
        cut(writer, "right", &[0], arguments, out)
    }),
    // From zero or less, `substr` counts from elsewhere there.
    Listed::total("substr", |writer, arguments, out| {
        cut(writer, "substr", &[1, 0], arguments, out)
    }),
    Listed::total("replace", replaced),
    Listed::total("starts_with", |writer, arguments, out| {
        texts(writer, "startswith", arguments, out)?;
        Ok(SparkType::Boolean)
    }),
    Listed::total("strpos", |writer, arguments, out| {
        if !arguments.get(1).is_some_and(is_text) {
            return Err(NotWritten::because("the position of a text that is not constant"));
        }
        texts(writer, "instr", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("floor", |writer, arguments, out| whole(writer, "floor", arguments, out)),
    Listed::total("ceil", |writer, arguments, out| whole(writer, "ceil", arguments, out)),
    Listed::total("abs", absolute),
    Listed::total("date_part", part_of_date),
];

/// Writes a call of a listed function.
pub(super) fn write_call(
    writer: &mut ExpressionWriter<'_>,
    function: &ScalarFunction,
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let name = function.func.name();
    let Some(listed) = LIST.iter().find(|listed| listed.name == name) else {
        return Err(NotWritten::because(format!("the function {name}")));
    };
    if !listed.total {
        writer.can_fail(&format!("the function {name}"))?;
    }
    (listed.write)(writer, &function.args, out)
}

/// Writes `name(arguments)` and says the types of the arguments.
fn call(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<Vec<SparkType>> {
    out.push(&format!("{name}("));
    let mut types = Vec::with_capacity(arguments.len());
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            out.push(", ");
        }
        types.push(writer.write(argument, out)?);
    }
    out.push(")");
    Ok(types)
}

/// A function all of whose arguments are text.
fn texts(writer: &mut ExpressionWriter<'_>, name: &str, arguments: &[Expr], out: &mut RemoteStatement) -> Result<()> {
    let types = call(writer, name, arguments, out)?;
    match types.iter().find(|one| **one != SparkType::String) {
        Some(other) => Err(NotWritten::because(format!("{name} of {}", other.word()))),
        None => Ok(()),
    }
}

/// A function that compares its arguments and gives one of them.
fn compared(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let types = call(writer, name, arguments, out)?;
    // Of one alone there is none.
    if types.len() < 2 {
        return Err(NotWritten::because(format!("{name} of one value")));
    }
    let data_type = one_type(types, name)?;
    match data_type.is_ordered() {
        true => Ok(data_type),
        false => Err(NotWritten::because(format!("{name} of {}", data_type.word()))),
    }
}

/// `concat` passes over NULL here; there it is NULL.
fn concatenation_without_nulls(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    out.push("concat(");
    for (index, argument) in arguments.iter().enumerate() {
        out.push(if index > 0 { ", coalesce(" } else { "coalesce(" });
        writer.text(argument, out)?;
        out.push(", '')");
    }
    out.push(")");
    Ok(SparkType::String)
}

/// Spaces cut off; other characters are sets of which each side has its own idea.
fn trimmed(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let spaces = match arguments.get(1) {
        None => true,
        Some(Expr::Literal(set, _)) => set.try_as_str() == Some(Some(" ")),
        Some(_) => false,
    };
    match arguments.first() {
        Some(text) if spaces => texts(writer, name, std::slice::from_ref(text), out)?,
        _ => return Err(NotWritten::because("characters other than spaces to be cut off")),
    }
    Ok(SparkType::String)
}

/// A part of a text by constant numbers, each at least as large as in `least`.
fn cut(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    least: &[i64],
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let refused = || NotWritten::because(format!("{name} by a number that is not constant or too small"));
    let [text, numbers @ ..] = arguments else {
        return Err(refused());
    };
    if numbers.is_empty() || numbers.len() > least.len() {
        return Err(refused());
    }
    out.push(&format!("{name}("));
    writer.text(text, out)?;
    for (number, least) in numbers.iter().zip(least) {
        let number = match number {
            Expr::Literal(ScalarValue::Int64(Some(number)), _) => *number,
            Expr::Literal(ScalarValue::Int32(Some(number)), _) => i64::from(*number),
            _ => return Err(refused()),
        };
        let number = i32::try_from(number)
            .ok()
            .filter(|_| number >= *least)
            .ok_or_else(refused)?;
        out.push(", ");
        out.push_parameter(ScalarValue::Int32(Some(number)));
    }
    out.push(")");
    Ok(SparkType::String)
}

/// An empty text is found everywhere here and nowhere there.
fn replaced(writer: &mut ExpressionWriter<'_>, arguments: &[Expr], out: &mut RemoteStatement) -> Result<SparkType> {
    if !arguments.get(1).is_some_and(is_text) {
        return Err(NotWritten::because("the replacement of a text that is not constant"));
    }
    texts(writer, "replace", arguments, out)?;
    Ok(SparkType::String)
}

fn is_text(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten().is_some_and(|text| !text.is_empty()),
        _ => false,
    }
}

/// A decimal without what is behind its point.
fn whole(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let types = call(writer, name, arguments, out)?;
    match types.as_slice() {
        [SparkType::Decimal(precision, scale)] if precision - scale < DECIMAL_DIGITS_MAX => {
            Ok(SparkType::Decimal(precision - scale + 1, 0))
        }
        _ => Err(NotWritten::because(format!("{name} of another type than a decimal"))),
    }
}

fn absolute(writer: &mut ExpressionWriter<'_>, arguments: &[Expr], out: &mut RemoteStatement) -> Result<SparkType> {
    let types = call(writer, "abs", arguments, out)?;
    match types.as_slice() {
        [decimal @ SparkType::Decimal(digits, _)] if *digits <= SIGNED_DIGITS_MAX => Ok(decimal.clone()),
        // The least integer has no counterpart.
        [integer] if integer.is_integer() => {
            writer.can_fail("the absolute value of an integer")?;
            Ok(integer.clone())
        }
        _ => Err(NotWritten::because("the absolute value of another type")),
    }
}

/// A field of a date, or of a time on the wall: of a moment it goes by a zone.
fn part_of_date(writer: &mut ExpressionWriter<'_>, arguments: &[Expr], out: &mut RemoteStatement) -> Result<SparkType> {
    let [Expr::Literal(part, _), moment] = arguments else {
        return Err(NotWritten::because("a part of a date that is not constant"));
    };
    let part = part.try_as_str().flatten().unwrap_or_default().to_ascii_lowercase();
    let (name, of_time, less) = match part.as_str() {
        "year" => ("year", false, 0),
        "quarter" => ("quarter", false, 0),
        "month" => ("month", false, 0),
        "day" => ("day", false, 0),
        "doy" => ("dayofyear", false, 0),
        "week" => ("weekofyear", false, 0),
        // Sunday is the first day there, day zero here.
        "dow" => ("dayofweek", false, 1),
        "hour" => ("hour", true, 0),
        "minute" => ("minute", true, 0),
        _ => return Err(NotWritten::because("this part of a date")),
    };
    out.push(if less > 0 { "(" } else { "" });
    let types = call(writer, name, std::slice::from_ref(moment), out)?;
    if less > 0 {
        out.push(&format!(" - {less})"));
    }
    match types.as_slice() {
        [SparkType::TimestampNtz] => Ok(SparkType::Integer),
        [SparkType::Date] if !of_time => Ok(SparkType::Integer),
        _ => Err(NotWritten::because("a part of something else than a date")),
    }
}

/// A pattern whose escapes are backslashes, with [`PATTERN_ESCAPE`] instead; `None` where a backslash escapes nothing.
pub(super) fn escaped_pattern(pattern: &str) -> Option<String> {
    let mut written = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                let sign = characters.next().filter(|sign| matches!(sign, '%' | '_'))?;
                written.extend([PATTERN_ESCAPE, sign]);
            }
            PATTERN_ESCAPE => written.extend([PATTERN_ESCAPE, PATTERN_ESCAPE]),
            other => written.push(other),
        }
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_get_another_escape() {
        for (pattern, written) in [
            ("a%b_", Some("a%b_")),
            (r"50\%", Some("50!%")),
            (r"a\_b", Some("a!_b")),
            ("hey!", Some("hey!!")),
            (r"a\", None),
            (r"a\\b", None),
            (r"a\x", None),
        ] {
            assert_eq!(escaped_pattern(pattern).as_deref(), written, "{pattern}");
        }
    }
}
