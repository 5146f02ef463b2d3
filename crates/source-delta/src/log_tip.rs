//! The end of a table's log: which commit was the last one seen, and whether anything came after it or in its place.

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

/// The last commit file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Its version.
    pub(crate) version: u64,
    size: u64,
    modified: DateTime<Utc>,
}

/// What became of a log since its tip was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing new.
    None,
    /// The tip is as it was, and there are newer commits.
    Newer,
    /// The tip is gone or another file: the table was deleted or made anew.
    Replaced,
}

impl Tip {
    /// Looks at the commit file of `version`; `None` if only a checkpoint stands for that version.
    pub(crate) async fn of(store: &dyn ObjectStore, log: &Path, version: u64) -> object_store::Result<Option<Self>> {
        match store.head(&commit(log, version)).await {
            Ok(meta) => Ok(Some(Self::new(version, &meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When the commit was written, in milliseconds since 1970.
    pub(crate) fn modified_ms(&self) -> i64 {
        self.modified.timestamp_millis()
    }

    /// Looks for a change: two `stat`s on a local file system, one listing from the tip onwards elsewhere.
    pub(crate) async fn change(
        &self,
        store: &dyn ObjectStore,
        log: &Path,
        local: bool,
    ) -> object_store::Result<Change> {
        if local {
            let (seen, next) = tokio::join!(
                Self::of(store, log, self.version),
                Self::of(store, log, self.version.saturating_add(1))
            );
            if seen?.as_ref() != Some(self) {
                return Ok(Change::Replaced);
            }
            return Ok(if next?.is_some() { Change::Newer } else { Change::None });
        }
        // Sorts just before every file of the tip's version.
        let before = log.clone().join(format!("{:020}", self.version));
        let mut listing = store.list_with_offset(Some(log), &before);
        let mut seen = false;
        let mut newer = false;
        while let Some(meta) = listing.try_next().await? {
            match commit_version(&meta.location) {
                Some(version) if version == self.version => seen = Self::new(version, &meta) == *self,
                Some(version) if version > self.version => newer = true,
                _ => {}
            }
        }
        Ok(match (seen, newer) {
            (false, _) => Change::Replaced,
            (true, true) => Change::Newer,
            (true, false) => Change::None,
        })
    }

    fn new(version: u64, meta: &ObjectMeta) -> Self {
        Self {
            version,
            size: meta.size,
            modified: meta.last_modified,
        }
    }
}

/// The newest version that has a commit file.
pub(crate) async fn newest_commit(store: &dyn ObjectStore, log: &Path) -> object_store::Result<Option<u64>> {
    let mut newest = None;
    let mut listing = store.list(Some(log));
    while let Some(meta) = listing.try_next().await? {
        if meta.location.prefix_matches(log) && meta.location.parts_count() == log.parts_count() + 1 {
            newest = newest.max(commit_version(&meta.location));
        }
    }
    Ok(newest)
}

/// Whether the log's folder holds anything at all.
pub(crate) async fn exists(store: &dyn ObjectStore, log: &Path) -> object_store::Result<bool> {
    match store.list(Some(log)).try_next().await {
        Ok(first) => Ok(first.is_some()),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The version that a commit file's name states.
pub(crate) fn commit_version(path: &Path) -> Option<u64> {
    let stem = path.filename()?.strip_suffix(".json")?;
    (stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| stem.parse().ok())
        .flatten()
}

fn commit(log: &Path, version: u64) -> Path {
    log.clone().join(format!("{version:020}.json"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    async fn put(store: &dyn ObjectStore, log: &Path, version: u64, text: &str) {
        store.put(&commit(log, version), text.to_owned().into()).await.unwrap();
    }

    #[tokio::test]
    async fn a_tip_notices_newer_commits_and_replacement() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let log = Path::from("t/_delta_log");
        assert!(!exists(&*store, &log).await.unwrap());
        put(&*store, &log, 0, "a").await;
        for local in [true, false] {
            let tip = Tip::of(&*store, &log, 0).await.unwrap().unwrap();
            assert_eq!(tip.change(&*store, &log, local).await.unwrap(), Change::None);
            put(&*store, &log, 1, "b").await;
            assert_eq!(tip.change(&*store, &log, local).await.unwrap(), Change::Newer);
            put(&*store, &log, 0, "longer").await;
            assert_eq!(tip.change(&*store, &log, local).await.unwrap(), Change::Replaced);
            store.delete(&commit(&log, 1)).await.unwrap();
        }
        assert_eq!(newest_commit(&*store, &log).await.unwrap(), Some(0));
        assert_eq!(
            commit_version(&Path::from("t/_delta_log/00000000000000000007.crc")),
            None
        );
    }
}
