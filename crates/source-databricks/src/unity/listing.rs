//! Names of one catalog, listed seldom and kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::Result;
use federation::{TableKind, TableSummary};
use moka::sync::Cache;

use super::client::UnityClient;
use super::model::TableLine;
use crate::clock::Moment;
use crate::renewing::{Lease, Renewing};

/// From then on a listing that is looked at is made anew behind the answer.
pub(super) const RENEW_MS: Moment = 15_000;
/// From then on a listing is waited for.
pub(super) const END_MS: Moment = 10 * 60 * 1000;
/// Schemas whose tables are kept, where tables can only be listed schema by schema.
const SCHEMAS_MAX: u64 = 10_000;
/// Listings that nobody looks at are let go.
pub(super) const IDLE: Duration = Duration::from_secs(30 * 60);

/// The tables of each schema, sorted.
type Tables = BTreeMap<String, Vec<TableSummary>>;

/// The schemas of a catalog and their tables.
#[derive(Debug)]
pub(crate) struct Listing {
    client: Arc<UnityClient>,
    catalog: Arc<str>,
    schemas: Renewing<Vec<String>>,
    /// All at once, where the server offers that.
    all: Renewing<Option<Tables>>,
    by_schema: Cache<String, Renewing<Vec<TableSummary>>>,
}

impl Listing {
    pub(crate) fn new(client: Arc<UnityClient>, catalog: Arc<str>) -> Self {
        let schemas = renewing(&client, &catalog, |client, catalog| async move {
            let infos = client
                .schemas(&catalog)
                .await
                .map_err(|failure| failure.into_error(client.workspace().service()))?;
            let mut names: Vec<_> = infos.into_iter().map(|info| info.name).collect();
            names.sort_unstable();
            names.dedup();
            Ok(names)
        });
        let all = renewing(&client, &catalog, |client, catalog| async move {
            let lines = client
                .summaries(&catalog)
                .await
                .map_err(|failure| failure.into_error(client.workspace().service()))?;
            Ok(lines.map(|lines| by_schema(&catalog, lines)))
        });
        let by_schema = Cache::builder().max_capacity(SCHEMAS_MAX).time_to_idle(IDLE).build();
        Self {
            client,
            catalog,
            schemas,
            all,
            by_schema,
        }
    }

    /// Lets go of all that was listed.
    pub(crate) fn forget(&self) {
        self.schemas.forget();
        self.all.forget();
        self.by_schema.invalidate_all();
    }

    /// The schemas, sorted.
    pub(crate) async fn schemas(&self) -> Result<Vec<String>> {
        Ok(Vec::clone(&*self.schemas.get().await?))
    }

    /// The tables of a schema, sorted.
    pub(crate) async fn tables(&self, schema: &str) -> Result<Vec<TableSummary>> {
        if let Some(all) = &*self.all.get().await? {
            return Ok(all.get(schema).cloned().unwrap_or_default());
        }
        let listed = self.by_schema.get_with(schema.to_owned(), || {
            let schema: Arc<str> = schema.into();
            renewing(&self.client, &self.catalog, move |client, catalog| {
                let schema = Arc::clone(&schema);
                async move {
                    let lines = client
                        .tables(&catalog, &schema)
                        .await
                        .map_err(|failure| failure.into_error(client.workspace().service()))?;
                    let tables = lines.into_iter().filter_map(|line| {
                        let name = line.name.clone()?;
                        Some(summary(name, &line.table_type))
                    });
                    Ok(sorted(tables.collect()))
                }
            })
        });
        Ok(Vec::clone(&*listed.get().await?))
    }
}

fn renewing<T: Send + Sync + 'static, F: Future<Output = Result<T>> + Send + 'static>(
    client: &Arc<UnityClient>,
    catalog: &Arc<str>,
    fetch: impl Fn(Arc<UnityClient>, Arc<str>) -> F + Send + Sync + 'static,
) -> Renewing<T> {
    let clock = client.workspace().clock().clone();
    let (client, catalog, of_fetch) = (Arc::clone(client), Arc::clone(catalog), clock.clone());
    Renewing::new(
        clock,
        Box::new(move || {
            let (fetched, clock) = (fetch(Arc::clone(&client), Arc::clone(&catalog)), of_fetch.clone());
            Box::pin(async move {
                // As old as its beginning.
                let now = clock.now();
                Ok(Lease {
                    value: fetched.await?,
                    renew_at: now.saturating_add(RENEW_MS),
                    ends_at: now.saturating_add(END_MS),
                })
            })
        }),
    )
}

fn by_schema(catalog: &str, lines: Vec<TableLine>) -> Tables {
    let mut tables = Tables::new();
    for line in lines {
        let Some(full_name) = &line.full_name else { continue };
        let below = full_name.strip_prefix(catalog).and_then(|rest| rest.strip_prefix('.'));
        if let Some((schema, name)) = below.and_then(|below| below.split_once('.')) {
            let of_schema = tables.entry(schema.to_owned()).or_default();
            of_schema.push(summary(name.to_owned(), &line.table_type));
        }
    }
    tables
        .into_iter()
        .map(|(schema, tables)| (schema, sorted(tables)))
        .collect()
}

fn sorted(mut tables: Vec<TableSummary>) -> Vec<TableSummary> {
    tables.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    tables.dedup_by(|left, right| left.name == right.name);
    tables
}

fn summary(name: String, table_type: &str) -> TableSummary {
    let kind = if is_view(table_type) {
        TableKind::View
    } else {
        TableKind::Table
    };
    TableSummary { name, kind }
}

/// Whether rows of a table of this kind are computed from a query.
pub(crate) fn is_view(table_type: &str) -> bool {
    matches!(table_type, "VIEW" | "MATERIALIZED_VIEW" | "METRIC_VIEW")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_are_taken_apart_and_sorted() {
        let line = |full_name: &str, table_type: &str| TableLine {
            name: None,
            full_name: Some(full_name.to_owned()),
            table_type: table_type.to_owned(),
            owner: None,
        };
        let lines = vec![
            line("main.s.b", "MANAGED"),
            line("main.s.a", "VIEW"),
            line("main.größe.x", "HOLOGRAPHIC_TABLE"),
            line("other.s.c", "MANAGED"),
            line("main", "MANAGED"),
        ];
        let tables = by_schema("main", lines);
        let of_s: Vec<_> = tables["s"]
            .iter()
            .map(|table| (table.name.as_str(), table.kind))
            .collect();
        assert_eq!(of_s, [("a", TableKind::View), ("b", TableKind::Table)]);
        assert_eq!(tables["größe"].len(), 1);
        assert_eq!(tables.len(), 2);
    }
}
