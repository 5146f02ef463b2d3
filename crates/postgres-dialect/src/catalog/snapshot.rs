//! What one identity may see, as the engine states it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow_schema::SchemaRef;

/// The OIDs below this are PostgreSQL's own.
pub(crate) const FIRST_USER_OID: u32 = 16_384;
/// The role that owns everything.
pub(crate) const OWNER_OID: u32 = 10;
/// The owner's name, unless a role of that number is stated.
pub(crate) const OWNER_NAME: &str = "lakegate";
pub(crate) const PG_CATALOG_OID: u32 = 11;
pub(crate) const PUBLIC_OID: u32 = 2200;

/// A catalog (PostgreSQL: database) that exists for an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseEntry {
    /// Its name.
    pub name: String,
}

/// A schema of the current database.
#[derive(Debug, Clone, PartialEq)]
pub struct SchemaEntry {
    /// Its name.
    pub name: String,
    /// Its relations that the identity may see.
    pub tables: Vec<TableEntry>,
}

/// Table or view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    /// Rows are stored.
    Table,
    /// Rows are computed.
    View,
    /// Rows are computed and kept.
    MaterializedView,
}

/// A relation of the current database.
#[derive(Debug, Clone, PartialEq)]
pub struct TableEntry {
    /// Its name, without schema.
    pub name: String,
    /// Table or view.
    pub kind: RelationKind,
    /// The columns that the identity may see, where they are known without opening the table. A field's `comment`
    /// metadata is its comment.
    pub columns: Option<SchemaRef>,
    /// The comment on it.
    pub comment: Option<String>,
    /// A view's query.
    pub definition: Option<String>,
}

impl TableEntry {
    /// A table or view without columns, comment and definition.
    pub fn new(name: impl Into<String>, kind: RelationKind) -> Self {
        Self {
            name: name.into(),
            kind,
            columns: None,
            comment: None,
            definition: None,
        }
    }
}

/// A role that exists for an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleEntry {
    /// Its name.
    pub name: String,
    /// Whether no rule applies to it.
    pub superuser: bool,
    /// Whether it can log in (a user).
    pub login: bool,
    /// The names of the roles that it is a member of.
    pub member_of: Vec<String>,
}

/// Everything that `pg_catalog` and `information_schema` show to one identity in one database. What is hidden is not
/// in it.
#[derive(Debug, Clone, Default)]
pub struct CatalogSnapshot {
    databases: Vec<(u32, DatabaseEntry)>,
    schemas: Vec<(u32, SchemaEntry)>,
    roles: Vec<(u32, RoleEntry)>,
    /// The OIDs of each schema's tables, in the schema's order.
    tables: Vec<Vec<u32>>,
    /// Where a table of that OID stands: schema and table number.
    places: HashMap<u32, (usize, usize)>,
}

impl CatalogSnapshot {
    /// Numbers everything. An object's OID depends on its qualified name alone, so that servers side by side and
    /// later sessions give the same one (where two names fall on one number, the later in the order of names moves).
    pub fn new(databases: Vec<DatabaseEntry>, schemas: Vec<SchemaEntry>, roles: Vec<RoleEntry>) -> Arc<Self> {
        let mut taken = HashSet::new();
        let databases = numbered(databases, &mut taken, |entry| format!("database {}", entry.name));
        let roles = numbered(roles, &mut taken, |entry| format!("role {}", entry.name));
        let mut schemas = numbered(schemas, &mut taken, |entry| format!("schema {}", entry.name));
        for (oid, schema) in &mut schemas {
            if schema.name == "public" {
                *oid = PUBLIC_OID;
            }
        }
        let mut names = BTreeMap::new();
        for (at, (_, schema)) in schemas.iter().enumerate() {
            for (number, table) in schema.tables.iter().enumerate() {
                names.insert(
                    format!("table {}.{}", quoted(&schema.name), quoted(&table.name)),
                    (at, number),
                );
            }
        }
        let mut tables: Vec<Vec<u32>> = schemas.iter().map(|(_, schema)| vec![0; schema.tables.len()]).collect();
        let mut places = HashMap::with_capacity(names.len());
        for (name, (at, number)) in names {
            let oid = free_oid(&name, &mut taken);
            places.insert(oid, (at, number));
            if let Some(slot) = tables.get_mut(at).and_then(|schema| schema.get_mut(number)) {
                *slot = oid;
            }
        }
        Arc::new(Self {
            databases,
            schemas,
            roles,
            tables,
            places,
        })
    }

    /// The databases with their OIDs.
    pub fn databases(&self) -> impl Iterator<Item = (u32, &DatabaseEntry)> {
        self.databases.iter().map(|(oid, entry)| (*oid, entry))
    }

    /// The schemas with their OIDs, PostgreSQL's own not among them.
    pub fn schemas(&self) -> impl Iterator<Item = (u32, &SchemaEntry)> {
        self.schemas.iter().map(|(oid, entry)| (*oid, entry))
    }

    /// The roles with their OIDs.
    pub fn roles(&self) -> impl Iterator<Item = (u32, &RoleEntry)> {
        self.roles.iter().map(|(oid, entry)| (*oid, entry))
    }

    /// Every relation: its OID, its schema's OID, its schema and itself.
    pub fn tables(&self) -> impl Iterator<Item = (u32, u32, &SchemaEntry, &TableEntry)> {
        self.schemas
            .iter()
            .zip(&self.tables)
            .flat_map(|((schema_oid, schema), oids)| {
                schema
                    .tables
                    .iter()
                    .zip(oids)
                    .map(move |(table, oid)| (*oid, *schema_oid, schema, table))
            })
    }

    /// The relation of that OID and its schema.
    pub fn table_of_oid(&self, oid: u32) -> Option<(&SchemaEntry, &TableEntry)> {
        let (at, number) = self.places.get(&oid)?;
        let (_, schema) = self.schemas.get(*at)?;
        Some((schema, schema.tables.get(*number)?))
    }

    /// The relation of that OID, with its schema and the schema's OID.
    pub(super) fn place_of_oid(&self, oid: u32) -> Option<(u32, &SchemaEntry, &TableEntry)> {
        let (at, number) = self.places.get(&oid)?;
        let (schema_oid, schema) = self.schemas.get(*at)?;
        Some((*schema_oid, schema, schema.tables.get(*number)?))
    }

    /// The OID of a relation.
    pub fn table_oid(&self, schema: &str, table: &str) -> Option<u32> {
        let at = self.schemas.iter().position(|(_, entry)| entry.name == schema)?;
        let number = self
            .schemas
            .get(at)?
            .1
            .tables
            .iter()
            .position(|entry| entry.name == table)?;
        self.tables.get(at)?.get(number).copied()
    }

    /// The OIDs of a schema's relations, by name.
    pub fn table_oids(&self, schema: &str) -> HashMap<&str, u32> {
        let at = self.schemas.iter().position(|(_, entry)| entry.name == schema);
        let found = at.and_then(|at| Some((self.schemas.get(at)?, self.tables.get(at)?)));
        let pairs = found.map(|((_, entry), oids)| entry.tables.iter().zip(oids));
        let named = pairs
            .into_iter()
            .flatten()
            .map(|(table, oid)| (table.name.as_str(), *oid));
        named.collect()
    }

    /// The OID of a schema, PostgreSQL's own among them.
    pub fn schema_oid(&self, name: &str) -> Option<u32> {
        match name {
            "pg_catalog" => Some(PG_CATALOG_OID),
            "information_schema" => Some(crate::catalog::relation::INFORMATION_SCHEMA_OID),
            _ => self.schemas().find(|(_, entry)| entry.name == name).map(|(oid, _)| oid),
        }
    }

    /// The name of the schema of that OID.
    pub fn schema_name(&self, oid: u32) -> Option<&str> {
        match oid {
            PG_CATALOG_OID => Some("pg_catalog"),
            crate::catalog::relation::INFORMATION_SCHEMA_OID => Some("information_schema"),
            _ => self
                .schemas()
                .find(|(own, _)| *own == oid)
                .map(|(_, entry)| entry.name.as_str()),
        }
    }

    /// The name of the role of that OID.
    pub fn role_name(&self, oid: u32) -> Option<&str> {
        match self.roles().find(|(own, _)| *own == oid) {
            Some((_, role)) => Some(&role.name),
            None => (oid == OWNER_OID).then_some(OWNER_NAME),
        }
    }

    /// The OID of a role.
    pub fn role_oid(&self, name: &str) -> Option<u32> {
        match self.roles().find(|(_, role)| role.name == name) {
            Some((oid, _)) => Some(oid),
            None => (name == OWNER_NAME).then_some(OWNER_OID),
        }
    }
}

fn quoted(name: &str) -> String {
    name.replace('"', "\"\"")
}

fn numbered<T>(mut entries: Vec<T>, taken: &mut HashSet<u32>, name: impl Fn(&T) -> String) -> Vec<(u32, T)> {
    entries.sort_by_key(&name);
    entries
        .into_iter()
        .map(|entry| (free_oid(&name(&entry), taken), entry))
        .collect()
}

/// A number from the user's range that follows from `name` (64-bit FNV-1a) and is not taken.
fn free_oid(name: &str, taken: &mut HashSet<u32>) -> u32 {
    const RANGE: u64 = (1 << 31) - FIRST_USER_OID as u64;
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    loop {
        let oid = FIRST_USER_OID + u32::try_from(hash % RANGE).unwrap_or_default();
        if taken.insert(oid) {
            return oid;
        }
        hash = hash.wrapping_add(1);
    }
}
