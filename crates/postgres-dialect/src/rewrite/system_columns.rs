//! `tableoid` and `xmin`, which DataFusion's tables do not have.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, TableFactor, VisitMut, VisitorMut};

use super::build;
use crate::catalog::relation;

/// The transaction that wrote PostgreSQL's own rows: the frozen one.
const FROZEN_TRANSACTION: &str = "2";

/// Replaces the system columns of PostgreSQL's own relations by what they hold.
pub(super) fn replace(select: &mut Select) {
    let mut oids: HashMap<String, u32> = HashMap::new();
    let mut relations = 0_usize;
    for table in &select.from {
        for factor in std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)) {
            relations += 1;
            let TableFactor::Table { name, alias, .. } = factor else {
                continue;
            };
            let parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
            let (schema, own) = match parts.as_slice() {
                [own] => ("pg_catalog", own),
                [.., schema, own] => (schema.as_str(), own),
                [] => continue,
            };
            if let Some(found) = relation::find(schema, own) {
                oids.insert(
                    alias.as_ref().map_or_else(|| own.clone(), |alias| folded(&alias.name)),
                    found.oid,
                );
            }
        }
    }
    let single = (relations == 1).then(|| oids.values().next().copied()).flatten();
    if oids.is_empty() {
        return;
    }
    for item in &mut select.projection {
        // The replaced column keeps its name.
        let name = match item {
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.clone()),
            _ => None,
        };
        if let Some(name) = name.filter(is_system)
            && let SelectItem::UnnamedExpr(expr) = item
        {
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: name,
            };
        }
    }
    let _ = select.visit(&mut Replacer { oids: &oids, single });
}

struct Replacer<'o> {
    oids: &'o HashMap<String, u32>,
    single: Option<u32>,
}

/// Columns that are NULL in every row of every system relation: options and access lists, which nothing here has.
const ALWAYS_NULL: [&str; 11] = [
    "reloptions",
    "relacl",
    "attacl",
    "attoptions",
    "attfdwoptions",
    "datacl",
    "nspacl",
    "proacl",
    "typacl",
    "lanacl",
    "spcoptions",
];

impl VisitorMut for Replacer<'_> {
    type Break = ();

    /// An array of an outer relation cannot be unnested in FROM; one that is always NULL need not be read.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let mut nulls = Nulls { oids: self.oids };
        match factor {
            TableFactor::Table {
                args: Some(arguments), ..
            } => VisitMut::visit(&mut arguments.args, &mut nulls),
            TableFactor::Function { args, .. } => VisitMut::visit(args, &mut nulls),
            TableFactor::UNNEST { array_exprs, .. } => VisitMut::visit(array_exprs, &mut nulls),
            _ => ControlFlow::Continue(()),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (oid, column) = match &*expr {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., qualifier, column] => (self.oids.get(&folded(qualifier)).copied(), column),
                _ => return ControlFlow::Continue(()),
            },
            Expr::Identifier(column) => (self.single, column),
            _ => return ControlFlow::Continue(()),
        };
        let Some(oid) = oid.filter(|_| is_system(column)) else {
            return ControlFlow::Continue(());
        };
        let value = if folded(column) == "tableoid" {
            oid.to_string()
        } else {
            FROZEN_TRANSACTION.to_owned()
        };
        *expr = build::call("lakegate_oid", vec![build::number(value)]);
        ControlFlow::Continue(())
    }
}

struct Nulls<'o> {
    oids: &'o HashMap<String, u32>,
}

impl VisitorMut for Nulls<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = &*expr
            && let [.., qualifier, column] = parts.as_slice()
            && self.oids.contains_key(&folded(qualifier))
            && ALWAYS_NULL.contains(&folded(column).as_str())
        {
            *expr = build::no_array();
        }
        ControlFlow::Continue(())
    }
}

fn is_system(ident: &Ident) -> bool {
    matches!(folded(ident).as_str(), "tableoid" | "xmin")
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}
