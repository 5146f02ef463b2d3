//! Casts as PostgreSQL makes them where Arrow's cut off or go by other digits: numbers with a fraction to integers,
//! binary floating point to `numeric`.

use std::sync::Arc;

use contract::{DataException, Error};
use datafusion::arrow::array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Float64Type, i256};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Decimal digits that a `real` and a `double precision` are good for: `numeric` takes no more of them.
const DIGITS_OF_FLOAT4: usize = 6;
const DIGITS_OF_FLOAT8: usize = 15;

/// The function that casts from one type to the other, if the plain cast would not do.
pub(super) fn replacement(from: &DataType, to: &DataType) -> Option<Arc<ScalarUDF>> {
    let fractional = from.is_floating() || from.is_decimal();
    let wrong = fractional && to.is_integer() || from.is_floating() && matches!(to, DataType::Decimal128(..));
    wrong.then(|| {
        Arc::new(ScalarUDF::from(CheckedCast {
            target: to.clone(),
            signature: Signature::any(1, Volatility::Immutable),
        }))
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedCast {
    target: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for CheckedCast {
    fn name(&self) -> &str {
        "checked_cast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = arguments.args.as_slice() else {
            return exec_err!("a cast takes one value");
        };
        match value {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(self.cast(array)?)),
            ColumnarValue::Scalar(scalar) => {
                let array = self.cast(&scalar.to_array()?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}

impl CheckedCast {
    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        if let DataType::Decimal128(precision, scale) = self.target {
            return float_to_numeric(array, precision, scale);
        }
        let whole = whole_numbers(array, &self.target)?;
        Ok(match self.target {
            DataType::Int8 => narrowed::<Int8Type>(&whole),
            DataType::Int16 => narrowed::<Int16Type>(&whole),
            DataType::Int32 => narrowed::<Int32Type>(&whole),
            DataType::Int64 => narrowed::<Int64Type>(&whole),
            DataType::UInt8 => narrowed::<UInt8Type>(&whole),
            DataType::UInt16 => narrowed::<UInt16Type>(&whole),
            DataType::UInt32 => narrowed::<UInt32Type>(&whole),
            DataType::UInt64 => narrowed::<UInt64Type>(&whole),
            ref other => return exec_err!("no cast to {other}"),
        }
        .map_err(|()| out_of_range(&self.target))?)
    }
}

fn narrowed<T>(whole: &[Option<i128>]) -> std::result::Result<ArrayRef, ()>
where
    T: ArrowPrimitiveType,
    T::Native: TryFrom<i128>,
{
    let values = whole.iter().map(|value| {
        value
            .map(|value| T::Native::try_from(value).map_err(|_| ()))
            .transpose()
    });
    let array: PrimitiveArray<T> = values
        .collect::<std::result::Result<Vec<_>, ()>>()?
        .into_iter()
        .collect();
    Ok(Arc::new(array))
}

/// The values rounded: halves of decimals away from zero, halves of floats to the even number.
fn whole_numbers(array: &ArrayRef, target: &DataType) -> Result<Vec<Option<i128>>> {
    Ok(match array.data_type() {
        DataType::Decimal256(_, scale) => {
            let divisor = i256::from_i128(10).checked_pow(u32::try_from(*scale).unwrap_or(0));
            let divisor = divisor.ok_or_else(|| out_of_range(target))?;
            let rounded = |value: i256| {
                let (quotient, rest) = (value.checked_div(divisor)?, value.checked_rem(divisor)?);
                let rest = rest.checked_abs()?;
                let up = rest >= divisor.checked_sub(rest)?;
                quotient.to_i128()?.checked_add(match (up, value.is_negative()) {
                    (true, true) => -1,
                    (true, false) => 1,
                    (false, _) => 0,
                })
            };
            let values = array.as_primitive::<Decimal256Type>().iter();
            values
                .map(|value| {
                    value
                        .map(|value| rounded(value).ok_or_else(|| out_of_range(target)))
                        .transpose()
                })
                .collect::<std::result::Result<_, _>>()?
        }
        data_type if data_type.is_decimal() => {
            let scale = match data_type {
                DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
                    *scale
                }
                _ => 0,
            };
            let wide = cast(array, &DataType::Decimal128(38, scale))?;
            let power = 10_i128.checked_pow(u32::from(scale.unsigned_abs()));
            let power = power.ok_or_else(|| out_of_range(target))?;
            let rounded = |value: i128| match scale >= 0 {
                true => Some(rounded_quotient(value, power)),
                false => value.checked_mul(power),
            };
            let values = wide.as_primitive::<Decimal128Type>().iter();
            values
                .map(|value| {
                    value
                        .map(|value| rounded(value).ok_or_else(|| out_of_range(target)))
                        .transpose()
                })
                .collect::<std::result::Result<_, _>>()?
        }
        _ => {
            let wide = cast(array, &DataType::Float64)?;
            let rounded = |value: f64| {
                let value = value.round_ties_even();
                // Far beyond any integer type, and far within what the cast to 128 bits holds.
                let fits = value.is_finite() && value.abs() < 1e30;
                if fits {
                    Ok(value as i128)
                } else {
                    Err(out_of_range(target))
                }
            };
            let values = wide.as_primitive::<Float64Type>().iter();
            values
                .map(|value| value.map(rounded).transpose())
                .collect::<std::result::Result<_, _>>()?
        }
    })
}

/// The quotient, halves away from zero. `divisor` is positive.
fn rounded_quotient(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, (value % divisor).abs());
    if rest < divisor - rest {
        quotient
    } else {
        quotient + value.signum()
    }
}

fn float_to_numeric(array: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef> {
    let digits = match array.data_type() {
        DataType::Float64 => DIGITS_OF_FLOAT8,
        _ => DIGITS_OF_FLOAT4,
    };
    let wide = cast(array, &DataType::Float64)?;
    let limit = 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX);
    let values = wide.as_primitive::<Float64Type>().iter().map(|value| {
        let scaled = value.map(|value| {
            scaled_digits(value, digits, scale)
                .filter(|number| number.abs() < limit)
                .ok_or_else(|| Error::data(DataException::NumericValueOutOfRange, "numeric field overflow"))
        });
        scaled.transpose()
    });
    let array: Decimal128Array = values
        .collect::<std::result::Result<Vec<_>, _>>()?
        .into_iter()
        .collect();
    Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
}

/// The first `digits` decimal digits of `value`, as a multiple of ten to the power of minus `scale`.
fn scaled_digits(value: f64, digits: usize, scale: i8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    let after_first = digits.saturating_sub(1);
    let written = format!("{value:.after_first$e}");
    let (mantissa, exponent) = written.split_once('e')?;
    let mantissa: i128 = mantissa.replace('.', "").parse().ok()?;
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(after_first).ok()? + i32::from(scale);
    if mantissa == 0 {
        return Some(0);
    }
    if exponent >= 0 {
        return mantissa.checked_mul(10_i128.checked_pow(exponent.unsigned_abs())?);
    }
    Some(match 10_i128.checked_pow(exponent.unsigned_abs()) {
        Some(power) => rounded_quotient(mantissa, power),
        None => 0,
    })
}

fn out_of_range(target: &DataType) -> Error {
    let name = match target {
        DataType::Int16 => "smallint",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::UInt32 => "OID",
        _ => "value",
    };
    Error::data(DataException::NumericValueOutOfRange, format!("{name} out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        for (value, divisor, whole) in [
            (25, 10, 3),
            (-25, 10, -3),
            (24, 10, 2),
            (-24, 10, -2),
            (5, 10, 1),
            (7, 1, 7),
        ] {
            assert_eq!(rounded_quotient(value, divisor), whole, "{value} / {divisor}");
        }
    }

    #[test]
    fn floats_give_the_digits_they_are_good_for() {
        assert_eq!(scaled_digits(1.005, DIGITS_OF_FLOAT8, 2), Some(101));
        assert_eq!(
            scaled_digits(0.1 + 0.2, DIGITS_OF_FLOAT8, 17),
            Some(30_000_000_000_000_000)
        );
        assert_eq!(scaled_digits(-2.5, DIGITS_OF_FLOAT8, 0), Some(-3));
        assert_eq!(scaled_digits(1e300, DIGITS_OF_FLOAT8, 0), None);
        assert_eq!(scaled_digits(1e-300, DIGITS_OF_FLOAT8, 10), Some(0));
        assert_eq!(scaled_digits(f64::NAN, DIGITS_OF_FLOAT8, 0), None);
    }
}
