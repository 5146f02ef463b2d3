//! Columns and comments of many tables: from a catalog's own descriptions where that costs fewer calls than opening
//! each table, and a few at a time otherwise. Nothing is collected here.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use contract::{Error, ErrorKind, Result, TableName};
use federation::{TableDescription, TableDescriptions};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use postgres_dialect::{CatalogSnapshot, DescribedTable};

use crate::planning::{Ground, SeenTable};

/// Tables that are opened at once to learn their columns.
const OPEN_AT_ONCE: usize = 16;
/// So many tables of a schema are opened rather than described: what opening tells is what a query over them sees.
const OPENED_MAX: usize = 8;
/// Tables that one call describes, at least: the smallest pages that catalogs give.
const DESCRIBED_BY_A_CALL: usize = 50;
/// Tables in one piece of the answer.
const PIECE: usize = 256;

/// Pieces of an answer, each about some tables.
pub(crate) type DescribedPieces = BoxStream<'static, Result<Vec<DescribedTable>>>;

/// The tables `wanted` of a snapshot of the ground's catalog with their comments, and with their columns if those are
/// wanted. One that cannot be opened is there without: selecting from it says what is wrong.
///
/// The snapshot must have been taken for this statement: what the catalog's own system lets the identity read is not asked
/// again.
pub(crate) fn described(
    ground: Ground,
    snapshot: &CatalogSnapshot,
    wanted: &[u32],
    with_columns: bool,
) -> DescribedPieces {
    let mut schemas: Vec<WantedOfSchema> = Vec::new();
    for oid in wanted {
        let Some((schema, table)) = snapshot.table_of_oid(*oid) else {
            continue;
        };
        if schemas.last().is_none_or(|last| last.schema != schema.name) {
            schemas.push(WantedOfSchema {
                schema: schema.name.clone(),
                of_all: schema.tables.len(),
                oids: BTreeMap::new(),
                with_columns,
            });
        }
        if let Some(last) = schemas.last_mut() {
            last.oids.insert(table.name.clone(), *oid);
        }
    }
    let ground = Arc::new(ground);
    stream::iter(schemas)
        .then(move |schema| schema.described(Arc::clone(&ground)))
        .try_flatten()
        .boxed()
}

/// Tables of one schema that are to be described.
struct WantedOfSchema {
    schema: String,
    /// Tables that the schema has for the identity.
    of_all: usize,
    /// By the table's name.
    oids: BTreeMap<String, u32>,
    with_columns: bool,
}

impl WantedOfSchema {
    async fn described(self, ground: Arc<Ground>) -> Result<DescribedPieces> {
        let wanted = self.oids.len();
        let few = wanted <= OPENED_MAX || wanted.saturating_mul(DESCRIBED_BY_A_CALL) < self.of_all;
        let source = ground.sources.find(&ground.catalog).filter(|_| !few);
        let pages = match source {
            Some(source) => {
                let described = source.describe(&self.schema, self.with_columns, &ground.ctx);
                ground.ctx.race(described).await??
            }
            None => None,
        };
        Ok(match pages {
            Some(pages) => self.paged(ground, pages),
            None => self.opened(ground),
        })
    }

    /// Opens each.
    fn opened(self, ground: Arc<Ground>) -> DescribedPieces {
        let schema: Arc<str> = self.schema.into();
        stream::iter(self.oids)
            .map(move |(table, oid)| {
                let ground = Arc::clone(&ground);
                let name = TableName::new(&ground.catalog, &*schema, table);
                async move { seen(oid, &name, ground.finder().look(&name).await) }
            })
            .buffered(OPEN_AT_ONCE)
            .try_chunks(PIECE)
            .map_err(|error| error.1)
            .boxed()
    }

    /// Takes what the catalog's pages say; what they leave open is opened afterwards.
    fn paged(self, ground: Arc<Ground>, pages: TableDescriptions) -> DescribedPieces {
        // A table that rules of others read is opened once for all of them.
        let remembering = Ground {
            pinned: Some(ground.pinned.clone().unwrap_or_default()),
            ..Ground::clone(&ground)
        };
        let state = (self, pages, remembering, Vec::new());
        let of_pages = stream::try_unfold(Some(state), |state| async move {
            let Some((mut wanted, mut pages, ground, mut left)) = state else {
                return Ok::<_, Error>(None);
            };
            match ground.ctx.race(pages.try_next()).await?? {
                Some(page) => {
                    let piece = wanted.page(&ground, page, &mut left).await?;
                    let state = (wanted, pages, ground, left);
                    Ok(Some((ControlFlow::Continue(piece), Some(state))))
                }
                None => {
                    wanted.oids.extend(left);
                    Ok(Some((ControlFlow::Break(wanted), None)))
                }
            }
        });
        of_pages
            .map_ok(move |piece| match piece {
                ControlFlow::Continue(piece) => stream::once(async move { Ok(piece) }).boxed(),
                ControlFlow::Break(rest) => rest.opened(Arc::clone(&ground)),
            })
            .try_flatten()
            .boxed()
    }

    /// What a page says of tables that are wanted and not yet seen; those whose columns it does not tell go to `left`.
    async fn page(
        &mut self,
        ground: &Ground,
        page: Vec<TableDescription>,
        left: &mut Vec<(String, u32)>,
    ) -> Result<Vec<DescribedTable>> {
        let finder = ground.finder();
        let mut piece = Vec::with_capacity(page.len());
        for table in page {
            let Some(oid) = self.oids.remove(&table.name) else {
                continue;
            };
            if self.with_columns && table.columns.is_none() {
                left.push((table.name, oid));
                continue;
            }
            let name = TableName::new(&ground.catalog, &self.schema, &table.name);
            piece.push(seen(oid, &name, finder.see(&name, table).await)?);
        }
        Ok(piece)
    }
}

/// A table of a listing, which goes on without what is wrong with one, unless the statement itself must end.
fn seen(oid: u32, name: &TableName, table: Result<Option<SeenTable>>) -> Result<DescribedTable> {
    let SeenTable { columns, comment } = match table {
        Ok(table) => table.unwrap_or_default(),
        Err(error) if matches!(error.kind(), ErrorKind::Canceled | ErrorKind::DeadlineExceeded) => return Err(error),
        Err(error) => {
            tracing::debug!(table = %name, causes = error.causes(), "{error}");
            SeenTable::default()
        }
    };
    Ok(DescribedTable {
        oid,
        columns,
        comment: comment.filter(|comment| !comment.is_empty()),
    })
}
