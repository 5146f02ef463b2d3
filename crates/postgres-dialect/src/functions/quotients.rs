//! Quotients and averages of `numeric` with as many digits as PostgreSQL gives: sixteen behind the point, or more if an
//! operand has more.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, Decimal128Array};
use arrow_schema::{DataType, FieldRef};
use contract::{DataException, Error};
use datafusion::arrow::datatypes::i256;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, GroupsAccumulator, ReversedUDAF, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::math::{PRECISION_MAX, overflow, power_of_ten};

/// What the division of `numeric` is called in plans.
pub const NUMERIC_DIVIDE: &str = "numeric_divide";
/// Digits behind the point of a quotient, at least.
const QUOTIENT_SCALE: i8 = 16;

/// Division of two `numeric`, or of one and an integer: `numeric` with at least sixteen digits behind the point.
pub fn divide() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Divide {
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// The decimal of 128 bits that holds a number of this type exactly, if there is one.
pub(super) fn as_decimal(data_type: &DataType) -> Option<(u8, i8)> {
    Some(match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => (*precision, *scale),
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        DataType::Int64 | DataType::UInt64 => (20, 0),
        _ => return None,
    })
}

/// The type of a quotient of these.
fn quotient_type(operands: &[DataType]) -> DataType {
    let scales = operands.iter().filter_map(as_decimal).map(|(_, scale)| scale);
    DataType::Decimal128(PRECISION_MAX, scales.fold(QUOTIENT_SCALE, i8::max))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Divide {
    signature: Signature,
}

impl ScalarUDFImpl for Divide {
    fn name(&self) -> &str {
        NUMERIC_DIVIDE
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let decimals = types
            .iter()
            .map(|one| as_decimal(one).map(|(precision, scale)| DataType::Decimal128(precision, scale)));
        match decimals.collect::<Option<Vec<_>>>() {
            Some(decimals) if decimals.len() == 2 => Ok(decimals),
            _ => plan_err!("Cannot coerce the operands of a division"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(quotient_type(types))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Decimal128(precision, scale) = *arguments.return_field.data_type() else {
            return exec_err!("a quotient of numerics is numeric");
        };
        let constant = arguments.args.iter().all(|one| matches!(one, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [left, right] = arrays.as_slice() else {
            return exec_err!("a division takes two operands");
        };
        let (DataType::Decimal128(_, left_scale), DataType::Decimal128(_, right_scale)) =
            (left.data_type(), right.data_type())
        else {
            return exec_err!("a division takes numerics");
        };
        let shift = i64::from(scale) - i64::from(*left_scale) + i64::from(*right_scale);
        let power = power_of_ten(shift).ok_or_else(overflow)?;
        let (left, right) = (
            left.as_primitive::<Decimal128Type>(),
            right.as_primitive::<Decimal128Type>(),
        );
        let quotients = left.iter().zip(right.iter()).map(|operands| match operands {
            (Some(_), Some(0)) => Err(Error::data(DataException::DivisionByZero, "division by zero")),
            (Some(left), Some(right)) => quotient(left, power, right)
                .filter(|quotient| quotient.unsigned_abs() < 10_u128.pow(PRECISION_MAX.into()))
                .map(Some)
                .ok_or_else(overflow),
            _ => Ok(None),
        });
        let array: Decimal128Array = quotients
            .collect::<std::result::Result<Vec<_>, _>>()?
            .into_iter()
            .collect();
        let array = array.with_precision_and_scale(precision, scale)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(Arc::new(array)))
    }
}

/// `left * power / right`, halves away from zero; `right` is not zero.
fn quotient(left: i128, power: i128, right: i128) -> Option<i128> {
    let negative = (left < 0) != (right < 0);
    let signed = |quotient: i128| if negative { -quotient } else { quotient };
    if let Some(numerator) = left.checked_mul(power).filter(|numerator| *numerator != i128::MIN) {
        let (numerator, divisor) = (numerator.unsigned_abs(), right.unsigned_abs());
        let (whole, rest) = (numerator / divisor, numerator % divisor);
        let whole = whole + u128::from(rest >= divisor - rest);
        return i128::try_from(whole).ok().map(signed);
    }
    let wide = |number: i128| i256::from_i128(number).checked_abs();
    let (numerator, divisor) = (wide(left)?.checked_mul(wide(power)?)?, wide(right)?);
    let (whole, rest) = (numerator.checked_div(divisor)?, numerator.checked_rem(divisor)?);
    let up = i128::from(rest >= divisor.checked_sub(rest)?);
    Some(signed(whole.to_i128()?.checked_add(up)?))
}

/// `avg`: of integers and `numeric` it is a quotient.
pub(super) fn average() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Average {
        inner: avg_udaf(),
        signature: Signature::user_defined(Volatility::Immutable),
    }))
}

/// DataFusion's for floating point and intervals. An average of exact numbers has its type here, and is taken apart into
/// sum and count before anything is computed; what is not taken apart is not computed.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    inner: Arc<AggregateUDF>,
    signature: Signature,
}

impl Average {
    fn check(&self, result: &DataType) -> Result<()> {
        match result {
            DataType::Decimal128(..) => internal_err!("an average was not taken apart"),
            _ => Ok(()),
        }
    }
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [one] = types else {
            return plan_err!("No function matches the given name and argument types 'avg'");
        };
        Ok(vec![match one {
            DataType::Decimal256(..) | DataType::Duration(_) => one.clone(),
            other => match as_decimal(other) {
                Some((precision, scale)) => DataType::Decimal128(precision, scale),
                None if other.is_floating() || other.is_null() => DataType::Float64,
                None => return plan_err!("No function matches the given name and argument types 'avg({other})'"),
            },
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [DataType::Decimal128(..)] => Ok(quotient_type(types)),
            _ => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.check(arguments.return_type())?;
        self.inner.accumulator(arguments)
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(arguments)
    }

    fn groups_accumulator_supported(&self, arguments: AccumulatorArgs<'_>) -> bool {
        self.inner.groups_accumulator_supported(arguments)
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.check(arguments.return_type())?;
        self.inner.create_groups_accumulator(arguments)
    }

    fn create_sliding_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.check(arguments.return_type())?;
        self.inner.create_sliding_accumulator(arguments)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.inner.order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_at_any_size() {
        assert_eq!(quotient(7, 10, 2), Some(35));
        assert_eq!(quotient(-7, 1, 2), Some(-4));
        assert_eq!(quotient(1, 1, -3), Some(0));
        assert_eq!(quotient(2, 1, -3), Some(-1));
        let large = 10_i128.pow(37);
        assert_eq!(quotient(large, 10_i128.pow(16), large), Some(10_i128.pow(16)));
        assert_eq!(quotient(-large, 10_i128.pow(16), 1), None);
        assert_eq!(
            quotient(2 * large, 10_i128.pow(16), -3 * large),
            Some(-6_666_666_666_666_667)
        );
    }
}
