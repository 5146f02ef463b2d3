//! `information_schema` rows.

use arrow_array::RecordBatch;
use contract::Result;

use super::columns::{self, ColumnEntry};
use super::objects::cells;
use super::relation::{self, Relation};
use super::rows::{Cell, Rows};
use super::snapshot::{CatalogSnapshot, OWNER_OID, RelationKind};
use super::table_rows::Subjects;
use super::types::{self, TypeFact};
use crate::session_facts::SessionFacts;

/// The largest text that PostgreSQL holds, in bytes.
const TEXT_BYTES_MAX: i64 = 1 << 30;

pub(super) fn batch(
    relation: &'static Relation,
    catalog: &CatalogSnapshot,
    facts: &SessionFacts,
) -> Result<Option<RecordBatch>> {
    let rows = match relation.name {
        "information_schema_catalog_name" => {
            let mut rows = Rows::new(relation, &["catalog_name"]);
            rows.push(cells![facts.database.as_str()]);
            rows
        }
        "schemata" => schemata(relation, catalog, facts),
        "tables" => tables(relation, catalog, facts),
        "views" => views(relation, catalog, facts),
        "character_sets" => {
            let mut rows = Rows::new(
                relation,
                &[
                    "character_set_name",
                    "character_repertoire",
                    "form_of_use",
                    "default_collate_catalog",
                ],
            );
            rows.push(cells!["UTF8", "UCS", "UTF8", facts.database.as_str()]);
            rows
        }
        "enabled_roles" => enabled_roles(relation, catalog, facts),
        "applicable_roles" => applicable_roles(relation, catalog, facts),
        "table_privileges" | "role_table_grants" => table_privileges(relation, catalog, facts),
        _ => return Ok(None),
    };
    rows.finish().map(Some)
}

fn schemata(relation: &'static Relation, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(relation, &["catalog_name", "schema_name", "schema_owner"]);
    let owner = catalog.role_name(OWNER_OID).unwrap_or_default();
    let own = ["pg_catalog", "information_schema"].into_iter();
    for schema in own.chain(catalog.schemas().map(|(_, schema)| schema.name.as_str())) {
        rows.push(cells![facts.database.as_str(), schema, owner]);
    }
    rows
}

fn tables(relation: &'static Relation, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "table_type",
            "is_insertable_into",
            "is_typed",
        ],
    );
    let mut push = |schema: &str, name: &str, table: bool| {
        let kind = if table { "BASE TABLE" } else { "VIEW" };
        rows.push(cells![facts.database.as_str(), schema, name, kind, "NO", "NO"]);
    };
    for own in relation::all() {
        push(own.schema, own.name, own.kind == "r");
    }
    for (_, _, schema, table) in catalog.tables() {
        if table.kind != RelationKind::MaterializedView {
            push(&schema.name, &table.name, table.kind == RelationKind::Table);
        }
    }
    rows
}

fn views(relation: &'static Relation, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "table_catalog",
            "table_schema",
            "table_name",
            "view_definition",
            "check_option",
            "is_updatable",
            "is_insertable_into",
            "is_trigger_updatable",
            "is_trigger_deletable",
            "is_trigger_insertable_into",
        ],
    );
    let mut push = |schema: &str, name: &str, definition: Option<&str>| {
        rows.push(cells![
            facts.database.as_str(),
            schema,
            name,
            definition,
            "NONE",
            "NO",
            "NO",
            "NO",
            "NO",
            "NO"
        ]);
    };
    for own in relation::all().iter().filter(|own| own.kind == "v") {
        push(own.schema, own.name, None);
    }
    for (_, _, schema, table) in catalog.tables().filter(|(.., table)| table.kind == RelationKind::View) {
        push(&schema.name, &table.name, table.definition.as_deref());
    }
    rows
}

const COLUMN_COLUMNS: [&str; 27] = [
    "table_catalog",
    "table_schema",
    "table_name",
    "column_name",
    "ordinal_position",
    "is_nullable",
    "data_type",
    "character_maximum_length",
    "character_octet_length",
    "numeric_precision",
    "numeric_precision_radix",
    "numeric_scale",
    "datetime_precision",
    "domain_catalog",
    "domain_schema",
    "domain_name",
    "udt_catalog",
    "udt_schema",
    "udt_name",
    "dtd_identifier",
    "is_self_referencing",
    "is_identity",
    "identity_cycle",
    "is_generated",
    "is_updatable",
    "collation_catalog",
    "collation_name",
];

pub(super) fn all_columns(relation: &'static Relation, subjects: &Subjects<'_>, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(relation, &COLUMN_COLUMNS);
    columns::each(subjects, |column| rows.push(column_row(&column, &facts.database)));
    rows
}

fn column_row(column: &ColumnEntry<'_>, database: &str) -> Vec<Cell> {
    let is_domain = column.fact.kind == "d";
    let fact = types::base_of(column.fact);
    let (precision, radix, scale) = numeric(fact, column.modifier);
    let octets = matches!(fact.name, "text" | "varchar" | "bpchar")
        .then_some(TEXT_BYTES_MAX)
        .map(Cell::Integer);
    let moment: Option<i32> = match fact.name {
        "date" => Some(0),
        "time" | "timetz" | "timestamp" | "timestamptz" | "interval" => Some(6),
        _ => None,
    };
    let mut row = cells![
        database,
        column.schema,
        column.table,
        column.name,
        column.number,
        if column.not_null { "NO" } else { "YES" },
        data_type(fact),
        None::<i32>,
    ];
    row.push(octets.unwrap_or(Cell::Null));
    row.extend(cells![
        precision,
        radix,
        scale,
        moment,
        is_domain.then_some(database),
        is_domain.then_some("information_schema"),
        is_domain.then_some(column.fact.name),
        database,
        "pg_catalog",
        fact.name,
        column.number.to_string(),
        "NO",
        "NO",
        "NO",
        "NEVER",
        "NO",
        None::<&str>,
        None::<&str>,
    ]);
    row
}

/// The standard's name of a type: arrays and types of other schemas have none.
fn data_type(fact: &'static TypeFact) -> String {
    if fact.element != 0 && fact.length == -1 {
        return "ARRAY".to_owned();
    }
    types::format_type(fact.oid, None).unwrap_or_else(|| "USER-DEFINED".to_owned())
}

/// Precision, radix and scale.
fn numeric(fact: &TypeFact, modifier: i32) -> (Option<i32>, Option<i32>, Option<i32>) {
    match fact.name {
        "int2" => (Some(16), Some(2), Some(0)),
        "int4" => (Some(32), Some(2), Some(0)),
        "int8" => (Some(64), Some(2), Some(0)),
        "float4" => (Some(24), Some(2), None),
        "float8" => (Some(53), Some(2), None),
        "numeric" if modifier >= 4 => {
            let scale = (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
            (Some(((modifier - 4) >> 16) & 0xffff), Some(10), Some(scale))
        }
        "numeric" => (None, Some(10), None),
        _ => (None, None, None),
    }
}

/// The user, and every role that it is a member of, directly or through others.
fn own_roles<'c>(catalog: &'c CatalogSnapshot, user: &'c str) -> Vec<&'c str> {
    let mut found = vec![user];
    let mut at = 0;
    while let Some(name) = found.get(at).copied() {
        if let Some((_, role)) = catalog.roles().find(|(_, role)| role.name == name) {
            for group in &role.member_of {
                if !found.contains(&group.as_str()) {
                    found.push(group);
                }
            }
        }
        at += 1;
    }
    found
}

fn enabled_roles(relation: &'static Relation, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(relation, &["role_name"]);
    for role in own_roles(catalog, &facts.user) {
        rows.push(cells![role]);
    }
    rows
}

fn applicable_roles(relation: &'static Relation, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(relation, &["grantee", "role_name", "is_grantable"]);
    for member in own_roles(catalog, &facts.user) {
        if let Some((_, role)) = catalog.roles().find(|(_, role)| role.name == member) {
            for group in &role.member_of {
                rows.push(cells![member, group.as_str(), "NO"]);
            }
        }
    }
    rows
}

fn table_privileges(relation: &'static Relation, catalog: &CatalogSnapshot, facts: &SessionFacts) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "privilege_type",
            "is_grantable",
            "with_hierarchy",
        ],
    );
    let owner = catalog.role_name(OWNER_OID).unwrap_or_default();
    let mut push = |grantee: &str, schema: &str, name: &str| {
        rows.push(cells![
            owner,
            grantee,
            facts.database.as_str(),
            schema,
            name,
            "SELECT",
            "NO",
            "YES"
        ]);
    };
    for own in relation::all() {
        push("PUBLIC", own.schema, own.name);
    }
    for (_, _, schema, table) in catalog.tables() {
        push(&facts.user, &schema.name, &table.name);
    }
    rows
}

pub(super) fn column_privileges(
    relation: &'static Relation,
    catalog: &CatalogSnapshot,
    subjects: &Subjects<'_>,
    facts: &SessionFacts,
) -> Rows {
    let mut rows = Rows::new(
        relation,
        &[
            "grantor",
            "grantee",
            "table_catalog",
            "table_schema",
            "table_name",
            "column_name",
            "privilege_type",
            "is_grantable",
        ],
    );
    let owner = catalog.role_name(OWNER_OID).unwrap_or_default();
    columns::each(subjects, |column| {
        let grantee = if relation::find(column.schema, column.table).is_some() {
            "PUBLIC"
        } else {
            facts.user.as_str()
        };
        rows.push(cells![
            owner,
            grantee,
            facts.database.as_str(),
            column.schema,
            column.table,
            column.name,
            "SELECT",
            "NO"
        ]);
    });
    rows
}
