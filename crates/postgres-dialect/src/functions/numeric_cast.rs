//! `x::numeric` without a scale: PostgreSQL keeps the digits that the value has.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast,
};

use super::quotients::as_decimal;

/// What a rewritten statement calls where it casts to `numeric`, until the type of the argument is known.
pub(crate) const NUMERIC: &str = "lakegate_numeric";
/// For values whose digits behind the point are known only when they are there.
const UNKNOWN: DataType = DataType::Decimal128(38, 10);

pub(super) fn numeric() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(AsNumeric {
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

/// The type of `x::numeric`.
fn numeric_type(from: &DataType) -> DataType {
    match from {
        DataType::Decimal256(..) => from.clone(),
        other => match as_decimal(other) {
            Some((precision, scale)) => DataType::Decimal128(precision, scale),
            None => UNKNOWN,
        },
    }
}

/// The cast itself, which is none for what is `numeric`.
pub(crate) fn numeric_cast(argument: Expr, from: Option<&DataType>) -> Expr {
    match from {
        Some(from) if from.is_decimal() => argument,
        Some(from) => cast(argument, numeric_type(from)),
        None => cast(argument, UNKNOWN),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsNumeric {
    signature: Signature,
}

impl ScalarUDFImpl for AsNumeric {
    fn name(&self) -> &str {
        NUMERIC
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(match types {
            [from] if from.is_decimal() => from.clone(),
            [from] => numeric_type(from),
            _ => UNKNOWN,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [value] => value.cast_to(arguments.return_field.data_type(), None),
            _ => exec_err!("{NUMERIC} takes one argument"),
        }
    }
}
