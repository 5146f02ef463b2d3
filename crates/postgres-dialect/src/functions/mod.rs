//! Functions that PostgreSQL has and DataFusion lacks, or understands otherwise.

mod calendar_names;
mod catalog_lookup;
mod date_trunc;
mod dates;
mod expand;
mod extremes;
mod intervals;
mod json;
mod math;
mod matrix;
mod moment_fields;
mod moment_parse;
mod moment_template;
mod moment_text;
mod number_format;
mod numeric_cast;
mod operators;
mod privileges;
mod procedures;
mod quotients;
mod scalar;
mod session;
mod single_value;
mod strings;
mod sums;
mod to_moment;
mod told_apart;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::session_facts::SessionFacts;
pub(crate) use catalog_lookup::object_text;
pub use catalog_lookup::relation_oid;
pub use intervals::STATEMENT_TIMESTAMP;
pub(crate) use matrix::MATRIX;
pub(crate) use moment_text::{date, date_text, interval_text, timestamp_text};
pub(crate) use numeric_cast::{NUMERIC, numeric_cast};
pub use operators::operators;
pub(crate) use operators::{folded, numeric_shape};
pub use quotients::{NUMERIC_DIVIDE, divide as numeric_divide};
pub(crate) use single_value::SINGLE_VALUE;
pub use sums::sum;
pub(crate) use told_apart::TOLD_APART;

/// The functions that depend on nothing but their arguments: register them once, in the state that all sessions
/// share. They replace DataFusion's where one has the same name.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let declared = strings::declare().into_iter().chain(json::declare());
    let mut all: Vec<Arc<ScalarUDF>> = declared.map(scalar::Declared::build).collect();
    all.push(date_trunc::date_trunc());
    all.extend(dates::functions());
    all.extend(intervals::functions());
    all.extend(math::functions());
    all.push(numeric_cast::numeric());
    all.push(expand::expand_array());
    all.push(matrix::matrix());
    all.push(to_moment::to_date());
    all.push(told_apart::told_apart());
    all
}

/// The aggregates that rewritten statements call, and those that PostgreSQL understands otherwise than DataFusion.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    let mut all = vec![single_value::single_value(), quotients::average(), sums::sum()];
    all.extend(extremes::extremes());
    all
}

/// The functions that look at a session: who it is, its settings, its catalog. Register them in the session's own
/// state; they hold on to `facts`.
pub fn session_functions(facts: &Arc<SessionFacts>) -> Vec<Arc<ScalarUDF>> {
    let address = Arc::as_ptr(facts).addr();
    let zone = facts.settings.get("timezone");
    session::declare(facts)
        .into_iter()
        .chain(catalog_lookup::declare(facts))
        .chain(privileges::declare(facts))
        .map(|function| function.of_session(address).build())
        .chain([intervals::statement_timestamp(zone), to_moment::to_timestamp(zone)])
        .collect()
}
