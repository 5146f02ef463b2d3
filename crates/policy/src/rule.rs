//! What rules are, once read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use contract::{Identity, TableName};
use datafusion::sql::sqlparser::ast::Expr;

use crate::rule_error::Place;

/// The role that everyone has. It cannot be created, only named.
pub(crate) const PUBLIC: &str = "public";

/// The access rules of one configuration, read as a whole: a reload makes a new value, never changes one.
///
/// What no rule allows is denied, and looks as if it did not exist.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub(crate) version: u64,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) policies: Vec<Arc<Policy>>,
    pub(crate) masks: Vec<Arc<Mask>>,
    pub(crate) services: Vec<ServiceGrant>,
}

impl Rules {
    /// Rules without any statement: only administrators see anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// A hash of the text that these rules were read from: equal texts have equal versions.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the rules know a role of that name.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains_key(role)
    }

    /// The roles of `identity`, with those that they are members of at any remove. PUBLIC is not among them.
    pub fn roles_of(&self, identity: &Identity) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = identity.roles().collect();
        while let Some(role) = open.pop() {
            if found.insert(role.to_owned()) {
                open.extend(
                    self.roles
                        .get(role)
                        .into_iter()
                        .flat_map(|role| role.member_of.iter().map(String::as_str)),
                );
            }
        }
        found
    }

    /// Whether `identity` may come in through `service`: an administrator always, others by
    /// `GRANT EXECUTE ON SERVICE`.
    pub fn may_use_service(&self, identity: &Identity, service: Service) -> bool {
        if identity.is_administrator() {
            return true;
        }
        let roles = self.roles_of(identity);
        let mut allowed = BTreeSet::new();
        for grant in self.services.iter().filter(|grant| grant.service == service) {
            for role in grant.to.iter().filter(|role| *role == PUBLIC || roles.contains(*role)) {
                if grant.allow {
                    allowed.insert(role.as_str());
                } else {
                    allowed.remove(role.as_str());
                }
            }
        }
        !allowed.is_empty()
    }

    /// The rate limits of the roles of `identity`; each of them holds.
    pub fn rate_limits(&self, identity: &Identity) -> Vec<RateLimit> {
        self.roles_of(identity)
            .iter()
            .filter_map(|role| self.roles.get(role)?.rate_limit)
            .collect()
    }

    /// The tables that a policy or a mask stands on, so that a check can tell a rule that no table answers to.
    pub fn protected_tables(&self) -> BTreeSet<&TableName> {
        let policies = self.policies.iter().map(|policy| &policy.table);
        policies.chain(self.masks.iter().map(|mask| &mask.table)).collect()
    }

    /// The names of the roles, sorted.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }
}

/// A way into the product, as named in `GRANT EXECUTE ON SERVICE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The PostgreSQL protocol.
    Postgres,
    /// Arrow Flight SQL.
    Flight,
    /// HTTP.
    Rest,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "postgres",
            Self::Flight => "flight",
            Self::Rest => "rest",
        })
    }
}

/// How many requests a role may make in which time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// The number of requests, at least 1.
    pub requests: u32,
    /// The time in which they may be made.
    pub period: Duration,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Role {
    pub(crate) member_of: BTreeSet<String>,
    pub(crate) rate_limit: Option<RateLimit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
    /// Of a schema or catalog: to see its name.
    Usage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GrantObject {
    Table(TableName),
    Schema { catalog: String, schema: String },
    Catalog(String),
}

/// One privilege on one object, given or taken. The order of these is the order of the statements.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) allow: bool,
    pub(crate) privilege: Privilege,
    /// `None`: all columns.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) object: GrantObject,
    pub(crate) to: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct ServiceGrant {
    pub(crate) allow: bool,
    pub(crate) service: Service,
    pub(crate) to: Vec<String>,
}

/// The expression of a policy or mask, not yet bound to a table.
#[derive(Debug, Clone)]
pub(crate) struct RuleExpression {
    pub(crate) expression: Expr,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyCommand {
    All,
    Select,
    Insert,
    Update,
    Delete,
}

#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) table: TableName,
    pub(crate) permissive: bool,
    pub(crate) command: PolicyCommand,
    pub(crate) to: Vec<String>,
    pub(crate) using: Option<RuleExpression>,
    /// For writes; kept until there are any.
    #[cfg_attr(not(test), expect(dead_code, reason = "checked once writes are planned"))]
    pub(crate) with_check: Option<RuleExpression>,
}

impl Policy {
    pub(crate) fn governs_reads(&self) -> bool {
        matches!(self.command, PolicyCommand::All | PolicyCommand::Select)
    }
}

#[derive(Debug)]
pub(crate) struct Mask {
    pub(crate) name: String,
    pub(crate) table: TableName,
    pub(crate) column: String,
    pub(crate) to: Vec<String>,
    pub(crate) using: RuleExpression,
}
