//! From a configuration to an engine: the one place that knows every kind of service.

mod databricks;
mod spark;
mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use engine::{AccessConfig, Engine, EngineOptions, ScramVerifier, TokenLogin, UnknownUsers, UserEntry};
use federation::{RemoteEngine, Source, TableOpener};
use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
use source_spark::SparkCatalog;

use crate::config::{AccessSection, Config, EngineConfig, Secret, ServiceConfig, ServiceKind};
use crate::demo::{self, DemoFolder};

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "lakegate.toml";

/// What the command line says about where the data is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Origin {
    /// The configuration; lakegate.toml of the current folder if it is there
    #[arg(long, value_name = "FILE", env = "LAKEGATE_CONFIG", global = false)]
    pub(crate) config: Option<PathBuf>,
    /// Use generated sample data, users and rules instead of a configuration
    #[arg(long, conflicts_with = "config")]
    pub(crate) demo: bool,
    /// Where the demo keeps its data [default: lakegate/demo in the user's data folder]
    #[arg(long, value_name = "DIR", requires = "demo")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How much data the demo has: TPC-H's scale factor
    #[arg(long, value_name = "FACTOR", requires = "demo", default_value_t = demo::SCALE)]
    pub(crate) demo_scale: f64,
}

/// A configuration with everything that is needed to run it.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) config: Config,
    /// Keeps the demo's folder in use.
    pub(crate) demo: Option<DemoFolder>,
    opener: Arc<DeltaOpener>,
    users: users::Users,
}

impl Setup {
    /// Reads the configuration, and makes the demo's data if that is asked for.
    ///
    /// # Errors
    /// `Configuration`, and those of [`demo::prepare`].
    pub(crate) async fn load(origin: &Origin, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Self> {
        let opener = DeltaOpener::new(DeltaOptions::default());
        if origin.demo {
            let config = crate::config::load(None)?;
            let folder = origin.data_dir.clone().map_or_else(demo::default_folder, Ok)?;
            let demo = demo::prepare(&folder, origin.demo_scale, progress).await?;
            return Ok(Self {
                config,
                demo: Some(demo),
                opener,
                users: users::Users::default(),
            });
        }
        let file = origin.config.clone().or_else(|| {
            let default = Path::new(DEFAULT_FILE);
            default.exists().then(|| default.to_owned())
        });
        let config = crate::config::load(file.as_deref())?;
        if config.services.is_empty() {
            let message = match &file {
                Some(file) => format!("{}: there is no [[service]]", file.display()),
                None => "there is no configuration and no service".to_owned(),
            };
            let hint = "Name a file with --config, describe a service in lakegate.toml, or look around with --demo.";
            return Err(Error::new(ErrorKind::Configuration, message).with_hint(hint));
        }
        Ok(Self {
            config,
            demo: None,
            opener,
            users: users::Users::default(),
        })
    }

    /// Of a configuration that was read already.
    pub(crate) fn of(config: Config) -> Self {
        Self {
            config,
            demo: None,
            opener: DeltaOpener::new(DeltaOptions::default()),
            users: users::Users::default(),
        }
    }

    /// Reads the file again.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn read_again(&self) -> Result<Config> {
        crate::config::load(self.config.file.as_deref())
    }

    /// The catalogs of the services.
    ///
    /// # Errors
    /// `Configuration` for a service that cannot be used as it is described.
    pub(crate) fn sources(&self, config: &Config) -> Result<Vec<Arc<dyn Source>>> {
        let mut sources = Vec::new();
        if let Some(demo) = &self.demo {
            let folder = DeltaFolder::new(
                demo::CATALOG,
                demo.location()?,
                BTreeMap::new(),
                "default",
                Arc::clone(&self.opener),
            )?;
            sources.push(folder as Arc<dyn Source>);
        }
        for service in &config.services {
            sources.extend(self.sources_of(service)?);
        }
        Ok(sources)
    }

    /// The catalogs of one service.
    fn sources_of(&self, service: &ServiceConfig) -> Result<Vec<Arc<dyn Source>>> {
        let name = &service.name;
        let opener = Arc::clone(&self.opener) as Arc<dyn TableOpener>;
        match &service.kind {
            ServiceKind::Delta {
                location,
                storage,
                schema,
            } => {
                let mut options = BTreeMap::new();
                for (key, secret) in storage {
                    let value = secret.resolve(&format!("service \"{name}\": storage.{key}"))?;
                    options.insert(key.clone(), value.expose().to_owned());
                }
                let opener = Arc::clone(&self.opener);
                let folder = DeltaFolder::new(name, location.clone(), options, schema, opener)?;
                Ok(vec![folder as Arc<dyn Source>])
            }
            ServiceKind::Databricks(config) => {
                let users = self.users.of(service, config)?;
                databricks::databricks(service, config, &opener, users)
            }
            ServiceKind::Unity {
                url,
                spark,
                access_token,
                catalogs,
                storage,
            } => {
                let spark = spark.as_ref().map(|address| spark::Server {
                    service: name,
                    key: "spark",
                    address,
                    token: None,
                    ca: None,
                });
                let server = databricks::UnityServer {
                    service: name,
                    url,
                    access_token: access_token.as_ref(),
                    catalogs,
                    storage,
                };
                let spark = spark.map(spark::Server::engine).transpose()?;
                server.sources(&opener, spark.map(|engine| engine as Arc<dyn RemoteEngine>))
            }
            ServiceKind::Spark {
                workspace_url,
                catalog,
                access_token,
                ca,
                schema,
            } => {
                let server = spark::Server {
                    service: name,
                    key: "workspace_url",
                    address: workspace_url,
                    token: access_token.as_ref(),
                    ca: ca.as_deref(),
                };
                let catalog = SparkCatalog::new(name, catalog.as_deref(), schema.as_deref(), server.engine()?);
                Ok(vec![catalog as Arc<dyn Source>])
            }
        }
    }

    /// Users and rules.
    ///
    /// # Errors
    /// `Configuration` if a rules file or a verifier cannot be read.
    pub(crate) fn access(&self, config: &Config) -> Result<AccessConfig> {
        match (&self.demo, &config.access) {
            (Some(_), _) => demo::access_config(),
            (None, Some(access)) => access_config(access),
            (None, None) => Ok(AccessConfig::open()),
        }
    }

    /// Who says whose a token of a user is.
    ///
    /// # Errors
    /// `Configuration` if services are to be read with tokens that nobody could show, or should not.
    pub(crate) fn token_login(&self, config: &Config) -> Result<Option<Arc<dyn TokenLogin>>> {
        match self.demo {
            Some(_) => Ok(None),
            None => self.users.login(config),
        }
    }

    /// The engine over all of it.
    ///
    /// # Errors
    /// `Configuration`.
    pub(crate) fn engine(&self) -> Result<Engine> {
        let mut builder = Engine::builder(engine_options(&self.config.engine));
        for source in self.sources(&self.config)? {
            builder = builder.source(source);
        }
        let login = self.token_login(&self.config)?;
        builder.access(self.access(&self.config)?).token_login(login).build()
    }
}

fn engine_options(config: &EngineConfig) -> EngineOptions {
    let defaults = EngineOptions::default();
    EngineOptions {
        memory_limit: config.memory_limit,
        spill_dir: config.spill_dir.clone(),
        max_concurrent_queries: config.max_concurrent_queries.unwrap_or(defaults.max_concurrent_queries),
        query_timeout: config.query_timeout,
        default_catalog: config.default_catalog.clone(),
        default_schema: config.default_schema.clone().unwrap_or(defaults.default_schema),
        target_partitions: None,
    }
}

fn access_config(access: &AccessSection) -> Result<AccessConfig> {
    if access.jwt.is_some() {
        let message = "[access.jwt]: login by token is not available in this build";
        return Err(Error::new(ErrorKind::Configuration, message));
    }
    let mut files = Vec::new();
    for path in &access.rules {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!("cannot read the rules {}: {error}", path.display()),
            )
        })?;
        files.push((path.display().to_string(), text));
    }
    let rules = policy::parse_rules(&files).map_err(rule_error)?;
    let users = access.users.iter().map(|user| {
        let verifier = user
            .password
            .as_ref()
            .map(|secret| verifier(&user.name, secret))
            .transpose()?;
        Ok(UserEntry {
            name: user.name.clone(),
            verifier,
            api_keys: user.api_keys.clone(),
            roles: user.roles.clone(),
            attributes: user.attributes.clone(),
            administrator: user.administrator,
        })
    });
    Ok(AccessConfig {
        rules,
        users: users.collect::<Result<_>>()?,
        trust_loopback: false,
        unknown_users: UnknownUsers::Refuse,
    })
}

fn verifier(user: &str, secret: &Secret) -> Result<ScramVerifier> {
    let text = secret.resolve(&format!("access.user \"{user}\": password"))?;
    text.expose().parse().map_err(|wrong: String| {
        let message = format!("access.user \"{user}\": password is no SCRAM-SHA-256 verifier: {wrong}");
        Error::new(ErrorKind::Configuration, message).with_hint("Make one with: lakegate hash-password")
    })
}

/// A mistake in a rules file as an error of the configuration.
pub(crate) fn rule_error(error: policy::RuleError) -> Error {
    let ours = Error::new(ErrorKind::Configuration, error.to_string());
    match error.hint {
        Some(hint) => ours.with_hint(hint),
        None => ours,
    }
}
