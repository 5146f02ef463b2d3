//! The average of integers and of `numeric` is their sum divided by their count: the quotient is rounded as PostgreSQL
//! rounds it, where DataFusion's average cuts, and both halves can be computed by another system.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchemaRef, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{
    AggregateFunction, AggregateFunctionParams, WindowFunction, WindowFunctionDefinition, WindowFunctionParams,
};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Cast, Expr, ExprSchemable, LogicalPlan, Projection, ScalarUDF, Window,
};
use datafusion::optimizer::AnalyzerRule;

/// A count that is divided by.
const COUNT: DataType = DataType::Decimal128(20, 0);

/// Takes averages of exact numbers apart, after coercion; no type and no name changes by it.
#[derive(Debug)]
pub(super) struct ExactAverages {
    sum: Arc<AggregateUDF>,
    divide: Arc<ScalarUDF>,
}

impl ExactAverages {
    pub(super) fn new() -> Self {
        Self {
            sum: postgres_dialect::sum(),
            divide: postgres_dialect::numeric_divide(),
        }
    }

    fn aggregate(&self, aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
        let mut halves = Halves::over(aggregate.input.schema());
        for expr in &aggregate.aggr_expr {
            halves.take(expr, self)?;
        }
        if halves.averages == 0 {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let groups = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
        let apart = Aggregate::try_new(aggregate.input, aggregate.group_expr, halves.exprs)?;
        let together = self.quotients(&aggregate.schema, &apart.schema, groups, &halves.columns)?;
        let projection =
            Projection::try_new_with_schema(together, Arc::new(LogicalPlan::Aggregate(apart)), aggregate.schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }

    fn window(&self, window: Window) -> Result<Transformed<LogicalPlan>> {
        let mut halves = Halves::over(window.input.schema());
        for expr in &window.window_expr {
            halves.take(expr, self)?;
        }
        if halves.averages == 0 {
            return Ok(Transformed::no(LogicalPlan::Window(window)));
        }
        let below = window.input.schema().fields().len();
        let apart = Window::try_new(halves.exprs, window.input)?;
        let together = self.quotients(&window.schema, &apart.schema, below, &halves.columns)?;
        let projection =
            Projection::try_new_with_schema(together, Arc::new(LogicalPlan::Window(apart)), window.schema)?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }

    /// The columns of `whole`, the first `kept` as they are, made of those of `apart`.
    fn quotients(&self, whole: &DFSchemaRef, apart: &DFSchemaRef, kept: usize, columns: &[Made]) -> Result<Vec<Expr>> {
        let column = |index: usize| Expr::Column(Column::from(apart.qualified_field(index)));
        let decimal = |index: usize| match apart.field(index).data_type() {
            DataType::Decimal128(..) => column(index),
            _ => Expr::Cast(Cast::new(Box::new(column(index)), COUNT)),
        };
        (0..kept)
            .map(|index| Ok(column(index)))
            .chain(columns.iter().enumerate().map(|(index, made)| {
                let (qualifier, field) = whole.qualified_field(kept + index);
                Ok(match made {
                    Made::Alone(at) => column(kept + at),
                    Made::Quotient(sum, count) => self
                        .divide
                        .call(vec![decimal(kept + sum), decimal(kept + count)])
                        .alias_qualified(qualifier.cloned(), field.name()),
                })
            }))
            .collect()
    }
}

impl AnalyzerRule for ExactAverages {
    fn name(&self) -> &str {
        "exact_averages"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate),
            LogicalPlan::Window(window) => self.window(window),
            other => Ok(Transformed::no(other)),
        })
        .map(|transformed| transformed.data)
    }
}

/// What an expression's column is made of: positions among the expressions that are computed.
enum Made {
    Alone(usize),
    Quotient(usize, usize),
}

/// The expressions that are computed instead.
struct Halves {
    input: DFSchemaRef,
    exprs: Vec<Expr>,
    columns: Vec<Made>,
    averages: usize,
}

impl Halves {
    fn over(input: &DFSchemaRef) -> Self {
        Self {
            input: Arc::clone(input),
            exprs: Vec::new(),
            columns: Vec::new(),
            averages: 0,
        }
    }

    fn take(&mut self, expr: &Expr, functions: &ExactAverages) -> Result<()> {
        let Some((sum, count)) = self.split(expr, functions)? else {
            self.exprs.push(expr.clone());
            self.columns.push(Made::Alone(self.exprs.len() - 1));
            return Ok(());
        };
        self.averages += 1;
        let name = expr.schema_name().to_string();
        let sum = self.place(sum, || format!("{name} sum"));
        let count = self.place(count, || format!("{name} count"));
        self.columns.push(Made::Quotient(sum, count));
        Ok(())
    }

    /// Where the expression is computed: with an equal one that came before it, if there is one.
    fn place(&mut self, expr: Expr, name: impl FnOnce() -> String) -> usize {
        let equal = |other: &Expr| match other {
            Expr::Alias(alias) => *alias.expr == expr,
            other => *other == expr,
        };
        match self.exprs.iter().position(equal) {
            Some(position) => position,
            None => {
                self.exprs.push(expr.alias(name()));
                self.exprs.len() - 1
            }
        }
    }

    /// Sum and count, if this is an average of exact numbers.
    fn split(&self, expr: &Expr, functions: &ExactAverages) -> Result<Option<(Expr, Expr)>> {
        let called = match expr {
            Expr::Alias(alias) => return self.split(&alias.expr, functions),
            Expr::AggregateFunction(AggregateFunction { func, params }) => (func, &params.args, params.distinct),
            Expr::WindowFunction(window) => match &window.fun {
                WindowFunctionDefinition::AggregateUDF(func) => (func, &window.params.args, window.params.distinct),
                WindowFunctionDefinition::WindowUDF(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        let (func, args, distinct) = called;
        let [value] = args.as_slice() else { return Ok(None) };
        if func.name() != "avg" || !matches!(value.get_type(&self.input)?, DataType::Decimal128(..)) {
            return Ok(None);
        }
        let (summed, counted) = self.arguments(value)?;
        let counted = if distinct { summed.clone() } else { counted };
        let call = |func: &Arc<AggregateUDF>, value: Expr| match expr {
            Expr::WindowFunction(window) => {
                let fun = WindowFunctionDefinition::AggregateUDF(Arc::clone(func));
                let args = vec![value];
                let params = WindowFunctionParams {
                    args,
                    ..window.params.clone()
                };
                Expr::WindowFunction(Box::new(WindowFunction { fun, params }))
            }
            Expr::AggregateFunction(call) => {
                let args = vec![value];
                let params = AggregateFunctionParams {
                    args,
                    ..call.params.clone()
                };
                let func = Arc::clone(func);
                Expr::AggregateFunction(AggregateFunction { func, params })
            }
            other => other.clone(),
        };
        Ok(Some((call(&functions.sum, summed), call(&count_udaf(), counted))))
    }

    /// What is summed and what is counted: integers that coercion made decimals are summed as integers, and counted as
    /// they are.
    fn arguments(&self, value: &Expr) -> Result<(Expr, Expr)> {
        let Expr::Cast(cast) = value else {
            return Ok((value.clone(), value.clone()));
        };
        let integer = (*cast.expr).clone();
        Ok(match integer.get_type(&self.input)? {
            DataType::Int8 | DataType::Int16 | DataType::Int32 => (integer.clone(), integer),
            DataType::Int64 => (value.clone(), integer),
            // A cast of the user's, which may fail.
            _ => (value.clone(), value.clone()),
        })
    }
}
