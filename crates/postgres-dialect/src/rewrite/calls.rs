//! Calls of functions that are something else for DataFusion.

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArguments, Ident,
};

use super::{build, subqueries, text_of};

/// What stands for a call, if it is not the call itself.
pub(super) fn rewrite(function: &mut Function) -> Option<Expr> {
    called(function).or_else(|| counted(function))
}

/// Numbers of rows are bigint in PostgreSQL, and unsigned in DataFusion.
fn counted(function: &Function) -> Option<Expr> {
    let name = build::function_name(&function.name)?;
    let is_number = function.over.is_some() && matches!(name.as_str(), "row_number" | "rank" | "dense_rank" | "ntile");
    is_number.then(|| Expr::Cast {
        kind: CastKind::DoubleColon,
        expr: Box::new(Expr::Function(function.clone())),
        data_type: DataType::BigInt(None),
        array: false,
        format: None,
    })
}

/// Words that are calls without parentheses.
pub(super) fn keyword(ident: &Ident) -> Option<Expr> {
    let name = ident.value.to_lowercase();
    matches!(
        name.as_str(),
        "current_user" | "session_user" | "user" | "current_role" | "current_catalog" | "current_schema"
    )
    .then(|| build::call(&name, Vec::new()))
}

/// What stands for a call in any place.
pub(super) fn called(function: &mut Function) -> Option<Expr> {
    let name = build::function_name(&function.name)?;
    if name == "array"
        && let FunctionArguments::Subquery(query) = &function.args
    {
        return subqueries::array_of(query);
    }
    if function.name.0.len() > 1 {
        function.name.0.drain(..function.name.0.len() - 1);
    }
    if matches!(function.args, FunctionArguments::None)
        && matches!(
            name.as_str(),
            "current_user" | "session_user" | "user" | "current_role" | "current_catalog" | "current_schema"
        )
    {
        return Some(build::call(&name, Vec::new()));
    }
    let arguments = || build::arguments(function);
    match name.as_str() {
        "pg_partition_ancestors" | "pg_options_to_table" | "aclexplode" | "pg_lock_status" => Some(build::call(
            "unnest",
            vec![build::call("lakegate_nothing", arguments()?)],
        )),
        "generate_subscripts" => Some(build::call(
            "unnest",
            vec![build::call("lakegate_subscripts", arguments()?)],
        )),
        "generate_series" => Some(build::call(
            "unnest",
            vec![build::call("generate_series", arguments()?)],
        )),
        "regexp_split_to_table" => Some(build::call(
            "unnest",
            vec![build::call("regexp_split_to_array", arguments()?)],
        )),
        "_pg_expandarray" => Some(build::call(
            "unnest",
            vec![build::call("_pg_expandarray", arguments()?)],
        )),
        "gen_random_uuid" => Some(build::call("uuid", Vec::new())),
        "mod" => match arguments()?.as_slice() {
            [left, right] => Some(Expr::Nested(Box::new(Expr::BinaryOp {
                left: Box::new(Expr::Nested(Box::new(left.clone()))),
                op: BinaryOperator::Modulo,
                right: Box::new(Expr::Nested(Box::new(right.clone()))),
            }))),
            _ => None,
        },
        // Nothing is not found anywhere, in PostgreSQL; in DataFusion it is between all characters.
        "replace" => match arguments()?.as_slice() {
            [text, from, to] if !matches!(text_of(from), Some(from) if !from.is_empty()) => {
                let is_nothing = Expr::BinaryOp {
                    left: Box::new(Expr::Nested(Box::new(from.clone()))),
                    op: BinaryOperator::Eq,
                    right: Box::new(build::string("")),
                };
                let condition = Expr::BinaryOp {
                    left: Box::new(is_nothing),
                    op: BinaryOperator::And,
                    right: Box::new(Expr::IsNotNull(Box::new(Expr::Nested(Box::new(to.clone()))))),
                };
                Some(Expr::Case {
                    case_token: AttachedToken::empty(),
                    end_token: AttachedToken::empty(),
                    operand: None,
                    conditions: vec![CaseWhen {
                        condition,
                        result: text.clone(),
                    }],
                    else_result: Some(Box::new(Expr::Function(function.clone()))),
                })
            }
            _ => None,
        },
        "every" => {
            function.name = build::function("bool_and", Vec::new()).name;
            None
        }
        _ => None,
    }
}
