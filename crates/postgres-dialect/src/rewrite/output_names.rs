//! Names of result columns, as PostgreSQL gives them where the query does not.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{AccessExpr, DataType, Expr, Ident, Query, Select, SelectItem, SetExpr, Value};

use super::build::{function_name, quoted};
use crate::catalog::type_oid_of_name;

/// Ends the part of a column's name that clients see: DataFusion needs different names where PostgreSQL does not.
const MARK: char = '\u{1}';

/// The name that a client sees for an output column of a rewritten statement.
pub fn display_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

/// Gives every item of a SELECT list the name that PostgreSQL would give it.
pub(super) fn name_items(select: &mut Select) {
    let has_wildcard = select
        .projection
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    let mut seen: HashMap<String, Vec<Option<String>>> = HashMap::new();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let (name, qualifier, named) = match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => (folded(ident), None, true),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                let qualifier = parts.iter().rev().skip(1).map(folded).collect::<Vec<_>>().join(".");
                (parts.last().map(folded).unwrap_or_default(), Some(qualifier), true)
            }
            SelectItem::UnnamedExpr(expr) => (figured(expr).unwrap_or_else(|| "?column?".to_owned()), None, false),
            SelectItem::ExprWithAlias { alias, .. } => (folded(alias), None, true),
            _ => continue,
        };
        let others = seen.entry(name.clone()).or_default();
        let is_column = matches!(
            item,
            SelectItem::UnnamedExpr(Expr::Identifier(_)) | SelectItem::UnnamedExpr(Expr::CompoundIdentifier(_))
        );
        // Columns of two relations may share a name; anything else may not.
        let clash = others
            .iter()
            .any(|other| other.is_none() || *other == qualifier || qualifier.is_none());
        others.push(qualifier);
        let shown = if clash || is_column && has_wildcard {
            format!("{name}{MARK}{at}")
        } else {
            name
        };
        if named && !shown.contains(MARK) {
            continue;
        }
        match item {
            SelectItem::UnnamedExpr(expr) => {
                *item = SelectItem::ExprWithAlias {
                    expr: expr.clone(),
                    alias: quoted(&shown),
                };
            }
            SelectItem::ExprWithAlias { alias, .. } => *alias = quoted(&shown),
            _ => {}
        }
    }
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// The name of an expression; `None` where PostgreSQL says `?column?`.
fn figured(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(folded(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::CompoundFieldAccess { root, access_chain } => access_chain
            .iter()
            .rev()
            .find_map(|access| match access {
                AccessExpr::Dot(Expr::Identifier(ident)) => Some(folded(ident)),
                _ => None,
            })
            .or_else(|| figured(root)),
        Expr::Nested(inner) => figured(inner),
        Expr::Collate { expr, .. } => figured(expr),
        Expr::Function(function) => {
            function_name(&function.name).or_else(|| function.name.0.last()?.as_ident().map(folded))
        }
        Expr::Cast { expr, data_type, .. } => strong(expr).or_else(|| Some(type_name(data_type))),
        Expr::TypedString(typed) => Some(type_name(&typed.data_type)),
        Expr::Interval(_) => Some("interval".to_owned()),
        Expr::Case { else_result, .. } => {
            let other = else_result.as_deref().and_then(strong);
            Some(other.unwrap_or_else(|| "case".to_owned()))
        }
        Expr::Subquery(query) => query_name(query),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Tuple(_) => Some("row".to_owned()),
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Trim { trim_where, .. } => Some(
            match trim_where {
                Some(datafusion::sql::sqlparser::ast::TrimWhereField::Leading) => "ltrim",
                Some(datafusion::sql::sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            }
            .to_owned(),
        ),
        Expr::Overlay { .. } => Some("overlay".to_owned()),
        Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
        Expr::Value(value) => matches!(value.value, Value::Boolean(_)).then(|| "bool".to_owned()),
        _ => None,
    }
}

/// As [`figured`], without the names that a cast around it overrides.
fn strong(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Case { else_result, .. } => else_result.as_deref().and_then(strong),
        Expr::Value(_) | Expr::Interval(_) => None,
        Expr::Nested(inner) => strong(inner),
        Expr::Cast { expr, .. } => strong(expr),
        Expr::TypedString(_) => None,
        other => figured(other),
    }
}

fn query_name(query: &Query) -> Option<String> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return None;
    };
    match select.projection.first()? {
        SelectItem::UnnamedExpr(expr) => figured(expr),
        SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
        _ => None,
    }
}

/// `pg_type.typname` of a type.
pub(super) fn type_name(data_type: &DataType) -> String {
    let spelled = data_type.to_string();
    let element = spelled.trim_end_matches("[]");
    let fact = type_oid_of_name(element).and_then(crate::catalog::type_fact_name);
    fact.map_or_else(|| element.to_lowercase(), str::to_owned)
}
