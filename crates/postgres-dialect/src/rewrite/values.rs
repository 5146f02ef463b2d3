//! VALUES with subqueries or outer columns, which DataFusion knows in SELECT only.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Query, SelectItem, SetExpr, SetOperator, SetQuantifier, Values, Visit, Visitor,
};

use super::build;

/// Makes `VALUES (a, b), …` with such a value in it `SELECT a AS column1, b AS column2 UNION ALL …`.
pub(super) fn as_selects(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            as_selects(left);
            as_selects(right);
        }
        SetExpr::Values(values) if computes(values) => {
            if let Some(selects) = selects(values) {
                *body = selects;
            }
        }
        _ => {}
    }
}

fn computes(values: &Values) -> bool {
    struct Finder;
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    values.rows.iter().any(|row| row.visit(&mut Finder).is_break())
}

fn selects(values: &Values) -> Option<SetExpr> {
    let mut all: Option<SetExpr> = None;
    for row in &values.rows {
        let items = (1..)
            .zip(row.iter())
            .map(|(number, expr): (usize, &Expr)| SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: build::quoted(&format!("column{number}")),
            });
        let select = *build::select(items.collect())?.body;
        all = Some(match all {
            None => select,
            Some(before) => SetExpr::SetOperation {
                op: SetOperator::Union,
                set_quantifier: SetQuantifier::All,
                left: Box::new(before),
                right: Box::new(select),
            },
        });
    }
    all
}
