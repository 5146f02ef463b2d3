//! What of a table an identity may see, decided from the rules alone.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use contract::{Identity, TableName};
use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit, Visitor};

use crate::rule::{GrantObject, Mask, PUBLIC, Policy, Privilege, RuleExpression, Rules};

/// What of a table an identity may see.
#[derive(Debug, Clone)]
pub enum TableAccess {
    /// Nothing: for this identity the table does not exist.
    Hidden,
    /// All rows and columns as they are.
    Full,
    /// Some columns, or some rows, or some values only.
    Restricted(Arc<TableRules>),
}

/// The rules that stand between one identity and one table.
#[derive(Debug)]
pub struct TableRules {
    pub(crate) visible: Visible,
    pub(crate) filter: RowFilter,
    pub(crate) masks: Vec<Arc<Mask>>,
    /// The roles of the identity, for `is_member`.
    pub(crate) roles: BTreeSet<String>,
}

/// Which columns are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visible {
    /// All, also those that are added later, but not these.
    AllBut(BTreeSet<String>),
    Only(BTreeSet<String>),
}

impl Visible {
    pub(crate) fn shows(&self, column: &str) -> bool {
        match self {
            Self::AllBut(hidden) => !hidden.contains(column),
            Self::Only(shown) => shown.contains(column),
        }
    }
}

/// Which rows are seen.
#[derive(Debug)]
pub(crate) enum RowFilter {
    /// The table has no policy.
    AllRows,
    /// The table has policies and none lets this identity see a row.
    NoRow,
    /// Rows for which any of `permissive` and all of `restrictive` are true.
    Rows {
        permissive: Vec<Arc<Policy>>,
        restrictive: Vec<Arc<Policy>>,
    },
}

impl TableRules {
    /// The other tables that the conditions and masks read, to be opened before the table is presented. `home` is the
    /// table that these rules stand on: short names in its rules mean tables beside it.
    pub fn referenced_tables(&self, home: &TableName) -> Vec<TableName> {
        let mut found = BTreeSet::new();
        for expression in self.expressions() {
            found.extend(relations(expression, home));
        }
        found.into_iter().collect()
    }

    fn expressions(&self) -> impl Iterator<Item = &RuleExpression> {
        let policies = match &self.filter {
            RowFilter::Rows {
                permissive,
                restrictive,
            } => [permissive.as_slice(), restrictive.as_slice()],
            RowFilter::AllRows | RowFilter::NoRow => [[].as_slice(), [].as_slice()],
        };
        let policies = policies
            .into_iter()
            .flatten()
            .filter_map(|policy| policy.using.as_ref());
        policies.chain(self.masks.iter().map(|mask| &mask.using))
    }
}

impl Rules {
    /// What `identity` may see of `table`.
    ///
    /// The rights of a user are those of all its roles and of PUBLIC together. A table with any policy shows no row
    /// unless a permissive one applies. A mask applies to a user if it names one of the user's roles, even if another
    /// role of the user has none; of several masks for one column the first in the rules is taken.
    pub fn table_access(&self, identity: &Identity, table: &TableName) -> TableAccess {
        if identity.is_administrator() {
            return TableAccess::Full;
        }
        let roles = self.roles_of(identity);
        let Some(visible) = self.visible_columns(&roles, table) else {
            return TableAccess::Hidden;
        };
        let filter = self.row_filter(&roles, table);
        let mut masks: Vec<Arc<Mask>> = Vec::new();
        for mask in self
            .masks
            .iter()
            .filter(|mask| mask.table == *table && applies(&mask.to, &roles))
        {
            if !masks.iter().any(|taken| taken.column == mask.column) {
                masks.push(Arc::clone(mask));
            }
        }
        let unrestricted = matches!(&visible, Visible::AllBut(hidden) if hidden.is_empty());
        if unrestricted && matches!(filter, RowFilter::AllRows) && masks.is_empty() {
            return TableAccess::Full;
        }
        TableAccess::Restricted(Arc::new(TableRules {
            visible,
            filter,
            masks,
            roles,
        }))
    }

    /// Whether `identity` may know that the schema exists: it has USAGE, or SELECT on something in it.
    pub fn sees_schema(&self, identity: &Identity, catalog: &str, schema: &str) -> bool {
        self.sees(identity, |object| match object {
            GrantObject::Table(table) => table.catalog == catalog && table.schema == schema,
            GrantObject::Schema {
                catalog: its_catalog,
                schema: its_schema,
            } => its_catalog == catalog && its_schema == schema,
            GrantObject::Catalog(its_catalog) => its_catalog == catalog,
        })
    }

    /// Whether `identity` may know that the catalog exists: it has USAGE, or SELECT on something in it.
    pub fn sees_catalog(&self, identity: &Identity, catalog: &str) -> bool {
        self.sees(identity, |object| match object {
            GrantObject::Table(table) => table.catalog == catalog,
            GrantObject::Schema {
                catalog: its_catalog, ..
            }
            | GrantObject::Catalog(its_catalog) => its_catalog == catalog,
        })
    }

    /// Whether a grant on an object that `fits` still holds when all statements are done. For a table, that is asked
    /// of the table itself, since a wider statement may have taken the right away again.
    fn sees(&self, identity: &Identity, fits: impl Fn(&GrantObject) -> bool) -> bool {
        if identity.is_administrator() {
            return true;
        }
        let roles = self.roles_of(identity);
        let granted = self
            .grants
            .iter()
            .filter(|grant| grant.allow && applies(&grant.to, &roles) && fits(&grant.object));
        granted.into_iter().any(|grant| match (&grant.object, grant.privilege) {
            (GrantObject::Table(table), Privilege::Select) => self.visible_columns(&roles, table).is_some(),
            (object, Privilege::Select | Privilege::Usage) => roles
                .iter()
                .map(String::as_str)
                .chain([PUBLIC])
                .any(|role| self.holds_wide(role, object, grant.privilege)),
            _ => false,
        })
    }

    /// Whether `role` holds the privilege on the very schema or catalog after all statements.
    fn holds_wide(&self, role: &str, object: &GrantObject, privilege: Privilege) -> bool {
        let mut holds = false;
        for grant in self
            .grants
            .iter()
            .filter(|grant| grant.privilege == privilege && grant.to.iter().any(|to| to == role))
        {
            if covers(&grant.object, object) {
                if grant.allow && grant.object == *object {
                    holds = true;
                } else if !grant.allow {
                    holds = false;
                }
            }
        }
        holds
    }

    /// `None` if no column is seen.
    fn visible_columns(&self, roles: &BTreeSet<String>, table: &TableName) -> Option<Visible> {
        let object = GrantObject::Table(table.clone());
        let mut hidden: Option<BTreeSet<String>> = None;
        let mut shown = BTreeSet::new();
        for role in roles.iter().map(String::as_str).chain([PUBLIC]) {
            let mut all = false;
            let mut columns: BTreeSet<String> = BTreeSet::new();
            let reading = |grant: &&crate::rule::Grant| {
                grant.privilege == Privilege::Select
                    && grant.to.iter().any(|to| to == role)
                    && covers(&grant.object, &object)
            };
            for grant in self.grants.iter().filter(reading) {
                match &grant.columns {
                    None => {
                        all = grant.allow;
                        columns.clear();
                    }
                    // Of a role that has all columns `columns` are the exceptions, else they are what it has.
                    Some(named) if grant.allow != all => columns.extend(named.iter().cloned()),
                    Some(named) => columns.retain(|column| !named.contains(column)),
                }
            }
            if !all {
                shown.append(&mut columns);
            } else if let Some(hidden) = &mut hidden {
                hidden.retain(|column| columns.contains(column));
            } else {
                hidden = Some(columns);
            }
        }
        match hidden {
            Some(hidden) => Some(Visible::AllBut(
                hidden.into_iter().filter(|column| !shown.contains(column)).collect(),
            )),
            None if shown.is_empty() => None,
            None => Some(Visible::Only(shown)),
        }
    }

    fn row_filter(&self, roles: &BTreeSet<String>, table: &TableName) -> RowFilter {
        let on_table: Vec<_> = self.policies.iter().filter(|policy| policy.table == *table).collect();
        if on_table.is_empty() {
            return RowFilter::AllRows;
        }
        let (permissive, restrictive): (Vec<_>, Vec<_>) = on_table
            .into_iter()
            .filter(|policy| policy.governs_reads() && applies(&policy.to, roles))
            .cloned()
            .partition(|policy| policy.permissive);
        if permissive.is_empty() {
            RowFilter::NoRow
        } else {
            RowFilter::Rows {
                permissive,
                restrictive,
            }
        }
    }
}

fn applies(to: &[String], roles: &BTreeSet<String>) -> bool {
    to.iter().any(|role| role == PUBLIC || roles.contains(role))
}

/// Whether a right on `wide` is one on `narrow`.
fn covers(wide: &GrantObject, narrow: &GrantObject) -> bool {
    match (wide, narrow) {
        (GrantObject::Catalog(catalog), GrantObject::Schema { catalog: its, .. }) => catalog == its,
        (GrantObject::Catalog(catalog), GrantObject::Table(table)) => *catalog == table.catalog,
        (GrantObject::Schema { catalog, schema }, GrantObject::Table(table)) => {
            *catalog == table.catalog && *schema == table.schema
        }
        _ => wide == narrow,
    }
}

/// The tables that an expression reads from.
pub(crate) fn relations(expression: &RuleExpression, home: &TableName) -> Vec<TableName> {
    let mut relations = Relations {
        names: Vec::new(),
        defined: BTreeSet::new(),
    };
    // It never breaks off.
    let _: ControlFlow<()> = expression.expression.visit(&mut relations);
    let Relations { names, defined } = relations;
    names
        .into_iter()
        .filter(|parts| !matches!(parts.as_slice(), [name] if defined.contains(name)))
        .filter_map(|parts| resolve(&parts, home))
        .collect()
}

/// A name of one, two or three parts, as seen from the table `home`.
pub(crate) fn resolve(parts: &[String], home: &TableName) -> Option<TableName> {
    match parts {
        [table] => Some(TableName::new(&home.catalog, &home.schema, table)),
        [schema, table] => Some(TableName::new(&home.catalog, schema, table)),
        [catalog, schema, table] => Some(TableName::new(catalog, schema, table)),
        _ => None,
    }
}

struct Relations {
    names: Vec<Vec<String>>,
    /// Names that WITH gives to queries.
    defined: BTreeSet<String>,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.defined.extend(with.map(|cte| fold(&cte.alias.name)));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.names
            .push(relation.0.iter().filter_map(|part| part.as_ident()).map(fold).collect());
        ControlFlow::Continue(())
    }
}

fn fold(name: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if name.quote_style.is_some() {
        name.value.clone()
    } else {
        name.value.to_lowercase()
    }
}
