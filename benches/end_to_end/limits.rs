//! What the doors' protocols allow: a Flight server over batches in memory and an HTTP server over one byte, with
//! nothing behind them, in a process of their own.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::flight_service_server::{FlightService, FlightServiceServer};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest, HandshakeResponse,
    PollInfo, PutResult, SchemaResult, Ticket,
};
use bytes::Bytes;
use datafusion::prelude::{ParquetReadOptions, SessionContext};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tonic::{Status, Streaming};

use crate::Outcome;
use crate::reference::files;

/// What the server's own doors write at once.
const FRAME_BYTES: usize = 64 << 10;

/// This program again, as both servers.
pub(crate) struct Limits {
    child: Child,
    pub(crate) flight: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Limits {
    /// Starts them over the folder that holds the table's Parquet files.
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--bench", "--limits"]).arg(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let mut addresses = line.split_whitespace().filter_map(|word| word.parse().ok());
        match (addresses.next(), addresses.next()) {
            (Some(flight), Some(http)) => Ok(Self { child, flight, http }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the limits did not start".into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Limits {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side: two addresses on a line, then answers until the input ends.
pub(crate) fn serve(folder: &Path) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let batches = runtime.block_on(read(folder))?;
    let (flight, http) = runtime.block_on(async {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        Ok::<_, std::io::Error>((listen().await?, listen().await?))
    })?;
    let mut output = std::io::stdout();
    writeln!(output, "{} {}", flight.local_addr()?, http.local_addr()?)?;
    output.flush()?;
    let service = FlightServiceServer::new(Memory(batches.into()));
    let incoming = stream::unfold(flight, |listener| async move {
        let (stream, _) = listener.accept().await.ok()?;
        let ready = stream.set_nodelay(true).map(|()| stream);
        Some((ready, listener))
    });
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming),
    );
    runtime.spawn(serve_http(http));
    // The parent holds the other end.
    std::io::stdin().lock().lines().for_each(drop);
    Ok(())
}

/// The rows as the server sends them: in the same types, with the same buffers.
async fn read(folder: &Path) -> Outcome<Vec<RecordBatch>> {
    let context = SessionContext::new();
    let files: Vec<_> = files(folder)?.iter().map(|path| path.display().to_string()).collect();
    let rows = context.read_parquet(files, ParquetReadOptions::default()).await?;
    let mut batches = rows.execute_stream().await?;
    let schema = engine::owned_schema(&batches.schema());
    let mut owned = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        owned.push(engine::owned_batch(&batch, &schema)?);
    }
    Ok(owned)
}

async fn serve_http(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

/// As many bytes as the path says, in pieces as the server sends them.
async fn answer(
    request: Request<Incoming>,
) -> Result<Response<StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>>, Infallible> {
    let length: usize = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
    let piece = Bytes::from(vec![b'x'; FRAME_BYTES]);
    let pieces = (0..length.div_ceil(FRAME_BYTES)).map(move |at| {
        let rest = length - at * FRAME_BYTES;
        Ok(Frame::data(piece.slice(..rest.min(FRAME_BYTES))))
    });
    let mut response = Response::new(StreamBody::new(stream::iter(pieces).boxed()));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    Ok(response)
}

struct Memory(Arc<[RecordBatch]>);

type Answers<T> = BoxStream<'static, Result<T, Status>>;
type Answer<T> = Result<tonic::Response<T>, Status>;

fn nothing<T>() -> Answer<T> {
    Err(Status::unimplemented("it only gives its rows"))
}

#[tonic::async_trait]
impl FlightService for Memory {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn do_get(&self, _ticket: tonic::Request<Ticket>) -> Answer<Self::DoGetStream> {
        let batches = Arc::clone(&self.0);
        let schema = batches.first().map(RecordBatch::schema);
        let schema = schema.ok_or_else(|| Status::not_found("there are no rows"))?;
        let batches = stream::iter((0..batches.len()).filter_map(move |at| batches.get(at).cloned().map(Ok)));
        let messages = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
        Ok(tonic::Response::new(messages.map_err(Status::from).boxed()))
    }

    async fn handshake(&self, _: tonic::Request<Streaming<HandshakeRequest>>) -> Answer<Self::HandshakeStream> {
        nothing()
    }

    async fn list_flights(&self, _: tonic::Request<Criteria>) -> Answer<Self::ListFlightsStream> {
        nothing()
    }

    async fn get_flight_info(&self, _: tonic::Request<FlightDescriptor>) -> Answer<FlightInfo> {
        nothing()
    }

    async fn poll_flight_info(&self, _: tonic::Request<FlightDescriptor>) -> Answer<PollInfo> {
        nothing()
    }

    async fn get_schema(&self, _: tonic::Request<FlightDescriptor>) -> Answer<SchemaResult> {
        nothing()
    }

    async fn do_put(&self, _: tonic::Request<Streaming<FlightData>>) -> Answer<Self::DoPutStream> {
        nothing()
    }

    async fn do_action(&self, _: tonic::Request<Action>) -> Answer<Self::DoActionStream> {
        nothing()
    }

    async fn list_actions(&self, _: tonic::Request<Empty>) -> Answer<Self::ListActionsStream> {
        nothing()
    }

    async fn do_exchange(&self, _: tonic::Request<Streaming<FlightData>>) -> Answer<Self::DoExchangeStream> {
        nothing()
    }
}
