//! Which tables are opened or described for columns and comments, and what of them is shown to whom.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, QueryContext, Result, TableName, TableVersion};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::empty::EmptyTable;
use federation::{Source, SourceTable, TableDescription, TableDescriptions, TableKind, TableSummary};
use futures::{StreamExt, stream};
use parking_lot::Mutex;

use super::run;
use crate::*;

/// A schema `big` of a hundred tables, which can be described in pages, and `small` with three, which cannot.
#[derive(Debug, Default)]
struct Library {
    asked: Mutex<Vec<String>>,
}

impl Library {
    /// What was opened and described since the last call.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock());
        asked.sort_unstable();
        asked
    }
}

fn names(schema: &str) -> Vec<String> {
    let tables = match schema {
        "big" => 100,
        "small" => 3,
        _ => 0,
    };
    (0..tables).map(|number| format!("t{number:03}")).collect()
}

/// What a table has, whichever way it is found out.
fn columns(table: &str) -> SchemaRef {
    let commented = |name: &str, data_type, comment: String| {
        Field::new(name, data_type, true).with_metadata([("comment".to_owned(), comment)].into())
    };
    Arc::new(Schema::new(vec![
        commented("id", DataType::Int32, format!("key of {table}")),
        commented("secret", DataType::Utf8, format!("secret of {table}")),
    ]))
}

#[async_trait]
impl Source for Library {
    fn name(&self) -> &str {
        "lake"
    }

    async fn schemas(&self, _: &QueryContext) -> Result<Vec<String>> {
        Ok(vec!["big".to_owned(), "small".to_owned()])
    }

    async fn tables(&self, schema: &str, _: &QueryContext) -> Result<Vec<TableSummary>> {
        let kind = TableKind::Table;
        Ok(names(schema)
            .into_iter()
            .map(|name| TableSummary { name, kind })
            .collect())
    }

    async fn describe(&self, schema: &str, columned: bool, _: &QueryContext) -> Result<Option<TableDescriptions>> {
        if schema != "big" {
            return Ok(None);
        }
        let what = if columned { "columns" } else { "comments" };
        self.asked.lock().push(format!("{what} of {schema}"));
        let of = move |name: &String| TableDescription {
            name: name.clone(),
            columns: columned.then(|| columns(name)),
            comment: Some(format!("about {name}")),
        };
        let names = names(schema);
        let pages: Vec<Vec<_>> = names.chunks(30).map(|page| page.iter().map(of).collect()).collect();
        Ok(Some(stream::iter(pages).map(Ok::<_, Error>).boxed()))
    }

    async fn table(&self, name: &TableName, _: TableVersion, _: &QueryContext) -> Result<Option<Arc<SourceTable>>> {
        if !names(&name.schema).contains(&name.table) {
            return Ok(None);
        }
        self.asked.lock().push(format!("{}.{}", name.schema, name.table));
        Ok(Some(Arc::new(SourceTable {
            provider: Arc::new(EmptyTable::new(columns(&name.table))),
            state: 1,
            comment: Some(format!("about {}", name.table)),
        })))
    }
}

fn library(rules: &str) -> (Arc<Library>, Engine) {
    let source = Arc::new(Library::default());
    let rules = policy::parse_rules(&[("test.sql".to_owned(), rules.to_owned())]).unwrap();
    let dana = UserEntry {
        name: "dana".to_owned(),
        roles: vec!["reader".to_owned()],
        ..UserEntry::default()
    };
    let access = AccessConfig {
        rules,
        users: vec![dana],
        trust_loopback: true,
        unknown_users: UnknownUsers::Administrator,
    };
    let builder = Engine::builder(EngineOptions::default()).source(Arc::<Library>::clone(&source));
    (source, builder.access(access).build().unwrap())
}

fn session(engine: &Engine, user: &str) -> ClientSession {
    let identity = engine.identity(user).unwrap();
    engine.open_session(identity, SessionOptions::default()).unwrap()
}

/// The only value of the answer, without spaces.
async fn value(session: &mut ClientSession, sql: &str) -> String {
    let answer = run(session, sql)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let (_, row) = answer.split_once('\n').unwrap_or_else(|| panic!("{sql}: {answer}"));
    row.trim_matches('|').to_owned()
}

#[tokio::test]
async fn conditions_say_which_tables_are_asked_about() {
    let (library, engine) = library("");
    let mut root = session(&engine, "root");
    let described = &["columns of big"][..];
    for (sql, shown, asked) in [
        (
            "SELECT count(*) FROM pg_class WHERE relnamespace = 'big'::regnamespace",
            "100",
            &[][..],
        ),
        (
            "SELECT sum(relnatts) FROM pg_class WHERE relnamespace = 'big'::regnamespace",
            "200",
            described,
        ),
        (
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'big'",
            "200",
            described,
        ),
        (
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'small'",
            "6",
            &["small.t000", "small.t001", "small.t002"],
        ),
        (
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'big' AND table_name LIKE '%42'",
            "2",
            &["big.t042"],
        ),
        (
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 'big.t042'::regclass",
            "2",
            &["big.t042"],
        ),
        // What joins learn.
        (
            "SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relname = 't042'",
            "2",
            &["big.t042"],
        ),
        (
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON a.attrelid = c.oid WHERE c.relname = 'nothing'",
            "0",
            &[],
        ),
        (
            "SELECT count(*) FROM pg_description WHERE objoid = 'big.t042'::regclass AND description LIKE '%t042'",
            "3",
            &["big.t042"],
        ),
        // A condition that asks for more than a table's name leaves each table in question, and only that part does.
        (
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
               WHERE relnamespace = 'big'::regnamespace AND (attrelid = 1 OR attname = 'id')",
            "100",
            described,
        ),
        (
            "SELECT count(*) FROM pg_attribute WHERE attrelid = 1 AND attname = 'id'",
            "0",
            &[],
        ),
        // What a condition fails on is for the query to tell, where it comes to that.
        (
            "SELECT count(*) FROM information_schema.columns
               WHERE table_name = 't042' AND 1 / (right(table_name, 1)::int - 1) > 0",
            "2",
            &["big.t042"],
        ),
    ] {
        assert_eq!(value(&mut root, sql).await, shown, "{sql}");
        assert_eq!(library.asked(), asked, "{sql}");
    }
}

#[tokio::test]
async fn functions_know_the_comments_of_the_tables_at_hand() {
    let (library, engine) = library("");
    let mut root = session(&engine, "root");
    let (comments, columns) = (&["comments of big"][..], &["columns of big"][..]);
    for (sql, shown, asked) in [
        (
            "SELECT obj_description('big.t042'::regclass, 'pg_class')",
            "aboutt042",
            &["big.t042"][..],
        ),
        (
            "SELECT col_description('big.t042'::regclass, 2)",
            "secretoft042",
            &["big.t042"],
        ),
        (
            "SELECT obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE nspname = 'big'",
            "",
            &[],
        ),
        (
            "SELECT obj_description(oid) FROM pg_class WHERE relname = 't042'",
            "aboutt042",
            &["big.t042"],
        ),
        (
            "SELECT count(obj_description(c.oid, 'pg_class')) FROM pg_class c WHERE relnamespace = 'big'::regnamespace",
            "100",
            comments,
        ),
        (
            "SELECT count(*) FROM pg_class c WHERE relnamespace = 'big'::regnamespace
               AND obj_description(c.oid, 'pg_class') LIKE '%1'",
            "10",
            comments,
        ),
        (
            "SELECT col_description(a.attrelid, a.attnum) FROM pg_attribute a
               WHERE attrelid = 'big.t042'::regclass AND attname = 'id'",
            "keyoft042",
            &["big.t042"],
        ),
        (
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               WHERE relnamespace = 'big'::regnamespace AND col_description(a.attrelid, 1) LIKE '%1'",
            "20",
            columns,
        ),
        (
            "SELECT count(col_description(c.oid, 2)) FROM pg_class c WHERE relnamespace = 'big'::regnamespace",
            "100",
            columns,
        ),
    ] {
        assert_eq!(value(&mut root, sql).await, shown, "{sql}");
        let mut found = library.asked();
        found.dedup();
        assert_eq!(found, asked, "{sql}");
    }
    // Where the tables come from elsewhere, all are asked about.
    let sql = "SELECT obj_description(x.oid) FROM (SELECT max(objoid) AS oid FROM pg_description
                 WHERE objoid = 'big.t007'::regclass) x";
    assert_eq!(value(&mut root, sql).await, "aboutt007");
    assert!(library.asked().contains(&"comments of big".to_owned()));
}

#[tokio::test]
async fn rules_hold_whichever_way_columns_are_found_out() {
    let tables = (0..99)
        .map(|number| format!("lake.big.t{number:03}"))
        .collect::<Vec<_>>()
        .join(", ");
    let rules = format!(
        "CREATE ROLE reader;
         GRANT SELECT (id) ON {tables} TO reader;
         GRANT SELECT ON lake.small.t000 TO reader;
         CREATE MASK m ON lake.big.t001 (id) TO reader USING ('masked');
         CREATE MASK n ON lake.small.t000 (id) TO reader USING ('masked');"
    );
    let (library, engine) = library(&rules);
    let mut dana = session(&engine, "dana");
    for (sql, shown) in [
        (
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'big'",
            "99",
        ),
        ("SELECT count(*) FROM pg_attribute WHERE attname = 'secret'", "1"),
        (
            "SELECT count(*) FROM pg_description WHERE description LIKE 'secret%'",
            "1",
        ),
        (
            "SELECT count(*) FROM pg_description WHERE description LIKE '%t099'",
            "0",
        ),
        (
            "SELECT count(*) FROM pg_attribute a WHERE col_description(attrelid, 2) LIKE 'secret%'",
            "2",
        ),
        (
            "SELECT count(*) FROM information_schema.column_privileges WHERE table_schema = 'big'",
            "99",
        ),
        (
            "SELECT sum(relnatts) FROM pg_class WHERE relnamespace = 'big'::regnamespace",
            "99",
        ),
        (
            "SELECT string_agg(table_schema || table_name, ',' ORDER BY table_schema) FROM information_schema.columns
               WHERE table_schema IN ('big', 'small') AND column_name = 'id' AND data_type = 'text'",
            "bigt001,smallt000",
        ),
    ] {
        assert_eq!(value(&mut dana, sql).await, shown, "{sql}");
    }
    let asked = library.asked();
    assert!(
        asked
            .iter()
            .all(|what| what == "columns of big" || what == "small.t000"),
        "{asked:?}"
    );
}
