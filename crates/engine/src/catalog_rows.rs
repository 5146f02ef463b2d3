//! Rows of `pg_attribute` and its like, made while a statement runs: only tables that its conditions leave are asked about.

use std::fmt;
use std::sync::Arc;

use contract::{Error, Result};
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{and, filter_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::{is_volatile, snapshot_physical_expr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use policy::SystemRows;
use postgres_dialect::{COMMENT_FUNCTIONS, CatalogNeeds, Comments, SessionFacts, TableRows};

use crate::described_tables::described;
use crate::planning::Ground;

/// Columns that a table has, where none was looked at: for the order of joins.
const COLUMNS_ESTIMATED: usize = 16;
/// Rows of a batch that is handed on.
const BATCH_ROWS: usize = 8192;

/// One system relation for one statement.
#[derive(Clone)]
pub(crate) struct CatalogRows {
    pub(crate) relation: TableRows,
    pub(crate) facts: Arc<SessionFacts>,
    pub(crate) ground: Ground,
    pub(crate) needs: CatalogNeeds,
}

impl fmt::Debug for CatalogRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogRows")
            .field("relation", &self.relation.name())
            .finish_non_exhaustive()
    }
}

impl SystemRows for CatalogRows {
    fn schema(&self) -> SchemaRef {
        self.relation.schema()
    }

    fn rows_estimated(&self) -> usize {
        let schemas = self.facts.catalog.schemas();
        let tables: usize = schemas.map(|(_, schema)| schema.tables.len()).sum();
        match self.relation.is_known(&[]) {
            true => tables,
            false => tables.saturating_add(1).saturating_mul(COLUMNS_ESTIMATED),
        }
    }

    fn rows(&self, projection: Arc<[usize]>, conditions: Vec<Arc<dyn PhysicalExpr>>) -> SendableRecordBatchStream {
        let all = self.relation.schema();
        let schema = all.project(&projection).map_or(all, Arc::new);
        let rows = self.clone();
        // What a join learned stands in the conditions only when the first row is asked for.
        let batches = stream::once(async move { rows.stream(&projection, &conditions) }).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(
            schema,
            batches.map_err(|error| DataFusionError::External(Box::new(error))),
        ))
    }
}

impl CatalogRows {
    fn stream(
        self,
        projection: &Arc<[usize]>,
        conditions: &[Arc<dyn PhysicalExpr>],
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let Self {
            relation,
            facts,
            ground,
            needs,
        } = self;
        let own = relation.own_rows(&facts.catalog, &facts)?.project(projection)?;
        let known = relation.known_rows(&facts.catalog, &facts)?.project(projection)?;
        let own = stream::iter(cut(own).map(Ok));
        let wanted = wanted(relation, projection, conditions, &known)?;
        // Functions of the statement are told here which comments its tables have.
        let learns = needs.comments == Comments::OfScanned;
        let of_columns = !relation.is_known(projection);
        if !learns && !of_columns {
            let known = filter_record_batch(&known, &wanted)?;
            return Ok(own.chain(stream::iter(cut(known).map(Ok))).boxed());
        }
        let tables = facts.catalog.tables().zip(wanted.iter());
        let oids = tables.filter_map(|((oid, ..), wanted)| (wanted == Some(true)).then_some(oid));
        let oids: Vec<_> = oids.collect();
        let with_columns = of_columns || learns && needs.of_columns;
        let pieces = described(ground, &facts.catalog, &oids, with_columns);
        let projection = Arc::clone(projection);
        let rows = pieces.map(move |piece| {
            let piece = piece?;
            if learns {
                piece.iter().try_for_each(|table| facts.comments.learn(table))?;
            }
            let rows = relation.rows_about(&facts.catalog, &piece, &facts)?;
            Ok::<_, Error>(stream::iter(cut(rows.project(&projection)?).map(Ok::<_, Error>)))
        });
        Ok(own.chain(rows.try_flatten()).boxed())
    }
}

/// Which rows of `known` the conditions leave, as far as they ask for nothing but what is known: true for those.
fn wanted(
    relation: TableRows,
    projection: &[usize],
    conditions: &[Arc<dyn PhysicalExpr>],
    known: &RecordBatch,
) -> Result<BooleanArray> {
    let settled = relation.known_columns();
    let is_settled = |at: usize| projection.get(at).is_some_and(|column| settled.contains(column));
    let mut wanted = BooleanArray::from(vec![true; known.num_rows()]);
    for condition in conditions {
        let condition = snapshot_physical_expr(Arc::clone(condition))?;
        for part in split_conjunction(&condition) {
            let known_alone = collect_columns(part).iter().all(|column| is_settled(column.index()));
            if !known_alone || is_volatile(part) || asks_for_comments(part)? {
                continue;
            }
            let holds = part.evaluate(known);
            // What fails here may never be computed there, where another condition goes before.
            let Ok(holds) = holds.and_then(|holds| holds.into_array(known.num_rows())) else {
                continue;
            };
            if let Some(holds) = holds.as_boolean_opt() {
                wanted = and(&wanted, holds)?;
            }
        }
    }
    Ok(wanted)
}

/// Whether a condition can be told only once the tables are described.
fn asks_for_comments(condition: &Arc<dyn PhysicalExpr>) -> Result<bool> {
    Ok(condition.exists(|part| {
        let function = part.downcast_ref::<ScalarFunctionExpr>();
        Ok(function.is_some_and(|function| COMMENT_FUNCTIONS.contains(&function.name())))
    })?)
}

/// The batch in pieces that other operators like.
fn cut(batch: RecordBatch) -> impl Iterator<Item = RecordBatch> + Send {
    let starts = (0..batch.num_rows()).step_by(BATCH_ROWS);
    starts.map(move |start| batch.slice(start, BATCH_ROWS.min(batch.num_rows() - start)))
}
