//! Finds the tables that a statement names, as one identity may see them.

use std::collections::HashMap;
use std::sync::Arc;

use contract::{Error, Identity, QueryContext, Result, TableName, TableVersion};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableSource;
use federation::{RoutedTable, SourceTable};
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
                return Ok(found);
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

    async fn open_presented(
        &self,
        name: &TableName,
        version: TableVersion,
    ) -> Result<Option<(Arc<dyn TableProvider>, Vec<OpenedTable>)>> {
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
        match access {
            TableAccess::Hidden => Ok(None),
            TableAccess::Full => {
                let provider = PresentedTable::full(name.clone(), Arc::clone(&table.provider), stamp);
                Ok(Some((provider, vec![opened])))
            }
            TableAccess::Restricted(rules) => self.restrict(&table, &rules, opened, stamp).await.map(Some),
        }
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
        for referenced in rules.referenced_tables(&name) {
            let Some(other) = self.open(&referenced, TableVersion::Latest).await? else {
                let what = format!("a rule on {name} reads {referenced}, which does not exist");
                return Err(Error::internal(what));
            };
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
