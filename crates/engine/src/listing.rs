//! What exists for an identity, as doors without SQL list it. Under the rules and from the place that `pg_catalog` is
//! made of: what is hidden is in neither.

use contract::{Error, ErrorKind, QueryContext, Result};
use datafusion::arrow::datatypes::SchemaRef;
use postgres_dialect::{CatalogNeeds, RelationKind};

use crate::client_session::ClientSession;
use crate::metadata::{sees_catalog, snapshot, visible_catalogs};

/// A table or view.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedTable {
    /// Its name, without schema.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// The columns that the identity may see, if they were asked for and could be found out.
    pub columns: Option<SchemaRef>,
    /// The comment on it.
    pub comment: Option<String>,
}

/// A schema with its tables.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedSchema {
    /// Its name.
    pub name: String,
    /// Its tables, by name.
    pub tables: Vec<ListedTable>,
}

impl ClientSession {
    /// The catalogs that exist for the session's identity, by name.
    ///
    /// # Errors
    /// `Canceled`, `DeadlineExceeded`.
    pub async fn list_catalogs(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        let ground = self.ground();
        let mut names = visible_catalogs(&self.finder(&ground, ctx)).await?;
        names.sort();
        Ok(names)
    }

    /// The schemas and tables of a catalog, by name; with their columns, which costs opening each table.
    ///
    /// # Errors
    /// `UndefinedCatalog`, or what a source says.
    pub async fn list_catalog(
        &self,
        catalog: &str,
        with_columns: bool,
        ctx: &QueryContext,
    ) -> Result<Vec<ListedSchema>> {
        let ground = self.ground();
        if !sees_catalog(&self.finder(&ground, ctx), catalog).await? {
            let message = format!("catalog \"{catalog}\" does not exist");
            return Err(Error::new(ErrorKind::UndefinedCatalog, message));
        }
        let mut finder = self.finder(&ground, ctx);
        finder.catalog = catalog;
        let needs = CatalogNeeds {
            objects: true,
            columns: with_columns,
        };
        let snapshot = snapshot(&finder, needs).await?;
        let mut schemas: Vec<_> = snapshot
            .schemas()
            .map(|(_, schema)| {
                let mut tables: Vec<_> = schema
                    .tables
                    .iter()
                    .map(|table| ListedTable {
                        name: table.name.clone(),
                        is_view: table.kind != RelationKind::Table,
                        columns: table.columns.clone(),
                        comment: table.comment.clone(),
                    })
                    .collect();
                tables.sort_by(|one, other| one.name.cmp(&other.name));
                ListedSchema {
                    name: schema.name.clone(),
                    tables,
                }
            })
            .collect();
        schemas.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(schemas)
    }
}
