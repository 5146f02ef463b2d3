//! Which of a user's conditions may be evaluated on rows that a rule hides: those that cannot fail, cannot be
//! observed and take no longer on one value than on another. The list is short on purpose; a condition that is not
//! on it is evaluated above the barrier, which costs time and nothing else.

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{BinaryExpr, InList};
use datafusion::logical_expr::{Between, Expr, Operator};

/// Whether `expression` is a condition that may cross the barrier. `open` holds the columns that it may use: visible
/// and not masked, with the types that they have below the barrier too.
pub(crate) fn is_leakproof(expression: &Expr, open: &Schema) -> bool {
    match expression {
        Expr::Column(column) => open
            .field_with_name(&column.name)
            .is_ok_and(|field| *field.data_type() == DataType::Boolean),
        // What the simplifier makes of a condition that crossed earlier: `id IS NOT NULL` of a column without NULLs.
        Expr::Literal(ScalarValue::Boolean(_) | ScalarValue::Null, _) => true,
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => column_type(inner, open).is_some() || is_leakproof(inner, open),
        Expr::IsTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsNotUnknown(inner)
        | Expr::Not(inner) => is_leakproof(inner, open),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And | Operator::Or,
            right,
        }) => is_leakproof(left, open) && is_leakproof(right, open),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            is_comparison(*op) && (compares(left, right, open) || compares(right, left, open))
        }
        Expr::InList(InList { expr, list, .. }) => list.iter().all(|value| compares(expr, value, open)),
        Expr::Between(Between { expr, low, high, .. }) => compares(expr, low, open) && compares(expr, high, open),
        _ => false,
    }
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq
    )
}

/// Whether one side is an open column and the other a constant of the very same type.
fn compares(column: &Expr, constant: &Expr, open: &Schema) -> bool {
    let Expr::Literal(value, _) = constant else {
        return false;
    };
    column_type(column, open).is_some_and(|data_type| *data_type == value.data_type() && is_plain(data_type))
}

fn column_type<'s>(expression: &Expr, open: &'s Schema) -> Option<&'s DataType> {
    let Expr::Column(column) = expression else { return None };
    open.field_with_name(&column.name).ok().map(|field| field.data_type())
}

/// Types whose comparison is total and always defined.
fn is_plain(data_type: &DataType) -> bool {
    data_type.is_integer()
        || data_type.is_floating()
        || matches!(
            data_type,
            DataType::Boolean
                | DataType::Utf8
                | DataType::LargeUtf8
                | DataType::Utf8View
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..)
                | DataType::Date32
                | DataType::Date64
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Timestamp(..)
        )
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;
    use datafusion::logical_expr::{cast, col, lit, try_cast};

    use super::*;

    fn open() -> Schema {
        Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
            Field::new("flag", DataType::Boolean, true),
            Field::new("tags", DataType::new_list(DataType::Int64, true), true),
        ])
    }

    #[test]
    fn what_may_cross() {
        let id = || col("id");
        for expression in [
            col("flag"),
            id().eq(lit(1i64)),
            lit(1i64).lt_eq(id()),
            id().not_eq(lit(1i64))
                .and(col("name").gt(lit("a")).or(Expr::Not(Box::new(col("flag"))))),
            id().is_null(),
            col("tags").is_not_null(),
            id().in_list(vec![lit(1i64), lit(2i64)], true),
            id().between(lit(1i64), lit(2i64)),
            col("flag").is_true(),
            id().eq(lit(1i64)).is_null(),
            lit(true),
            lit(ScalarValue::Boolean(None)),
        ] {
            assert!(is_leakproof(&expression, &open()), "{expression}");
        }
    }

    #[test]
    fn what_may_not() {
        let id = || col("id");
        for expression in [
            lit(1i64),
            lit("true"),
            lit(1i64).eq(lit(1i64)),
            id().eq(lit(1i32)),
            id().eq(id()),
            col("hidden").eq(lit(1i64)),
            col("hidden"),
            col("hidden").is_null(),
            id(),
            cast(col("name"), DataType::Int64).gt(lit(0i64)),
            try_cast(col("name"), DataType::Int64).gt(lit(0i64)),
            (lit(100i64) / id()).lt(lit(1i64)),
            (lit(1i64) / lit(0i64)).gt(lit(0i64)),
            (id() + lit(1i64)).gt(lit(0i64)),
            (-id()).gt(lit(0i64)),
            col("name").like(lit("a%")),
            id().eq(lit(1i64)).or(col("name").like(lit("a%"))),
            id().in_list(vec![lit(1i64), id()], false),
            id().between(lit(1i64), cast(col("name"), DataType::Int64)),
            cast(col("name"), DataType::Boolean).is_true(),
            cast(id(), DataType::Utf8).is_null(),
            (lit(1i64) / id()).eq(lit(1i64)).is_null(),
            datafusion::functions::expr_fn::random().lt(lit(2.0)),
            datafusion::functions::expr_fn::length(col("name")).eq(lit(1i32)),
            Expr::BinaryExpr(BinaryExpr::new(
                Box::new(col("name")),
                Operator::RegexMatch,
                Box::new(lit("a")),
            )),
        ] {
            assert!(!is_leakproof(&expression, &open()), "{expression}");
        }
    }
}
