//! Columns and comments of all tables of a schema, as the catalog's own listing has them: no table is asked for by itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use federation::{TableDescription, TableDescriptions};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use moka::sync::Cache;

use super::client::{UnityClient, is_missing};
use super::columns::{schema_of, with_nullability};
use super::listing::{END_MS, IDLE, RENEW_MS};
use super::model::TableInfo;
use crate::clock::Moment;

/// What is kept of all schemas together, each column and each table counted: some twenty megabytes. What does not fit is
/// fetched each time, and a page at a time is held of it.
const KEPT_MAX: u64 = 100_000;
/// Tables that are handed on at once.
const PIECE: usize = 256;

/// A schema, and whether with the columns of its tables.
type Key = (String, bool);

/// Descriptions of one catalog's tables, kept as long as its names are. Clones share them.
#[derive(Clone)]
pub(super) struct Descriptions {
    client: Arc<UnityClient>,
    catalog: Arc<str>,
    kept: Cache<Key, Arc<Kept>>,
}

impl fmt::Debug for Descriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Descriptions")
            .field("catalog", &self.catalog)
            .finish_non_exhaustive()
    }
}

/// What was told of all tables of a schema.
#[derive(Debug)]
struct Kept {
    tables: Vec<TableDescription>,
    weight: u64,
    /// From then on it is fetched anew behind the answer.
    renew_at: AtomicI64,
    /// From then on it is not used.
    ends_at: Moment,
}

impl Descriptions {
    pub(super) fn new(client: Arc<UnityClient>, catalog: Arc<str>) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT_MAX)
            .weigher(|_, kept: &Arc<Kept>| u32::try_from(kept.weight).unwrap_or(u32::MAX))
            .time_to_idle(IDLE)
            .build();
        Self { client, catalog, kept }
    }

    /// Lets go of all that is kept.
    pub(super) fn forget(&self) {
        self.kept.invalidate_all();
    }

    /// The tables of a schema: those that are kept, or page by page.
    pub(super) fn of(&self, schema: &str, with_columns: bool) -> TableDescriptions {
        let key = (schema.to_owned(), with_columns);
        let kept = self.held(&key).or_else(|| {
            // Who asks for comments alone is served by more, too.
            let more = (schema.to_owned(), true);
            (!with_columns).then(|| self.held(&more)).flatten()
        });
        match kept {
            Some(kept) => pieces(kept),
            None => self.fetched(key),
        }
    }

    /// What is kept and holds now; begins to renew it when it is time.
    fn held(&self, key: &Key) -> Option<Arc<Kept>> {
        let now = self.client.workspace().clock().now();
        let kept = self.kept.get(key).filter(|kept| now < kept.ends_at)?;
        let due = kept.renew_at.load(Ordering::SeqCst);
        let begins = |due| {
            let taken = kept
                .renew_at
                .compare_exchange(due, Moment::MAX, Ordering::SeqCst, Ordering::SeqCst);
            taken.is_ok()
        };
        if now >= due && begins(due) {
            let (all, key, old) = (self.clone(), key.clone(), Arc::clone(&kept));
            // One at a time for what is kept, and bounded by the time limits of its calls.
            tokio::spawn(async move {
                let renewed = all.fetched(key).try_for_each(|_| std::future::ready(Ok(())));
                if let Err(error) = renewed.await {
                    tracing::debug!(error = %error, "renewal in the background failed");
                    let later = all.client.workspace().clock().now().saturating_add(RENEW_MS);
                    old.renew_at.store(later, Ordering::SeqCst);
                }
            });
        }
        Some(kept)
    }

    /// The pages of the catalog's listing. Read to their end they are kept, if they are not too many.
    fn fetched(&self, key: Key) -> TableDescriptions {
        let service = self.client.workspace().service().to_owned();
        let pages = Arc::clone(&self.client).descriptions(Arc::clone(&self.catalog), &key.0, key.1);
        let gathered = Gathered {
            // As old as its beginning.
            began: self.client.workspace().clock().now(),
            kept: self.kept.clone(),
            key,
            tables: Vec::new(),
            weight: 0,
        };
        let state = (pages.boxed(), gathered, service);
        stream::try_unfold(state, |(mut pages, mut gathered, service)| async move {
            match pages.try_next().await {
                Ok(Some(page)) => {
                    let page: Vec<_> = page.into_iter().map(description).collect();
                    gathered.add(&page);
                    Ok(Some((page, (pages, gathered, service))))
                }
                Ok(None) => {
                    gathered.keep();
                    Ok(None)
                }
                // The schema went since it was listed.
                Err(failure) if is_missing(&failure) => {
                    gathered.kept.invalidate(&gathered.key);
                    Ok(None)
                }
                Err(failure) => Err(failure.into_error(&service)),
            }
        })
        .boxed()
    }
}

/// Pages on their way to a client, while they may still be few enough to be kept.
struct Gathered {
    kept: Cache<Key, Arc<Kept>>,
    key: Key,
    began: Moment,
    tables: Vec<TableDescription>,
    weight: u64,
}

impl Gathered {
    fn add(&mut self, page: &[TableDescription]) {
        let columns = |table: &TableDescription| table.columns.as_ref().map_or(0, |columns| columns.fields().len());
        let weight: usize = page.iter().map(|table| 1 + columns(table)).sum();
        self.weight = self.weight.saturating_add(u64::try_from(weight).unwrap_or(u64::MAX));
        match self.weight > KEPT_MAX {
            true => self.tables = Vec::new(),
            false => self.tables.extend_from_slice(page),
        }
    }

    fn keep(self) {
        if self.weight > KEPT_MAX {
            return self.kept.invalidate(&self.key);
        }
        let kept = Kept {
            tables: self.tables,
            weight: self.weight,
            renew_at: AtomicI64::new(self.began.saturating_add(RENEW_MS)),
            ends_at: self.began.saturating_add(END_MS),
        };
        self.kept.insert(self.key, Arc::new(kept));
    }
}

fn pieces(kept: Arc<Kept>) -> TableDescriptions {
    let starts = (0..kept.tables.len()).step_by(PIECE);
    let pieces = starts.map(move |start| {
        let piece = kept.tables.iter().skip(start).take(PIECE);
        Ok(piece.cloned().collect())
    });
    stream::iter(pieces).boxed()
}

/// What a listing says of a table. Columns that it does not tell, or whose types are not known, are told by opening it.
fn description(info: TableInfo) -> TableDescription {
    let columns = match info.columns.is_empty() {
        true => None,
        false => schema_of(&info.columns).ok(),
    };
    TableDescription {
        name: info.name,
        columns: columns.map(|columns| with_nullability(&columns, &info.columns)),
        comment: info.comment.filter(|comment| !comment.is_empty()),
    }
}
