//! Counts failures, and says who has had too many lately.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Keys remembered at once; a flood from more of them is counted as if it came from one.
const KEYS_MAX: usize = 4096;

/// At most so many failures of one key in one window.
#[derive(Debug)]
pub struct Throttle<K> {
    failures_max: u32,
    window: Duration,
    counts: Mutex<Counts<K>>,
}

#[derive(Debug)]
struct Counts<K> {
    of_key: HashMap<K, Count>,
    of_the_rest: Option<Count>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    failures: u32,
}

impl<K: Eq + Hash> Throttle<K> {
    /// One that stops a key after so many failures in one window.
    pub fn new(failures_max: u32, window: Duration) -> Self {
        Self {
            failures_max,
            window,
            counts: Mutex::new(Counts {
                of_key: HashMap::new(),
                of_the_rest: None,
            }),
        }
    }

    /// Whether the key has failed too often in the window that runs.
    pub fn is_exceeded(&self, key: &K, now: Instant) -> bool {
        let counts = self.counts.lock();
        let full = counts.of_key.len() >= KEYS_MAX;
        let count = counts
            .of_key
            .get(key)
            .or(if full { counts.of_the_rest.as_ref() } else { None });
        count.is_some_and(|count| count.failures >= self.failures_max && now - count.since < self.window)
    }

    /// Notes a failure.
    pub fn count(&self, key: K, now: Instant) {
        let mut counts = self.counts.lock();
        if counts.of_key.len() >= KEYS_MAX {
            counts.of_key.retain(|_, count| now - count.since < self.window);
        }
        let new = Count {
            since: now,
            failures: 0,
        };
        let full = counts.of_key.len() >= KEYS_MAX && !counts.of_key.contains_key(&key);
        let count = if full {
            counts.of_the_rest.get_or_insert(new)
        } else {
            counts.of_key.entry(key).or_insert(new)
        };
        if now - count.since >= self.window {
            *count = new;
        }
        count.failures = count.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    #[test]
    fn one_key_is_stopped_for_one_window() {
        let throttle = Throttle::new(3, WINDOW);
        let start = Instant::now();
        for _ in 0..3 {
            assert!(!throttle.is_exceeded(&"a", start));
            throttle.count("a", start);
        }
        assert!(throttle.is_exceeded(&"a", start) && !throttle.is_exceeded(&"b", start));
        assert!(!throttle.is_exceeded(&"a", start + WINDOW));
        throttle.count("a", start + WINDOW);
        assert!(
            !throttle.is_exceeded(&"a", start + WINDOW),
            "a new window begins at none"
        );
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::new(3, WINDOW);
        let start = Instant::now();
        for key in 0..10_000 {
            throttle.count(key, start);
        }
        assert_eq!(throttle.counts.lock().of_key.len(), KEYS_MAX);
        assert!(throttle.is_exceeded(&20_000, start));
        assert!(!throttle.is_exceeded(&20_000, start + WINDOW));
    }
}
