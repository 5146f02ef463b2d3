//! From the text of rules files to [`Rules`]: a recursive descent over sqlparser's tokens, since its own grammar has
//! no `GRANT role TO role`, `CREATE MASK` or `ON SERVICE` and drops the places that messages need.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::cursor::Cursor;
use crate::identity_function;
use crate::rule::{
    Grant, GrantObject, Mask, PUBLIC, Policy, PolicyCommand, Privilege, RateLimit, Role, RuleExpression, Rules,
    Service, ServiceGrant,
};
use crate::rule_error::{Place, RuleError};

type Result<T> = std::result::Result<T, RuleError>;

/// Reads rules files, each given as its name and its text, into one set of rules.
///
/// Roles may be used before the statement that creates them; grants and revocations take effect in the order in which
/// they stand. Unlike PostgreSQL, `REVOKE SELECT (column)` takes a column out of a grant of the whole table, and what
/// one role is denied another role of the same user may still allow.
///
/// # Errors
/// The first mistake, with its place: a statement that is not known, a role that nothing creates, a second policy or
/// mask of the same name on one table, two masks for one column and role, a circle of memberships.
pub fn parse_rules(files: &[(String, String)]) -> std::result::Result<Rules, RuleError> {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    let mut reader = Reader {
        rules: Rules {
            version: hasher.finish(),
            ..Rules::none()
        },
        uses: Vec::new(),
        members: Vec::new(),
    };
    for (file, text) in files {
        let mut cursor = Cursor::new(file, text)?;
        while !cursor.at_end() {
            if cursor.eat(&Token::SemiColon) {
                continue;
            }
            reader.statement(&mut cursor)?;
            if !cursor.at_end() {
                cursor.expect(&Token::SemiColon)?;
            }
        }
    }
    reader.finish()
}

/// A member, the role that it is made a member of (or no longer), and where that is said.
struct Membership {
    allow: bool,
    role: String,
    member: String,
    place: Place,
}

struct Reader {
    rules: Rules,
    /// Names of roles in use, checked when all files are read.
    uses: Vec<(String, Place)>,
    members: Vec<Membership>,
}

impl Reader {
    fn statement(&mut self, cursor: &mut Cursor) -> Result<()> {
        if cursor.eat_words(&["create", "role"]) {
            self.create_role(cursor)
        } else if cursor.eat_words(&["create", "policy"]) {
            self.create_policy(cursor)
        } else if cursor.eat_words(&["create", "mask"]) {
            self.create_mask(cursor)
        } else if cursor.eat_words(&["alter", "role"]) {
            self.alter_role(cursor)
        } else if cursor.eat_words(&["grant"]) {
            self.grant(cursor, true)
        } else if cursor.eat_words(&["revoke"]) {
            self.grant(cursor, false)
        } else {
            cursor.expected::<()>("CREATE ROLE, CREATE POLICY, CREATE MASK, ALTER ROLE, GRANT or REVOKE")
        }
    }

    fn create_role(&mut self, cursor: &mut Cursor) -> Result<()> {
        let lenient = cursor.eat_words(&["if", "not", "exists"]);
        for (name, place) in cursor.names("the name of a role")? {
            if name == PUBLIC {
                return Err(RuleError::new(&place, "role name \"public\" is reserved"));
            }
            if self.rules.roles.contains_key(&name) {
                if lenient {
                    continue;
                }
                return Err(RuleError::new(&place, format!("role \"{name}\" already exists")));
            }
            self.rules.roles.insert(name, Role::default());
        }
        Ok(())
    }

    fn alter_role(&mut self, cursor: &mut Cursor) -> Result<()> {
        let place = cursor.place();
        let role = cursor.name("the name of a role")?;
        cursor.expect_word("set")?;
        let setting_place = cursor.place();
        let setting = cursor.name("the name of a setting")?;
        if setting != "rate_limit" {
            return Err(
                RuleError::new(&setting_place, format!("unrecognized setting \"{setting}\""))
                    .with_hint("A role has one setting: rate_limit."),
            );
        }
        if !cursor.eat(&Token::Eq) && !cursor.eat_words(&["to"]) {
            return cursor.expected("\"=\"");
        }
        let value_place = cursor.place();
        let value = cursor.string("a value in single quotes")?;
        let limit = rate_limit(&value).ok_or_else(|| {
            RuleError::new(&value_place, format!("invalid rate limit \"{value}\""))
                .with_hint("Write a number and a time: '100/hour'. Times are second, minute, hour and day.")
        })?;
        let Some(found) = self.rules.roles.get_mut(&role) else {
            return Err(unknown_role(&role, &place));
        };
        found.rate_limit = Some(limit);
        Ok(())
    }

    fn create_policy(&mut self, cursor: &mut Cursor) -> Result<()> {
        let place = cursor.place();
        let name = cursor.name("the name of a policy")?;
        cursor.expect_word("on")?;
        let table = cursor.table()?;
        let mut permissive = true;
        if cursor.eat_words(&["as"]) {
            permissive = match cursor.eat_one_of(&["permissive", "restrictive"]) {
                Some(kind) => kind == "permissive",
                None => return cursor.expected("PERMISSIVE or RESTRICTIVE"),
            };
        }
        let mut command = PolicyCommand::All;
        if cursor.eat_words(&["for"]) {
            command = match cursor.eat_one_of(&["all", "select", "insert", "update", "delete"]) {
                Some("all") => PolicyCommand::All,
                Some("select") => PolicyCommand::Select,
                Some("insert") => PolicyCommand::Insert,
                Some("update") => PolicyCommand::Update,
                Some(_) => PolicyCommand::Delete,
                None => return cursor.expected("ALL, SELECT, INSERT, UPDATE or DELETE"),
            };
        }
        let to = if cursor.eat_words(&["to"]) {
            self.grantees(cursor)?
        } else {
            vec![PUBLIC.to_owned()]
        };
        let using = if cursor.eat_words(&["using"]) {
            Some(self.expression(cursor)?)
        } else {
            None
        };
        let with_check = if cursor.eat_words(&["with", "check"]) {
            Some(self.expression(cursor)?)
        } else {
            None
        };
        let policy = Policy {
            name,
            table,
            permissive,
            command,
            to,
            using,
            with_check,
        };
        if policy.governs_reads() && policy.using.is_none() {
            return cursor.expected("USING and the condition of the policy");
        }
        if self
            .rules
            .policies
            .iter()
            .any(|other| other.name == policy.name && other.table == policy.table)
        {
            let message = format!(
                "policy \"{}\" for table \"{}\" already exists",
                policy.name, policy.table
            );
            return Err(RuleError::new(&place, message));
        }
        self.rules.policies.push(Arc::new(policy));
        Ok(())
    }

    fn create_mask(&mut self, cursor: &mut Cursor) -> Result<()> {
        let place = cursor.place();
        let name = cursor.name("the name of a mask")?;
        cursor.expect_word("on")?;
        let table = cursor.table()?;
        cursor.expect(&Token::LParen)?;
        let column = cursor.name("a column")?;
        cursor.expect(&Token::RParen)?;
        let to = if cursor.eat_words(&["to"]) {
            self.grantees(cursor)?
        } else {
            vec![PUBLIC.to_owned()]
        };
        cursor.expect_word("using")?;
        let using = self.expression(cursor)?;
        for other in self.rules.masks.iter().filter(|other| other.table == table) {
            if other.name == name {
                return Err(RuleError::new(
                    &place,
                    format!("mask \"{name}\" for table \"{table}\" already exists"),
                ));
            }
            let both = other.to.iter().find(|role| to.contains(role));
            if let (true, Some(role)) = (other.column == column, both) {
                let message = format!(
                    "column \"{column}\" has the mask \"{}\" for role \"{role}\" already",
                    other.name
                );
                return Err(RuleError::new(&place, message));
            }
        }
        self.rules.masks.push(Arc::new(Mask {
            name,
            table,
            column,
            to,
            using,
        }));
        Ok(())
    }

    fn expression(&mut self, cursor: &mut Cursor) -> Result<RuleExpression> {
        let expression = cursor.parenthesized_expression()?;
        let roles = identity_function::check(&expression.expression)
            .map_err(|message| RuleError::new(&expression.place, message))?;
        self.uses
            .extend(roles.into_iter().map(|role| (role, expression.place.clone())));
        Ok(expression)
    }

    fn grantees(&mut self, cursor: &mut Cursor) -> Result<Vec<String>> {
        let names = cursor.names("the name of a role")?;
        self.uses
            .extend(names.iter().filter(|(name, _)| name != PUBLIC).cloned());
        Ok(names.into_iter().map(|(name, _)| name).collect())
    }

    /// GRANT if `allow`, else REVOKE; the word itself is passed already.
    fn grant(&mut self, cursor: &mut Cursor, allow: bool) -> Result<()> {
        let preposition = if allow { "to" } else { "from" };
        if cursor.eat_words(&["execute"]) {
            return self.service(cursor, allow, preposition);
        }
        let privileges = privileges(cursor)?;
        if privileges.is_empty() {
            return self.membership(cursor, allow, preposition);
        }
        cursor.expect_word("on")?;
        let place = cursor.place();
        let objects = objects(cursor)?;
        cursor.expect_word(preposition)?;
        let to = self.grantees(cursor)?;
        for (privilege, columns) in &privileges {
            for object in &objects {
                let is_table = matches!(object, GrantObject::Table(_));
                if columns.is_some() && !is_table {
                    return Err(RuleError::new(&place, "columns can be listed for a table only"));
                }
                if *privilege == Privilege::Usage && is_table {
                    return Err(RuleError::new(&place, "USAGE applies to a schema or a catalog"));
                }
                self.rules.grants.push(Grant {
                    allow,
                    privilege: *privilege,
                    columns: columns.clone(),
                    object: object.clone(),
                    to: to.clone(),
                });
            }
        }
        Ok(())
    }

    fn service(&mut self, cursor: &mut Cursor, allow: bool, preposition: &str) -> Result<()> {
        cursor.expect_word("on")?;
        cursor.expect_word("service")?;
        let mut services = Vec::new();
        loop {
            services.push(match cursor.eat_one_of(&["postgres", "flight", "rest"]) {
                Some("postgres") => Service::Postgres,
                Some("flight") => Service::Flight,
                Some(_) => Service::Rest,
                None => return cursor.expected("postgres, flight or rest"),
            });
            if !cursor.eat(&Token::Comma) {
                break;
            }
        }
        cursor.expect_word(preposition)?;
        let to = self.grantees(cursor)?;
        self.rules
            .services
            .extend(services.into_iter().map(|service| ServiceGrant {
                allow,
                service,
                to: to.clone(),
            }));
        Ok(())
    }

    fn membership(&mut self, cursor: &mut Cursor, allow: bool, preposition: &str) -> Result<()> {
        let roles = cursor.names("a privilege or the name of a role")?;
        if !cursor.eat_words(&[preposition]) {
            let expected = preposition.to_ascii_uppercase();
            return cursor.expected(&format!(
                "{expected} (the privileges are SELECT, INSERT, UPDATE, DELETE, USAGE, ALL, EXECUTE)"
            ));
        }
        let members = cursor.names("the name of a role")?;
        for (role, place) in &roles {
            self.uses.push((role.clone(), place.clone()));
            for (member, place) in &members {
                self.uses.push((member.clone(), place.clone()));
                self.members.push(Membership {
                    allow,
                    role: role.clone(),
                    member: member.clone(),
                    place: place.clone(),
                });
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Rules> {
        for (role, place) in &self.uses {
            if !self.rules.roles.contains_key(role) {
                return Err(unknown_role(role, place));
            }
        }
        for Membership {
            allow,
            role,
            member,
            place,
        } in self.members
        {
            if allow && reaches(&self.rules, &role, &member) {
                let message = format!("role \"{role}\" is a member of role \"{member}\"");
                return Err(RuleError::new(&place, message));
            }
            if let Some(found) = self.rules.roles.get_mut(&member) {
                if allow {
                    found.member_of.insert(role);
                } else {
                    found.member_of.remove(&role);
                }
            }
        }
        Ok(self.rules)
    }
}

fn unknown_role(role: &str, place: &Place) -> RuleError {
    RuleError::new(place, format!("role \"{role}\" does not exist")).with_hint(format!("Add CREATE ROLE {role}."))
}

/// Whether `from` is `to` or a member of it.
fn reaches(rules: &Rules, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(role) = open.pop() {
        if role == to {
            return true;
        }
        if seen.insert(role) {
            open.extend(
                rules
                    .roles
                    .get(role)
                    .into_iter()
                    .flat_map(|role| role.member_of.iter().map(String::as_str)),
            );
        }
    }
    false
}

/// The privileges that stand next with their columns; none if something else stands there.
fn privileges(cursor: &mut Cursor) -> Result<Vec<(Privilege, Option<Vec<String>>)>> {
    if cursor.eat_words(&["all"]) {
        cursor.eat_words(&["privileges"]);
        let all = [
            Privilege::Select,
            Privilege::Insert,
            Privilege::Update,
            Privilege::Delete,
        ];
        return Ok(all.into_iter().map(|privilege| (privilege, None)).collect());
    }
    let mut found = Vec::new();
    loop {
        let privilege = match cursor.eat_one_of(&["select", "insert", "update", "delete", "usage"]) {
            Some("select") => Privilege::Select,
            Some("insert") => Privilege::Insert,
            Some("update") => Privilege::Update,
            Some("delete") => Privilege::Delete,
            Some(_) => Privilege::Usage,
            None if found.is_empty() => return Ok(found),
            None => return cursor.expected("a privilege"),
        };
        let takes_columns = !matches!(privilege, Privilege::Delete | Privilege::Usage);
        let columns = if takes_columns && cursor.next_is(&Token::LParen) {
            Some(cursor.column_list()?)
        } else {
            None
        };
        found.push((privilege, columns));
        if !cursor.eat(&Token::Comma) {
            return Ok(found);
        }
    }
}

fn objects(cursor: &mut Cursor) -> Result<Vec<GrantObject>> {
    let kind = if cursor.eat_words(&["all", "tables", "in", "schema"]) || cursor.eat_words(&["schema"]) {
        "schema"
    } else if cursor.eat_one_of(&["catalog", "database"]).is_some() {
        "catalog"
    } else {
        cursor.eat_words(&["table"]);
        "table"
    };
    let mut found = Vec::new();
    loop {
        found.push(match kind {
            "schema" => {
                let mut parts = cursor.dotted_name(2, "a schema as catalog.schema")?.into_iter();
                let catalog = parts.next().unwrap_or_default();
                let schema = parts.next().unwrap_or_default();
                GrantObject::Schema { catalog, schema }
            }
            "catalog" => GrantObject::Catalog(cursor.name("the name of a catalog")?),
            _ => GrantObject::Table(cursor.table()?),
        });
        if !cursor.eat(&Token::Comma) {
            return Ok(found);
        }
    }
}

/// `100/hour`
fn rate_limit(text: &str) -> Option<RateLimit> {
    let (requests, unit) = text.split_once('/')?;
    let requests = requests.trim().parse().ok().filter(|requests| *requests > 0)?;
    let seconds = match unit.trim() {
        "second" => 1,
        "minute" => 60,
        "hour" => 3600,
        "day" => 86_400,
        _ => return None,
    };
    Some(RateLimit {
        requests,
        period: Duration::from_secs(seconds),
    })
}
