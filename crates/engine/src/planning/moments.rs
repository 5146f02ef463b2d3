//! What `now()`, `current_date` and their kin answer: when the transaction began, or the statement.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use postgres_dialect::STATEMENT_TIMESTAMP;

/// The beginnings that a statement may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    /// Of the transaction: the block's, or that of what a client sent together.
    pub(crate) transaction: DateTime<Utc>,
    /// Of the statement itself.
    pub(crate) statement: DateTime<Utc>,
}

impl Moments {
    /// Puts the moments in the place of the calls that ask for them, so that what is computed from them are constants
    /// by which files are chosen.
    pub(crate) fn put_into(self, plan: LogicalPlan, options: &Arc<ConfigOptions>) -> Result<LogicalPlan> {
        let context = |moment| {
            SimplifyContext::builder()
                .with_config_options(Arc::clone(options))
                .with_query_execution_start_time(Some(moment))
                .build()
        };
        let (of_transaction, of_statement) = (context(self.transaction), context(self.statement));
        plan.transform_up_with_subqueries(|node| {
            let names = NamePreserver::new(&node);
            node.map_expressions(|expr| {
                let name = names.save(&expr);
                let put = expr.transform_up(|expr| {
                    let Expr::ScalarFunction(function) = &expr else {
                        return Ok(Transformed::no(expr));
                    };
                    if !function.args.is_empty() || function.func.signature().volatility != Volatility::Stable {
                        return Ok(Transformed::no(expr));
                    }
                    let context = match function.func.name() {
                        STATEMENT_TIMESTAMP => &of_statement,
                        _ => &of_transaction,
                    };
                    Ok(match function.func.simplify(Vec::new(), context)? {
                        ExprSimplifyResult::Simplified(moment) => Transformed::yes(moment),
                        ExprSimplifyResult::Original(_) => Transformed::no(expr),
                    })
                })?;
                Ok(if put.transformed {
                    put.update_data(|expr| name.restore(expr))
                } else {
                    put
                })
            })
        })
        .map(|transformed| transformed.data)
    }
}
