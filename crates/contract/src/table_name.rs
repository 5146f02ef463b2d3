use std::fmt;
use std::hash::Hash;

/// The full name of a table, in the case that its catalog gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The catalog (PostgreSQL: database).
    pub catalog: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
}

impl TableName {
    /// Puts the three parts together.
    pub fn new(catalog: impl Into<String>, schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            catalog: catalog.into(),
            schema: schema.into(),
            table: table.into(),
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.catalog, self.schema, self.table)
    }
}

/// Which state of a table a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TableVersion {
    /// The newest when the query begins.
    #[default]
    Latest,
    /// `VERSION AS OF n`.
    Version(u64),
    /// `TIMESTAMP AS OF t`: the newest not after `t`, in milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
}
