use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_schema::{DataType, Field, Schema};

use super::*;

#[test]
fn every_relation_has_rows_or_none() {
    let facts = SessionFacts::new("ana", "lake");
    for (schema, table) in system_table_names() {
        let batch = system_batch(schema, table, &facts.catalog, &facts).unwrap().unwrap();
        assert_eq!(
            batch.schema(),
            system_schema(schema, table).unwrap(),
            "{schema}.{table}"
        );
    }
    assert!(system_table_names().count() > 190);
    assert!(system_schema("pg_catalog", "nothing").is_none());
}

#[test]
fn oids_depend_on_names_alone() {
    let table = |name: &str| TableEntry::new(name, RelationKind::Table);
    let one = CatalogSnapshot::new(
        Vec::new(),
        vec![SchemaEntry {
            name: "s".into(),
            tables: vec![table("a"), table("b")],
        }],
        Vec::new(),
    );
    let two = CatalogSnapshot::new(
        Vec::new(),
        vec![SchemaEntry {
            name: "s".into(),
            tables: vec![table("b")],
        }],
        Vec::new(),
    );
    assert_eq!(one.table_oid("s", "b"), two.table_oid("s", "b"));
    assert_ne!(one.table_oid("s", "a"), one.table_oid("s", "b"));
    assert!(one.table_oid("s", "a").unwrap() >= 16_384);
}

#[test]
fn columns_carry_postgres_types() {
    let columns = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("price", DataType::Decimal128(10, 2), true),
    ]);
    let mut table = TableEntry::new("t", RelationKind::Table);
    table.columns = Some(Arc::new(columns));
    let catalog = CatalogSnapshot::new(
        Vec::new(),
        vec![SchemaEntry {
            name: "public".into(),
            tables: vec![table],
        }],
        Vec::new(),
    );
    let facts = SessionFacts::new("ana", "lake");
    let batch = system_batch("information_schema", "columns", &catalog, &facts)
        .unwrap()
        .unwrap();
    let names = batch.column_by_name("column_name").unwrap().as_string::<i32>();
    let types = batch.column_by_name("data_type").unwrap().as_string::<i32>();
    let last = batch.num_rows() - 1;
    assert_eq!((names.value(last), types.value(last)), ("price", "numeric"));
    assert_eq!((names.value(last - 1), types.value(last - 1)), ("id", "bigint"));
}

#[test]
fn type_names() {
    assert_eq!(format_type(1700, Some(655_366)).as_deref(), Some("numeric(10,2)"));
    assert_eq!(format_type(1009, None).as_deref(), Some("text[]"));
    assert_eq!(format_type(1043, Some(9)).as_deref(), Some("character varying(5)"));
    assert_eq!(format_type(1184, None).as_deref(), Some("timestamp with time zone"));
    assert_eq!(type_oid_of_name("character varying(5)"), Some(1043));
    assert_eq!(type_oid_of_name("pg_catalog.int4[]"), Some(1007));
    assert_eq!(type_oid_of_name("nothing"), None);
}
