//! Functions whose answer can be far larger than their arguments, with a bound. The planner evaluates constants while
//! it plans, outside the memory pool and deaf to cancellation: `repeat('a', 2147483647)` must not get that far.

use std::sync::Arc;

use contract::{Error, ErrorKind};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// The most that one call may produce for one batch, in bytes.
const RESULT_BYTES_MAX: i128 = 256 << 20;
/// What an element of a produced array counts as at least, in bytes.
const ELEMENT_BYTES: i128 = 8;

/// Wraps the functions of `state` that need a bound.
///
/// # Errors
/// Only if a function cannot be registered.
pub(crate) fn bound_functions(state: &mut SessionState) -> Result<()> {
    for (name, growth) in [
        ("repeat", Growth::TextTimes),
        ("lpad", Growth::TextTo),
        ("rpad", Growth::TextTo),
        ("array_repeat", Growth::ElementTimes),
        ("generate_series", Growth::Series),
        ("range", Growth::Series),
    ] {
        let Some(inner) = state.scalar_functions().get(name).cloned() else {
            continue;
        };
        state.register_udf(Arc::new(ScalarUDF::from(Bounded { inner, growth })))?;
    }
    Ok(())
}

/// How large an answer is, by the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// The length of the first times the second.
    TextTimes,
    /// The second, in characters.
    TextTo,
    /// The second, in elements.
    ElementTimes,
    /// From the first to the second by the third.
    Series,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl ScalarUDFImpl for Bounded {
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
        let size = self.size(&arguments)?;
        if size > RESULT_BYTES_MAX {
            let message = format!("the result of {} is too large", self.name());
            return Err(Error::new(ErrorKind::LimitExceeded, message)
                .with_hint("A function may produce 256 MB at once.")
                .into());
        }
        self.inner.invoke_with_args(arguments)
    }
}

impl Bounded {
    /// What the call will produce, in bytes; constants count once, as they are evaluated once.
    fn size(&self, arguments: &ScalarFunctionArgs) -> Result<i128> {
        let constant = arguments
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let numbers = |at: usize| whole_numbers(arguments.args.get(at), rows);
        let sum = |sizes: &mut dyn Iterator<Item = i128>| sizes.fold(0_i128, i128::saturating_add);
        Ok(match self.growth {
            Growth::TextTimes => {
                let lengths = text_lengths(arguments.args.first(), rows)?;
                let counts = numbers(1)?;
                sum(&mut lengths
                    .iter()
                    .zip(&counts)
                    .map(|(length, count)| length * (*count).max(0)))
            }
            Growth::TextTo => sum(&mut numbers(1)?.into_iter().map(|count| count.max(0))),
            Growth::ElementTimes => sum(&mut numbers(1)?.into_iter().map(|count| count.max(0) * ELEMENT_BYTES)),
            Growth::Series => {
                let (first, second, third) = (numbers(0)?, numbers(1)?, numbers(2)?);
                let one = arguments.args.len() == 1;
                sum(&mut (0..rows).map(|row| {
                    let at = |values: &[i128], otherwise| values.get(row).copied().unwrap_or(otherwise);
                    let (start, stop) = if one {
                        (0, at(&first, 0))
                    } else {
                        (at(&first, 0), at(&second, 0))
                    };
                    let step = at(&third, 1).abs().max(1);
                    (stop - start).abs() / step * ELEMENT_BYTES
                }))
            }
        })
    }
}

/// The whole numbers of an argument, zero for null; empty if it holds something else (dates, intervals).
fn whole_numbers(argument: Option<&ColumnarValue>, rows: usize) -> Result<Vec<i128>> {
    let Some(argument) = argument else {
        return Ok(Vec::new());
    };
    if !argument.data_type().is_integer() {
        return Ok(Vec::new());
    }
    let array = cast(&argument.to_array(rows)?, &DataType::Int64)?;
    let array = array.as_primitive::<Int64Type>();
    Ok(array.iter().map(|value| i128::from(value.unwrap_or(0))).collect())
}

/// The lengths of a text argument, in bytes, zero for null.
fn text_lengths(argument: Option<&ColumnarValue>, rows: usize) -> Result<Vec<i128>> {
    let Some(argument) = argument else {
        return Ok(Vec::new());
    };
    let array = argument.to_array(rows)?;
    let array = cast(&array, &DataType::Utf8View)?;
    let array = array.as_string_view();
    Ok((0..array.len())
        .map(|row| {
            if array.is_null(row) {
                0
            } else {
                array.value(row).len() as i128
            }
        })
        .collect())
}
