//! Data files that VACUUM removes after a query has loaded the version that names them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path as LocalPath;
use std::sync::Arc;
use std::sync::Mutex;

use arrow::array::{AsArray as _, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use async_trait::async_trait;
use contract::{Error, ErrorKind, Identity, QueryContext, TableName, TableVersion};
use deltalake::DeltaTable;
use deltalake::protocol::SaveMode;
use engine::{AccessConfig, ClientSession, Engine, EngineOptions, Outcome, ResultStream, SessionOptions, UserEntry};
use federation::{Source, SourceTable, TableKind, TableLocation, TableOpener as _, TableSummary};
use futures::StreamExt as _;
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

/// What becomes of objects: new content, or gone.
type Changes = BTreeMap<Path, Option<Vec<u8>>>;

/// A bucket to which something happens just before the next data file is read.
#[derive(Debug, Default)]
struct Bucket {
    objects: InMemory,
    before_read: Mutex<Changes>,
}

impl Bucket {
    async fn apply(&self, changes: Changes) {
        for (path, content) in changes {
            match content {
                Some(content) => drop(self.objects.put(&path, content.into()).await.unwrap()),
                None => self.objects.delete(&path).await.unwrap(),
            }
        }
    }

    fn before_next_read(&self, changes: Changes) {
        *self.before_read.lock().unwrap() = changes;
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
        if !path.as_ref().contains("_delta_log") {
            let changes = std::mem::take(&mut *self.before_read.lock().unwrap());
            self.apply(changes).await;
        }
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

/// The catalog `lake` with the one table `lake.default.t`, in a bucket.
#[derive(Debug)]
struct Lake {
    bucket: Arc<Bucket>,
    opener: Arc<DeltaOpener>,
}

#[async_trait]
impl Source for Lake {
    fn name(&self) -> &str {
        "lake"
    }

    async fn schemas(&self, _ctx: &QueryContext) -> contract::Result<Vec<String>> {
        Ok(vec!["default".to_owned()])
    }

    async fn tables(&self, _schema: &str, _ctx: &QueryContext) -> contract::Result<Vec<TableSummary>> {
        let (name, kind) = ("t".to_owned(), TableKind::Table);
        Ok(vec![TableSummary { name, kind }])
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> contract::Result<Option<Arc<SourceTable>>> {
        let location = TableLocation {
            name: name.clone(),
            root: Url::parse("s3://bucket/lake/t/").unwrap(),
            store: Arc::clone(&self.bucket) as _,
            in_catalog: false,
        };
        self.opener.open(&location, version, ctx).await
    }
}

/// A table that is written on disk and served from a bucket, behind an engine of one thread a query.
struct World {
    directory: TempDir,
    bucket: Arc<Bucket>,
    engine: Engine,
    known: Changes,
}

impl World {
    async fn of(parts: &[&[i64]]) -> Self {
        let bucket = Arc::new(Bucket::default());
        let lake = Lake {
            bucket: Arc::clone(&bucket),
            opener: DeltaOpener::new(DeltaOptions::default()),
        };
        let rules = "CREATE ROLE reader; GRANT EXECUTE ON SERVICE postgres TO reader;
            GRANT SELECT ON lake.default.t TO reader; CREATE POLICY p ON lake.default.t USING (id > 1);";
        let reader = UserEntry {
            name: "reader".to_owned(),
            roles: vec!["reader".to_owned()],
            ..UserEntry::default()
        };
        let access = AccessConfig {
            rules: policy::parse_rules(&[("access.sql".to_owned(), rules.to_owned())]).unwrap(),
            users: vec![reader],
            ..AccessConfig::open()
        };
        let options = EngineOptions {
            target_partitions: Some(1),
            ..EngineOptions::default()
        };
        let engine = Engine::builder(options)
            .source(Arc::new(lake))
            .access(access)
            .build()
            .unwrap();
        let mut world = Self {
            directory: TempDir::new().unwrap(),
            bucket,
            engine,
            known: Changes::new(),
        };
        for part in parts {
            append(world.directory.path(), part).await;
        }
        let written = world.changes();
        world.bucket.apply(written).await;
        world
    }

    /// What was written to the disk since the last call.
    fn changes(&mut self) -> Changes {
        let mut now = Changes::new();
        read_folder(self.directory.path(), self.directory.path(), &mut now);
        let known = std::mem::replace(&mut self.known, now.clone());
        now.retain(|path, _| !known.contains_key(path));
        now
    }

    /// Commits a version with these rows only; gives the changes, of which the old data files are a part.
    async fn overwritten(&mut self, values: &[i64]) -> Changes {
        let old = data_files(&self.known);
        let url = Url::from_directory_path(self.directory.path()).unwrap();
        let table = DeltaTable::try_from_url(url).await.unwrap();
        table
            .write(vec![numbers(values)])
            .with_save_mode(SaveMode::Overwrite)
            .await
            .unwrap();
        let mut changes = self.changes();
        changes.extend(old.into_iter().map(|path| (path, None)));
        changes
    }

    fn session(&self, user: &str) -> ClientSession {
        let identity = match user {
            "root" => Arc::new(Identity::administrator(user)),
            user => self.engine.identity(user).unwrap(),
        };
        self.engine.open_session(identity, SessionOptions::default()).unwrap()
    }
}

fn numbers(values: &[i64]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

fn data_files(files: &Changes) -> Vec<Path> {
    let data = files.keys().filter(|path| !path.as_ref().contains("_delta_log"));
    data.cloned().collect()
}

fn read_folder(root: &LocalPath, folder: &LocalPath, found: &mut Changes) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let key = Path::parse(format!("lake/t/{name}")).unwrap();
            found.insert(key, Some(std::fs::read(&path).unwrap()));
        }
    }
}

async fn start(session: &mut ClientSession, sql: &str) -> contract::Result<ResultStream> {
    let statement = session.parse(sql)?.remove(0);
    let ctx = session.query_context();
    let prepared = session.prepare(statement, &[], &ctx).await?;
    match session.execute(&prepared, Vec::new(), &ctx).await? {
        Outcome::Rows { stream, .. } => Ok(stream),
        _ => Ok(futures::stream::empty().boxed()),
    }
}

fn values(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

async fn ids(session: &mut ClientSession, sql: &str) -> contract::Result<Vec<i64>> {
    let mut stream = start(session, sql).await?;
    let mut found = Vec::new();
    while let Some(batch) = stream.next().await {
        found.extend(values(&batch?));
    }
    found.sort_unstable();
    Ok(found)
}

const ALL: &str = "SELECT id FROM lake.default.t";

fn is_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::ObjectNotInPrerequisiteState && error.hint().is_some_and(|hint| hint.contains("again"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_begins_anew_on_the_version_that_is_there() {
    for user in ["root", "reader"] {
        let mut world = World::of(&[&[1, 2, 3]]).await;
        let mut session = world.session(user);
        let changes = world.overwritten(&[7, 8]).await;
        world.bucket.before_next_read(changes);
        assert_eq!(ids(&mut session, ALL).await.unwrap(), [7, 8], "{user}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_no_newer_version_replaces_is_an_error() {
    for user in ["root", "reader"] {
        let world = World::of(&[&[1, 2, 3]]).await;
        let mut session = world.session(user);
        let gone = data_files(&world.known).into_iter().map(|path| (path, None));
        world.bucket.before_next_read(gone.collect());
        let error = ids(&mut session, ALL).await.unwrap_err();
        assert!(is_gone(&error), "{user}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_sent_are_not_sent_again() {
    let mut world = World::of(&[&[1, 2, 3], &[4, 5, 6]]).await;
    let mut session = world.session("root");
    let mut stream = start(&mut session, ALL).await.unwrap();
    let first = values(&stream.next().await.unwrap().unwrap());
    assert_eq!(first.len(), 3);
    let changes = world.overwritten(&[7, 8]).await;
    world.bucket.apply(changes).await;
    let error = loop {
        match stream.next().await.expect("the second file is gone") {
            Ok(batch) => assert_eq!(batch.num_rows(), 0),
            Err(error) => break error,
        }
    };
    assert!(is_gone(&error), "{error:?}");
    drop(stream);
    assert_eq!(ids(&mut session, ALL).await.unwrap(), [7, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_keeps_to_its_version() {
    let mut world = World::of(&[&[1, 2, 3]]).await;
    let mut session = world.session("root");
    drop(start(&mut session, "BEGIN").await.unwrap());
    assert_eq!(ids(&mut session, ALL).await.unwrap(), [1, 2, 3]);
    let changes = world.overwritten(&[7, 8]).await;
    world.bucket.apply(changes).await;
    let error = ids(&mut session, ALL).await.unwrap_err();
    assert!(is_gone(&error), "{error:?}");
    session.fail_transaction();
    drop(start(&mut session, "ROLLBACK").await.unwrap());
    assert_eq!(ids(&mut session, ALL).await.unwrap(), [7, 8]);
}
