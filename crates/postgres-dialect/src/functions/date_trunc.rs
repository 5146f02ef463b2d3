//! `date_trunc` of any time on the wall. DataFusion's goes through nanoseconds, which 64 bits hold from 1677 to 2262.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_schema::{DataType, FieldRef, TimeUnit};
use chrono::{Datelike, NaiveDate};
use contract::{DataException, Error};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::functions::datetime;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

const MICROSECONDS_OF_DAY: i64 = 86_400_000_000;
/// 1970-01-01 in days of the common era.
const EPOCH: i64 = 719_163;

pub(super) fn date_trunc() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(DateTrunc {
        inner: datetime::date_trunc(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    /// For moments, which have a zone, and for times of a day.
    inner: Arc<ScalarUDF>,
    signature: Signature,
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let moment = match types {
            [unit, moment] if unit.is_string() || unit.is_null() => moment,
            _ => return unmatched(),
        };
        let moment = match moment {
            DataType::Timestamp(..) | DataType::Time32(_) | DataType::Time64(_) => moment.clone(),
            other if other.is_string() || other.is_null() || matches!(other, DataType::Date32 | DataType::Date64) => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            _ => return unmatched(),
        };
        Ok(vec![DataType::Utf8, moment])
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let unit = match arguments.args.first() {
            Some(ColumnarValue::Scalar(unit)) => unit.try_as_str().flatten().and_then(Unit::of),
            _ => None,
        };
        let out_of_range = || {
            DataFusionError::from(Error::data(
                DataException::DatetimeFieldOverflow,
                "timestamp out of range",
            ))
        };
        match (unit, arguments.args.get(1)) {
            (Some(unit), Some(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(value, None)))) => {
                let start = value.map(|value| unit.start(value).ok_or_else(out_of_range));
                let start = ScalarValue::TimestampMicrosecond(start.transpose()?, None);
                Ok(ColumnarValue::Scalar(start))
            }
            (Some(unit), Some(ColumnarValue::Array(array)))
                if *array.data_type() == DataType::Timestamp(TimeUnit::Microsecond, None) =>
            {
                let values = array.as_primitive::<TimestampMicrosecondType>();
                let starts = values
                    .try_unary::<_, TimestampMicrosecondType, _>(|value| unit.start(value).ok_or_else(out_of_range))?;
                Ok(ColumnarValue::Array(Arc::new(starts)))
            }
            _ => self.inner.invoke_with_args(arguments),
        }
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.output_ordering(inputs)
    }
}

fn unmatched<T>() -> Result<T> {
    plan_err!("No function matches the given name and argument types 'date_trunc'")
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    /// So many microseconds.
    Fixed(i64),
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "microsecond" => Self::Fixed(1),
            "millisecond" => Self::Fixed(1_000),
            "second" => Self::Fixed(1_000_000),
            "minute" => Self::Fixed(60_000_000),
            "hour" => Self::Fixed(3_600_000_000),
            "day" => Self::Fixed(MICROSECONDS_OF_DAY),
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The first moment of the unit that `value` lies in, both in microseconds; `None` where there is none.
    fn start(self, value: i64) -> Option<i64> {
        let days = value.div_euclid(MICROSECONDS_OF_DAY);
        let date = || NaiveDate::from_num_days_from_ce_opt(i32::try_from(days.checked_add(EPOCH)?).ok()?);
        let first = |date: NaiveDate, month| NaiveDate::from_ymd_opt(date.year(), month, 1);
        let days = match self {
            Self::Fixed(microseconds) => return value.checked_sub(value.rem_euclid(microseconds)),
            // It was a Thursday.
            Self::Week => days - (days + 3).rem_euclid(7),
            Self::Month => in_days(date().and_then(|date| first(date, date.month()))?),
            Self::Quarter => in_days(date().and_then(|date| first(date, date.month0() / 3 * 3 + 1))?),
            Self::Year => in_days(date().and_then(|date| first(date, 1))?),
        };
        days.checked_mul(MICROSECONDS_OF_DAY)
    }
}

fn in_days(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - EPOCH
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::*;

    #[test]
    fn units_begin_where_postgres_begins_them() {
        let moment = |text: &str| text.parse::<NaiveDateTime>().unwrap().and_utc().timestamp_micros();
        for (unit, value, start) in [
            ("millisecond", "1969-12-31T23:59:59.999999", "1969-12-31T23:59:59.999"),
            ("hour", "0001-01-01T05:06:07", "0001-01-01T05:00:00"),
            ("DAY", "1969-12-31T23:59:59.999999", "1969-12-31T00:00:00"),
            ("week", "2024-12-30T10:00:00", "2024-12-30T00:00:00"),
            ("week", "2025-01-05T10:00:00", "2024-12-30T00:00:00"),
            ("week", "1970-01-01T00:00:00", "1969-12-29T00:00:00"),
            ("month", "9999-12-31T23:59:59.999999", "9999-12-01T00:00:00"),
            ("quarter", "0001-06-30T00:00:00", "0001-04-01T00:00:00"),
            ("quarter", "2024-12-31T00:00:00", "2024-10-01T00:00:00"),
            ("year", "2024-02-29T12:34:56", "2024-01-01T00:00:00"),
        ] {
            let found = Unit::of(unit).unwrap().start(moment(value));
            assert_eq!(found, Some(moment(start)), "{unit} of {value}");
        }
        assert_eq!(Unit::Fixed(60_000_000).start(i64::MIN), None);
        assert_eq!(Unit::Year.start(i64::MAX), None);
        assert!(Unit::of("fortnight").is_none());
    }
}
