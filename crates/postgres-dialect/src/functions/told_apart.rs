//! A value as it is, under a name of its own.

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// What a rewritten statement calls with a value and a text, which is part of the name of the column that it makes.
pub(crate) const TOLD_APART: &str = "lakegate_told_apart";

pub(super) fn told_apart() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(ToldApart {
        signature: Signature::any(2, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToldApart {
    signature: Signature,
}

impl ScalarUDFImpl for ToldApart {
    fn name(&self) -> &str {
        TOLD_APART
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        internal_err!("{TOLD_APART} is asked for its field")
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        match arguments.arg_fields {
            [value, _] => Ok(Arc::clone(value)),
            _ => exec_err!("{TOLD_APART} takes two arguments"),
        }
    }

    fn simplify(&self, arguments: Vec<Expr>, _context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match <[Expr; 2]>::try_from(arguments) {
            Ok([value, _]) => Ok(ExprSimplifyResult::Simplified(value)),
            Err(arguments) => Ok(ExprSimplifyResult::Original(arguments)),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match <[ColumnarValue; 2]>::try_from(arguments.args) {
            Ok([value, _]) => Ok(value),
            Err(_) => exec_err!("{TOLD_APART} takes two arguments"),
        }
    }
}
