//! Sorts and limits. The order of a block within another is lost, so a limit is one block with the sort right below it.

use datafusion::logical_expr::{FetchType, Limit, LogicalPlan, SkipType, Sort, SortExpr};

use super::NotWritten;
use super::block::{Frame, select_columns};
use super::data_type::SparkType;
use super::operands::Operands;
use super::relation::{Node, passed_on};
use crate::RemoteStatement;

/// The most rows that a LIMIT or an OFFSET may say: they are 32 bits wide there.
const ROWS_MAX: usize = i32::MAX as usize;

/// The sort right below a limit: both are one block, since the order of a block within another is lost. Its input is
/// the input of the pair.
pub(crate) fn limited_sort(plan: &LogicalPlan) -> Option<&Sort> {
    match plan {
        LogicalPlan::Limit(limit) => match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => Some(sort),
            _ => None,
        },
        _ => None,
    }
}

/// The frame of a limit, with the sort right below it.
pub(super) fn limited(limit: &Limit, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let unlisted = || NotWritten::because("a limit that is not constant");
    let (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) = (limit.get_skip_type(), limit.get_fetch_type())
    else {
        return Err(unlisted());
    };
    if let LogicalPlan::Sort(sort) = limit.input.as_ref() {
        // What the sort keeps already is enough for both, or less than the limit asks for.
        let kept = sort.fetch.map(|kept| kept.saturating_sub(skip));
        let fetch = fetch.into_iter().chain(kept).min();
        return sorted(sort, skip, fetch, node);
    }
    let mut frame = passed_on(node);
    if let Some(after) = frame.pieces.last_mut() {
        write_limit(skip, fetch, after)?;
    }
    Ok(frame)
}

/// Writes LIMIT and OFFSET. They are numbers of the plan, and not parameters since not every version takes those here.
pub(super) fn write_limit(skip: usize, fetch: Option<usize>, out: &mut RemoteStatement) -> Result<(), NotWritten> {
    if skip > ROWS_MAX || fetch.is_some_and(|fetch| fetch > ROWS_MAX) {
        return Err(NotWritten::because("a limit that is too large"));
    }
    if let Some(fetch) = fetch {
        out.push(&format!(" LIMIT {fetch}"));
    }
    if skip > 0 {
        out.push(&format!(" OFFSET {skip}"));
    }
    Ok(())
}

/// The frame of a sort that keeps some rows.
pub(super) fn sorted(sort: &Sort, skip: usize, fetch: Option<usize>, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let keys = sort.expr.iter().map(|key| &key.expr).collect::<Vec<_>>();
    let operands = Operands::write(&keys, true, sort.input.schema(), node)?;
    let columns = node.columns(0);
    let mut before = RemoteStatement::new();
    select_columns(&mut before, &operands.alias, 0..columns.len());
    let mut after = RemoteStatement::new();
    after.push(" ORDER BY ");
    for (index, (key, (sql, data_type))) in sort
        .expr
        .iter()
        .zip(operands.sql.iter().zip(&operands.types))
        .enumerate()
    {
        after.push(if index > 0 { ", " } else { "" });
        after.append(sql.clone());
        write_direction(key, data_type, &mut after)?;
    }
    write_limit(skip, fetch, &mut after)?;
    Ok(operands.frame(before, after, columns.to_vec()))
}

/// Writes which way a key is sorted. Where NULLs go is always said: the default is another.
pub(super) fn write_direction(
    key: &SortExpr,
    data_type: &SparkType,
    out: &mut RemoteStatement,
) -> Result<(), NotWritten> {
    if !data_type.is_ordered() {
        return Err(NotWritten::because(format!("the order of {}", data_type.word())));
    }
    out.push(if key.asc { " ASC" } else { " DESC" });
    out.push(if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
    Ok(())
}
