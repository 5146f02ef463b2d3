//! A catalog of which each user has its own, by the token that it logged in with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Error, ErrorKind, QueryContext, Result, TableName, TableVersion, UserToken};
use federation::{Source, SourceTable, TableDescriptions, TableSummary};
use moka::sync::Cache;

use super::catalog::UnityCatalog;

/// Users whose names, columns and keys are kept; the one that did nothing for longest begins anew when there are more.
const USERS_MAX: u64 = 512;
/// How long those of a user that does nothing are kept.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Opens the catalog for one user.
type Open = Box<dyn Fn(&UserToken) -> Result<Arc<UnityCatalog>> + Send + Sync>;

/// One catalog of Unity Catalog, seen by each user with its own rights: what one was told, and the keys and the compute
/// that it was given, are no other's.
pub struct UserCatalogs {
    name: String,
    service: String,
    default_schema: Option<String>,
    open: Open,
    kept: Cache<[u8; 32], Arc<UnityCatalog>>,
}

impl fmt::Debug for UserCatalogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserCatalogs")
            .field("name", &self.name)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl UserCatalogs {
    /// The catalog `name` of `service`, where short names mean tables of `default_schema`, if one is given; `open` makes
    /// one that is used for this user alone.
    pub fn new(
        name: &str,
        service: &str,
        default_schema: Option<String>,
        open: impl Fn(&UserToken) -> Result<Arc<UnityCatalog>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            service: service.to_owned(),
            default_schema,
            open: Box::new(open),
            kept: Cache::builder().max_capacity(USERS_MAX).time_to_idle(IDLE).build(),
        })
    }

    fn of(&self, ctx: &QueryContext) -> Result<Arc<UnityCatalog>> {
        let Some(token) = ctx.identity.token() else {
            let message = format!(
                "service \"{}\" is read with a token of the user, and this session has none",
                self.service
            );
            return Err(Error::new(ErrorKind::PermissionDenied, message).with_hint(
                "Log in with a token of the workspace in the place of the password, as a user without a password here.",
            ));
        };
        if let Some(catalog) = self.kept.get(&token.digest()) {
            return Ok(catalog);
        }
        let catalog = (self.open)(token)?;
        // Whoever came first; the other one was never used.
        Ok(self.kept.get_with(token.digest(), || catalog))
    }
}

#[async_trait]
impl Source for UserCatalogs {
    fn name(&self) -> &str {
        &self.name
    }

    fn service(&self) -> &str {
        &self.service
    }

    fn default_schema(&self) -> Option<&str> {
        self.default_schema.as_deref()
    }

    async fn compute_state(&self, ctx: &QueryContext) -> Result<Option<String>> {
        self.of(ctx)?.compute_state(ctx).await
    }

    fn refresh(&self) {
        self.kept.invalidate_all();
    }

    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        self.of(ctx)?.schemas(ctx).await
    }

    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        self.of(ctx)?.tables(schema, ctx).await
    }

    async fn describe(
        &self,
        schema: &str,
        with_columns: bool,
        ctx: &QueryContext,
    ) -> Result<Option<TableDescriptions>> {
        self.of(ctx)?.describe(schema, with_columns, ctx).await
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        self.of(ctx)?.table(name, version, ctx).await
    }
}
