//! Aggregates and keys of groups that differ in nothing but casts: DataFusion names both alike and refuses the second.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::{build, is_aggregate_name};
use crate::functions::TOLD_APART;

/// Puts a call around each cast within such expressions of a SELECT that names the type and gives the value as it is.
pub(super) fn tell_apart(select: &mut Select) {
    let candidates = candidates(select);
    let mut variants: HashMap<String, HashSet<&Expr>> = HashMap::new();
    if !candidates.iter().any(holds_cast) {
        return;
    }
    for one in &candidates {
        variants.entry(without_casts(one)).or_default().insert(one);
    }
    let alike = variants.into_values().filter(|alike| alike.len() > 1).flatten();
    let alike: HashSet<&Expr> = alike.filter(|one| holds_cast(one)).collect();
    if alike.is_empty() {
        return;
    }
    let mut marker = Marker {
        alike: &alike,
        marked: Vec::new(),
        queries: 0,
    };
    for item in &mut select.projection {
        let _ = VisitMut::visit(item, &mut marker);
    }
    let _ = VisitMut::visit(&mut select.group_by, &mut marker);
    let _ = VisitMut::visit(&mut select.having, &mut marker);
}

/// The calls of aggregates and windows and the keys of groups that belong to a SELECT itself.
fn candidates(select: &Select) -> Vec<Expr> {
    let mut finder = Finder {
        found: Vec::new(),
        queries: 0,
    };
    let _ = select.projection.visit(&mut finder);
    let _ = select.having.visit(&mut finder);
    let mut candidates = finder.found;
    if let GroupByExpr::Expressions(keys, _) = &select.group_by {
        candidates.extend(keys.iter().filter_map(|key| match key {
            Expr::Value(place) => {
                let Value::Number(digits, _) = &place.value else {
                    return None;
                };
                let place: usize = digits.parse().ok()?;
                match select.projection.get(place.checked_sub(1)?)? {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
                    _ => None,
                }
            }
            key => Some(key.clone()),
        }));
    }
    candidates
}

fn holds_cast(expr: &Expr) -> bool {
    struct Casts;
    impl Visitor for Casts {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Cast { .. } => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Casts).is_break()
}

fn without_casts(expr: &Expr) -> String {
    struct Bare;
    impl VisitorMut for Bare {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Cast { expr: inner, .. } = expr {
                *expr = (**inner).clone();
            }
            ControlFlow::Continue(())
        }
    }
    let mut bare = expr.clone();
    let _ = VisitMut::visit(&mut bare, &mut Bare);
    bare.to_string()
}

struct Finder {
    found: Vec<Expr>,
    queries: usize,
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.queries == 0
            && let Expr::Function(function) = expr
        {
            let name = build::function_name(&function.name);
            if function.over.is_some() || name.is_some_and(|name| is_aggregate_name(&name)) {
                self.found.push(expr.clone());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Changes the casts within expressions that are alike but for them, not those in subqueries.
struct Marker<'e> {
    alike: &'e HashSet<&'e Expr>,
    /// For each expression that is being visited whether casts below it are marked.
    marked: Vec<bool>,
    queries: usize,
}

impl VisitorMut for Marker<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let within = self.marked.last().is_some_and(|within| *within);
        self.marked
            .push(self.queries == 0 && (within || self.alike.contains(&*expr)));
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.marked.pop() == Some(true)
            && let Expr::Cast { data_type, .. } = expr
        {
            let named = build::string(data_type.to_string());
            *expr = build::call(TOLD_APART, vec![expr.clone(), named]);
        }
        ControlFlow::Continue(())
    }
}
