use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use contract::{ErrorKind, Identity, QueryContext};
use datafusion::common::ScalarValue;
use federation::{RemoteEngine, RemoteStatement};
use futures::TryStreamExt;
use tonic::Status;

use super::script::{Step, complete, integers, sail_error, spark_error};
use super::server::{Script, Server};
use crate::{SparkAddress, SparkEngine, Token, TokenSource};

fn statement(text: &str) -> RemoteStatement {
    let mut statement = RemoteStatement::new();
    statement.push(text);
    statement
}

fn context() -> QueryContext {
    QueryContext::new(Arc::new(Identity::administrator("test")))
}

async fn run(engine: &SparkEngine, statement: RemoteStatement) -> contract::Result<usize> {
    let batches: Vec<_> = engine
        .execute(Arc::new(statement), &super::memory())
        .await?
        .try_collect()
        .await?;
    Ok(batches.iter().map(|batch| batch.num_rows()).sum())
}

fn session_changed() -> tonic::Status {
    spark_error("INVALID_HANDLE.SESSION_CHANGED", "08003", "the server was restarted")
}

#[tokio::test]
async fn a_lost_session_is_replaced_and_the_statement_run_again() {
    let server = Server::start(Script {
        streams: [
            vec![Step::Fail(session_changed())],
            vec![integers("r1", &[1], 0), complete("r2")],
        ]
        .into(),
        ..Script::default()
    })
    .await;
    let engine = server.engine();
    assert_eq!(run(&engine, statement("SELECT 1")).await.unwrap(), 1);
    let calls = server.calls("ExecutePlan");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].session, calls[1].session);
}

#[tokio::test]
async fn a_session_that_is_lost_twice_is_an_error() {
    let server = Server::streams([vec![Step::Fail(session_changed())], vec![Step::Fail(session_changed())]]).await;
    let error = run(&server.engine(), statement("SELECT 1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
}

#[tokio::test]
async fn a_session_that_is_lost_after_rows_is_an_error_and_the_next_statement_works() {
    let steps = vec![integers("r1", &[1], 0), Step::Fail(session_changed())];
    let server = Server::streams([steps, vec![complete("r1")]]).await;
    let engine = server.engine();
    let error = run(&engine, statement("SELECT 1")).await.unwrap_err();
    assert!(error.message().contains("in the middle of the answer"), "{error}");
    run(&engine, statement("SELECT 2")).await.unwrap();
    let calls = server.calls("ExecutePlan");
    assert_ne!(calls[0].session, calls[1].session);
}

#[tokio::test]
async fn a_server_that_says_it_is_another_one_has_lost_the_session() {
    let server = Server::streams([vec![complete("r1")], vec![complete("r1")]]).await;
    let engine = server.engine();
    engine.describe(&statement("SELECT 1"), &context()).await.unwrap();
    server.script.lock().server_side_id = "server-2".to_owned();
    run(&engine, statement("SELECT 1")).await.unwrap();
    let calls = server.calls("ExecutePlan");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].session, calls[1].session);
}

#[tokio::test]
async fn a_session_ends_with_its_engine() {
    let server = Server::streams([]).await;
    let engine = server.engine();
    engine.describe(&statement("SELECT 1"), &context()).await.unwrap();
    let session = server.calls("AnalyzePlan")[0].session.clone();
    drop(engine);
    assert_eq!(server.wait("ReleaseSession", "").await.session, session);
}

#[tokio::test]
async fn a_server_that_binds_nothing_gets_literals() {
    let server = Server::start(Script {
        streams: [vec![complete("r1")]].into(),
        unbound: Some(spark_error("UNBOUND_SQL_PARAMETER", "42P02", "p1 is not bound")),
        ..Script::default()
    })
    .await;
    let mut select = statement("SELECT * FROM t WHERE a = ");
    select.push_parameter(ScalarValue::from("it's"));
    run(&server.engine(), select).await.unwrap();
    server
        .wait("ExecutePlan", "SELECT * FROM t WHERE a = CAST(X'69742773' AS STRING)")
        .await;
}

#[tokio::test]
async fn ansi_mode_is_needed_of_spark_and_known_to_be_missing_of_sail() {
    let fixed = || [("spark.sql.ansi.enabled", "false")].into();
    let server = Server::start(Script {
        fixed: fixed(),
        ..Script::default()
    })
    .await;
    let engine = server.engine();
    let error = engine.describe(&statement("SELECT 1"), &context()).await.unwrap_err();
    assert_eq!(
        error.message(),
        "service \"spark\" does not take spark.sql.ansi.enabled = true"
    );
    assert!(!engine.capabilities().ansi);

    let server = Server::start(Script {
        probe: sail_error("AnalysisException", "attribute not found"),
        ..Script::default()
    })
    .await;
    let engine = server.engine();
    engine.describe(&statement("SELECT 1"), &context()).await.unwrap();
    assert!(!engine.capabilities().ansi);

    let server = Server::start(Script::default()).await;
    let engine = server.engine();
    assert!(!engine.capabilities().ansi);
    engine.describe(&statement("SELECT 1"), &context()).await.unwrap();
    assert!(engine.capabilities().ansi);
    // Plans were made by that: a server without it cannot take this one's place.
    {
        let mut script = server.script.lock();
        script.server_side_id = "server-2".to_owned();
        script.probe = sail_error("AnalysisException", "attribute not found");
    }
    let error = engine.describe(&statement("SELECT 1"), &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceRejected);
}

#[tokio::test]
async fn a_server_that_substitutes_variables_is_sent_none() {
    let server = Server::start(Script {
        fixed: [("spark.sql.variable.substitute", "true")].into(),
        ..Script::default()
    })
    .await;
    let mut select = statement("SELECT ");
    select.push_identifier("${spark.home}");
    let engine = server.engine();
    let error = run(&engine, select).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(server.calls("ExecutePlan"), []);
}

#[tokio::test]
async fn another_time_zone_is_refused() {
    let server = Server::start(Script {
        fixed: [("spark.sql.session.timeZone", "Europe/Berlin")].into(),
        ..Script::default()
    })
    .await;
    let error = server
        .engine()
        .describe(&statement("SELECT 1"), &context())
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "service \"spark\" does not take spark.sql.session.timeZone = UTC"
    );
}

#[tokio::test]
async fn all_who_wait_for_a_session_hear_of_its_failure_together() {
    let refusals = std::iter::repeat_n(("Config", tonic::Status::unavailable("not now")), 5);
    let server = Server::start(Script {
        refusals: refusals.collect(),
        ..Script::default()
    })
    .await;
    let engine = server.engine();
    let ask = || async { engine.describe(&statement("SELECT 1"), &context()).await };
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    for end in [one, two, three] {
        assert_eq!(end.unwrap_err().kind(), ErrorKind::SourceUnavailable);
    }
    assert_eq!(server.calls("Config").len(), 5);
    ask().await.unwrap();
}

/// Tokens that are numbered; each is good until it is refused.
#[derive(Debug, Default)]
struct Numbered(AtomicUsize);

#[async_trait]
impl TokenSource for Numbered {
    async fn token(&self) -> contract::Result<Token> {
        Ok(Token::new(self.0.load(Ordering::SeqCst).to_string()))
    }

    async fn refused(&self, token: &Token) -> bool {
        let number: usize = token.expose().parse().unwrap();
        self.0
            .compare_exchange(number, number + 1, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }
}

#[tokio::test]
async fn a_token_that_is_not_taken_is_renewed_once_for_each_call() {
    let refusals = |methods: &[&'static str]| {
        let refusals = methods.iter();
        refusals
            .map(|method| (*method, Status::unauthenticated("expired")))
            .collect()
    };
    let server = Server::start(Script {
        streams: [vec![integers("r1", &[1], 0), complete("r2")]].into(),
        refusals: refusals(&["Config", "ExecutePlan"]),
        ..Script::default()
    })
    .await;
    let tokens = Arc::new(Numbered::default());
    let address = SparkAddress::parse(&format!("sc://{}", server.address)).unwrap();
    let engine = SparkEngine::new("spark", address.with_token(tokens.clone()).unwrap());
    assert_eq!(run(&engine, statement("SELECT 1")).await.unwrap(), 1);
    assert_eq!(tokens.0.load(Ordering::SeqCst), 2);
    assert_eq!(server.calls("ExecutePlan").len(), 2);
    assert!(server.calls("ReattachExecute").is_empty());

    server.script.lock().refusals = refusals(&["ExecutePlan", "ExecutePlan"]);
    let error = run(&engine, statement("SELECT 1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceRejected, "{error}");
    assert_eq!(tokens.0.load(Ordering::SeqCst), 3);
    assert_eq!(server.calls("ExecutePlan").len(), 4);
}

#[tokio::test]
async fn a_token_that_stays_is_shown_once() {
    let server = Server::start(Script {
        refusals: vec![("ExecutePlan", Status::unauthenticated("wrong"))],
        ..Script::default()
    })
    .await;
    let address = SparkAddress::parse(&format!("sc://{}/;token=t", server.address)).unwrap();
    let engine = SparkEngine::new("spark", address);
    run(&engine, statement("SELECT 1")).await.unwrap_err();
    assert_eq!(server.calls("ExecutePlan").len(), 1);
}
