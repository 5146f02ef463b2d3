//! Queries derived from TPC-H, against the answers that DuckDB gives.

use std::path::Path;
use std::sync::Arc;

use engine::AccessConfig;
use lakegate::demo::{CATALOG, DemoFolder};
use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
use system_tests::server::TestServer;
use system_tests::transport::Transport;
use system_tests::transport_flight::Flight;
use system_tests::transport_rest::Rest;
use system_tests::transport_wire::{ExtendedBinary, Simple};
use tokio::sync::OnceCell;

use crate::data::{Expectations, compare, folder};
use crate::lake;

const EXPECTATIONS: &str = include_str!("../expectations/tpch.toml");

/// The tables at scale 0.01, made once; kept between runs in the build's own temporary folder.
async fn tables() -> &'static DemoFolder {
    static TABLES: OnceCell<DemoFolder> = OnceCell::const_new();
    let make = || async {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tpch");
        lakegate::demo::prepare(&folder, 0.01, &|_| {}).await.unwrap()
    };
    TABLES.get_or_init(make).await
}

/// A server over the tables, in which short names mean them.
pub(crate) async fn serve(access: AccessConfig) -> TestServer {
    let location = tables().await.location().unwrap();
    let opener = DeltaOpener::new(DeltaOptions::default());
    let catalog = DeltaFolder::new(CATALOG, location, Default::default(), "default", opener).unwrap();
    lake::serve(vec![Arc::clone(&catalog) as _], "tpch", access).await
}

/// The text of query `number`, 1 to 22.
pub(crate) fn query(folder: &Path, number: usize) -> String {
    let text = std::fs::read_to_string(folder.join(format!("queries/q{number:02}.sql"))).unwrap();
    text.trim_end().trim_end_matches(';').to_owned()
}

async fn run(door: &mut dyn Transport) {
    let Some(folder) = folder("tpch") else { return };
    let mut expectations = Expectations::read(EXPECTATIONS, "tpch");
    for number in 1..=22 {
        let answer = door
            .run(&query(&folder, number))
            .await
            .map_err(|failure| failure.to_string());
        let path = folder.join(format!("answers/sf0.01/q{number:02}.csv"));
        let outcome = answer.and_then(|answer| compare(&answer, &path));
        expectations.record(&format!("q{number:02}"), outcome);
    }
    expectations.finish(&format!("tpch ({})", door.name()));
}

#[tokio::test(flavor = "multi_thread")]
async fn simple() {
    let server = serve(AccessConfig::open()).await;
    run(&mut Simple::connect(server.address, "root").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extended_binary() {
    let server = serve(AccessConfig::open()).await;
    run(&mut ExtendedBinary::connect(server.address, "root").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flight() {
    let server = serve(AccessConfig::open()).await;
    run(&mut Flight::open(&server.engine, "root").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rest() {
    let server = serve(AccessConfig::open()).await;
    run(&mut Rest::open(&server.engine, "root").await).await;
}

/// Numbers are compared by the digits that stand in the text.
#[tokio::test(flavor = "multi_thread")]
async fn rest_in_json() {
    let server = serve(AccessConfig::open()).await;
    run(&mut Rest::open(&server.engine, "root").await.in_json()).await;
}
