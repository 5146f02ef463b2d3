//! What Unity Catalog lets a user of the gateway read, asked with the service's own login.
//!
//! A table is read by who has USE CATALOG and USE SCHEMA on its parents and SELECT on it. Each may come from above
//! (privileges are inherited downward), from ALL PRIVILEGES, from MANAGE, or through a group: the service is asked for the
//! *effective* privileges of the user, which hold all of that. Ownership is not among them. It counts for the owned
//! object itself, if the owner is the user and no group.
//!
//! <https://docs.databricks.com/api/workspace/grants/geteffective>

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::{Error, ErrorKind, Identity, Result, TableName};
use federation::{Privileges, TableSummary};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use moka::sync::Cache;

use super::catalog::UnityCatalog;
use super::client::UnityClient;
use super::model::Assignment;
use crate::clock::Moment;
use crate::outcome::Failure;
use crate::renewing::{Lease, Renewing};

/// Answers that are kept, each of one user about one object; one takes about a kilobyte.
const ANSWERS_MAX: u64 = 50_000;
/// Owners of schemas, and of the tables of a schema, that are kept.
const OWNERS_MAX: u64 = 10_000;
/// What nobody asked for during this time is let go.
const IDLE: Duration = Duration::from_secs(10 * 60);
/// From then on an answer in use is asked for anew behind the query.
const RENEW_MS: Moment = 10_000;
/// From then on it is waited for: so late is a revoked privilege noticed at most.
const END_MS: Moment = 30_000;
/// Tables of one schema that are asked about one by one for a listing, where neither catalog nor schema decides.
const TABLES_ASKED_MAX: usize = 256;
/// Questions of one listing at the same time.
const ASKED_AT_ONCE: usize = 16;

/// What privileges are held on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Securable {
    Catalog,
    Schema(String),
    Table(String, String),
}

impl Securable {
    /// The word of the API's path, and the full name; none if no full name can express it.
    fn address(&self, catalog: &str) -> Option<(&'static str, String)> {
        let (kind, parts) = match self {
            Self::Catalog => ("catalog", vec![catalog]),
            Self::Schema(schema) => ("schema", vec![catalog, schema]),
            Self::Table(schema, table) => ("table", vec![catalog, schema, table]),
        };
        let plain = |part: &&str| !part.is_empty() && !part.contains('.');
        parts.iter().all(plain).then(|| (kind, parts.join(".")))
    }
}

/// What a user may do on an object, and by inheritance on all below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Allowed {
    use_catalog: bool,
    use_schema: bool,
    select: bool,
}

impl Allowed {
    const ALL: Self = Self {
        use_catalog: true,
        use_schema: true,
        select: true,
    };

    fn of(assignments: &[Assignment]) -> Self {
        let mut allowed = Self::default();
        let granted = assignments.iter().flat_map(|assignment| &assignment.privileges);
        for grant in granted {
            match grant.privilege.replace(' ', "_").as_str() {
                "ALL_PRIVILEGES" | "MANAGE" => allowed = Self::ALL,
                "USE_CATALOG" => allowed.use_catalog = true,
                "USE_SCHEMA" => allowed.use_schema = true,
                "SELECT" => allowed.select = true,
                // Whatever else there is, or will be, reads nothing.
                _ => {}
            }
        }
        allowed
    }
}

/// The tables of a schema and who owns them.
type Owners = std::collections::HashMap<String, String>;

/// Answers of one catalog, for each user apart.
#[derive(Debug)]
pub(super) struct UserPrivileges {
    client: Arc<UnityClient>,
    catalog: Arc<str>,
    answers: Cache<(Arc<str>, Securable), Renewing<Allowed>>,
    owners: Cache<Securable, Renewing<Option<String>>>,
    table_owners: Cache<String, Renewing<Owners>>,
}

impl UserPrivileges {
    pub(super) fn new(client: Arc<UnityClient>, catalog: Arc<str>) -> Self {
        Self {
            client,
            catalog,
            answers: Cache::builder().max_capacity(ANSWERS_MAX).time_to_idle(IDLE).build(),
            owners: Cache::builder().max_capacity(OWNERS_MAX).time_to_idle(IDLE).build(),
            table_owners: Cache::builder()
                .max_capacity(OWNERS_MAX / 100)
                .time_to_idle(IDLE)
                .build(),
        }
    }

    /// Lets go of every answer.
    pub(super) fn forget(&self) {
        self.answers.invalidate_all();
        self.owners.invalidate_all();
        self.table_owners.invalidate_all();
    }

    async fn allowed(&self, user: &str, securable: &Securable) -> Result<Allowed> {
        let Some((kind, full_name)) = securable.address(&self.catalog) else {
            return Ok(Allowed::default());
        };
        let user: Arc<str> = user.into();
        let answer = self.answers.get_with((Arc::clone(&user), securable.clone()), || {
            let full_name: Arc<str> = full_name.into();
            self.kept(move |client| {
                let (user, full_name) = (Arc::clone(&user), Arc::clone(&full_name));
                async move {
                    match client.effective_privileges(kind, &full_name, &user).await {
                        Ok(assignments) => Ok(Allowed::of(&assignments)),
                        Err(failure) => Err(not_told(failure, client.workspace().service())),
                    }
                }
            })
        });
        answer.get().await.map(|allowed| *allowed)
    }

    /// Whether the user owns the catalog or schema.
    async fn owns(&self, user: &str, securable: &Securable) -> Result<bool> {
        let Some((kind, full_name)) = securable.address(&self.catalog) else {
            return Ok(false);
        };
        let owner = self.owners.get_with(securable.clone(), || {
            let full_name: Arc<str> = full_name.into();
            self.kept(move |client| {
                let full_name = Arc::clone(&full_name);
                async move {
                    let owner = client.owner(kind, &full_name).await;
                    owner.map_err(|failure| not_told(failure, client.workspace().service()))
                }
            })
        });
        Ok(owner.get().await?.as_deref() == Some(user))
    }

    async fn table_owners(&self, schema: &str) -> Result<Arc<Owners>> {
        let owners = self.table_owners.get_with(schema.to_owned(), || {
            let (catalog, schema): (_, Arc<str>) = (Arc::clone(&self.catalog), schema.into());
            self.kept(move |client| {
                let (catalog, schema) = (Arc::clone(&catalog), Arc::clone(&schema));
                async move {
                    let lines = client.tables(&catalog, &schema).await;
                    let lines = lines.map_err(|failure| not_told(failure, client.workspace().service()))?;
                    Ok(lines.into_iter().filter_map(|line| line.name.zip(line.owner)).collect())
                }
            })
        });
        owners.get().await
    }

    fn kept<T: Send + Sync + 'static, F: Future<Output = Result<T>> + Send + 'static>(
        &self,
        fetch: impl Fn(Arc<UnityClient>) -> F + Send + Sync + 'static,
    ) -> Renewing<T> {
        let client = Arc::clone(&self.client);
        Renewing::new(
            client.workspace().clock().clone(),
            Box::new(move || {
                let (fetched, clock) = (fetch(Arc::clone(&client)), client.workspace().clock().clone());
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

    async fn may_use_catalog(&self, user: &str) -> Result<bool> {
        Ok(self.allowed(user, &Securable::Catalog).await?.use_catalog || self.owns(user, &Securable::Catalog).await?)
    }

    /// What the user may do with all tables of a schema; none if the schema is closed.
    async fn in_schema(&self, user: &str, schema: &str) -> Result<Option<Allowed>> {
        if !self.may_use_catalog(user).await? {
            return Ok(None);
        }
        let inherited = self.allowed(user, &Securable::Catalog).await?;
        if inherited.use_schema && inherited.select {
            return Ok(Some(inherited));
        }
        let securable = Securable::Schema(schema.to_owned());
        let own = self.allowed(user, &securable).await?;
        let usable = inherited.use_schema || own.use_schema || self.owns(user, &securable).await?;
        Ok(usable.then_some(Allowed {
            select: inherited.select || own.select,
            ..own
        }))
    }

    async fn may_select(&self, user: &str, schema: &str, table: &str) -> Result<bool> {
        let securable = Securable::Table(schema.to_owned(), table.to_owned());
        Ok(self.allowed(user, &securable).await?.select)
    }
}

/// What a client of ours is told when the service does not say what a user may do. Nobody may then.
fn not_told(failure: Failure, service: &str) -> Error {
    let refused = failure
        .refusal()
        .is_some_and(|refusal| refusal.status == 403 && refusal.code != "403");
    if !refused {
        return failure.into_error(service);
    }
    let message = format!("service \"{service}\" does not tell what users may read there");
    Error::new(ErrorKind::PermissionDenied, message)
        .with_hint(
            "use_unity_catalog = true asks for the effective privileges of users: make the service's principal owner \
             of the catalog or give it MANAGE there.",
        )
        .with_source(failure.into_error(service))
}

#[async_trait]
impl Privileges for UnityCatalog {
    async fn may_use_catalog(&self, identity: &Identity) -> Result<bool> {
        match &self.users {
            Some(users) => users.may_use_catalog(identity.user()).await,
            None => Ok(true),
        }
    }

    async fn may_read(&self, name: &TableName, identity: &Identity) -> Result<bool> {
        let Some(users) = &self.users else { return Ok(true) };
        let user = identity.user();
        match users.in_schema(user, &name.schema).await? {
            None => Ok(false),
            Some(Allowed { select: true, .. }) => Ok(true),
            Some(_) if users.may_select(user, &name.schema, &name.table).await? => Ok(true),
            Some(_) => {
                let info = self.info(&name.schema, &name.table).await?;
                Ok(info
                    .as_ref()
                    .as_ref()
                    .is_some_and(|info| info.owner.as_deref() == Some(user)))
            }
        }
    }

    async fn usable_schemas(&self, schemas: Vec<String>, identity: &Identity) -> Result<Vec<String>> {
        let Some(users) = &self.users else { return Ok(schemas) };
        let user = identity.user();
        let asked = stream::iter(schemas).map(|schema| async move {
            let usable = users.in_schema(user, &schema).await?.is_some();
            Ok::<_, Error>(usable.then_some(schema))
        });
        let usable: Vec<_> = asked.buffered(ASKED_AT_ONCE).try_collect().await?;
        Ok(usable.into_iter().flatten().collect())
    }

    async fn readable_tables(
        &self,
        schema: &str,
        mut tables: Vec<TableSummary>,
        identity: &Identity,
    ) -> Result<Vec<TableSummary>> {
        let Some(users) = &self.users else { return Ok(tables) };
        let user = identity.user();
        match users.in_schema(user, schema).await? {
            None => return Ok(Vec::new()),
            Some(Allowed { select: true, .. }) => return Ok(tables),
            Some(_) => {}
        }
        let owners = match tables.len() > TABLES_ASKED_MAX {
            true => {
                tracing::warn!(
                    user,
                    schema,
                    left_out = tables.len() - TABLES_ASKED_MAX,
                    "a listing leaves out tables that each have privileges of their own"
                );
                tables.truncate(TABLES_ASKED_MAX);
                None
            }
            false if tables.is_empty() => None,
            false => Some(users.table_owners(schema).await?),
        };
        let owners = &owners;
        let asked = stream::iter(tables).map(|table| async move {
            let owner = owners.as_ref().and_then(|owners| owners.get(&table.name));
            let readable =
                owner.is_some_and(|owner| owner == user) || users.may_select(user, schema, &table.name).await?;
            Ok::<_, Error>(readable.then_some(table))
        });
        let readable: Vec<_> = asked.buffered(ASKED_AT_ONCE).try_collect().await?;
        Ok(readable.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn allowed(privileges: &[&str]) -> Allowed {
        let privileges: Vec<Value> = privileges.iter().map(|name| json!({ "privilege": name })).collect();
        let assignment = json!({ "principal": "ana", "privileges": privileges });
        Allowed::of(&[serde_json::from_value(assignment).unwrap()])
    }

    #[test]
    fn only_what_reads_counts() {
        assert_eq!(
            allowed(&["BROWSE", "MODIFY", "EXTERNAL_USE_SCHEMA", "SELECT_NOTHING"]),
            Allowed::default()
        );
        assert_eq!(allowed(&["ALL_PRIVILEGES"]), Allowed::ALL);
        assert_eq!(allowed(&["ALL PRIVILEGES"]), Allowed::ALL);
        assert_eq!(allowed(&["MANAGE"]), Allowed::ALL);
        assert!(allowed(&["SELECT"]).select && !allowed(&["SELECT"]).use_schema);
        assert_eq!(Allowed::of(&[]), Allowed::default());
    }

    #[test]
    fn what_no_full_name_expresses_is_not_asked_for() {
        let table = |schema: &str, table: &str| Securable::Table(schema.to_owned(), table.to_owned());
        assert_eq!(
            table("s", "größe").address("main"),
            Some(("table", "main.s.größe".to_owned()))
        );
        for unsayable in [table("s", "a.b"), table("", "a"), table("s", ""), table("s.t", "a")] {
            assert_eq!(unsayable.address("main"), None);
        }
        assert_eq!(Securable::Catalog.address("a.b"), None);
        assert_eq!(
            Securable::Schema("s".to_owned()).address("main"),
            Some(("schema", "main.s".to_owned()))
        );
    }
}
