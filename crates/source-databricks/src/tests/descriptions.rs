//! Descriptions of all tables of a schema: by pages, kept as long as names are and no longer, and only if they are few.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use contract::{Identity, QueryContext, Result};
use datafusion::arrow::datatypes::DataType;
use federation::{Source as _, TableDescription};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::http_replies::{Asked, Reply, Server};
use super::privileges::NoFiles;
use crate::clock::Clock;
use crate::{UnityCatalog, UnityOptions};

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
            name: "lake".to_owned(),
            catalog: "main".to_owned(),
            ..UnityOptions::default()
        };
        let workspace = server.workspace().with_clock(Clock::of_test(&now));
        let catalog = UnityCatalog::new(options, workspace, Arc::new(NoFiles), None).unwrap();
        Self { server, catalog, now }
    }

    async fn described(&self, with_columns: bool) -> Result<Vec<TableDescription>> {
        let ctx = QueryContext::new(Arc::new(Identity::administrator("tests")));
        let pages = self.catalog.describe("s", with_columns, &ctx).await?.unwrap();
        let pages: Vec<Vec<_>> = pages.try_collect().await?;
        Ok(pages.into_iter().flatten().collect())
    }

    fn asked(&self) -> usize {
        self.server.asked().len()
    }
}

fn column(name: &str, position: usize, type_text: &str) -> Value {
    json!({"name": name, "position": position, "type_text": type_text})
}

/// Two pages, between them an empty one; the first table's comment tells how many requests came before.
fn in_pages(number: usize, asked: &Asked) -> Reply {
    let with_columns = asked.line.contains("omit_columns=false");
    let columns = |columns: Value| if with_columns { columns } else { json!([]) };
    let page = match asked
        .line
        .split("page_token=")
        .nth(1)
        .and_then(|rest| rest.chars().next())
    {
        None => json!({
            "tables": [{
                "name": "a", "comment": format!("asked as number {number}"),
                "columns": columns(json!([
                    {"name": "n", "position": 1, "type_text": "decimal(10,2)", "nullable": false},
                    {"name": "id", "position": 0, "type_text": "bigint", "comment": "the key", "nullable": true},
                ])),
            }],
            "next_page_token": "1",
        }),
        Some('1') => json!({"tables": [], "next_page_token": "2"}),
        Some(_) => json!({"tables": [
            {"name": "b", "comment": "", "columns": columns(json!([column("x", 0, "tensor<3>")]))},
            {"name": "c", "comment": null},
        ]}),
    };
    Reply::json(200, page)
}

#[tokio::test]
async fn pages_tell_what_opening_would() {
    let world = World::of(in_pages).await;
    let tables = world.described(true).await.unwrap();
    let names: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let columns = tables[0].columns.as_ref().unwrap();
    let [id, n] = [columns.field(0), columns.field(1)];
    assert_eq!(
        (id.name().as_str(), id.data_type(), id.is_nullable()),
        ("id", &DataType::Int64, true)
    );
    assert_eq!(id.metadata()["comment"], "the key");
    assert_eq!((n.data_type(), n.is_nullable()), (&DataType::Decimal128(10, 2), false));
    assert_eq!(tables[0].comment.as_deref(), Some("asked as number 0"));
    // What only opening tells is left open.
    for table in &tables[1..] {
        assert_eq!((&table.columns, &table.comment), (&None, &None), "{}", table.name);
    }
    assert_eq!(world.asked(), 3);
    assert!(
        world
            .server
            .asked()
            .iter()
            .all(|asked| asked.line.contains("schema_name=s&"))
    );
}

#[tokio::test]
async fn descriptions_live_as_long_as_names() {
    let world = World::of(in_pages).await;
    let first = world.described(true).await.unwrap();
    world.now.store(14_999, Ordering::SeqCst);
    assert_eq!(world.described(true).await.unwrap(), first);
    // Comments alone are among them.
    assert_eq!(world.described(false).await.unwrap(), first);
    assert_eq!(world.asked(), 3);

    // In use they are renewed behind the answer, once.
    world.now.store(15_000, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(world.described(true).await.unwrap(), first);
    }
    while world.described(true).await.unwrap() == first {
        tokio::task::yield_now().await;
    }
    let second = world.described(true).await.unwrap();
    assert_eq!(second[0].comment.as_deref(), Some("asked as number 3"));
    assert_eq!(world.asked(), 6);

    // Later they are waited for.
    world.now.store(15_000 + 10 * 60_000, Ordering::SeqCst);
    let third = world.described(true).await.unwrap();
    assert_eq!(third[0].comment.as_deref(), Some("asked as number 6"));
    // Told to forget, it asks at once; and asks for no columns where none are wanted.
    world.catalog.refresh();
    let comments = world.described(false).await.unwrap();
    assert_eq!(comments[0].comment.as_deref(), Some("asked as number 9"));
    assert!(comments.iter().all(|table| table.columns.is_none()));
}

#[tokio::test]
async fn what_was_not_read_to_its_end_is_not_kept() {
    let broken = Arc::new(AtomicUsize::new(1));
    let now_broken = Arc::clone(&broken);
    let world = World::of(move |number, asked| {
        let is_last = asked.line.contains("page_token=2");
        match is_last && now_broken.load(Ordering::SeqCst) == 1 {
            true => Reply::json(400, json!({"error_code": "INVALID_PARAMETER_VALUE", "message": "no"})),
            false => in_pages(number, asked),
        }
    })
    .await;
    assert!(world.described(true).await.is_err());
    broken.store(0, Ordering::SeqCst);
    assert_eq!(world.described(true).await.unwrap().len(), 3);
    assert_eq!(world.asked(), 6);
}

#[tokio::test]
async fn what_is_too_much_is_fetched_each_time() {
    let tables: Vec<_> = (0..101)
        .map(|table| {
            let columns: Vec<_> = (0..1_000).map(|at| column(&format!("c{at}"), at, "int")).collect();
            json!({"name": format!("t{table}"), "columns": columns})
        })
        .collect();
    let page = json!({ "tables": tables });
    let world = World::of(move |_, _| Reply::json(200, &page)).await;
    for asked in 1..=2 {
        assert_eq!(world.described(true).await.unwrap().len(), 101);
        assert_eq!(world.asked(), asked);
    }
}

#[tokio::test]
async fn a_schema_that_went_has_no_tables() {
    let world = World::of(|_, _| Reply::json(404, json!({"error_code": "SCHEMA_DOES_NOT_EXIST"}))).await;
    assert!(world.described(true).await.unwrap().is_empty());
}
