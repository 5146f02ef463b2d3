//! When a call is made again, and after which pause.

use std::time::Duration;

use rand::Rng as _;

/// Calls that are made because one failed, at most. With the pauses below they span about a minute.
const AGAIN_MAX: u32 = 8;
/// A service that nobody listens for is not worth a wait: it is down, and clients want to know.
const CONNECTS_AGAIN_MAX: u32 = 2;
/// The first pause; each is up to twice the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Longer pauses that a service asks for are an answer: it is throttled or down.
const PAUSE_ASKED_MAX: Duration = Duration::from_secs(30);
/// What a service means that throttles without saying for how long.
const PAUSE_ASKED_DEFAULT: Duration = Duration::from_secs(1);
/// All pauses of one call.
const BUDGET: Duration = Duration::from_secs(60);

/// What may be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is as good as once.
    Idempotent,
    /// Only if it was surely not taken the first time.
    Untaken,
}

/// How a call failed, as far as trying again is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection came about.
    Connect,
    /// The connection broke, before or after the service took the call.
    Broken,
    /// The service answered so.
    Status { status: u16, asked: Option<Duration> },
}

/// The tries of one call.
#[derive(Debug)]
pub(crate) struct Tries {
    repeat: Repeat,
    again: u32,
    spent: Duration,
}

impl Tries {
    pub(crate) fn new(repeat: Repeat) -> Self {
        Self {
            repeat,
            again: 0,
            spent: Duration::ZERO,
        }
    }

    /// The pause before the next try; none if there is none.
    pub(crate) fn pause(&mut self, trouble: Trouble) -> Option<Duration> {
        let idempotent = self.repeat == Repeat::Idempotent;
        let asked = match trouble {
            Trouble::Connect if self.again < CONNECTS_AGAIN_MAX => None,
            Trouble::Broken if idempotent => None,
            Trouble::Status {
                status: 429 | 503,
                asked,
            } => Some(asked.unwrap_or(PAUSE_ASKED_DEFAULT)),
            Trouble::Status {
                status: 408 | 500 | 502 | 504,
                ..
            } if idempotent => None,
            _ => return None,
        };
        if self.again >= AGAIN_MAX || asked.is_some_and(|asked| asked > PAUSE_ASKED_MAX) {
            return None;
        }
        let ceiling = PAUSE_FIRST.saturating_mul(1 << self.again).min(PAUSE_MAX);
        // Full jitter, on top of what was asked for: many gateways must not come back at one moment.
        let jitter = ceiling.mul_f64(rand::rng().random_range(0.0..=1.0));
        let pause = asked.unwrap_or_default().saturating_add(jitter);
        self.again += 1;
        self.spent = self.spent.saturating_add(pause);
        (self.spent <= BUDGET).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, seconds: Option<u64>) -> Trouble {
        Trouble::Status {
            status,
            asked: seconds.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_may_have_been_taken_is_not_sent_twice() {
        assert!(Tries::new(Repeat::Untaken).pause(Trouble::Broken).is_none());
        assert!(Tries::new(Repeat::Untaken).pause(status(500, None)).is_none());
        assert!(Tries::new(Repeat::Untaken).pause(status(429, Some(2))).is_some());
        assert!(Tries::new(Repeat::Untaken).pause(Trouble::Connect).is_some());
        assert!(Tries::new(Repeat::Idempotent).pause(status(500, None)).is_some());
        for refused in [400, 401, 403, 404, 501] {
            assert!(Tries::new(Repeat::Idempotent).pause(status(refused, None)).is_none());
        }
    }

    #[test]
    fn what_is_asked_for_is_waited_up_to_a_bound() {
        let pause = Tries::new(Repeat::Untaken).pause(status(429, Some(7))).unwrap();
        assert!(pause >= Duration::from_secs(7));
        assert!(Tries::new(Repeat::Untaken).pause(status(503, Some(31))).is_none());
    }

    #[test]
    fn tries_end() {
        let mut tries = Tries::new(Repeat::Idempotent);
        let count = std::iter::from_fn(|| tries.pause(Trouble::Broken)).count();
        assert!(count <= AGAIN_MAX as usize);
        let mut tries = Tries::new(Repeat::Idempotent);
        let count = std::iter::from_fn(|| tries.pause(Trouble::Connect)).count();
        assert_eq!(count, CONNECTS_AGAIN_MAX as usize);
    }
}
