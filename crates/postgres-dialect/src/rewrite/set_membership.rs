//! `x IN (SELECT …)` and `x > ALL (SELECT …)` as values: DataFusion knows them as conditions only, where NULL and false
//! are one.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Query, SelectItem, TableFactor, TableWithJoins, UnaryOperator, Value, VisitMut,
    VisitorMut,
};

use super::build;

/// The relation and the column that a compared query becomes.
const ROWS: &str = "lakegate_rows";
const ITEM: &str = "lakegate_item";

/// Replaces each comparison with the rows of a subquery that stands in `expr` itself, not in a subquery of it.
pub(super) fn replace(expr: &mut Expr) {
    let _ = VisitMut::visit(expr, &mut Replacer { queries: 0 });
}

struct Replacer {
    queries: usize,
}

impl VisitorMut for Replacer {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.queries == 0
            && let Some(value) = value(expr)
        {
            *expr = Expr::Nested(Box::new(value));
        }
        ControlFlow::Continue(())
    }
}

fn value(expr: &Expr) -> Option<Expr> {
    let (left, op, right, every) = match expr {
        Expr::InSubquery {
            expr,
            subquery,
            negated,
        } => {
            let found = quantified(expr, &BinaryOperator::Eq, subquery, false)?;
            return Some(if *negated { not(found) } else { found });
        }
        Expr::AnyOp {
            left,
            compare_op,
            right,
            ..
        } => (left, compare_op, right, false),
        Expr::AllOp {
            left,
            compare_op,
            right,
        } => (left, compare_op, right, true),
        _ => return None,
    };
    match right.as_ref() {
        Expr::Subquery(query) => quantified(left, op, query, every),
        _ => None,
    }
}

/// `left op ANY (query)`, or ALL if `every`. ANY of no rows is false, ALL of no rows true; NULL if a row decides that
/// has no value.
fn quantified(left: &Expr, op: &BinaryOperator, query: &Query, every: bool) -> Option<Expr> {
    // `x op ALL` is `NOT (x not-op ANY)`.
    let any = if every { negation(op)? } else { op.clone() };
    let count = || build::call("count", vec![build::number("1")]);
    let is_some = |number: Expr| binary(number, BinaryOperator::Gt, build::number("0"));
    let left = Expr::Nested(Box::new(left.clone()));
    let item = || Expr::Identifier(build::quoted(ITEM));
    let holds = match &any {
        BinaryOperator::Eq => is_some(over(
            query,
            count(),
            Some(binary(item(), BinaryOperator::Eq, left.clone())),
        )?),
        BinaryOperator::NotEq => {
            let differs = |name: &str| {
                let bound = over(query, build::call(name, vec![item()]), None)?;
                Some(binary(left.clone(), BinaryOperator::NotEq, bound))
            };
            Expr::Nested(Box::new(binary(differs("min")?, BinaryOperator::Or, differs("max")?)))
        }
        BinaryOperator::Gt | BinaryOperator::GtEq => binary(
            left.clone(),
            any.clone(),
            over(query, build::call("min", vec![item()]), None)?,
        ),
        BinaryOperator::Lt | BinaryOperator::LtEq => binary(
            left.clone(),
            any.clone(),
            over(query, build::call("max", vec![item()]), None)?,
        ),
        _ => return None,
    };
    let none = binary(over(query, count(), None)?, BinaryOperator::Eq, build::number("0"));
    let unknown = binary(
        Expr::IsNull(Box::new(left)),
        BinaryOperator::Or,
        is_some(over(query, count(), Some(Expr::IsNull(Box::new(item()))))?),
    );
    let when = |condition: Expr, result: Expr| CaseWhen { condition, result };
    let any = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![
            when(holds, boolean(true)),
            when(none, boolean(false)),
            when(unknown, build::null()),
        ],
        else_result: Some(Box::new(boolean(false))),
    };
    Some(if every { not(any) } else { any })
}

fn negation(op: &BinaryOperator) -> Option<BinaryOperator> {
    Some(match op {
        BinaryOperator::Eq => BinaryOperator::NotEq,
        BinaryOperator::NotEq => BinaryOperator::Eq,
        BinaryOperator::Lt => BinaryOperator::GtEq,
        BinaryOperator::LtEq => BinaryOperator::Gt,
        BinaryOperator::Gt => BinaryOperator::LtEq,
        BinaryOperator::GtEq => BinaryOperator::Lt,
        _ => return None,
    })
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(expr),
    }
}

fn boolean(value: bool) -> Expr {
    Expr::Value(Value::Boolean(value).into())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

/// `(SELECT aggregate FROM (query) AS rows (item) WHERE condition)`
fn over(query: &Query, aggregate: Expr, condition: Option<Expr>) -> Option<Expr> {
    let mut outer = build::select(vec![SelectItem::UnnamedExpr(aggregate)])?;
    let select = build::simple_select(&mut outer)?;
    select.from = vec![TableWithJoins {
        relation: TableFactor::Derived {
            lateral: false,
            subquery: Box::new(query.clone()),
            alias: Some(build::alias(build::quoted(ROWS), vec![build::quoted(ITEM)])),
            sample: None,
        },
        joins: Vec::new(),
    }];
    select.selection = condition;
    Some(Expr::Subquery(outer))
}
