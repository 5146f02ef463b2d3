//! A store that reads below one folder only, whatever its keys would allow.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::credentials::Vended;
use crate::renewing::Renewing;

/// Reads below `folder`. A request that storage denies is made once more with new keys: they may have been revoked
/// before their end.
pub(crate) struct PrefixStore {
    inner: Arc<dyn ObjectStore>,
    folder: Path,
    vended: Renewing<Vended>,
}

impl PrefixStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, folder: Path, vended: Renewing<Vended>) -> Self {
        Self { inner, folder, vended }
    }

    fn check(&self, path: &Path) -> Result<()> {
        match path.prefix_matches(&self.folder) {
            true => Ok(()),
            false => Err(Error::PermissionDenied {
                path: path.to_string(),
                source: "it lies outside of the folder that the credentials are for".into(),
            }),
        }
    }

    fn read_only(what: &'static str) -> Error {
        Error::NotSupported {
            source: format!("{what}: the credentials are for reading").into(),
        }
    }
}

impl fmt::Debug for PrefixStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixStore")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for PrefixStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrefixStore({})", self.folder)
    }
}

/// Whether new keys may help. S3 says of keys that have ended that the request is bad, with a word for why.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn is_denied(error: &Error) -> bool {
    const ENDED: [&str; 3] = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"];
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        Error::Generic { source, .. } => {
            let text = source.to_string();
            ENDED.iter().any(|word| text.contains(&format!("<Code>{word}</Code>")))
        }
        _ => false,
    }
}

/// A listing that is begun anew with new keys, if it is denied before its first entry.
fn listed(
    vended: Renewing<Vended>,
    list: impl Fn() -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let begun = async move {
        let held = vended.get().await.ok();
        let mut entries = list();
        match entries.next().await {
            Some(Err(error)) if is_denied(&error) => {
                if let Some(held) = held {
                    vended.discard(&held);
                }
                list()
            }
            Some(first) => futures::stream::once(futures::future::ready(first))
                .chain(entries)
                .boxed(),
            None => entries,
        }
    };
    futures::stream::once(begun).flatten().boxed()
}

#[async_trait]
impl ObjectStore for PrefixStore {
    async fn put_opts(&self, _location: &Path, _payload: PutPayload, _opts: PutOptions) -> Result<PutResult> {
        Err(Self::read_only("put"))
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Err(Self::read_only("put"))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        let held = self.vended.get().await.ok();
        match self.inner.get_opts(location, options.clone()).await {
            Err(error) if is_denied(&error) => {
                if let Some(held) = held {
                    self.vended.discard(&held);
                }
                self.inner.get_opts(location, options).await
            }
            outcome => outcome,
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        let held = self.vended.get().await.ok();
        match self.inner.get_ranges(location, ranges).await {
            Err(error) if is_denied(&error) => {
                if let Some(held) = held {
                    self.vended.discard(&held);
                }
                self.inner.get_ranges(location, ranges).await
            }
            outcome => outcome,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations
            .and_then(|_| futures::future::err(Self::read_only("delete")))
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check(prefix.unwrap_or(&Path::ROOT)) {
            Ok(()) => {
                let (inner, prefix) = (Arc::clone(&self.inner), prefix.cloned());
                listed(self.vended.clone(), move || inner.list(prefix.as_ref()))
            }
            Err(error) => futures::stream::once(futures::future::err(error)).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.check(prefix.unwrap_or(&Path::ROOT)) {
            Ok(()) => {
                let (inner, prefix, offset) = (Arc::clone(&self.inner), prefix.cloned(), offset.clone());
                listed(self.vended.clone(), move || {
                    inner.list_with_offset(prefix.as_ref(), &offset)
                })
            }
            Err(error) => futures::stream::once(futures::future::err(error)).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.check(prefix.unwrap_or(&Path::ROOT))?;
        let held = self.vended.get().await.ok();
        match self.inner.list_with_delimiter(prefix).await {
            Err(error) if is_denied(&error) => {
                if let Some(held) = held {
                    self.vended.discard(&held);
                }
                self.inner.list_with_delimiter(prefix).await
            }
            outcome => outcome,
        }
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        Err(Self::read_only("copy"))
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt as _;
    use object_store::memory::InMemory;

    use super::super::credentials::Keys;
    use super::*;
    use crate::clock::Clock;
    use crate::renewing::lease_until;

    async fn store() -> PrefixStore {
        let inner = Arc::new(InMemory::new());
        for path in ["a/t/x", "a/t2/x", "b"] {
            inner.put(&Path::from(path), "v".into()).await.unwrap();
        }
        let keys = || Vended::Keys {
            keys: Keys::Local,
            folder: None,
        };
        let vended = Renewing::new(
            Clock::system(),
            Box::new(move || Box::pin(async move { Ok(lease_until(keys(), 0, i64::MAX)) })),
        );
        PrefixStore::new(inner, Path::from("a/t"), vended)
    }

    #[tokio::test]
    async fn nothing_outside_of_the_folder_is_read() {
        let store = store().await;
        assert!(store.get(&Path::from("a/t/x")).await.is_ok());
        for outside in ["a/t2/x", "b", "a", ""] {
            let error = store.get(&Path::from(outside)).await.unwrap_err();
            assert!(is_denied(&error), "{outside}: {error}");
        }
        assert!(
            store
                .get_ranges(&Path::from("b"), std::slice::from_ref(&(0..1)))
                .await
                .is_err()
        );
        assert!(store.list(None).try_next().await.is_err());
        assert!(store.list(Some(&Path::from("a"))).try_next().await.is_err());
        assert!(store.list_with_delimiter(Some(&Path::from("a"))).await.is_err());
        let listed: Vec<_> = store.list(Some(&Path::from("a/t"))).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
    }

    #[tokio::test]
    async fn nothing_is_written() {
        let store = store().await;
        assert!(store.put(&Path::from("a/t/y"), "v".into()).await.is_err());
        assert!(store.delete(&Path::from("a/t/x")).await.is_err());
        assert!(store.copy(&Path::from("a/t/x"), &Path::from("a/t/z")).await.is_err());
    }
}
