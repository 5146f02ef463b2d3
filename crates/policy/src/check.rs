//! Tries the rules of a table on the table, without anybody asking: for a check before rules go into use.

use std::collections::BTreeSet;
use std::sync::Arc;

use contract::{Identity, TableName};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;

use crate::access::{RowFilter, TableRules, Visible, relations};
use crate::bind::{RuleScope, plan_rules};
use crate::rule::{GrantObject, Mask, Policy, Rules};
use crate::rule_error::{Place, RuleError};

impl Rules {
    /// The other tables that the policies and masks of `table` read, whoever asks.
    pub fn tables_read_by(&self, table: &TableName) -> Vec<TableName> {
        let policies = self.policies.iter().filter(|policy| policy.table == *table);
        let masks = self
            .masks
            .iter()
            .filter(|mask| mask.table == *table)
            .map(|mask| &mask.using);
        let expressions = policies.filter_map(|policy| policy.using.as_ref()).chain(masks);
        let found: BTreeSet<_> = expressions
            .flat_map(|expression| relations(expression, table))
            .collect();
        found.into_iter().collect()
    }

    /// Tries every policy and mask of `table` on it. `scope` must hold [`tables_read_by`](Self::tables_read_by).
    ///
    /// # Errors
    /// Each rule that does not fit the table: an unknown column or function, a wrong type. The messages name columns
    /// and are for whoever writes the rules.
    pub fn check_table(
        &self,
        table: &TableName,
        inner: &Arc<dyn TableProvider>,
        scope: RuleScope<'_>,
    ) -> std::result::Result<(), Vec<RuleError>> {
        let nobody = Identity::builder("").build();
        let attempt = |rules: TableRules| -> Result<()> {
            plan_rules(table, Arc::clone(inner), &rules, &nobody, scope).map(|_| ())
        };
        let mut errors = Vec::new();
        let mut note = |place: &Place, outcome: Result<()>| {
            if let Err(error) = outcome {
                let why = error.find_root().strip_backtrace();
                // What follows is a list of all columns.
                let why = why.lines().next().unwrap_or_default();
                errors.push(RuleError::new(place, format!("this rule does not fit {table}: {why}")));
            }
        };
        for policy in self.policies.iter().filter(|policy| policy.table == *table) {
            if let Some(using) = &policy.using {
                note(&using.place, attempt(alone(Some(policy), None)));
            }
        }
        for mask in self.masks.iter().filter(|mask| mask.table == *table) {
            note(&mask.using.place, attempt(alone(None, Some(mask))));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Every table that a grant, a revocation, a policy or a mask names.
    pub fn tables_named(&self) -> BTreeSet<&TableName> {
        let granted = self.grants.iter().filter_map(|grant| match &grant.object {
            GrantObject::Table(table) => Some(table),
            GrantObject::Schema { .. } | GrantObject::Catalog(_) => None,
        });
        granted.chain(self.protected_tables()).collect()
    }

    /// Every schema that a grant or a revocation names as a whole, with its catalog.
    pub fn schemas_named(&self) -> BTreeSet<(&str, &str)> {
        let schemas = self.grants.iter().filter_map(|grant| match &grant.object {
            GrantObject::Schema { catalog, schema } => Some((catalog.as_str(), schema.as_str())),
            GrantObject::Table(_) | GrantObject::Catalog(_) => None,
        });
        schemas.collect()
    }

    /// Every catalog that a grant or a revocation names as a whole.
    pub fn catalogs_named(&self) -> BTreeSet<&str> {
        let catalogs = self.grants.iter().filter_map(|grant| match &grant.object {
            GrantObject::Catalog(catalog) => Some(catalog.as_str()),
            GrantObject::Table(_) | GrantObject::Schema { .. } => None,
        });
        catalogs.collect()
    }

    /// The columns that grants and revocations of `table` name, so that a check can find misspelled ones.
    pub fn columns_named(&self, table: &TableName) -> BTreeSet<&str> {
        let object = GrantObject::Table(table.clone());
        let grants = self.grants.iter().filter(|grant| grant.object == object);
        grants
            .flat_map(|grant| grant.columns.iter().flatten())
            .map(String::as_str)
            .collect()
    }
}

fn alone(policy: Option<&Arc<Policy>>, mask: Option<&Arc<Mask>>) -> TableRules {
    let filter = match policy {
        Some(policy) => RowFilter::Rows {
            permissive: vec![Arc::clone(policy)],
            restrictive: Vec::new(),
        },
        None => RowFilter::AllRows,
    };
    let masks = mask.into_iter().cloned().collect();
    TableRules {
        visible: Visible::AllBut(BTreeSet::new()),
        filter,
        masks,
        roles: BTreeSet::new(),
    }
}
