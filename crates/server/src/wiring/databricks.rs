//! Services of the types `databricks` and `unity`: catalogs of Unity Catalog, and the compute for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Error, ErrorKind, Result, Route, UserToken};
use federation::{RemoteEngine, Source, TableOpener};
use moka::sync::Cache;
use source_databricks::{
    Credentials, KeptSecret, UnityCatalog, UnityOptions, UserCatalogs, UserWorkspaces, WarehouseEngine,
    WarehouseOptions, Workspace, WorkspaceOptions, environment_credentials, warehouse_id,
};
use source_spark::{SparkAddress, SparkEngine, Token, TokenSource};
use url::Url;

use crate::config::{AzureConfig, DatabricksConfig, Secret, ServiceConfig};

/// The catalog that workspaces have from the start.
const CATALOG_DEFAULT: &str = "main";
/// Users whose compute is kept; the one that did nothing for longest begins anew when there are more.
const USERS_MAX: u64 = 512;
/// How long that of a user that does nothing is kept.
const USER_IDLE: Duration = Duration::from_secs(30 * 60);

/// The catalogs of a Databricks workspace, of which `users` is each user's own, if it is to be. Sends nothing.
///
/// # Errors
/// `Configuration` for a service that cannot be used as it is described.
pub(super) fn databricks(
    service: &ServiceConfig,
    config: &DatabricksConfig,
    opener: &Arc<dyn TableOpener>,
    users: Option<Arc<UserWorkspaces>>,
) -> Result<Vec<Arc<dyn Source>>> {
    let catalogs = Catalogs {
        service: &service.name,
        remote_default: config.catalog.as_deref().unwrap_or(CATALOG_DEFAULT),
        renames: &config.catalogs,
        storage: &config.storage,
        route: config.route,
        schema: config.schema.as_deref(),
        // A workspace that is asked by the user itself shows what the user may see.
        check_users: config.use_unity_catalog && users.is_none(),
    };
    let credentials = match &users {
        Some(_) => Credentials::None,
        None => credentials(&service.name, config)?,
    };
    let workspace = Workspace::new(workspace_options(service, config, credentials)?)?;
    let opened = compute(&service.name, config, &workspace)?;
    let sources = catalogs.mount(&workspace, opener, opened.as_ref())?;
    match users {
        None => Ok(sources),
        // What was opened showed that the rest is right; each user gets its own.
        Some(users) => Ok(catalogs.of_users(config, opener, users)),
    }
}

/// Where the workspace of a service is.
///
/// # Errors
/// `Configuration` for a path of a warehouse that is none.
pub(super) fn workspace_options(
    service: &ServiceConfig,
    config: &DatabricksConfig,
    credentials: Credentials,
) -> Result<WorkspaceOptions> {
    let workspace_id = warehouse(&service.name, config)?.and_then(|(_, workspace)| workspace);
    Ok(WorkspaceOptions {
        service: service.name.clone(),
        url: config.workspace_url.clone(),
        workspace_id,
        credentials,
    })
}

/// The ids of the warehouse and, if its path says so, of the workspace.
fn warehouse(service: &str, config: &DatabricksConfig) -> Result<Option<(String, Option<String>)>> {
    let found = config.http_path.as_deref().map(warehouse_id).transpose();
    found.map_err(|what| {
        Error::new(
            ErrorKind::Configuration,
            format!("service \"{service}\": http_path {what}"),
        )
    })
}

/// The compute of a service for whoever `workspace` is logged in as. Sends nothing.
fn compute(service: &str, config: &DatabricksConfig, workspace: &Workspace) -> Result<Option<Arc<dyn RemoteEngine>>> {
    let start_time = Duration::from_secs(config.timeout_seconds);
    let warehouse = warehouse(service, config)?.map(|(warehouse_id, _)| {
        let options = WarehouseOptions {
            warehouse_id,
            start_time,
        };
        WarehouseEngine::new(workspace.clone(), options) as Arc<dyn RemoteEngine>
    });
    let spark = match &config.cluster_id {
        Some(id) => Some(cluster(service, id, config, workspace)?),
        None => None,
    };
    Ok(match config.route {
        Route::Spark => spark,
        Route::Warehouse => warehouse,
        Route::Auto | Route::Direct => warehouse.or(spark),
    })
}

/// A cluster of the workspace as an engine. Sends nothing.
///
/// # Errors
/// `Configuration` for an id or an address that cannot be one.
fn cluster(service: &str, id: &str, config: &DatabricksConfig, workspace: &Workspace) -> Result<Arc<dyn RemoteEngine>> {
    let wrong = |what: &str| Error::new(ErrorKind::Configuration, format!("service \"{service}\": {what}"));
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(wrong("cluster_id is no id of a cluster").with_hint("It looks like 0123-456789-abcdefgh."));
    }
    let host = config.workspace_url.host_str();
    let host = host.ok_or_else(|| wrong("workspace_url names no host"))?;
    let port = config.workspace_url.port().unwrap_or(443);
    let text = format!("sc://{host}:{port}/;use_ssl=true;x-databricks-cluster-id={id}");
    let address = SparkAddress::parse(&text)?.with_token(Arc::new(WorkspaceToken(workspace.clone())))?;
    Ok(SparkEngine::new(service, address))
}

/// The workspace's login, shown to its clusters.
#[derive(Debug)]
struct WorkspaceToken(Workspace);

#[async_trait]
impl TokenSource for WorkspaceToken {
    async fn token(&self) -> Result<Token> {
        let bearer = self.0.bearer().await?;
        Ok(Token::new(
            bearer.as_ref().map_or("", source_databricks::Secret::expose),
        ))
    }

    async fn refused(&self, token: &Token) -> bool {
        self.0.renew_bearer(token.expose()).await
    }
}

/// What the configuration says of an open-source Unity Catalog.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnityServer<'a> {
    pub(super) service: &'a str,
    pub(super) url: &'a Url,
    pub(super) access_token: Option<&'a Secret>,
    pub(super) catalogs: &'a BTreeMap<String, String>,
    pub(super) storage: &'a BTreeMap<String, String>,
}

impl UnityServer<'_> {
    /// Its catalogs. `spark` is the server for what cannot be read directly. Sends nothing.
    ///
    /// # Errors
    /// `Configuration` for a service that cannot be used as it is described.
    pub(super) fn sources(
        self,
        opener: &Arc<dyn TableOpener>,
        spark: Option<Arc<dyn RemoteEngine>>,
    ) -> Result<Vec<Arc<dyn Source>>> {
        let credentials = match self.access_token {
            Some(secret) => {
                let token = secret.resolve(&format!("service \"{}\": access_token", self.service))?;
                Credentials::Token(source_databricks::Secret::new(token.expose()))
            }
            None => Credentials::None,
        };
        let workspace = Workspace::new(WorkspaceOptions {
            service: self.service.to_owned(),
            url: self.url.clone(),
            workspace_id: None,
            credentials,
        })?;
        let catalogs = Catalogs {
            service: self.service,
            remote_default: self.service,
            renames: self.catalogs,
            storage: self.storage,
            route: Route::Auto,
            schema: None,
            check_users: false,
        };
        catalogs.mount(&workspace, opener, spark.as_ref())
    }
}

/// Which catalogs of a service are mounted, and how.
struct Catalogs<'a> {
    service: &'a str,
    /// The catalog that is mounted under the service's name if none is listed.
    remote_default: &'a str,
    /// Own name to remote name.
    renames: &'a BTreeMap<String, String>,
    storage: &'a BTreeMap<String, String>,
    route: Route,
    /// The schema of short names in the default catalog.
    schema: Option<&'a str>,
    check_users: bool,
}

impl Catalogs<'_> {
    fn mount(
        &self,
        workspace: &Workspace,
        opener: &Arc<dyn TableOpener>,
        compute: Option<&Arc<dyn RemoteEngine>>,
    ) -> Result<Vec<Arc<dyn Source>>> {
        let sources = self.options().into_iter().map(|options| {
            let catalog = UnityCatalog::new(options, workspace.clone(), Arc::clone(opener), compute.cloned())?;
            Ok(catalog as Arc<dyn Source>)
        });
        sources.collect()
    }

    /// A catalog for each name that is mounted.
    fn options(&self) -> Vec<UnityOptions> {
        let one = BTreeMap::from([(self.service.to_owned(), self.remote_default.to_owned())]);
        let names = if self.renames.is_empty() { &one } else { self.renames };
        // Who names no catalog is in the first.
        let mut names: Vec<_> = names.iter().collect();
        names.sort_by_key(|(_, remote)| remote.as_str() != self.remote_default);
        let options = names.into_iter().map(|(name, remote)| UnityOptions {
            name: name.clone(),
            catalog: remote.clone(),
            storage: self.storage.clone(),
            route: self.route,
            schema: self
                .schema
                .filter(|_| remote.as_str() == self.remote_default)
                .map(str::to_owned),
            check_users: self.check_users,
        });
        options.collect()
    }

    /// The same with each user's own token.
    fn of_users(
        &self,
        config: &DatabricksConfig,
        opener: &Arc<dyn TableOpener>,
        users: Arc<UserWorkspaces>,
    ) -> Vec<Arc<dyn Source>> {
        let computes = Arc::new(UserComputes {
            service: self.service.to_owned(),
            config: config.clone(),
            kept: Cache::builder().max_capacity(USERS_MAX).time_to_idle(USER_IDLE).build(),
        });
        let sources = self.options().into_iter().map(|options| {
            let (users, computes, opener) = (Arc::clone(&users), Arc::clone(&computes), Arc::clone(opener));
            let (name, schema) = (options.name.clone(), options.schema.clone());
            let open = move |token: &UserToken| {
                let workspace = users.of(token);
                let compute = computes.of(token, &workspace)?;
                UnityCatalog::new(options.clone(), workspace, Arc::clone(&opener), compute)
            };
            UserCatalogs::new(&name, self.service, schema, open) as Arc<dyn Source>
        });
        sources.collect()
    }
}

/// The compute of one service, for each user its own: sessions and statements there have the user's rights.
struct UserComputes {
    service: String,
    config: DatabricksConfig,
    kept: Cache<[u8; 32], Option<Arc<dyn RemoteEngine>>>,
}

impl UserComputes {
    fn of(&self, token: &UserToken, workspace: &Workspace) -> Result<Option<Arc<dyn RemoteEngine>>> {
        if let Some(kept) = self.kept.get(&token.digest()) {
            return Ok(kept);
        }
        let made = compute(&self.service, &self.config, workspace)?;
        Ok(self.kept.get_with(token.digest(), || made))
    }
}

/// Who the service is at its workspace: as the configuration says, else as the official clients would find out.
fn credentials(service: &str, config: &DatabricksConfig) -> Result<Credentials> {
    let wrong = |what: &str| Error::new(ErrorKind::Configuration, format!("service \"{service}\": {what}"));
    let secrets = Secrets { service, config };
    let given = [
        config.access_token.is_some(),
        config.client_id.is_some() || config.client_secret.is_some(),
        config.azure.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(wrong("more than one kind of credentials is given")
            .with_hint("Give access_token, client_id and client_secret, or azure."));
    }
    if let Some(token) = &config.access_token {
        return secrets.with(token, "access_token", "token", Credentials::Token);
    }
    if let Some(azure) = &config.azure {
        return azure_credentials(&secrets, azure);
    }
    match (&config.client_id, &config.client_secret) {
        (Some(client_id), Some(secret)) => {
            let id = client_id.clone();
            secrets.with(secret, "client_secret", client_id, move |client_secret| {
                Credentials::Machine {
                    client_id: id.clone(),
                    client_secret,
                }
            })
        }
        (None, None) => environment_credentials(service, &config.workspace_url),
        (Some(_), None) => {
            Err(wrong("client_secret is missing").with_hint("Give it beside client_id, as env:NAME or file:PATH."))
        }
        (None, Some(_)) => Err(wrong("client_id is missing").with_hint("Give it beside client_secret.")),
    }
}

fn azure_credentials(secrets: &Secrets<'_>, azure: &AzureConfig) -> Result<Credentials> {
    let AzureConfig {
        tenant_id,
        client_id,
        client_secret,
        workspace_resource_id,
        authority_host,
    } = azure.clone();
    let Some(secret) = client_secret else {
        return Ok(Credentials::ManagedIdentity {
            client_id,
            workspace_resource_id,
        });
    };
    let (tenant_id, client_id) = (tenant_id.unwrap_or_default(), client_id.unwrap_or_default());
    let principal = client_id.clone();
    secrets.with(&secret, "azure.client_secret", &principal, move |client_secret| {
        Credentials::Entra {
            tenant_id: tenant_id.clone(),
            client_id: client_id.clone(),
            client_secret,
            workspace_resource_id: workspace_resource_id.clone(),
            login_url: authority_host.clone(),
        }
    })
}

/// The secrets of one service.
struct Secrets<'a> {
    service: &'a str,
    config: &'a DatabricksConfig,
}

impl Secrets<'_> {
    /// Credentials with a secret of the configuration. One that the workspace keeps is read when it is needed, with
    /// the credentials of the environment.
    fn with(
        &self,
        secret: &Secret,
        key: &str,
        principal: &str,
        make: impl Fn(source_databricks::Secret) -> Credentials + Send + Sync + 'static,
    ) -> Result<Credentials> {
        let Secret::Databricks { scope, key: name } = secret else {
            let text = secret.resolve(&format!("service \"{}\": {key}", self.service))?;
            return Ok(make(source_databricks::Secret::new(text.expose())));
        };
        let reader = Workspace::new(WorkspaceOptions {
            service: self.service.to_owned(),
            url: self.config.workspace_url.clone(),
            workspace_id: None,
            credentials: environment_credentials(self.service, &self.config.workspace_url)?,
        })?;
        let kept = KeptSecret::new(reader, scope, name, principal, make);
        Ok(Credentials::Kept(Box::new(kept)))
    }
}
