use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use contract::{Error, ErrorKind, Identity, Result};
use datafusion::execution::session_state::SessionState;
use federation::Source;
use tokio::sync::Semaphore;

use crate::access::{AccessConfig, AccessState, LoginMethod};
use crate::authenticate::{PROVEN_LIFETIME, PROVEN_MAX};
use crate::client_session::{ClientSession, SessionOptions};
use crate::login_guard::LoginGuard;
use crate::planning::{PlanCache, template_state};
use crate::query_log::QueryLog;
use crate::token_login::{TokenLogin, TokenLogins};

/// How an [`Engine`] is bounded and what short names mean.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Memory for the working state of all queries together, in bytes; half of the machine's when not given.
    pub memory_limit: Option<usize>,
    /// Where queries spill to; the system's temporary folder when not given.
    pub spill_dir: Option<PathBuf>,
    /// Queries that run at once; more wait.
    pub max_concurrent_queries: usize,
    /// The longest a query may take.
    pub query_timeout: Option<Duration>,
    /// The catalog of a session that names none; the first source when not given.
    pub default_catalog: Option<String>,
    /// The schema that unqualified names are looked up in first.
    pub default_schema: String,
    /// Threads of one query; the number of cores when not given.
    pub target_partitions: Option<usize>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_limit: None,
            spill_dir: None,
            max_concurrent_queries: 64,
            query_timeout: None,
            default_catalog: None,
            default_schema: "default".to_owned(),
            target_partitions: None,
        }
    }
}

/// Collects what an [`Engine`] is made of.
#[derive(Debug)]
pub struct EngineBuilder {
    options: EngineOptions,
    sources: Vec<Arc<dyn Source>>,
    access: AccessConfig,
    token_login: Option<Arc<dyn TokenLogin>>,
}

impl EngineBuilder {
    /// Mounts a catalog.
    pub fn source(mut self, source: Arc<dyn Source>) -> Self {
        self.sources.push(source);
        self
    }

    /// Sets users and rules; without this everybody is the administrator.
    pub fn access(mut self, access: AccessConfig) -> Self {
        self.access = access;
        self
    }

    /// Sets who is asked about tokens that users without a password show; without this none are taken.
    pub fn token_login(mut self, login: Option<Arc<dyn TokenLogin>>) -> Self {
        self.token_login = login;
        self
    }

    /// Makes the engine.
    ///
    /// # Errors
    /// `Configuration` if two catalogs share a name, the default catalog does not exist or the spill folder cannot be
    /// used.
    pub fn build(self) -> Result<Engine> {
        let sources = SourceSet::new(self.sources, self.options.default_catalog.as_deref())?;
        let template = template_state(&self.options)?;
        let mut secret = [0_u8; 32];
        rand::fill(&mut secret);
        Ok(Engine(Arc::new(Shared {
            admission: Arc::new(Semaphore::new(self.options.max_concurrent_queries.max(1))),
            options: self.options,
            sources: ArcSwap::from_pointee(sources),
            access: ArcSwap::from_pointee(AccessState::new(self.access)),
            template,
            plans: PlanCache::new(),
            secret,
            logins: LoginGuard::default(),
            tokens: TokenLogins::new(self.token_login),
            queries: Arc::default(),
            proven: moka::sync::Cache::builder()
                .max_capacity(PROVEN_MAX)
                .time_to_live(PROVEN_LIFETIME)
                .build(),
            started: chrono::Utc::now().timestamp_micros(),
        })))
    }
}

/// The mounted catalogs, replaced as one.
#[derive(Debug)]
pub(crate) struct SourceSet {
    pub(crate) sources: Vec<Arc<dyn Source>>,
    /// Differs after each replacement.
    pub(crate) version: u64,
}

impl SourceSet {
    fn new(sources: Vec<Arc<dyn Source>>, default_catalog: Option<&str>) -> Result<Self> {
        static VERSION: AtomicU64 = AtomicU64::new(1);
        for (index, source) in sources.iter().enumerate() {
            if sources[..index].iter().any(|other| other.name() == source.name()) {
                let message = format!("two services share the name \"{}\"", source.name());
                return Err(Error::new(ErrorKind::Configuration, message).with_hint("Rename one of them."));
            }
        }
        if let Some(name) = default_catalog
            && !sources.iter().any(|source| source.name() == name)
        {
            let message = format!("engine.default_catalog names \"{name}\", which no service provides");
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        Ok(Self {
            sources,
            version: VERSION.fetch_add(1, Ordering::Relaxed),
        })
    }

    pub(crate) fn find(&self, catalog: &str) -> Option<&Arc<dyn Source>> {
        self.sources.iter().find(|source| source.name() == catalog)
    }
}

pub(crate) struct Shared {
    pub(crate) options: EngineOptions,
    pub(crate) sources: ArcSwap<SourceSet>,
    pub(crate) access: ArcSwap<AccessState>,
    pub(crate) template: SessionState,
    pub(crate) plans: PlanCache,
    pub(crate) admission: Arc<Semaphore>,
    /// Makes the verifiers of users who do not exist, and tokens; new at each start.
    pub(crate) secret: [u8; 32],
    pub(crate) logins: LoginGuard,
    pub(crate) tokens: TokenLogins,
    /// What ran lately.
    pub(crate) queries: Arc<QueryLog>,
    /// Passwords that were proven lately, by a keyed hash of what was shown.
    pub(crate) proven: moka::sync::Cache<Arc<[u8]>, Arc<Identity>>,
    /// When the engine was made, in microseconds since 1970-01-01 UTC.
    pub(crate) started: i64,
}

/// The query engine. Cheap to clone; all clones are one engine.
///
/// Embed it with [`Engine::builder`], open a [`ClientSession`] and send it SQL.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

impl Engine {
    /// Starts to put an engine together.
    pub fn builder(options: EngineOptions) -> EngineBuilder {
        EngineBuilder {
            options,
            sources: Vec::new(),
            access: AccessConfig::open(),
            token_login: None,
        }
    }

    /// Replaces users and rules as one. Sessions go by the new ones from their next statement on.
    pub fn reload_access(&self, access: AccessConfig) {
        self.0.access.store(Arc::new(AccessState::new(access)));
    }

    /// Replaces the mounted catalogs as one.
    ///
    /// # Errors
    /// As [`EngineBuilder::build`]; then nothing is changed.
    pub fn reload_sources(&self, sources: Vec<Arc<dyn Source>>) -> Result<()> {
        let sources = SourceSet::new(sources, self.0.options.default_catalog.as_deref())?;
        self.0.sources.store(Arc::new(sources));
        Ok(())
    }

    /// The names of the mounted catalogs.
    pub fn catalogs(&self) -> Vec<String> {
        self.0
            .sources
            .load()
            .sources
            .iter()
            .map(|source| source.name().to_owned())
            .collect()
    }

    /// The mounted catalogs themselves. They know of no access rules.
    pub fn sources(&self) -> Vec<Arc<dyn Source>> {
        self.0.sources.load().sources.clone()
    }

    /// How `user` may prove who it is, coming from this machine (`loopback`) or not.
    pub fn login_method(&self, user: &str, loopback: bool) -> LoginMethod {
        let access = self.0.access.load();
        if self.logs_in_by_token(&access, user) {
            return LoginMethod::Token;
        }
        access.login_method(user, loopback, &self.0.secret)
    }

    /// Who failed to log in lately, on any door.
    pub fn login_guard(&self) -> &LoginGuard {
        &self.0.logins
    }

    /// The identity of a user that has proven who it is.
    ///
    /// # Errors
    /// `InvalidAuthorization` if there is no such user.
    pub fn identity(&self, user: &str) -> Result<Arc<Identity>> {
        self.0.access.load().identity(user)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// `UndefinedCatalog` if the catalog asked for does not exist, `InvalidAuthorization` if this front end is closed
    /// to the identity, `InvalidParameter` or `UndefinedObject` for a wrong start-up setting.
    pub fn open_session(&self, identity: Arc<Identity>, options: SessionOptions) -> Result<ClientSession> {
        ClientSession::open(self.clone(), identity, options)
    }

    /// The functions and planning rules that access rules are bound with, so that rules can be tried beforehand.
    pub fn planning_state(&self) -> &SessionState {
        &self.0.template
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("catalogs", &self.catalogs())
            .finish_non_exhaustive()
    }
}
