//! The DataFusion session state that every query starts from: one for the process.

use std::num::NonZeroUsize;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, ErrorKind, Result};
use datafusion::catalog::Session;
use datafusion::config::{ConfigOptions, Dialect};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};

use super::bounded_functions::bound_functions;
use super::checked_arithmetic::CheckedArithmetic;
use super::coalesce::coalesce_of_bytes;
use super::exact_averages::ExactAverages;
use super::mixed_numbers::MixedNumbers;
use super::single_distinct::optimizer_rules;
use super::yielding_joins::YieldingJoins;
use crate::EngineOptions;

/// How many of the largest consumers an out-of-memory error names in the log.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::MIN;
/// The memory limit where the machine's size cannot be read.
const MEMORY_LIMIT_FALLBACK: usize = 2 << 30;
/// The most that the spill files of all queries may take together, in bytes.
const SPILL_BYTES_MAX: u64 = 100 << 30;

/// Builds the template.
///
/// # Errors
/// `Configuration` if the spill folder cannot be used.
pub(crate) fn template_state(options: &EngineOptions) -> Result<SessionState> {
    let memory_limit = options.memory_limit.unwrap_or_else(half_of_memory);
    let disk = match &options.spill_dir {
        Some(folder) => {
            check_folder(folder)?;
            DiskManagerMode::Directories(vec![folder.clone()])
        }
        None => DiskManagerMode::OsTmpDirectory,
    };
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(TrackConsumersPool::new(
            FairSpillPool::new(memory_limit),
            CONSUMERS_NAMED,
        )))
        .with_disk_manager_builder(
            DiskManagerBuilder::default()
                .with_mode(disk)
                .with_max_temp_directory_size(SPILL_BYTES_MAX),
        )
        // Listings are never served from a cache: a query sees what lies there when it begins.
        .with_object_list_cache_limit(0)
        .build_arc()?;
    let mut config = SessionConfig::new().with_information_schema(false);
    if let Some(partitions) = options.target_partitions {
        config = config.with_target_partitions(partitions.max(1));
    }
    configure(config.options_mut());
    let mut builder = SessionStateBuilder::new_with_default_features()
        .with_config(config)
        .with_runtime_env(runtime);
    let rules = builder.physical_optimizer_rules().take().unwrap_or_default();
    let rules = if rules.is_empty() {
        datafusion::physical_optimizer::optimizer::PhysicalOptimizer::new().rules
    } else {
        rules
    };
    let mut rules = policy::guarded_physical_rules(rules);
    rules.push(Arc::new(YieldingJoins));
    let mut state = builder
        .with_physical_optimizer_rules(rules)
        .with_query_planner(Arc::new(Planner))
        .with_analyzer_rules(analyzer_rules())
        .with_optimizer_rules(optimizer_rules())
        .build();
    for function in postgres_dialect::scalar_functions() {
        state.register_udf(function)?;
    }
    for function in postgres_dialect::aggregate_functions() {
        state.register_udaf(function)?;
    }
    state.register_expr_planner(postgres_dialect::operators())?;
    bound_functions(&mut state)?;
    coalesce_of_bytes(&mut state)?;
    Ok(state)
}

/// DataFusion's planner, which also knows sub-plans that run elsewhere.
#[derive(Debug)]
struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(policy::DelegatedPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

/// DataFusion's, with the types that PostgreSQL gives settled before its coercion, and arithmetic that raises after it.
fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules = Analyzer::new().rules;
    rules.insert(0, Arc::new(MixedNumbers));
    rules.push(Arc::new(ExactAverages::new()));
    rules.push(Arc::new(CheckedArithmetic::new()));
    rules
}

fn configure(options: &mut ConfigOptions) {
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    options.sql_parser.parse_float_as_decimal = true;
    // Timestamps of year 1 and 9999 in old files must not wrap.
    options.execution.parquet.coerce_int96 = Some("us".to_owned());
    options.execution.collect_statistics = true;
    // IS TRUE and its like are never NULL for the logical plan, and may be for the physical one: an aggregate over such
    // a column would not be planned.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.optimizer.hash_join_inlist_pushdown_max_distinct_values = federation::JOIN_KEYS_MAX;
    policy::harden(options);
}

fn check_folder(folder: &std::path::Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        let message = format!("engine.spill_dir {} cannot be used: {error}", folder.display());
        Error::new(ErrorKind::Configuration, message)
    })
}

/// Half of the machine's memory, as Linux reports it.
fn half_of_memory() -> usize {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    });
    total.map_or(MEMORY_LIMIT_FALLBACK, |kilobytes| kilobytes * 1024 / 2)
}
