//! Cuts the largest sub-plans that one remote engine can run out of an authorized plan.
//!
//! From the leaves up, a node joins the blocks of its inputs if all of them run in one place and the node is written
//! around them; else each of them becomes a delegated plan below it. So every node is written once.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Error, Result, TableName};
use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, internal_err};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Extension, LogicalPlan, Sort, TableScan};
use policy::{DelegatedPlan, Presented, PresentedTable};

use crate::RemoteExec;
use crate::known_rows::known_rows;
use crate::remote_exec::Reason;
use crate::remote_table::remote_of;
use crate::route_choice::RouteChoice;
use crate::spark_sql::{Block, Strictness, keeps_order, limited_sort, write_node, write_scan};

type PlanResult<T> = std::result::Result<T, DataFusionError>;

/// Why a node runs here whose inputs are of no other system, or of several.
const OTHER_TABLES: &str = "other tables take part";

/// Replaces what can run remotely by delegated plans; `None` if there is nothing. Tables that can be read both ways go
/// the way that the session asks for, or the one that is estimated to take less time.
///
/// # Errors
/// Those of planning scans of files, and `Internal` if the plan cannot be put together again.
pub async fn push_down(plan: &LogicalPlan, session: &dyn Session) -> Result<Option<LogicalPlan>> {
    if matches!(plan, LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) | LogicalPlan::Copy(_)) {
        return Ok(None);
    }
    if !may_read_remotely(plan).map_err(Error::from)? {
        return Ok(None);
    }
    let choice = RouteChoice::of(plan, session).await.map_err(Error::from)?;
    let strictness = Strictness {
        remotely: choice.remotely,
        ..Strictness::default()
    };
    let cutter = Cutter {
        strictness,
        rows: &choice.rows,
    };
    let piece = cutter.cut(plan, true).map_err(Error::from)?;
    Ok(piece.into_plan(|block| cutter.delegated(plan.clone(), block, Reason::Whole)))
}

/// What became of a node and everything below it.
#[derive(Debug)]
enum Piece {
    /// It runs here, and nothing of it was replaced.
    Same,
    /// It runs here, and something of it does not: the first reason why.
    Changed(LogicalPlan, Arc<str>),
    /// It runs elsewhere.
    Remote(Box<Block>),
}

impl Piece {
    /// The plan instead of the one that was cut, if it is another.
    fn into_plan(self, delegated: impl FnOnce(Block) -> LogicalPlan) -> Option<LogicalPlan> {
        match self {
            Self::Same => None,
            Self::Changed(changed, _) => Some(changed),
            Self::Remote(block) => Some(delegated(*block)),
        }
    }
}

/// Whether a remote engine can read any table of the plan.
fn may_read_remotely(plan: &LogicalPlan) -> PlanResult<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found |= may_scan_remotely(scan)?;
        }
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

fn may_scan_remotely(scan: &TableScan) -> PlanResult<bool> {
    let provider = source_as_provider(&scan.source)?;
    let Some(presented) = provider.downcast_ref::<PresentedTable>() else {
        return Ok(remote_of(provider.as_ref(), true).is_some());
    };
    match presented.presented() {
        Presented::Full(inner) => Ok(remote_of(inner.as_ref(), true).is_some()),
        Presented::Ruled { rows, .. } => may_read_remotely(rows),
    }
}

/// Cuts one plan.
#[derive(Debug, Clone, Copy)]
struct Cutter<'a> {
    strictness: Strictness,
    /// How many rows tables have, where that is known.
    rows: &'a BTreeMap<TableName, u64>,
}

impl Cutter<'_> {
    /// Cuts `plan`, the order of whose rows matters if it is `ordered`.
    fn cut(self, plan: &LogicalPlan, ordered: bool) -> PlanResult<Piece> {
        if let LogicalPlan::TableScan(scan) = plan {
            // What is not written pushes what it can by itself.
            return Ok(write_scan(scan, self.strictness).map_or(Piece::Same, |block| Piece::Remote(Box::new(block))));
        }
        if let Some(sort) = limited_sort(plan) {
            return self.cut_limited_sort(plan, sort, ordered);
        }
        let below = keeps_order(plan, ordered);
        let pieces = plan.inputs().into_iter().map(|input| self.cut(input, below));
        let pieces = pieces.collect::<PlanResult<Vec<_>>>()?;
        match self.joined(plan, pieces) {
            Joined::Remote(block) => Ok(match plan {
                LogicalPlan::Sort(sort) if ordered => self.resorted(sort, plan, *block),
                _ => Piece::Remote(block),
            }),
            Joined::Apart(pieces, why) => self.replaced(plan, pieces, &why),
        }
    }

    /// A limit right above a sort is one block with it, or both run here.
    fn cut_limited_sort(self, plan: &LogicalPlan, sort: &Sort, ordered: bool) -> PlanResult<Piece> {
        let piece = self.cut(&sort.input, false)?;
        match self.joined(plan, vec![piece]) {
            Joined::Remote(block) if ordered => Ok(self.resorted(sort, plan, *block)),
            Joined::Remote(block) => Ok(Piece::Remote(block)),
            Joined::Apart(pieces, why) => {
                let LogicalPlan::Limit(limit) = plan else {
                    return internal_err!("only a limit stands above its sort");
                };
                let sorted = self.replaced(&limit.input, pieces, &why)?;
                self.replaced(plan, vec![sorted], &why)
            }
        }
    }

    fn joined(self, plan: &LogicalPlan, pieces: Vec<Piece>) -> Joined {
        let all_remote = pieces.iter().all(|piece| matches!(piece, Piece::Remote(_)));
        if pieces.is_empty() || !all_remote {
            // What kept an input here keeps this node here too.
            let first = pieces.iter().find_map(|piece| match piece {
                Piece::Changed(_, why) => Some(Arc::clone(why)),
                Piece::Same | Piece::Remote(_) => None,
            });
            return Joined::Apart(pieces, first.unwrap_or_else(|| OTHER_TABLES.into()));
        }
        let blocks = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Remote(block) => Some(*block),
            Piece::Same | Piece::Changed(..) => None,
        });
        match write_node(plan, blocks.collect(), self.strictness) {
            Ok(block) => Joined::Remote(Box::new(block)),
            Err((why, blocks)) => {
                let pieces = blocks.into_iter().map(|block| Piece::Remote(Box::new(block)));
                Joined::Apart(pieces.collect(), why.to_string().into())
            }
        }
    }

    fn delegated(self, plan: LogicalPlan, block: Block, reason: Reason) -> LogicalPlan {
        let schema = Arc::clone(plan.schema().inner());
        let reads = block.reads.clone();
        let remote = RemoteExec::new(block, schema, reason).with_known_rows(known_rows(&plan, self.rows));
        LogicalPlan::Extension(Extension {
            node: Arc::new(DelegatedPlan::new(plan, reads, Arc::new(remote))),
        })
    }

    /// The few rows that a sort with a limit kept there, put in order here: an order among operators is not a promise.
    fn resorted(self, sort: &Sort, plan: &LogicalPlan, block: Block) -> Piece {
        let sorted = LogicalPlan::Sort(Sort {
            expr: sort.expr.clone(),
            input: Arc::new(self.delegated(plan.clone(), block, Reason::SortedThere)),
            fetch: None,
        });
        Piece::Changed(sorted, "the order of the last rows".into())
    }

    /// The node as it runs here, over what became of its inputs and of its subqueries.
    fn replaced(self, plan: &LogicalPlan, pieces: Vec<Piece>, why: &Arc<str>) -> PlanResult<Piece> {
        let inputs = plan.inputs();
        let replacements = inputs
            .iter()
            .zip(pieces)
            .map(|(input, piece)| piece.into_plan(|block| self.delegated((*input).clone(), block, reason(plan, why))));
        let replacements = replacements.collect::<Vec<_>>();
        let mut changed = replacements.iter().any(Option::is_some);
        let mut replacements = replacements.into_iter();
        let plan = match changed {
            false => plan.clone(),
            true => {
                let replace = |input| {
                    Ok(match replacements.next().flatten() {
                        Some(replacement) => Transformed::yes(replacement),
                        None => Transformed::no(input),
                    })
                };
                plan.clone().map_children(replace)?.data
            }
        };
        let plan = plan.map_subqueries(|node| {
            let LogicalPlan::Subquery(subquery) = node else {
                return internal_err!("a subquery that is none");
            };
            let within = &subquery.subquery;
            let piece = self.cut(within, false)?;
            let plan = piece.into_plan(|block| self.delegated(LogicalPlan::clone(within), block, Reason::Subquery));
            Ok(match plan {
                Some(plan) => Transformed::yes(LogicalPlan::Subquery(subquery.with_plan(Arc::new(plan)))),
                None => Transformed::no(LogicalPlan::Subquery(subquery)),
            })
        })?;
        changed |= plan.transformed;
        Ok(match changed {
            true => Piece::Changed(plan.data, Arc::clone(why)),
            false => Piece::Same,
        })
    }
}

/// Whether a node runs where its inputs do; if not, why.
enum Joined {
    Remote(Box<Block>),
    Apart(Vec<Piece>, Arc<str>),
}

fn reason(plan: &LogicalPlan, why: &Arc<str>) -> Reason {
    match plan {
        LogicalPlan::Explain(_) | LogicalPlan::Analyze(_) => Reason::Whole,
        _ => Reason::Part(Arc::clone(why)),
    }
}
