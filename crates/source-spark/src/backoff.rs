//! How often and how long a call is tried again.

use std::time::{Duration, Instant};

use rand::Rng;

/// Tries after the first without a word of the server when to come back. With the waits below, a port where nothing
/// listens is an error after some three seconds.
const TRIES_MAX: u32 = 4;
/// Together with the waits: a host that swallows packets takes one connect timeout, not one for each try.
const TIME_MAX: Duration = Duration::from_secs(8);
/// Before the second try; each further wait is [`FACTOR`] times as long, and not longer than [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_millis(50);
const FACTOR: u32 = 4;
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Tries where the server said when to come back, and their time: a cluster of Databricks starts in some minutes.
const TOLD_TRIES_MAX: u32 = 200;
const TOLD_TIME_MAX: Duration = Duration::from_secs(10 * 60);
/// A server that asks for a longer wait is looked at again all the same.
const TOLD_WAIT_MAX: Duration = Duration::from_secs(60);

/// What is left of the tries. Whoever makes progress begins anew.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    since: Option<Instant>,
    tries: u32,
    told: u32,
}

impl Backoff {
    /// How long to wait before the next try, `told` by the server or not; none if it was tried often enough.
    pub(crate) fn next(&mut self, told: Option<Duration>) -> Option<Duration> {
        let elapsed = self.since.get_or_insert_with(Instant::now).elapsed();
        let wait = match told {
            Some(_) if self.told >= TOLD_TRIES_MAX || elapsed >= TOLD_TIME_MAX => return None,
            Some(wait) => {
                self.told += 1;
                wait.clamp(WAIT_FIRST, TOLD_WAIT_MAX)
            }
            None if self.tries >= TRIES_MAX => return None,
            // A time that the server asked for is not held against it.
            None if self.told == 0 && elapsed >= TIME_MAX => return None,
            None => {
                let wait = WAIT_FIRST * FACTOR.pow(self.tries);
                self.tries += 1;
                wait.min(WAIT_MAX)
            }
        };
        // Those who lost one server do not come back in one moment.
        Some(wait.mul_f64(rand::rng().random_range(0.75..1.25)))
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}
