//! The columns of everything: of PostgreSQL's own relations and of the user's.

use arrow_schema::Field;

use super::relation::Relation;
use super::table_rows::Subjects;
use super::types::{self, TypeFact};

/// A column, as both `pg_attribute` and `information_schema.columns` need it.
#[derive(Debug)]
pub(crate) struct ColumnEntry<'c> {
    pub(crate) relation: u32,
    pub(crate) schema: &'c str,
    pub(crate) table: &'c str,
    pub(crate) name: &'c str,
    /// From 1.
    pub(crate) number: i32,
    pub(crate) fact: &'static TypeFact,
    pub(crate) modifier: i32,
    pub(crate) not_null: bool,
    pub(crate) comment: Option<&'c str>,
}

/// Calls `each` for every column, PostgreSQL's own relations first.
pub(crate) fn each<'c>(subjects: &Subjects<'c>, mut each: impl FnMut(ColumnEntry<'c>)) {
    for relation in subjects.own_relations() {
        of_relation(relation, &mut each);
    }
    for user in &subjects.users {
        let Some(columns) = user.columns else { continue };
        for (number, field) in (1..).zip(columns.fields()) {
            each(ColumnEntry {
                relation: user.oid,
                schema: user.schema,
                table: &user.table.name,
                name: field.name(),
                number,
                fact: fact_of(field),
                modifier: types::type_modifier(field),
                not_null: !field.is_nullable(),
                comment: comment_of(field),
            });
        }
    }
}

/// The comment on a column.
pub(crate) fn comment_of(field: &Field) -> Option<&str> {
    let comment = field.metadata().get("comment").map(String::as_str);
    comment.filter(|comment| !comment.is_empty())
}

fn of_relation<'c>(relation: &'static Relation, each: &mut impl FnMut(ColumnEntry<'c>)) {
    for (number, column) in (1..).zip(&relation.columns) {
        each(ColumnEntry {
            relation: relation.oid,
            schema: relation.schema,
            table: relation.name,
            name: column.name,
            number,
            fact: column.fact,
            modifier: -1,
            not_null: column.not_null,
            comment: None,
        });
    }
}

fn fact_of(field: &Field) -> &'static TypeFact {
    // Every OID that the mapping gives is in the facts; text stands for what could not be.
    const NOWHERE: TypeFact = TypeFact {
        oid: 25,
        name: "text",
        namespace: 11,
        length: -1,
        by_value: false,
        kind: "b",
        element: 0,
        array: 1009,
        align: "i",
        storage: "x",
        base: 0,
        collation: 100,
    };
    static TEXT: TypeFact = NOWHERE;
    types::by_oid(types::type_oid(field)).unwrap_or(&TEXT)
}
