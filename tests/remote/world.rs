//! The tables, once as Spark names them and once as the files that they are.

use std::path::{Path, PathBuf};

use engine::Engine;
use system_tests::demo_tables;
use system_tests::gateway::configured;
use system_tests::spark_client::SparkClient;
use system_tests::spark_server::SparkServer;
use system_tests::suite_tables;
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;

use crate::{cases, edges};

/// The schemas of the demo's tables.
const DEMO_SCHEMAS: [&str; 3] = ["tpch", "logistics", "nyctaxi"];

/// Who may do what, if anybody may not.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Access<'a> {
    /// Rules as SQL.
    pub(crate) rules: &'a str,
    /// `[[access.user]]`, without a password: these users come by another way than a login.
    pub(crate) users: &'a str,
}

/// Tables that Spark and this process read, each from the same files.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) spark: &'static SparkServer,
    demo: PathBuf,
    own: TempDir,
}

impl World {
    /// The one of this test process; `None`, said aloud, without Spark.
    pub(crate) async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<World>> = OnceCell::const_new();
        SHARED.get_or_init(Self::make).await.as_ref()
    }

    async fn make() -> Option<Self> {
        let spark = SparkServer::shared().await?;
        let build = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let demo = demo_tables::location(build).await.to_file_path().unwrap();
        let own = tempfile::tempdir().unwrap();
        let client = spark.client().await;
        cases::write(&client, own.path()).await;
        suite_tables::write(own.path()).await;
        edges::write_nans(own.path()).await;
        for name in suite_tables::NAMES.into_iter().chain([edges::NANS]) {
            register(&client, "public", &own.path().join("public").join(name)).await;
        }
        register_demo(&client, &demo).await;
        Some(Self { spark, demo, own })
    }

    /// The folders of tables that Spark has too: of the demo's, and of [`cases`] and suites.
    pub(crate) fn folders(&self) -> [(&'static str, &Path); 2] {
        [("lake", &self.demo), ("own", self.own.path())]
    }

    /// The gateway: catalog `spark`, and the same tables as files in `lake` (the demo's) and `own` (those of
    /// [`cases`]). Each test has its own, since connections belong to the runtime that made them.
    pub(crate) fn gateway(&self, access: Option<Access<'_>>) -> Engine {
        let services = configuration(&self.spark.url(), &self.folders());
        match access {
            None => configured(&services, &[]),
            Some(Access { rules, users }) => {
                let all = format!("{services}\n[access]\nrules = [\"access.sql\"]\n{users}");
                configured(&all, &[("access.sql", rules)])
            }
        }
    }
}

/// A configuration with Spark at `url` and folders of Delta tables by name.
pub(crate) fn configuration(url: &str, folders: &[(&str, &Path)]) -> String {
    let mut text = format!(
        "[engine]\ndefault_catalog = \"spark\"\ndefault_schema = \"public\"\nmemory_limit = \"2GiB\"\n
         [[service]]\nname = \"spark\"\ntype = \"spark\"\nworkspace_url = \"{url}\"\ncatalog = \"spark_catalog\"\n"
    );
    for (name, folder) in folders {
        let location = Url::from_directory_path(folder).unwrap();
        text += &format!("\n[[service]]\nname = \"{name}\"\ntype = \"delta\"\nlocation = \"{location}\"\n");
    }
    text
}

/// Tells Spark of the demo's tables where they lie.
pub(crate) async fn register_demo(client: &SparkClient, demo: &Path) {
    for schema in DEMO_SCHEMAS {
        client.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
        for table in std::fs::read_dir(demo.join(schema)).unwrap() {
            let folder = table.unwrap().path();
            if folder.join("_delta_log").is_dir() {
                register(client, schema, &folder).await;
            }
        }
    }
}

/// Tells Spark of the table that lies in `folder`, under the folder's name.
async fn register(client: &SparkClient, schema: &str, folder: &Path) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let location = Url::from_directory_path(folder).unwrap();
    client
        .run(&format!(
            "CREATE TABLE IF NOT EXISTS {schema}.{name} USING delta LOCATION '{location}'"
        ))
        .await;
}
