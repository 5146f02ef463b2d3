//! The relations of `pg_catalog` and `information_schema`: names, columns and types, as PostgreSQL 15 has them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow_schema::{Field, Schema, SchemaRef};

use super::types::{self, TypeFact};

pub(crate) const INFORMATION_SCHEMA_OID: u32 = 13207;

/// A relation that PostgreSQL brings along.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) schema: &'static str,
    pub(crate) name: &'static str,
    pub(crate) oid: u32,
    /// `r` or `v`.
    pub(crate) kind: &'static str,
    pub(crate) row_type: u32,
    pub(crate) columns: Vec<Column>,
    pub(crate) arrow: SchemaRef,
}

/// A column of a [`Relation`].
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) fact: &'static TypeFact,
    pub(crate) not_null: bool,
}

impl Relation {
    pub(crate) fn schema_oid(&self) -> u32 {
        if self.schema == "pg_catalog" {
            super::snapshot::PG_CATALOG_OID
        } else {
            INFORMATION_SCHEMA_OID
        }
    }

    pub(crate) fn position(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|own| own.name == column)
    }
}

#[derive(Debug)]
struct Relations {
    list: Vec<Relation>,
    by_name: HashMap<(&'static str, &'static str), usize>,
    by_oid: HashMap<u32, usize>,
}

/// A set-returning function without arguments, held as a relation that no listing shows.
const KEYWORDS: &str = "pg_catalog\tpg_get_keywords\t0\tf\t0\tword\ttext\tf\t1
pg_catalog\tpg_get_keywords\t0\tf\t0\tcatcode\tchar\tf\t2
pg_catalog\tpg_get_keywords\t0\tf\t0\tbarelabel\tbool\tf\t3
pg_catalog\tpg_get_keywords\t0\tf\t0\tcatdesc\ttext\tf\t4
pg_catalog\tpg_get_keywords\t0\tf\t0\tbaredesc\ttext\tf\t5";

/// All of them, by schema and name.
pub(crate) fn all() -> &'static [Relation] {
    let list = &relations().list;
    // The last one is the function.
    list.split_last().map_or(list, |(_, shown)| shown)
}

/// The one of that name.
pub(crate) fn find(schema: &str, name: &str) -> Option<&'static Relation> {
    let relations = relations();
    let schema = ["pg_catalog", "information_schema"]
        .into_iter()
        .find(|own| *own == schema)?;
    relations
        .by_name
        .get(&(schema, name))
        .and_then(|at| relations.list.get(*at))
}

/// The one of that OID.
pub(crate) fn of_oid(oid: u32) -> Option<&'static Relation> {
    let relations = relations();
    relations.by_oid.get(&oid).and_then(|at| relations.list.get(*at))
}

fn relations() -> &'static Relations {
    static RELATIONS: OnceLock<Relations> = OnceLock::new();
    RELATIONS.get_or_init(|| {
        let mut list: Vec<Relation> = Vec::new();
        for line in include_str!("../../data/relations.tsv").lines().chain(KEYWORDS.lines()) {
            let fields: Vec<&'static str> = line.split('\t').collect();
            let [schema, name, oid, kind, row_type, column, type_name, not_null, _] = fields[..] else {
                continue;
            };
            let Some(fact) = types::by_name(type_name) else {
                continue;
            };
            let column = Column {
                name: column,
                fact,
                not_null: not_null == "t",
            };
            match list.last_mut() {
                Some(last) if last.schema == schema && last.name == name => last.columns.push(column),
                _ => list.push(Relation {
                    schema,
                    name,
                    oid: oid.parse().unwrap_or_default(),
                    kind,
                    row_type: row_type.parse().unwrap_or_default(),
                    columns: vec![column],
                    arrow: Arc::new(Schema::empty()),
                }),
            }
        }
        for relation in &mut list {
            let fields: Vec<Field> = relation
                .columns
                .iter()
                .map(|column| types::field(column.name, column.fact))
                .collect();
            relation.arrow = Arc::new(Schema::new(fields));
        }
        let by_name = list
            .iter()
            .enumerate()
            .map(|(at, own)| ((own.schema, own.name), at))
            .collect();
        let by_oid = list.iter().enumerate().map(|(at, own)| (own.oid, at)).collect();
        Relations { list, by_name, by_oid }
    })
}
