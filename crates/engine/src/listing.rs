//! What exists for an identity, as doors without SQL list it. Under the rules and from the place that `pg_catalog` is
//! made of: what is hidden is in neither.

use std::collections::HashMap;

use contract::{Error, ErrorKind, QueryContext, Result};
use datafusion::arrow::array::{BooleanArray, StringArray};
use datafusion::arrow::compute::like;
use datafusion::arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use postgres_dialect::{CatalogSnapshot, RelationKind, TableEntry};

use crate::client_session::ClientSession;
use crate::described_tables::described;
use crate::metadata::{sees_catalog, snapshot, visible_catalogs};
use crate::planning::Ground;

/// A table or view.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedTable {
    /// Its name, without schema.
    pub name: String,
    /// Whether it is a view.
    pub is_view: bool,
    /// The columns that the identity may see, if they were asked for and could be found out.
    pub columns: Option<SchemaRef>,
    /// The comment on it, if it was asked for.
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
        let mut names = visible_catalogs(&self.ground(ctx).finder()).await?;
        names.sort();
        Ok(names)
    }

    /// The schemas and tables of a catalog, by name. No table is opened: columns and comments are left out.
    ///
    /// # Errors
    /// `UndefinedCatalog`, or what a source says.
    pub async fn list_catalog(&self, catalog: &str, ctx: &QueryContext) -> Result<Vec<ListedSchema>> {
        let ground = self.ground_of(catalog, ctx).await?;
        let snapshot = snapshot(&ground.finder()).await?;
        Ok(by_name(&snapshot))
    }

    /// The same with the columns and comments of those tables that `choose` leaves of it: the fewer they are, the less is
    /// asked of the source.
    ///
    /// # Errors
    /// As [`list_catalog`](Self::list_catalog), and those of `choose`.
    pub async fn describe_catalog(
        &self,
        catalog: &str,
        choose: impl FnOnce(&mut Vec<ListedSchema>) -> Result<()> + Send,
        ctx: &QueryContext,
    ) -> Result<Vec<ListedSchema>> {
        let ground = self.ground_of(catalog, ctx).await?;
        let snapshot = snapshot(&ground.finder()).await?;
        let mut schemas = by_name(&snapshot);
        choose(&mut schemas)?;
        let mut wanted = Vec::new();
        let mut places: HashMap<u32, &mut ListedTable> = HashMap::new();
        for schema in &mut schemas {
            let oids = snapshot.table_oids(&schema.name);
            for table in &mut schema.tables {
                if let Some(oid) = oids.get(table.name.as_str()) {
                    wanted.push(*oid);
                    places.insert(*oid, table);
                }
            }
        }
        let mut pieces = described(ground, &snapshot, &wanted, true);
        while let Some(piece) = pieces.try_next().await? {
            for table in piece {
                if let Some(listed) = places.get_mut(&table.oid) {
                    (listed.columns, listed.comment) = (table.columns, table.comment);
                }
            }
        }
        Ok(schemas)
    }

    /// The ground over a catalog that exists for the identity, by rules and by what its system lets the user see.
    async fn ground_of(&self, catalog: &str, ctx: &QueryContext) -> Result<Ground> {
        let mut ground = self.ground(ctx);
        if !sees_catalog(&ground.finder(), catalog).await? {
            let message = format!("catalog \"{catalog}\" does not exist");
            return Err(Error::new(ErrorKind::UndefinedCatalog, message));
        }
        ground.catalog = catalog.to_owned();
        Ok(ground)
    }
}

/// Schemas and tables in the order of their names.
fn by_name(snapshot: &CatalogSnapshot) -> Vec<ListedSchema> {
    let mut schemas: Vec<_> = snapshot
        .schemas()
        .map(|(_, schema)| {
            let mut tables: Vec<_> = schema.tables.iter().map(listed).collect();
            tables.sort_by(|one, other| one.name.cmp(&other.name));
            ListedSchema {
                name: schema.name.clone(),
                tables,
            }
        })
        .collect();
    schemas.sort_by(|one, other| one.name.cmp(&other.name));
    schemas
}

fn listed(table: &TableEntry) -> ListedTable {
    ListedTable {
        name: table.name.clone(),
        is_view: table.kind != RelationKind::Table,
        columns: None,
        comment: None,
    }
}

/// Leaves the tables whose own names and whose schemas' fit patterns of LIKE, and schemas that fit.
///
/// # Errors
/// `Internal` only.
pub fn retain_like(schemas: &mut Vec<ListedSchema>, schema: Option<&str>, table: Option<&str>) -> Result<()> {
    if let Some(pattern) = schema {
        let fits = fitting(schemas.iter().map(|schema| schema.name.as_str()), pattern)?;
        let mut fits = fits.iter();
        schemas.retain(|_| fits.next().flatten() == Some(true));
    }
    if let Some(pattern) = table {
        for schema in schemas {
            let fits = fitting(schema.tables.iter().map(|table| table.name.as_str()), pattern)?;
            let mut fits = fits.iter();
            schema.tables.retain(|_| fits.next().flatten() == Some(true));
        }
    }
    Ok(())
}

fn fitting<'n>(names: impl Iterator<Item = &'n str>, pattern: &str) -> Result<BooleanArray> {
    let names: StringArray = names.map(Some).collect();
    Ok(like(&names, &StringArray::new_scalar(pattern))?)
}
