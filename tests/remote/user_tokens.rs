//! `identity = "passthrough"`: a workspace is read with the token that the user logged in with.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::Identity;
use engine::{Credentials, Engine, Origin, ScramVerifier};
use frontend_flight::FlightOptions;
use frontend_postgres::PostgresOptions;
use frontend_rest::RestOptions;
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use system_tests::flight_server::FlightServer;
use system_tests::gateway::configured;
use system_tests::server::TestServer;
use system_tests::transport::Transport;
use system_tests::transport_embedded::Embedded;
use system_tests::transport_rest::RestServer;
use system_tests::workspace_server::WorkspaceServer;
use tokio_postgres::NoTls;

use crate::workspace::{RUNNING, assert_correct, declare, explained, lines, requests, service, settings, statements};

const ANA: &str = "ana@example.com";
const ADMIN: &str = "admin@example.com";
const TOKEN_OF_ANA: &str = "dapi-ana-0000";
const TOKEN_OF_ADMIN: &str = "dapi-admin-0000";
const NEAR: Origin = Origin {
    peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
    encrypted: false,
};

/// Users without a password, and `dana` with one. No rule of the gateway's own stands in the way.
fn access() -> String {
    let verifier = ScramVerifier::derive("right", b"saltsaltsaltsalt", 4096);
    let users = [ANA, ADMIN].map(|name| format!("[[access.user]]\nname = \"{name}\"\nadministrator = true\n"));
    let dana = format!("[[access.user]]\nname = \"dana\"\npassword = \"{verifier}\"\nadministrator = true\n");
    format!("[access]\n{}{dana}", users.concat())
}

fn gateway(workspace: &WorkspaceServer, more: &str) -> Engine {
    let keys = format!(
        "http_path = \"/sql/1.0/warehouses/{RUNNING}\"\ncatalogs = [\"main\", \"samples\"]\nidentity = \"passthrough\"\n\
         storage = {{ aws_endpoint = \"{}\" }}\n{more}",
        workspace.at.objects
    );
    configured(&(settings() + &service(&workspace.at.api, &keys) + &access()), &[])
}

async fn identity(engine: &Engine, user: &str, token: &str) -> Arc<Identity> {
    let credentials = Credentials::Password { user, password: token };
    engine
        .log_in(credentials, NEAR)
        .await
        .unwrap_or_else(|error| panic!("{user}: {error:?}"))
}

async fn session(engine: &Engine, user: &str, token: &str) -> Embedded {
    Embedded::of(engine, identity(engine, user, token).await)
}

/// Who sent the requests so far.
async fn principals(workspace: &WorkspaceServer) -> Vec<String> {
    let all = requests(workspace, "/api/").await;
    let mut names: Vec<_> = all
        .iter()
        .map(|request| request["principal"].as_str().unwrap_or("nobody").to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_takes_the_token_as_the_password() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = gateway(&workspace, "");
    let postgres = TestServer::over(engine.clone(), PostgresOptions::default()).await;
    let flight = FlightServer::over(engine.clone(), FlightOptions::default()).await;
    let rest = RestServer::over(engine.clone(), RestOptions::default()).await;
    let sql = "SELECT count(*) AS n FROM main.default.orders";

    let connect = async |user: &str, password: &str| {
        let mut config = postgres.config();
        let connected = config.user(user).password(password).connect(NoTls).await;
        connected.map(|(client, connection)| {
            tokio::spawn(connection);
            client
        })
    };
    let client = connect(ANA, TOKEN_OF_ANA).await.unwrap();
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1000);
    for (user, password) in [
        (ANA, "dapi-guess"),
        (ANA, TOKEN_OF_ADMIN),
        (ANA, ""),
        ("dana", TOKEN_OF_ANA),
    ] {
        let error = connect(user, password).await.err().unwrap();
        assert_eq!(error.code().unwrap().code(), "28P01", "{user}: {error:?}");
        assert!(!format!("{error:?}").contains("dapi"), "{error:?}");
    }
    let dana = connect("dana", "right").await.unwrap();
    let error = dana.query(sql, &[]).await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42501");
    assert!(error.hint().unwrap().contains("token of the workspace"), "{error:?}");
    assert_eq!(dana.query_one("SELECT 1", &[]).await.unwrap().get::<_, i32>(0), 1);

    let mut client = flight.log_in(ANA, TOKEN_OF_ANA).await;
    assert!(!client.token().unwrap().contains("dapi"), "ours stands for it");
    let info = client.execute(sql.to_owned(), None).await.unwrap();
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let batches: Vec<_> = client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    assert_eq!(
        batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(),
        1
    );
    let mut bearer = flight.client().await;
    bearer.set_token(TOKEN_OF_ANA.to_owned());
    bearer.execute(sql.to_owned(), None).await.unwrap();
    let mut guess = flight.client().await;
    guess.set_token("dapi-guess".to_owned());
    guess.execute(sql.to_owned(), None).await.unwrap_err();

    let basic = format!("Basic {}", STANDARD.encode(format!("{ANA}:{TOKEN_OF_ANA}")));
    for login in [basic, format!("Bearer {TOKEN_OF_ANA}")] {
        let headers = [("authorization", login.as_str())];
        let reply = rest
            .ask("GET", "/api/v2/main/_table/default.orders?limit=1", &headers, b"")
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let reply = rest
        .ask(
            "GET",
            "/api/v2/main/_table/default.orders",
            &[("authorization", "Bearer dapi-guess")],
            b"",
        )
        .await;
    assert_eq!(reply.status, 401, "{}", reply.text());
    assert_eq!(
        principals(&workspace).await,
        [ADMIN, ANA, "nobody"],
        "and never a login of the gateway's own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_one_user_was_given_serves_another() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = gateway(&workspace, "");
    let mut admin = session(&engine, ADMIN, TOKEN_OF_ADMIN).await;
    let mut ana = session(&engine, ANA, TOKEN_OF_ANA).await;
    for _ in 0..2 {
        // The workspace's row filter lets administrators see all.
        let sql = "SELECT count(*) FROM main.governed.filtered";
        assert_eq!(lines(&mut admin, sql).await, ["10"]);
        assert_eq!(lines(&mut ana, sql).await, ["5"]);
        let sql = "SELECT count(*) FROM main.clouds.on_aws";
        assert_eq!(lines(&mut admin, sql).await, ["3"]);
        assert_eq!(ana.run(sql).await.unwrap_err().sqlstate, "42P01");
        let sql = "SELECT count(*) FROM main.default.orders";
        assert_eq!(lines(&mut admin, sql).await, ["1000"]);
        assert_eq!(lines(&mut ana, sql).await, ["1000"]);
    }
    let filtered = statements(&workspace, "filtered").await;
    let of = |name: &str| filtered.iter().filter(|one| one["principal"] == name).count();
    assert!(of(ADMIN) > 0 && of(ANA) > 0 && of(ADMIN) + of(ANA) == filtered.len());
    // Keys for the files are asked for by each of them.
    for user in [ADMIN, ANA] {
        let asked = requests(&workspace, "temporary-table-credentials").await;
        assert!(
            asked.iter().any(|request| request["principal"] == user),
            "{user}: {asked:?}"
        );
    }
    let schemas = "SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname IN ('clouds', 'default') ORDER BY 1";
    assert_eq!(lines(&mut admin, schemas).await, ["clouds", "default"]);
    assert_eq!(lines(&mut ana, schemas).await, ["default"]);

    // The token is in nothing that anybody is shown.
    lines(&mut ana, "SET lakegate.route = 'warehouse'").await;
    let mut shown = explained(&mut ana, "SELECT count(*) FROM main.governed.filtered").await;
    shown += &lines(
        &mut ana,
        "EXPLAIN ANALYZE VERBOSE SELECT count(*) FROM main.default.orders",
    )
    .await
    .join("\n");
    shown += &lines(&mut admin, "SELECT * FROM lakegate.queries").await.join("\n");
    shown += &lines(&mut ana, "SELECT * FROM pg_catalog.pg_settings").await.join("\n");
    shown += &format!(
        "{:?} {engine:?} {:?}",
        identity(&engine, ANA, TOKEN_OF_ANA).await,
        engine.sources()
    );
    assert!(!shown.contains("dapi"), "{shown}");
    assert_correct(&workspace).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_in_between_asks_for_a_new_login() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = gateway(&workspace, "");
    let mut ana = session(&engine, ANA, TOKEN_OF_ANA).await;
    assert_eq!(
        lines(&mut ana, "SELECT count(*) FROM main.default.orders").await,
        ["1000"]
    );
    let revoked = json!({ "principal": ANA });
    workspace.control(Method::POST, "tokens/revoke", Some(&revoked)).await;
    lines(&mut ana, "CALL lakegate.refresh('databricks')").await;
    for sql in [
        "SELECT count(*) FROM main.default.orders",
        "SELECT count(*) FROM main.governed.filtered",
    ] {
        let failure = ana.run(sql).await.unwrap_err();
        assert_eq!(failure.sqlstate, "28000", "{failure}");
        assert!(failure.more.join(" ").contains("Log in again"), "{failure}");
    }
    assert_eq!(lines(&mut ana, "SELECT 1").await, ["1"], "the session lives");
}

async fn subject_token(workspace: &WorkspaceServer, subject: &str, lifetime: u32) -> String {
    let wanted = json!({ "subject": subject, "lifetime": lifetime });
    let answer = workspace.control(Method::POST, "subject-tokens", Some(&wanted)).await;
    answer["token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_identity_provider_is_exchanged() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let engine = gateway(&workspace, "token_exchange = true\n");
    let rest = RestServer::over(engine.clone(), RestOptions::default()).await;
    let token = subject_token(&workspace, ANA, 600).await;
    let login = format!("Bearer {token}");
    for _ in 0..3 {
        let headers = [("authorization", login.as_str())];
        let reply = rest
            .ask("GET", "/api/v2/main/_table/default.orders?limit=1", &headers, b"")
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let mut ana = session(&engine, ANA, &token).await;
    assert_eq!(
        lines(&mut ana, "SELECT count(*) FROM main.governed.filtered").await,
        ["5"]
    );
    let exchanged = requests(&workspace, "/oidc/v1/token").await;
    assert_eq!(exchanged.len(), 1, "{}", Value::from(exchanged));

    // One of the workspace's own is none of the provider's, and a stranger is nobody.
    let stranger = subject_token(&workspace, "who@example.com", 600).await;
    for wrong in [TOKEN_OF_ANA, &stranger, &format!("{token}x")] {
        let credentials = Credentials::Password {
            user: ANA,
            password: wrong,
        };
        let error = engine.log_in(credentials, NEAR).await.unwrap_err();
        assert_eq!(error.kind(), contract::ErrorKind::InvalidPassword, "{error:?}");
        assert!(!format!("{error:?} {}", error.causes()).contains(wrong), "{error:?}");
    }
    // The workspace's token and the provider's have ended together.
    lines(&mut ana, "CALL lakegate.refresh('databricks')").await;
    let advanced = json!({ "advance_seconds": 601 });
    workspace.control(Method::POST, "clock", Some(&advanced)).await;
    let failure = ana.run("SELECT count(*) FROM main.default.orders").await.unwrap_err();
    assert_eq!(failure.sqlstate, "28000", "{failure}");
    assert!(failure.more.join(" ").contains("Log in again"), "{failure}");
    let again = subject_token(&workspace, ANA, 600).await;
    let mut ana = session(&engine, ANA, &again).await;
    assert_eq!(
        lines(&mut ana, "SELECT count(*) FROM main.governed.filtered").await,
        ["5"]
    );
}

#[test]
fn a_token_goes_to_one_workspace_and_never_in_the_clear() {
    let of = |name: &str, url: &str, more: &str| {
        format!(
            "[[service]]\nname = \"{name}\"\ntype = \"databricks\"\nworkspace_url = \"{url}\"\n\
             http_path = \"/sql/1.0/warehouses/abc\"\nidentity = \"passthrough\"\n{more}\n"
        )
    };
    let refusal = |text: String| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lakegate.toml");
        std::fs::write(&file, text).unwrap();
        lakegate::engine_from_file(&file)
            .err()
            .map(|error| error.message().to_owned())
    };
    let (one, other) = ("https://one.example", "https://other.example");
    assert_eq!(refusal(of("a", one, "") + &access()), None);
    assert_eq!(
        refusal(of("a", one, "") + &of("b", "https://one.example:443/sql", "") + &access()),
        None
    );
    for (text, words) in [
        (
            of("a", one, "") + &of("b", other, "") + &access(),
            "\"a\" and \"b\" would both be shown",
        ),
        (
            of("a", one, "token_exchange = true") + &of("b", one, "") + &access(),
            "would both be shown",
        ),
        (of("a", one, ""), "needs users that log in with a token"),
        (of("a", "http://one.example", "") + &access(), "over https only"),
        (of("a", one, "route = \"spark\"") + &access(), "needs compute"),
        (
            of("a", one, "token_exchange = true\naccess_token = \"x\"").replace("passthrough", "service") + &access(),
            "is about the tokens of users",
        ),
    ] {
        let said = refusal(text.clone()).unwrap_or_else(|| panic!("taken: {text}"));
        assert!(said.contains(words), "{said}");
    }
}

/// Pages describe what the token may see, and are kept for nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn each_user_has_its_own_columns() {
    let Some(workspace) = WorkspaceServer::start(&[]).await else {
        return;
    };
    let table = |number: usize| json!({"columns": [{"name": format!("c{number}"), "type": "int"}], "rows": "SELECT 1"});
    let tables: serde_json::Map<_, _> = (0..40).map(|number| (format!("t{number:02}"), table(number))).collect();
    let grants = (0..20).map(|number| {
        json!({"on": "table", "name": format!("main.own.t{number:02}"), "principal": ANA, "privileges": ["SELECT"]})
    });
    let mut grants: Vec<_> = grants.collect();
    grants.push(json!({"on": "schema", "name": "main.own", "principal": ANA, "privileges": ["USE_SCHEMA"]}));
    let catalogs = json!({"main": {"schemas": {"own": {"owner": ADMIN, "tables": tables}}}});
    declare(&workspace, json!({ "catalogs": catalogs, "grants": grants })).await;
    let engine = gateway(&workspace, "");
    let mut admin = session(&engine, ADMIN, TOKEN_OF_ADMIN).await;
    let mut ana = session(&engine, ANA, TOKEN_OF_ANA).await;
    let sql = "SELECT count(*), max(column_name) FROM information_schema.columns WHERE table_schema = 'own'";
    for _ in 0..2 {
        assert_eq!(lines(&mut admin, sql).await, ["40|c9"]);
        assert_eq!(lines(&mut ana, sql).await, ["20|c9"]);
    }
    let last = "SELECT count(*) FROM pg_attribute WHERE attname = 'c39'";
    assert_eq!(lines(&mut ana, &format!("{last} AND attrelid > 16383")).await, ["0"]);
    assert_eq!(requests(&workspace, "/unity-catalog/tables/main.own.").await.len(), 0);
}
