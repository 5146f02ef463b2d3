//! One catalog of Unity Catalog as a source of tables.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use contract::{Error, ErrorKind, QueryContext, Result, Route, TableName, TableVersion};
use datafusion::logical_expr::TableType;
use federation::{
    Privileges, RemoteEngine, RemoteStatement, RemoteTable, RoutedTable, Source, SourceTable, TableDescriptions,
    TableLocation, TableOpener, TableSummary,
};
use moka::sync::Cache;

use super::client::UnityClient;
use super::columns::schema_of;
use super::credentials::{Vended, vended};
use super::descriptions::Descriptions;
use super::legality::needs_compute;
use super::listing::{Listing, is_view};
use super::model::TableInfo;
use super::privileges::UserPrivileges;
use super::store::{Ingredients, StorageOptions, TableStore};
use crate::clock::Moment;
use crate::renewing::{Lease, Renewing};
use crate::workspace::Workspace;

/// Descriptions, credentials and stores of this many tables are kept.
const TABLES_MAX: u64 = 10_000;
/// What nobody asked for during this time is let go.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// From then on the description of a table in use is fetched anew behind the answer.
const INFO_RENEW_MS: Moment = 10_000;
/// From then on it is waited for: so late is a new row filter noticed at most.
const INFO_END_MS: Moment = 30_000;
/// Where Arrow keeps the name of an extension type: what files hold for a variant is not what compute sends.
const EXTENSION: &str = "ARROW:extension:name";

/// What a mounted catalog is made of.
#[derive(Debug, Clone, Default)]
pub struct UnityOptions {
    /// Its name here.
    pub name: String,
    /// Its name in Unity Catalog.
    pub catalog: String,
    /// `aws_endpoint` and `aws_region`, for storage that is not where it usually is.
    pub storage: BTreeMap<String, String>,
    /// The way that tables are read, as far as it is legal for them.
    pub route: Route,
    /// The schema of short names.
    pub schema: Option<String>,
    /// Whether users of the gateway read only what Unity Catalog lets the users of the same names read.
    pub check_users: bool,
}

/// A catalog whose tables are read from files where Unity Catalog gives out credentials for them, and by compute where
/// not.
///
/// Nothing is listed to open a table. Listings and descriptions are kept for a short time and renewed while they are
/// used; the files of a table are looked at by each opening.
pub struct UnityCatalog {
    name: String,
    catalog: Arc<str>,
    default_schema: Option<String>,
    route: Route,
    storage: StorageOptions,
    client: Arc<UnityClient>,
    listing: Listing,
    descriptions: Descriptions,
    infos: Cache<(String, String), Renewing<Option<TableInfo>>>,
    credentials: Cache<String, Renewing<Vended>>,
    stores: Cache<(String, String), Arc<TableStore>>,
    region: Renewing<Option<String>>,
    opener: Arc<dyn TableOpener>,
    compute: Option<Arc<dyn RemoteEngine>>,
    pub(super) users: Option<UserPrivileges>,
}

impl fmt::Debug for UnityCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnityCatalog")
            .field("name", &self.name)
            .field("catalog", &self.catalog)
            .finish_non_exhaustive()
    }
}

/// The files of a table, or why they are not read here.
type Direct = std::result::Result<Arc<SourceTable>, String>;

impl UnityCatalog {
    /// Mounts a catalog. Files are opened by `opener`, everything else runs at `compute`. Sends nothing yet.
    ///
    /// # Errors
    /// `Configuration` for storage options that cannot be used, or a route that has no compute.
    pub fn new(
        options: UnityOptions,
        workspace: Workspace,
        opener: Arc<dyn TableOpener>,
        compute: Option<Arc<dyn RemoteEngine>>,
    ) -> Result<Arc<Self>> {
        let UnityOptions {
            name,
            catalog,
            storage,
            route,
            schema: default_schema,
            check_users,
        } = options;
        let storage = StorageOptions::new(workspace.service(), &storage)?;
        if matches!(route, Route::Warehouse | Route::Spark) && compute.is_none() {
            let message = format!("service \"{}\": route = \"{route}\" needs compute", workspace.service());
            let hint = "Name a SQL warehouse, a cluster or a Spark Connect server.";
            return Err(Error::new(ErrorKind::Configuration, message).with_hint(hint));
        }
        let catalog: Arc<str> = catalog.into();
        let client = Arc::new(UnityClient::new(workspace));
        Ok(Arc::new(Self {
            name,
            default_schema,
            route,
            storage,
            listing: Listing::new(Arc::clone(&client), Arc::clone(&catalog)),
            descriptions: Descriptions::new(Arc::clone(&client), Arc::clone(&catalog)),
            users: check_users.then(|| UserPrivileges::new(Arc::clone(&client), Arc::clone(&catalog))),
            catalog,
            infos: kept(),
            credentials: kept(),
            stores: kept(),
            region: region(&client),
            client,
            opener,
            compute,
        }))
    }

    pub(super) async fn info(&self, schema: &str, table: &str) -> Result<Arc<Option<TableInfo>>> {
        let key = (schema.to_owned(), table.to_owned());
        let info = self.infos.get_with(key, || self.renewing_info(schema, table));
        info.get().await
    }

    fn renewing_info(&self, schema: &str, table: &str) -> Renewing<Option<TableInfo>> {
        let client = Arc::clone(&self.client);
        let clock = client.workspace().clock().clone();
        let parts: [Arc<str>; 3] = [Arc::clone(&self.catalog), schema.into(), table.into()];
        Renewing::new(
            clock,
            Box::new(move || {
                let (client, parts) = (Arc::clone(&client), parts.clone());
                Box::pin(async move {
                    let now = client.workspace().clock().now();
                    let [catalog, schema, table] = &parts;
                    let value = client
                        .table([catalog, schema, table])
                        .await
                        .map_err(|failure| failure.into_error(client.workspace().service()))?;
                    // That a table is missing is not kept: it may be made at any moment.
                    let (renew, end) = match value {
                        Some(_) => (INFO_RENEW_MS, INFO_END_MS),
                        None => (0, 0),
                    };
                    Ok(Lease {
                        value,
                        renew_at: now.saturating_add(renew),
                        ends_at: now.saturating_add(end),
                    })
                })
            }),
        )
    }

    /// Opens a table's files, if that is legal.
    async fn direct(
        &self,
        info: &TableInfo,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Direct> {
        if let (Route::Warehouse | Route::Spark, Some(_)) = (self.route, &self.compute) {
            return Ok(Err(format!("the service's route is \"{}\"", self.route)));
        }
        if let Some(why) = needs_compute(info) {
            return Ok(Err(why));
        }
        let table_store = match self.store(info).await? {
            Ok(store) => store,
            Err(why) => return Ok(Err(why)),
        };
        let location = TableLocation {
            name: name.clone(),
            root: table_store.root.clone(),
            store: Arc::clone(&table_store.store),
            in_catalog: true,
        };
        match self.opener.open(&location, version, ctx).await {
            Ok(Some(table)) => Ok(Ok(table)),
            Ok(None) => Ok(Err("there is no Delta log at its location".to_owned())),
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Err(error.message().to_owned())),
            Err(error) => Err(error),
        }
    }

    /// The store of a table's files: the same one while the table lies where it lies.
    async fn store(&self, info: &TableInfo) -> Result<std::result::Result<Arc<TableStore>, String>> {
        let id = &info.table_id;
        let credentials = self.credentials.get_with(id.clone(), || vended(&self.client, id));
        let held = credentials.get().await?;
        let (keys, folder) = match &*held {
            Vended::Keys { keys, folder } => (keys, folder.as_deref()),
            Vended::Refused(why) => return Ok(Err((*why).to_owned())),
        };
        let key = (id.clone(), info.storage_location.clone());
        if let Some(store) = self.stores.get(&key) {
            return Ok(Ok(store));
        }
        let region = match &self.storage.aws_region {
            Some(region) => Some(region.clone()),
            None if info.storage_location.starts_with("s3") => Option::clone(&*self.region.get().await?),
            None => None,
        };
        let built = Ingredients {
            location: &info.storage_location,
            keys,
            folder,
            vended: credentials.clone(),
            options: &self.storage,
            region,
            local: self.client.workspace().is_local(),
        }
        .build();
        Ok(built.map(|store| self.stores.get_with(key, || Arc::new(store))))
    }

    fn remote(
        &self,
        name: &TableName,
        info: &TableInfo,
        schema: SchemaRef,
        engine: &Arc<dyn RemoteEngine>,
    ) -> RemoteTable {
        let path = vec![self.catalog.to_string(), name.schema.clone(), name.table.clone()];
        let kind = if is_view(&info.table_type) {
            TableType::View
        } else {
            TableType::Base
        };
        RemoteTable::new(name.clone(), path, schema, Arc::clone(engine)).with_table_type(kind)
    }

    /// A table that is read from files; compute may read it too, if it sees the same values.
    fn routed(
        &self,
        name: &TableName,
        info: &TableInfo,
        direct: Arc<SourceTable>,
        version: TableVersion,
    ) -> Arc<SourceTable> {
        // Compute reads the newest state only.
        let same = version == TableVersion::Latest
            && self.route != Route::Direct
            && is_shared(info, &direct.provider.schema());
        let comment = direct.comment.clone().or_else(|| info.comment.clone());
        let Some(engine) = self.compute.as_ref().filter(|_| same) else {
            return Arc::new(SourceTable {
                comment,
                ..SourceTable::clone(&direct)
            });
        };
        let remote = self.remote(name, info, direct.provider.schema(), engine);
        let provider = RoutedTable::Either {
            direct: Arc::clone(&direct.provider),
            remote,
        };
        Arc::new(SourceTable {
            provider: Arc::new(provider),
            state: state_of(&(direct.state, &info.table_id)),
            comment,
        })
    }

    /// A table that only compute reads.
    async fn computed(
        &self,
        name: &TableName,
        info: &TableInfo,
        why: String,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Arc<SourceTable>> {
        let table = &name.table;
        let Some(engine) = &self.compute else {
            let message = format!("table \"{table}\" cannot be read from its files: {why}");
            let hint = "Give the service compute: a SQL warehouse, a cluster or a Spark Connect server.";
            return Err(Error::unsupported(message).with_hint(hint));
        };
        if version != TableVersion::Latest {
            let message = format!("earlier versions of table \"{table}\" cannot be read: {why}");
            return Err(
                Error::unsupported(message).with_hint("Only tables that are read from their files have versions here.")
            );
        }
        let schema = match info.columns.is_empty() {
            true => self.described(name, engine, ctx).await?,
            false => schema_of(&info.columns).map_err(|unfit| {
                let message = format!("table \"{table}\" cannot be read by compute: {unfit}");
                let hint = "Make a view there that casts the column to STRING.";
                Error::unsupported(message).with_hint(hint)
            })?,
        };
        let state = state_of(&(&info.table_id, info.updated_at, &schema, &why));
        let remote = self.remote(name, info, schema, engine);
        Ok(Arc::new(SourceTable {
            provider: Arc::new(RoutedTable::RemoteOnly {
                remote,
                reason: why.into(),
            }),
            state,
            comment: info.comment.clone(),
        }))
    }

    /// The columns as compute names them, where the catalog names none.
    async fn described(
        &self,
        name: &TableName,
        engine: &Arc<dyn RemoteEngine>,
        ctx: &QueryContext,
    ) -> Result<SchemaRef> {
        let mut statement = RemoteStatement::new();
        statement.push("SELECT * FROM ");
        statement.push_identifier(&self.catalog);
        statement.push(".");
        statement.push_identifier(&name.schema);
        statement.push(".");
        statement.push_identifier(&name.table);
        let described = engine.describe(&statement, ctx).await?;
        let fields = described.fields().iter().map(|field| as_read(field));
        Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
    }

    async fn open(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        let info = self.info(&name.schema, &name.table).await?;
        let Some(info) = &*info else {
            return Ok(None);
        };
        let table = match self.direct(info, name, version, ctx).await? {
            Ok(direct) => self.routed(name, info, direct, version),
            Err(why) => self.computed(name, info, why, version, ctx).await?,
        };
        Ok(Some(table))
    }
}

#[async_trait]
impl Source for UnityCatalog {
    fn name(&self) -> &str {
        &self.name
    }

    fn service(&self) -> &str {
        self.client.workspace().service()
    }

    fn default_schema(&self) -> Option<&str> {
        self.default_schema.as_deref()
    }

    async fn compute_state(&self, ctx: &QueryContext) -> Result<Option<String>> {
        match &self.compute {
            Some(engine) => engine.state(ctx).await,
            None => Ok(None),
        }
    }

    fn refresh(&self) {
        self.listing.forget();
        self.descriptions.forget();
        self.infos.invalidate_all();
        self.credentials.invalidate_all();
        self.stores.invalidate_all();
        if let Some(users) = &self.users {
            users.forget();
        }
    }

    fn privileges(&self) -> Option<&dyn Privileges> {
        self.users.as_ref().map(|_| self as &dyn Privileges)
    }

    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        ctx.race(self.listing.schemas()).await?
    }

    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        ctx.race(self.listing.tables(schema)).await?
    }

    async fn describe(&self, schema: &str, with_columns: bool, _: &QueryContext) -> Result<Option<TableDescriptions>> {
        Ok(Some(self.descriptions.of(schema, with_columns)))
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        ctx.race(self.open(name, version, ctx)).await?
    }
}

fn kept<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>() -> Cache<K, V> {
    Cache::builder().max_capacity(TABLES_MAX).time_to_idle(IDLE).build()
}

/// The region of the metastore. It does not change while we run.
fn region(client: &Arc<UnityClient>) -> Renewing<Option<String>> {
    let client = Arc::clone(client);
    let clock = client.workspace().clock().clone();
    Renewing::new(
        clock,
        Box::new(move || {
            let client = Arc::clone(&client);
            Box::pin(async move {
                let value = client
                    .region()
                    .await
                    .map_err(|failure| failure.into_error(client.workspace().service()))?;
                Ok(Lease {
                    value,
                    renew_at: Moment::MAX,
                    ends_at: Moment::MAX,
                })
            })
        }),
    )
}

/// Whether compute sends for each column what the files hold.
fn is_shared(info: &TableInfo, direct: &SchemaRef) -> bool {
    let plain = |field: &Field| !field.metadata().contains_key(EXTENSION);
    direct.fields().iter().all(|field| plain(field)) && schema_of(&info.columns).is_ok()
}

/// A column of compute in the layout that files of it would be read in.
fn as_read(field: &Field) -> Field {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        other => other.clone(),
    };
    Field::new(field.name(), data_type, true)
}

fn state_of(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
