//! Finds the tables that a statement names, as one identity may see them.

use std::collections::HashMap;
use std::sync::Arc;

use contract::{Error, Identity, QueryContext, Result, TableName, TableVersion};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableSource;
use federation::{RoutedTable, SourceTable, TableDescription};
use futures::future::try_join_all;
use policy::{PresentedTable, RuleScope, Stamp, TableAccess, TableRules};

use crate::access::AccessState;
use crate::engine::SourceSet;

/// Presented tables that are kept; each is a bound rule, some kilobytes.
const PRESENTED_MAX: u64 = 4096;

/// A stored table at one state: what a plan over it depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct OpenedTable {
    pub(crate) name: TableName,
    pub(crate) version: TableVersion,
    pub(crate) state: u64,
    /// Whether only a rule reads it: with the rule's rights, not the user's.
    pub(crate) by_rule: bool,
}

/// The tables of one statement.
#[derive(Default)]
pub(crate) struct StatementTables {
    /// By the name as written.
    pub(crate) sources: HashMap<TableReference, Arc<dyn TableSource>>,
    /// What the plan depends on, tables that only a rule reads included.
    pub(crate) opened: Vec<OpenedTable>,
}

/// Rules bound to tables, kept from statement to statement.
#[derive(Debug, Clone)]
pub(crate) struct PresentedTables(moka::sync::Cache<(Stamp, Vec<OpenedTable>), Arc<dyn TableProvider>>);

impl PresentedTables {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(PRESENTED_MAX))
    }
}

/// Versions that a transaction has pinned: each table is seen as it was at its first use.
pub(crate) type PinnedTables = HashMap<(TableName, TableVersion), Arc<SourceTable>>;

/// What a statement's tables are found by: one state of rules and catalogs, for one identity. Kept by what opens tables
/// while a statement runs.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) sources: Arc<SourceSet>,
    pub(crate) access: Arc<AccessState>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) state: Arc<SessionState>,
    pub(crate) presented: PresentedTables,
    pub(crate) pinned: Option<Arc<parking_lot::Mutex<PinnedTables>>>,
    pub(crate) catalog: String,
    pub(crate) search_path: Vec<String>,
    pub(crate) ctx: QueryContext,
}

impl Ground {
    /// Finds tables on it.
    pub(crate) fn finder(&self) -> TableFinder<'_> {
        TableFinder {
            sources: &self.sources,
            access: &self.access,
            identity: &self.identity,
            state: &self.state,
            presented: &self.presented,
            pinned: self.pinned.as_deref(),
            catalog: &self.catalog,
            search_path: &self.search_path,
            ctx: &self.ctx,
        }
    }

    /// For whom, and under which rules, what is found on it is presented.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::new(&self.identity, self.access.version)
    }
}

/// What a listing tells of a table: no more than the identity may see.
#[derive(Debug, Clone, Default)]
pub(crate) struct SeenTable {
    pub(crate) columns: Option<SchemaRef>,
    pub(crate) comment: Option<String>,
}

/// A stored table as an identity sees it.
struct PresentedAt {
    provider: Arc<dyn TableProvider>,
    opened: Vec<OpenedTable>,
    comment: Option<String>,
}

/// Opens tables for one identity under one state of rules and catalogs.
#[derive(Debug)]
pub(crate) struct TableFinder<'a> {
    pub(crate) sources: &'a SourceSet,
    pub(crate) access: &'a AccessState,
    pub(crate) identity: &'a Identity,
    pub(crate) state: &'a SessionState,
    pub(crate) presented: &'a PresentedTables,
    pub(crate) pinned: Option<&'a parking_lot::Mutex<PinnedTables>>,
    pub(crate) catalog: &'a str,
    pub(crate) search_path: &'a [String],
    pub(crate) ctx: &'a QueryContext,
}

impl TableFinder<'_> {
    /// Opens a stored table under the name that was written, or says that it does not exist (for this identity).
    ///
    /// # Errors
    /// `UndefinedTable`, or what the source says.
    pub(crate) async fn find(
        &self,
        written: &TableReference,
        version: TableVersion,
    ) -> Result<(Arc<dyn TableProvider>, Vec<OpenedTable>)> {
        for name in self.candidates(written) {
            if let Some(found) = self.open_presented(&name, version).await? {
                return Ok((found.provider, found.opened));
            }
        }
        Err(Error::undefined_table(&shown(written)))
    }

    /// The full names that a written name may stand for, in the order of the search path.
    fn candidates(&self, written: &TableReference) -> Vec<TableName> {
        match written {
            TableReference::Bare { table } => {
                let in_schema = |schema: &String| TableName::new(self.catalog, schema, &**table);
                self.search_path.iter().map(in_schema).collect()
            }
            TableReference::Partial { schema, table } => vec![TableName::new(self.catalog, &**schema, &**table)],
            TableReference::Full { catalog, schema, table } => vec![TableName::new(&**catalog, &**schema, &**table)],
        }
    }

    /// What a listing tells of a table that is opened for it; `None` if it is hidden or gone.
    ///
    /// # Errors
    /// What the source says, or a rule that does not fit.
    pub(crate) async fn look(&self, name: &TableName) -> Result<Option<SeenTable>> {
        let found = self.open_presented(name, TableVersion::Latest).await?;
        Ok(found.map(|found| SeenTable {
            columns: Some(found.provider.schema()),
            comment: found.comment,
        }))
    }

    /// What a listing tells of a table that its catalog has described; `None` if rules hide it. Whether the catalog's own
    /// system lets the identity read it is for the caller to ask, of all tables at once.
    ///
    /// # Errors
    /// As [`look`](Self::look).
    pub(crate) async fn see(&self, name: &TableName, described: TableDescription) -> Result<Option<SeenTable>> {
        let TableDescription { columns, comment, .. } = described;
        let columns = match (self.access.rules.table_access(self.identity, name), columns) {
            (TableAccess::Hidden, _) => return Ok(None),
            (TableAccess::Full, columns) => columns,
            (TableAccess::Restricted(_), None) => None,
            (TableAccess::Restricted(rules), Some(columns)) => {
                // Rules say what becomes of columns by way of a table; nobody reads this one.
                let provider: Arc<dyn TableProvider> = Arc::new(EmptyTable::new(columns));
                let referenced = self.referenced(name, &rules).await?.into_iter();
                let tables = referenced.map(|(name, table)| (name, Arc::clone(&table.provider)));
                let tables = tables.collect();
                let scope = RuleScope {
                    state: self.state,
                    tables: &tables,
                };
                let stamp = Stamp::new(self.identity, self.access.version);
                let seen = PresentedTable::restricted(name.clone(), provider, &rules, self.identity, scope, stamp)?;
                Some(seen.schema())
            }
        };
        Ok(Some(SeenTable { columns, comment }))
    }

    /// The other tables that rules on a table read.
    async fn referenced(&self, name: &TableName, rules: &TableRules) -> Result<Vec<(TableName, Arc<SourceTable>)>> {
        let mut found = Vec::new();
        for referenced in rules.referenced_tables(name) {
            let Some(other) = self.open(&referenced, TableVersion::Latest).await? else {
                let what = format!("a rule on {name} reads {referenced}, which does not exist");
                return Err(Error::internal(what));
            };
            found.push((referenced, other));
        }
        Ok(found)
    }

    async fn open_presented(&self, name: &TableName, version: TableVersion) -> Result<Option<PresentedAt>> {
        // Access is asked first: what is hidden costs no more time than what does not exist.
        let access = self.access.rules.table_access(self.identity, name);
        if matches!(access, TableAccess::Hidden) {
            return Ok(None);
        }
        if !self.is_permitted(name).await? {
            return Ok(None);
        }
        let Some(table) = self.open(name, version).await? else {
            return Ok(None);
        };
        let opened = OpenedTable {
            name: name.clone(),
            version,
            state: table.state,
            by_rule: false,
        };
        let stamp = Stamp::new(self.identity, self.access.version);
        let (provider, opened) = match access {
            TableAccess::Hidden => return Ok(None),
            TableAccess::Full => {
                let provider = PresentedTable::full(name.clone(), Arc::clone(&table.provider), stamp);
                (provider, vec![opened])
            }
            TableAccess::Restricted(rules) => self.restrict(&table, &rules, opened, stamp).await?,
        };
        Ok(Some(PresentedAt {
            provider,
            opened,
            comment: table.comment.clone(),
        }))
    }

    async fn restrict(
        &self,
        table: &SourceTable,
        rules: &TableRules,
        opened: OpenedTable,
        stamp: Stamp,
    ) -> Result<(Arc<dyn TableProvider>, Vec<OpenedTable>)> {
        let name = opened.name.clone();
        let mut all = vec![opened];
        let mut named = HashMap::new();
        for (referenced, other) in self.referenced(&name, rules).await? {
            all.push(OpenedTable {
                name: referenced.clone(),
                version: TableVersion::Latest,
                state: other.state,
                by_rule: true,
            });
            named.insert(referenced, Arc::clone(&other.provider));
        }
        let key = (stamp, all.clone());
        if let Some(provider) = self.presented.0.get(&key) {
            return Ok((provider, all));
        }
        let scope = RuleScope {
            state: self.state,
            tables: &named,
        };
        let provider =
            PresentedTable::restricted(name, Arc::clone(&table.provider), rules, self.identity, scope, stamp)?;
        self.presented.0.insert(key, Arc::clone(&provider));
        Ok((provider, all))
    }

    /// Whether the system that has the table lets this identity read it, where its service is to honour that. Asked
    /// at each statement, for tables that a transaction holds too.
    async fn is_permitted(&self, name: &TableName) -> Result<bool> {
        let source = self.sources.find(&name.catalog);
        match source.and_then(|source| source.privileges()) {
            Some(privileges) => self.ctx.race(privileges.may_read(name, self.identity)).await?,
            None => Ok(true),
        }
    }

    async fn open(&self, name: &TableName, version: TableVersion) -> Result<Option<Arc<SourceTable>>> {
        let key = (name.clone(), version);
        let pinned = self.pinned.and_then(|pinned| pinned.lock().get(&key).cloned());
        if let Some(table) = pinned {
            return self.as_pinned(name, version, table).await.map(Some);
        }
        let Some(source) = self.sources.find(&name.catalog) else {
            return Ok(None);
        };
        let table = self.ctx.race(source.table(name, version, self.ctx)).await??;
        if let (Some(pinned), Some(table)) = (self.pinned, &table) {
            pinned.lock().insert(key, Arc::clone(table));
        }
        Ok(table)
    }

    /// A table as a transaction holds it. A remote engine reads what is there when it is asked, so it takes part only
    /// while that is what is held.
    async fn as_pinned(
        &self,
        name: &TableName,
        version: TableVersion,
        table: Arc<SourceTable>,
    ) -> Result<Arc<SourceTable>> {
        let (Some(files), Some(source)) = (
            RoutedTable::files_of(table.provider.as_ref()),
            self.sources.find(&name.catalog),
        ) else {
            return Ok(table);
        };
        let now = self.ctx.race(source.table(name, version, self.ctx)).await?;
        if now.is_ok_and(|now| now.is_some_and(|now| now.state == table.state)) {
            return Ok(table);
        }
        Ok(Arc::new(SourceTable {
            provider: Arc::clone(files),
            // Plans over both ways are none over this one.
            state: !table.state,
            comment: table.comment.clone(),
        }))
    }

    /// Whether each table is still in the state that a plan was made over, and may still be read.
    ///
    /// # Errors
    /// What the source says.
    pub(crate) async fn unchanged(&self, tables: &[OpenedTable]) -> Result<bool> {
        let same = tables.iter().map(|table| async {
            if !table.by_rule && !self.is_permitted(&table.name).await? {
                return Ok(false);
            }
            let now = self.open(&table.name, table.version).await?;
            Ok::<_, Error>(now.is_some_and(|now| now.state == table.state))
        });
        Ok(try_join_all(same).await?.into_iter().all(|same| same))
    }
}

/// A name as the user wrote it, for an error.
pub(crate) fn shown(written: &TableReference) -> String {
    match written {
        TableReference::Bare { table } => table.to_string(),
        TableReference::Partial { schema, table } => format!("{schema}.{table}"),
        TableReference::Full { catalog, schema, table } => format!("{catalog}.{schema}.{table}"),
    }
}

impl StatementTables {
    /// Adds a table under the name that was written.
    pub(crate) fn add(&mut self, written: TableReference, provider: Arc<dyn TableProvider>, opened: Vec<OpenedTable>) {
        self.sources.insert(written, provider_as_source(provider));
        self.opened.extend(opened);
    }
}
