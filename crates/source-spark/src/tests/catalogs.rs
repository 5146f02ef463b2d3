use std::sync::Arc;

use contract::{ErrorKind, Identity, QueryContext, TableName, TableVersion};
use federation::{Source, TableKind};
use spark_connect_proto::data_type::{Char, Kind};

use super::script::{column, spark_error, texts_of};
use super::server::{Script, Server};
use crate::SparkCatalog;

fn context() -> QueryContext {
    QueryContext::new(Arc::new(Identity::administrator("test")))
}

async fn server() -> Server {
    Server::start(Script {
        answers: vec![
            ("SHOW SCHEMAS IN `main`", texts_of(&[&["sales", "`odd-one`", "a.b"]])),
            (
                "SHOW TABLES IN `main`.`sales`",
                texts_of(&[&["sales", "sales"], &["orders", "Recent"]]),
            ),
            ("SHOW VIEWS IN `main`.`sales`", texts_of(&[&["sales"], &["Recent"]])),
        ],
        ..Script::default()
    })
    .await
}

fn name(schema: &str, table: &str) -> TableName {
    TableName::new("spark", schema, table)
}

#[tokio::test]
async fn names_are_listed_once() {
    let server = server().await;
    let catalog = SparkCatalog::new("spark", Some("main"), None, server.engine());
    assert_eq!(catalog.schemas(&context()).await.unwrap(), ["odd-one", "sales"]);
    for _ in 0..2 {
        let tables = catalog.tables("sales", &context()).await.unwrap();
        let tables: Vec<_> = tables.iter().map(|table| (table.name.as_str(), table.kind)).collect();
        assert_eq!(tables, [("Recent", TableKind::View), ("orders", TableKind::Table)]);
    }
    assert_eq!(server.calls("ExecutePlan").len(), 3);
    assert_eq!(catalog.tables("SALES", &context()).await.unwrap(), []);
}

#[tokio::test]
async fn tables_open_under_their_exact_name_only() {
    let server = server().await;
    let catalog = SparkCatalog::new("spark", Some("main"), None, server.engine());
    let open = |schema: &'static str, table: &'static str| {
        let catalog = Arc::clone(&catalog);
        async move {
            catalog
                .table(&name(schema, table), TableVersion::Latest, &context())
                .await
        }
    };
    let table = open("sales", "orders").await.unwrap().unwrap();
    assert_eq!(table.provider.schema().field(0).name(), "c0");
    server
        .wait("AnalyzePlan", "SELECT * FROM `main`.`sales`.`orders`")
        .await;
    server
        .wait("ExecutePlan", "SHOW TABLES IN `main`.`sales` LIKE 'orders'")
        .await;
    let again = open("sales", "orders").await.unwrap().unwrap();
    assert_eq!(again.state, table.state);
    assert!(open("sales", "Orders").await.unwrap().is_none());
    assert!(open("Sales", "orders").await.unwrap().is_none());
    assert!(open("sales", "o'r\\").await.unwrap().is_none());
    let error = catalog
        .table(&name("sales", "orders"), TableVersion::Version(1), &context())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_table_with_a_column_that_is_not_supported_says_which() {
    let server = server().await;
    let char = Char {
        length: 3,
        ..Default::default()
    };
    server.script.lock().columns = vec![column("code", Kind::Char(char))];
    let catalog = SparkCatalog::new("spark", Some("main"), None, server.engine());
    let error = catalog
        .table(&name("sales", "orders"), TableVersion::Latest, &context())
        .await
        .unwrap_err();
    let expected =
        "table \"spark.sales.orders\" cannot be read: column \"code\" is of type CHAR(3), which is not supported";
    assert_eq!(error.message(), expected);
}

#[tokio::test]
async fn a_catalog_without_views_has_tables() {
    let server = server().await;
    server
        .script
        .lock()
        .answers
        .retain(|(statement, _)| !statement.starts_with("SHOW VIEWS"));
    let refusal = spark_error("MISSING_CATALOG_ABILITY.VIEWS", "0A000", "views are not supported");
    server
        .script
        .lock()
        .streams
        .push_back(vec![super::script::Step::Fail(refusal)]);
    let catalog = SparkCatalog::new("spark", Some("main"), None, server.engine());
    assert_eq!(catalog.tables("sales", &context()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_name_the_catalog_is_the_servers_own() {
    let server = server().await;
    server
        .script
        .lock()
        .answers
        .push(("SELECT current_catalog()", texts_of(&[&["main"]])));
    let catalog = SparkCatalog::new("spark", None, None, server.engine());
    assert_eq!(catalog.schemas(&context()).await.unwrap().len(), 2);
}
