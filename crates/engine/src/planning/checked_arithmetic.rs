//! PostgreSQL's arithmetic raises where DataFusion's wraps or gives infinity: integer `+ - *` beyond the type, and
//! division of a float by zero. After type coercion each such operator becomes a function that checks.

use std::sync::Arc;

use contract::{DataException, Error};
use datafusion::arrow::array::{Array, Float32Array, Float64Array};
use datafusion::arrow::compute::kernels::numeric;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

/// Replaces arithmetic operators that would not raise.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
    divide: Arc<ScalarUDF>,
}

impl CheckedArithmetic {
    pub(crate) fn new() -> Self {
        let function = |operation| Arc::new(ScalarUDF::from(CheckedOperation::new(operation)));
        Self {
            add: function(Operation::Add),
            subtract: function(Operation::Subtract),
            multiply: function(Operation::Multiply),
            divide: function(Operation::Divide),
        }
    }

    fn replacement(&self, binary: &BinaryExpr, schema: &DFSchema) -> Option<&Arc<ScalarUDF>> {
        let function = match binary.op {
            Operator::Plus => &self.add,
            Operator::Minus => &self.subtract,
            Operator::Multiply => &self.multiply,
            Operator::Divide => &self.divide,
            _ => return None,
        };
        let left = binary.left.get_type(schema).ok()?;
        let right = binary.right.get_type(schema).ok()?;
        if left != right {
            return None;
        }
        let unchecked = match binary.op {
            Operator::Divide => matches!(left, DataType::Float32 | DataType::Float64),
            _ => left.is_integer(),
        };
        unchecked.then_some(function)
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        expr.transform_up(|expr| {
            let Expr::BinaryExpr(binary) = expr else {
                return Ok(Transformed::no(expr));
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
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [one, _] => Ok(one.clone()),
            _ => datafusion::common::plan_err!("{} takes two arguments", self.name()),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = arguments.args.as_slice() else {
            return datafusion::common::internal_err!("{} takes two arguments", self.name());
        };
        if self.operation == Operation::Divide && has_zero(right)? {
            return Err(Error::data(DataException::DivisionByZero, "division by zero").into());
        }
        let kernel = match self.operation {
            Operation::Add => numeric::add,
            Operation::Subtract => numeric::sub,
            Operation::Multiply => numeric::mul,
            Operation::Divide => numeric::div,
        };
        datafusion::physical_expr_common::datum::apply(left, right, kernel)
    }
}

/// Whether a divisor is zero anywhere that it counts.
fn has_zero(divisor: &ColumnarValue) -> Result<bool> {
    let array = divisor.to_array(1)?;
    let zero32 = |array: &Float32Array| array.iter().flatten().any(|value| value == 0.0);
    let zero64 = |array: &Float64Array| array.iter().flatten().any(|value| value == 0.0);
    let any = array.as_any();
    Ok(
        any.downcast_ref::<Float32Array>().is_some_and(zero32)
            || any.downcast_ref::<Float64Array>().is_some_and(zero64),
    )
}
