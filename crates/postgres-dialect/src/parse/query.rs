//! Queries: sqlparser reads them, then what it took and PostgreSQL would not is refused.

use std::ops::ControlFlow;

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinOperator, Query, Select, SelectItem, SetExpr, SetQuantifier, Spanned,
    Statement, TableFactor, Value, Visit, Visitor,
};
use datafusion::sql::sqlparser::tokenizer::{Span, TokenWithSpan};

use super::cursor::Cursor;
use super::text::Places;
use super::{Scope, misplaced, tokens};
use crate::command::{Command, OtherKind};

/// Reads `tokens`, all of them, as one query.
pub(crate) fn parse(scope: &Scope<'_>, own: &[TokenWithSpan], end: Option<&TokenWithSpan>) -> Result<Command> {
    let mended = tokens::mend(own, &scope.places)?;
    let mut cursor = Cursor::new(scope, &mended, end);
    let query = cursor.with_parser(|parser| parser.parse_query())?;
    cursor.expect_end()?;
    if selects_into(&query.body) {
        return Ok(Command::Other {
            tag: "SELECT INTO",
            kind: OtherKind::Definition,
        });
    }
    if let Some(tag) = writes(&query) {
        return Ok(Command::Other {
            tag,
            kind: OtherKind::Write,
        });
    }
    let statement = Statement::Query(query);
    let mut judge = Judge { places: &scope.places };
    match statement.visit(&mut judge) {
        ControlFlow::Break(error) => Err(*error),
        ControlFlow::Continue(()) => Ok(Command::Query(Box::new(statement))),
    }
}

fn selects_into(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_some(),
        SetExpr::Query(query) => selects_into(&query.body),
        SetExpr::SetOperation { left, .. } => selects_into(left),
        _ => false,
    }
}

/// The tag of a data-modifying statement that is the query's body or one of its CTEs.
fn writes(query: &Query) -> Option<&'static str> {
    fn body_tag(body: &SetExpr) -> Option<&'static str> {
        match body {
            SetExpr::Insert(_) => Some("INSERT"),
            SetExpr::Update(_) => Some("UPDATE"),
            SetExpr::Delete(_) => Some("DELETE"),
            SetExpr::Merge(_) => Some("MERGE"),
            SetExpr::Query(query) => writes(query),
            _ => None,
        }
    }
    let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
    ctes.filter_map(|cte| writes(&cte.query))
        .next()
        .or_else(|| body_tag(&query.body))
}

/// UNION BY NAME, of other systems.
fn by_name(body: &SetExpr) -> bool {
    match body {
        SetExpr::SetOperation {
            left,
            right,
            set_quantifier,
            ..
        } => {
            matches!(
                set_quantifier,
                SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName
            ) || by_name(left)
                || by_name(right)
        }
        _ => false,
    }
}

struct Judge<'t> {
    places: &'t Places<'t>,
}

impl Judge<'_> {
    fn stop<T>(&self, error: Error, span: Span) -> ControlFlow<Box<Error>, T> {
        let error = if span.start.line == 0 {
            error
        } else {
            error.with_position(self.places.character(span.start) + 1)
        };
        ControlFlow::Break(Box::new(error))
    }

    fn syntax<T>(&self, near: &str, span: Span) -> ControlFlow<Box<Error>, T> {
        self.stop(
            Error::new(ErrorKind::Syntax, format!("syntax error at or near \"{near}\"")),
            span,
        )
    }

    fn join(&self, join: &Join) -> ControlFlow<Box<Error>> {
        let word = match &join.join_operator {
            JoinOperator::Join(_)
            | JoinOperator::Inner(_)
            | JoinOperator::Left(_)
            | JoinOperator::LeftOuter(_)
            | JoinOperator::Right(_)
            | JoinOperator::RightOuter(_)
            | JoinOperator::FullOuter(_)
            | JoinOperator::CrossJoin(_) => return ControlFlow::Continue(()),
            JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => "SEMI",
            JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => "ANTI",
            JoinOperator::CrossApply | JoinOperator::OuterApply => "APPLY",
            _ => "JOIN",
        };
        self.syntax(word, Span::empty())
    }

    fn alias(&self, alias: &Ident) -> ControlFlow<Box<Error>> {
        if alias.quote_style == Some('\'') {
            return self.syntax(&format!("'{}'", alias.value), alias.span);
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Judge<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if let Some(lock) = query.locks.first() {
            return self.stop(
                Error::unsupported(format!("FOR {} is not supported", lock.lock_type))
                    .with_hint("Nothing can be locked here; leave the clause out."),
                Span::empty(),
            );
        }
        if query.fetch.is_some() {
            return self.syntax("FETCH", Span::empty());
        }
        if by_name(&query.body) {
            return self.syntax("BY", Span::empty());
        }
        if query.settings.is_some() {
            return self.syntax("SETTINGS", Span::empty());
        }
        if query.format_clause.is_some() {
            return self.syntax("FORMAT", Span::empty());
        }
        if query.for_clause.is_some() {
            return self.syntax("FOR", Span::empty());
        }
        if !query.pipe_operators.is_empty() {
            return self.syntax("|>", Span::empty());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        let foreign = [
            (select.top.is_some(), "TOP"),
            (select.qualify.is_some(), "QUALIFY"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.lateral_views.is_empty(), "LATERAL"),
            (!select.connect_by.is_empty(), "CONNECT"),
            (!select.cluster_by.is_empty(), "CLUSTER"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE"),
            (!select.sort_by.is_empty(), "SORT"),
            (select.value_table_mode.is_some(), "AS"),
            (select.exclude.is_some(), "EXCLUDE"),
        ];
        if let Some((_, word)) = foreign.into_iter().find(|(found, _)| *found) {
            return self.syntax(word, Span::empty());
        }
        if select.into.is_some() {
            return self.stop(
                Error::new(ErrorKind::Syntax, "SELECT ... INTO is not allowed here"),
                select.select_token.0.span,
            );
        }
        for join in select.from.iter().flat_map(|table| &table.joins) {
            self.join(join)?;
        }
        if let Err(error) = misplaced::check(select, self.places) {
            return ControlFlow::Break(Box::new(error));
        }
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.alias(alias)?,
                SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)
                    if (options.opt_exclude.is_some()
                        || options.opt_except.is_some()
                        || options.opt_replace.is_some()
                        || options.opt_rename.is_some()
                        || options.opt_ilike.is_some()
                        || options.opt_alias.is_some()) =>
                {
                    return self.syntax("*", options.wildcard_token.0.span);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { sample: Some(_), .. } => {
                self.stop(Error::unsupported("TABLESAMPLE is not supported"), factor.span())
            }
            TableFactor::Table {
                args: None,
                with_ordinality: true,
                ..
            } => self.syntax("WITH", Span::empty()),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                table_with_joins.joins.iter().try_for_each(|join| self.join(join))
            }
            TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => match alias {
                Some(alias) => self.alias(&alias.name),
                None => ControlFlow::Continue(()),
            },
            TableFactor::Pivot { .. } => self.syntax("PIVOT", factor.span()),
            TableFactor::Unpivot { .. } => self.syntax("UNPIVOT", factor.span()),
            TableFactor::MatchRecognize { .. } => self.syntax("MATCH_RECOGNIZE", factor.span()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Placeholder(name) if !name.starts_with('$') => self.syntax(name, value.span),
                Value::DoubleQuotedString(text) => self.syntax(text, value.span),
                _ => ControlFlow::Continue(()),
            },
            Expr::RLike { regexp, .. } => self.syntax(if *regexp { "REGEXP" } else { "RLIKE" }, Span::empty()),
            Expr::BinaryOp {
                op: BinaryOperator::Xor,
                ..
            } => self.syntax("XOR", Span::empty()),
            Expr::MatchAgainst { .. } => self.syntax("MATCH", expr.span()),
            Expr::Lambda(_) => self.syntax("->", expr.span()),
            _ => ControlFlow::Continue(()),
        }
    }
}
