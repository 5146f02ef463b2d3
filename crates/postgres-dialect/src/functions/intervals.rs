//! Intervals: multiplied, divided, and as the age between two moments.

use std::sync::Arc;

use arrow_array::builder::IntervalMonthDayNanoBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};
use contract::{DataException, Error};
use datafusion::arrow::array::timezone::Tz;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub(super) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const SECONDS_PER_DAY: f64 = 86_400.0;
const NANOS_PER_MICRO: i64 = 1000;
/// The function whose answer is when the statement began; that of every other one is when the transaction did.
pub const STATEMENT_TIMESTAMP: &str = "statement_timestamp";

/// An interval times (or by) a number.
pub(super) fn scaled(by_division: bool) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Scaled {
        by_division,
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Arc::new(ScalarUDF::new_from_impl(Age {
            signature: Signature::user_defined(Volatility::Stable),
        })),
        Arc::new(ScalarUDF::new_from_impl(Beginning {
            name: "now",
            zone: Some("UTC".into()),
            aliases: ["current_timestamp", "transaction_timestamp"]
                .map(str::to_owned)
                .to_vec(),
            signature: Signature::nullary(Volatility::Stable),
        })),
    ]
}

/// `statement_timestamp()` in a session of that zone.
pub(super) fn statement_timestamp(zone: Option<&String>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Beginning {
        name: STATEMENT_TIMESTAMP,
        zone: Some(zone.map_or("UTC", String::as_str).into()),
        aliases: Vec::new(),
        signature: Signature::nullary(Volatility::Stable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Scaled {
    by_division: bool,
    signature: Signature,
}

impl ScalarUDFImpl for Scaled {
    fn name(&self) -> &str {
        if self.by_division {
            "interval_divide"
        } else {
            "interval_multiply"
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, _] => Ok(vec![INTERVAL, DataType::Float64]),
            _ => plan_err!("Cannot coerce the operands of {}", self.name()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [intervals, factors] = arrays.as_slice() else {
            return exec_err!("{} takes two arguments", self.name());
        };
        let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
        let factors = factors.as_primitive::<Float64Type>();
        let mut builder = IntervalMonthDayNanoBuilder::with_capacity(intervals.len());
        for (interval, factor) in intervals.iter().zip(factors.iter()) {
            builder.append_option(match (interval, factor) {
                (Some(_), Some(0.0)) if self.by_division => {
                    return Err(Error::data(DataException::DivisionByZero, "division by zero").into());
                }
                (Some(interval), Some(factor)) => {
                    let scale = |number: f64| {
                        if self.by_division {
                            number / factor
                        } else {
                            number * factor
                        }
                    };
                    Some(apply(interval, scale).ok_or_else(out_of_range)?)
                }
                _ => None,
            });
        }
        finished(Arc::new(builder.finish()), constant)
    }
}

fn finished(array: ArrayRef, constant: bool) -> Result<ColumnarValue> {
    Ok(match constant {
        true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
        false => ColumnarValue::Array(array),
    })
}

fn out_of_range() -> Error {
    Error::data(DataException::DatetimeFieldOverflow, "interval out of range")
}

/// Each part scaled; what is left of a month goes to the days, of 30 to a month, and what is left of a day to the time.
fn apply(interval: IntervalMonthDayNano, scale: impl Fn(f64) -> f64) -> Option<IntervalMonthDayNano> {
    // Rounded to microseconds, so that a fraction does not lose a second.
    let rounded = |number: f64| (number * 1e6).round_ties_even() / 1e6;
    let months = scale(f64::from(interval.months));
    let days = scale(f64::from(interval.days));
    let rest_of_months = rounded(months.fract() * 30.0);
    let mut rest_of_days = rounded((days.fract() + rest_of_months.fract()) * SECONDS_PER_DAY);
    let mut whole_days = days.trunc() + rest_of_months.trunc();
    if rest_of_days.abs() >= SECONDS_PER_DAY {
        whole_days += (rest_of_days / SECONDS_PER_DAY).trunc();
        rest_of_days %= SECONDS_PER_DAY;
    }
    let micros = (scale((interval.nanoseconds / NANOS_PER_MICRO) as f64) + rest_of_days * 1e6).round_ties_even();
    let fits = |number: f64, limit: f64| number.is_finite() && number.abs() < limit;
    let right = fits(months, 2_147_483_648.0) && fits(whole_days, 2_147_483_648.0) && fits(micros, 9.2e15);
    right.then(|| {
        IntervalMonthDayNano::new(
            months.trunc() as i32,
            whole_days as i32,
            micros as i64 * NANOS_PER_MICRO,
        )
    })
}

/// `age(later, earlier)`, and `age(moment)` at the beginning of this day.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Age {
    signature: Signature,
}

impl ScalarUDFImpl for Age {
    fn name(&self) -> &str {
        "age"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let zone = types.iter().find_map(|one| match one {
            DataType::Timestamp(_, Some(zone)) => Some(Arc::clone(zone)),
            _ => None,
        });
        let fits = |one: &DataType| {
            matches!(
                one,
                DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null
            ) || one.is_string()
        };
        if types.is_empty() || types.len() > 2 || !types.iter().all(fits) {
            return plan_err!("No function matches the given name and argument types 'age'");
        }
        Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, zone); types.len()])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(INTERVAL)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let zone = match arrays.first().map(|array| array.data_type()) {
            Some(DataType::Timestamp(_, Some(zone))) => zone.parse::<Tz>().ok(),
            _ => None,
        };
        let local = |micros: i64| {
            let moment = DateTime::from_timestamp_micros(micros)?;
            Some(wall(moment, zone))
        };
        let mut builder = IntervalMonthDayNanoBuilder::new();
        match arrays.as_slice() {
            [later, earlier] => {
                let later = later.as_primitive::<TimestampMicrosecondType>();
                let earlier = earlier.as_primitive::<TimestampMicrosecondType>();
                for (later, earlier) in later.iter().zip(earlier.iter()) {
                    builder.append_option(match (later, earlier) {
                        (Some(later), Some(earlier)) => {
                            let moments = local(later).zip(local(earlier)).ok_or_else(out_of_range)?;
                            Some(between(moments.0, moments.1))
                        }
                        _ => None,
                    });
                }
            }
            [moments] => {
                let today = wall(Utc::now(), zone).date().and_time(chrono::NaiveTime::MIN);
                for moment in moments.as_primitive::<TimestampMicrosecondType>().iter() {
                    let moment = moment
                        .map(|moment| local(moment).ok_or_else(out_of_range))
                        .transpose()?;
                    builder.append_option(moment.map(|moment| between(today, moment)));
                }
            }
            _ => return exec_err!("age takes one or two moments"),
        }
        finished(Arc::new(builder.finish()), constant)
    }
}

fn wall(moment: DateTime<Utc>, zone: Option<Tz>) -> NaiveDateTime {
    match zone {
        Some(zone) => moment.with_timezone(&zone).naive_local(),
        None => moment.naive_utc(),
    }
}

/// From `earlier` to `later` in years, months, days and time, all of one sign; days are borrowed from the month in which
/// the earlier one lies.
fn between(later: NaiveDateTime, earlier: NaiveDateTime) -> IntervalMonthDayNano {
    if later < earlier {
        let turned = between(earlier, later);
        return IntervalMonthDayNano::new(-turned.months, -turned.days, -turned.nanoseconds);
    }
    let micros = |moment: &NaiveDateTime| {
        i64::from(moment.num_seconds_from_midnight()) * 1_000_000 + i64::from(moment.nanosecond() / 1000)
    };
    let mut months = (later.year() - earlier.year()) * 12 + later.month().cast_signed() - earlier.month().cast_signed();
    let mut days = later.day().cast_signed() - earlier.day().cast_signed();
    let mut time = micros(&later) - micros(&earlier);
    if time < 0 {
        time += 86_400_000_000;
        days -= 1;
    }
    if days < 0 {
        days += i32::from(earlier.num_days_in_month());
        months -= 1;
    }
    IntervalMonthDayNano::new(months, days, time * NANOS_PER_MICRO)
}

/// `now()` and `statement_timestamp()`: when the transaction or the statement began, as the planner is told, in
/// microseconds as PostgreSQL counts, in the session's zone.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Beginning {
    name: &'static str,
    zone: Option<Arc<str>>,
    aliases: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for Beginning {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        Some(ScalarUDF::new_from_impl(Self {
            name: self.name,
            zone: config.execution.time_zone.as_deref().map(Arc::from),
            aliases: self.aliases.clone(),
            signature: self.signature.clone(),
        }))
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, self.zone.clone()))
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), self.return_type(&[])?, false)))
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Ok(match context.query_execution_start_time() {
            Some(start) => ExprSimplifyResult::Simplified(Expr::Literal(
                ScalarValue::TimestampMicrosecond(Some(start.timestamp_micros()), self.zone.clone()),
                None,
            )),
            None => ExprSimplifyResult::Original(arguments),
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{}() is known when a statement begins", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn ages_borrow_from_the_earlier_month() {
        for (later, earlier, months, days, hours) in [
            ("2024-03-01T00:00:00", "2024-01-31T00:00:00", 1, 1, 0),
            ("2001-04-10T00:00:00", "1957-06-13T00:00:00", 525, 27, 0),
            ("2024-03-01T06:00:00", "2024-02-29T12:00:00", 0, 0, 18),
            ("2024-01-31T00:00:00", "2024-03-01T00:00:00", -1, -1, 0),
        ] {
            let age = between(moment(later), moment(earlier));
            let expected = IntervalMonthDayNano::new(months, days, hours * 3_600_000_000_000);
            assert_eq!(age, expected, "{later} {earlier}");
        }
    }

    #[test]
    fn parts_of_months_and_days_go_down() {
        let interval = IntervalMonthDayNano::new(1, 1, 0);
        let half = apply(interval, |number| number / 2.0).unwrap();
        assert_eq!(half, IntervalMonthDayNano::new(0, 15, 43_200_000_000_000));
        let twice = apply(IntervalMonthDayNano::new(0, 1, 0), |number| number * 2.0).unwrap();
        assert_eq!(twice, IntervalMonthDayNano::new(0, 2, 0));
        assert_eq!(apply(interval, |number| number * 1e12), None);
    }
}
