//! Which floating point stands for several types of numbers.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, ExprSchemable};

/// Whether these are numbers of which one is floating point and another is of another type.
pub(super) fn is_mixed<'t>(types: impl IntoIterator<Item = &'t DataType>) -> bool {
    let mut float = false;
    let mut first = None;
    let mut differ = false;
    for one in types {
        if one.is_null() {
            continue;
        }
        if !one.is_numeric() {
            return false;
        }
        float |= one.is_floating();
        differ |= *first.get_or_insert(one) != one;
    }
    float && differ
}

/// The type that a choice between these has: the widest floating point among them.
pub(super) fn widest_float<'t>(types: impl IntoIterator<Item = &'t DataType>) -> DataType {
    let double = types.into_iter().any(|one| *one == DataType::Float64);
    if double { DataType::Float64 } else { DataType::Float32 }
}

/// An expression as a floating point of type `to`.
pub(super) fn as_type(expr: Expr, to: &DataType, schema: &DFSchema) -> Result<Expr> {
    if let Expr::Literal(value, _) = &expr
        && let Some(number) = constant(value)
    {
        return Ok(Expr::Literal(
            match to {
                DataType::Float32 => ScalarValue::Float32(Some(number as f32)),
                _ => ScalarValue::Float64(Some(number)),
            },
            None,
        ));
    }
    expr.cast_to(to, schema)
}

/// The double precision that is nearest to a constant.
pub(super) fn constant(value: &ScalarValue) -> Option<f64> {
    match value {
        // A quotient of the digits and a power of ten would be rounded twice.
        ScalarValue::Decimal128(Some(digits), _, scale) => format!("{digits}e{}", -i32::from(*scale)).parse().ok(),
        ScalarValue::Int32(Some(number)) => Some(f64::from(*number)),
        ScalarValue::Int64(Some(number)) => Some(*number as f64),
        _ => None,
    }
}
