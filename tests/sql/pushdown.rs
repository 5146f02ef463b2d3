//! What is sent to a remote engine for the queries of `sql/pushdown`, one file each. `LAKEGATE_GOLDENS=write` writes what
//! is sent now into the files: look at the difference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use contract::{QueryContext, Result, Route, TableName, TableVersion};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::memory_pool::MemoryPool;
use engine::{Engine, EngineOptions};
use federation::{
    Capabilities, ComputeContext, ComputeMeter, RemoteEngine, RemoteStatement, RemoteStream, RemoteTable, Source,
    SourceTable, TableSummary,
};
use system_tests::demo_tables;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;

/// Before a user's name; the administrator where there is none.
const AS: &str = "-- as: ";
/// Before each statement that is sent.
const SENDS: &str = "-- sends: ";

/// Keeps what it is sent and answers with nothing.
#[derive(Debug)]
struct Recorder {
    context: ComputeContext,
    meter: ComputeMeter,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl RemoteEngine for Recorder {
    fn compute_context(&self) -> &ComputeContext {
        &self.context
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            route: Route::Spark,
            ansi: true,
        }
    }

    fn meter(&self) -> &ComputeMeter {
        &self.meter
    }

    async fn describe(&self, _statement: &RemoteStatement, _ctx: &QueryContext) -> Result<SchemaRef> {
        Ok(Arc::new(Schema::empty()))
    }

    async fn execute(&self, statement: Arc<RemoteStatement>, _memory: &Arc<dyn MemoryPool>) -> Result<RemoteStream> {
        self.sent.lock().unwrap().push(statement.text());
        Ok(Box::pin(futures::stream::empty()))
    }
}

/// The demo's catalog, as if another system read it.
#[derive(Debug)]
struct Elsewhere {
    inner: Arc<dyn Source>,
    engine: Arc<Recorder>,
}

#[async_trait]
impl Source for Elsewhere {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn schemas(&self, ctx: &QueryContext) -> Result<Vec<String>> {
        self.inner.schemas(ctx).await
    }

    async fn tables(&self, schema: &str, ctx: &QueryContext) -> Result<Vec<TableSummary>> {
        self.inner.tables(schema, ctx).await
    }

    async fn table(
        &self,
        name: &TableName,
        version: TableVersion,
        ctx: &QueryContext,
    ) -> Result<Option<Arc<SourceTable>>> {
        let Some(table) = self.inner.table(name, version, ctx).await? else {
            return Ok(None);
        };
        let path = vec![name.catalog.clone(), name.schema.clone(), name.table.clone()];
        let engine = Arc::clone(&self.engine) as Arc<dyn RemoteEngine>;
        let remote = RemoteTable::new(name.clone(), path, table.provider.schema(), engine);
        Ok(Some(Arc::new(SourceTable {
            provider: Arc::new(remote),
            state: table.state,
            comment: None,
        })))
    }
}

fn goldens() -> BTreeMap<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/pushdown");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "sql"));
    files
        .map(|path| (path.clone(), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent() {
    let recorder = Arc::new(Recorder {
        context: ComputeContext::new("samples", "service"),
        meter: ComputeMeter::default(),
        sent: Mutex::new(Vec::new()),
    });
    let inner = demo_tables::catalog(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    let options = EngineOptions {
        target_partitions: Some(2),
        ..EngineOptions::default()
    };
    let source = Elsewhere {
        inner,
        engine: Arc::clone(&recorder),
    };
    let engine = Engine::builder(options)
        .source(Arc::new(source))
        .access(lakegate::demo::access_config().unwrap())
        .build()
        .unwrap();
    let write = std::env::var("LAKEGATE_GOLDENS").is_ok_and(|word| word == "write");
    let mut wrong = Vec::new();
    for (path, text) in goldens() {
        let user = text.lines().find_map(|line| line.strip_prefix(AS)).unwrap_or("root");
        let sql: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
        let outcome = Embedded::open(&engine, user).run(&sql.join("\n")).await;
        let mut sent = std::mem::take(&mut *recorder.sent.lock().unwrap());
        sent.sort();
        let lines = text.lines().filter(|line| !line.starts_with(SENDS)).map(str::to_owned);
        let sent = sent.into_iter().map(|statement| format!("{SENDS}{statement}"));
        let now = lines.chain(sent).map(|line| line + "\n").collect::<String>();
        match outcome {
            Err(failure) => wrong.push(format!("{}: {failure}", path.display())),
            Ok(_) if write => std::fs::write(&path, now).unwrap(),
            Ok(_) if now != text => wrong.push(format!("{}:\n{now}", path.display())),
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
