//! What users may read: asked of the service for each of them, kept for a short time, never guessed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use contract::{ErrorKind, Identity, QueryContext, Result, TableName, TableVersion};
use federation::{Source as _, SourceTable, TableKind, TableLocation, TableOpener, TableSummary};
use serde_json::{Value, json};

use super::http_replies::{Asked, Reply, Server};
use crate::clock::Clock;
use crate::{UnityCatalog, UnityOptions};

/// Nothing is opened here.
#[derive(Debug)]
pub(super) struct NoFiles;

#[async_trait]
impl TableOpener for NoFiles {
    async fn open(&self, _: &TableLocation, _: TableVersion, _: &QueryContext) -> Result<Option<Arc<SourceTable>>> {
        Ok(None)
    }
}

struct World {
    server: Server,
    catalog: Arc<UnityCatalog>,
    now: Arc<AtomicI64>,
}

impl World {
    async fn of(answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let server = Server::start(answer).await;
        let now = Arc::new(AtomicI64::new(0));
        let options = UnityOptions {
            name: "main".to_owned(),
            catalog: "main".to_owned(),
            check_users: true,
            ..UnityOptions::default()
        };
        let workspace = server.workspace().with_clock(Clock::of_test(&now));
        let catalog = UnityCatalog::new(options, workspace, Arc::new(NoFiles), None).unwrap();
        Self { server, catalog, now }
    }

    async fn may_read(&self, user: &str, schema: &str, table: &str) -> Result<bool> {
        let identity = Identity::builder(user).build();
        let name = TableName::new("main", schema, table);
        self.catalog.privileges().unwrap().may_read(&name, &identity).await
    }

    /// The paths that were asked for, with what follows them.
    fn asked(&self) -> Vec<String> {
        let asked = self.server.asked().into_iter();
        let path = |asked: Asked| asked.line.split(' ').nth(1).unwrap_or_default().to_owned();
        asked
            .map(path)
            .map(|path| path.trim_start_matches("/api/2.1/unity-catalog/").to_owned())
            .collect()
    }
}

fn granted(principal: &str, privileges: &[&str]) -> Value {
    let privileges: Vec<_> = privileges.iter().map(|name| json!({ "privilege": name })).collect();
    json!({ "privilege_assignments": [{ "principal": principal, "privileges": privileges }] })
}

fn nothing() -> Reply {
    Reply::json(200, json!({ "privilege_assignments": [] }))
}

fn missing() -> Reply {
    Reply::json(404, json!({ "error_code": "TABLE_DOES_NOT_EXIST" }))
}

/// A catalog with a schema `s` whose table `größe` alone ana may read.
fn of_one_table(_: usize, asked: &Asked) -> Reply {
    let path = asked.line.split(' ').nth(1).unwrap_or_default();
    if !path.contains("effective-permissions") {
        return Reply::json(200, json!({ "owner": "root" }));
    }
    if !path.contains("principal=ana%40example.com&") {
        return nothing();
    }
    let words: &[&str] = match path {
        _ if path.contains("/catalog/main?") => &["USE_CATALOG"],
        _ if path.contains("/schema/main.s?") => &["USE_CATALOG", "USE_SCHEMA"],
        _ if path.contains("/table/main.s.gr%C3%B6%C3%9Fe?") => &["USE_CATALOG", "USE_SCHEMA", "SELECT"],
        _ if path.contains("/table/main.s.a%2Fb%20%3F%23%25?") => &["SELECT"],
        _ => &["BROWSE"],
    };
    Reply::json(200, granted("ana@example.com", words))
}

#[tokio::test]
async fn names_are_one_segment_of_the_path() {
    let world = World::of(of_one_table).await;
    assert!(world.may_read("ana@example.com", "s", "größe").await.unwrap());
    assert!(world.may_read("ana@example.com", "s", "a/b ?#%").await.unwrap());
    assert!(!world.may_read("ana@example.com", "s", "other").await.unwrap());
    assert!(!world.may_read("ana@example.com", "t", "größe").await.unwrap());
    let before = world.asked().len();
    for (schema, table) in [("s", "größe.x"), ("s", ""), ("s.größe", "x"), ("..", "x")] {
        assert!(
            !world.may_read("ana@example.com", schema, table).await.unwrap(),
            "{schema}.{table}"
        );
    }
    let later = world.asked().split_off(before);
    assert!(
        later
            .iter()
            .all(|path| path.starts_with("tables/") || path.starts_with("schemas/")),
        "{later:?}"
    );
}

#[tokio::test]
async fn one_question_serves_all_who_ask_for_one_user_and_nobody_else() {
    let world = World::of(of_one_table).await;
    let all = (0..30).map(|_| world.may_read("ana@example.com", "s", "größe"));
    assert!(futures::future::join_all(all).await.into_iter().all(|may| may.unwrap()));
    assert_eq!(
        world.asked(),
        [
            "effective-permissions/catalog/main?principal=ana%40example.com&max_results=0",
            "effective-permissions/schema/main.s?principal=ana%40example.com&max_results=0",
            "effective-permissions/table/main.s.gr%C3%B6%C3%9Fe?principal=ana%40example.com&max_results=0",
        ]
    );
    assert!(!world.may_read("bob@example.com", "s", "größe").await.unwrap());
    assert!(!world.may_read("ana", "s", "größe").await.unwrap());
    assert!(!world.may_read("ANA@example.com", "s", "größe").await.unwrap());
}

#[tokio::test]
async fn what_the_catalog_grants_is_asked_once_for_all_tables() {
    let world = World::of(|_, _| Reply::json(200, granted("analysts", &["USE_CATALOG", "USE_SCHEMA", "SELECT"]))).await;
    let identity = Identity::builder("ana").build();
    let tables: Vec<_> = (0..100_000)
        .map(|number| TableSummary {
            name: format!("t{number}"),
            kind: TableKind::Table,
        })
        .collect();
    let privileges = world.catalog.privileges().unwrap();
    let seen = privileges
        .readable_tables("s", tables.clone(), &identity)
        .await
        .unwrap();
    assert_eq!(seen, tables);
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn a_listing_of_tables_that_differ_is_bounded() {
    let world = World::of(
        |_, asked| match asked.line.contains("/catalog/") || asked.line.contains("/schema/") {
            true => Reply::json(200, granted("ana", &["USE_CATALOG", "USE_SCHEMA"])),
            false => nothing(),
        },
    )
    .await;
    let identity = Identity::builder("ana").build();
    let tables = (0..5_000).map(|number| TableSummary {
        name: format!("t{number}"),
        kind: TableKind::Table,
    });
    let privileges = world.catalog.privileges().unwrap();
    let seen = privileges
        .readable_tables("s", tables.collect(), &identity)
        .await
        .unwrap();
    assert!(seen.is_empty());
    assert_eq!(world.asked().len(), 2 + 256);
}

#[tokio::test]
async fn an_answer_lives_for_thirty_seconds() {
    let grants = Arc::new(AtomicUsize::new(1));
    let held = Arc::clone(&grants);
    let world = World::of(move |_, asked| match held.load(Ordering::SeqCst) {
        1 => Reply::json(200, granted("ana", &["ALL_PRIVILEGES"])),
        _ if asked.line.contains("effective-permissions") => nothing(),
        _ => missing(),
    })
    .await;
    assert!(world.may_read("ana", "s", "t").await.unwrap());
    grants.store(0, Ordering::SeqCst);
    world.now.store(9_999, Ordering::SeqCst);
    assert!(world.may_read("ana", "s", "t").await.unwrap());
    assert_eq!(world.asked().len(), 1);
    world.now.store(30_000, Ordering::SeqCst);
    assert!(!world.may_read("ana", "s", "t").await.unwrap());
    // Told to forget, it asks at once.
    grants.store(1, Ordering::SeqCst);
    assert!(!world.may_read("ana", "s", "t").await.unwrap());
    world.catalog.refresh();
    assert!(world.may_read("ana", "s", "t").await.unwrap());
}

#[tokio::test]
async fn what_cannot_be_found_out_is_an_error() {
    let denied = json!({ "error_code": "PERMISSION_DENIED", "message": "User is not an owner of Catalog 'main'." });
    let no_call = json!({ "error_code": "ENDPOINT_NOT_FOUND" });
    let stranger = json!({ "error_code": 403, "message": "Invalid access token." });
    for (status, body, kind) in [
        (403, denied, ErrorKind::PermissionDenied),
        (403, stranger, ErrorKind::SourceRejected),
        (404, no_call, ErrorKind::SourceRejected),
        (400, json!({}), ErrorKind::SourceRejected),
        (200, json!([]), ErrorKind::SourceUnavailable),
        (
            200,
            json!({ "privilege_assignments": "all" }),
            ErrorKind::SourceUnavailable,
        ),
    ] {
        let world = World::of(move |_, _| Reply::json(status, body.clone())).await;
        let error = world.may_read("ana", "s", "t").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        if kind == ErrorKind::PermissionDenied {
            assert!(error.hint().unwrap().contains("MANAGE"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn owners_read_what_they_own() {
    let world = World::of(|_, asked| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        let owner = match path {
            _ if path.contains("effective-permissions") => return nothing(),
            _ if path.contains("/tables/main.s.others") => "analysts",
            _ if path.contains("/tables/") => "ana",
            _ if path.contains("/schemas/main.closed") => "root",
            _ => "ana",
        };
        let name = path.split(['.', '?']).nth(3).unwrap_or_default();
        let schema = path.split('.').nth(2).unwrap_or_default();
        Reply::json(
            200,
            json!({ "owner": owner, "schema_name": schema, "name": name, "table_type": "MANAGED" }),
        )
    })
    .await;
    assert!(world.may_read("ana", "s", "own").await.unwrap());
    assert!(!world.may_read("ana", "s", "others").await.unwrap());
    assert!(!world.may_read("ana", "closed", "own").await.unwrap());
    assert!(
        !world.may_read("analysts", "s", "others").await.unwrap(),
        "its parents are not its own"
    );
}
