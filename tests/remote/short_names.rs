//! What short names mean in a session, as a service says it; and what a service tells of its compute. Names are settled
//! before anything is asked, so most of this needs no server.

use std::sync::Arc;

use contract::{ErrorKind, Identity, QueryContext};
use engine::Engine;
use system_tests::gateway::configured;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;

use crate::workspace::{RUNNING, STOPPED, TOKEN, assert_correct, lines, requests, service};

/// A warehouse that no workspace has.
const UNKNOWN: &str = "00000000deadbeef";

fn context() -> QueryContext {
    QueryContext::new(Arc::new(Identity::administrator("tests")))
}

/// What the sources say of their compute, each by its catalog.
async fn told(engine: &Engine) -> Vec<(String, contract::Result<Option<String>>)> {
    let mut told = Vec::new();
    for source in engine.sources() {
        told.push((source.name().to_owned(), source.compute_state(&context()).await));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spark_service_says_what_short_names_mean() {
    let spark = |schema: &str| {
        format!(
            "[engine]\ndefault_schema = \"of_engine\"\n[[service]]\nname = \"compute\"\ntype = \"spark\"\n\
             workspace_url = \"sc://127.0.0.1:1\"\n{schema}"
        )
    };
    for (key, meant) in [("schema = \"Sales 1\"\n", "\"Sales 1\""), ("", "of_engine")] {
        let mut session = Embedded::open(&configured(&spark(key), &[]), "root");
        assert_eq!(lines(&mut session, "SHOW search_path").await, [meant], "{key}");
    }
    let engine = configured(&spark(""), &[]);
    let states = told(&engine).await;
    assert!(matches!(&states[..], [(_, Ok(None))]), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_says_what_short_names_mean_and_in_which_state_its_warehouse_is() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let gateway = |warehouse: &str, more: &str| {
        let keys = format!(
            "http_path = \"/sql/1.0/warehouses/{warehouse}\"\naccess_token = \"{TOKEN}\"\n\
             catalogs = [\"main\", \"samples\"]\n{more}"
        );
        configured(&service(&workspace.at.api, &keys), &[])
    };
    let engine = gateway(RUNNING, "catalog = \"samples\"\nschema = \"tpch\"\n");
    let mut session = Embedded::open(&engine, "root");
    let named = "SELECT current_database(), current_schema()";
    assert_eq!(lines(&mut session, named).await, ["samples|tpch"]);
    assert_eq!(lines(&mut session, "SELECT count(*) FROM region").await, ["5"]);
    // The schema is the default catalog's alone; the others have the engine's.
    let of_others = engine.sources();
    let of_others = of_others.iter().filter(|source| source.name() != "samples");
    assert!(of_others.map(|source| source.default_schema()).eq([None]));

    for (warehouse, state) in [
        (RUNNING, "warehouse \"Starter\" is running"),
        (STOPPED, "warehouse \"Stopped\" is stopped and starts on first use"),
    ] {
        let states = told(&gateway(warehouse, "")).await;
        assert_eq!(states.len(), 2);
        for (catalog, told) in states {
            assert_eq!(told.unwrap().as_deref(), Some(state), "{catalog}");
        }
    }
    let started = requests(&workspace, &format!("/warehouses/{STOPPED}/start")).await;
    assert!(started.is_empty(), "asking for a state starts nothing: {started:?}");
    for (catalog, told) in told(&gateway(UNKNOWN, "")).await {
        let error = told.expect_err(&catalog);
        assert_eq!(error.kind(), ErrorKind::SourceRejected, "{error}");
    }
    assert_correct(&workspace).await;
}
