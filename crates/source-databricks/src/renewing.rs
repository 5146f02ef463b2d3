//! A value of another system that ends: fetched when it is needed first, renewed before it ends, by one caller for all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use contract::{Error, Result};
use futures::future::BoxFuture;
use parking_lot::{Mutex, RwLock};

use crate::clock::{Clock, Moment};

/// After a renewal in the background failed, the value that still holds is kept this long before the next try.
const PAUSE_MS: Moment = 15_000;

/// A value and how long it holds.
#[derive(Debug, Clone)]
pub(crate) struct Lease<T> {
    pub(crate) value: T,
    /// From then on it is renewed while it goes on being used.
    pub(crate) renew_at: Moment,
    /// From then on it is not used.
    pub(crate) ends_at: Moment,
}

/// Makes a new lease.
pub(crate) type Fetch<T> = Box<dyn Fn() -> BoxFuture<'static, Result<Lease<T>>> + Send + Sync>;

/// Keeps one lease. Clones share it.
pub(crate) struct Renewing<T>(Arc<Shared<T>>);

struct Shared<T> {
    fetch: Fetch<T>,
    clock: Clock,
    current: RwLock<Option<Lease<Arc<T>>>>,
    /// Held by the one that fetches.
    flight: tokio::sync::Mutex<()>,
    /// Counts fetches that came to an end, so that those who waited for one share how it ended.
    landed: AtomicU64,
    failure: Mutex<Option<Error>>,
    renews: AtomicBool,
    paused_until: AtomicI64,
}

impl<T> Clone for Renewing<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Renewing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lease = self.0.current.read();
        f.debug_struct("Renewing")
            .field("ends_at", &lease.as_ref().map(|lease| lease.ends_at))
            .finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Renewing<T> {
    /// Fetches nothing yet.
    pub(crate) fn new(clock: Clock, fetch: Fetch<T>) -> Self {
        Self(Arc::new(Shared {
            fetch,
            clock,
            current: RwLock::new(None),
            flight: tokio::sync::Mutex::new(()),
            landed: AtomicU64::new(0),
            failure: Mutex::new(None),
            renews: AtomicBool::new(false),
            paused_until: AtomicI64::new(Moment::MIN),
        }))
    }

    /// The value: at once while it holds, else after fetching it. Callers that come together share one fetch and its
    /// failure; dropping the future of the one that fetches lets the next one fetch.
    ///
    /// # Errors
    /// Those of the fetch.
    pub(crate) async fn get(&self) -> Result<Arc<T>> {
        if let Some(value) = self.held() {
            return Ok(value);
        }
        let landed = self.0.landed.load(Ordering::SeqCst);
        let _flight = self.0.flight.lock().await;
        if let Some(value) = self.held() {
            return Ok(value);
        }
        if self.0.landed.load(Ordering::SeqCst) != landed
            && let Some(error) = &*self.0.failure.lock()
        {
            return Err(error.duplicate());
        }
        self.0.fetch_now().await
    }

    /// Lets go of `value`, if it is still the one that is kept: the other system does not take it any more.
    pub(crate) fn discard(&self, value: &Arc<T>) {
        let mut current = self.0.current.write();
        if current.as_ref().is_some_and(|lease| Arc::ptr_eq(&lease.value, value)) {
            *current = None;
        }
    }

    /// Lets go of whatever is kept.
    pub(crate) fn forget(&self) {
        *self.0.current.write() = None;
    }

    /// The value that holds now; begins to renew it when it is time.
    fn held(&self) -> Option<Arc<T>> {
        let now = self.0.clock.now();
        let (value, renew) = {
            let current = self.0.current.read();
            let lease = current.as_ref().filter(|lease| now < lease.ends_at)?;
            (Arc::clone(&lease.value), now >= lease.renew_at)
        };
        if renew && now >= self.0.paused_until.load(Ordering::SeqCst) && !self.0.renews.swap(true, Ordering::SeqCst) {
            let shared = Arc::clone(&self.0);
            // Owned by the value that it renews: one at a time, and bounded by the fetch's own time limits.
            tokio::spawn(async move {
                let _flight = shared.flight.lock().await;
                if let Err(error) = shared.fetch_now().await {
                    tracing::debug!(error = %error, "renewal in the background failed");
                    let until = shared.clock.now().saturating_add(PAUSE_MS);
                    shared.paused_until.store(until, Ordering::SeqCst);
                }
                shared.renews.store(false, Ordering::SeqCst);
            });
        }
        Some(value)
    }
}

impl<T> Shared<T> {
    async fn fetch_now(&self) -> Result<Arc<T>> {
        let fetched = (self.fetch)().await;
        let outcome = match fetched {
            Ok(Lease {
                value,
                renew_at,
                ends_at,
            }) => {
                let value = Arc::new(value);
                *self.current.write() = Some(Lease {
                    value: Arc::clone(&value),
                    renew_at,
                    ends_at,
                });
                *self.failure.lock() = None;
                Ok(value)
            }
            Err(error) => {
                *self.failure.lock() = Some(error.duplicate());
                Err(error)
            }
        };
        self.landed.fetch_add(1, Ordering::SeqCst);
        outcome
    }
}

/// When to renew what was fetched at `now` and ends at `ends_at`: with a fifth of its life left, or five minutes if
/// that is more, but not in the first half of its life. It is not used in its last forty seconds, or twentieth part.
pub(crate) fn lease_until<T>(value: T, now: Moment, ends_at: Moment) -> Lease<T> {
    const MARGIN_MS: Moment = 5 * 60 * 1000;
    const LAST_MS: Moment = 40 * 1000;
    let life = ends_at.saturating_sub(now).max(0);
    let margin = (life / 5).max(MARGIN_MS).min(life / 2);
    let last = LAST_MS.min(life / 20);
    Lease {
        value,
        renew_at: ends_at.saturating_sub(margin),
        ends_at: ends_at.saturating_sub(last),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use contract::ErrorKind;

    use super::*;

    struct World {
        now: Arc<AtomicI64>,
        fetches: Arc<AtomicUsize>,
        fails: Arc<AtomicBool>,
        value: Renewing<usize>,
    }

    /// Values that hold for 1000 ms, each the number of its fetch.
    fn world() -> World {
        let now = Arc::new(AtomicI64::new(0));
        let fetches = Arc::new(AtomicUsize::new(0));
        let fails = Arc::new(AtomicBool::new(false));
        let clock = Clock::of_test(&now);
        let (clock_of_fetch, count, failing) = (clock.clone(), Arc::clone(&fetches), Arc::clone(&fails));
        let value = Renewing::new(
            clock,
            Box::new(move || {
                let (clock, count, failing) = (clock_of_fetch.clone(), Arc::clone(&count), Arc::clone(&failing));
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    if failing.load(Ordering::SeqCst) {
                        return Err(Error::new(ErrorKind::SourceUnavailable, "down"));
                    }
                    let now = clock.now();
                    Ok(lease_until(number, now, now + 1000))
                })
            }),
        );
        World {
            now,
            fetches,
            fails,
            value,
        }
    }

    async fn settle(world: &World, fetches: usize) {
        while world.fetches.load(Ordering::SeqCst) < fetches || world.value.0.renews.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn callers_that_come_together_share_one_fetch() {
        let world = world();
        let all = futures::future::join_all((0..50).map(|_| world.value.get())).await;
        assert!(all.into_iter().all(|value| *value.unwrap() == 0));
        assert_eq!(world.fetches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn callers_that_come_together_share_a_failure_and_the_next_one_tries_again() {
        let world = world();
        world.fails.store(true, Ordering::SeqCst);
        let all = futures::future::join_all((0..50).map(|_| world.value.get())).await;
        assert!(all.into_iter().all(|value| value.is_err()));
        assert_eq!(world.fetches.load(Ordering::SeqCst), 1);
        world.fails.store(false, Ordering::SeqCst);
        assert_eq!(*world.value.get().await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_value_is_renewed_while_it_holds_and_kept_while_that_fails() {
        let world = world();
        assert_eq!(*world.value.get().await.unwrap(), 0);
        world.now.store(600, Ordering::SeqCst);
        assert_eq!(*world.value.get().await.unwrap(), 0);
        settle(&world, 2).await;
        assert_eq!(*world.value.get().await.unwrap(), 1);

        world.now.store(1200, Ordering::SeqCst);
        world.fails.store(true, Ordering::SeqCst);
        assert_eq!(*world.value.get().await.unwrap(), 1);
        settle(&world, 3).await;
        assert_eq!(*world.value.get().await.unwrap(), 1);
        assert_eq!(
            world.fetches.load(Ordering::SeqCst),
            3,
            "after a failure there is a pause"
        );
        world.now.store(1600, Ordering::SeqCst);
        assert!(world.value.get().await.is_err(), "what ended is not used");
    }

    #[tokio::test]
    async fn only_the_value_that_is_meant_is_discarded() {
        let world = world();
        let first = world.value.get().await.unwrap();
        world.value.discard(&first);
        let second = world.value.get().await.unwrap();
        world.value.discard(&first);
        assert!(Arc::ptr_eq(&second, &world.value.get().await.unwrap()));
        world.value.forget();
        assert!(!Arc::ptr_eq(&second, &world.value.get().await.unwrap()));
    }

    #[test]
    fn a_fifth_of_the_life_is_left_at_renewal() {
        let hour = lease_until((), 0, 3_600_000);
        assert_eq!((hour.renew_at, hour.ends_at), (2_880_000, 3_560_000));
        let short = lease_until((), 0, 60_000);
        assert_eq!((short.renew_at, short.ends_at), (30_000, 57_000));
        let gone = lease_until((), 10, 5);
        assert!(gone.ends_at <= 10);
    }
}
