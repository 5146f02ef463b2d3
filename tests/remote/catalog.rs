//! What tools list of a gateway over Spark.

use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;

use crate::cases::COLUMNS;
use crate::world::World;

/// What `psql` asks for `\dn`, `\dt *.*` and `\dv *.*`, without what is only for show.
const SCHEMAS: &str = "SELECT n.nspname FROM pg_catalog.pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";
const RELATIONS: &str = "SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname = 'public' ORDER BY 1, 2";

async fn lines(session: &mut Embedded, sql: &str) -> Vec<String> {
    session
        .run(sql)
        .await
        .unwrap_or_else(|failure| panic!("{sql}: {failure}"))
        .lines()
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_tables_and_views_are_listed() {
    let Some(world) = World::shared().await else { return };
    let client = world.spark.client().await;
    client.run("CREATE SCHEMA IF NOT EXISTS listed").await;
    client
        .run("CREATE OR REPLACE VIEW listed.large_cities AS SELECT id, name FROM public.cities WHERE people > 500000")
        .await;
    let mut session = Embedded::open(&world.gateway(None), "root");
    let schemas = lines(&mut session, SCHEMAS).await;
    for schema in ["listed", "logistics", "nyctaxi", "public", "tpch"] {
        assert!(schemas.iter().any(|name| name == schema), "{schema} of {schemas:?}");
    }
    let relations = lines(&mut session, RELATIONS).await;
    let expected =
        ["cases", "cities", "edges", "history", "nans", "others", "zeros"].map(|name| format!("public|{name}|r"));
    assert_eq!(relations, expected);
    let views = "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables
        WHERE table_schema = 'listed'";
    assert_eq!(lines(&mut session, views).await, ["spark|listed|large_cities|VIEW"]);
    let names = lines(&mut session, "SELECT name FROM listed.large_cities ORDER BY id").await;
    assert_eq!(names, ["Oslo", "Łódź", "Rome"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_have_the_types_of_the_files() {
    let Some(world) = World::shared().await else { return };
    let mut session = Embedded::open(&world.gateway(None), "root");
    let columns = |catalog: &str| {
        format!(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
             WHERE a.attrelid = '{catalog}public.cases'::regclass AND a.attnum > 0 ORDER BY a.attnum"
        )
    };
    let of_spark = lines(&mut session, &columns("")).await;
    assert_eq!(of_spark.len(), COLUMNS.len() + 2);
    let sql = |catalog: &str| format!("SELECT * FROM {catalog}.public.cases WHERE id < 0");
    let there = session.run(&sql("spark")).await.unwrap();
    let here = session.run(&sql("own")).await.unwrap();
    assert_eq!(there.columns, here.columns);
}

/// Spark finds a table in any case of letters; PostgreSQL does not, and rules are about exact names.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_exact() {
    let Some(world) = World::shared().await else { return };
    let mut session = Embedded::open(&world.gateway(None), "root");
    for table in [
        "\"CITIES\"",
        "public.\"Cities\"",
        "spark.\"PUBLIC\".cities",
        "\"cities`\"",
        "missing",
    ] {
        let sql = format!("SELECT * FROM {table}");
        let failure = session.run(&sql).await.expect_err(&sql);
        assert!(
            ["42P01", "3F000"].contains(&failure.sqlstate.as_str()),
            "{sql}: {failure}"
        );
    }
    let failure = session.run("SELECT \"NAME\" FROM cities").await.unwrap_err();
    assert_eq!(failure.sqlstate, "42703", "{failure}");
}

/// What is made while the gateway runs is found without a restart.
#[tokio::test(flavor = "multi_thread")]
async fn new_tables_are_found_at_once() {
    let Some(world) = World::shared().await else { return };
    let client = world.spark.client().await;
    let mut session = Embedded::open(&world.gateway(None), "root");
    client.run("CREATE SCHEMA IF NOT EXISTS late").await;
    client.run("DROP TABLE IF EXISTS late.comers").await;
    let failure = session.run("SELECT * FROM late.comers").await.unwrap_err();
    assert!(["42P01", "3F000"].contains(&failure.sqlstate.as_str()), "{failure}");
    client
        .run("CREATE TABLE late.comers USING delta AS SELECT 7 AS n")
        .await;
    assert_eq!(lines(&mut session, "SELECT n FROM late.comers").await, ["7"]);
    client.run("INSERT INTO late.comers VALUES (8)").await;
    assert_eq!(
        lines(&mut session, "SELECT n FROM late.comers ORDER BY n").await,
        ["7", "8"]
    );
    // Lists are kept for a while, unless they are told to be made anew.
    let listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'late' ORDER BY 1";
    session.run("CALL lakegate.refresh('spark')").await.unwrap();
    client.run("DROP TABLE IF EXISTS late.second").await;
    assert_eq!(lines(&mut session, listed).await, ["comers"]);
    client
        .run("CREATE TABLE late.second USING delta AS SELECT 1 AS n")
        .await;
    session.run("CALL lakegate.refresh('spark')").await.unwrap();
    assert_eq!(lines(&mut session, listed).await, ["comers", "second"]);
}
