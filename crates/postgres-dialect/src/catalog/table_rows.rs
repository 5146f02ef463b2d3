//! System relations whose rows tell of columns or comments of tables: made piece by piece, so that a table is opened
//! only where its rows are asked for.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Schema, SchemaRef};
use contract::Result;
use datafusion::arrow::compute::concat_batches;

use super::objects::{PG_CLASS_OID, attributes, cells, classes, descriptions};
use super::relation::{self, Relation};
use super::rows::{Cell, Rows};
use super::snapshot::{CatalogSnapshot, SchemaEntry, TableEntry};
use super::{facts, information};
use crate::session_facts::SessionFacts;

/// What opening a table told, or its catalog.
#[derive(Debug, Clone, Default)]
pub struct DescribedTable {
    /// The table's OID.
    pub oid: u32,
    /// The columns that the identity may see; `None` if they could not be found out.
    pub columns: Option<SchemaRef>,
    /// The comment on the table, if it has one.
    pub comment: Option<String>,
}

/// A relation of a user's, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'c> {
    pub(crate) oid: u32,
    pub(crate) schema_oid: u32,
    pub(crate) schema: &'c str,
    pub(crate) table: &'c TableEntry,
    pub(crate) columns: Option<&'c Schema>,
    pub(crate) comment: Option<&'c str>,
}

/// What rows are made about.
#[derive(Debug, Default)]
pub(crate) struct Subjects<'c> {
    /// PostgreSQL's own relations.
    pub(crate) own: bool,
    pub(crate) users: Vec<Subject<'c>>,
}

impl<'c> Subjects<'c> {
    /// Everything, as far as the snapshot itself knows it.
    fn all(catalog: &'c CatalogSnapshot) -> Self {
        let known = |(oid, schema_oid, schema, table): (u32, u32, &'c SchemaEntry, &'c TableEntry)| Subject {
            oid,
            schema_oid,
            schema: &schema.name,
            table,
            columns: table.columns.as_deref(),
            comment: table.comment.as_deref(),
        };
        Self {
            own: true,
            users: catalog.tables().map(known).collect(),
        }
    }

    fn described(catalog: &'c CatalogSnapshot, tables: &'c [DescribedTable]) -> Self {
        let found = tables.iter().filter_map(|described| {
            let (schema_oid, schema, table) = catalog.place_of_oid(described.oid)?;
            Some(Subject {
                oid: described.oid,
                schema_oid,
                schema: &schema.name,
                table,
                columns: described.columns.as_deref(),
                comment: described.comment.as_deref().or(table.comment.as_deref()),
            })
        });
        Self {
            own: false,
            users: found.collect(),
        }
    }

    pub(crate) fn own_relations(&self) -> impl Iterator<Item = &'static Relation> {
        relation::all().iter().filter(|_| self.own)
    }
}

/// A system relation with rows about tables that depend on more than their names.
#[derive(Debug, Clone, Copy)]
pub struct TableRows(&'static Relation);

impl TableRows {
    /// The relation of that name; `None` if there is none whose rows depend on tables being opened.
    pub fn of(schema: &str, table: &str) -> Option<Self> {
        let listed = match schema {
            "pg_catalog" => matches!(table, "pg_class" | "pg_attribute" | "pg_description"),
            "information_schema" => matches!(table, "columns" | "column_privileges" | "role_column_grants"),
            _ => false,
        };
        relation::find(schema, table).filter(|_| listed).map(Self)
    }

    /// Its name, for people.
    pub fn name(self) -> String {
        format!("{}.{}", self.0.schema, self.0.name)
    }

    /// Its columns.
    pub fn schema(self) -> SchemaRef {
        Arc::clone(&self.0.arrow)
    }

    /// The columns that a table's name and kind settle alone: their places in [`schema`](Self::schema).
    pub fn known_columns(self) -> Vec<usize> {
        let known = |name: &str| match self.0.name {
            "pg_class" => name != "relnatts",
            "pg_attribute" => name == "attrelid",
            "pg_description" => matches!(name, "objoid" | "classoid"),
            _ => matches!(name, "table_catalog" | "table_schema" | "table_name"),
        };
        let columns = self.0.columns.iter().enumerate();
        columns
            .filter(|(_, column)| known(column.name))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether these columns can be told without opening a table, one row for each.
    pub fn is_known(self, projection: &[usize]) -> bool {
        let known = self.known_columns();
        self.0.name == "pg_class" && projection.iter().all(|column| known.contains(column))
    }

    /// A row for each table of the snapshot, in the order of [`CatalogSnapshot::tables`]: right in the columns that are
    /// [known](Self::known_columns), and of no meaning in others.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn known_rows(self, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Result<RecordBatch> {
        let mut rows = match self.0.name {
            "pg_class" => return self.class_rows(catalog),
            "pg_attribute" => Rows::new(self.0, &["attrelid"]),
            "pg_description" => Rows::new(self.0, &["objoid", "classoid"]),
            _ => Rows::new(self.0, &["table_catalog", "table_schema", "table_name"]),
        };
        for (oid, _, schema, table) in catalog.tables() {
            rows.push(match self.0.name {
                "pg_attribute" => cells![oid],
                "pg_description" => cells![oid, PG_CLASS_OID],
                _ => cells![facts.database.as_str(), schema.name.as_str(), table.name.as_str()],
            });
        }
        rows.finish()
    }

    fn class_rows(self, catalog: &CatalogSnapshot) -> Result<RecordBatch> {
        let subjects = Subjects {
            own: false,
            ..Subjects::all(catalog)
        };
        classes(self.0, &subjects).finish()
    }

    /// The rows about PostgreSQL's own relations.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn own_rows(self, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Result<RecordBatch> {
        let subjects = Subjects {
            own: true,
            users: Vec::new(),
        };
        let made = self.rows(catalog, &subjects, facts)?;
        match facts::batch(self.0)? {
            Some(fixed) => Ok(concat_batches(&self.0.arrow, [&fixed, &made])?),
            None => Ok(made),
        }
    }

    /// The rows about tables that were opened.
    ///
    /// # Errors
    /// `Internal` only.
    pub fn rows_about(
        self,
        catalog: &CatalogSnapshot,
        tables: &[DescribedTable],
        facts: &SessionFacts,
    ) -> Result<RecordBatch> {
        self.rows(catalog, &Subjects::described(catalog, tables), facts)
    }

    /// The rows about everything, with what the snapshot itself knows of columns and comments.
    pub(super) fn all_rows(self, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Result<RecordBatch> {
        self.rows(catalog, &Subjects::all(catalog), facts)
    }

    fn rows(self, catalog: &CatalogSnapshot, subjects: &Subjects<'_>, facts: &SessionFacts) -> Result<RecordBatch> {
        let relation = self.0;
        let rows = match relation.name {
            "pg_class" => classes(relation, subjects),
            "pg_attribute" => attributes(relation, subjects),
            "pg_description" => descriptions(relation, subjects),
            "columns" => information::all_columns(relation, subjects, facts),
            _ => information::column_privileges(relation, catalog, subjects, facts),
        };
        rows.finish()
    }
}
