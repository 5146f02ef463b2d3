//! Functions and operators of dates and times on the wall that have an equal there. Of a moment most go by a session's
//! zone.

use datafusion::arrow::datatypes::IntervalMonthDayNano;
use datafusion::logical_expr::{Expr, Operator};

use super::NotWritten;
use super::data_type::SparkType;
use super::expression::ExpressionWriter;
use super::function::{Result, call};
use crate::RemoteStatement;

const NANOSECONDS_OF_DAY: i64 = 86_400_000_000_000;
const NANOSECONDS_OF_MICROSECOND: i64 = 1_000;
/// How many days a date is moved by at most, here and there.
const DAYS_MAX: i64 = 100_000;

/// A field of a date, or of a time on the wall.
pub(super) fn part_of_date(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let [Expr::Literal(part, _), moment] = arguments else {
        return Err(NotWritten::because("a part of a date that is not constant"));
    };
    let part = part.try_as_str().flatten().unwrap_or_default().to_ascii_lowercase();
    if part == "epoch" {
        return seconds_since_epoch(writer, moment, out);
    }
    let (before, after, of_time) = match part.as_str() {
        "year" => ("year(", ")", false),
        "quarter" => ("quarter(", ")", false),
        "month" => ("month(", ")", false),
        "day" => ("day(", ")", false),
        "doy" => ("dayofyear(", ")", false),
        "week" => ("weekofyear(", ")", false),
        "isoyear" => ("extract(YEAROFWEEK FROM ", ")", false),
        // Sunday is the first day there, day zero here.
        "dow" => ("(dayofweek(", ") - 1)", false),
        // By that too: Sail's `weekday` knows no NULL.
        "isodow" => ("((dayofweek(", ") + 5) % 7 + 1)", false),
        "hour" => ("hour(", ")", true),
        "minute" => ("minute(", ")", true),
        "second" => ("second(", ")", true),
        _ => return Err(NotWritten::because("this part of a date")),
    };
    out.push(before);
    let data_type = writer.write(moment, out)?;
    out.push(after);
    match data_type {
        SparkType::TimestampNtz => Ok(SparkType::Integer),
        SparkType::Date if !of_time => Ok(SparkType::Integer),
        _ => Err(NotWritten::because("a part of something else than a date")),
    }
}

/// Seconds since 1970: whole days, or microseconds, made floating point and then multiplied or divided, as here.
fn seconds_since_epoch(
    writer: &mut ExpressionWriter<'_>,
    moment: &Expr,
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let mut sql = RemoteStatement::new();
    let (before, after) = match writer.write(moment, &mut sql)? {
        SparkType::Date => ("datediff(", ", DATE '1970-01-01') AS DOUBLE) * CAST(86400 AS DOUBLE))"),
        SparkType::TimestampNtz => (
            "timestampdiff(MICROSECOND, TIMESTAMP_NTZ '1970-01-01 00:00:00', ",
            ") AS DOUBLE) / CAST(1000000 AS DOUBLE))",
        ),
        SparkType::Timestamp => ("unix_micros(", ") AS DOUBLE) / CAST(1000000 AS DOUBLE))"),
        other => return Err(NotWritten::because(format!("the seconds of {}", other.word()))),
    };
    out.push("(CAST(");
    out.push(before);
    out.append(sql);
    out.push(after);
    Ok(SparkType::Double)
}

/// The first moment of a unit of a time on the wall, by its date and its fields: `date_trunc` of there goes by a zone.
pub(super) fn start_of_unit(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let [Expr::Literal(unit, _), moment] = arguments else {
        return Err(NotWritten::because("date_trunc by a unit that is not constant"));
    };
    let unit = unit.try_as_str().flatten().unwrap_or_default().to_ascii_uppercase();
    let (fields, is_time): (&[&str], bool) = match unit.as_str() {
        "WEEK" | "MONTH" | "QUARTER" | "YEAR" | "DAY" => (&[], false),
        "HOUR" => (&["hour"], true),
        "MINUTE" => (&["hour", "minute"], true),
        "SECOND" => (&["hour", "minute", "second"], true),
        _ => return Err(NotWritten::because("date_trunc by this unit")),
    };
    // Said several times, so nothing that would grow with each.
    if is_time && !matches!(moment, Expr::Column(_)) {
        return Err(NotWritten::because("date_trunc of an expression by this unit"));
    }
    let by_day = is_time || unit == "DAY";
    out.push(if is_time { "(" } else { "" });
    out.push(if by_day { "CAST(CAST(" } else { "CAST(trunc(CAST(" });
    let data_type = writer.write(moment, out)?;
    if data_type != SparkType::TimestampNtz {
        return Err(NotWritten::because(format!("date_trunc of {}", data_type.word())));
    }
    out.push(" AS DATE)");
    if !by_day {
        out.push(&format!(", '{unit}')"));
    }
    out.push(" AS TIMESTAMP_NTZ)");
    if is_time {
        out.push(" + make_dt_interval(0");
        for field in fields {
            out.push(", ");
            call(writer, field, std::slice::from_ref(moment), out)?;
        }
        out.push("))");
    }
    Ok(SparkType::TimestampNtz)
}

/// Days between two dates, as the engine writes them.
pub(super) fn days_between(
    writer: &mut ExpressionWriter<'_>,
    arguments: &[Expr],
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let [left, right] = arguments else {
        return Err(NotWritten::because("days between another number of dates"));
    };
    let (mut left_sql, mut right_sql) = (RemoteStatement::new(), RemoteStatement::new());
    let types = [writer.write(left, &mut left_sql)?, writer.write(right, &mut right_sql)?];
    match types {
        [SparkType::Date, SparkType::Date] => Ok(write_difference(left_sql, right_sql, out)),
        _ => Err(NotWritten::because("days between something else than dates")),
    }
}

/// Days between two dates.
pub(super) fn write_difference(left: RemoteStatement, right: RemoteStatement, out: &mut RemoteStatement) -> SparkType {
    out.push("CAST(datediff(");
    out.append(left);
    out.push(", ");
    out.append(right);
    out.push(") AS BIGINT)");
    SparkType::Long
}

/// A date moved by whole days, or a moment by a constant interval: by its months, then its days, then what is less.
pub(super) fn write_shift(
    writer: &mut ExpressionWriter<'_>,
    moment: &Expr,
    operator: Operator,
    by: IntervalMonthDayNano,
    out: &mut RemoteStatement,
) -> Result<SparkType> {
    let refused = || NotWritten::because("this interval");
    let (months, days, nanoseconds) = (by.months, by.days, by.nanoseconds);
    writer.can_fail("a date that is moved")?;
    let mut sql = RemoteStatement::new();
    let data_type = writer.write(moment, &mut sql)?;
    match data_type {
        // Whole numbers that were added are days of 24 hours.
        SparkType::Date if months == 0 && nanoseconds % NANOSECONDS_OF_DAY == 0 => {
            let days = i64::from(days) + nanoseconds / NANOSECONDS_OF_DAY;
            if days.abs() > DAYS_MAX {
                return Err(refused());
            }
            out.push(match operator {
                Operator::Minus => "date_sub(",
                _ => "date_add(",
            });
            out.append(sql);
            out.push(&format!(", {days})"));
        }
        // Days of a moment, and months, go by a zone.
        SparkType::TimestampNtz | SparkType::Timestamp
            if nanoseconds % NANOSECONDS_OF_MICROSECOND == 0
                && (data_type == SparkType::TimestampNtz || months == 0 && days == 0) =>
        {
            let microseconds = nanoseconds / NANOSECONDS_OF_MICROSECOND;
            let sign = if microseconds < 0 { "-" } else { "" };
            let (seconds, fraction) = (
                microseconds.unsigned_abs() / 1_000_000,
                microseconds.unsigned_abs() % 1_000_000,
            );
            out.push("(");
            out.append(sql);
            out.push(match operator {
                Operator::Minus => " - ",
                _ => " + ",
            });
            out.push(&format!(
                "make_interval(0, {months}, 0, {days}, 0, 0, {sign}{seconds}.{fraction:06}))"
            ));
        }
        _ => return Err(refused()),
    }
    Ok(data_type)
}
