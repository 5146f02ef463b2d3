//! Tables in stores that are not a local disk: isolation between stores, and how many requests an open table costs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use contract::{ErrorKind, TableName, TableVersion};
use federation::{TableLocation, TableOpener as _};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use source_delta::{DeltaOpener, DeltaOptions};
use tempfile::TempDir;
use url::Url;

use crate::life::append;
use crate::reading::{Rows, context, session};

/// A bucket in memory that counts what it is asked, or denies it.
#[derive(Debug, Default)]
struct Bucket {
    objects: InMemory,
    requests: AtomicUsize,
    denies: std::sync::atomic::AtomicBool,
}

impl Bucket {
    /// Copies the files of a local table to `lake/t`.
    async fn upload(&self, folder: &std::path::Path) {
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                    let key = Path::parse(format!("lake/t/{name}")).unwrap();
                    self.objects
                        .put(&key, std::fs::read(&path).unwrap().into())
                        .await
                        .unwrap();
                }
            }
        }
    }

    fn asked(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bucket")
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.count();
        if self.denies.load(Ordering::Relaxed) {
            let source = "https://bucket.example/lake?sig=very-secret".into();
            return Err(object_store::Error::PermissionDenied {
                path: path.to_string(),
                source,
            });
        }
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count();
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count();
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

fn location(bucket: &Arc<Bucket>) -> TableLocation {
    TableLocation {
        name: TableName::new("lake", "default", "t"),
        root: Url::parse("s3://bucket/lake/t/").unwrap(),
        store: Arc::clone(bucket) as _,
        in_catalog: false,
    }
}

async fn bucket_of(values: &[i64]) -> (Arc<Bucket>, TempDir) {
    let directory = TempDir::new().unwrap();
    append(directory.path(), values).await;
    let bucket = Arc::new(Bucket::default());
    bucket.upload(directory.path()).await;
    (bucket, directory)
}

async fn ids(opener: &DeltaOpener, bucket: &Arc<Bucket>) -> Vec<String> {
    let table = opener
        .open(&location(bucket), TableVersion::Latest, &context())
        .await
        .unwrap()
        .unwrap();
    Rows::of(&session(Arc::clone(&table.provider)), "SELECT id FROM t")
        .await
        .unwrap()
        .sorted()
}

/// One URL, two credentials: each reads through its own store, in one session too.
#[tokio::test(flavor = "multi_thread")]
async fn tables_of_one_url_read_through_their_own_stores() {
    let (one, _one) = bucket_of(&[1, 2]).await;
    let (other, _other) = bucket_of(&[3, 4]).await;
    let opener = DeltaOpener::new(DeltaOptions::default());
    for _ in 0..2 {
        assert_eq!(ids(&opener, &one).await, ["1", "2"]);
        assert_eq!(ids(&opener, &other).await, ["3", "4"]);
    }
    let first = opener
        .open(&location(&one), TableVersion::Latest, &context())
        .await
        .unwrap()
        .unwrap();
    let second = opener
        .open(&location(&other), TableVersion::Latest, &context())
        .await
        .unwrap()
        .unwrap();
    let ctx = session(Arc::clone(&first.provider));
    ctx.register_table("other", Arc::clone(&second.provider)).unwrap();
    let both = Rows::of(&ctx, "SELECT id FROM t UNION ALL SELECT id FROM other")
        .await
        .unwrap();
    assert_eq!(both.sorted(), ["1", "2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_table_costs_one_request_to_look_at() {
    let (bucket, directory) = bucket_of(&[1]).await;
    let opener = DeltaOpener::new(DeltaOptions::default());
    assert_eq!(ids(&opener, &bucket).await, ["1"]);
    bucket.asked();
    opener
        .open(&location(&bucket), TableVersion::Latest, &context())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(bucket.asked(), 1, "nothing new: one listing");
    assert_eq!(ids(&opener, &bucket).await, ["1"]);
    let again = bucket.asked();
    assert!(
        again <= 2,
        "{again} requests: a listing and the column, footer and file list being kept"
    );
    append(directory.path(), &[2]).await;
    bucket.upload(directory.path()).await;
    assert_eq!(ids(&opener, &bucket).await, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_access_is_told_without_secrets() {
    let (bucket, _directory) = bucket_of(&[1]).await;
    let opener = DeltaOpener::new(DeltaOptions::default());
    let table = opener
        .open(&location(&bucket), TableVersion::Latest, &context())
        .await
        .unwrap()
        .unwrap();
    bucket.denies.store(true, Ordering::Relaxed);
    let mut errors = vec![
        Rows::of(&session(Arc::clone(&table.provider)), "SELECT id FROM t")
            .await
            .unwrap_err(),
    ];
    let fresh = DeltaOpener::new(DeltaOptions::default());
    errors.push(
        fresh
            .open(&location(&bucket), TableVersion::Latest, &context())
            .await
            .unwrap_err(),
    );
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::SourceUnavailable, "{error}");
        let told = format!("{error:?} {:?} {}", error.detail(), error.causes());
        assert!(!told.contains("very-secret"), "{told}");
    }
}
