//! A few remote tables of two systems and one of this engine, and what a query over them becomes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use contract::{Identity, QueryContext, Result, Route, TableName};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::{ColumnarValue, LogicalPlan, Volatility, create_udf};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::executor::block_on;
use policy::{DelegatedPlan, PresentedTable, RemoteReads, RuleScope, Rules, Stamp, TableAccess, parse_rules};

use crate::{
    Capabilities, ComputeContext, ComputeMeter, RemoteEngine, RemoteExec, RemoteStatement, RemoteStream, RemoteTable,
    push_down,
};

/// An engine that keeps what it is asked and answers with nothing.
#[derive(Debug)]
pub(super) struct Recorder {
    context: ComputeContext,
    ansi: bool,
    executed: Mutex<Vec<String>>,
    meter: ComputeMeter,
}

#[async_trait]
impl RemoteEngine for Recorder {
    fn compute_context(&self) -> &ComputeContext {
        &self.context
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            route: Route::Spark,
            ansi: self.ansi,
        }
    }

    fn meter(&self) -> &ComputeMeter {
        &self.meter
    }

    async fn describe(&self, _statement: &RemoteStatement, _ctx: &QueryContext) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::empty()))
    }

    async fn execute(&self, statement: Arc<RemoteStatement>, _memory: &Arc<dyn MemoryPool>) -> Result<RemoteStream> {
        self.executed.lock().unwrap().push(statement.text());
        let none: Vec<Result<RecordBatch>> = Vec::new();
        Ok(Box::pin(futures::stream::iter(none)))
    }
}

pub(super) fn recorder(system: &str, principal: &str, ansi: bool) -> Arc<Recorder> {
    Arc::new(Recorder {
        context: ComputeContext::new(system, principal),
        ansi,
        executed: Mutex::new(Vec::new()),
        meter: ComputeMeter::default(),
    })
}

pub(super) fn orders_schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, true);
    Arc::new(Schema::new(vec![
        field("id", DataType::Int64),
        field("customer", DataType::Int32),
        field("city", DataType::Utf8),
        field("price", DataType::Decimal128(15, 2)),
        field("weight", DataType::Float64),
        field("ordered", DataType::Date32),
        field("shipped", DataType::Timestamp(TimeUnit::Microsecond, None)),
        field("paid", DataType::Boolean),
    ]))
}

fn customers_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int32, true),
        Field::new("name", DataType::Utf8, true),
        Field::new("odd ` name", DataType::Utf8, true),
    ]))
}

/// The tables of the world by their names.
pub(super) fn raw(ansi: bool) -> HashMap<TableName, Arc<dyn TableProvider>> {
    let spark = recorder("spark", "root", ansi);
    let other = recorder("other", "root", ansi);
    let somebody = recorder("spark", "somebody", ansi);
    let remote = |table: &str, schema: SchemaRef, engine: &Arc<Recorder>| {
        let path = ["main", "sales", table].map(str::to_owned).to_vec();
        let engine: Arc<dyn RemoteEngine> = Arc::clone(engine) as Arc<dyn RemoteEngine>;
        let provider: Arc<dyn TableProvider> = Arc::new(RemoteTable::new(name(table), path, schema, engine));
        (name(table), provider)
    };
    let here = MemTable::try_new(customers_schema(), vec![vec![]]).unwrap();
    let here: (TableName, Arc<dyn TableProvider>) = (name("here"), Arc::new(here));
    HashMap::from([
        remote("orders", orders_schema(), &spark),
        remote("customers", customers_schema(), &spark),
        remote("elsewhere", customers_schema(), &other),
        remote("theirs", customers_schema(), &somebody),
        here,
    ])
}

pub(super) fn name(table: &str) -> TableName {
    TableName::new("main", "sales", table)
}

/// What one identity asks.
pub(super) struct Asker {
    context: SessionContext,
}

impl Asker {
    /// The administrator, who sees every table as it is.
    pub(super) fn administrator() -> Self {
        Self::new(&Identity::administrator("root"), &Rules::none(), true)
    }

    /// The administrator of a system that does not raise.
    pub(super) fn of_lenient_system() -> Self {
        Self::new(&Identity::administrator("root"), &Rules::none(), false)
    }

    /// A user under rules.
    pub(super) fn under(identity: &Identity, rules: &str) -> Self {
        let rules = parse_rules(&[("rules.sql".to_owned(), rules.to_owned())]).unwrap();
        Self::new(identity, &rules, true)
    }

    fn new(identity: &Identity, rules: &Rules, ansi: bool) -> Self {
        let config = SessionConfig::new().with_target_partitions(2);
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .build();
        let context = SessionContext::new_with_state(state);
        // Stands for the engine's own, which raises.
        for function in ["checked_add", "checked_subtract", "checked_multiply"] {
            let types = vec![DataType::Int32, DataType::Int32];
            let first = Arc::new(|arguments: &[ColumnarValue]| Ok(arguments[0].clone()));
            context.register_udf(create_udf(
                function,
                types,
                DataType::Int32,
                Volatility::Immutable,
                first,
            ));
        }
        let raw = raw(ansi);
        let stamp = Stamp::new(identity, rules.version());
        let state = context.state();
        for (name, inner) in &raw {
            let presented = match rules.table_access(identity, name) {
                TableAccess::Hidden => continue,
                TableAccess::Full => PresentedTable::full(name.clone(), Arc::clone(inner), stamp),
                TableAccess::Restricted(rules) => {
                    let scope = RuleScope {
                        state: &state,
                        tables: &raw,
                    };
                    PresentedTable::restricted(name.clone(), Arc::clone(inner), &rules, identity, scope, stamp).unwrap()
                }
            };
            context.register_table(name.table.as_str(), presented).unwrap();
        }
        Self { context }
    }

    /// The optimized plan of a query after the cut, or as it was if nothing is cut.
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing here waits for anything: no runtime is needed"
    )]
    pub(super) fn plan(&self, sql: &str) -> LogicalPlan {
        let state = self.context.state();
        let plan = block_on(state.create_logical_plan(sql)).unwrap();
        let plan = state.optimize(&plan).unwrap();
        block_on(push_down(&plan, &state)).unwrap().unwrap_or(plan)
    }

    /// The statements of a query.
    pub(super) fn pushed(&self, sql: &str) -> Vec<Pushed> {
        pushed(&self.plan(sql))
    }

    /// The one statement of a query that is pushed as a whole.
    pub(super) fn whole(&self, sql: &str) -> Pushed {
        let plan = self.plan(sql);
        let mut pushed = pushed(&plan);
        assert!(
            matches!(plan, LogicalPlan::Extension(_)),
            "{sql}: {}",
            plan.display_indent()
        );
        assert_eq!(pushed.len(), 1, "{sql}");
        pushed.remove(0)
    }
}

/// One delegated plan.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    pub(super) text: String,
    pub(super) parameters: Vec<ScalarValue>,
    pub(super) reads: RemoteReads,
    pub(super) system: String,
}

pub(super) fn pushed(plan: &LogicalPlan) -> Vec<Pushed> {
    let mut all = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Extension(extension) = node {
            let delegated = extension.node.as_any().downcast_ref::<DelegatedPlan>().unwrap();
            let exec = delegated.remote().downcast_ref::<RemoteExec>().unwrap();
            all.push(Pushed {
                text: exec.statement().text(),
                parameters: exec.statement().parameters().to_vec(),
                reads: delegated.reads().clone(),
                system: exec.engine().compute_context().to_string(),
            });
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
    all
}
