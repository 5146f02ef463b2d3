//! PostgreSQL's arithmetic raises where DataFusion's wraps or gives infinity: `+ - *` of integers and floats beyond the
//! type, and division of a float by zero. After type coercion each such operator becomes a function that checks, and so
//! do the casts that PostgreSQL makes otherwise. `||` becomes one that knows a bound, and dates are subtracted by one
//! whose type is what it gives.

mod casts;

use std::sync::Arc;

use contract::{DataException, Error};
use datafusion::arrow::array::{Array, AsArray, Float32Array, Float64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

use super::bounded_functions::concatenation;

/// Replaces arithmetic operators that would not raise.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
    divide: Arc<ScalarUDF>,
    days_between: Arc<ScalarUDF>,
    concatenate: Arc<ScalarUDF>,
}

impl CheckedArithmetic {
    pub(crate) fn new() -> Self {
        let function = |operation| Arc::new(ScalarUDF::from(CheckedOperation::new(operation)));
        Self {
            add: function(Operation::Add),
            subtract: function(Operation::Subtract),
            multiply: function(Operation::Multiply),
            divide: function(Operation::Divide),
            days_between: function(Operation::DaysBetween),
            concatenate: Arc::new(concatenation()),
        }
    }

    fn replacement(&self, binary: &BinaryExpr, schema: &DFSchema) -> Option<&Arc<ScalarUDF>> {
        let function = match binary.op {
            Operator::Plus => &self.add,
            Operator::Minus => &self.subtract,
            Operator::Multiply => &self.multiply,
            Operator::Divide => &self.divide,
            Operator::StringConcat => &self.concatenate,
            _ => return None,
        };
        let left = binary.left.get_type(schema).ok()?;
        let right = binary.right.get_type(schema).ok()?;
        if left != right {
            return None;
        }
        // DataFusion's bounds take the days between two dates for a duration, and do not compare them with numbers.
        if binary.op == Operator::Minus && left == DataType::Date32 {
            return Some(&self.days_between);
        }
        let unchecked = match binary.op {
            Operator::Divide => matches!(left, DataType::Float32 | DataType::Float64),
            Operator::StringConcat => left.is_string() || left.is_binary(),
            _ => left.is_integer() || matches!(left, DataType::Float32 | DataType::Float64),
        };
        unchecked.then_some(function)
    }

    /// From the top down: an operator tells its type from its operands', a function only after spelling out what its
    /// arguments are called, all that is below them included.
    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        expr.transform_down(|expr| {
            let binary = match expr {
                Expr::BinaryExpr(binary) => binary,
                Expr::Cast(cast) => return Ok(checked_cast(cast, schema)),
                Expr::Negative(inner) => return self.negated(inner, schema),
                other => return Ok(Transformed::no(other)),
            };
            let Some(function) = self.replacement(&binary, schema) else {
                return Ok(Transformed::no(Expr::BinaryExpr(binary)));
            };
            let arguments = vec![*binary.left, *binary.right];
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
                Arc::clone(function),
                arguments,
            ))))
        })
    }

    /// The least integer has no counterpart.
    fn negated(&self, inner: Box<Expr>, schema: &DFSchema) -> Result<Transformed<Expr>> {
        match inner.get_type(schema) {
            Ok(data_type) if data_type.is_signed_integer() => {
                let zero = Expr::Literal(ScalarValue::new_zero(&data_type)?, None);
                let call = ScalarFunction::new_udf(Arc::clone(&self.subtract), vec![zero, *inner]);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            _ => Ok(Transformed::no(Expr::Negative(inner))),
        }
    }
}

fn checked_cast(cast: Cast, schema: &DFSchema) -> Transformed<Expr> {
    let function = match cast.expr.get_type(schema) {
        Ok(from) => casts::replacement(&from, cast.field.data_type()),
        Err(_) => None,
    };
    match function {
        Some(function) => Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(
            function,
            vec![*cast.expr],
        ))),
        None => Transformed::no(Expr::Cast(cast)),
    }
}

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            // A scan's own filters are pushed there later; until then it has no expression of a user.
            if matches!(plan, LogicalPlan::TableScan(_)) {
                return Ok(Transformed::no(plan));
            }
            let mut schema = DFSchema::empty();
            for input in plan.inputs() {
                schema.merge(input.schema());
            }
            let schema = Arc::new(schema);
            // The name of each output must stay, whatever the expression is now called.
            let saver = datafusion::logical_expr::expr_rewriter::NamePreserver::new(&plan);
            let rewritten = plan.map_expressions(|expr| {
                let name = saver.save(&expr);
                let rewritten = self.rewrite(expr, &schema)?;
                Ok(if rewritten.transformed {
                    rewritten.update_data(|expr| name.restore(expr))
                } else {
                    rewritten
                })
            })?;
            if rewritten.transformed {
                rewritten.map_data(LogicalPlan::recompute_schema)
            } else {
                Ok(rewritten)
            }
        })
        .map(|transformed| transformed.data)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    DaysBetween,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedOperation {
    operation: Operation,
    signature: Signature,
}

impl CheckedOperation {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for CheckedOperation {
    fn name(&self) -> &str {
        match self.operation {
            Operation::Add => "checked_add",
            Operation::Subtract => "checked_subtract",
            Operation::Multiply => "checked_multiply",
            Operation::Divide => "checked_divide",
            Operation::DaysBetween => "days_between",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [_, _] if self.operation == Operation::DaysBetween => Ok(DataType::Int64),
            [one, _] => Ok(one.clone()),
            _ => datafusion::common::plan_err!("{} takes two arguments", self.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return datafusion::common::internal_err!("{} takes two arguments", self.name());
        };
        if self.operation == Operation::Divide && has(right, |value| value == 0.0)? {
            return Err(Error::data(DataException::DivisionByZero, "division by zero").into());
        }
        let kernel = match self.operation {
            Operation::Add => numeric::add,
            Operation::Subtract => numeric::sub,
            Operation::Multiply => numeric::mul,
            Operation::Divide => numeric::div,
            Operation::DaysBetween => return apply(&days(left)?, &days(right)?, numeric::sub),
        };
        let result = apply(left, right, kernel)?;
        if has(&result, f64::is_infinite)? && overflowed(left, right, &result, arguments.number_rows)? {
            return Err(Error::data(DataException::NumericValueOutOfRange, "value out of range: overflow").into());
        }
        Ok(result)
    }
}

/// Days since 1970, of which no difference is too large.
fn days(dates: &ColumnarValue) -> Result<ColumnarValue> {
    dates.cast_to(&DataType::Int32, None)?.cast_to(&DataType::Int64, None)
}

/// Whether finite numbers gave an infinite one.
fn overflowed(left: &ColumnarValue, right: &ColumnarValue, result: &ColumnarValue, rows: usize) -> Result<bool> {
    let numbers = |value: &ColumnarValue| cast(&value.to_array(rows)?, &DataType::Float64);
    let (left, right, result) = (numbers(left)?, numbers(right)?, numbers(result)?);
    let (left, right) = (left.as_primitive::<Float64Type>(), right.as_primitive::<Float64Type>());
    let mut infinite = result.as_primitive::<Float64Type>().iter().zip(left.iter().zip(right));
    Ok(infinite.any(|(result, operands)| match (result, operands) {
        (Some(result), (Some(left), Some(right))) => result.is_infinite() && left.is_finite() && right.is_finite(),
        _ => false,
    }))
}

/// Whether one of the values, if they are floats, is such a number.
fn has(values: &ColumnarValue, such: impl Fn(f64) -> bool) -> Result<bool> {
    let array = values.to_array(1)?;
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<Float64Array>() {
        return Ok(array.iter().flatten().any(such));
    }
    let array = any.downcast_ref::<Float32Array>();
    Ok(array.is_some_and(|array| array.iter().flatten().any(|value| such(value.into()))))
}
