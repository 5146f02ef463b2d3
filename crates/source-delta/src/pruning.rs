//! Which files of a version a scan must read, decided over the kept statistics: filters on partition columns alone are
//! decided for good, all others only rule files out.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, BooleanArray, UInt64Array};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, utils::conjunction};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use crate::columns::Columns;
use crate::file_list::FileList;

/// How far a filter can be taken over from the plan.
pub(crate) fn pushdown(filter: &Expr, columns: &Columns) -> TableProviderFilterPushDown {
    if filter.is_volatile() {
        TableProviderFilterPushDown::Unsupported
    } else if is_decidable(filter, columns) {
        TableProviderFilterPushDown::Exact
    } else {
        TableProviderFilterPushDown::Inexact
    }
}

/// The files that may hold rows for which all `filters` are true.
pub(crate) fn prune(list: &FileList, filters: &[Expr], columns: &Columns, session: &dyn Session) -> Result<Vec<usize>> {
    let mut mask = vec![true; list.files.len()];
    let mut others = Vec::new();
    for filter in filters {
        if is_decidable(filter, columns) {
            decide(list, filter, columns, session, &mut mask)?;
        } else if !filter.is_volatile() && columns_have_user_types(filter, columns) {
            others.push(physical(filter.clone(), columns)?);
        }
    }
    if let Some(predicate) = conjunction(others) {
        rule_out(list, predicate, columns, session, &mut mask)?;
    }
    Ok(mask
        .iter()
        .enumerate()
        .filter_map(|(at, &keep)| keep.then_some(at))
        .collect())
}

/// Evaluates a filter on partition columns over one row per file.
fn decide(list: &FileList, filter: &Expr, columns: &Columns, session: &dyn Session, mask: &mut [bool]) -> Result<()> {
    let schema = DFSchema::try_from(list.partitions.schema())?;
    let expr = session.create_physical_expr(physical(filter.clone(), columns)?, &schema)?;
    let holds = expr.evaluate(&list.partitions)?.into_array(list.files.len())?;
    let holds = datafusion::common::cast::as_boolean_array(&holds)?;
    for (at, keep) in mask.iter_mut().enumerate() {
        *keep = *keep && holds.is_valid(at) && holds.value(at);
    }
    Ok(())
}

/// Statistics can only rule out; whatever cannot be decided over them keeps the file.
fn rule_out(
    list: &FileList,
    predicate: Expr,
    columns: &Columns,
    session: &dyn Session,
    mask: &mut [bool],
) -> Result<()> {
    let schema = DFSchema::try_from(Arc::clone(columns.reader_schema()))?;
    let Ok(expr) = session.create_physical_expr(predicate, &schema) else {
        return Ok(());
    };
    let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(columns.reader_schema()));
    let Ok(pruning) = builder.try_build(expr) else {
        return Ok(());
    };
    if pruning.always_true() {
        return Ok(());
    }
    match pruning.prune(&KeptStatistics { list }) {
        Ok(may_match) => {
            for (keep, may_match) in mask.iter_mut().zip(may_match) {
                *keep = *keep && may_match;
            }
        }
        Err(error) => tracing::debug!(%error, "files are not pruned"),
    }
    Ok(())
}

/// Only partition columns, and only operations that cannot fail on any value.
fn is_decidable(filter: &Expr, columns: &Columns) -> bool {
    let mut names_column = false;
    let visited = filter.apply(|node| {
        let fine = match node {
            Expr::Column(column) => {
                names_column = true;
                let at = columns.logical.index_of(&column.name).ok();
                at.and_then(|at| columns.is_partition.get(at).copied()).unwrap_or(false)
            }
            Expr::BinaryExpr(binary) => matches!(
                binary.op,
                Operator::And
                    | Operator::Or
                    | Operator::Eq
                    | Operator::NotEq
                    | Operator::Lt
                    | Operator::LtEq
                    | Operator::Gt
                    | Operator::GtEq
                    | Operator::IsDistinctFrom
                    | Operator::IsNotDistinctFrom
            ),
            Expr::InList(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::Not(_)
            | Expr::Between(_)
            | Expr::Literal(_, _) => true,
            _ => false,
        };
        Ok(if fine {
            TreeNodeRecursion::Continue
        } else {
            TreeNodeRecursion::Stop
        })
    });
    names_column && matches!(visited, Ok(TreeNodeRecursion::Continue))
}

fn columns_have_user_types(filter: &Expr, columns: &Columns) -> bool {
    filter.column_refs().iter().all(|column| {
        columns
            .logical
            .index_of(&column.name)
            .is_ok_and(|at| columns.has_user_type(at))
    })
}

/// The filter under the names of the reader's schema.
fn physical(filter: Expr, columns: &Columns) -> Result<Expr> {
    let renamed = filter.transform_up(|node| match node {
        Expr::Column(column) => {
            let at = columns.logical.index_of(&column.name)?;
            let name = columns
                .reader_field(at)
                .map_or(column.name.as_str(), |field| field.name());
            Ok(Transformed::yes(Expr::Column(Column::new_unqualified(name))))
        }
        other => Ok(Transformed::no(other)),
    });
    Ok(renamed?.data)
}

struct KeptStatistics<'l> {
    list: &'l FileList,
}

impl KeptStatistics<'_> {
    fn partition(&self, column: &Column) -> Option<&ArrayRef> {
        self.list.partitions.column_by_name(&column.name)
    }
}

impl PruningStatistics for KeptStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        match self.partition(column) {
            Some(values) => Some(Arc::clone(values)),
            None => self.list.statistics.get(&column.name)?.minimum.clone(),
        }
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        match self.partition(column) {
            Some(values) => Some(Arc::clone(values)),
            None => self.list.statistics.get(&column.name)?.maximum.clone(),
        }
    }

    fn num_containers(&self) -> usize {
        self.list.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let Some(values) = self.partition(column) else {
            return self.list.statistics.get(&column.name)?.nulls.clone();
        };
        let counts = self.list.row_counts.iter().enumerate();
        let counts = counts.map(|(at, rows)| if values.is_null(at) { rows } else { Some(0) });
        Some(Arc::new(counts.collect::<UInt64Array>()))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.list.row_counts.clone()))
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
