use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int32Type;
use datafusion::common::ScalarValue;
use federation::{RemoteEngine, RemoteStatement, RemoteStream};
use futures::{StreamExt, TryStreamExt};
use tonic::Status;

use super::script::{Step, batch_of, complete, integers, progress, retry_later, rows, spark_error};
use super::server::{Script, Server};
use crate::{SparkAddress, SparkEngine};

fn select() -> Arc<RemoteStatement> {
    let mut statement = RemoteStatement::new();
    statement.push("SELECT c0 FROM t WHERE c1 = ");
    statement.push_parameter(ScalarValue::from("it's"));
    Arc::new(statement)
}

async fn started(engine: &SparkEngine) -> RemoteStream {
    engine.execute(select(), &super::memory()).await.unwrap()
}

/// The rows that came, and how it ended.
async fn read(engine: &SparkEngine) -> (Vec<i32>, Result<()>) {
    let mut stream = started(engine).await;
    let mut found = Vec::new();
    loop {
        match stream.try_next().await {
            Ok(Some(batch)) => found.extend(batch.column(0).as_primitive::<Int32Type>().values()),
            Ok(None) => return (found, Ok(())),
            Err(error) => return (found, Err(error)),
        }
    }
}

async fn whole(server: &Server) -> Vec<i32> {
    let (found, end) = read(&server.engine()).await;
    end.unwrap();
    found
}

async fn failed(server: &Server) -> (Vec<i32>, Error) {
    let (found, end) = read(&server.engine()).await;
    (found, end.unwrap_err())
}

fn gone() -> Step {
    Step::Fail(spark_error(
        "INVALID_HANDLE.OPERATION_NOT_FOUND",
        "HY000",
        "the operation is not known",
    ))
}

#[tokio::test]
async fn a_complete_answer_is_released() {
    let steps = vec![
        progress("r1"),
        integers("r2", &[1, 2], 0),
        integers("r3", &[3], 2),
        complete("r4"),
    ];
    let server = Server::streams([steps]).await;
    assert_eq!(whole(&server).await, [1, 2, 3]);
    let release = server.wait("ReleaseExecute", "all").await;
    let execute = server.wait("ExecutePlan", "SELECT c0 FROM t WHERE c1 = :p1").await;
    assert_eq!(release.operation, execute.operation);
    assert_eq!(server.calls("Interrupt"), []);
}

#[tokio::test]
async fn an_empty_answer_has_no_batch() {
    let server = Server::streams([vec![integers("r1", &[], 0), complete("r2")]]).await;
    assert_eq!(whole(&server).await, [0; 0]);
}

#[tokio::test]
async fn a_stream_that_ends_without_completion_is_attached_to_again() {
    let server = Server::streams([
        vec![integers("r1", &[1], 0)],
        vec![integers("r2", &[2], 1)],
        vec![],
        vec![complete("r3")],
    ])
    .await;
    assert_eq!(whole(&server).await, [1, 2]);
    let last: Vec<String> = server
        .calls("ReattachExecute")
        .into_iter()
        .map(|call| call.what)
        .collect();
    assert_eq!(last, ["r1", "r2", "r2"]);
}

#[tokio::test]
async fn streams_that_only_end_are_no_answer() {
    let server = Server::streams(std::iter::repeat_n(vec![], 20)).await;
    let (found, error) = failed(&server).await;
    assert_eq!((found.len(), error.kind()), (0, ErrorKind::SourceUnavailable));
    assert!(server.calls("ReattachExecute").len() < 10);
}

#[tokio::test]
async fn an_operation_that_is_gone_after_rows_is_an_error() {
    let server = Server::streams([vec![integers("r1", &[1], 0)], vec![gone()]]).await;
    let (found, error) = failed(&server).await;
    assert_eq!(found, [1]);
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
    assert_eq!(
        error.message(),
        "the connection to service \"spark\" was lost in the middle of the answer"
    );
    assert_eq!(server.calls("ExecutePlan").len(), 1);
}

#[tokio::test]
async fn an_operation_that_is_gone_before_rows_is_begun_again_once() {
    let server = Server::streams([
        vec![progress("r1")],
        vec![gone()],
        vec![integers("s1", &[1], 0), complete("s2")],
    ])
    .await;
    assert_eq!(whole(&server).await, [1]);
    let calls = server.calls("ExecutePlan");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].operation, calls[1].operation);

    let server = Server::streams([vec![progress("r1")], vec![gone()], vec![progress("s1")], vec![gone()]]).await;
    assert_eq!(failed(&server).await.1.kind(), ErrorKind::SourceUnavailable);
}

#[tokio::test]
async fn a_statement_that_never_arrived_is_sent_again_under_its_id() {
    let server = Server::start(Script {
        streams: [vec![gone()], vec![complete("r1")]].into(),
        refusals: vec![("ExecutePlan", Status::unavailable("not now"))],
        ..Script::default()
    })
    .await;
    assert_eq!(whole(&server).await, [0; 0]);
    let calls = server.calls("ExecutePlan");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].operation, calls[1].operation);
}

#[tokio::test]
async fn an_unavailable_server_is_tried_again() {
    let steps = vec![integers("r1", &[1], 0), Step::Fail(Status::unavailable("not now"))];
    let server = Server::streams([steps, vec![integers("r2", &[2], 1), complete("r3")]]).await;
    assert_eq!(whole(&server).await, [1, 2]);
}

#[tokio::test]
async fn a_server_that_says_when_to_come_back_is_waited_for_longer() {
    let server = Server::start(Script {
        streams: [vec![complete("r1")]].into(),
        refusals: std::iter::repeat_n(("Config", retry_later(1)), 12).collect(),
        ..Script::default()
    })
    .await;
    assert_eq!(whole(&server).await, [0; 0]);
}

#[tokio::test]
async fn what_does_not_add_up_is_no_answer() {
    let good = rows("r1", &batch_of(&[1, 2]), Some(0));
    let mut miscounted = good.clone();
    miscounted.batch.row_count = 3;
    let mut gap = good.clone();
    gap.batch.start_offset = Some(1);
    let mut cut = good.clone();
    cut.batch.data.truncate(cut.batch.data.len() - 9);
    let mut noise = good.clone();
    noise.batch.data = vec![7; 64].into();
    let mut piece = good.clone();
    piece.batch.num_chunks_in_batch = Some(2);
    let twice = vec![good.clone().into(), Step::from(good)];
    for steps in [
        vec![miscounted.into(), complete("r2")],
        vec![gap.into(), complete("r2")],
        vec![cut.into(), complete("r2")],
        vec![noise.into(), complete("r2")],
        vec![piece.into(), complete("r2")],
        twice,
    ] {
        let server = Server::streams([steps]).await;
        let (_, error) = failed(&server).await;
        assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{error}");
        server.wait("Interrupt", "").await;
        server.wait("ReleaseExecute", "all").await;
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_a_limit() {
    let mut long = rows("r1", &batch_of(&[1]), Some(0));
    long.batch.data = vec![0; (128 << 20) + 1].into();
    let server = Server::streams([vec![long.into(), complete("r2")]]).await;
    assert_eq!(failed(&server).await.1.kind(), ErrorKind::LimitExceeded);
}

#[tokio::test]
async fn an_error_of_the_statement_is_final_and_released() {
    let error = spark_error(
        "DIVIDE_BY_ZERO",
        "22012",
        "Division by zero. SQLSTATE: 22012\n== SQL (line 1) ==\nSELECT 'x'",
    );
    let server = Server::streams([vec![integers("r1", &[1], 0), Step::Fail(error)]]).await;
    let (found, error) = failed(&server).await;
    assert_eq!(found, [1]);
    assert_eq!(
        (error.kind().sqlstate(), error.message()),
        ("22012", "division by zero")
    );
    server.wait("ReleaseExecute", "all").await;
    assert_eq!(server.calls("ReattachExecute"), []);
}

#[tokio::test]
async fn dropping_a_stream_stops_the_statement() {
    let server = Server::start(Script {
        streams: [vec![integers("r1", &[1], 0), Step::Hang]].into(),
        deaf: 1,
        ..Script::default()
    })
    .await;
    let engine = server.engine();
    let mut stream = started(&engine).await;
    assert_eq!(stream.next().await.unwrap().unwrap().num_rows(), 1);
    drop(stream);
    let release = server.wait("ReleaseExecute", "all").await;
    let interrupts = server.calls("Interrupt");
    // The first is not heard.
    assert_eq!(interrupts.len(), 2);
    assert!(interrupts.iter().all(|call| call.operation == release.operation));
}

#[tokio::test]
async fn dropping_a_stream_that_waits_for_its_first_answer_stops_the_statement() {
    let server = Server::streams([vec![Step::Hang]]).await;
    let engine = server.engine();
    let mut stream = started(&engine).await;
    tokio::select! {
        _ = stream.next() => panic!("nothing was sent"),
        _ = server.wait("ExecutePlan", "") => {}
    }
    drop(stream);
    server.wait("Interrupt", "").await;
    server.wait("ReleaseExecute", "all").await;
}

#[tokio::test]
async fn a_long_answer_is_released_as_it_is_read() {
    let mut steps: Vec<Step> = (0..200)
        .map(|at| integers(&format!("r{at}"), &[at], at.into()))
        .collect();
    steps.push(complete("end"));
    let server = Server::streams([steps]).await;
    assert_eq!(whole(&server).await.len(), 200);
    server.wait("ReleaseExecute", "r63").await;
    server.wait("ReleaseExecute", "all").await;
}

#[tokio::test]
async fn a_port_where_nothing_listens_is_an_error_that_heals() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let engine = SparkEngine::new("spark", SparkAddress::parse(&format!("sc://{address}")).unwrap());
    let (_, end) = read(&engine).await;
    let error = end.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
    assert_eq!(error.message(), "service \"spark\" does not answer");
}
