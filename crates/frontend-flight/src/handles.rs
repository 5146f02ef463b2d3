//! What clients hold on to between calls: statements and sessions, each under a name that is worth something only to
//! the identity that got it.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, ErrorKind, Identity, Result};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use rand::RngCore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::statement::{Session, Statement};

/// Identities that hold something at once; the one unused for longest is forgotten first.
const OWNERS_MAX: u64 = 1024;
/// Handles of all identities together. One is some tens of kilobytes: a plan and the session that it belongs to.
const PLACES_MAX: usize = 16_384;
/// Of one identity; the handle unused for longest ends when there are more.
const PREPARED_MAX: u64 = 1024;
const TICKETS_MAX: u64 = 256;
const SESSIONS_MAX: u64 = 512;
/// A client that keeps a statement keeps it for its connection; a ticket is fetched right away, or again after a
/// failure.
const IDLE_MAX: Duration = Duration::from_secs(3600);
const TICKET_IDLE_MAX: Duration = Duration::from_secs(600);

/// A handle as clients hold it: random, so that it cannot be guessed.
pub(crate) type Handle = [u8; 16];

/// Which calls a handle of a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Prepared by the client, which closes it.
    Prepared,
    /// Of a query that is to be fetched.
    Ticket,
}

/// A place among all handles; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// All that is held.
#[derive(Debug)]
pub(crate) struct Handles {
    owners: Cache<u64, Arc<Held>>,
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct Held {
    owner: Arc<Identity>,
    prepared: Cache<Handle, Arc<Statement>>,
    tickets: Cache<Handle, Arc<Statement>>,
    sessions: Cache<String, Arc<Session>>,
}

impl Handles {
    pub(crate) fn new() -> Self {
        Self {
            owners: cache(OWNERS_MAX, IDLE_MAX),
            places: Arc::new(Semaphore::new(PLACES_MAX)),
        }
    }

    /// Room for one more statement or session.
    ///
    /// # Errors
    /// `LimitExceeded`.
    pub(crate) fn place(&self) -> Result<Place> {
        if self.places.available_permits() == 0 {
            self.sweep();
        }
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: permit }),
            Err(_) => Err(Error::new(ErrorKind::LimitExceeded, "too many open statements")
                .with_hint("Close prepared statements that are not needed any more.")),
        }
    }

    /// Keeps a statement for its owner.
    pub(crate) fn keep(&self, kind: Kind, statement: Arc<Statement>) -> Handle {
        let mut handle = Handle::default();
        rand::rng().fill_bytes(&mut handle);
        self.held(statement.owner()).statements(kind).insert(handle, statement);
        handle
    }

    /// The statement of that handle, if it is this identity's.
    pub(crate) fn find(&self, kind: Kind, identity: &Identity, handle: &[u8]) -> Option<Arc<Statement>> {
        let held = self.existing(identity)?;
        held.statements(kind).get(&Handle::try_from(handle).ok()?)
    }

    /// Ends a handle; says whether it was this identity's.
    pub(crate) fn close(&self, kind: Kind, identity: &Identity, handle: &[u8]) -> bool {
        let Some((held, handle)) = self.existing(identity).zip(Handle::try_from(handle).ok()) else {
            return false;
        };
        held.statements(kind).remove(&handle).is_some()
    }

    /// The session of that name, made by `open` if there is none yet.
    pub(crate) fn session(
        &self,
        identity: &Arc<Identity>,
        name: &str,
        open: impl FnOnce() -> Result<Session>,
    ) -> Result<Arc<Session>> {
        let sessions = &self.held(identity).sessions;
        let opened = sessions.try_get_with_by_ref(name, || open().map(Arc::new));
        // Whoever waited for the same session shares its error.
        opened.map_err(|error| match Arc::try_unwrap(error) {
            Ok(error) => error,
            Err(shared) => Error::new(shared.kind(), shared.message()),
        })
    }

    /// Ends a session; says whether there was one.
    pub(crate) fn close_session(&self, identity: &Identity, name: &str) -> bool {
        self.existing(identity)
            .is_some_and(|held| held.sessions.remove(name).is_some())
    }

    /// Lets go of what was not used for too long.
    pub(crate) fn sweep(&self) {
        self.owners.run_pending_tasks();
        for (_, held) in &self.owners {
            held.prepared.run_pending_tasks();
            held.tickets.run_pending_tasks();
            held.sessions.run_pending_tasks();
        }
    }

    fn held(&self, owner: &Arc<Identity>) -> Arc<Held> {
        let key = owner.fingerprint();
        let held = self.owners.get_with(key, || Arc::new(Held::new(owner)));
        if held.owner == *owner {
            return held;
        }
        // Two identities of one fingerprint: one of them has to begin anew.
        let held = Arc::new(Held::new(owner));
        self.owners.insert(key, Arc::clone(&held));
        held
    }

    fn existing(&self, identity: &Identity) -> Option<Arc<Held>> {
        self.owners
            .get(&identity.fingerprint())
            .filter(|held| *held.owner == *identity)
    }
}

impl Held {
    fn new(owner: &Arc<Identity>) -> Self {
        Self {
            owner: Arc::clone(owner),
            prepared: cache(PREPARED_MAX, IDLE_MAX),
            tickets: cache(TICKETS_MAX, TICKET_IDLE_MAX),
            sessions: cache(SESSIONS_MAX, IDLE_MAX),
        }
    }

    fn statements(&self, kind: Kind) -> &Cache<Handle, Arc<Statement>> {
        match kind {
            Kind::Prepared => &self.prepared,
            Kind::Ticket => &self.tickets,
        }
    }
}

fn cache<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(
    entries_max: u64,
    idle_max: Duration,
) -> Cache<K, V> {
    Cache::builder()
        .max_capacity(entries_max)
        .time_to_idle(idle_max)
        .eviction_policy(EvictionPolicy::lru())
        .build()
}
