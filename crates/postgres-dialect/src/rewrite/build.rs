//! Makes syntax tree nodes.

use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement, TableAlias,
    TableAliasColumnDef, Value,
};
use datafusion::sql::sqlparser::parser::Parser;

use crate::dialect::LakegateDialect;

pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    Expr::Function(function(name, arguments))
}

pub(super) fn function(name: &str, arguments: Vec<Expr>) -> Function {
    Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments
                .into_iter()
                .map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)))
                .collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

pub(super) fn string(text: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.into()).into())
}

pub(super) fn number(digits: impl Into<String>) -> Expr {
    Expr::Value(Value::Number(digits.into(), false).into())
}

pub(super) fn null() -> Expr {
    Expr::Value(Value::Null.into())
}

/// `NULL::text[]`
pub(super) fn no_array() -> Expr {
    Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(null()),
        data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None)),
        array: false,
        format: None,
    }
}

pub(super) fn array(elements: Vec<Expr>) -> Expr {
    Expr::Array(Array {
        elem: elements,
        named: true,
    })
}

pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

pub(super) fn alias(name: Ident, columns: Vec<Ident>) -> TableAlias {
    let columns = columns
        .into_iter()
        .map(|name| TableAliasColumnDef { name, data_type: None })
        .collect();
    TableAlias {
        explicit: true,
        name,
        columns,
        at: None,
    }
}

/// `SELECT items`, without FROM.
pub(super) fn select(items: Vec<SelectItem>) -> Option<Box<Query>> {
    let dialect = LakegateDialect::default();
    let statement = Parser::parse_sql(&dialect, "SELECT 1").ok()?.pop()?;
    let Statement::Query(mut query) = statement else {
        return None;
    };
    simple_select(&mut query)?.projection = items;
    Some(query)
}

/// The SELECT that a query is, if it is no set operation or VALUES.
pub(super) fn simple_select(query: &mut Query) -> Option<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Some(select),
        _ => None,
    }
}

/// The arguments of a call that are plain expressions; `None` if one is not.
pub(super) fn arguments(function: &Function) -> Option<Vec<Expr>> {
    match &function.args {
        FunctionArguments::List(list) => plain(&list.args),
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::Subquery(_) => None,
    }
}

pub(super) fn plain(arguments: &[FunctionArg]) -> Option<Vec<Expr>> {
    arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// The lower-case name of a function without PostgreSQL's schemas; `None` if it is in another schema.
pub(super) fn function_name(name: &ObjectName) -> Option<String> {
    let parts: Vec<String> = name
        .0
        .iter()
        .filter_map(|part| part.as_ident())
        .map(|ident| {
            if ident.quote_style.is_some() {
                ident.value.clone()
            } else {
                ident.value.to_lowercase()
            }
        })
        .collect();
    match parts.as_slice() {
        [name] => Some(name.clone()),
        [schema, name] if schema == "pg_catalog" || schema == "information_schema" => Some(name.clone()),
        _ => None,
    }
}

/// `expr` without parentheses around it.
pub(super) fn peeled(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}
