//! Functions that have an equal there.
//!
//! Not listed: what changes case (the tables of Unicode differ), and whatever goes by a session's zone. `chr` counts
//! round after 255 there, `to_hex` of 32 bits has 64 there, `floor` of a float is an integer there; `nullif`, `greatest`
//! and `least` of floating point know two zeros here.

use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

use super::NotWritten;
use super::arithmetic::write_checked;
use super::data_type::{DECIMAL_DIGITS_MAX, SIGNED_DIGITS_MAX, SparkType};
use super::expression::{ExpressionWriter, one_type};
use super::{cast, dates, text};
use crate::RemoteStatement;

pub(super) type Result<T> = std::result::Result<T, NotWritten>;

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
    Listed::total("days_between", dates::days_between),
    Listed::total("bounded_concatenation", |writer, arguments, out| {
        text::texts(writer, "concat", arguments, out)?;
        Ok(SparkType::String)
    }),
    Listed::total("concat", text::concatenation_without_nulls),
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
        text::texts(writer, "char_length", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("octet_length", |writer, arguments, out| {
        text::texts(writer, "octet_length", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("reverse", |writer, arguments, out| {
        text::texts(writer, "reverse", arguments, out)?;
        Ok(SparkType::String)
    }),
    Listed::total("ascii", |writer, arguments, out| {
        text::texts(writer, "ascii", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("bit_length", |writer, arguments, out| {
        text::texts(writer, "bit_length", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("md5", text::digest),
    Listed::total("lpad", |writer, arguments, out| {
        text::padded(writer, "lpad", arguments, out)
    }),
    Listed::total("rpad", |writer, arguments, out| {
        text::padded(writer, "rpad", arguments, out)
    }),
    Listed::total("repeat", text::repeated),
    Listed::total("concat_ws", text::joined),
    Listed::total("split_part", text::split),
    Listed::partial("date_trunc", dates::start_of_unit),
    Listed::total("btrim", |writer, arguments, out| {
        text::trimmed(writer, "trim", arguments, out)
    }),
    Listed::total("ltrim", |writer, arguments, out| {
        text::trimmed(writer, "ltrim", arguments, out)
    }),
    Listed::total("rtrim", |writer, arguments, out| {
        text::trimmed(writer, "rtrim", arguments, out)
    }),
    Listed::total("left", |writer, arguments, out| {
        text::end(writer, "left", arguments, out)
    }),
    Listed::total("right", |writer, arguments, out| {
        text::end(writer, "right", arguments, out)
    }),
    Listed::total("substr", text::middle),
    Listed::total("replace", text::replaced),
    Listed::total("translate", text::translated),
    Listed::total("starts_with", |writer, arguments, out| {
        text::texts(writer, "startswith", arguments, out)?;
        Ok(SparkType::Boolean)
    }),
    Listed::total("ends_with", |writer, arguments, out| {
        text::texts(writer, "endswith", arguments, out)?;
        Ok(SparkType::Boolean)
    }),
    Listed::total("strpos", |writer, arguments, out| {
        if !arguments.get(1).is_some_and(text::is_text) {
            return Err(NotWritten::because("the position of a text that is not constant"));
        }
        text::texts(writer, "instr", arguments, out)?;
        Ok(SparkType::Integer)
    }),
    Listed::total("floor", |writer, arguments, out| whole(writer, "floor", arguments, out)),
    Listed::total("ceil", |writer, arguments, out| whole(writer, "ceil", arguments, out)),
    Listed::total("round", rounded),
    Listed::total("abs", absolute),
    Listed::total("date_part", dates::part_of_date),
];

/// Writes a call of a listed function.
pub(super) fn write_call(
    writer: &mut ExpressionWriter<'_>,
    function: &ScalarFunction,
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let name = function.func.name();
    if let ("checked_cast", [value]) = (name, function.args.as_slice()) {
        let target = function.func.return_type(&[]);
        let target = target.map_err(|_| NotWritten::because("a cast to nothing"))?;
        return cast::write_rounded(writer, value, &target, out);
    }
    let Some(listed) = LIST.iter().find(|listed| listed.name == name) else {
        return Err(NotWritten::because(format!("the function {name}")));
    };
    if !listed.total {
        writer.can_fail(&format!("the function {name}"))?;
    }
    (listed.write)(writer, &function.args, out)
}

/// Writes `name(arguments)` and says the types of the arguments.
pub(super) fn call(
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

/// A decimal rounded to some digits behind its point, halves away from zero. Here it keeps as many digits in all.
fn rounded(writer: &mut ExpressionWriter<'_>, arguments: &[Expr], out: &mut RemoteStatement) -> Result<SparkType> {
    let (value, places) = match arguments {
        [value] => (value, Some(0)),
        [value, places] => (value, text::whole_number(places)),
        _ => return Err(NotWritten::because("round of other arguments")),
    };
    let mut sql = RemoteStatement::new();
    let data_type = writer.write(value, &mut sql)?;
    let SparkType::Decimal(precision, scale) = data_type else {
        return Err(NotWritten::because(format!("round of {}", data_type.word())));
    };
    let places = places.and_then(|places| u8::try_from(places).ok());
    let places =
        places.ok_or_else(|| NotWritten::because("round to digits that are not constant or before the point"))?;
    if places >= scale {
        out.append(sql);
        return Ok(data_type);
    }
    out.push("CAST(round(");
    out.append(sql);
    out.push(&format!(", {places}) AS DECIMAL({precision}, {places}))"));
    Ok(SparkType::Decimal(precision, places))
}

fn absolute(writer: &mut ExpressionWriter<'_>, arguments: &[Expr], out: &mut RemoteStatement) -> Result<SparkType> {
    let types = call(writer, "abs", arguments, out)?;
    match types.as_slice() {
        [decimal @ SparkType::Decimal(digits, _)] if *digits <= SIGNED_DIGITS_MAX => Ok(decimal.clone()),
        [float @ (SparkType::Float | SparkType::Double)] => Ok(float.clone()),
        // The least integer has no counterpart.
        [integer] if integer.is_integer() => {
            writer.can_fail("the absolute value of an integer")?;
            Ok(integer.clone())
        }
        _ => Err(NotWritten::because("the absolute value of another type")),
    }
}
