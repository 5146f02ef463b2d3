//! What a session sees of the catalogs: `pg_catalog` and `information_schema` over what its identity may see. Every
//! door's listings come from here.

use std::sync::Arc;

use contract::{Result, TableName};
use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::TableReference;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::Statement;
use federation::{Source, TableKind, TableSummary};
use futures::TryStreamExt;
use policy::{SystemTable, TableAccess};
use postgres_dialect::{
    CatalogNeeds, CatalogSnapshot, Comments, DatabaseEntry, RelationKind, RoleEntry, SchemaEntry, SessionFacts,
    TableEntry, TableRows,
};

use crate::catalog_rows::CatalogRows;
use crate::described_tables::described;
use crate::planning::{Ground, TableFinder};
use crate::{ClientSession, Engine};

/// What functions of a session answer, without anything from the catalogs.
pub(crate) fn session_facts(session: &ClientSession) -> SessionFacts {
    let mut facts = SessionFacts::new(session.identity().user(), session.catalog());
    facts.search_path = session.search_path();
    facts.settings = session
        .all_settings()
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value))
        .collect();
    facts.process_id = session.process_id();
    facts.superuser = session.identity().is_administrator();
    facts.started = session.engine().shared().started;
    facts
}

/// The planning state of a session: the template with its time zone and functions.
pub(crate) fn session_state(session: &ClientSession, facts: &Arc<SessionFacts>) -> Result<SessionState> {
    let mut state = session.engine().shared().template.clone();
    state.config_mut().options_mut().execution.time_zone = session.setting("TimeZone");
    state.config_mut().set_extension(Arc::new(session.route()));
    state.config_mut().set_extension(Arc::new(session.pushdown()));
    state.config_mut().set_extension(Arc::clone(session.warnings()));
    // A timestamp with time zone, as in PostgreSQL, only when it knows the zone.
    let now = state
        .scalar_functions()
        .get("now")
        .and_then(|now| now.inner().with_updated_config(state.config_options()));
    if let Some(now) = now {
        state.register_udf(Arc::new(now))?;
    }
    for function in postgres_dialect::session_functions(facts) {
        state.register_udf(function)?;
    }
    Ok(state)
}

/// The system tables for one statement.
#[derive(Debug)]
pub(crate) struct SystemCatalog {
    facts: Arc<SessionFacts>,
    state: Arc<SessionState>,
    /// Whether the statement depends on what exists now.
    pub(crate) is_read: bool,
    /// What the statement reads.
    pub(crate) needs: CatalogNeeds,
    engine: Engine,
    ground: Ground,
}

impl SystemCatalog {
    /// Collects what a statement reads of the catalogs; nothing if it reads nothing.
    pub(crate) async fn for_statement(session: &ClientSession, ground: &Ground, needs: &CatalogNeeds) -> Result<Self> {
        let is_read = *needs != CatalogNeeds::default();
        let (facts, state) = match is_read {
            false => (Arc::clone(session.facts()), Arc::clone(session.state())),
            true => {
                let mut facts = SessionFacts::clone(session.facts());
                facts.catalog = snapshot(&ground.finder()).await?;
                facts.comments = Arc::default();
                let facts = Arc::new(facts);
                let state = session_state(session, &facts)?;
                (facts, Arc::new(state))
            }
        };
        let system = Self {
            facts,
            state,
            is_read,
            needs: needs.clone(),
            engine: session.engine().clone(),
            ground: ground.clone(),
        };
        // What a call with a constant gives is computed while planning, and has a part in the columns' types.
        let named = needs.commented.iter();
        let named = named.filter_map(|name| postgres_dialect::relation_oid(name, &system.facts));
        system.learn(&named.collect::<Vec<_>>()).await?;
        Ok(system)
    }

    /// Finds out all comments, if functions of the statement may ask for any when it runs.
    ///
    /// # Errors
    /// What the source says, and `MemoryExhausted` if the comments are too many.
    pub(crate) async fn learn_comments(&self) -> Result<()> {
        if self.needs.comments != Comments::OfAll {
            return Ok(());
        }
        let all: Vec<u32> = self.facts.catalog.tables().map(|(oid, ..)| oid).collect();
        self.learn(&all).await
    }

    async fn learn(&self, tables: &[u32]) -> Result<()> {
        if tables.is_empty() {
            return Ok(());
        }
        let mut pieces = described(self.ground.clone(), &self.facts.catalog, tables, self.needs.of_columns);
        while let Some(piece) = pieces.try_next().await? {
            piece.iter().try_for_each(|table| self.facts.comments.learn(table))?;
        }
        Ok(())
    }

    /// The state to plan the statement with.
    pub(crate) fn state(&self) -> &Arc<SessionState> {
        &self.state
    }

    /// Turns PostgreSQL's own ways of writing into what the planner knows.
    pub(crate) fn rewrite(&self, statement: &mut Statement) -> Result<()> {
        postgres_dialect::rewrite(statement, &self.facts)
    }

    /// Lets columns of `reg…` types show names, as they do in PostgreSQL.
    pub(crate) fn show_object_names(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        match self.is_read {
            true => Ok(postgres_dialect::show_object_names(plan, &self.facts)?),
            false => Ok(plan),
        }
    }

    /// A system table by the name that was written; `pg_catalog` is searched first, as in PostgreSQL.
    ///
    /// Marked as one by [`SystemTable`].
    pub(crate) fn table(&self, written: &TableReference) -> Result<Option<Arc<dyn TableProvider>>> {
        let schema = written.schema().unwrap_or("pg_catalog");
        if written.catalog().is_some_and(|catalog| catalog != self.facts.database) {
            return Ok(None);
        }
        if schema == "lakegate" && written.table() == "queries" {
            let batch = self.engine.shared().queries.batch(&self.ground.identity)?;
            return Ok(Some(in_memory(batch)?));
        }
        if let Some(relation) = TableRows::of(schema, written.table()) {
            let rows = CatalogRows {
                relation,
                facts: Arc::clone(&self.facts),
                ground: self.ground.clone(),
                needs: self.needs.clone(),
            };
            let stamp = self.ground.stamp();
            return Ok(Some(SystemTable::of_rows(&relation.name(), Arc::new(rows), stamp)));
        }
        let Some(batch) = postgres_dialect::system_batch(schema, written.table(), &self.facts.catalog, &self.facts)?
        else {
            return Ok(None);
        };
        Ok(Some(in_memory(batch)?))
    }
}

fn in_memory(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    Ok(SystemTable::wrap(Arc::new(table)))
}

/// The names of everything in the finder's catalog that its identity may see: by what the catalog's own system lets it
/// see now, and by rules. No table is opened.
pub(crate) async fn snapshot(finder: &TableFinder<'_>) -> Result<Arc<CatalogSnapshot>> {
    let (identity, rules) = (finder.identity, &finder.access.rules);
    let databases = visible_catalogs(finder).await?;
    let databases = databases.into_iter().map(|name| DatabaseEntry { name }).collect();
    let mut schemas = Vec::new();
    let source = finder.sources.find(finder.catalog);
    let source = source.filter(|source| identity.is_administrator() || rules.sees_catalog(identity, source.name()));
    if let Some(source) = source {
        for schema in usable_schemas(finder, source).await? {
            let tables = readable_tables(finder, source, &schema).await?;
            let may_see = |table: &TableSummary| {
                let name = TableName::new(finder.catalog, &schema, &table.name);
                !matches!(rules.table_access(identity, &name), TableAccess::Hidden)
            };
            let tables: Vec<_> = tables.into_iter().filter(may_see).map(entry).collect();
            if tables.is_empty()
                && !identity.is_administrator()
                && !rules.sees_schema(identity, finder.catalog, &schema)
            {
                continue;
            }
            schemas.push(SchemaEntry { name: schema, tables });
        }
    }
    Ok(CatalogSnapshot::new(databases, schemas, role_entries(finder)))
}

/// The catalogs that exist for the finder's identity. One whose system cannot say so now is left out: the others are
/// there all the same, and what is asked of that one says what is wrong.
pub(crate) async fn visible_catalogs(finder: &TableFinder<'_>) -> Result<Vec<String>> {
    let (identity, rules) = (finder.identity, &finder.access.rules);
    let sources = finder.sources.sources.iter();
    let sources = sources.filter(|source| identity.is_administrator() || rules.sees_catalog(identity, source.name()));
    let asked = sources.map(|source| async move {
        let usable = match source.privileges() {
            Some(privileges) => privileges.may_use_catalog(identity).await,
            None => Ok(true),
        };
        if let Err(error) = &usable {
            tracing::debug!(catalog = source.name(), causes = error.causes(), "{error}");
        }
        usable.unwrap_or(false).then(|| source.name().to_owned())
    });
    let names = finder.ctx.race(futures::future::join_all(asked)).await?;
    Ok(names.into_iter().flatten().collect())
}

/// Whether the catalog exists for the finder's identity.
///
/// # Errors
/// What its system says if it cannot tell.
pub(crate) async fn sees_catalog(finder: &TableFinder<'_>, catalog: &str) -> Result<bool> {
    let identity = finder.identity;
    let Some(source) = finder.sources.find(catalog) else {
        return Ok(false);
    };
    if !identity.is_administrator() && !finder.access.rules.sees_catalog(identity, catalog) {
        return Ok(false);
    }
    match source.privileges() {
        Some(privileges) => finder.ctx.race(privileges.may_use_catalog(identity)).await?,
        None => Ok(true),
    }
}

async fn usable_schemas(finder: &TableFinder<'_>, source: &Arc<dyn Source>) -> Result<Vec<String>> {
    let Some(privileges) = source.privileges() else {
        return finder.ctx.race(source.schemas(finder.ctx)).await?;
    };
    finder
        .ctx
        .race(async {
            if !privileges.may_use_catalog(finder.identity).await? {
                return Ok(Vec::new());
            }
            let schemas = source.schemas(finder.ctx).await?;
            privileges.usable_schemas(schemas, finder.identity).await
        })
        .await?
}

async fn readable_tables(
    finder: &TableFinder<'_>,
    source: &Arc<dyn Source>,
    schema: &str,
) -> Result<Vec<TableSummary>> {
    let tables = finder.ctx.race(source.tables(schema, finder.ctx)).await??;
    let Some(privileges) = source.privileges() else {
        return Ok(tables);
    };
    // What rules hide costs no question.
    let rules = &finder.access.rules;
    let named = |table: &TableSummary| TableName::new(finder.catalog, schema, &table.name);
    let open =
        |table: &TableSummary| !matches!(rules.table_access(finder.identity, &named(table)), TableAccess::Hidden);
    let tables = tables.into_iter().filter(open).collect();
    finder
        .ctx
        .race(privileges.readable_tables(schema, tables, finder.identity))
        .await?
}

fn entry(table: TableSummary) -> TableEntry {
    let kind = match table.kind {
        TableKind::Table => RelationKind::Table,
        TableKind::View => RelationKind::View,
    };
    TableEntry::new(table.name, kind)
}

/// The user itself and the roles it has; nobody else's.
fn role_entries(finder: &TableFinder<'_>) -> Vec<RoleEntry> {
    let identity = finder.identity;
    let roles = finder.access.rules.roles_of(identity);
    let user = RoleEntry {
        name: identity.user().to_owned(),
        superuser: identity.is_administrator(),
        login: true,
        member_of: roles.iter().cloned().collect(),
    };
    let role = |name: String| RoleEntry {
        name,
        superuser: false,
        login: false,
        member_of: Vec::new(),
    };
    let others = roles.into_iter().filter(|name| name != identity.user()).map(role);
    std::iter::once(user).chain(others).collect()
}
