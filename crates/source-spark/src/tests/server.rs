//! A Spark Connect server without generated code: paths, a codec and a script.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use datafusion::arrow::array::RecordBatch;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use spark_connect_proto as proto;
use spark_connect_proto::analyze_plan_request::Analyze;
use spark_connect_proto::config_request::operation::OpType;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::script::{Step, column, complete, rows, spark_error};
use crate::{SparkAddress, SparkEngine};

type Answers = BoxStream<'static, Result<proto::ExecutePlanResponse, Status>>;

/// A call as a test looks at it: the method and the one thing that matters of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: &'static str,
    pub(super) what: String,
    pub(super) session: String,
    pub(super) operation: String,
}

/// What the server does.
#[derive(Debug)]
pub(super) struct Script {
    /// One for each stream that is asked for, by ExecutePlan or ReattachExecute.
    pub(super) streams: VecDeque<Vec<Step>>,
    /// Answers to statements that stand here, whatever `streams` holds.
    pub(super) answers: Vec<(&'static str, RecordBatch)>,
    /// Errors of the next calls of a method, before anything else.
    pub(super) refusals: Vec<(&'static str, Status)>,
    /// What `SELECT lakegate_probe` is answered with.
    pub(super) probe: Status,
    /// What `SELECT :p1` is answered with, if parameters are not bound.
    pub(super) unbound: Option<Status>,
    /// Settings that keep their value, whatever is set.
    pub(super) fixed: HashMap<&'static str, &'static str>,
    pub(super) columns: Vec<proto::data_type::StructField>,
    pub(super) details: Option<proto::FetchErrorDetailsResponse>,
    /// Interrupts that are not heard yet.
    pub(super) deaf: usize,
    pub(super) server_side_id: String,
    /// What was set.
    pub(super) settings: HashMap<String, String>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            streams: VecDeque::new(),
            answers: Vec::new(),
            refusals: Vec::new(),
            probe: spark_error(
                "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
                "42703",
                "a column cannot be resolved",
            ),
            unbound: None,
            fixed: HashMap::new(),
            columns: vec![column("c0", proto::data_type::Kind::Integer(Default::default()))],
            details: None,
            deaf: 0,
            server_side_id: "server-1".to_owned(),
            settings: HashMap::new(),
        }
    }
}

/// The server. Ends with the test.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) script: Arc<Mutex<Script>>,
    seen: watch::Receiver<Vec<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(script));
        let (sender, seen) = watch::channel(Vec::new());
        let service = Scripted {
            script: Arc::clone(&script),
            seen: Arc::new(sender),
        };
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let task = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self {
            address,
            script,
            seen,
            task,
        }
    }

    /// A server that gives these streams, one after another.
    pub(super) async fn streams(streams: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self::start(Script {
            streams: streams.into_iter().collect(),
            ..Script::default()
        })
        .await
    }

    pub(super) fn engine(&self) -> Arc<SparkEngine> {
        let address = SparkAddress::parse(&format!("sc://{}", self.address)).unwrap();
        SparkEngine::new("spark", address)
    }

    /// The calls of a method until now.
    pub(super) fn calls(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.borrow();
        seen.iter().filter(|call| call.method == method).cloned().collect()
    }

    /// Waits until a call like this has come.
    pub(super) async fn wait(&self, method: &str, what: &str) -> Seen {
        let mut seen = self.seen.clone();
        let fits = |call: &&Seen| call.method == method && call.what.contains(what);
        let seen = seen
            .wait_for(|calls| calls.iter().any(|call| fits(&call)))
            .await
            .unwrap();
        seen.iter().find(fits).unwrap().clone()
    }
}

#[derive(Debug, Clone)]
struct Scripted {
    script: Arc<Mutex<Script>>,
    seen: Arc<watch::Sender<Vec<Seen>>>,
}

impl NamedService for Scripted {
    const NAME: &'static str = "spark.connect.SparkConnectService";
}

impl Service<http::Request<Body>> for Scripted {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let me = self.clone();
        Box::pin(async move {
            let answer = match method.as_str() {
                "ExecutePlan" => {
                    Grpc::new(ProstCodec::default())
                        .server_streaming(Execute(me), request)
                        .await
                }
                "ReattachExecute" => {
                    Grpc::new(ProstCodec::default())
                        .server_streaming(Reattach(me), request)
                        .await
                }
                "AnalyzePlan" => unary(request, move |request| me.analyze(request)).await,
                "Config" => unary(request, move |request| me.config(request)).await,
                "Interrupt" => unary(request, move |request| me.interrupt(request)).await,
                "ReleaseExecute" => unary(request, move |request| me.release(request)).await,
                "ReleaseSession" => unary(request, move |request| me.release_session(request)).await,
                "FetchErrorDetails" => unary(request, move |request| me.details(request)).await,
                other => panic!("{other} is not scripted"),
            };
            Ok(answer)
        })
    }
}

/// A method with one answer.
struct Unary<F>(F);

impl<Q: Send + 'static, A: Send + 'static, F: FnMut(Q) -> Result<A, Status>> UnaryService<Q> for Unary<F> {
    type Response = A;
    type Future = std::future::Ready<Result<Response<A>, Status>>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        std::future::ready((self.0)(request.into_inner()).map(Response::new))
    }
}

async fn unary<Q, A>(request: http::Request<Body>, answer: impl FnMut(Q) -> Result<A, Status>) -> http::Response<Body>
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    Grpc::new(ProstCodec::default()).unary(Unary(answer), request).await
}

struct Execute(Scripted);

impl ServerStreamingService<proto::ExecutePlanRequest> for Execute {
    type Response = proto::ExecutePlanResponse;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<proto::ExecutePlanRequest>) -> Self::Future {
        let request = request.into_inner();
        let operation = request.operation_id.clone().unwrap_or_default();
        let text = query(request.plan.as_ref());
        let found = self.0.note("ExecutePlan", &text, &request.session_id, &operation);
        std::future::ready(found.map(|()| Response::new(self.0.stream(&text))))
    }
}

struct Reattach(Scripted);

impl ServerStreamingService<proto::ReattachExecuteRequest> for Reattach {
    type Response = proto::ExecutePlanResponse;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<proto::ReattachExecuteRequest>) -> Self::Future {
        let request = request.into_inner();
        let last = request.last_response_id.clone().unwrap_or_default();
        let found = self
            .0
            .note("ReattachExecute", &last, &request.session_id, &request.operation_id);
        std::future::ready(found.map(|()| Response::new(self.0.stream(""))))
    }
}

/// The SQL of a plan.
fn query(plan: Option<&proto::Plan>) -> String {
    let Some(proto::plan::OpType::Root(relation)) = plan.and_then(|plan| plan.op_type.as_ref()) else {
        return String::new();
    };
    match &relation.rel_type {
        Some(proto::relation::RelType::Sql(sql)) => sql.query.clone(),
        _ => String::new(),
    }
}

impl Scripted {
    /// Notes a call, and refuses it if the script says so.
    fn note(&self, method: &'static str, what: &str, session: &str, operation: &str) -> Result<(), Status> {
        let seen = Seen {
            method,
            what: what.to_owned(),
            session: session.to_owned(),
            operation: operation.to_owned(),
        };
        self.seen.send_modify(|calls| calls.push(seen));
        let mut script = self.script.lock();
        match script.refusals.iter().position(|(refused, _)| *refused == method) {
            Some(place) => Err(script.refusals.remove(place).1),
            None => Ok(()),
        }
    }

    fn stream(&self, text: &str) -> Answers {
        let mut script = self.script.lock();
        let answer = script
            .answers
            .iter()
            .find(|(start, _)| !text.is_empty() && text.starts_with(start));
        let steps = match answer {
            Some((_, batch)) => vec![rows("r1", batch, None).into(), complete("r2")],
            None => script.streams.pop_front().expect("a stream is scripted"),
        };
        let server_side_id = script.server_side_id.clone();
        let steps = steps.into_iter().map(move |step| match step {
            Step::Send(mut response) => {
                response.server_side_session_id.clone_from(&server_side_id);
                futures::stream::once(std::future::ready(Ok(*response))).boxed()
            }
            Step::Fail(status) => futures::stream::once(std::future::ready(Err(status))).boxed(),
            Step::Hang => futures::stream::pending().boxed(),
        });
        futures::stream::iter(steps).flatten().boxed()
    }

    fn config(&self, request: proto::ConfigRequest) -> Result<proto::ConfigResponse, Status> {
        self.note("Config", "", &request.session_id, "")?;
        let mut script = self.script.lock();
        let mut pairs = Vec::new();
        match request.operation.unwrap().op_type.unwrap() {
            OpType::Set(set) => {
                for pair in set.pairs {
                    script.settings.insert(pair.key, pair.value.unwrap());
                }
            }
            OpType::GetOption(get) => {
                for key in get.keys {
                    let fixed = script.fixed.get(key.as_str()).map(|value| (*value).to_owned());
                    let value = fixed.or_else(|| script.settings.get(&key).cloned());
                    pairs.push(proto::KeyValue { key, value });
                }
            }
            other => panic!("{other:?} is not scripted"),
        }
        Ok(proto::ConfigResponse {
            session_id: request.session_id,
            server_side_session_id: script.server_side_id.clone(),
            pairs,
            warnings: Vec::new(),
        })
    }

    fn analyze(&self, request: proto::AnalyzePlanRequest) -> Result<proto::AnalyzePlanResponse, Status> {
        let Some(Analyze::Schema(schema)) = request.analyze else {
            panic!("only schemas are scripted")
        };
        let text = query(schema.plan.as_ref());
        self.note("AnalyzePlan", &text, &request.session_id, "")?;
        let script = self.script.lock();
        match (text.as_str(), &script.unbound) {
            ("SELECT lakegate_probe", _) => return Err(script.probe.clone()),
            ("SELECT :p1 AS c0", Some(status)) => return Err(status.clone()),
            _ => {}
        }
        let columns = proto::data_type::Struct {
            fields: script.columns.clone(),
            ..Default::default()
        };
        let schema = proto::DataType {
            kind: Some(proto::data_type::Kind::Struct(columns)),
        };
        Ok(proto::AnalyzePlanResponse {
            session_id: request.session_id,
            server_side_session_id: script.server_side_id.clone(),
            result: Some(proto::analyze_plan_response::Result::Schema(
                proto::analyze_plan_response::Schema { schema: Some(schema) },
            )),
        })
    }

    fn interrupt(&self, request: proto::InterruptRequest) -> Result<proto::InterruptResponse, Status> {
        let Some(proto::interrupt_request::Interrupt::OperationId(operation)) = request.interrupt else {
            panic!("only operations are interrupted")
        };
        self.note("Interrupt", "", &request.session_id, &operation)?;
        let mut script = self.script.lock();
        let heard = script.deaf == 0;
        script.deaf = script.deaf.saturating_sub(1);
        Ok(proto::InterruptResponse {
            session_id: request.session_id,
            server_side_session_id: script.server_side_id.clone(),
            interrupted_ids: heard.then_some(operation).into_iter().collect(),
        })
    }

    fn release(&self, request: proto::ReleaseExecuteRequest) -> Result<proto::ReleaseExecuteResponse, Status> {
        let what = match request.release {
            Some(proto::release_execute_request::Release::ReleaseAll(_)) => "all".to_owned(),
            Some(proto::release_execute_request::Release::ReleaseUntil(until)) => until.response_id,
            None => panic!("nothing is released"),
        };
        self.note("ReleaseExecute", &what, &request.session_id, &request.operation_id)?;
        Ok(proto::ReleaseExecuteResponse::default())
    }

    fn release_session(&self, request: proto::ReleaseSessionRequest) -> Result<proto::ReleaseSessionResponse, Status> {
        self.note("ReleaseSession", "", &request.session_id, "")?;
        Ok(proto::ReleaseSessionResponse::default())
    }

    fn details(&self, request: proto::FetchErrorDetailsRequest) -> Result<proto::FetchErrorDetailsResponse, Status> {
        self.note("FetchErrorDetails", &request.error_id, &request.session_id, "")?;
        Ok(self.script.lock().details.clone().unwrap_or_default())
    }
}
