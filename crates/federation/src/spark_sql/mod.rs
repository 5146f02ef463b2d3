//! Plans as statements in Spark's SQL. What is not listed is not written.
//!
//! Each node becomes a query block of its own whose FROM is the block below, with columns that are numbered: nothing
//! is merged and nothing moves, so that a rule stays in the innermost block. What means the same for every value is
//! listed in `expression.rs`, `cast.rs`, `function.rs` (whose longer entries are in `text.rs` and `dates.rs`),
//! `aggregate.rs` and `window.rs`; what can fail for some value is marked there, and is not written above a scan that has
//! rules.

mod aggregate;
mod arithmetic;
mod block;
mod cast;
mod data_type;
mod dates;
mod expression;
mod function;
mod grouping_sets;
mod join;
mod literal;
mod operands;
mod order;
mod pattern;
mod relation;
mod scan;
mod text;
mod window;

use std::fmt;

use datafusion::arrow::datatypes::Schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::Capabilities;
pub(crate) use block::Block;
pub(crate) use order::limited_sort;
pub(crate) use relation::{Strictness, keeps_order, narrowed, write_node};
pub(crate) use scan::write_scan;

/// Why a plan or an expression is not written: what of it has no proven equal. The text names kinds and types, never a
/// value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotWritten(pub(crate) String);

impl NotWritten {
    pub(crate) fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes `plan`, all of whose tables are remote tables of one compute context. The order of its rows is lost.
pub(crate) fn write_plan(plan: &LogicalPlan) -> Result<Block, NotWritten> {
    relation::write_whole(plan, false, Strictness::default())
}

/// Whether `expression`, over columns of `schema`, has an equal there.
pub(crate) fn is_written(expression: &Expr, schema: &Schema, capabilities: Capabilities) -> bool {
    scan::is_condition_written(expression, schema, capabilities)
}
