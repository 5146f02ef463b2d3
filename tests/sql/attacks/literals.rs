//! Hazard 4: a text that ends in a backslash, or holds one before a quote, stays one text on every way that it takes
//! through us: literals that are parsed and written again, prepared statements, cursors, rules and attributes.

use datafusion::sql::sqlparser::ast::Value;
use engine::{Engine, EngineOptions};
use frontend_postgres::PostgresOptions;
use system_tests::attack_tables::{Twin, access};
use system_tests::server::TestServer;
use system_tests::transport::Transport;
use system_tests::transport_flight::Flight;
use system_tests::transport_rest::Rest;
use system_tests::transport_wire::wire_transports;

use super::world::World;
use crate::lake;

pub(crate) const HOSTILE: [&str; 14] = [
    "x\\' OR 1=1 -- ",
    "a\\",
    "\\",
    "'",
    "''",
    "\\\\'",
    "\\'\\'",
    "$$",
    "\"; --",
    "'; SELECT * FROM vault.keys; --",
    "/* ' */",
    "\\047 OR 1=1",
    "E'\\'",
    "%_\\%",
];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn one_value(door: &mut dyn Transport, sql: &str) -> String {
    let answer = door.run(sql).await.unwrap_or_else(|failure| panic!("{sql}: {failure}"));
    assert_eq!(answer.rows.len(), 1, "{sql}");
    answer.rows[0][0].clone().unwrap()
}

/// The plain writer leaves a quote behind a backslash as it is.
#[test]
fn the_plain_writer_lets_a_quote_out() {
    let written = Value::SingleQuotedString("x\\' OR 1=1 -- ".to_owned()).to_string();
    assert_eq!(written, "'x\\' OR 1=1 -- '", "the hazard is mended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_stays_one_text() {
    let world = World::open(Twin::First).await;
    for door in &mut world.doors("dora").await {
        for text in HOSTILE {
            let literal = quoted(text);
            let escaped = format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
            for sql in [
                format!("SELECT {literal} AS v"),
                format!("SELECT {escaped} AS v"),
                format!("SELECT v FROM (SELECT {literal} AS v) t WHERE v = {literal} AND v IN ({literal}, 'x')"),
                format!("WITH t AS (VALUES ({literal})) SELECT * FROM t"),
                format!("SELECT {literal}::varchar"),
            ] {
                assert_eq!(one_value(&mut **door, &sql).await, text, "{sql} ({})", door.name());
            }
            if door.name() == "simple" {
                let copy = format!("COPY (SELECT {literal} AS v) TO STDOUT");
                assert_eq!(one_value(&mut **door, &copy).await, text, "{copy}");
            }
            let none = format!("SELECT count(*) FROM trips WHERE region = {literal} OR card_number = {literal}");
            assert_eq!(one_value(&mut **door, &none).await, "0", "{none}");
            if !door.keeps_session() {
                continue;
            }
            let prepare = format!("PREPARE h AS SELECT {literal} AS v");
            door.run(&prepare).await.unwrap();
            assert_eq!(one_value(&mut **door, "EXECUTE h").await, text, "{prepare}");
            door.run("DEALLOCATE ALL").await.unwrap();
            door.run("BEGIN").await.unwrap();
            let declare = format!("DECLARE c CURSOR FOR SELECT {literal} AS v");
            door.run(&declare).await.unwrap();
            assert_eq!(one_value(&mut **door, "FETCH c").await, text, "{declare}");
            door.run("COMMIT").await.unwrap();
            let setting = format!("SET application_name = {literal}");
            door.run(&setting).await.unwrap();
            assert_eq!(one_value(&mut **door, "SHOW application_name").await, text, "{setting}");
        }
    }
}

/// As an argument of EXECUTE.
#[tokio::test(flavor = "multi_thread")]
async fn an_argument_stays_one_text() {
    let world = World::open(Twin::First).await;
    for door in &mut world.doors("dora").await {
        if !door.keeps_session() {
            continue;
        }
        door.run("PREPARE g (text) AS SELECT $1 AS v").await.unwrap();
        for text in HOSTILE {
            let execute = format!("EXECUTE g({})", quoted(text));
            assert_eq!(
                one_value(&mut **door, &execute).await,
                text,
                "{execute} ({})",
                door.name()
            );
        }
    }
}

/// As a parameter of PostgreSQL's protocol; those of Flight and REST are in `flight` and `rest`.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_stays_one_text() {
    let world = World::open(Twin::First).await;
    let mut config = world.server.config();
    let (client, connection) = config.user("dora").connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    for text in HOSTILE {
        let row = client
            .query_one(
                "SELECT $1::text, (SELECT count(*) FROM trips WHERE region = $1 OR card_number LIKE $1)",
                &[&text],
            )
            .await
            .unwrap();
        let matched: i64 = row.get(1);
        assert_eq!(row.get::<_, &str>(0), text);
        assert_eq!(matched, 0, "{text}");
    }
}

/// As an attribute of the user and as a literal in a rule: compared, never read as SQL.
#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_stays_one_text() {
    let world = World::open(Twin::First).await;
    let harmless = ("rider 3", "1");
    for (text, rows) in HOSTILE.map(|text| (text, "0")).into_iter().chain([harmless]) {
        let rules = format!(
            "CREATE POLICY own ON lake.rides.riders TO driver \
             USING (rider_name = user_attribute('name') OR rider_name = {});",
            quoted(text)
        );
        let mut access = access(&rules);
        for user in &mut access.users {
            user.attributes.insert("name".to_owned(), text.to_owned());
        }
        let options = EngineOptions {
            default_schema: "rides".to_owned(),
            default_catalog: Some("lake".to_owned()),
            ..EngineOptions::default()
        };
        let engine = Engine::builder(options)
            .source(lake::catalog("lake", world.folder.path()))
            .access(access)
            .build()
            .unwrap();
        let server = TestServer::over(engine, PostgresOptions::default()).await;
        let mut doors = wire_transports(server.address, "dora").await.unwrap();
        doors.push(Box::new(Flight::open(&server.engine, "dora").await));
        doors.push(Box::new(Rest::open(&server.engine, "dora").await));
        for door in &mut doors {
            let count = one_value(&mut **door, "SELECT count(*) FROM riders").await;
            assert_eq!(count, rows, "{text} ({})", door.name());
        }
    }
}
