//! Who may come in, and as whom: the users of the configuration beside the rules. Replaced as one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest;
use contract::{Error, ErrorKind, Identity, Result};

use crate::scram::ScramVerifier;

/// Iterations that a login as nobody pretends to need, when no user of the configuration sets the example.
const FAKE_ITERATIONS: u32 = 4096;

/// A user of the configuration.
#[derive(Debug, Clone, Default)]
pub struct UserEntry {
    /// The login name.
    pub name: String,
    /// What a password is checked against; without one the user cannot log in by password, but by a token of another
    /// system where those are taken.
    pub verifier: Option<ScramVerifier>,
    /// Hashes of API keys, `sha256:` and 64 hex digits.
    pub api_keys: Vec<String>,
    /// Roles given directly.
    pub roles: Vec<String>,
    /// What `user_attribute('name')` answers.
    pub attributes: BTreeMap<String, String>,
    /// Whether no rule applies.
    pub administrator: bool,
}

/// What a name that the configuration does not list may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownUsers {
    /// Nothing: the login fails.
    Refuse,
    /// Everything: the demo, and a server without `[access]` that listens on loopback only.
    Administrator,
}

/// Users and rules, replaced together by [`Engine::reload_access`](crate::Engine::reload_access).
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// Who sees what.
    pub rules: policy::Rules,
    /// Who exists.
    pub users: Vec<UserEntry>,
    /// Whether a connection from this machine needs no password.
    pub trust_loopback: bool,
    /// What other names may do.
    pub unknown_users: UnknownUsers,
}

impl AccessConfig {
    /// Everybody who can reach the server is the administrator: for embedding, and for a server on loopback only.
    pub fn open() -> Self {
        Self {
            rules: policy::Rules::default(),
            users: Vec::new(),
            trust_loopback: true,
            unknown_users: UnknownUsers::Administrator,
        }
    }
}

/// How a front end lets a user prove who it is.
#[derive(Debug, Clone)]
pub enum LoginMethod {
    /// No proof is asked for.
    Trust,
    /// The password behind this verifier; for a name that does not exist, one that no password fits.
    Scram(ScramVerifier),
    /// A token as the password in clear, for [`Engine::log_in`](crate::Engine::log_in); over TLS or from this machine.
    Token,
    /// No proof would be enough.
    Refuse,
}

/// An [`AccessConfig`] in use.
#[derive(Debug)]
pub(crate) struct AccessState {
    pub(crate) rules: policy::Rules,
    /// Differs after each reload, even back to an earlier content: whatever was made under other rules is not reused.
    pub(crate) version: u64,
    users: HashMap<String, (UserEntry, Arc<Identity>)>,
    /// By the SHA-256 of the key.
    api_keys: HashMap<[u8; 32], Arc<Identity>>,
    trust_loopback: bool,
    unknown_users: UnknownUsers,
}

impl AccessState {
    pub(crate) fn new(config: AccessConfig) -> Self {
        static VERSION: AtomicU64 = AtomicU64::new(1);
        let users = config.users.into_iter().map(|entry| {
            let mut identity = Identity::builder(&entry.name).administrator(entry.administrator);
            for role in &entry.roles {
                identity = identity.role(role);
            }
            for (name, value) in &entry.attributes {
                identity = identity.attribute(name, value);
            }
            (entry.name.clone(), (entry, Arc::new(identity.build())))
        });
        let users: HashMap<_, _> = users.collect();
        let api_keys = users.values().flat_map(|(entry, identity)| {
            let hashes = entry.api_keys.iter().filter_map(|hash| key_hash(hash));
            hashes.map(|hash| (hash, Arc::clone(identity)))
        });
        Self {
            rules: config.rules,
            version: VERSION.fetch_add(1, Ordering::Relaxed),
            api_keys: api_keys.collect(),
            users,
            trust_loopback: config.trust_loopback,
            unknown_users: config.unknown_users,
        }
    }

    pub(crate) fn login_method(&self, user: &str, loopback: bool, secret: &[u8; 32]) -> LoginMethod {
        if loopback && self.trust_loopback {
            return match (self.users.contains_key(user), self.unknown_users) {
                (false, UnknownUsers::Refuse) => LoginMethod::Refuse,
                _ => LoginMethod::Trust,
            };
        }
        match self.users.get(user).and_then(|(entry, _)| entry.verifier.clone()) {
            Some(verifier) => LoginMethod::Scram(verifier),
            None => {
                let iterations = self.users.values().find_map(|(entry, _)| entry.verifier.as_ref());
                let iterations = iterations.map_or(FAKE_ITERATIONS, |verifier| verifier.iterations);
                LoginMethod::Scram(ScramVerifier::fake(user, secret, iterations))
            }
        }
    }

    /// The user that holds this API key.
    pub(crate) fn by_api_key(&self, key: &str) -> Option<Arc<Identity>> {
        let hash = digest::digest(&digest::SHA256, key.as_bytes());
        let hash: [u8; 32] = hash.as_ref().try_into().ok()?;
        self.api_keys.get(&hash).cloned()
    }

    /// Differs after the user's password has changed.
    pub(crate) fn password_stamp(&self, user: &str) -> [u8; 32] {
        let verifier = self.users.get(user).and_then(|(entry, _)| entry.verifier.as_ref());
        verifier.map_or([0; 32], |verifier| verifier.stored_key)
    }

    /// Whether the user exists and has no password of its own.
    pub(crate) fn is_without_password(&self, user: &str) -> bool {
        let found = self.users.get(user);
        found.is_some_and(|(entry, _)| entry.verifier.is_none())
    }

    /// What other names may do from this machine without a proof; none where a proof is needed.
    pub(crate) fn trusts_loopback(&self) -> Option<UnknownUsers> {
        self.trust_loopback.then_some(self.unknown_users)
    }

    /// The identity behind a proven name.
    pub(crate) fn identity(&self, user: &str) -> Result<Arc<Identity>> {
        match (self.users.get(user), self.unknown_users) {
            (Some((_, identity)), _) => Ok(Arc::clone(identity)),
            (None, UnknownUsers::Administrator) => Ok(Arc::new(Identity::administrator(user))),
            (None, UnknownUsers::Refuse) => Err(Error::new(
                ErrorKind::InvalidAuthorization,
                format!("role \"{user}\" does not exist"),
            )),
        }
    }

    pub(crate) fn verify_password(
        &self,
        user: &str,
        password: &str,
        loopback: bool,
        secret: &[u8; 32],
    ) -> Result<Arc<Identity>> {
        let proven = match self.login_method(user, loopback, secret) {
            LoginMethod::Trust => true,
            LoginMethod::Scram(verifier) => verifier.verify(password),
            LoginMethod::Token | LoginMethod::Refuse => false,
        };
        if proven {
            return self.identity(user);
        }
        Err(Error::new(
            ErrorKind::InvalidPassword,
            format!("password authentication failed for user \"{user}\""),
        ))
    }
}

/// Reads `sha256:` and 64 hex digits.
fn key_hash(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("sha256:")?.as_bytes();
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}
