//! PostgreSQL knows one NaN, as Spark does; Arrow tells those with a sign, or with other bits, from one another.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, ArrowNativeTypeOp as _, ArrowPrimitiveType, AsArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};

/// `array` with one NaN for all, if it is of floating point; nested values stay as they are.
pub fn with_one_nan(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float64 => unified::<Float64Type>(array, f64::NAN, f64::is_nan),
        DataType::Float32 => unified::<Float32Type>(array, f32::NAN, f32::is_nan),
        _ => Arc::clone(array),
    }
}

fn unified<T: ArrowPrimitiveType>(array: &ArrayRef, nan: T::Native, is_nan: impl Fn(T::Native) -> bool) -> ArrayRef {
    let floats = array.as_primitive::<T>();
    // Without a branch, so that many are looked at at once.
    let is_other = |value: &T::Native| is_nan(*value) & !value.is_eq(nan);
    match floats
        .values()
        .iter()
        .fold(false, |found, value| found | is_other(value))
    {
        true => Arc::new(floats.unary::<_, T>(|value| if is_nan(value) { nan } else { value })),
        false => Arc::clone(array),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Float32Array, Float64Array, Int32Array};

    use super::*;

    #[test]
    fn every_nan_becomes_the_same_and_all_else_stays() {
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(-f64::NAN),
            None,
            Some(f64::from_bits(0x7ff0_0000_0000_0001)),
            Some(-0.0),
            Some(f64::NEG_INFINITY),
        ]));
        let doubles = with_one_nan(&doubles);
        let bits = doubles.as_primitive::<Float64Type>().iter();
        let bits: Vec<_> = bits.map(|value| value.map(f64::to_bits)).collect();
        let nan = Some(f64::NAN.to_bits());
        let rest = [-0.0_f64, f64::NEG_INFINITY].map(|value| Some(value.to_bits()));
        assert_eq!(bits, [nan, None, nan, rest[0], rest[1]]);
        let reals: ArrayRef = Arc::new(Float32Array::from(vec![-f32::NAN, 1.5]));
        let reals = with_one_nan(&reals);
        let reals = reals.as_primitive::<Float32Type>();
        assert_eq!(reals.value(0).to_bits(), f32::NAN.to_bits());
        assert_eq!(reals.value(1), 1.5);
    }

    #[test]
    fn nothing_is_copied_that_need_not_be() {
        let arrays: [ArrayRef; 2] = [
            Arc::new(Float64Array::from(vec![f64::NAN, 1.0])),
            Arc::new(Int32Array::from(vec![1])),
        ];
        for array in arrays {
            assert!(Arc::ptr_eq(&with_one_nan(&array), &array));
        }
    }
}
