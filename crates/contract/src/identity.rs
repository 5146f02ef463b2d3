use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::UserToken;

/// Who asks: a user with roles and attributes, as the configuration, a token or a directory stated them.
///
/// Immutable for the life of a session. Two identities with equal content have equal [`fingerprint`](Self::fingerprint)s,
/// so caches may be shared between connections of one user but never between users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: String,
    roles: BTreeSet<String>,
    attributes: BTreeMap<String, String>,
    administrator: bool,
    token: Option<UserToken>,
    fingerprint: u64,
}

impl Identity {
    /// Starts to describe the user of that name: no roles, no attributes, not an administrator.
    pub fn builder(user: impl Into<String>) -> IdentityBuilder {
        IdentityBuilder {
            user: user.into(),
            roles: BTreeSet::new(),
            attributes: BTreeMap::new(),
            administrator: false,
        }
    }

    /// An administrator: sees everything, under no rule.
    pub fn administrator(user: impl Into<String>) -> Self {
        Self::builder(user).administrator(true).build()
    }

    /// The user's name, SQL's `current_user`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The roles that were given to the user directly; rules add the roles that these are members of.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(String::as_str)
    }

    /// The value of an attribute, SQL's `user_attribute('name')`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Whether no rule applies to this identity.
    pub fn is_administrator(&self) -> bool {
        self.administrator
    }

    /// The same user with the token that it logged in with: no cache is shared with what it has without it, or with
    /// another one.
    pub fn with_token(self, token: UserToken) -> Self {
        let Self {
            user,
            roles,
            attributes,
            administrator,
            ..
        } = self;
        Self::of(user, roles, attributes, administrator, Some(token))
    }

    /// The token that the user logged in with, if that is how it did.
    pub fn token(&self) -> Option<&UserToken> {
        self.token.as_ref()
    }

    fn of(
        user: String,
        roles: BTreeSet<String>,
        attributes: BTreeMap<String, String>,
        administrator: bool,
        token: Option<UserToken>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        (&user, &roles, &attributes, administrator, &token).hash(&mut hasher);
        Self {
            user,
            roles,
            attributes,
            administrator,
            token,
            fingerprint: hasher.finish(),
        }
    }

    /// A hash over everything that rules can depend on, and over whose rights at other systems it has.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

/// Collects what an [`Identity`] is made of.
#[derive(Debug, Clone)]
pub struct IdentityBuilder {
    user: String,
    roles: BTreeSet<String>,
    attributes: BTreeMap<String, String>,
    administrator: bool,
}

impl IdentityBuilder {
    /// Adds a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.insert(role.into());
        self
    }

    /// Adds an attribute.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Sets whether no rule applies.
    pub fn administrator(mut self, administrator: bool) -> Self {
        self.administrator = administrator;
        self
    }

    /// Finishes the identity.
    pub fn build(self) -> Identity {
        let Self {
            user,
            roles,
            attributes,
            administrator,
        } = self;
        Identity::of(user, roles, attributes, administrator, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_makes_another_identity_and_is_not_shown() {
        let user = || Identity::builder("ana").role("r").build();
        let with = |text: &str, digest: u8| user().with_token(UserToken::new(text, [digest; 32]));
        assert_ne!(user(), with("dapi-1", 1));
        assert_ne!(user().fingerprint(), with("dapi-1", 1).fingerprint());
        assert_ne!(with("dapi-1", 1).fingerprint(), with("dapi-2", 2).fingerprint());
        assert_eq!(with("dapi-1", 1), with("dapi-1", 1));
        assert_eq!(with("dapi-1", 1).fingerprint(), with("dapi-1", 1).fingerprint());
        let shown = format!("{:?}", with("dapi-1", 1));
        assert!(!shown.contains("dapi") && !shown.contains("[1, 1"), "{shown}");
    }
}
