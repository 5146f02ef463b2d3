//! `pg_catalog` and `information_schema`: every relation that PostgreSQL 15 has, with the rows that one identity may
//! see. A relation about things that a read-only gateway has not (indexes, triggers …) is there and empty.

mod columns;
pub(crate) mod facts;
mod information;
mod needs;
mod objects;
pub(crate) mod relation;
pub(crate) mod rows;
mod snapshot;
mod table_rows;
pub(crate) mod types;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use contract::Result;
use datafusion::arrow::compute::concat_batches;

pub(crate) use columns::comment_of;
pub use needs::{COMMENT_FUNCTIONS, CatalogNeeds, Comments, needs_catalog};
pub(crate) use snapshot::PG_CATALOG_OID;
pub use snapshot::{CatalogSnapshot, DatabaseEntry, RelationKind, RoleEntry, SchemaEntry, TableEntry};
pub use table_rows::{DescribedTable, TableRows};
pub(crate) use types::list_type_name;
pub use types::{PG_TYPE_METADATA, format_type, type_modifier, type_oid, type_oid_of_name};

use crate::session_facts::SessionFacts;

/// Whether a relation of `pg_catalog` has no rows whoever asks.
pub(crate) fn is_always_empty(name: &str) -> bool {
    relation::find("pg_catalog", name).is_some() && facts::text_of(name).is_none() && !objects::DYNAMIC.contains(&name)
}

/// `typname` of a type.
pub(crate) fn type_fact_name(oid: u32) -> Option<&'static str> {
    types::by_oid(oid).map(|fact| fact.name)
}

/// The system relations: schema and name of each, sorted.
pub fn system_table_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    relation::all().iter().map(|relation| (relation.schema, relation.name))
}

/// The columns of a system relation; `None` if there is none of that name.
pub fn system_schema(schema: &str, table: &str) -> Option<SchemaRef> {
    relation::find(schema, table).map(|relation| relation.arrow.clone())
}

/// The rows of a system relation, of the schema that [`system_schema`] says; `None` if there is none of that name. Of
/// columns and comments it has what the snapshot knows; see [`TableRows`].
///
/// # Errors
/// `Internal` only.
pub fn system_batch(
    schema: &str,
    table: &str,
    catalog: &CatalogSnapshot,
    facts: &SessionFacts,
) -> Result<Option<RecordBatch>> {
    let Some(relation) = relation::find(schema, table) else {
        return Ok(None);
    };
    let own = match (TableRows::of(schema, table), relation.schema) {
        (Some(rows), _) => Some(rows.all_rows(catalog, facts)?),
        (None, "pg_catalog") => objects::batch(relation, catalog, facts)?,
        (None, _) => information::batch(relation, catalog, facts)?,
    };
    let fixed = facts::batch(relation)?;
    Ok(Some(match (fixed, own) {
        (Some(fixed), Some(own)) => concat_batches(&relation.arrow, [&fixed, &own])?,
        (Some(batch), None) | (None, Some(batch)) => batch,
        (None, None) => RecordBatch::new_empty(relation.arrow.clone()),
    }))
}

#[cfg(test)]
mod tests;
