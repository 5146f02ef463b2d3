//! CancelRequest: finds the connection that a process id and its secret stand for and stops what runs there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time;
use engine::Throttle;
use parking_lot::Mutex;
use rand::Rng;
use tokio_util::sync::CancellationToken;

/// Secrets of protocol 3.0 have no more room than this.
const SHORT_SECRET_BYTES: usize = 4;
/// As long as PostgreSQL's own in protocol 3.2.
const LONG_SECRET_BYTES: usize = 32;
/// Wrong secrets that one address may try within [`FAILURES_WINDOW`]: a secret of 32 bits then holds for years.
const FAILURES_MAX: u32 = 20;
const FAILURES_WINDOW: Duration = Duration::from_secs(10);

/// All connections that can be asked to stop.
#[derive(Debug)]
pub(crate) struct CancelRegistry {
    slots: Mutex<HashMap<i32, Arc<Slot>>>,
    failures: Throttle<IpAddr>,
}

#[derive(Debug)]
struct Slot {
    secret: Vec<u8>,
    running: Mutex<Option<CancellationToken>>,
}

impl Default for CancelRegistry {
    fn default() -> Self {
        Self {
            slots: Mutex::default(),
            failures: Throttle::new(FAILURES_MAX, FAILURES_WINDOW),
        }
    }
}

impl CancelRegistry {
    /// Enters a new connection; it leaves when the entry is dropped.
    pub(crate) fn enter(self: &Arc<Self>, long_secret: bool) -> Entry {
        let mut random = rand::rng();
        let mut secret = vec![
            0_u8;
            if long_secret {
                LONG_SECRET_BYTES
            } else {
                SHORT_SECRET_BYTES
            }
        ];
        random.fill(secret.as_mut_slice());
        let slot = Arc::new(Slot {
            secret,
            running: Mutex::new(None),
        });
        let mut slots = self.slots.lock();
        loop {
            let process_id = random.random_range(1..i32::MAX);
            if let std::collections::hash_map::Entry::Vacant(vacant) = slots.entry(process_id) {
                vacant.insert(Arc::clone(&slot));
                return Entry {
                    registry: Arc::clone(self),
                    process_id,
                    slot,
                };
            }
        }
    }

    /// Stops what runs on the connection of that id, if the secret is right and the address has not guessed too often.
    /// Says nothing to the asker either way.
    pub(crate) fn cancel(&self, process_id: i32, secret: &[u8], from: IpAddr) {
        if self.failures.is_exceeded(&from, Instant::now()) {
            return;
        }
        let slot = self.slots.lock().get(&process_id).cloned();
        match slot {
            Some(slot) if constant_time::verify_slices_are_equal(&slot.secret, secret).is_ok() => {
                if let Some(token) = slot.running.lock().as_ref() {
                    token.cancel();
                }
            }
            _ => self.failures.count(from, Instant::now()),
        }
    }
}

/// A connection's place in the registry.
#[derive(Debug)]
pub(crate) struct Entry {
    registry: Arc<CancelRegistry>,
    process_id: i32,
    slot: Arc<Slot>,
}

impl Entry {
    pub(crate) fn process_id(&self) -> i32 {
        self.process_id
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.slot.secret
    }

    /// From now until the guard goes, a CancelRequest fires `token`.
    pub(crate) fn arm(&self, token: &CancellationToken) -> Armed {
        *self.slot.running.lock() = Some(token.clone());
        Armed {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.slots.lock().remove(&self.process_id);
    }
}

/// While it lives, its query can be canceled from outside.
#[derive(Debug)]
pub(crate) struct Armed {
    slot: Arc<Slot>,
}

impl Drop for Armed {
    fn drop(&mut self) {
        *self.slot.running.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn only_the_right_secret_stops_and_only_what_runs_now() {
        let registry = Arc::new(CancelRegistry::default());
        let entry = registry.enter(true);
        assert_eq!(entry.secret().len(), 32);
        let token = CancellationToken::new();
        registry.cancel(entry.process_id(), entry.secret(), HERE);
        let armed = entry.arm(&token);
        assert!(!token.is_cancelled(), "a request before the query stops nothing");
        registry.cancel(entry.process_id(), &entry.secret()[..4], HERE);
        registry.cancel(entry.process_id() ^ 1, entry.secret(), HERE);
        assert!(!token.is_cancelled());
        registry.cancel(entry.process_id(), entry.secret(), HERE);
        assert!(token.is_cancelled());
        drop(armed);
        let process_id = entry.process_id();
        drop(entry);
        assert!(!registry.slots.lock().contains_key(&process_id));
    }

    #[test]
    fn a_guesser_is_not_heard_any_more_but_others_are() {
        let registry = Arc::new(CancelRegistry::default());
        let entry = registry.enter(false);
        let token = CancellationToken::new();
        let _armed = entry.arm(&token);
        for _ in 0..FAILURES_MAX {
            registry.cancel(entry.process_id(), b"wrong", HERE);
        }
        registry.cancel(entry.process_id(), entry.secret(), HERE);
        assert!(!token.is_cancelled());
        registry.cancel(entry.process_id(), entry.secret(), IpAddr::from([10, 0, 0, 1]));
        assert!(token.is_cancelled());
    }
}
