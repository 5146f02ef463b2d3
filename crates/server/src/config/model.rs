//! What a configuration says, typed. [`super::load`] makes it; nothing here is checked against the outside world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use contract::Route;
use url::Url;

use super::secret::Secret;
use super::units::{AddressRange, Listen, ListenAddress};

/// How long running queries may go on after SIGTERM if nothing else is said.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from, if any.
    pub file: Option<PathBuf>,
    /// `[server]`.
    pub server: ServerConfig,
    /// `[engine]`.
    pub engine: EngineConfig,
    /// `[[service]]`, in the order of the file.
    pub services: Vec<ServiceConfig>,
    /// `[access]`; without it everybody is the administrator and the server stays on loopback.
    pub access: Option<AccessSection>,
    /// `[audit]`.
    pub audit: AuditConfig,
}

/// `[server]`: where and how clients come in.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where PostgreSQL clients connect.
    pub postgres: Listen,
    /// Where Flight SQL clients connect.
    pub flight: Listen,
    /// Where REST clients connect.
    pub rest: Listen,
    /// The server's certificate.
    pub tls: Option<TlsConfig>,
    /// Who may connect at all; empty means everybody.
    pub allow_ips: Vec<AddressRange>,
    /// How long running queries may go on after SIGTERM.
    pub drain_timeout: Duration,
}

/// A port of this machine alone.
fn local(port: u16) -> Listen {
    Listen::On(ListenAddress {
        host: "127.0.0.1".to_owned(),
        port,
    })
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            postgres: local(5432),
            flight: local(50051),
            rest: local(8080),
            tls: None,
            allow_ips: Vec::new(),
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

/// `server.tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    /// The authorities whose certificates clients may show, PEM.
    pub client_ca: Option<PathBuf>,
}

/// `[engine]`: limits and defaults of queries.
#[derive(Debug, Clone, Default)]
pub struct EngineConfig {
    /// Bytes that all queries together may hold.
    pub memory_limit: Option<usize>,
    /// Where queries spill.
    pub spill_dir: Option<PathBuf>,
    /// How many queries run at once.
    pub max_concurrent_queries: Option<usize>,
    /// How long a query may take.
    pub query_timeout: Option<Duration>,
    /// The catalog of short names.
    pub default_catalog: Option<String>,
    /// The schema of short names.
    pub default_schema: Option<String>,
}

/// One `[[service]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// Its name; the catalog that it is mounted as, unless `catalogs` says otherwise.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
}

/// The kinds of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// A folder of Delta tables.
    Delta {
        /// The folder, ending in `/`.
        location: Url,
        /// Options of the object store, secrets among them.
        storage: BTreeMap<String, Secret>,
        /// The schema of tables that lie directly in the folder.
        schema: String,
    },
    /// A Databricks workspace.
    Databricks(Box<DatabricksConfig>),
    /// An open-source Unity Catalog.
    Unity {
        /// Its address.
        url: Url,
        /// The Spark Connect server for what cannot be read directly, `sc://…`, which may hold a token.
        spark: Option<Secret>,
        /// A token for it.
        access_token: Option<Secret>,
        /// Catalogs to mount: own name to remote name.
        catalogs: BTreeMap<String, String>,
        /// Where storage is, if not where it usually is: `aws_endpoint`, `aws_region`.
        storage: BTreeMap<String, String>,
    },
    /// A Spark Connect server.
    Spark {
        /// Its address, `sc://…`, which may hold a token and other secrets in its parameters.
        workspace_url: Secret,
        /// The catalog of short names.
        catalog: Option<String>,
        /// The schema of short names.
        schema: Option<String>,
        /// A token for it.
        access_token: Option<Secret>,
        /// The authorities that its certificate may come from, PEM, instead of the machine's.
        ca: Option<PathBuf>,
    },
}

impl ServiceConfig {
    /// Whether the catalog of that name is one that the service mounts.
    pub fn mounts(&self, catalog: &str) -> bool {
        let catalogs = match &self.kind {
            ServiceKind::Databricks(config) => &config.catalogs,
            ServiceKind::Unity { catalogs, .. } => catalogs,
            ServiceKind::Delta { .. } | ServiceKind::Spark { .. } => return self.name == catalog,
        };
        match catalogs.is_empty() {
            true => self.name == catalog,
            false => catalogs.contains_key(catalog),
        }
    }
}

impl ServiceKind {
    /// The word after `type =`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Delta { .. } => "delta",
            Self::Databricks(_) => "databricks",
            Self::Unity { .. } => "unity",
            Self::Spark { .. } => "spark",
        }
    }

    /// The files that it names: what they hold may change while the text that names them does not.
    pub fn files(&self) -> Vec<PathBuf> {
        let (secrets, plain): (Vec<&Secret>, Option<&PathBuf>) = match self {
            Self::Delta { storage, .. } => (storage.values().collect(), None),
            Self::Databricks(workspace) => {
                let azure = workspace.azure.as_ref().and_then(|azure| azure.client_secret.as_ref());
                let secrets = [workspace.access_token.as_ref(), workspace.client_secret.as_ref(), azure];
                (secrets.into_iter().flatten().collect(), None)
            }
            Self::Unity {
                spark, access_token, ..
            } => (spark.iter().chain(access_token).collect(), None),
            Self::Spark {
                workspace_url,
                access_token,
                ca,
                ..
            } => ([workspace_url].into_iter().chain(access_token).collect(), ca.as_ref()),
        };
        let of_secrets = secrets.into_iter().filter_map(Secret::file).map(PathBuf::from);
        of_secrets.chain(plain.cloned()).collect()
    }
}

/// The keys of a Databricks workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabricksConfig {
    /// The workspace's address.
    pub workspace_url: Url,
    /// A SQL warehouse.
    pub http_path: Option<String>,
    /// A cluster, through Spark Connect.
    pub cluster_id: Option<String>,
    /// A personal access token.
    pub access_token: Option<Secret>,
    /// OAuth for a service principal: id.
    pub client_id: Option<String>,
    /// OAuth for a service principal: secret.
    pub client_secret: Option<Secret>,
    /// Entra ID.
    pub azure: Option<AzureConfig>,
    /// The catalog of short names.
    pub catalog: Option<String>,
    /// The schema of short names.
    pub schema: Option<String>,
    /// Seconds that a request may take.
    pub timeout_seconds: u64,
    /// Whether privileges of the end user are checked too.
    pub use_unity_catalog: bool,
    /// `auto`, `direct`, `warehouse` or `spark`.
    pub route: Route,
    /// `service` or `passthrough`.
    pub identity: &'static str,
    /// Whether the tokens of users are those of their identity provider, which the workspace exchanges.
    pub token_exchange: bool,
    /// Catalogs to mount: own name to remote name.
    pub catalogs: BTreeMap<String, String>,
    /// Where storage is, if not where it usually is: `aws_endpoint`, `aws_region`.
    pub storage: BTreeMap<String, String>,
}

impl DatabricksConfig {
    /// Whether each user shows its own token there.
    pub fn is_passthrough(&self) -> bool {
        self.identity == "passthrough"
    }
}

/// `azure = { … }` of a Databricks workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureConfig {
    /// The tenant; there if a secret is.
    pub tenant_id: Option<String>,
    /// The application; there if a secret is. Without a secret, which of the machine's identities.
    pub client_id: Option<String>,
    /// Its secret. Without one the machine's own identity logs in.
    pub client_secret: Option<Secret>,
    /// The workspace's resource id.
    pub workspace_resource_id: Option<String>,
    /// Where Entra ID is, if not where the workspace's cloud has it.
    pub authority_host: Option<Url>,
}

/// `[access]`: users and rules.
#[derive(Debug, Clone, Default)]
pub struct AccessSection {
    /// The rule files, in order.
    pub rules: Vec<PathBuf>,
    /// `[[access.user]]`.
    pub users: Vec<UserConfig>,
    /// `[access.jwt]`.
    pub jwt: Option<JwtConfig>,
}

/// One `[[access.user]]`.
#[derive(Debug, Clone)]
pub struct UserConfig {
    /// The login name.
    pub name: String,
    /// The SCRAM-SHA-256 verifier.
    pub password: Option<Secret>,
    /// Hashes of API keys.
    pub api_keys: Vec<String>,
    /// Roles given directly.
    pub roles: Vec<String>,
    /// What `user_attribute('name')` answers.
    pub attributes: BTreeMap<String, String>,
    /// Whether no rule applies.
    pub administrator: bool,
}

/// `[access.jwt]`.
#[derive(Debug, Clone)]
pub struct JwtConfig {
    /// Who must have issued a token.
    pub issuer: String,
    /// For whom.
    pub audience: Option<String>,
    /// Where the keys are fetched.
    pub jwks_url: Option<Url>,
    /// Or which file holds them.
    pub jwks_file: Option<PathBuf>,
    /// The claim with the user's name.
    pub user_claim: String,
    /// The claim with the roles.
    pub roles_claim: String,
    /// Attributes: name to claim.
    pub attributes: BTreeMap<String, String>,
}

/// `[audit]`.
#[derive(Debug, Clone, Default)]
pub struct AuditConfig {
    /// A file, or `stdout`.
    pub path: Option<String>,
}

impl Config {
    /// The files whose content the configuration depends on, for watching.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.file.iter().cloned().collect();
        if let Some(tls) = &self.server.tls {
            files.extend([&tls.cert, &tls.key].into_iter().chain(&tls.client_ca).cloned());
        }
        if let Some(access) = &self.access {
            files.extend(access.rules.iter().cloned());
            let passwords = access.users.iter().filter_map(|user| user.password.as_ref());
            files.extend(passwords.filter_map(Secret::file).map(PathBuf::from));
        }
        files.extend(self.services.iter().flat_map(|service| service.kind.files()));
        files
    }
}
