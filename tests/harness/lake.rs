//! Delta tables that a test writes, and servers over them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use deltalake::DeltaTable;
use engine::{AccessConfig, Engine, EngineOptions};
use federation::Source;
use frontend_postgres::PostgresOptions;
use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
use url::Url;

use crate::server::TestServer;

/// Appends to the table in `folder`, one commit a batch; makes the table where it is missing.
///
/// # Panics
/// If that fails.
pub async fn write(folder: &Path, commits: impl IntoIterator<Item = RecordBatch>) {
    std::fs::create_dir_all(folder).unwrap();
    let mut table = DeltaTable::try_from_url(Url::from_directory_path(folder).unwrap())
        .await
        .unwrap();
    for batch in commits {
        table = Box::pin(table.write(vec![batch]).into_future()).await.unwrap();
    }
}

/// A catalog over the tables in `root/schema/table`.
///
/// # Panics
/// If `root` is no absolute path.
pub fn catalog(name: &str, root: &Path) -> Arc<dyn Source> {
    let opener = DeltaOpener::new(DeltaOptions::default());
    let location = Url::from_directory_path(root).unwrap();
    DeltaFolder::new(name, location, BTreeMap::new(), "default", opener).unwrap()
}

/// A server over these catalogs, the first of which short names mean.
///
/// # Panics
/// If there is none, or they do not fit together.
pub async fn serve(sources: Vec<Arc<dyn Source>>, schema: &str, access: AccessConfig) -> TestServer {
    let options = EngineOptions {
        default_schema: schema.to_owned(),
        default_catalog: Some(sources[0].name().to_owned()),
        memory_limit: Some(2 << 30),
        target_partitions: Some(2),
        ..EngineOptions::default()
    };
    let builder = Engine::builder(options).access(access);
    let engine = sources
        .into_iter()
        .fold(builder, engine::EngineBuilder::source)
        .build()
        .unwrap();
    TestServer::over(engine, PostgresOptions::default()).await
}
