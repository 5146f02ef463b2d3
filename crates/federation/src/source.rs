use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{QueryContext, Result, TableName, TableVersion};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use futures::stream::BoxStream;

use crate::Privileges;

/// What kind of relation a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// Rows are stored.
    Table,
    /// Rows are computed from a query.
    View,
}

/// One line of a listing: enough for `\dt`, without opening the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// The table's own name, without schema.
    pub name: String,
    /// Table or view.
    pub kind: TableKind,
}

/// A table as its catalog describes it, without opening it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDescription {
    /// The table's own name, without schema.
    pub name: String,
    /// The columns that opening it would give; `None` where only opening it tells, or they were not asked for.
    pub columns: Option<SchemaRef>,
    /// The table's comment, if it has one.
    pub comment: Option<String>,
}

/// Descriptions in pieces, as they come.
pub type TableDescriptions = BoxStream<'static, Result<Vec<TableDescription>>>;

/// A table at one version, ready to be planned over.
#[derive(Debug, Clone)]
pub struct SourceTable {
    /// Plans scans of that version, again and again the same rows.
    pub provider: Arc<dyn TableProvider>,
    /// Says whether two openings are the same state: equal numbers mean equal rows and equal schema, so a plan made
    /// over one may be executed again instead of being made anew over the other.
    pub state: u64,
    /// The table's comment, if it has one.
    pub comment: Option<String>,
}

/// The names of one mounted system: a catalog with schemas and tables.
///
/// Implementors keep tables open between calls. Nothing here knows of access rules: the engine asks as itself and
/// filters what it hands on.
#[async_trait]
pub trait Source: Debug + Send + Sync {
    /// The catalog's name, as in `catalog.schema.table`.
    fn name(&self) -> &str;

    /// The name of the service that mounts it; several catalogs may come from one.
    fn service(&self) -> &str {
        self.name()
    }

    /// The schema that short names mean in a session of this catalog; none if the engine's own default is meant.
    fn default_schema(&self) -> Option<&str> {
        None
    }

    /// What the compute behind it says of its state, in words for people; none if there is none that tells. Nothing is
    /// started by asking.
    ///
    /// # Errors
    /// `SourceUnavailable` if the system does not answer, `SourceRejected` if it does not know the compute.
    async fn compute_state(&self, ctx: &QueryContext) -> Result<Option<String>> {
        let _ = ctx;
        Ok(None)
    }

    /// Forgets what is kept of names, columns and credentials, so that the next use asks anew. For sources that look
    /// each time there is nothing to do.
    fn refresh(&self) {}

    /// What the system lets its own users see of the catalog, if the service is to honour that: the engine asks it
    /// for each table and listing. `None`: the gateway's rules decide alone.
    fn privileges(&self) -> Option<&dyn Privileges> {
        None
    }

    /// The schemas that exist now, sorted, without repeats.
    ///
    /// # Errors
    /// `SourceUnavailable` if the system does not answer.
    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>>;

    /// The tables that exist now in `schema`, sorted by name; empty for a schema that does not exist.
    ///
    /// A table that cannot be read is listed all the same.
    ///
    /// # Errors
    /// `SourceUnavailable` if the system does not answer.
    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>>;

    /// Describes all tables of `schema` in far fewer calls than opening each; `Ok(None)` if the system has no such way.
    /// Without `with_columns` only comments are asked for.
    ///
    /// # Errors
    /// As [`tables`](Self::tables), also in the stream.
    async fn describe(
        &self,
        schema: &str,
        with_columns: bool,
        ctx: &QueryContext,
    ) -> Result<Option<TableDescriptions>> {
        let _ = (schema, with_columns, ctx);
        Ok(None)
    }

    /// Opens a table. `Ok(None)` if there is none of that name (names are exact, in the catalog's own case).
    ///
    /// With [`TableVersion::Latest`] every change committed before the call is seen.
    ///
    /// # Errors
    /// `Unsupported` if the table needs a feature that is not implemented (and which), `DataCorrupted` if its log is
    /// damaged (and which file), `UndefinedObject` if the version does not exist, `SourceUnavailable` otherwise.
    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>>;
}
