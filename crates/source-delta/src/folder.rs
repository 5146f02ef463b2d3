//! A folder of tables as a catalog: every sub-folder with a log is a table, one level deeper the folder is a schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, ErrorKind, QueryContext, Result, TableName, TableVersion};
use federation::{Source, SourceTable, TableKind, TableLocation, TableOpener as _, TableSummary};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use crate::opener::DeltaOpener;
use crate::{error, store};

/// How many folders of one schema are listed at once.
const LISTINGS_MAX: usize = 16;

/// How many schemas are looked into at once.
const SCHEMAS_MAX: usize = 4;

/// The folder that makes a folder a table.
const LOG: &str = "_delta_log";

/// A catalog of the Delta tables below one location.
///
/// Nothing of the listing is kept: a folder that appears is a table from then on, and one that vanishes is none.
pub struct DeltaFolder {
    name: String,
    location: Url,
    root: Path,
    store: Arc<dyn ObjectStore>,
    default_schema: String,
    opener: Arc<DeltaOpener>,
}

impl DeltaFolder {
    /// A catalog called `name` over `location`; tables directly below it belong to `default_schema`.
    ///
    /// Touches no storage.
    ///
    /// # Errors
    /// `Configuration` if the location or an option cannot be used.
    pub fn new(
        name: &str,
        location: Url,
        storage_options: BTreeMap<String, String>,
        default_schema: &str,
        opener: Arc<DeltaOpener>,
    ) -> Result<Arc<Self>> {
        let (store, root) = store::build_store(&location, &storage_options)?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            location,
            root,
            store,
            default_schema: default_schema.to_owned(),
            opener,
        }))
    }

    /// The schemas that hold a table, and the default one.
    async fn list_schemas(&self) -> Result<BTreeSet<String>> {
        self.check_root().await?;
        let mut schemas = BTreeSet::from([self.default_schema.clone()]);
        let folders = self.children(&self.root).await?;
        let holds_tables = |folder: String| async move {
            let children = self.children(&self.root.clone().join(folder.as_str())).await?;
            if children.iter().any(|child| child == LOG) {
                return Ok(None);
            }
            let tables = self.tables_of(&folder, children).await?;
            Ok::<_, Error>((!tables.is_empty()).then_some(folder))
        };
        let folders = futures::stream::iter(folders).map(holds_tables).buffered(SCHEMAS_MAX);
        schemas.extend(folders.try_collect::<Vec<_>>().await?.into_iter().flatten());
        Ok(schemas)
    }

    /// The tables of one schema; no other schema's folder is looked into.
    async fn list_tables(&self, schema: &str) -> Result<BTreeSet<String>> {
        self.check_root().await?;
        let mut tables = BTreeSet::new();
        if schema == self.default_schema {
            let folders = self.children(&self.root).await?;
            let is_table = |folder: String| async move {
                let path = self.root.clone().join(folder.as_str());
                Ok::<_, Error>(self.is_table(&path).await?.then_some(folder))
            };
            let folders = futures::stream::iter(folders).map(is_table).buffered(LISTINGS_MAX);
            tables.extend(folders.try_collect::<Vec<_>>().await?.into_iter().flatten());
        }
        if is_name(schema) {
            let children = self.children(&self.root.clone().join(schema)).await?;
            if !children.iter().any(|child| child == LOG) {
                tables.extend(self.tables_of(schema, children).await?);
            }
        }
        Ok(tables)
    }

    /// Those of a schema's folders that are tables.
    async fn tables_of(&self, schema: &str, children: Vec<String>) -> Result<Vec<String>> {
        let is_table = |child: String| async move {
            let path = self.root.clone().join(schema).join(child.as_str());
            Ok::<_, Error>(self.is_table(&path).await?.then_some(child))
        };
        let tables = futures::stream::iter(children).map(is_table).buffered(LISTINGS_MAX);
        Ok(tables.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    async fn is_table(&self, path: &Path) -> Result<bool> {
        Ok(self.children(path).await?.iter().any(|child| child == LOG))
    }

    /// A local folder that is not there lists as empty; say what is wrong instead.
    async fn check_root(&self) -> Result<()> {
        if self.location.scheme() != "file" {
            return Ok(());
        }
        let Ok(path) = self.location.to_file_path() else {
            return Ok(());
        };
        match tokio::fs::metadata(&path).await {
            Ok(metadata) if metadata.is_dir() => Ok(()),
            Ok(_) => Err(self.unreachable("is not a folder")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(self.unreachable("does not exist").with_source(error))
            }
            Err(error) => Err(self.unreachable("cannot be read").with_source(error)),
        }
    }

    fn unreachable(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::SourceUnavailable,
            format!("the folder of catalog \"{}\" {what}", self.name),
        )
        .with_hint("Check the service's location in the configuration.")
    }

    /// The names of the folders directly below `path`, hidden ones left out unless it is the log.
    async fn children(&self, path: &Path) -> Result<Vec<String>> {
        let listing = match self.store.list_with_delimiter(Some(path)).await {
            Ok(listing) => listing,
            // Vanished since its parent was listed.
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => {
                return Err(error::from_store(
                    error,
                    &format!("the folder of catalog \"{}\"", self.name),
                ));
            }
        };
        let names = listing
            .common_prefixes
            .iter()
            .filter_map(|prefix| prefix.filename().map(str::to_owned));
        Ok(names.filter(|name| is_visible(name) || name == LOG).collect())
    }

    async fn open(
        &self,
        name: &TableName,
        folders: &[&str],
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        let mut root = self.location.clone();
        match root.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty();
                for folder in folders {
                    segments.push(folder);
                }
                segments.push("");
            }
            Err(()) => return Ok(None),
        }
        let location = TableLocation {
            name: name.clone(),
            root,
            store: Arc::clone(&self.store),
            in_catalog: false,
        };
        self.opener.open(&location, version, ctx).await
    }
}

#[async_trait]
impl Source for DeltaFolder {
    fn name(&self) -> &str {
        &self.name
    }

    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        Ok(ctx.race(self.list_schemas()).await??.into_iter().collect())
    }

    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        let tables = ctx.race(self.list_tables(schema)).await??;
        Ok(tables
            .into_iter()
            .map(|name| TableSummary {
                name,
                kind: TableKind::Table,
            })
            .collect())
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        if !is_name(&name.table) || !is_name(&name.schema) {
            return Ok(None);
        }
        if name.schema == self.default_schema
            && let Some(table) = self.open(name, &[&name.table], version, ctx).await?
        {
            return Ok(Some(table));
        }
        self.open(name, &[&name.schema, &name.table], version, ctx).await
    }
}

impl fmt::Debug for DeltaFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaFolder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn is_visible(folder: &str) -> bool {
    !folder.starts_with('_') && !folder.starts_with('.')
}

/// Whether a name can be that of a folder: no way out of the catalog's location.
fn is_name(name: &str) -> bool {
    !name.is_empty() && is_visible(name) && !name.contains(['/', '\\', '\0'])
}
