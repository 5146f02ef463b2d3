//! PostgreSQL's SQL in the words that DataFusion plans: a pass over the syntax tree that keeps the meaning.

mod build;
mod calls;
mod casts;
mod nothing;
mod output_names;
mod set_membership;
mod subqueries;
mod system_columns;
mod tables;
mod told_apart;
mod values;

use std::collections::HashSet;
use std::ops::ControlFlow;

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, GroupByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Statement,
    TableFactor, Value, ValueWithSpan, VisitMut, VisitorMut,
};

pub use output_names::display_name;
pub(crate) use subqueries::is_aggregate_name;

use crate::functions::MATRIX;
use crate::session_facts::SessionFacts;

/// Rewrites a query for DataFusion. To be called once per statement, before names are resolved, after table versions
/// are taken off. Session-dependent calls stay calls: of [`session_functions`](crate::session_functions).
///
/// Output columns get PostgreSQL's names; where two would have one, a mark is added that
/// [`display_name`] takes off.
///
/// # Errors
/// `UndefinedObject` for a type or collation that does not exist, `InvalidTextRepresentation` for a malformed array.
pub fn rewrite(statement: &mut Statement, _facts: &SessionFacts) -> Result<()> {
    let mut rewriter = Rewriter::default();
    match statement.visit(&mut rewriter) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// The settings that constant `set_config(name, value, local)` calls in the SELECT list of `statement` write: name in
/// lower case, value, whether for the transaction only. The session changes them before the statement runs.
pub fn settings_written(statement: &Statement) -> Vec<(String, String, bool)> {
    let Statement::Query(query) = statement else {
        return Vec::new();
    };
    let SetExpr::Select(select) = query.body.as_ref() else {
        return Vec::new();
    };
    let mut written = Vec::new();
    for item in &select.projection {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
            continue;
        };
        let Expr::Function(function) = build::peeled(expr) else {
            continue;
        };
        if build::function_name(&function.name).as_deref() != Some("set_config") {
            continue;
        }
        if let Some([name, value, local]) = build::arguments(function).as_deref()
            && let (Some(name), Some(value)) = (text_of(name), text_of(value))
        {
            let local = matches!(build::peeled(local), Expr::Value(value) if value.value == Value::Boolean(true));
            written.push((name.to_lowercase(), value, local));
        }
    }
    written
}

fn text_of(expr: &Expr) -> Option<String> {
    match build::peeled(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Cast { expr, .. } => text_of(expr),
        _ => None,
    }
}

#[derive(Debug, Default)]
struct Rewriter {
    ctes: HashSet<String>,
}

impl VisitorMut for Rewriter {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = &cte.alias.name;
            self.ctes.insert(if name.quote_style.is_some() {
                name.value.clone()
            } else {
                name.value.to_lowercase()
            });
        }
        order_by_position(query);
        values::as_selects(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.projection.is_empty() {
            select.projection.push(SelectItem::UnnamedExpr(build::number("1")));
        }
        output_names::name_items(select);
        told_apart::tell_apart(select);
        system_columns::replace(select);
        tables::mark_lateral(select);
        nothing::prune(select);
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let _ = expr.visit(&mut ExistsValues);
                set_membership::replace(expr);
            }
        }
        if let GroupByExpr::Expressions(list, _) = &mut select.group_by {
            // A quoted copy of a constant in GROUP BY has no meaning of its own.
            list.retain(
                |expr| !matches!(expr, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_))),
            );
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match tables::rewrite(factor, &self.ctes) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }

    fn post_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Self::Break> {
        let text = match &value.value {
            Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => text.clone(),
            Value::DollarQuotedString(quoted) => quoted.value.clone(),
            _ => return ControlFlow::Continue(()),
        };
        value.value = Value::SingleQuotedString(text);
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Some(simpler) = membership(expr) {
            *expr = simpler;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        match expression(expr) {
            Ok(Some(replaced)) => *expr = replaced,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(Box::new(error)),
        }
        ControlFlow::Continue(())
    }
}

/// ORDER BY an expression of the list becomes ORDER BY its number: once the list has names, DataFusion does not always
/// see that they are one.
fn order_by_position(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return;
    };
    let Some(OrderByKind::Expressions(order)) = query.order_by.as_mut().map(|order| &mut order.kind) else {
        return;
    };
    for by in order {
        if matches!(
            by.expr,
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)
        ) {
            continue;
        }
        let items = select.projection.iter();
        let before =
            items.take_while(|item| !matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
        let place = before.into_iter().position(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => *expr == by.expr,
            _ => false,
        });
        if let Some(place) = place {
            by.expr = build::number((place + 1).to_string());
        }
    }
}

/// EXISTS where it is a value: DataFusion knows it as a condition only.
struct ExistsValues;

impl VisitorMut for ExistsValues {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Exists { subquery, negated } = expr
            && let Some(value) = subqueries::exists_value(subquery, *negated)
        {
            *expr = value;
        }
        ControlFlow::Continue(())
    }
}

/// `x = ANY (SELECT …)` is IN, `x <> ALL (SELECT …)` is NOT IN; so it is with `ARRAY[…]`.
fn membership(expr: &Expr) -> Option<Expr> {
    let (left, right, negated) = match expr {
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => (left, right, false),
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        } => (left, right, true),
        _ => return None,
    };
    match right.as_ref() {
        Expr::Subquery(query) => Some(Expr::InSubquery {
            expr: left.clone(),
            subquery: query.clone(),
            negated,
        }),
        // Elements in a list are compared like any operand, also with a column of another type of number.
        Expr::Array(array) if !array.elem.is_empty() && !array.elem.iter().any(is_array) => Some(Expr::InList {
            expr: left.clone(),
            list: array.elem.clone(),
            negated,
        }),
        _ => None,
    }
}

fn expression(expr: &mut Expr) -> Result<Option<Expr>> {
    match expr {
        Expr::Cast { expr, data_type, .. } => casts::rewrite(expr, data_type),
        Expr::TypedString(typed) => {
            let literal = Expr::Value(typed.value.clone());
            casts::rewrite(&literal, &mut typed.data_type)
        }
        Expr::Interval(interval) => {
            if interval.leading_field.is_none()
                && let Some(form) = text_of(&interval.value).and_then(|text| crate::functions::interval_text(&text))
            {
                *interval.value = build::string(form);
            }
            Ok(None)
        }
        Expr::Collate { expr, collation } => {
            let name = build::function_name(collation).unwrap_or_else(|| collation.to_string());
            match name.as_str() {
                "default" | "C" | "POSIX" | "ucs_basic" | "c" => Ok(Some((**expr).clone())),
                _ => Err(Error::new(
                    ErrorKind::UndefinedObject,
                    format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
                )),
            }
        }
        Expr::BinaryOp { op, .. } => {
            if let BinaryOperator::PGCustomBinaryOperator(parts) = op
                && let Some(plain) = parts.last().and_then(|sign| operator(sign))
            {
                *op = plain;
            }
            Ok(None)
        }
        Expr::Identifier(ident) if ident.quote_style.is_none() => Ok(calls::keyword(ident)),
        Expr::Subquery(query) => Ok(subqueries::make_scalar(query)),
        // A field of a composite value; after a name the dots are part of the name.
        Expr::CompoundFieldAccess { root, access_chain } if !matches!(**root, Expr::Identifier(_)) => {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(field)) = access {
                    *access = AccessExpr::Dot(build::string(field.value.clone()));
                }
            }
            Ok(None)
        }
        Expr::Like {
            pattern, escape_char, ..
        }
        | Expr::ILike {
            pattern, escape_char, ..
        } => {
            if let Some(escape) = escape_char.take() {
                **pattern = backslashed(pattern, &escape);
            }
            Ok(None)
        }
        Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
            if let Some(array) = array_literal(right) {
                **right = array;
            }
            Ok(None)
        }
        Expr::Function(function) => Ok(calls::rewrite(function)),
        Expr::Array(array) if array.elem.iter().any(is_array) => {
            Ok(Some(build::call(MATRIX, std::mem::take(&mut array.elem))))
        }
        _ => Ok(None),
    }
}

/// Whether an expression is an array constructor, as it is written or rewritten.
fn is_array(expr: &Expr) -> bool {
    match build::peeled(expr) {
        Expr::Array(_) => true,
        Expr::Function(function) => build::function_name(&function.name).as_deref() == Some(MATRIX),
        _ => false,
    }
}

/// A LIKE pattern with another escape character, as one with backslashes: the only one that DataFusion knows.
fn backslashed(pattern: &Expr, escape: &ValueWithSpan) -> Expr {
    /// Stands for a doubled escape character while single ones are replaced.
    const KEPT: &str = "\u{1}";
    let Value::SingleQuotedString(escape) = &escape.value else {
        return pattern.clone();
    };
    if escape == "\\" {
        return pattern.clone();
    }
    let replace =
        |text: Expr, from: &str, to: &str| build::call("replace", vec![text, build::string(from), build::string(to)]);
    let plain = replace(pattern.clone(), "\\", "\\\\");
    if escape.is_empty() {
        return plain;
    }
    let kept = replace(plain, &escape.repeat(2), KEPT);
    replace(replace(kept, escape, "\\"), KEPT, escape)
}

fn array_literal(expr: &Expr) -> Option<Expr> {
    match build::peeled(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => casts::literal_array(text),
            _ => None,
        },
        _ => None,
    }
}

/// The operator that a sign is, for `OPERATOR(pg_catalog.sign)`.
fn operator(sign: &str) -> Option<BinaryOperator> {
    Some(match sign {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        ">" => BinaryOperator::Gt,
        "<=" => BinaryOperator::LtEq,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        "&" => BinaryOperator::BitwiseAnd,
        "|" => BinaryOperator::BitwiseOr,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
