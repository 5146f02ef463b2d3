//! The demo's tables at scale 0.01, made once and kept between runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lakegate::demo::{CATALOG, DemoFolder};
use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
use tokio::sync::OnceCell;
use url::Url;

/// The scale that the answers of `shared/data/tpch` are for.
const SCALE: f64 = 0.01;

/// The folder of the tables. `build` is the build's own temporary folder, `CARGO_TARGET_TMPDIR`, which only the test
/// targets are told.
pub async fn location(build: &Path) -> Url {
    static TABLES: OnceCell<DemoFolder> = OnceCell::const_new();
    let make = || async {
        lakegate::demo::prepare(&build.join("tpch"), SCALE, &|_| {})
            .await
            .unwrap()
    };
    TABLES.get_or_init(make).await.location().unwrap()
}

/// The catalog `samples`, in the same build's folder.
pub async fn catalog(build: &Path) -> Arc<DeltaFolder> {
    let opener = DeltaOpener::new(DeltaOptions::default());
    DeltaFolder::new(CATALOG, location(build).await, BTreeMap::new(), "default", opener).unwrap()
}

/// The text of query `number` of the conformance data in `folder`, 1 to 22.
pub fn query(folder: &Path, number: usize) -> String {
    let text = std::fs::read_to_string(folder.join(format!("queries/q{number:02}.sql"))).unwrap();
    text.trim_end().trim_end_matches(';').to_owned()
}
