//! Object numbers as clients see them: `regclass`, `regtype`, `regproc` … print as names.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};

use crate::catalog::PG_TYPE_METADATA;
use crate::functions::{object_text, session_functions};
use crate::session_facts::SessionFacts;

/// The text of an object number of one of the `reg…` types, as PostgreSQL prints it; `None` for other types and for
/// numbers that are no object, which print as numbers.
pub fn object_name(pg_type: &str, oid: u32, facts: &SessionFacts) -> Option<String> {
    object_text(pg_type, oid, facts)
}

/// Puts a projection on top of `plan` that turns columns of `reg…` types into names, if it has any. For results in
/// text format.
///
/// # Errors
/// Only if the plan is not well formed.
pub fn show_object_names(plan: LogicalPlan, facts: &Arc<SessionFacts>) -> Result<LogicalPlan> {
    let schema = Arc::clone(plan.schema());
    let object_type = |at: usize| {
        let name = schema.field(at).metadata().get(PG_TYPE_METADATA)?;
        (name.starts_with("reg") && schema.field(at).data_type().is_integer()).then(|| name.clone())
    };
    if (0..schema.fields().len()).all(|at| object_type(at).is_none()) {
        return Ok(plan);
    }
    let functions = session_functions(facts);
    let items = schema.iter().enumerate().map(|(at, (qualifier, field))| {
        let column = Expr::from((qualifier, field));
        let shown = object_type(at).and_then(|name| {
            let wanted = format!("lakegate_{name}_text");
            functions.iter().find(|function| function.name() == wanted).cloned()
        });
        match shown {
            Some(function) => Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![column]))
                .alias_qualified(qualifier.cloned(), field.name()),
            None => column,
        }
    });
    Ok(LogicalPlan::Projection(Projection::try_new(
        items.collect(),
        Arc::new(plan),
    )?))
}
