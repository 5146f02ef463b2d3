//! Names, kinds and comments of Unity Catalog as tools see them, on Databricks and on the open-source server.

use std::sync::Arc;

use contract::{Identity, QueryContext, TableName, TableVersion};
use engine::Engine;
use reqwest::Method;
use serde_json::{Map, Value, json};
use system_tests::gateway::configured;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::workspace_server::WorkspaceServer;

use crate::workspace::{TOKEN, answer, assert_correct, declare, gateway, lines, requests, set, settings};

/// What `psql` asks for `\dn` and `\d *.*`, without what is only for show.
const SCHEMAS: &str = "SELECT n.nspname FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";
const RELATIONS: &str = "SELECT c.relname, c.relkind
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname = 'default'";

/// What the source says of a table of `main.default`.
async fn comment_on(engine: &Engine, table: &str) -> Option<String> {
    let ctx = QueryContext::new(Arc::new(Identity::administrator("tests")));
    let sources = engine.sources();
    let main = sources.iter().find(|source| source.name() == "main").unwrap();
    let name = TableName::new("main", "default", table);
    let opened = main.table(&name, TableVersion::Latest, &ctx).await.unwrap();
    opened.unwrap_or_else(|| panic!("there is no {table}")).comment.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_tables_and_views_are_listed() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    // What lies in stores that are names only here would be looked for in the network.
    for table in ["on_azure", "on_azure_aad", "on_gcp", "on_r2"] {
        let name = json!({"full_name": format!("main.clouds.{table}")});
        workspace.control(Method::POST, "tables/drop", Some(&name)).await;
    }
    let mut session = Embedded::open(&gateway(&workspace), "root");
    let schemas = lines(&mut session, SCHEMAS).await;
    for schema in ["clouds", "default", "governed"] {
        assert!(schemas.iter().any(|name| name == schema), "{schema} of {schemas:?}");
    }
    assert!(!schemas.iter().any(|name| name == "hidden"), "{schemas:?}");
    let relations = lines(&mut session, RELATIONS).await;
    let expected = [
        "all_types|r",
        "catalog_managed|r",
        "größe|r",
        "no_columns|r",
        "north_orders|v",
        "orders|r",
        "variants|r",
        "with space|r",
    ];
    let mut sorted = relations;
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    let columns = "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = 'orders'::regclass AND a.attnum > 0 ORDER BY a.attnum";
    let expected = [
        "order_id|bigint",
        "customer|text",
        "amount|numeric(10,2)",
        "ordered_on|date",
        "region|text",
    ];
    assert_eq!(lines(&mut session, columns).await, expected);
    let spelled = lines(&mut session, "SELECT \"a b\", \"ü`x\" FROM \"with space\"").await;
    assert_eq!(spelled, ["1|q"]);
    for missing in [
        "\"ORDERS\"",
        "\"Größe\"",
        "\"default.orders\"",
        "\"orders`\"",
        "main.\"DEFAULT\".orders",
        "nothing",
    ] {
        let sql = format!("SELECT * FROM {missing}");
        let failure = session.run(&sql).await.expect_err(&sql);
        assert!(
            ["42P01", "3F000"].contains(&failure.sqlstate.as_str()),
            "{sql}: {failure}"
        );
    }
    assert_correct(&workspace).await;
}

/// Those of tables always, those of columns where the warehouse reads the table.
#[tokio::test(flavor = "multi_thread")]
async fn comments_are_those_of_the_catalog() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let view = json!({
        "table_type": "VIEW", "view_definition": "SELECT order_id FROM orders",
        "columns": [{"name": "order_id", "type": "bigint", "comment": "the number of the order"}],
    });
    declare(
        &workspace,
        json!({"catalogs": {"main": {"schemas": {"default": {"tables": {"numbers": view}}}}}}),
    )
    .await;
    let engine = gateway(&workspace);
    for (table, comment) in [("orders", Some("orders of a shop")), ("numbers", None)] {
        assert_eq!(comment_on(&engine, table).await.as_deref(), comment);
    }
    let mut session = Embedded::open(&engine, "root");
    let comment = "SELECT col_description('numbers'::regclass, 1)";
    assert_eq!(lines(&mut session, comment).await, ["the number of the order"]);
    assert_eq!(
        lines(&mut session, "SELECT count(order_id) FROM numbers").await,
        ["1000"]
    );
}

/// In many pages, some of them empty; and none is asked for where one table is read.
#[tokio::test(flavor = "multi_thread")]
async fn many_tables_are_listed_in_pages_and_opened_without() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let tables = (0..1200).map(|number| {
        let table = json!({
            "columns": [{"name": "n", "type": "int"}], "rows": format!("SELECT {number} AS n"),
        });
        (format!("t{number:04}"), table)
    });
    let tables: Map<String, Value> = tables.collect();
    let schemas: Map<String, Value> = (0..120).map(|number| (format!("s{number:03}"), json!({}))).collect();
    let mut schemas = schemas;
    schemas.insert("many".to_owned(), json!({"tables": tables}));
    declare(
        &workspace,
        json!({
            "catalogs": {"main": {"owner": "gateway", "schemas": schemas}},
            "grants": [{"on": "catalog", "name": "main", "principal": "gateways",
                        "privileges": ["USE_SCHEMA", "SELECT", "EXTERNAL_USE_SCHEMA"]}],
        }),
    )
    .await;
    set(&workspace, json!({"page_size_limit": 7, "empty_page_every": 2})).await;
    let mut session = Embedded::open(&gateway(&workspace), "root");
    assert_eq!(lines(&mut session, "SELECT n FROM main.many.t0777").await, ["777"]);
    for listing in ["/unity-catalog/schemas", "/table-summaries"] {
        let asked = requests(&workspace, listing).await;
        assert!(asked.is_empty(), "{listing}: {asked:?}");
    }
    let counted = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'many'";
    assert_eq!(lines(&mut session, counted).await, ["1200"]);
    let counted = "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname LIKE 's___'";
    assert_eq!(lines(&mut session, counted).await, ["120"]);
    assert_correct(&workspace).await;
}

/// The server keeps the case of names; what needs compute has none here: Sail forgets its tables with each session.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_source_catalog_is_mounted() {
    let Some(workspace) = WorkspaceServer::start(&["--dialect", "open_source"]).await else {
        return;
    };
    let table = json!({"columns": [{"name": "Größe", "type": "int"}], "rows": "SELECT 5 AS `Größe`"});
    declare(
        &workspace,
        json!({"catalogs": {"main": {"schemas": {"default": {"tables": {"Mixed-Case": table}}}}}}),
    )
    .await;
    let text = settings()
        + &format!(
            "[[service]]\nname = \"open\"\ntype = \"unity\"\nurl = \"{}\"\naccess_token = \"{TOKEN}\"\n\
             catalogs = [\"main\"]\nstorage = {{ aws_endpoint = \"{}\" }}\n",
            workspace.at.api, workspace.at.objects
        );
    let engine = configured(&text, &[]);
    let comment = comment_on(&engine, "orders").await;
    assert_eq!(comment.as_deref(), Some("orders of a shop"));
    let mut session = Embedded::open(&engine, "root");
    let relations = lines(&mut session, RELATIONS).await;
    for relation in ["Mixed-Case|r", "north_orders|v", "orders|r"] {
        assert!(
            relations.iter().any(|line| line == relation),
            "{relation} of {relations:?}"
        );
    }
    assert_eq!(lines(&mut session, "SELECT \"Größe\" FROM \"Mixed-Case\"").await, ["5"]);
    assert_eq!(lines(&mut session, "SELECT count(*) FROM orders").await, ["1000"]);
    assert_eq!(answer(&mut session, "SELECT * FROM clouds.on_aws").await.rows.len(), 3);
    let failure = session.run("SELECT * FROM \"mixed-case\"").await.unwrap_err();
    assert_eq!(failure.sqlstate, "42P01", "{failure}");
    let failure = session.run("SELECT * FROM north_orders").await.unwrap_err();
    assert_eq!(failure.sqlstate, "0A000", "{failure}");
    assert!(failure.message.contains("it is a view"), "{failure}");
    // That this server has no listing of a whole catalog is found out by asking, once.
    let violations = workspace.violations().await;
    assert_eq!(violations.len(), 1, "{violations:?}");
    assert_eq!(violations[0]["path"], "/api/2.1/unity-catalog/table-summaries");
}
