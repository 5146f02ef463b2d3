//! Hands DataFusion's SQL planner the tables that were opened for a statement, and nothing else.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{DFSchema, Result, ScalarValue, TableReference, plan_datafusion_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{Statement, TableFactor, Visit, Visitor};

/// Functions that may stand in FROM.
const TABLE_FUNCTIONS: &[&str] = &["generate_series", "range"];

/// The names that stand in FROM with arguments, so that they are not taken for tables.
///
/// # Errors
/// `UndefinedFunction` for one that may not stand there.
pub(crate) fn table_functions(statement: &Statement) -> contract::Result<HashSet<String>> {
    struct Finder(HashSet<String>);
    impl Visitor for Finder {
        type Break = String;

        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<String> {
            if let TableFactor::Table {
                name, args: Some(_), ..
            } = factor
            {
                let written = name.to_string().to_lowercase();
                if !TABLE_FUNCTIONS.contains(&written.as_str()) {
                    return ControlFlow::Break(written);
                }
                self.0.insert(written);
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(HashSet::new());
    match statement.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(finder.0),
        ControlFlow::Break(name) => Err(contract::Error::new(
            contract::ErrorKind::UndefinedFunction,
            format!("function {name} does not exist"),
        )
        .with_hint("No function of that name can stand in FROM.")),
    }
}

/// A constant timestamp in the unit that the table functions take.
fn in_nanoseconds(argument: Expr) -> Expr {
    match argument {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), zone), metadata) => {
            match micros.checked_mul(1000) {
                Some(nanos) => Expr::Literal(ScalarValue::TimestampNanosecond(Some(nanos), zone), metadata),
                None => Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), zone), metadata),
            }
        }
        other => other,
    }
}

/// The planner's view of one statement.
pub(crate) struct Binder<'a> {
    pub(crate) state: &'a SessionState,
    /// By the name as written, in parts.
    pub(crate) tables: &'a HashMap<TableReference, Arc<dyn TableSource>>,
}

impl ContextProvider for Binder<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let found = self.tables.get(&name).cloned();
        found.ok_or_else(|| plan_datafusion_err!("table '{name}' not found"))
    }

    fn get_table_function_source(&self, name: &str, arguments: Vec<Expr>) -> Result<Arc<dyn TableSource>> {
        let name = name.to_ascii_lowercase();
        let function = TABLE_FUNCTIONS
            .contains(&name.as_str())
            .then(|| self.state.table_functions().get(&name));
        let Some(function) = function.flatten() else {
            return Err(plan_datafusion_err!("Invalid function '{name}'."));
        };
        let context = SimplifyContext::builder()
            .with_config_options(Arc::clone(self.state.config_options()))
            .build();
        let simplifier = ExprSimplifier::new(context);
        let schema = DFSchema::empty();
        let folded = arguments.into_iter().map(|argument| {
            Ok(in_nanoseconds(
                simplifier.simplify(simplifier.coerce(argument, &schema)?)?,
            ))
        });
        let folded = folded.collect::<Result<Vec<_>>>()?;
        let provider = function.create_table_provider_with_args(TableFunctionArgs::new(&folded, self.state))?;
        Ok(provider_as_source(policy::SystemTable::wrap(provider)))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        None
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    // One name that nothing resembles: an error must not suggest names, and without any the planner fails.
    fn udf_names(&self) -> Vec<String> {
        vec![String::new()]
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        vec![String::new()]
    }

    fn udaf_names(&self) -> Vec<String> {
        vec![String::new()]
    }

    fn udwf_names(&self) -> Vec<String> {
        vec![String::new()]
    }
}
