//! From a parsed statement to something that can be executed: names, types, plans and their cache.

mod binder;
mod bounded_functions;
mod cache;
mod checked_arithmetic;
mod coalesce;
mod exact_averages;
mod float_types;
mod lateral;
mod literals;
mod mixed_numbers;
mod mixed_values;
mod moments;
mod parameters;
mod pipeline;
mod position;
mod set_operations;
mod single_distinct;
mod stopping_joins;
mod tables;
mod template;
mod time_travel;
mod yielding_joins;

pub(crate) use cache::{PlanCache, PlanKey};
pub(crate) use moments::Moments;
pub(crate) use parameters::convert;
pub(crate) use pipeline::{Planned, PlanningSession};
pub(crate) use tables::{Ground, PinnedTables, SeenTable, TableFinder};
pub(crate) use template::template_state;
