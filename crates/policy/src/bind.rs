//! Binds the expressions of rules to a table: in the scope of the rules, where no name that a user chose means
//! anything.

use std::collections::HashMap;
use std::sync::Arc;

use contract::{Error, ErrorKind, Identity, TableName};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, DataFusionError, Result, TableReference, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF, lit,
};
use datafusion::sql::planner::{PlannerContext, SqlToRel};

use crate::access::{RowFilter, TableRules, Visible, resolve};
use crate::identity_function;
use crate::rule::{Policy, RuleExpression};

/// What the expressions of rules may use: functions, and other tables.
///
/// The tables are read raw, without any rule of their own: whoever writes a rule answers for what it reveals.
#[derive(Clone, Copy)]
pub struct RuleScope<'a> {
    /// Has the functions, the planning hooks and the analyzer.
    pub state: &'a SessionState,
    /// The tables of [`TableRules::referenced_tables`], opened.
    pub tables: &'a HashMap<TableName, Arc<dyn TableProvider>>,
}

impl std::fmt::Debug for RuleScope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleScope")
            .field("tables", &self.tables.keys())
            .finish_non_exhaustive()
    }
}

/// The rules of a table as a plan.
#[derive(Debug, Clone)]
pub(crate) struct RulePlan {
    /// The table's scan below the row filter.
    pub(crate) rows: LogicalPlan,
    /// One expression over `rows` for each visible column.
    pub(crate) columns: Vec<Expr>,
    /// Whether that column is not masked, as are those of `columns`.
    pub(crate) open: Vec<bool>,
    /// The visible columns, as they are presented.
    pub(crate) schema: SchemaRef,
}

/// The error of a table whose rules do not fit it: the table is closed, and only the log says why.
pub(crate) fn refuse(name: &TableName, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(
        ErrorKind::PermissionDenied,
        format!("permission denied for table {}", name.table),
    )
    .with_detail("The access rules of this table cannot be evaluated.")
    .with_hint("An administrator finds the reason in the server log.")
    .with_source(cause)
}

/// Plans the rules of `rules` over `inner`.
///
/// # Errors
/// Whatever is wrong with the rules, in words that are not for a client.
pub(crate) fn plan_rules(
    name: &TableName,
    inner: Arc<dyn TableProvider>,
    rules: &TableRules,
    identity: &Identity,
    scope: RuleScope<'_>,
) -> Result<RulePlan> {
    let inner_schema = inner.schema();
    check_columns(rules, &inner_schema)?;
    // The scan goes by the table's own short name, which is how rules may qualify its columns.
    let relation = TableReference::bare(name.table.as_str());
    let scan = LogicalPlanBuilder::scan(relation.clone(), provider_as_source(inner), None)?.build()?;
    let context = RuleContext { scope, home: name };
    let binder = Binder {
        planner: SqlToRel::new(&context),
        rules,
        identity,
    };

    let rows = match &rules.filter {
        RowFilter::AllRows => scan.clone(),
        RowFilter::NoRow => LogicalPlanBuilder::from(scan.clone()).filter(lit(false))?.build()?,
        RowFilter::Rows {
            permissive,
            restrictive,
        } => {
            let allowed = balanced(binder.conditions(permissive, scan.schema())?, Expr::or);
            let mut conditions = vec![allowed.unwrap_or_else(|| lit(false))];
            conditions.extend(binder.conditions(restrictive, scan.schema())?);
            let condition = balanced(conditions, Expr::and).unwrap_or_else(|| lit(false));
            LogicalPlanBuilder::from(scan.clone()).filter(condition)?.build()?
        }
    };

    let mut columns = Vec::new();
    let mut open = Vec::new();
    let mut originals = Vec::new();
    for field in inner_schema
        .fields()
        .iter()
        .filter(|field| rules.visible.shows(field.name()))
    {
        let column = Expr::Column(datafusion::common::Column::new(Some(relation.clone()), field.name()));
        let mask = rules.masks.iter().find(|mask| mask.column == *field.name());
        columns.push(match mask {
            Some(mask) => binder.bind(&mask.using, scan.schema())?.alias(field.name()),
            None => column,
        });
        open.push(mask.is_none());
        originals.push(Arc::clone(field));
    }
    let columns = if open.contains(&false) {
        fit_types(&rows, columns, &open, &originals, scope)?
    } else {
        columns
    };
    let (rows, columns) = analyze(rows, columns, scope)?;

    let presented = LogicalPlanBuilder::from(rows.clone())
        .project(columns.clone())?
        .build()?;
    let fields = presented
        .schema()
        .fields()
        .iter()
        .zip(&originals)
        .zip(&open)
        .map(|((field, original), open)| {
            if *open {
                Arc::clone(original)
            } else {
                Arc::new(field.as_ref().clone().with_nullable(true))
            }
        });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(RulePlan {
        rows,
        columns,
        open,
        schema,
    })
}

/// The conditions joined in their order, as a tree that is as flat as can be: what walks over a chain of a thousand
/// policies goes a thousand calls deep.
fn balanced(mut conditions: Vec<Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut rest = conditions.into_iter();
        let mut joined = Vec::with_capacity(rest.len().div_ceil(2));
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => join(left, right),
                None => left,
            });
        }
        conditions = joined;
    }
    conditions.pop()
}

/// A mask or a revocation of a column that is not there would protect nothing: perhaps the name is misspelled.
fn check_columns(rules: &TableRules, schema: &Schema) -> Result<()> {
    let masked = rules
        .masks
        .iter()
        .map(|mask| (&mask.column, format!("mask \"{}\" ({})", mask.name, mask.using.place)));
    let hidden = match &rules.visible {
        Visible::AllBut(hidden) => hidden.iter().map(|column| (column, "REVOKE".to_owned())).collect(),
        Visible::Only(_) => Vec::new(),
    };
    for (column, rule) in masked.chain(hidden) {
        if schema.column_with_name(column).is_none() {
            return plan_err!("{rule} names the column \"{column}\", which the table does not have");
        }
    }
    Ok(())
}

/// Gives each mask the type of its column where that loses nothing, so that masked and unmasked users can share
/// statements.
fn fit_types(
    rows: &LogicalPlan,
    columns: Vec<Expr>,
    open: &[bool],
    originals: &[Arc<datafusion::arrow::datatypes::Field>],
    scope: RuleScope<'_>,
) -> Result<Vec<Expr>> {
    let (analyzed_rows, analyzed) = analyze(rows.clone(), columns.clone(), scope)?;
    let schema = LogicalPlanBuilder::from(analyzed_rows).project(analyzed)?.build()?;
    let fitted = columns
        .into_iter()
        .zip(schema.schema().fields().iter())
        .zip(open.iter().zip(originals));
    fitted
        .map(|((column, field), (open, original))| {
            let (from, to) = (field.data_type(), original.data_type());
            if *open || from == to || !is_lossless(from, to) {
                return Ok(column);
            }
            let cast = datafusion::logical_expr::cast(column.unalias(), to.clone());
            Ok(cast.alias(original.name()))
        })
        .collect()
}

fn is_lossless(from: &DataType, to: &DataType) -> bool {
    let text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let bits = |data_type: &DataType| match data_type {
        DataType::Int8 => Some(8),
        DataType::Int16 => Some(16),
        DataType::Int32 => Some(32),
        DataType::Int64 => Some(64),
        _ => None,
    };
    match (from, to) {
        (DataType::Null, _) | (DataType::Float32, DataType::Float64) => true,
        _ if text(from) && text(to) => true,
        _ => matches!((bits(from), bits(to)), (Some(from), Some(to)) if from <= to),
    }
}

/// Runs the analyzer (which gives every expression its final types) over rows and columns.
fn analyze(rows: LogicalPlan, columns: Vec<Expr>, scope: RuleScope<'_>) -> Result<(LogicalPlan, Vec<Expr>)> {
    let plan = LogicalPlanBuilder::from(rows).project(columns)?.build()?;
    let plan = scope
        .state
        .analyzer()
        .execute_and_check(plan, scope.state.config_options(), |_, _| {})?;
    match plan {
        LogicalPlan::Projection(projection) => Ok((Arc::unwrap_or_clone(projection.input), projection.expr)),
        _ => plan_err!("the analyzer turned a projection into something else"),
    }
}

struct Binder<'a> {
    planner: SqlToRel<'a, RuleContext<'a>>,
    rules: &'a TableRules,
    identity: &'a Identity,
}

impl Binder<'_> {
    fn conditions(&self, policies: &[Arc<Policy>], schema: &DFSchema) -> Result<Vec<Expr>> {
        policies
            .iter()
            .map(|policy| match &policy.using {
                Some(using) => {
                    let context = || format!("policy \"{}\"", policy.name);
                    self.bind(using, schema).map_err(|error| error.context(context()))
                }
                None => Ok(lit(false)),
            })
            .collect()
    }

    fn bind(&self, rule: &RuleExpression, schema: &DFSchema) -> Result<Expr> {
        let mut expression = rule.expression.clone();
        identity_function::substitute(&mut expression, self.identity, &self.rules.roles);
        let place = |error: DataFusionError| error.context(rule.place.to_string());
        let bound = self
            .planner
            .sql_to_expr(expression, schema, &mut PlannerContext::new())
            .map_err(place)?;
        let not_per_row = bound.exists(|part| {
            Ok(matches!(
                part,
                Expr::AggregateFunction(_) | Expr::WindowFunction(_) | Expr::Unnest(_) | Expr::Placeholder(_)
            ))
        })?;
        if not_per_row {
            return plan_err!(
                "{}: an aggregate, window function or parameter cannot stand in a rule",
                rule.place
            );
        }
        Ok(bound)
    }
}

struct RuleContext<'a> {
    scope: RuleScope<'a>,
    home: &'a TableName,
}

impl ContextProvider for RuleContext<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let parts: Vec<String> = [name.catalog(), name.schema(), Some(name.table())]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        let found = resolve(&parts, self.home).and_then(|name| self.scope.tables.get(&name));
        match found {
            Some(table) => Ok(provider_as_source(Arc::clone(table))),
            None => plan_err!("the table {name} does not exist"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.scope.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scope.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.scope.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.scope.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.scope.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.scope.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}
