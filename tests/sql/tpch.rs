//! Queries derived from TPC-H, against the answers that DuckDB gives.

use std::path::Path;

use engine::AccessConfig;
use system_tests::demo_tables::{self, query};
use system_tests::server::TestServer;
use system_tests::transport::Transport;
use system_tests::transport_flight::Flight;
use system_tests::transport_rest::Rest;
use system_tests::transport_wire::{ExtendedBinary, Simple};

use crate::data::{Expectations, compare, folder};
use crate::lake;

const EXPECTATIONS: &str = include_str!("../expectations/tpch.toml");

/// A server over the tables, in which short names mean them.
pub(crate) async fn serve(access: AccessConfig) -> TestServer {
    let catalog = demo_tables::catalog(Path::new(env!("CARGO_TARGET_TMPDIR"))).await;
    lake::serve(vec![catalog], "tpch", access).await
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
