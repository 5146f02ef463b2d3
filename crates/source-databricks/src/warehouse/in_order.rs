//! Parts that are fetched ahead of the reader, several at once, and handed on in their order. What lies between is
//! bounded by number and by bytes, and by what is left of the engine's memory.

use std::sync::Arc;

use contract::{Error, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

/// A permit stands for this many bytes, so that all fit into their number.
const BYTES_PER_PERMIT: u64 = 1024;

/// Room for parts of one result that were fetched and not yet read.
#[derive(Debug, Clone)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    all: u32,
    /// What the engine's memory is charged by.
    memory: Arc<MemoryReservation>,
}

/// What a part takes up until it is dropped.
#[derive(Debug)]
struct Taken {
    _permit: OwnedSemaphorePermit,
    _memory: MemoryReservation,
}

impl Room {
    /// Room for `bytes`, as far as the pool of `memory` has so many.
    pub(super) fn of_bytes(bytes: u64, memory: MemoryReservation) -> Self {
        let all = u32::try_from(bytes / BYTES_PER_PERMIT).unwrap_or(u32::MAX).max(1);
        Self {
            permits: Arc::new(Semaphore::new(usize::try_from(all).unwrap_or(1))),
            all,
            memory: Arc::new(memory),
        }
    }

    /// Waits until there is room. A part that is larger than all of it takes all of it. Where the pool is full, it
    /// waits until no other part of this result is held, and then is charged to the pool all the same: the reader needs
    /// it to go on, and nothing that it holds would be let go while it waits.
    async fn take(&self, bytes: u64) -> Result<Taken> {
        let wanted = u32::try_from(bytes.div_ceil(BYTES_PER_PERMIT)).unwrap_or(u32::MAX);
        let wanted = wanted.clamp(1, self.all);
        let permit = self.acquire(wanted).await?;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let memory = self.memory.new_empty();
        if memory.try_grow(bytes).is_err() {
            let _alone = match self.all - wanted {
                0 => None,
                others => Some(self.acquire(others).await?),
            };
            memory.grow(bytes);
        }
        Ok(Taken {
            _permit: permit,
            _memory: memory,
        })
    }

    async fn acquire(&self, permits: u32) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.permits)
            .acquire_many_owned(permits)
            .await
            .map_err(|error| Error::internal("the room for results is closed").with_source(error))
    }
}

/// A part, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(super) struct Kept<T> {
    pub(super) part: T,
    room: Taken,
}

impl<T> Kept<T> {
    /// The same room for what is made of the part.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Kept<U> {
        Kept {
            part: make(self.part),
            room: self.room,
        }
    }
}

/// Fetches `parts`, whose sizes `bytes_of` tells, at most `ahead` at once. Room is taken in the order of the parts, so
/// that the one that is read next never waits for room behind a later one. Dropping the stream ends all fetches.
pub(super) fn in_order<P, T, F>(
    parts: Vec<P>,
    ahead: usize,
    room: Room,
    bytes_of: impl Fn(&P) -> u64 + Send + 'static,
    fetch: impl Fn(P) -> F + Send + 'static,
) -> impl Stream<Item = Result<Kept<T>>> + Send + 'static
where
    P: Send + 'static,
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    futures::stream::iter(parts)
        .then(move |part| {
            let (room, bytes) = (room.clone(), bytes_of(&part));
            async move { Ok::<_, Error>((part, room.take(bytes).await?)) }
        })
        .map_ok(move |(part, room)| {
            // On its own, so that it goes on while the reader is busy.
            let fetching = AbortOnDropHandle::new(tokio::spawn(fetch(part)));
            async move {
                let part = fetching
                    .await
                    .map_err(|error| Error::internal("fetching a part of a result broke off").with_source(error))??;
                Ok(Kept { part, room })
            }
        })
        .try_buffered(ahead)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool, UnboundedMemoryPool};
    use tokio::sync::Notify;

    use super::*;

    fn plenty() -> Arc<dyn MemoryPool> {
        Arc::new(UnboundedMemoryPool::default())
    }

    fn room(bytes: u64, pool: &Arc<dyn MemoryPool>) -> Room {
        Room::of_bytes(bytes, MemoryConsumer::new("parts").register(pool))
    }

    /// Sixty-four results at once, over one pool that has room for a few parts.
    #[tokio::test]
    async fn many_results_stay_within_the_pool_and_one_part_each() {
        const RESULTS: usize = 64;
        const PARTS: usize = 12;
        const PART: usize = 1 << 20;
        for size in [0, PART, 10 * PART] {
            let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(size));
            let most = Arc::new(AtomicUsize::new(0));
            let results = (0..RESULTS).map(|_| {
                let (of_fetch, most) = (Arc::clone(&pool), Arc::clone(&most));
                let fetch = move |part: usize| {
                    most.fetch_max(of_fetch.reserved(), Ordering::SeqCst);
                    async move {
                        tokio::task::yield_now().await;
                        Ok(part)
                    }
                };
                let room = room(96 << 20, &pool);
                let parts = in_order((0..PARTS).collect(), 8, room, |_| PART as u64, fetch);
                parts.map_ok(|kept| kept.part).try_collect::<Vec<_>>()
            });
            for read in futures::future::join_all(results).await {
                assert_eq!(read.unwrap(), (0..PARTS).collect::<Vec<_>>());
            }
            let most = most.load(Ordering::SeqCst);
            assert!(most <= size + RESULTS * PART, "{most} of {size}");
            assert!(most >= RESULTS * PART, "{most}: nothing was charged");
            assert_eq!(pool.reserved(), 0);
        }
    }

    #[tokio::test]
    async fn with_a_full_pool_one_part_is_fetched_at_a_time() {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1));
        let fetched = Arc::new(AtomicUsize::new(0));
        let of_fetch = Arc::clone(&fetched);
        let fetch = move |part: usize| {
            of_fetch.fetch_add(1, Ordering::SeqCst);
            async move { Ok(part) }
        };
        let mut parts = Box::pin(in_order((0..6).collect(), 4, room(1 << 20, &pool), |_| 1024, fetch));
        for number in 0..6 {
            let kept = parts.try_next().await.unwrap().unwrap();
            assert_eq!(kept.part, number);
            // While it is held the next one does not begin, however often that is asked for.
            assert!(futures::poll!(parts.next()).is_pending() || number == 5);
            assert_eq!(fetched.load(Ordering::SeqCst), number + 1);
        }
        assert!(parts.try_next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn parts_that_come_out_of_order_are_read_in_order() {
        // Each part waits for the one behind it, as far as both are fetched at once.
        let gates: Arc<Vec<Notify>> = Arc::new((0..9).map(|_| Notify::new()).collect());
        let fetch = move |part: usize| {
            let gates = Arc::clone(&gates);
            async move {
                if part % 4 != 3 {
                    gates[part + 1].notified().await;
                }
                gates[part].notify_one();
                Ok(part)
            }
        };
        let parts = in_order((0..8).collect(), 4, room(1 << 20, &plenty()), |_| 1, fetch);
        let read: Vec<_> = parts.map_ok(|kept| kept.part).try_collect().await.unwrap();
        assert_eq!(read, (0..8).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn no_more_bytes_are_fetched_than_there_is_room_for() {
        let now = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let (of_fetch, most_seen) = (Arc::clone(&now), Arc::clone(&most));
        let fetch = move |part: usize| {
            let (now, most) = (Arc::clone(&of_fetch), Arc::clone(&most_seen));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(part)
            }
        };
        // Room for two parts of the usual size; the last is larger than all of it.
        let bytes_of = |part: &usize| if *part == 19 { 1 << 30 } else { 64 << 10 };
        let mut parts = Box::pin(in_order(
            (0..20).collect(),
            8,
            room(128 << 10, &plenty()),
            bytes_of,
            fetch,
        ));
        let mut count = 0;
        while let Some(kept) = parts.try_next().await.unwrap() {
            assert_eq!(kept.part, count);
            count += 1;
            now.fetch_sub(1, Ordering::SeqCst);
        }
        assert_eq!(count, 20);
        assert!(most.load(Ordering::SeqCst) <= 3, "{most:?}");
    }

    #[tokio::test]
    async fn a_failure_ends_the_stream_in_its_place() {
        let fetch = |part: usize| async move {
            match part {
                2 => Err(Error::internal("no")),
                part => Ok(part),
            }
        };
        let mut parts = Box::pin(in_order((0..5).collect(), 4, room(1 << 20, &plenty()), |_| 1, fetch));
        assert_eq!(parts.try_next().await.unwrap().unwrap().part, 0);
        assert_eq!(parts.try_next().await.unwrap().unwrap().part, 1);
        assert!(parts.try_next().await.is_err());
    }
}
