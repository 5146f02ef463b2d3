//! One catalog of a Spark Connect server as a source of names.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Error, ErrorKind, QueryContext, Result, TableName, TableVersion};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::logical_expr::TableType;
use federation::{RemoteEngine, RemoteTable, Source, SourceTable, TableKind, TableSummary};
use moka::sync::Cache;
use tokio::sync::OnceCell;

use crate::engine::SparkEngine;
use crate::listing;

/// How long a listing is as good as new: tools ask for the same one several times while they show it.
const LISTING_LIFETIME: Duration = Duration::from_secs(30);

/// How long a table's columns are as good as new, so that a query does not pay for asking.
const TABLE_LIFETIME: Duration = Duration::from_secs(10);

/// Names in all listings that are kept.
const LISTED_NAMES_MAX: u64 = 200_000;

/// Tables that are kept.
const TABLES_MAX: u64 = 10_000;

type Names = Arc<Vec<TableSummary>>;

/// One catalog of a server, mounted under a name of its own.
pub struct SparkCatalog {
    name: String,
    /// The catalog's name there; none for the one that its sessions begin in.
    catalog: Option<String>,
    current: OnceCell<String>,
    default_schema: Option<String>,
    engine: Arc<SparkEngine>,
    schemas: Cache<(), Arc<Vec<String>>>,
    listings: Cache<String, Names>,
    tables: Cache<(String, String), Arc<SourceTable>>,
}

impl SparkCatalog {
    /// Mounts `catalog` of the server as `name`; without one, the catalog that the server's sessions begin in. Short
    /// names mean tables of `schema`, if one is given.
    pub fn new(name: &str, catalog: Option<&str>, schema: Option<&str>, engine: Arc<SparkEngine>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            catalog: catalog.map(str::to_owned),
            current: OnceCell::new(),
            default_schema: schema.map(str::to_owned),
            engine,
            schemas: Cache::builder().max_capacity(1).time_to_live(LISTING_LIFETIME).build(),
            listings: Cache::builder()
                .max_capacity(LISTED_NAMES_MAX)
                .weigher(|_, names: &Names| u32::try_from(names.len() + 1).unwrap_or(u32::MAX))
                .time_to_live(LISTING_LIFETIME)
                .build(),
            tables: Cache::builder()
                .max_capacity(TABLES_MAX)
                .time_to_live(TABLE_LIFETIME)
                .build(),
        })
    }

    /// The engine that reads its tables.
    pub fn engine(&self) -> &Arc<SparkEngine> {
        &self.engine
    }

    async fn catalog(&self) -> Result<&str> {
        if let Some(catalog) = &self.catalog {
            return Ok(catalog);
        }
        let ask = || async {
            let current = listing::text(&self.engine, "SELECT current_catalog()").await?;
            current.ok_or_else(|| {
                let message = format!("service \"{}\" has no current catalog", self.engine.service());
                Error::new(ErrorKind::SourceRejected, message).with_hint("Name one with catalog = \"…\".")
            })
        };
        Ok(self.current.get_or_try_init(ask).await?)
    }

    async fn list_schemas(&self) -> Result<Arc<Vec<String>>> {
        if let Some(schemas) = self.schemas.get(&()) {
            return Ok(schemas);
        }
        let schemas = Arc::new(listing::schemas(&self.engine, self.catalog().await?).await?);
        self.schemas.insert((), Arc::clone(&schemas));
        Ok(schemas)
    }

    async fn list_tables(&self, schema: &str) -> Result<Names> {
        if let Some(names) = self.listings.get(schema) {
            return Ok(names);
        }
        // Spark finds a schema in any letter case; here a name is what the listing says.
        let names = if self.list_schemas().await?.iter().any(|listed| listed == schema) {
            listing::tables(&self.engine, self.catalog().await?, schema, None).await?
        } else {
            return Ok(Names::default());
        };
        let names = names.into_iter().map(|(name, kind)| TableSummary { name, kind });
        let names = Names::new(names.collect());
        self.listings.insert(schema.to_owned(), Arc::clone(&names));
        Ok(names)
    }

    /// What a name stands for, exactly as it is written.
    async fn kind(&self, schema: &str, table: &str) -> Result<Option<TableKind>> {
        if let Some(names) = self.listings.get(schema)
            && let Ok(place) = names.binary_search_by(|summary| summary.name.as_str().cmp(table))
        {
            return Ok(names.get(place).map(|summary| summary.kind));
        }
        // Of a schema that was made a moment ago the listing may not know; the server does.
        let known = self
            .schemas
            .get(&())
            .is_some_and(|schemas| schemas.iter().any(|listed| listed == schema));
        if !known {
            self.schemas.invalidate(&());
            if !self.list_schemas().await?.iter().any(|listed| listed == schema) {
                return Ok(None);
            }
        }
        let names = listing::tables(&self.engine, self.catalog().await?, schema, Some(table)).await?;
        Ok(names.get(table).copied())
    }

    async fn open(&self, name: &TableName, ctx: &QueryContext) -> Result<Option<Arc<SourceTable>>> {
        let key = (name.schema.clone(), name.table.clone());
        if let Some(table) = self.tables.get(&key) {
            return Ok(Some(table));
        }
        let Some(kind) = self.kind(&name.schema, &name.table).await? else {
            return Ok(None);
        };
        let path = [self.catalog().await?, &name.schema, &name.table];
        let select = listing::statement("SELECT * FROM ", &path);
        let schema = match self.engine.describe(&select, ctx).await {
            Ok(schema) => schema,
            // Dropped since it was listed.
            Err(error) if listing::is_missing(&error) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let message = format!("table \"{name}\" cannot be read: {}", error.message());
                let hint = error.hint().unwrap_or_default().to_owned();
                return Err(Error::unsupported(message).with_hint(hint));
            }
            Err(error) => return Err(error),
        };
        let path = path.map(str::to_owned).to_vec();
        let table = Arc::new(self.table_of(name, path, schema, kind));
        self.tables.insert(key, Arc::clone(&table));
        Ok(Some(table))
    }

    fn table_of(&self, name: &TableName, path: Vec<String>, schema: SchemaRef, kind: TableKind) -> SourceTable {
        let mut hasher = DefaultHasher::new();
        (&path, schema.fields()).hash(&mut hasher);
        let table_type = match kind {
            TableKind::Table => TableType::Base,
            TableKind::View => TableType::View,
        };
        let engine = Arc::clone(&self.engine) as Arc<dyn RemoteEngine>;
        let provider = RemoteTable::new(name.clone(), path, schema, engine).with_table_type(table_type);
        SourceTable {
            provider: Arc::new(provider),
            // The rows are read when the plan runs, so that only the columns can make a plan wrong.
            state: hasher.finish(),
            comment: None,
        }
    }
}

#[async_trait]
impl Source for SparkCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn service(&self) -> &str {
        self.engine.service()
    }

    fn default_schema(&self) -> Option<&str> {
        self.default_schema.as_deref()
    }

    fn refresh(&self) {
        self.schemas.invalidate_all();
        self.listings.invalidate_all();
        self.tables.invalidate_all();
    }

    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        let schemas = ctx.race(self.list_schemas()).await??;
        Ok(schemas.to_vec())
    }

    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        let names = ctx.race(self.list_tables(schema)).await??;
        Ok(names.to_vec())
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        if version != TableVersion::Latest {
            let message = format!("table \"{name}\" can only be read as it is now");
            return Err(Error::unsupported(message)
                .with_hint("Mount the table's files as a service of type \"delta\" to read older versions."));
        }
        ctx.race(self.open(name, ctx)).await?
    }
}

impl fmt::Debug for SparkCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparkCatalog")
            .field("name", &self.name)
            .field("catalog", &self.catalog)
            .finish_non_exhaustive()
    }
}
