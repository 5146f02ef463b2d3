//! A question about one table that does not come as SQL: built as a tree of parts, planned as any other statement.

use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::ast;
use postgres_dialect::{Command, ParsedStatement};

use crate::client_session::ClientSession;
use crate::statement::StatementText;

/// The most comparisons in one filter, and values in its lists, together.
const TERMS_MAX: usize = 1_000;
/// The deepest nesting of a filter.
const DEPTH_MAX: usize = 50;

/// Rows of one table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableQuery {
    /// `table`, `schema.table` or `catalog.schema.table`, as the parts are spelled.
    pub table: Vec<String>,
    /// What is answered of each row.
    pub columns: TableColumns,
    /// Which rows; all if there is none.
    pub filter: Option<Filter>,
    /// In which order.
    pub order: Vec<Order>,
    /// How many rows at most.
    pub limit: Option<u64>,
    /// How many of the first rows are left out.
    pub offset: Option<u64>,
}

/// What a [`TableQuery`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableColumns {
    /// All columns that the identity sees.
    All,
    /// These, in this order.
    Named(Vec<String>),
    /// One column `count`: the number of rows.
    Count,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: String,
    /// The largest first.
    pub descending: bool,
    /// Whether nulls come first; as PostgreSQL does (last, or first where descending) if not said.
    pub nulls_first: Option<bool>,
}

/// A constant of a filter. Its type is that of the column which it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// No value.
    Null,
    /// TRUE or FALSE.
    Boolean(bool),
    /// Decimal digits with an optional sign, fraction and exponent.
    Number(String),
    /// A text, or anything that is written as one.
    Text(String),
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Which rows are asked for. A row counts if the filter is true, not if it is null.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Each of them.
    And(Vec<Filter>),
    /// At least one of them.
    Or(Vec<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// A column compared with a constant.
    Compare {
        /// The column.
        column: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Literal,
    },
    /// Whether a column is one of some constants.
    In {
        /// The column.
        column: String,
        /// The constants.
        values: Vec<Literal>,
    },
    /// Whether a text column has the form of a pattern, as in SQL's LIKE (escape: backslash).
    Like {
        /// The column.
        column: String,
        /// The pattern.
        pattern: String,
    },
    /// Whether a column is null.
    IsNull {
        /// The column.
        column: String,
    },
}

impl ClientSession {
    /// The statement that `query` stands for, to be prepared and executed as one that came as text. It is never
    /// written as text: no value can be taken for anything else.
    ///
    /// # Errors
    /// `InvalidParameter` for a number that is none or a name without parts, `StatementTooComplex` for a filter beyond
    /// 1,000 terms or 50 levels.
    pub fn table_statement(&self, query: &TableQuery) -> Result<StatementText> {
        let count = query.columns == TableColumns::Count;
        let skeleton = match count {
            true => "SELECT count(*) AS count FROM t LIMIT 1 OFFSET 0",
            false => "SELECT * FROM t ORDER BY 1 LIMIT 1 OFFSET 0",
        };
        let lost = || Error::internal("a SELECT that is no query");
        let statement = self.parse(skeleton)?.into_iter().next().ok_or_else(lost)?;
        let Command::Query(tree) = &statement.parsed.command else {
            return Err(lost());
        };
        let mut tree = tree.clone();
        let ast::Statement::Query(parts) = &mut *tree else {
            return Err(lost());
        };
        fill(parts, query).ok_or_else(lost)??;
        let text = format!("{tree:?}");
        Ok(StatementText {
            parsed: Arc::new(ParsedStatement {
                text: 0..text.len(),
                command: Command::Query(tree),
                parameters: 0,
            }),
            // Plans are told apart by it; it is not read.
            whole: text.into(),
        })
    }
}

/// Puts the parts in place of the skeleton's; `None` if the skeleton has another shape.
fn fill(parts: &mut ast::Query, query: &TableQuery) -> Option<Result<()>> {
    let ast::SetExpr::Select(select) = &mut *parts.body else {
        return None;
    };
    let ast::TableFactor::Table { name, .. } = &mut select.from.first_mut()?.relation else {
        return None;
    };
    if query.table.is_empty() || query.table.len() > 3 {
        return Some(Err(wrong("a table has one to three names")));
    }
    *name = ast::ObjectName::from(query.table.iter().map(|part| identifier(part)).collect::<Vec<_>>());
    if let TableColumns::Named(names) = &query.columns {
        if names.is_empty() {
            return Some(Err(wrong("no column is asked for")));
        }
        let column = |name: &String| ast::SelectItem::UnnamedExpr(column(name));
        select.projection = names.iter().map(column).collect();
    }
    if let Some(filter) = &query.filter {
        let mut terms = 0;
        match condition(filter, 0, &mut terms) {
            Ok(condition) => select.selection = Some(condition),
            Err(error) => return Some(Err(error)),
        }
    }
    let keys: Vec<_> = query.order.iter().map(order_key).collect();
    parts.order_by = (!keys.is_empty()).then_some(ast::OrderBy {
        kind: ast::OrderByKind::Expressions(keys),
        interpolate: None,
    });
    let number = |rows: u64| ast::Expr::Value(ast::Value::Number(rows.to_string(), false).into());
    let Some(ast::LimitClause::LimitOffset { limit, offset, .. }) = &mut parts.limit_clause else {
        return None;
    };
    *limit = query.limit.map(number);
    match query.offset {
        Some(rows) => offset.as_mut()?.value = number(rows),
        None => *offset = None,
    }
    if query.limit.is_none() && query.offset.is_none() {
        parts.limit_clause = None;
    }
    Some(Ok(()))
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidParameter, message)
}

fn identifier(name: &str) -> ast::Ident {
    ast::Ident::with_quote('"', name)
}

fn column(name: &str) -> ast::Expr {
    ast::Expr::Identifier(identifier(name))
}

fn order_key(order: &Order) -> ast::OrderByExpr {
    ast::OrderByExpr {
        expr: column(&order.column),
        options: ast::OrderByOptions {
            asc: Some(!order.descending),
            nulls_first: order.nulls_first,
        },
        with_fill: None,
    }
}

fn literal(value: &Literal) -> Result<ast::Expr> {
    let value = match value {
        Literal::Null => ast::Value::Null,
        Literal::Boolean(value) => ast::Value::Boolean(*value),
        Literal::Text(text) => ast::Value::SingleQuotedString(text.clone()),
        Literal::Number(text) => {
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => (Some(ast::UnaryOperator::Minus), digits),
                None => (None, text.strip_prefix('+').unwrap_or(text)),
            };
            if !is_number(digits) {
                return Err(wrong(format!("\"{text}\" is no number")));
            }
            let number = ast::Expr::Value(ast::Value::Number(digits.to_owned(), false).into());
            return Ok(match sign {
                Some(op) => ast::Expr::UnaryOp {
                    op,
                    expr: Box::new(number),
                },
                None => number,
            });
        }
    };
    Ok(ast::Expr::Value(value.into()))
}

/// Digits with an optional fraction and exponent.
fn is_number(text: &str) -> bool {
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    !(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction) && exponent
}

fn count_term(terms: &mut usize) -> Result<()> {
    *terms += 1;
    if *terms > TERMS_MAX {
        let message = format!("the filter has more than {TERMS_MAX} terms");
        return Err(Error::new(ErrorKind::StatementTooComplex, message));
    }
    Ok(())
}

fn condition(filter: &Filter, depth: usize, terms: &mut usize) -> Result<ast::Expr> {
    if depth > DEPTH_MAX {
        let message = format!("the filter is nested deeper than {DEPTH_MAX} levels");
        return Err(Error::new(ErrorKind::StatementTooComplex, message));
    }
    count_term(terms)?;
    Ok(match filter {
        Filter::And(all) => joined(all, ast::BinaryOperator::And, depth, terms)?,
        Filter::Or(any) => joined(any, ast::BinaryOperator::Or, depth, terms)?,
        Filter::Not(inner) => ast::Expr::UnaryOp {
            op: ast::UnaryOperator::Not,
            expr: Box::new(nested(condition(inner, depth + 1, terms)?)),
        },
        Filter::Compare {
            column: name,
            comparison,
            value,
        } => ast::Expr::BinaryOp {
            left: Box::new(column(name)),
            op: match comparison {
                Comparison::Equal => ast::BinaryOperator::Eq,
                Comparison::NotEqual => ast::BinaryOperator::NotEq,
                Comparison::Less => ast::BinaryOperator::Lt,
                Comparison::LessOrEqual => ast::BinaryOperator::LtEq,
                Comparison::Greater => ast::BinaryOperator::Gt,
                Comparison::GreaterOrEqual => ast::BinaryOperator::GtEq,
            },
            right: Box::new(literal(value)?),
        },
        Filter::In { column: name, values } => {
            if values.is_empty() {
                return Err(wrong(format!("the list for \"{name}\" is empty")));
            }
            values.iter().try_for_each(|_| count_term(terms))?;
            ast::Expr::InList {
                expr: Box::new(column(name)),
                list: values.iter().map(literal).collect::<Result<_>>()?,
                negated: false,
            }
        }
        Filter::Like { column: name, pattern } => ast::Expr::Like {
            negated: false,
            any: false,
            expr: Box::new(column(name)),
            pattern: Box::new(literal(&Literal::Text(pattern.clone()))?),
            escape_char: None,
        },
        Filter::IsNull { column: name } => ast::Expr::IsNull(Box::new(column(name))),
    })
}

fn nested(expr: ast::Expr) -> ast::Expr {
    ast::Expr::Nested(Box::new(expr))
}

fn joined(all: &[Filter], op: ast::BinaryOperator, depth: usize, terms: &mut usize) -> Result<ast::Expr> {
    let mut joined: Option<ast::Expr> = None;
    for filter in all {
        let next = nested(condition(filter, depth + 1, terms)?);
        joined = Some(match joined {
            None => next,
            Some(before) => ast::Expr::BinaryOp {
                left: Box::new(before),
                op: op.clone(),
                right: Box::new(next),
            },
        });
    }
    joined.ok_or_else(|| wrong("an empty AND or OR"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        for text in ["0", "12.5", ".5", "5.", "1e9", "1.5E-10", "2e+3"] {
            assert!(is_number(text), "{text}");
        }
        for text in [
            "", ".", "e5", "1e", "1e+", "0x10", "1_000", "1 ", "NaN", "1;--", "-1", "1.2.3", "١",
        ] {
            assert!(!is_number(text), "{text}");
        }
    }
}
