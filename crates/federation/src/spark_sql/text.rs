//! Functions of text that have an equal there: both count in code points.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::NotWritten;
use super::data_type::SparkType;
use super::expression::ExpressionWriter;
use super::function::{Result, call};
use crate::RemoteStatement;

/// How long a text is made at most: beyond some size it would be refused here.
const LENGTH_MAX: i64 = 1_000;

/// A function all of whose arguments are text.
pub(super) fn texts(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<()> {
    let types = call(writer, name, arguments, out)?;
    match types.iter().find(|one| **one != SparkType::String) {
        Some(other) => Err(NotWritten::because(format!("{name} of {}", other.word()))),
        None => Ok(()),
    }
}

/// `concat` passes over NULL here; there it is NULL.
pub(super) fn concatenation_without_nulls(
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

/// A constant number that makes no text too long.
fn bounded_number(number: &Expr) -> Result<ScalarValue> {
    let number = whole_number(number).filter(|number| (0..=LENGTH_MAX).contains(number));
    let number = number.and_then(|number| i32::try_from(number).ok());
    number
        .map(|number| ScalarValue::Int32(Some(number)))
        .ok_or_else(|| NotWritten::because("a length that is not constant or too large"))
}

pub(super) fn padded(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let (text, length, fill) = match arguments {
        [text, length] => (text, length, None),
        [text, length, fill] if is_text(fill) => (text, length, Some(fill)),
        _ => return Err(NotWritten::because(format!("{name} with what is not constant"))),
    };
    out.push(&format!("{name}("));
    writer.text(text, out)?;
    out.push(", ");
    out.push_parameter(bounded_number(length)?);
    out.push(", ");
    match fill {
        Some(fill) => writer.text(fill, out)?,
        None => out.push("' '"),
    }
    out.push(")");
    Ok(SparkType::String)
}

/// One of the parts between separators, counted from the front: an empty separator splits in other ways.
pub(super) fn split(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let refused = || NotWritten::because("split_part by what is not constant, or from the end");
    let [text, separator, place] = arguments else {
        return Err(refused());
    };
    let place = bounded_number(place)?;
    if !is_text(separator) || place == ScalarValue::Int32(Some(0)) {
        return Err(refused());
    }
    out.push("split_part(");
    writer.text(text, out)?;
    out.push(", ");
    writer.text(separator, out)?;
    out.push(", ");
    out.push_parameter(place);
    out.push(")");
    Ok(SparkType::String)
}

pub(super) fn digest(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let [text] = arguments else {
        return Err(NotWritten::because("a digest of several values"));
    };
    out.push("md5(CAST(");
    writer.text(text, out)?;
    out.push(" AS BINARY))");
    Ok(SparkType::String)
}

/// Spaces cut off, or the characters of a constant text.
pub(super) fn trimmed(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    match arguments {
        [text] => texts(writer, name, std::slice::from_ref(text), out)?,
        [text, Expr::Literal(set, _)] if set.try_as_str() == Some(Some(" ")) => {
            texts(writer, name, std::slice::from_ref(text), out)?;
        }
        [text, set] if is_text(set) => {
            let ends = match name {
                "ltrim" => "LEADING",
                "rtrim" => "TRAILING",
                _ => "BOTH",
            };
            out.push(&format!("trim({ends} "));
            writer.text(set, out)?;
            out.push(" FROM ");
            writer.text(text, out)?;
            out.push(")");
        }
        _ => return Err(NotWritten::because("characters to be cut off that are not constant")),
    }
    Ok(SparkType::String)
}

/// The beginning or the end of a text, of a constant length.
pub(super) fn end(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let refused = || NotWritten::because(format!("{name} by a number that is not constant or too small"));
    let [text, length] = arguments else {
        return Err(refused());
    };
    let length = whole_number(length).filter(|length| *length >= 0);
    let length = length.and_then(|length| i32::try_from(length).ok());
    out.push(&format!("{name}("));
    writer.text(text, out)?;
    out.push(", ");
    out.push_parameter(ScalarValue::Int32(Some(length.ok_or_else(refused)?)));
    out.push(")");
    Ok(SparkType::String)
}

/// A part of a text from a constant place on, of a constant length. Places before the first count as if there were
/// characters, here; there they count from the end.
pub(super) fn middle(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let refused = || NotWritten::because("substr by a number that is not constant or too small");
    let (text, start, length) = match arguments {
        [text, start] => (text, start, None),
        [text, start, length] => {
            let length = whole_number(length).filter(|length| *length >= 0);
            (text, start, Some(length.ok_or_else(refused)?))
        }
        _ => return Err(refused()),
    };
    let start = whole_number(start).ok_or_else(refused)?;
    let missing = 1_i64.saturating_sub(start).max(0);
    let length = length.map(|length| length.saturating_sub(missing).max(0));
    let number = |number: i64| i32::try_from(number).map_err(|_| refused());
    out.push("substr(");
    writer.text(text, out)?;
    out.push(", ");
    out.push_parameter(ScalarValue::Int32(Some(number(start.max(1))?)));
    if let Some(length) = length {
        out.push(", ");
        out.push_parameter(ScalarValue::Int32(Some(number(length)?)));
    }
    out.push(")");
    Ok(SparkType::String)
}

/// Characters of a constant text, each made the one at its place in another, or left out where that is shorter.
pub(super) fn translated(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let [_, from, to @ Expr::Literal(..)] = arguments else {
        return Err(NotWritten::because("translate to what is not constant"));
    };
    if !is_text(from) || !matches!(to, Expr::Literal(to, _) if !to.is_null()) {
        return Err(NotWritten::because("translate of characters that are not constant"));
    }
    texts(writer, "translate", arguments, out)?;
    Ok(SparkType::String)
}

/// An empty text is found everywhere here and nowhere there.
pub(super) fn replaced(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    if !arguments.get(1).is_some_and(is_text) {
        return Err(NotWritten::because("the replacement of a text that is not constant"));
    }
    texts(writer, "replace", arguments, out)?;
    Ok(SparkType::String)
}

/// A constant whole number.
pub(super) fn whole_number(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(ScalarValue::Int64(number), _) => *number,
        Expr::Literal(ScalarValue::Int32(number), _) => number.map(i64::from),
        _ => None,
    }
}

/// Whether it is a constant text that is not empty.
pub(super) fn is_text(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten().is_some_and(|text| !text.is_empty()),
        _ => false,
    }
}

pub(super) fn repeated(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let [text, times] = arguments else {
        return Err(NotWritten::because("repeat of something else than a text"));
    };
    out.push("repeat(");
    writer.text(text, out)?;
    out.push(", ");
    out.push_parameter(bounded_number(times)?);
    out.push(")");
    Ok(SparkType::String)
}

/// Texts with another between them. One that is NULL makes all NULL on both sides, but has no type.
pub(super) fn joined(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    if !arguments.first().is_some_and(is_text) || arguments.len() < 2 {
        return Err(NotWritten::because("concat_ws with a separator that is not constant"));
    }
    texts(writer, "concat_ws", arguments, out)?;
    Ok(SparkType::String)
}
