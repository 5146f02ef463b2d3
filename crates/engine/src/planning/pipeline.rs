//! The pipeline of one query: bind → authorize → optimize → verify, and back from the cache when nothing changed.

use std::sync::Arc;

use contract::{Error, QueryContext, Result, TableVersion};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{ParamValues, ScalarValue, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast::{ObjectName, Statement, visit_relations};
use policy::{AuthorizedPlan, ExecutablePlan, OptimizedPlan};
use postgres_dialect::CatalogNeeds;
use std::ops::ControlFlow;

use super::binder::{Binder, table_functions};
use super::cache::PlanKey;
use super::lateral::inline_laterals;
use super::literals::narrow_integers;
use super::mixed_numbers::settle_floats;
use super::moments::Moments;
use super::parameters;
use super::position::{character_position, located};
use super::set_operations::pair_copies;
use super::stopping_joins::stopping;
use super::tables::{OpenedTable, StatementTables, TableFinder, shown};
use super::time_travel::{Versions, take_versions};
use crate::metadata::SystemCatalog;
use crate::statement::StatementText;

/// A query that is planned up to the point where parameters come in.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The parameters, `$1` first.
    pub(crate) parameters: Vec<FieldRef>,
    /// What the client is told of the columns.
    pub(crate) schema: SchemaRef,
    tables: Vec<OpenedTable>,
    authorized: AuthorizedPlan,
    /// Kept unless the optimizer folded something that is only true now (`now()`, a catalog table's rows).
    optimized: Option<OptimizedPlan>,
    /// The values of parameters let the optimizer do more than it did without them.
    gains_from_values: bool,
    /// Kept for a plan without parameters.
    physical: Option<Arc<dyn ExecutionPlan>>,
    /// Reads catalog tables, whose rows are only true now.
    reads_catalog: bool,
    /// What of the catalog it reads, kept so that executions need not look.
    needs: CatalogNeeds,
}

/// What the pipeline needs to know of a session.
#[derive(Debug)]
pub(crate) struct PlanningSession<'a> {
    pub(crate) finder: &'a TableFinder<'a>,
    pub(crate) state: &'a SessionState,
    pub(crate) system: &'a SystemCatalog,
    pub(crate) cache: &'a super::PlanCache,
    /// The key of a statement apart from its text and parameter types.
    pub(crate) key: PlanKey,
    pub(crate) moments: Moments,
    pub(crate) ctx: &'a QueryContext,
}

impl Planned {
    /// What of the catalog an execution reads.
    pub(crate) fn needs(&self) -> &CatalogNeeds {
        &self.needs
    }

    /// Which ways the tables are read, for EXPLAIN; nothing where the plan is made for each execution.
    pub(crate) async fn routes(&self, state: &SessionState) -> Result<Vec<String>> {
        match &self.optimized {
            Some(optimized) => federation::explain_routes(optimized.plan(), state).await,
            None => Ok(Vec::new()),
        }
    }

    /// For whom and under which rules it was planned.
    pub(crate) fn stamp(&self) -> policy::Stamp {
        self.authorized.stamp()
    }
}

impl PlanningSession<'_> {
    /// Plans a query, or takes its plan from the cache.
    ///
    /// # Errors
    /// Whatever is wrong with the statement, its names or its types.
    pub(crate) async fn plan(
        &self,
        statement: &Statement,
        text: &StatementText,
        declared: &[Option<DataType>],
    ) -> Result<Arc<Planned>> {
        let mut key = self.key.clone();
        key.text = text.text_shared();
        key.declared = declared.to_vec();
        if let Some(planned) = self.cache.get(&key)
            && self.is_current(&planned).await?
        {
            return Ok(planned);
        }
        let planned = Arc::new(self.plan_anew(statement, &text.whole, declared).await?);
        if !planned.reads_catalog {
            self.cache.insert(key, Arc::clone(&planned));
        }
        Ok(planned)
    }

    /// Whether a plan may be executed as it is.
    pub(crate) async fn is_current(&self, planned: &Planned) -> Result<bool> {
        Ok(!planned.reads_catalog && self.finder.unchanged(&planned.tables).await?)
    }

    async fn plan_anew(&self, statement: &Statement, text: &str, declared: &[Option<DataType>]) -> Result<Planned> {
        let mut statement = statement.clone();
        let versions = take_versions(&mut statement, &self.key.time_zone)?;
        self.system.rewrite(&mut statement)?;
        let (tables, reads_catalog) = self.open_tables(&statement, text, &versions).await?;
        let types = declared.iter().enumerate();
        let known = types.map(|(index, data_type)| {
            data_type
                .clone()
                .map(|data_type| parameters::parameter_field(index + 1, data_type))
        });
        let first = self.bind(statement.clone(), text, &tables, known.collect())?;
        let parameters = parameters::infer(&first, declared)?;
        let bound = if parameters.is_empty() {
            first
        } else {
            self.bind(statement, text, &tables, parameters.iter().cloned().map(Some).collect())?
        };
        let bound = self.system.show_object_names(bound)?;
        let authorized = policy::authorize(bound, self.finder.identity, self.finder.access.version)?;
        let optimized = self.optimize(&authorized, text)?;
        let schema = shown_schema(optimized.plan().schema().as_arrow());
        let schema = if reads_catalog { with_oids(&schema) } else { schema };
        let timeless = !reads_catalog && is_timeless(authorized.plan())?;
        let physical = match parameters.is_empty() {
            true => Some(self.physical(&optimized).await?),
            false => None,
        };
        Ok(Planned {
            gains_from_values: !parameters.is_empty() && parameters::gain_from_values(optimized.plan())?,
            parameters,
            schema,
            tables: tables.opened,
            authorized,
            optimized: timeless.then_some(optimized),
            physical: physical.filter(|_| timeless),
            reads_catalog,
            needs: self.system.needs.clone(),
        })
    }

    /// Makes the plan ready to run with these parameters: the last check before execution included.
    ///
    /// # Errors
    /// Whatever the optimizer evaluates and finds wrong, or a plan that lost its cover.
    pub(crate) async fn executable(&self, planned: &Planned, values: Vec<ScalarValue>) -> Result<ExecutablePlan> {
        if let (Some(physical), Some(optimized)) = (&planned.physical, &planned.optimized) {
            return optimized.executable(self.ready(reset_plan_states(Arc::clone(physical))?)?);
        }
        let optimized = match (&planned.optimized, values.is_empty()) {
            (Some(optimized), true) => return optimized.executable(self.ready(self.physical(optimized).await?)?),
            (Some(optimized), false) if !planned.gains_from_values => {
                let plan = optimized
                    .plan()
                    .clone()
                    .replace_params_with_values(&ParamValues::from(values))?;
                planned.authorized.optimized(plan)?
            }
            (None, true) => self.optimize(&planned.authorized, "")?,
            (_, false) => {
                let bound = planned.authorized.plan().clone();
                let bound = bound.replace_params_with_values(&ParamValues::from(values))?;
                let plan = self.optimized(&postgres_dialect::resolve_unknowns(bound)?)?;
                planned.authorized.optimized(plan)?
            }
        };
        optimized.executable(self.ready(self.physical(&optimized).await?)?)
    }

    /// What belongs to one execution alone.
    fn ready(&self, physical: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        federation::ready(stopping(physical, &self.ctx.cancellation)?, self.state)
    }

    fn optimize(&self, authorized: &AuthorizedPlan, text: &str) -> Result<OptimizedPlan> {
        let plan = self
            .optimized(authorized.plan())
            .map_err(|error| located(error, text))?;
        authorized.optimized(plan)
    }

    fn optimized(&self, plan: &LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
        if is_timeless(plan)? {
            return self.state.optimize(plan);
        }
        let options = self.state.config_options();
        let plan = self.moments.put_into(plan.clone(), options)?;
        // The moments are constants now, beside which dates are compared otherwise.
        let plan = postgres_dialect::resolve_unknowns(plan)?;
        // Whatever else is only true now is folded as of the transaction's start.
        let mut state = self.state.clone();
        state.mark_start_execution();
        state.execution_props_mut().query_execution_start_time = Some(self.moments.transaction);
        state.optimize(&plan)
    }

    async fn physical(&self, optimized: &OptimizedPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = self.state.query_planner();
        // Only now are the values of parameters in the plan, which a remote statement carries.
        let cut = self
            .ctx
            .race(federation::push_down(optimized.plan(), self.state))
            .await??;
        let cut = cut.map(|plan| optimized.clone().map(|_| Ok(plan))).transpose()?;
        let optimized = cut.as_ref().unwrap_or(optimized);
        Ok(self
            .ctx
            .race(planner.create_physical_plan(optimized.plan(), self.state))
            .await??)
    }

    fn bind(
        &self,
        statement: Statement,
        text: &str,
        tables: &StatementTables,
        types: parameters::KnownTypes,
    ) -> Result<LogicalPlan> {
        let binder = Binder {
            state: self.state,
            tables: &tables.sources,
        };
        let options = ParserOptions::from(&self.state.config_options().sql_parser);
        let planner = SqlToRel::new_with_options(&binder, options);
        let mut context = PlannerContext::new().with_prepare_param_data_types(types);
        let plan = planner
            .sql_statement_to_plan_with_context(statement, &mut context)
            .map_err(|error| located(error, text))?;
        let plan = pair_copies(inline_laterals(plan)?)?;
        // Before integers become narrow: that settles the types of recursions again.
        let plan = narrow_integers(settle_floats(plan)?)?;
        Ok(postgres_dialect::resolve_unknowns(plan)?)
    }

    async fn open_tables(
        &self,
        statement: &Statement,
        text: &str,
        versions: &Versions,
    ) -> Result<(StatementTables, bool)> {
        let wrapped = datafusion::sql::parser::Statement::Statement(Box::new(statement.clone()));
        let references = self.state.resolve_table_references(&wrapped)?;
        let functions = table_functions(statement)?;
        let mut tables = StatementTables::default();
        let mut reads_catalog = self.system.is_read;
        let mut stored = Vec::new();
        for written in references {
            let is_function = written.schema().is_none() && functions.contains(written.table());
            if is_function {
                continue;
            }
            if let Some(provider) = self.system.table(&written)? {
                reads_catalog = true;
                tables.add(written, provider, Vec::new());
            } else {
                stored.push(written);
            }
        }
        let opened = stored.into_iter().map(|written| async {
            let (meant, version) = match versions.get(written.table()) {
                Some((table, version)) => (with_table(&written, table), *version),
                None => (written.clone(), TableVersion::Latest),
            };
            let (provider, opened) = self
                .finder
                .find(&meant, version)
                .await
                .map_err(|error| place(error, &meant, statement, text))?;
            Ok::<_, Error>((written, provider, opened))
        });
        for (written, provider, opened) in futures::future::try_join_all(opened).await? {
            tables.add(written, provider, opened);
        }
        Ok((tables, reads_catalog))
    }
}

fn with_table(written: &TableReference, table: &str) -> TableReference {
    match written {
        TableReference::Bare { .. } => TableReference::bare(table),
        TableReference::Partial { schema, .. } => TableReference::partial(&**schema, table),
        TableReference::Full { catalog, schema, .. } => TableReference::full(&**catalog, &**schema, table),
    }
}

/// Adds where the statement names a table that does not exist.
fn place(error: Error, written: &TableReference, statement: &Statement, text: &str) -> Error {
    if error.position().is_some() {
        return error;
    }
    let name = shown(written);
    let mut found = None;
    let _: ControlFlow<()> = visit_relations(statement, |relation: &ObjectName| {
        let parts = relation.0.iter().filter_map(|part| part.as_ident());
        let same = parts.clone().map(|ident| match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        });
        if found.is_none() && same.collect::<Vec<_>>().join(".") == name {
            found = parts.clone().next().map(|ident| ident.span.start);
        }
        ControlFlow::Continue(())
    });
    match found.and_then(|at| character_position(text, at.line, at.column)) {
        Some(position) => error.with_position(position),
        None => error,
    }
}

/// The schema with the names that the client sees.
fn shown_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let name = postgres_dialect::display_name(field.name());
        match name.len() == field.name().len() {
            true => Arc::clone(field),
            false => Arc::new(Field::clone(field).with_name(name)),
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Unsigned numbers of the catalog are oids, also where an expression lost what the column said.
fn with_oids(schema: &Schema) -> SchemaRef {
    let marked = |field: &FieldRef| {
        let name = match field.data_type() {
            DataType::UInt32 => "oid",
            DataType::List(item) if item.data_type() == &DataType::UInt32 => "_oid",
            _ => return Arc::clone(field),
        };
        let mut metadata = field.metadata().clone();
        metadata
            .entry(postgres_dialect::PG_TYPE_METADATA.to_owned())
            .or_insert_with(|| name.to_owned());
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    };
    Arc::new(Schema::new_with_metadata(
        schema.fields().iter().map(marked).collect::<Vec<_>>(),
        schema.metadata().clone(),
    ))
}

/// Whether nothing in the plan is only true now.
fn is_timeless(plan: &LogicalPlan) -> datafusion::common::Result<bool> {
    let mut timeless = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarFunction(function) = expr {
                    timeless &= function.func.signature().volatility == Volatility::Immutable;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(timeless)
}
