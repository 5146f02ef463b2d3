//! `pg_catalog` rows that differ by identity.

use std::collections::BTreeSet;

use arrow_array::RecordBatch;
use contract::Result;

use super::columns;
use super::relation::{self, Relation};
use super::rows::{Cell, Rows};
use super::snapshot::{CatalogSnapshot, OWNER_OID, PG_CATALOG_OID, RelationKind};
use super::table_rows::Subjects;
use crate::session_facts::{SETTING_COLUMNS, SessionFacts, setting_facts};

/// The OID of `pg_class`, the class of relations in `pg_description` and the like.
pub(crate) const PG_CLASS_OID: u32 = 1259;
const HEAP_OID: u32 = 2;
const DEFAULT_TABLESPACE_OID: u32 = 1663;
const UTF8_ENCODING: i32 = 6;

/// The relations that [`batch`] has rows for.
pub(super) const DYNAMIC: [&str; 14] = [
    "pg_class",
    "pg_attribute",
    "pg_namespace",
    "pg_database",
    "pg_roles",
    "pg_authid",
    "pg_user",
    "pg_group",
    "pg_auth_members",
    "pg_tables",
    "pg_views",
    "pg_matviews",
    "pg_description",
    "pg_settings",
];

macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(Cell::from($cell)),*] };
}
pub(super) use cells;

pub(super) fn batch(
    relation: &'static Relation,
    catalog: &CatalogSnapshot,
    facts: &SessionFacts,
) -> Result<Option<RecordBatch>> {
    let rows = match relation.name {
        "pg_namespace" => namespaces(relation, catalog),
        "pg_database" => databases(relation, catalog),
        "pg_roles" => roles(relation, catalog),
        "pg_authid" => roles_without_config(relation, catalog),
        "pg_user" => users(relation, catalog),
        "pg_group" => groups(relation, catalog),
        "pg_auth_members" => members(relation, catalog),
        "pg_tables" => tables(relation, catalog),
        "pg_views" => views(relation, catalog, RelationKind::View),
        "pg_matviews" => views(relation, catalog, RelationKind::MaterializedView),
        "pg_settings" => settings(relation, facts),
        _ => return Ok(None),
    };
    debug_assert!(DYNAMIC.contains(&relation.name));
    rows.finish().map(Some)
}

pub(super) fn kind_letter(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "r",
        RelationKind::View => "v",
        RelationKind::MaterializedView => "m",
    }
}

pub(super) fn classes(relation: &'static Relation, subjects: &Subjects<'_>) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "oid",
            "relname",
            "relnamespace",
            "reltype",
            "relowner",
            "relam",
            "relfilenode",
            "reltuples",
            "relpersistence",
            "relkind",
            "relnatts",
            "relispopulated",
            "relreplident",
            "relhasrules",
        ],
    );
    for own in subjects.own_relations() {
        let table = own.kind == "r";
        let columns = i32::try_from(own.columns.len()).unwrap_or(i32::MAX);
        rows.push(cells![
            own.oid,
            own.name,
            own.schema_oid(),
            own.row_type,
            OWNER_OID,
            if table { HEAP_OID } else { 0 },
            if table { own.oid } else { 0 },
            -1,
            "p",
            own.kind,
            columns,
            true,
            "n",
            !table,
        ]);
    }
    for user in &subjects.users {
        let (oid, table) = (user.oid, user.table);
        let stored = table.kind != RelationKind::View;
        let columns = user.columns.map_or(0, |columns| columns.fields().len());
        rows.push(cells![
            oid,
            table.name.as_str(),
            user.schema_oid,
            0,
            OWNER_OID,
            if stored { HEAP_OID } else { 0 },
            if stored { oid } else { 0 },
            -1,
            "p",
            kind_letter(table.kind),
            i32::try_from(columns).unwrap_or(i32::MAX),
            true,
            if stored { "d" } else { "n" },
            !stored,
        ]);
    }
    rows
}

pub(super) fn attributes(relation: &'static Relation, subjects: &Subjects<'_>) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "attrelid",
            "attname",
            "atttypid",
            "attstattarget",
            "attlen",
            "attnum",
            "attndims",
            "attcacheoff",
            "atttypmod",
            "attbyval",
            "attalign",
            "attstorage",
            "attnotnull",
            "attislocal",
            "attcollation",
        ],
    );
    columns::each(subjects, |column| {
        let fact = column.fact;
        let dimensions = i32::from(fact.element != 0 && fact.length == -1);
        rows.push(cells![
            column.relation,
            column.name,
            fact.oid,
            -1,
            fact.length,
            column.number,
            dimensions,
            -1,
            column.modifier,
            fact.by_value,
            fact.align,
            fact.storage,
            column.not_null,
            true,
            fact.collation,
        ]);
    });
    rows
}

fn namespaces(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(relation, &["oid", "nspname", "nspowner"]);
    rows.push(cells![PG_CATALOG_OID, "pg_catalog", OWNER_OID]);
    rows.push(cells![
        relation::INFORMATION_SCHEMA_OID,
        "information_schema",
        OWNER_OID
    ]);
    for (oid, schema) in catalog.schemas() {
        rows.push(cells![oid, schema.name.as_str(), OWNER_OID]);
    }
    rows
}

fn databases(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "oid",
            "datname",
            "datdba",
            "encoding",
            "datlocprovider",
            "datistemplate",
            "datallowconn",
            "datconnlimit",
            "dattablespace",
            "datcollate",
            "datctype",
        ],
    );
    for (oid, database) in catalog.databases() {
        rows.push(cells![
            oid,
            database.name.as_str(),
            OWNER_OID,
            UTF8_ENCODING,
            "c",
            false,
            true,
            -1,
            DEFAULT_TABLESPACE_OID,
            "C",
            "C.UTF-8",
        ]);
    }
    rows
}

/// The owner, then every role: OID, name, superuser, login.
fn all_roles(catalog: &CatalogSnapshot) -> impl Iterator<Item = (u32, &str, bool, bool)> {
    let owner = catalog.role_name(OWNER_OID).map(|name| (OWNER_OID, name, true, false));
    owner.into_iter().chain(
        catalog
            .roles()
            .map(|(oid, role)| (oid, role.name.as_str(), role.superuser, role.login)),
    )
}

fn roles(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "rolname",
            "rolsuper",
            "rolinherit",
            "rolcreaterole",
            "rolcreatedb",
            "rolcanlogin",
            "rolreplication",
            "rolconnlimit",
            "rolpassword",
            "rolbypassrls",
            "oid",
        ],
    );
    for (oid, name, superuser, login) in all_roles(catalog) {
        rows.push(cells![
            name, superuser, true, false, false, login, false, -1, "********", superuser, oid
        ]);
    }
    rows
}

fn roles_without_config(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "oid",
            "rolname",
            "rolsuper",
            "rolinherit",
            "rolcanlogin",
            "rolbypassrls",
            "rolconnlimit",
        ],
    );
    for (oid, name, superuser, login) in all_roles(catalog) {
        rows.push(cells![oid, name, superuser, true, login, superuser, -1]);
    }
    rows
}

fn users(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "usename",
            "usesysid",
            "usecreatedb",
            "usesuper",
            "userepl",
            "usebypassrls",
            "passwd",
        ],
    );
    for (oid, name, superuser, login) in all_roles(catalog) {
        if login {
            rows.push(cells![name, oid, false, superuser, false, superuser, "********"]);
        }
    }
    rows
}

fn groups(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(relation, &["groname", "grosysid", "grolist"]);
    for (oid, name, _, login) in all_roles(catalog) {
        if !login {
            let members: Vec<u32> = catalog
                .roles()
                .filter(|(_, role)| role.member_of.iter().any(|group| group == name))
                .map(|(oid, _)| oid)
                .collect();
            rows.push(cells![name, oid, members]);
        }
    }
    rows
}

fn members(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(relation, &["roleid", "member", "grantor", "admin_option"]);
    for (oid, role) in catalog.roles() {
        let groups: BTreeSet<u32> = role
            .member_of
            .iter()
            .filter_map(|name| catalog.role_oid(name))
            .collect();
        for group in groups {
            rows.push(cells![group, oid, OWNER_OID, false]);
        }
    }
    rows
}

fn tables(relation: &'static Relation, catalog: &CatalogSnapshot) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "schemaname",
            "tablename",
            "tableowner",
            "hasindexes",
            "hasrules",
            "hastriggers",
            "rowsecurity",
        ],
    );
    let owner = catalog.role_name(OWNER_OID).unwrap_or_default();
    let mut push = |schema: &str, name: &str| rows.push(cells![schema, name, owner, false, false, false, false]);
    for own in relation::all().iter().filter(|own| own.kind == "r") {
        push(own.schema, own.name);
    }
    for (_, _, schema, table) in catalog.tables().filter(|(.., table)| table.kind == RelationKind::Table) {
        push(&schema.name, &table.name);
    }
    rows
}

fn views(relation: &'static Relation, catalog: &CatalogSnapshot, kind: RelationKind) -> Rows {
    let (name, view_owner) = match kind {
        RelationKind::MaterializedView => ("matviewname", "matviewowner"),
        _ => ("viewname", "viewowner"),
    };
    let mut rows = Rows::new(relation, &["schemaname", name, view_owner, "definition"]);
    let owner = catalog.role_name(OWNER_OID).unwrap_or_default();
    if kind == RelationKind::View {
        for own in relation::all().iter().filter(|own| own.kind == "v") {
            rows.push(cells![own.schema, own.name, owner, None::<&str>]);
        }
    }
    for (_, _, schema, table) in catalog.tables().filter(|(.., table)| table.kind == kind) {
        rows.push(cells![
            schema.name.as_str(),
            table.name.as_str(),
            owner,
            table.definition.as_deref()
        ]);
    }
    rows
}

pub(super) fn descriptions(relation: &'static Relation, subjects: &Subjects<'_>) -> Rows {
    let mut rows = Rows::new(relation, &["objoid", "classoid", "objsubid", "description"]);
    for user in &subjects.users {
        if let Some(comment) = user.comment {
            rows.push(cells![user.oid, PG_CLASS_OID, 0, comment]);
        }
    }
    columns::each(subjects, |column| {
        if let Some(comment) = column.comment {
            rows.push(cells![column.relation, PG_CLASS_OID, column.number, comment]);
        }
    });
    rows
}

fn settings(relation: &'static Relation, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(relation, &SETTING_COLUMNS);
    let mut known = BTreeSet::new();
    for fact in setting_facts() {
        let lower = fact.name.to_lowercase();
        let mut row = fact.row.clone();
        if let Some(value) = facts.settings.get(&lower) {
            if let Some(cell) = row.get_mut(1) {
                *cell = Cell::from(value.as_str());
            }
            if let Some(cell) = row.get_mut(8) {
                *cell = Cell::from("session");
            }
        }
        known.insert(lower);
        rows.push(row);
    }
    for (name, value) in facts.settings.iter().filter(|(name, _)| !known.contains(*name)) {
        rows.push(cells![
            name.as_str(),
            value.as_str(),
            None::<&str>,
            "Customized Options",
            None::<&str>,
            None::<&str>,
            "user",
            "string",
            "session",
            None::<&str>,
            None::<&str>,
            None::<&str>,
            None::<&str>,
            value.as_str(),
            false,
        ]);
    }
    rows
}
