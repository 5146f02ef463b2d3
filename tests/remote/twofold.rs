//! One query over tables that stand in two catalogs: in one, in the other, in both at once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Statement, visit_relations, visit_relations_mut};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use engine::Engine;
use system_tests::transport::{Answer, Failure, Transport};
use system_tests::transport_embedded::Embedded;

/// Where a query's tables are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All of them at the remote engine.
    Pushed,
    /// All of them as files.
    Local,
    /// By turns.
    Mixed,
}

/// Short names of tables, and where each lies.
#[derive(Debug)]
pub(crate) struct Tables {
    remote: &'static str,
    /// Schema, and the catalog of the files.
    places: BTreeMap<&'static str, (&'static str, &'static str)>,
}

impl Tables {
    /// Tables of one schema, in catalog `spark` and, as files, in `catalog`.
    pub(crate) fn of(catalog: &'static str, schema: &'static str, names: &[&'static str]) -> Self {
        Self {
            remote: "spark",
            places: names.iter().map(|name| (*name, (schema, catalog))).collect(),
        }
    }

    /// The same in another catalog than `spark`.
    pub(crate) fn at(self, remote: &'static str) -> Self {
        Self { remote, ..self }
    }

    /// `sql` with full names, and how many there are; `None` for what is no single query over these tables.
    pub(crate) fn named(&self, sql: &str, way: Way) -> Option<(String, usize)> {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).ok()?;
        let [statement @ Statement::Query(_)] = statements.as_mut_slice() else {
            return None;
        };
        let mut count = 0;
        let _: ControlFlow<()> = visit_relations_mut(statement, |relation| {
            if let Some(name) = self.full(relation, way, count) {
                *relation = name;
                count += 1;
            }
            ControlFlow::Continue(())
        });
        let mut others = false;
        let _: ControlFlow<()> = visit_relations(statement, |relation: &ObjectName| {
            others |= relation.0.len() == 2;
            ControlFlow::Continue(())
        });
        (count > 0 && !others).then(|| (statement.to_string(), count))
    }

    fn full(&self, relation: &ObjectName, way: Way, occurrence: usize) -> Option<ObjectName> {
        let [part] = relation.0.as_slice() else { return None };
        let name = part.as_ident()?;
        let name = match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        };
        let (schema, files) = self.places.get(name.as_str())?;
        let catalog = match way {
            Way::Pushed => self.remote,
            Way::Local => files,
            Way::Mixed if occurrence.is_multiple_of(2) => self.remote,
            Way::Mixed => files,
        };
        Some(ObjectName::from([catalog, schema, &name].map(Ident::new).to_vec()))
    }
}

/// How two answers agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The same rows of the same types.
    Rows,
    /// The same error.
    Error,
}

/// A session over both catalogs.
pub(crate) struct Twofold<'a> {
    session: Embedded,
    tables: &'a Tables,
}

impl<'a> Twofold<'a> {
    pub(crate) fn open(engine: &Engine, user: &str, tables: &'a Tables) -> Self {
        Self {
            session: Embedded::open(engine, user),
            tables,
        }
    }

    pub(crate) async fn run(&mut self, sql: &str, way: Way) -> Result<Answer, Failure> {
        let (sql, _) = self
            .tables
            .named(sql, way)
            .unwrap_or_else(|| panic!("no query over the tables: {sql}"));
        self.session.run(&sql).await
    }

    /// The rows of a query over anything else.
    pub(crate) async fn says(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.session.run(sql).await.unwrap().rows
    }

    /// The plan of a query, for people.
    pub(crate) async fn explained(&mut self, sql: &str, way: Way) -> String {
        let (sql, _) = self
            .tables
            .named(sql, way)
            .unwrap_or_else(|| panic!("no query over the tables: {sql}"));
        match self.session.run(&format!("EXPLAIN {sql}")).await {
            Ok(answer) => answer.lines().join("\n"),
            Err(failure) => failure.to_string(),
        }
    }

    /// Whether a query has one answer in both catalogs, and between them.
    pub(crate) async fn agrees(&mut self, sql: &str) -> Result<Agreement, String> {
        let local = self.run(sql, Way::Local).await;
        let mut ways = vec![Way::Pushed];
        let (_, count) = self.tables.named(sql, Way::Mixed).unwrap_or_default();
        if count > 1 {
            ways.push(Way::Mixed);
        }
        let mut agreement = Agreement::Rows;
        for way in ways {
            let there = self.run(sql, way).await;
            match compare(&there, &local) {
                Ok(found) => agreement = found,
                Err(why) => {
                    let plan = self.explained(sql, way).await;
                    return Err(format!("{way:?}: {why}\n  {sql}\n{plan}"));
                }
            }
        }
        Ok(agreement)
    }
}

/// Rows as multisets, types exactly, errors by their kind.
pub(crate) fn compare(there: &Result<Answer, Failure>, here: &Result<Answer, Failure>) -> Result<Agreement, String> {
    match (there, here) {
        (Ok(there), Ok(here)) if there.columns != here.columns => {
            Err(format!("columns {:?} instead of {:?}", there.columns, here.columns))
        }
        (Ok(there), Ok(here)) => {
            let (there, here) = (there.sorted(), here.sorted());
            if there == here {
                return Ok(Agreement::Rows);
            }
            let only = |one: &[String], other: &[String]| {
                let lines = one.iter().filter(|line| other.binary_search(line).is_err());
                lines.take(3).cloned().collect::<Vec<_>>()
            };
            Err(format!(
                "{} rows instead of {}; only there {:?}, only here {:?}",
                there.len(),
                here.len(),
                only(&there, &here),
                only(&here, &there)
            ))
        }
        (Err(there), Err(here)) if there.sqlstate == here.sqlstate && !there.sqlstate.starts_with("XX") => {
            Ok(Agreement::Error)
        }
        (there, here) => Err(format!("{} instead of {}", told(there), told(here))),
    }
}

fn told(outcome: &Result<Answer, Failure>) -> String {
    match outcome {
        Ok(answer) => format!("{} rows", answer.rows.len()),
        Err(failure) => format!("\"{failure}\""),
    }
}
