//! How many rows a sub-plan gives, where that is known without asking.

use std::collections::BTreeMap;

use contract::TableName;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{FetchType, LogicalPlan, SkipType};
use policy::{Presented, PresentedTable};

/// The number of rows of `plan`, from those of `tables` that are read as they are; `None` where a value decides.
pub(crate) fn known_rows(plan: &LogicalPlan, tables: &BTreeMap<TableName, u64>) -> Option<u64> {
    let below = |plan: &LogicalPlan| known_rows(plan, tables);
    let at_most = |rows: u64, fetch: Option<usize>| fetch.map_or(rows, |fetch| rows.min(fetch as u64));
    match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() => {
            let provider = source_as_provider(&scan.source).ok()?;
            let presented = provider.downcast_ref::<PresentedTable>()?;
            match presented.presented() {
                Presented::Full(_) => Some(at_most(*tables.get(presented.name())?, scan.fetch)),
                // How many rows a rule leaves is not told beforehand.
                Presented::Ruled { .. } => None,
            }
        }
        LogicalPlan::Projection(projection) => below(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input),
        LogicalPlan::Window(window) => below(&window.input),
        LogicalPlan::Sort(sort) => Some(at_most(below(&sort.input)?, sort.fetch)),
        LogicalPlan::Union(union) => union.inputs.iter().map(|input| below(input)).sum(),
        LogicalPlan::Limit(limit) => {
            let (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) =
                (limit.get_skip_type(), limit.get_fetch_type())
            else {
                return None;
            };
            Some(at_most(below(&limit.input)?.saturating_sub(skip as u64), fetch))
        }
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => Some(1),
        _ => None,
    }
}
