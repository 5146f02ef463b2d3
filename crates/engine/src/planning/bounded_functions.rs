//! Functions whose answer can be far larger than their arguments, with a bound. The planner evaluates constants while
//! it plans, outside the memory pool and deaf to cancellation: `repeat('a', 2147483647)` must not get that far.

use std::sync::Arc;

use contract::{Error, ErrorKind};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::kernels::concat_elements::concat_elements_dyn;
use datafusion::arrow::compute::{cast, concat};
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue, exec_err, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The most that one call may produce for one batch, in bytes.
const RESULT_BYTES_MAX: i128 = 256 << 20;
/// What an element of a produced array counts as at least, in bytes.
const ELEMENT_BYTES_MIN: i128 = 8;

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
        ("replace", Growth::Replaced),
        ("regexp_replace", Growth::PatternReplaced),
        ("concat", Growth::Sum),
        ("concat_ws", Growth::Joined),
        ("array_concat", Growth::Sum),
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
    /// The size of the first times the second.
    ElementTimes,
    /// From the first to the second by the third.
    Series,
    /// The third for each time that the second is in the first.
    Replaced,
    /// At most the third at each place of the first, and the first again for each of its back references.
    PatternReplaced,
    /// All arguments together.
    Sum,
    /// All arguments together, with the first between any two.
    Joined,
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
        let sizes = self.sizes(&arguments)?;
        if sum(&sizes) <= RESULT_BYTES_MAX {
            return self.inner.invoke_with_args(arguments);
        }
        match self.growth {
            Growth::PatternReplaced if sizes.len() > 1 => self.invoke_in_pieces(&arguments, &sizes),
            _ => Err(self.too_large()),
        }
    }
}

fn sum(sizes: &[i128]) -> i128 {
    sizes.iter().copied().fold(0, i128::saturating_add)
}

/// `||` of two texts, or of two byte strings, of one type.
pub(super) fn concatenation() -> ScalarUDF {
    ScalarUDF::from(Concatenation {
        signature: Signature::any(2, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Concatenation {
    signature: Signature,
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        "bounded_concatenation"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [one, other] if one == other => Ok(one.clone()),
            _ => plan_err!("{} takes two values of one type", self.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return exec_err!("{} takes two values", self.name());
        };
        let constant = matches!((left, right), (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        if total_bytes(left, rows)?.saturating_add(total_bytes(right, rows)?) > RESULT_BYTES_MAX {
            return Err(too_large("||"));
        }
        let joined = concat_elements_dyn(&left.to_array(rows)?, &right.to_array(rows)?)?;
        Ok(match constant {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&joined, 0)?),
            false => ColumnarValue::Array(joined),
        })
    }
}

/// The bytes of all values of an argument together.
fn total_bytes(argument: &ColumnarValue, rows: usize) -> Result<i128> {
    Ok(match argument {
        ColumnarValue::Scalar(value) => {
            let one = match value.try_as_str() {
                Some(text) => text.map_or(0, str::len),
                None => value.to_array()?.to_data().get_slice_memory_size()?,
            };
            (one as i128).saturating_mul(rows as i128)
        }
        ColumnarValue::Array(array) => match array.data_type() {
            // The buffers behind views may hold more than the views show.
            DataType::Utf8View => array.as_string_view().lengths().map(i128::from).sum(),
            DataType::BinaryView => array.as_binary_view().lengths().map(i128::from).sum(),
            _ => array.to_data().get_slice_memory_size()? as i128,
        },
    })
}

fn too_large(name: &str) -> DataFusionError {
    Error::new(ErrorKind::LimitExceeded, format!("the result of {name} is too large"))
        .with_hint("A function may produce 256 MB at once.")
        .into()
}

impl Bounded {
    fn too_large(&self) -> DataFusionError {
        too_large(self.name())
    }

    /// What the call will produce, row by row, in bytes; constants count once, as they are evaluated once.
    fn sizes(&self, arguments: &ScalarFunctionArgs) -> Result<Vec<i128>> {
        let constant = arguments
            .args
            .iter()
            .all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { arguments.number_rows };
        let numbers = |at: usize| whole_numbers(arguments.args.get(at), rows);
        let bytes = |at: usize| byte_sizes(arguments.args.get(at), rows);
        let product = |(size, count): (&i128, &i128)| size.saturating_mul((*count).max(0));
        Ok(match self.growth {
            Growth::TextTimes => bytes(0)?.iter().zip(&numbers(1)?).map(product).collect(),
            Growth::TextTo => numbers(1)?.into_iter().map(|count| count.max(0)).collect(),
            Growth::ElementTimes => bytes(0)?.iter().zip(&numbers(1)?).map(product).collect(),
            Growth::Series => {
                let (first, second, third) = (numbers(0)?, numbers(1)?, numbers(2)?);
                let one = arguments.args.len() == 1;
                let size = |row: usize| {
                    let at = |values: &[i128], otherwise| values.get(row).copied().unwrap_or(otherwise);
                    let (start, stop) = if one {
                        (0, at(&first, 0))
                    } else {
                        (at(&first, 0), at(&second, 0))
                    };
                    let step = at(&third, 1).abs().max(1);
                    (stop - start).abs() / step * ELEMENT_BYTES_MIN
                };
                (0..rows).map(size).collect()
            }
            Growth::Replaced => self.replaced(arguments, rows)?,
            Growth::PatternReplaced => {
                let (texts, by) = (bytes(0)?, bytes(2)?);
                // Each back reference repeats what was found, which all together is no more than the text.
                let size = |(text, by): (&i128, &i128)| text.saturating_mul(by + 1).saturating_add(text + by);
                texts.iter().zip(&by).map(size).collect()
            }
            Growth::Sum | Growth::Joined => {
                let mut total = vec![0_i128; rows];
                for argument in &arguments.args {
                    for (total, size) in total.iter_mut().zip(byte_sizes(Some(argument), rows)?) {
                        *total = total.saturating_add(size);
                    }
                }
                if let (Growth::Joined, Some(separator)) = (self.growth, arguments.args.first()) {
                    let gaps = arguments.args.len() as i128;
                    for (total, size) in total.iter_mut().zip(byte_sizes(Some(separator), rows)?) {
                        *total = total.saturating_add(size.saturating_mul(gaps));
                    }
                }
                total
            }
        })
    }

    /// Exact sizes where the sum could be too large, else the most that it can be.
    fn replaced(&self, arguments: &ScalarFunctionArgs, rows: usize) -> Result<Vec<i128>> {
        let texts = |at: usize| {
            arguments
                .args
                .get(at)
                .map(|argument| text_of(argument, rows))
                .transpose()
        };
        let (Some(texts), Some(from), Some(by)) = (texts(0)?, texts(1)?, texts(2)?) else {
            return Ok(Vec::new());
        };
        let (texts, from, by) = (texts.as_string_view(), from.as_string_view(), by.as_string_view());
        let sizes = |count: &dyn Fn(&str, &str) -> usize| -> Vec<i128> {
            let rows = texts.iter().zip(from).zip(by);
            let size = |((text, from), by): ((Option<&str>, Option<&str>), Option<&str>)| match (text, from, by) {
                (Some(text), Some(from), Some(by)) => {
                    text.len() as i128 + count(text, from) as i128 * (by.len() as i128 - from.len() as i128).max(0)
                }
                _ => 0,
            };
            rows.map(size).collect()
        };
        let most = sizes(&|text, from| text.len() / from.len().max(1) + 1);
        if sum(&most) <= RESULT_BYTES_MAX {
            return Ok(most);
        }
        // An empty text is found before each character and at the end.
        Ok(sizes(&|text, from| text.matches(from).count()))
    }

    /// Calls the function for as many rows at once as stay below the bound by estimate, and holds what comes out
    /// against the bound.
    fn invoke_in_pieces(&self, arguments: &ScalarFunctionArgs, sizes: &[i128]) -> Result<ColumnarValue> {
        let mut pieces: Vec<ArrayRef> = Vec::new();
        let (mut start, mut produced) = (0, 0_i128);
        while start < sizes.len() {
            let (mut end, mut estimate) = (start, 0_i128);
            while let Some(size) = sizes.get(end)
                && estimate.saturating_add(*size) <= RESULT_BYTES_MAX
            {
                estimate += size;
                end += 1;
            }
            if end == start {
                return Err(self.too_large());
            }
            let piece = |argument: &ColumnarValue| match argument {
                ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(start, end - start)),
                ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
            };
            let piece = self.inner.invoke_with_args(ScalarFunctionArgs {
                args: arguments.args.iter().map(piece).collect(),
                arg_fields: arguments.arg_fields.clone(),
                number_rows: end - start,
                return_field: Arc::clone(&arguments.return_field),
                config_options: Arc::clone(&arguments.config_options),
            })?;
            let piece = piece.into_array(end - start)?;
            produced = produced.saturating_add(piece.to_data().get_slice_memory_size()? as i128);
            if produced > RESULT_BYTES_MAX {
                return Err(self.too_large());
            }
            pieces.push(piece);
            start = end;
        }
        let pieces: Vec<&dyn Array> = pieces.iter().map(|piece| &**piece).collect();
        Ok(ColumnarValue::Array(concat(&pieces)?))
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

/// An argument as texts.
fn text_of(argument: &ColumnarValue, rows: usize) -> Result<ArrayRef> {
    Ok(cast(&argument.to_array(rows)?, &DataType::Utf8View)?)
}

/// The size of each value of an argument, in bytes: its own for texts, zero for null; what it takes on average for
/// other types.
fn byte_sizes(argument: Option<&ColumnarValue>, rows: usize) -> Result<Vec<i128>> {
    let Some(argument) = argument else {
        return Ok(Vec::new());
    };
    if matches!(
        argument.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null
    ) {
        let array = text_of(argument, rows)?;
        let lengths = array.as_string_view().iter();
        return Ok(lengths.map(|text| text.map_or(0, str::len) as i128).collect());
    }
    let bytes = match argument {
        ColumnarValue::Array(array) => array.to_data().get_slice_memory_size()? / array.len().max(1),
        ColumnarValue::Scalar(value) => value.to_array()?.to_data().get_slice_memory_size()?,
    };
    Ok(vec![(bytes as i128).max(ELEMENT_BYTES_MIN); rows])
}
