//! SELECTs over relations that are always empty: what their lists compute is never computed, so a subquery that
//! DataFusion cannot plan need not be planned.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, JoinOperator, Query, Select, SelectItem, TableFactor, Visit, VisitMut, Visitor, VisitorMut,
};

use super::{build, subqueries};
use crate::catalog::is_always_empty;

/// Puts NULL in the place of unplannable subqueries in the list of a SELECT that has no rows.
pub(super) fn prune(select: &mut Select) {
    let empty = select.from.iter().any(|table| {
        let kept = !table.joins.iter().any(|join| {
            matches!(
                join.join_operator,
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) | JoinOperator::FullOuter(_)
            )
        });
        let inner = table.joins.iter().filter(|join| {
            matches!(
                join.join_operator,
                JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
            )
        });
        kept && std::iter::once(&table.relation)
            .chain(inner.map(|join| &join.relation))
            .any(is_empty)
    });
    // An aggregate gives a row over no rows, but its list then reads no row either.
    if !empty {
        return;
    }
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let _ = VisitMut::visit(expr, &mut Pruner);
        }
    }
}

fn is_empty(factor: &TableFactor) -> bool {
    let TableFactor::Table { name, args: None, .. } = factor else {
        return false;
    };
    build::function_name(name).is_some_and(|name| is_always_empty(&name))
}

struct Pruner;

impl VisitorMut for Pruner {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let (query, nothing) = match &*expr {
            Expr::Subquery(query) => (query, build::null()),
            Expr::Function(function) => match &function.args {
                FunctionArguments::Subquery(query) => (query, build::no_array()),
                _ => return ControlFlow::Continue(()),
            },
            _ => return ControlFlow::Continue(()),
        };
        if is_hopeless(query) {
            *expr = nothing;
        }
        ControlFlow::Continue(())
    }
}

/// Whether a subquery is correlated in a way that is not decorrelated: by LIMIT, below a function in FROM, or by
/// membership in an array.
fn is_hopeless(query: &Query) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let reads = match factor {
                TableFactor::Table {
                    args: Some(arguments), ..
                } => arguments.args.visit(&mut Columns).is_break(),
                TableFactor::Function { args, .. } => args.visit(&mut Columns).is_break(),
                TableFactor::UNNEST { array_exprs, .. } => array_exprs.visit(&mut Columns).is_break(),
                _ => false,
            };
            if reads {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => right.visit(&mut Columns),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    query.limit_clause.is_some() && subqueries::is_correlated(query) || query.visit(&mut Finder).is_break()
}

struct Columns;

impl Visitor for Columns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}
