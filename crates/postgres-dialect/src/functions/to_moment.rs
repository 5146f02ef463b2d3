//! `to_date` and `to_timestamp`.

use std::sync::Arc;

use arrow_array::builder::{Date32Builder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, Duration, LocalResult, NaiveDateTime, NaiveTime, Offset, TimeZone};
use contract::{DataException, Error};
use datafusion::arrow::array::timezone::Tz;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions::datetime;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::moment_fields::Moment;
use super::moment_parse::parse;
use super::moment_template::{Node, nodes};

const MICROS_PER_SECOND: f64 = 1e6;
/// The first day of 1970, in days of the common era.
const EPOCH: i32 = 719_163;

/// `to_date(text, template)`, and DataFusion's own with one argument.
pub(super) fn to_date() -> Arc<ScalarUDF> {
    function("to_date", None, datetime::to_date())
}

/// `to_timestamp(text, template)` and `to_timestamp(seconds)` in a session of that zone, and DataFusion's own for other
/// arguments.
pub(super) fn to_timestamp(zone: Option<&String>) -> Arc<ScalarUDF> {
    let zone = zone.map_or("UTC", String::as_str);
    let inner = datetime::to_timestamp(&datafusion::config::ConfigOptions::default());
    function("to_timestamp", Some(zone.into()), inner)
}

fn function(name: &'static str, zone: Option<Arc<str>>, inner: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ToMoment {
        name,
        zone,
        inner,
        signature: Signature::user_defined(Volatility::Stable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToMoment {
    name: &'static str,
    /// The session's zone, for what gives a timestamp.
    zone: Option<Arc<str>>,
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ToMoment {
    fn own_type(&self) -> DataType {
        match &self.zone {
            Some(zone) => DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::clone(zone))),
            None => DataType::Date32,
        }
    }

    fn is_own(&self, types: &[DataType]) -> bool {
        match types {
            [_, _] => true,
            [seconds] => self.zone.is_some() && seconds.is_numeric(),
            _ => false,
        }
    }

    fn by_template(&self, texts: &ArrayRef, templates: &ArrayRef) -> Result<ArrayRef> {
        let (texts, templates) = (texts.as_string::<i32>(), templates.as_string::<i32>());
        let mut known: Option<(&str, Vec<Node>)> = None;
        let mut moments = Vec::with_capacity(texts.len());
        for pair in texts.iter().zip(templates) {
            let (Some(text), Some(template)) = pair else {
                moments.push(None);
                continue;
            };
            let template = match &mut known {
                Some((own, nodes)) if *own == template => nodes,
                other => &mut other.insert((template, nodes(template))).1,
            };
            moments.push(Some(parse(text, template)?));
        }
        let Some(zone) = &self.zone else {
            let mut days = Date32Builder::with_capacity(moments.len());
            for moment in moments {
                days.append_option(moment.map(|moment| moment.date.num_days_from_ce() - EPOCH));
            }
            return Ok(Arc::new(days.finish()));
        };
        let zone: Tz = zone.parse()?;
        let mut instants = TimestampMicrosecondBuilder::with_capacity(moments.len());
        for moment in moments {
            instants.append_option(moment.map(|moment| instant(moment, zone)).transpose()?);
        }
        Ok(Arc::new(instants.finish().with_data_type(self.own_type())))
    }

    fn by_seconds(&self, seconds: &ArrayRef) -> Result<ArrayRef> {
        let mut instants = TimestampMicrosecondBuilder::with_capacity(seconds.len());
        for seconds in seconds.as_primitive::<Float64Type>() {
            let micros = seconds.map(|seconds| (seconds * MICROS_PER_SECOND).round_ties_even());
            instants.append_option(match micros {
                Some(micros) if micros.is_nan() => {
                    return Err(out_of_range("timestamp cannot be NaN".to_owned()).into());
                }
                // What a timestamp of 64 bits holds.
                Some(micros) if micros.abs() >= 9.2e18 => {
                    let shown = seconds.unwrap_or_default();
                    return Err(out_of_range(format!("timestamp out of range: \"{shown}\"")).into());
                }
                micros => micros.map(|micros| micros as i64),
            });
        }
        Ok(Arc::new(instants.finish().with_data_type(self.own_type())))
    }
}

fn out_of_range(message: String) -> Error {
    Error::data(DataException::DatetimeFieldOverflow, message)
}

/// The instant that a moment is on the clocks of a zone, in microseconds.
fn instant(moment: Moment, zone: Tz) -> contract::Result<i64> {
    let overflow = || out_of_range("timestamp out of range".to_owned());
    let midnight = NaiveDateTime::new(moment.date, NaiveTime::MIN);
    let local = midnight
        .checked_add_signed(Duration::microseconds(moment.micros))
        .ok_or_else(overflow)?;
    let offset = match moment.offset {
        Some(offset) => i64::from(offset),
        None => match zone.from_local_datetime(&local) {
            // Clocks that were set back show a time twice: the second counts.
            LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => seconds_east(&at),
            // Clocks that were set forward never show it: it is as if they had not been yet.
            LocalResult::None => zone
                .from_local_datetime(&(local - Duration::days(1)))
                .latest()
                .map(|at| seconds_east(&at))
                .ok_or_else(overflow)?,
        },
    };
    let instant = local
        .checked_sub_signed(Duration::seconds(offset))
        .ok_or_else(overflow)?;
    Ok(instant.and_utc().timestamp_micros())
}

fn seconds_east(at: &DateTime<Tz>) -> i64 {
    i64::from(at.offset().fix().local_minus_utc())
}

impl ScalarUDFImpl for ToMoment {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_text = |one: &DataType| one.is_string() || one.is_null();
        match types {
            [text, template] if is_text(text) && is_text(template) => Ok(vec![DataType::Utf8; 2]),
            [_] if self.is_own(types) => Ok(vec![DataType::Float64]),
            [one] => Ok(vec![match one {
                DataType::Null => DataType::Utf8,
                other => other.clone(),
            }]),
            _ => plan_err!("No function matches the given name and argument types '{}'", self.name),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match self.is_own(types) {
            true => Ok(self.own_type()),
            false => self.inner.return_type(types),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<arrow_schema::FieldRef> {
        let types: Vec<_> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        if self.is_own(&types) {
            return Ok(Arc::new(arrow_schema::Field::new(self.name, self.own_type(), true)));
        }
        self.inner.return_field_from_args(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<_> = arguments.args.iter().map(ColumnarValue::data_type).collect();
        if !self.is_own(&types) {
            return self.inner.invoke_with_args(arguments);
        }
        let constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let array = match arrays.as_slice() {
            [texts, templates] => self.by_template(texts, templates)?,
            [seconds] => self.by_seconds(seconds)?,
            _ => return exec_err!("{} takes one or two arguments", self.name),
        };
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?),
            false => ColumnarValue::Array(array),
        })
    }
}
