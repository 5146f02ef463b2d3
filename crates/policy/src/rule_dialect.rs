//! The grammar of expressions in rules: PostgreSQL's, with the precedences that sqlparser has wrong.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{Expr, UnaryOperator};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Between what binds tighter than a sign before a number (`::`, `[]`) and what does not (COLLATE, `^`).
const SIGN_PRECEDENCE: u8 = 125;

/// Passes for [`PostgreSqlDialect`] wherever sqlparser asks for a dialect by type.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RuleDialect {
    base: PostgreSqlDialect,
}

macro_rules! forward {
    ($($question:ident),* $(,)?) => { $(fn $question(&self) -> bool { self.base.$question() })* };
}

impl Dialect for RuleDialect {
    fn dialect(&self) -> TypeId {
        self.base.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.base.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        self.base.is_delimited_identifier_start(character)
    }

    fn is_identifier_start(&self, character: char) -> bool {
        self.base.is_identifier_start(character)
    }

    fn is_identifier_part(&self, character: char) -> bool {
        self.base.is_identifier_part(character)
    }

    fn is_custom_operator_part(&self, character: char) -> bool {
        self.base.is_custom_operator_part(character)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.base.is_reserved_for_identifier(keyword)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.base.prec_value(precedence)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            // Operators like any other: tighter than a comparison.
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => Some(Ok(self.prec_value(Precedence::PgOther))),
            _ => self.base.get_next_precedence(parser),
        }
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let op = match parser.peek_token_ref().token {
            Token::Minus => UnaryOperator::Minus,
            Token::Plus => UnaryOperator::Plus,
            _ => return self.base.parse_prefix(parser),
        };
        parser.advance_token();
        let operand = parser.parse_subexpr(SIGN_PRECEDENCE).map(Box::new);
        Some(operand.map(|expr| Expr::UnaryOp { op, expr }))
    }

    // sqlparser would take everything that follows for the right operand, `AND …` included.
    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        let distinct: fn(Box<Expr>, Box<Expr>) -> Expr =
            if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
                Expr::IsDistinctFrom
            } else if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
                Expr::IsNotDistinctFrom
            } else {
                return self.base.parse_infix(parser, expr, precedence);
            };
        let right = parser.parse_subexpr(precedence).map(Box::new);
        Some(right.map(|right| distinct(Box::new(expr.clone()), right)))
    }

    forward!(
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_factorial_operator,
        supports_filter_during_aggregation,
        supports_geometric_types,
        supports_group_by_expr,
        supports_interval_options,
        supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_expr_name,
        supports_nested_comments,
        supports_notnull_operator,
        supports_numeric_literal_underscores,
        supports_string_escape_constant,
        supports_unicode_string_literal,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Expr {
        let dialect = RuleDialect::default();
        let mut parser = Parser::new(&dialect).try_with_sql(text).unwrap();
        let expr = parser.parse_expr().unwrap();
        assert_eq!(parser.peek_token().token, Token::EOF, "{text}");
        without_parentheses(expr)
    }

    fn without_parentheses(mut expr: Expr) -> Expr {
        use datafusion::sql::sqlparser::ast::{VisitMut, VisitorMut};
        struct Peel;
        impl VisitorMut for Peel {
            type Break = ();
            fn post_visit_expr(&mut self, expr: &mut Expr) -> std::ops::ControlFlow<()> {
                if let Expr::Nested(inner) = expr {
                    *expr = (**inner).clone();
                }
                std::ops::ControlFlow::Continue(())
            }
        }
        let _ = VisitMut::visit(&mut expr, &mut Peel);
        expr
    }

    #[test]
    fn conditions_of_rules_bind_as_in_postgresql() {
        for (written, meant) in [
            (
                "owner IS NOT DISTINCT FROM a AND open",
                "(owner IS NOT DISTINCT FROM a) AND open",
            ),
            (
                "open OR owner IS DISTINCT FROM a OR b",
                "(open OR (owner IS DISTINCT FROM a)) OR b",
            ),
            ("NOT a IS DISTINCT FROM b AND c", "(NOT (a IS DISTINCT FROM b)) AND c"),
            ("a = b ~ c", "a = (b ~ c)"),
            ("- a ^ b", "(- a) ^ b"),
        ] {
            assert_eq!(tree(written).to_string(), tree(meant).to_string());
            assert_eq!(tree(written), tree(meant), "{written}");
        }
    }
}
