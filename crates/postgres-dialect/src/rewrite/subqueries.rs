//! Subqueries in expressions, in the form that DataFusion can decorrelate.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Distinct, Expr, Function, FunctionArgumentClause, FunctionArguments, GroupByExpr, Ident,
    OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

use super::build;
use crate::functions::SINGLE_VALUE;

const AGGREGATES: [&str; 44] = [
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "mean",
    "array_agg",
    "string_agg",
    "bool_and",
    "bool_or",
    "every",
    "first_value",
    "last_value",
    "nth_value",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "variance",
    "var",
    "var_pop",
    "var_samp",
    "covar",
    "covar_pop",
    "covar_samp",
    "corr",
    "regr_slope",
    "regr_intercept",
    "regr_count",
    "regr_r2",
    "regr_avgx",
    "regr_avgy",
    "regr_sxx",
    "regr_syy",
    "regr_sxy",
    "json_agg",
    "jsonb_agg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "median",
    "percentile_cont",
    "approx_distinct",
    "grouping",
    SINGLE_VALUE,
];

/// Whether a function of that name, in lower case, makes one value of many rows.
pub(crate) fn is_aggregate_name(name: &str) -> bool {
    AGGREGATES.contains(&name)
}

/// Makes a correlated scalar subquery one that DataFusion can decorrelate: over an aggregate, and correlated by
/// equalities only. Gives the expression to take its place, if that is no longer the subquery alone.
pub(super) fn make_scalar(query: &mut Query) -> Option<Expr> {
    if let Some(step) = base_type(query) {
        *query = step;
    }
    let declared = unresolved(query)?;
    let limited = query.limit_clause.is_some();
    let select = build::simple_select(query)?;
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty());
    if grouped || limited || select.distinct.is_some() {
        return None;
    }
    let guards = separate(select, &declared);
    let [item] = select.projection.as_mut_slice() else {
        return None;
    };
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr,
        _ => return None,
    };
    let aggregate = is_aggregate(expr);
    if !aggregate && reads_outer(expr, &declared) {
        let expr = expr.clone();
        return outside(query, expr, guards, &declared);
    }
    if !aggregate {
        *expr = build::call(SINGLE_VALUE, vec![expr.clone()]);
        query.order_by = None;
    }
    let guard = joined(guards)?;
    let inner = Expr::Subquery(Box::new(query.clone()));
    if aggregate {
        // The condition stays inside: an aggregate has a value over no rows, too.
        let select = build::simple_select(query)?;
        select.selection = joined(select.selection.take().into_iter().chain([guard]).collect());
        return None;
    }
    case_when(guard, inner)
}

/// A recursion that follows `pg_type.typbasetype` ends after its first step: no domain of the catalog lies over
/// another. Drivers ask so for the base type, and DataFusion cannot decorrelate a recursion.
fn base_type(query: &Query) -> Option<Query> {
    let with = query.with.as_ref().filter(|with| with.recursive)?;
    let [cte] = with.cte_tables.as_slice() else {
        return None;
    };
    let SetExpr::SetOperation { left, .. } = cte.query.body.as_ref() else {
        return None;
    };
    let mut step = (*cte.query).clone();
    step.body = left.clone();
    let select = build::simple_select(&mut step)?;
    select.projection.truncate(1);
    let (SelectItem::UnnamedExpr(item) | SelectItem::ExprWithAlias { expr: item, .. }) = select.projection.first()?
    else {
        return None;
    };
    let Expr::CompoundIdentifier(parts) = item else {
        return None;
    };
    let is_it = parts.last()?.value == "typbasetype";
    // Without the alias `oid`, which the decorrelated join has a column of, too.
    select.projection = vec![SelectItem::UnnamedExpr(item.clone())];
    is_it.then_some(step)
}

/// A SELECT item that reads outer columns, computed outside: over one subquery for each inner column that it reads.
fn outside(query: &Query, expr: Expr, guards: Vec<Expr>, declared: &HashSet<String>) -> Option<Expr> {
    struct Columns<'c> {
        declared: &'c HashSet<String>,
        found: Vec<Expr>,
    }
    impl Visitor for Columns<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => return ControlFlow::Break(()),
                Expr::CompoundIdentifier(parts) if outer(parts, self.declared) => {}
                Expr::CompoundIdentifier(_) | Expr::Identifier(_) if !self.found.contains(expr) => {
                    self.found.push(expr.clone());
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut columns = Columns {
        declared,
        found: Vec::new(),
    };
    if expr.visit(&mut columns).is_break() {
        return None;
    }
    let over = |item: Expr| {
        let mut inner = query.clone();
        build::simple_select(&mut inner)?.projection = vec![SelectItem::UnnamedExpr(item)];
        inner.order_by = None;
        Some(Expr::Subquery(Box::new(inner)))
    };
    let mut equal = Vec::new();
    for column in columns.found {
        let value = over(build::call(SINGLE_VALUE, vec![column.clone()]))?;
        equal.push((column, value));
    }
    let mut result = expr;
    let _ = VisitMut::visit(&mut result, &mut Substitute { equal: &equal });
    let some = over(Expr::BinaryOp {
        left: Box::new(build::call("count", vec![build::number("1")])),
        op: BinaryOperator::Gt,
        right: Box::new(build::number("0")),
    })?;
    case_when(joined(guards.into_iter().chain([some]).collect())?, result)
}

fn reads_outer(expr: &Expr, declared: &HashSet<String>) -> bool {
    struct Finder<'d>(&'d HashSet<String>);
    impl Visitor for Finder<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::CompoundIdentifier(parts) if outer(parts, self.0) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Finder(declared)).is_break()
}

fn case_when(condition: Expr, result: Expr) -> Option<Expr> {
    Some(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: None,
    })
}

/// Takes the conditions on outer columns alone out of WHERE and, where an inner column equals an outer one, puts it
/// in the outer one's place in the other conditions and in the SELECT list.
fn separate(select: &mut Select, declared: &HashSet<String>) -> Vec<Expr> {
    let mut conditions = Vec::new();
    if let Some(selection) = select.selection.take() {
        split(selection, &mut conditions);
    }
    let is_outer =
        |expr: &Expr| matches!(build::peeled(expr), Expr::CompoundIdentifier(parts) if outer(parts, declared));
    let (guards, kept): (Vec<Expr>, Vec<Expr>) = conditions
        .into_iter()
        .partition(|condition| only_outer(condition, declared));
    let mut equal: Vec<(Expr, Expr)> = Vec::new();
    let (equalities, mut others): (Vec<Expr>, Vec<Expr>) = kept.into_iter().partition(|condition| {
        let Expr::BinaryOp {
            left,
            op: BinaryOperator::Eq,
            right,
        } = build::peeled(condition)
        else {
            return false;
        };
        let pair = match (is_outer(left), is_outer(right)) {
            (true, false) if is_column(right) => (left, right),
            (false, true) if is_column(left) => (right, left),
            _ => return false,
        };
        equal.push((build::peeled(pair.0).clone(), build::peeled(pair.1).clone()));
        true
    });
    let mut substitute = Substitute { equal: &equal };
    for condition in &mut others {
        let _ = VisitMut::visit(condition, &mut substitute);
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut substitute);
        }
    }
    select.selection = joined(equalities.into_iter().chain(others).collect());
    guards
}

struct Substitute<'e> {
    equal: &'e [(Expr, Expr)],
}

// After the children: what was put in is not looked at again.
impl VisitorMut for Substitute<'_> {
    type Break = ();
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some((_, inner)) = self.equal.iter().find(|(outer, _)| outer == expr) {
            *expr = inner.clone();
        }
        ControlFlow::Continue(())
    }
}

fn split(condition: Expr, conditions: &mut Vec<Expr>) {
    match condition {
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            split(*left, conditions);
            split(*right, conditions);
        }
        Expr::Nested(inner)
            if matches!(
                *inner,
                Expr::BinaryOp {
                    op: BinaryOperator::And,
                    ..
                }
            ) =>
        {
            split(*inner, conditions);
        }
        other => conditions.push(other),
    }
}

fn joined(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(Expr::Nested(Box::new(right))),
    })
}

fn outer(parts: &[Ident], declared: &HashSet<String>) -> bool {
    matches!(parts, [.., qualifier, _] if !declared.contains(&folded(qualifier)))
}

fn is_column(expr: &Expr) -> bool {
    matches!(build::peeled(expr), Expr::Identifier(_) | Expr::CompoundIdentifier(_))
}

/// Whether a condition reads outer columns and nothing else.
fn only_outer(condition: &Expr, declared: &HashSet<String>) -> bool {
    struct Finder<'d> {
        declared: &'d HashSet<String>,
        reads: bool,
    }
    impl Visitor for Finder<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                    ControlFlow::Break(())
                }
                Expr::CompoundIdentifier(parts) if outer(parts, self.declared) => {
                    self.reads = true;
                    ControlFlow::Continue(())
                }
                Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let mut finder = Finder { declared, reads: false };
    condition.visit(&mut finder).is_continue() && finder.reads
}

/// `EXISTS (query)` as a value: whether a count is above zero.
pub(super) fn exists_value(query: &Query, negated: bool) -> Option<Expr> {
    let count = Expr::BinaryOp {
        left: Box::new(build::call("count", vec![build::number("1")])),
        op: if negated {
            BinaryOperator::Eq
        } else {
            BinaryOperator::Gt
        },
        right: Box::new(build::number("0")),
    };
    let mut inner = query.clone();
    let simple = inner.limit_clause.is_none() && inner.fetch.is_none() && inner.with.is_none();
    if let Some(select) = simple.then(|| build::simple_select(&mut inner)).flatten()
        && matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty())
        && select.distinct.is_none()
        && select.having.is_none()
        && select.projection.iter().all(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                !is_aggregate(expr) && !is_set_returning(expr)
            }
            _ => true,
        })
    {
        select.projection = vec![SelectItem::UnnamedExpr(count)];
        inner.order_by = None;
        return Some(Expr::Subquery(Box::new(inner)));
    }
    let mut outer = build::select(vec![SelectItem::UnnamedExpr(count)])?;
    build::simple_select(&mut outer)?.from = vec![derived(query.clone(), "lakegate_rows", Vec::new())];
    Some(Expr::Subquery(outer))
}

fn derived(query: Query, name: &str, columns: Vec<Ident>) -> datafusion::sql::sqlparser::ast::TableWithJoins {
    datafusion::sql::sqlparser::ast::TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query),
            alias: Some(build::alias(build::quoted(name), columns)),
            sample: None,
        },
        joins: Vec::new(),
    }
}

fn is_aggregate(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) if function.over.is_none() => match build::function_name(&function.name) {
                    Some(name) if AGGREGATES.contains(&name.as_str()) => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                },
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Finder).is_break()
}

/// Whether the query uses a qualifier that none of its relations has.
pub(super) fn is_correlated(query: &Query) -> bool {
    unresolved(query).is_some()
}

/// The relations that the query declares, if it uses a qualifier that is none of them.
fn unresolved(query: &Query) -> Option<HashSet<String>> {
    #[derive(Default)]
    struct Finder {
        declared: HashSet<String>,
        used: HashSet<String>,
    }
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let (alias, name) = match factor {
                TableFactor::Table { alias, name, .. } => (alias, name.0.last().and_then(|part| part.as_ident())),
                TableFactor::Derived { alias, .. }
                | TableFactor::Function { alias, .. }
                | TableFactor::UNNEST { alias, .. }
                | TableFactor::NestedJoin { alias, .. } => (alias, None),
                _ => return ControlFlow::Continue(()),
            };
            if let Some(ident) = alias.as_ref().map(|alias| &alias.name).or(name) {
                self.declared.insert(folded(ident));
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr
                && let [.., qualifier, _] = parts.as_slice()
            {
                self.used.insert(folded(qualifier));
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder::default();
    let _ = query.visit(&mut finder);
    (!finder.used.is_subset(&finder.declared)).then_some(finder.declared)
}

fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// `ARRAY(SELECT x FROM … ORDER BY y)` as `(SELECT array_agg(x ORDER BY y) FROM …)`.
pub(super) fn array_of(query: &Query) -> Option<Expr> {
    let mut inner = query.clone();
    let order = match inner.order_by.take().map(|order| order.kind) {
        Some(OrderByKind::Expressions(list)) => list,
        Some(_) => return None,
        None => Vec::new(),
    };
    let plain = inner.limit_clause.is_none() && inner.fetch.is_none();
    if let Some(select) = plain.then(|| build::simple_select(&mut inner)).flatten()
        && matches!(&select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty())
        && !matches!(select.distinct, Some(Distinct::On(_)))
        && let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] = select.projection.as_slice()
        && !is_aggregate(expr)
        && !is_set_returning(expr)
    {
        let mut function: Function = build::function("array_agg", vec![expr.clone()]);
        if let FunctionArguments::List(list) = &mut function.args {
            if select.distinct.take().is_some() {
                list.duplicate_treatment = Some(datafusion::sql::sqlparser::ast::DuplicateTreatment::Distinct);
            }
            let positional = order.iter().any(|by| matches!(by.expr, Expr::Value(_)));
            if !order.is_empty() && !positional {
                list.clauses.push(FunctionArgumentClause::OrderBy(order));
            }
        }
        select.projection = vec![SelectItem::UnnamedExpr(Expr::Function(function))];
        return Some(Expr::Subquery(Box::new(inner)));
    }
    let column = build::quoted("lakegate_item");
    let aggregate = build::call("array_agg", vec![Expr::Identifier(column.clone())]);
    let mut outer = build::select(vec![SelectItem::UnnamedExpr(aggregate)])?;
    build::simple_select(&mut outer)?.from = vec![derived(query.clone(), "lakegate_items", vec![column])];
    Some(Expr::Subquery(outer))
}

fn is_set_returning(expr: &Expr) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) => match build::function_name(&function.name).as_deref() {
                    Some("unnest" | "generate_series" | "generate_subscripts" | "_pg_expandarray") => {
                        ControlFlow::Break(())
                    }
                    _ => ControlFlow::Continue(()),
                },
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Finder).is_break()
}
