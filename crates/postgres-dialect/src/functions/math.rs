//! Mathematical functions that raise where PostgreSQL raises, and that give a `numeric` PostgreSQL's scale.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Float64Array};
use arrow_schema::{DataType, Field, FieldRef};
use contract::{DataException, Error};
use datafusion::arrow::compute::cast;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions::math;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The most digits that a `numeric` of ours has.
pub(super) const PRECISION_MAX: u8 = 38;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let guarded = [
        (math::sqrt(), Guard::Root),
        (math::ln(), Guard::Logarithm),
        (math::log(), Guard::Logarithm),
        (math::log10(), Guard::Logarithm),
        (math::power(), Guard::Power),
        (math::exp(), Guard::Overflow),
        (math::round(), Guard::HalfToEven),
    ];
    let cut = [
        (math::ceil(), Cut::Up, "ceiling"),
        (math::floor(), Cut::Down, ""),
        (math::trunc(), Cut::ToZero, ""),
    ];
    let guarded = guarded
        .into_iter()
        .map(|(inner, guard)| Arc::new(ScalarUDF::new_from_impl(Guarded { inner, guard })));
    let cut = cut.into_iter().map(|(inner, cut, alias)| {
        let mut aliases = inner.aliases().to_vec();
        if !alias.is_empty() && !aliases.iter().any(|one| one == alias) {
            aliases.push(alias.to_owned());
        }
        Arc::new(ScalarUDF::new_from_impl(CutNumeric {
            inner,
            cut,
            aliases,
            signature: Signature::user_defined(Volatility::Immutable),
        }))
    });
    guarded.chain(cut).collect()
}

/// What is not defined, or is defined otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guard {
    Root,
    Logarithm,
    Power,
    Overflow,
    HalfToEven,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
    guard: Guard,
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arguments)
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(arguments)
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arguments)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.guard == Guard::HalfToEven {
            return match arguments.args.as_slice() {
                [ColumnarValue::Scalar(ScalarValue::Float64(Some(value)))] => Ok(ColumnarValue::Scalar(
                    ScalarValue::Float64(Some(value.round_ties_even())),
                )),
                [ColumnarValue::Scalar(ScalarValue::Float32(Some(value)))] => Ok(ColumnarValue::Scalar(
                    ScalarValue::Float32(Some(value.round_ties_even())),
                )),
                [ColumnarValue::Array(array)] if array.data_type().is_floating() => Ok(ColumnarValue::Array(
                    if let Some(values) = array.as_primitive_opt::<Float64Type>() {
                        Arc::new(values.unary::<_, Float64Type>(f64::round_ties_even))
                    } else if let Some(values) = array.as_primitive_opt::<Float32Type>() {
                        Arc::new(values.unary::<_, Float32Type>(f32::round_ties_even))
                    } else {
                        return self.inner.invoke_with_args(arguments);
                    },
                )),
                _ => self.inner.invoke_with_args(arguments),
            };
        }
        let given = floats(&arguments.args)?;
        let given: Vec<&Float64Array> = given.iter().map(|array| array.as_primitive::<Float64Type>()).collect();
        let rows = given.iter().map(|array| array.len()).max().unwrap_or(0);
        let at = |array: &Float64Array, row: usize| {
            let row = if array.len() == 1 { 0 } else { row };
            (row < array.len() && array.is_valid(row)).then(|| array.value(row))
        };
        if given.iter().all(|array| array.len() == rows || array.len() == 1) {
            for row in 0..rows {
                let values: Option<Vec<f64>> = given.iter().map(|array| at(array, row)).collect();
                if let Some(values) = values {
                    self.guard.check(&values)?;
                }
            }
        }
        let result = self.inner.invoke_with_args(arguments)?;
        if matches!(self.guard, Guard::Power | Guard::Overflow) {
            let results = floats(std::slice::from_ref(&result))?;
            let infinite = results.first().is_some_and(|array| {
                let mut values = array.as_primitive::<Float64Type>().iter().flatten();
                values.any(f64::is_infinite)
            });
            let given_infinite = given.iter().any(|array| array.iter().flatten().any(f64::is_infinite));
            if infinite && !given_infinite {
                return Err(Error::data(DataException::NumericValueOutOfRange, "value out of range: overflow").into());
            }
        }
        Ok(result)
    }
}

impl Guard {
    fn check(self, values: &[f64]) -> Result<()> {
        let (exception, message) = match (self, values) {
            (Self::Root, [value]) if *value < 0.0 => (
                DataException::InvalidArgumentForPower,
                "cannot take square root of a negative number",
            ),
            (Self::Logarithm, values) if values.contains(&0.0) => (
                DataException::InvalidArgumentForLogarithm,
                "cannot take logarithm of zero",
            ),
            (Self::Logarithm, values) if values.iter().any(|value| *value < 0.0) => (
                DataException::InvalidArgumentForLogarithm,
                "cannot take logarithm of a negative number",
            ),
            (Self::Logarithm, [base, _]) if *base == 1.0 => (DataException::DivisionByZero, "division by zero"),
            (Self::Power, [base, exponent]) if *base == 0.0 && *exponent < 0.0 => (
                DataException::InvalidArgumentForPower,
                "zero raised to a negative power is undefined",
            ),
            (Self::Power, [base, exponent])
                if *base < 0.0 && base.is_finite() && exponent.is_finite() && exponent.fract() != 0.0 =>
            {
                (
                    DataException::InvalidArgumentForPower,
                    "a negative number raised to a non-integer power yields a complex result",
                )
            }
            _ => return Ok(()),
        };
        Err(Error::data(exception, message).into())
    }
}

/// The values as floats; a single one for a constant.
fn floats(values: &[ColumnarValue]) -> Result<Vec<ArrayRef>> {
    let arrays = values.iter().map(|value| {
        let array = value.to_array(1)?;
        Ok(cast(&array, &DataType::Float64)?)
    });
    arrays.collect()
}

/// To which side a fraction is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Cut {
    Up,
    Down,
    ToZero,
}

/// `ceil`, `floor` and `trunc`, of `numeric` too.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CutNumeric {
    inner: Arc<ScalarUDF>,
    cut: Cut,
    aliases: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for CutNumeric {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.first() {
            Some(DataType::Decimal128(precision, scale)) if arguments.len() == 1 => Ok(cut_type(*precision, *scale, 0)),
            Some(other) => Ok(other.clone()),
            None => plan_err!(
                "No function matches the given name and argument types '{}'",
                self.name()
            ),
        }
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = arguments
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let data_type = match (types.first(), arguments.scalar_arguments.get(1)) {
            // Only a constant tells how many digits the result has.
            (Some(DataType::Decimal128(precision, scale)), Some(Some(digits))) => {
                let digits = whole(digits).unwrap_or(0).clamp(0, i64::from(PRECISION_MAX));
                cut_type(*precision, *scale, i8::try_from(digits).unwrap_or(0))
            }
            _ => self.return_type(&types)?,
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let number = |given: &DataType| match given {
            DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
                DataType::Decimal128(*precision, *scale)
            }
            DataType::Decimal128(..) | DataType::Float32 | DataType::Float64 => given.clone(),
            _ => DataType::Float64,
        };
        match (types, self.cut) {
            ([one], _) if !one.is_temporal() => Ok(vec![number(one)]),
            ([one, digits], Cut::ToZero) if digits.is_integer() || digits.is_null() => {
                let one = match one {
                    one if one.is_integer() => DataType::Decimal128(20, 0),
                    one => number(one),
                };
                Ok(vec![one, DataType::Int64])
            }
            _ => plan_err!(
                "No function matches the given name and argument types '{}'",
                self.name()
            ),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(DataType::Decimal128(_, scale)) = arguments.args.first().map(ColumnarValue::data_type) else {
            return self.inner.invoke_with_args(arguments);
        };
        let DataType::Decimal128(precision, kept) = *arguments.return_field.data_type() else {
            return exec_err!("{} of numeric gives numeric", self.name());
        };
        let constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [values, rest @ ..] = arrays.as_slice() else {
            return exec_err!("{} takes an argument", self.name());
        };
        let digits = rest.first().map(|digits| cast(digits, &DataType::Int64)).transpose()?;
        let digits = digits
            .as_ref()
            .map(|array| array.as_primitive::<arrow_array::types::Int64Type>());
        let values = values.as_primitive::<Decimal128Type>();
        let mut cut = Vec::with_capacity(values.len());
        for row in 0..values.len() {
            let digits = match digits {
                Some(digits) if digits.is_null(row) => None,
                Some(digits) => Some(digits.value(row)),
                None => Some(0),
            };
            cut.push(match digits {
                Some(digits) if values.is_valid(row) => Some(
                    self.cut
                        .apply(values.value(row), scale, digits, kept)
                        .ok_or_else(overflow)?,
                ),
                _ => None,
            });
        }
        let array = Decimal128Array::from(cut).with_precision_and_scale(precision, kept)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(array)))
    }
}

impl Cut {
    /// `value` of scale `scale` cut to `digits` behind the point (in front of it if negative), in scale `kept`.
    fn apply(self, value: i128, scale: i8, digits: i64, kept: i8) -> Option<i128> {
        let dropped = i64::from(scale).checked_sub(digits)?;
        let (cut, at) = if dropped > 0 {
            let Some(unit) = power_of_ten(dropped) else {
                return Some(0);
            };
            let quotient = match self {
                Self::ToZero => value / unit,
                Self::Down => value.div_euclid(unit),
                Self::Up => value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0),
            };
            (quotient, digits)
        } else {
            (value, i64::from(scale))
        };
        match i64::from(kept).checked_sub(at)? {
            0 => Some(cut),
            more if more > 0 => cut.checked_mul(power_of_ten(more)?),
            fewer => Some(cut / power_of_ten(-fewer)?),
        }
    }
}

/// Ten to that power, if 128 bits hold it.
pub(super) fn power_of_ten(exponent: i64) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// The type of a numeric whose fraction is cut to `kept` digits.
fn cut_type(precision: u8, scale: i8, kept: i8) -> DataType {
    let whole = i16::from(precision) - i16::from(scale) + 1;
    let precision = (whole + i16::from(kept)).clamp(1, i16::from(PRECISION_MAX));
    DataType::Decimal128(u8::try_from(precision).unwrap_or(PRECISION_MAX), kept)
}

/// The error for a number with more digits than a `numeric` of ours holds.
pub(super) fn overflow() -> Error {
    Error::data(DataException::NumericValueOutOfRange, "value overflows numeric format")
}

/// An integer constant.
fn whole(value: &ScalarValue) -> Option<i64> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(value)) => value,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_cut_to_their_side() {
        for (cut, value, whole) in [
            (Cut::Up, 121, 2),
            (Cut::Up, -121, -1),
            (Cut::Up, 200, 2),
            (Cut::Down, -121, -2),
            (Cut::Down, 199, 1),
            (Cut::ToZero, 199, 1),
            (Cut::ToZero, -199, -1),
        ] {
            assert_eq!(cut.apply(value, 2, 0, 0), Some(whole), "{cut:?} {value}");
        }
        assert_eq!(Cut::ToZero.apply(12_345, 2, 1, 1), Some(1_234));
        assert_eq!(Cut::ToZero.apply(12_345, 2, -2, 0), Some(100));
        assert_eq!(Cut::ToZero.apply(12_345, 2, 4, 4), Some(1_234_500));
    }
}
