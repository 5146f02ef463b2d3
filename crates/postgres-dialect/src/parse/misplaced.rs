//! Aggregates, window functions and functions that return sets where PostgreSQL has none.

use std::ops::ControlFlow;

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, GroupByExpr, JoinConstraint, JoinOperator, Query, Select, SelectItem, Spanned, Visit, Visitor,
};

use super::text::Places;
use crate::rewrite::is_aggregate_name;

/// Refuses such calls in the clauses of `select` that take none, and those within others.
///
/// # Errors
/// [`ErrorKind::Grouping`], [`ErrorKind::Windowing`] or, for functions that return sets, [`ErrorKind::Unsupported`], at
/// the call.
pub(super) fn check(select: &Select, places: &Places<'_>) -> Result<()> {
    if let Some(condition) = &select.selection {
        look(condition, Allowed::Nothing("WHERE"), places)?;
    }
    for table in &select.from {
        for condition in table.joins.iter().filter_map(|join| on(&join.join_operator)) {
            look(condition, Allowed::Nothing("JOIN conditions"), places)?;
        }
    }
    if let GroupByExpr::Expressions(list, _) = &select.group_by {
        for expr in list {
            look(expr, Allowed::Nothing("GROUP BY"), places)?;
        }
    }
    if let Some(condition) = &select.having {
        look(condition, Allowed::Aggregates, places)?;
    }
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            look(expr, Allowed::All, places)?;
        }
    }
    Ok(())
}

fn on(operator: &JoinOperator) -> Option<&Expr> {
    let (JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint)) = operator
    else {
        return None;
    };
    match constraint {
        JoinConstraint::On(condition) => Some(condition),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy)]
enum Allowed {
    /// Neither, in a clause of that name.
    Nothing(&'static str),
    /// HAVING.
    Aggregates,
    All,
}

/// What one call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Aggregate,
    Window,
    SetReturning,
}

/// Functions that return sets.
const SET_RETURNING: [&str; 20] = [
    "generate_series",
    "generate_subscripts",
    "unnest",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_path_query",
    "_pg_expandarray",
    "aclexplode",
    "pg_options_to_table",
];

fn kind(function: &Function) -> Option<Call> {
    if function.over.is_some() {
        return Some(Call::Window);
    }
    let name = function.name.0.last()?.as_ident()?;
    let name = name.value.to_lowercase();
    if SET_RETURNING.contains(&name.as_str()) {
        return Some(Call::SetReturning);
    }
    is_aggregate_name(&name).then_some(Call::Aggregate)
}

fn look(expr: &Expr, allowed: Allowed, places: &Places<'_>) -> Result<()> {
    let mut finder = Finder {
        allowed,
        places,
        queries: 0,
        around: Vec::new(),
    };
    match expr.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Finder<'p, 't> {
    allowed: Allowed,
    places: &'p Places<'t>,
    /// Subqueries around: what they hold is judged with them.
    queries: usize,
    /// Calls around.
    around: Vec<Call>,
}

impl Finder<'_, '_> {
    fn judge(&self, call: Call) -> Option<(ErrorKind, String)> {
        let (error, plural, singular) = match call {
            Call::SetReturning => return self.judge_set().map(|message| (ErrorKind::Unsupported, message)),
            Call::Aggregate => (ErrorKind::Grouping, "aggregate functions", "aggregate function calls"),
            Call::Window => (ErrorKind::Windowing, "window functions", "window function calls"),
        };
        let message = match (self.allowed, call) {
            (Allowed::Nothing(clause), _) => format!("{plural} are not allowed in {clause}"),
            (Allowed::Aggregates, Call::Window) => format!("{plural} are not allowed in HAVING"),
            // An aggregate in a window function is computed before; nothing else nests.
            _ if call == Call::Aggregate && self.around.contains(&Call::Aggregate) => {
                format!("{singular} cannot be nested")
            }
            _ if call == Call::Window && self.around.contains(&Call::Window) => format!("{singular} cannot be nested"),
            _ if call == Call::Window && self.around.contains(&Call::Aggregate) => {
                return Some((
                    ErrorKind::Grouping,
                    "aggregate function calls cannot contain window function calls".to_owned(),
                ));
            }
            _ => return None,
        };
        Some((error, message))
    }

    /// What is wrong with a function that returns a set, where it stands.
    fn judge_set(&self) -> Option<String> {
        let clause = match self.allowed {
            Allowed::Nothing("GROUP BY") | Allowed::All => None,
            Allowed::Nothing(clause) => Some(clause),
            Allowed::Aggregates => Some("HAVING"),
        };
        if let Some(clause) = clause {
            return Some(format!("set-returning functions are not allowed in {clause}"));
        }
        let around = match self.around.iter().rfind(|call| **call != Call::SetReturning)? {
            Call::Aggregate => "aggregate",
            _ => "window",
        };
        Some(format!(
            "{around} function calls cannot contain set-returning function calls"
        ))
    }
}

impl Visitor for Finder<'_, '_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, _query: &Query) -> ControlFlow<Self::Break> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &Query) -> ControlFlow<Self::Break> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        let Some(call) = kind(function).filter(|_| self.queries == 0) else {
            return ControlFlow::Continue(());
        };
        if let Some((kind, message)) = self.judge(call) {
            let start = function.name.span().start;
            let error = Error::new(kind, message);
            let error = match call {
                Call::SetReturning => {
                    error.with_hint("Move the set-returning function into FROM, with LATERAL if it reads columns.")
                }
                Call::Aggregate | Call::Window => error,
            };
            return ControlFlow::Break(Box::new(match start.line {
                0 => error,
                _ => error.with_position(self.places.character(start) + 1),
            }));
        }
        self.around.push(call);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        if let Expr::Function(function) = expr
            && self.queries == 0
            && kind(function).is_some()
        {
            self.around.pop();
        }
        ControlFlow::Continue(())
    }
}
