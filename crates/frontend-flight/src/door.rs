//! The calls of Flight, each for the identity that sends it.
//!
//! Implements the service of Flight itself and not arrow-flight's layer for SQL above it: that one decodes commands
//! before it is known who sends them, and answers malformed ones as if the server were at fault.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::{
    Any, Command, CommandPreparedStatementQuery, DoPutPreparedStatementResult, DoPutUpdateResult, ProstMessageExt,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest,
    HandshakeResponse, IpcMessage, PollInfo, PutResult, SchemaAsIpc, SchemaResult, Ticket,
};
use arrow_ipc::writer::IpcWriteOptions;
use arrow_schema::Schema;
use bytes::Bytes;
use contract::{Error, ErrorKind};
use engine::{ClientSession, Engine, FrontEnd, SessionOptions, Shutdown};
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, stream};
use prost::Message;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Request, Response, Status, Streaming};

use crate::FlightOptions;
use crate::answer::{self, Messages, Watched};
use crate::caller::{Caller, SESSION_COOKIE};
use crate::handles::{Handles, Kind};
use crate::metadata::Facts;
use crate::session_options::identifier;
use crate::statement::{Session, Statement};
use crate::{actions, error, parameters};

/// How long a client may take to send the values of a statement.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// What all calls share.
#[derive(Clone)]
pub(crate) struct Door {
    engine: Engine,
    handles: Arc<Handles>,
    facts: Arc<Facts>,
    send_timeout: Duration,
    shutdown: Shutdown,
}

type Answer<T> = Result<Response<BoxStream<'static, Result<T, Status>>>, Status>;

impl Door {
    /// # Errors
    /// `Internal`.
    pub(crate) fn new(engine: Engine, options: &FlightOptions, shutdown: Shutdown) -> contract::Result<Self> {
        Ok(Self {
            engine,
            handles: Arc::new(Handles::new()),
            facts: Arc::new(Facts::new()?),
            send_timeout: options.send_timeout,
            shutdown,
        })
    }

    /// Lets go of what nobody used for long.
    pub(crate) fn sweep(&self) {
        self.handles.sweep();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Works on a call unless the server ends before; a bug takes no more than the call.
    async fn call<T>(&self, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        tokio::select! {
            biased;
            () = self.shutdown.cancel_all.cancelled() => Err(error::shutting_down()),
            done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| Err(error::panicked())),
        }
    }

    async fn caller(&self, metadata: &MetadataMap, extensions: &Extensions) -> Result<Caller, Status> {
        Caller::of(&self.engine, metadata, extensions).await
    }

    fn open(&self, caller: &Caller) -> contract::Result<ClientSession> {
        let options = SessionOptions {
            catalog: caller.catalog.clone(),
            settings: caller
                .schema
                .iter()
                .map(|schema| ("search_path".to_owned(), identifier(schema)))
                .collect(),
            front_end: FrontEnd::Flight,
            ..SessionOptions::default()
        };
        self.engine.open_session(Arc::clone(&caller.identity), options)
    }

    /// The session that a call belongs to.
    ///
    /// # Errors
    /// `PermissionDenied` for who may not use this front end.
    pub(crate) fn session(&self, caller: &Caller) -> Result<Arc<Session>, Status> {
        let opened = match &caller.session {
            None => self.open(caller).map(|client| Arc::new(Session::new(client, None))),
            Some(name) => self.handles.session(&caller.identity, name, || {
                let place = self.handles.place()?;
                Ok(Session::new(self.open(caller)?, Some(place)))
            }),
        };
        opened.map_err(|error| not_opened(&error))
    }

    /// Prepares a statement under a new handle.
    pub(crate) async fn prepare(
        &self,
        kind: Kind,
        caller: &Caller,
        sql: &str,
    ) -> Result<(Bytes, Arc<Statement>), Status> {
        let statement = self.statement(caller, sql).await?;
        let handle = self.handles.keep(kind, Arc::clone(&statement));
        Ok((Bytes::copy_from_slice(&handle), statement))
    }

    async fn statement(&self, caller: &Caller, sql: &str) -> Result<Arc<Statement>, Status> {
        let place = self.handles.place().map_err(|error| error::status(&error, None))?;
        let session = self.session(caller)?;
        let prepared = session
            .prepare(sql)
            .await
            .map_err(|error| error::status(&error, None))?;
        let owner = Arc::clone(&caller.identity);
        Ok(Arc::new(Statement::new(owner, session, prepared, place)))
    }

    fn find(&self, kind: Kind, caller: &Caller, handle: &[u8]) -> Result<Arc<Statement>, Status> {
        let found = self.handles.find(kind, &caller.identity, handle);
        found.ok_or_else(error::unknown_handle)
    }

    async fn describe(&self, caller: &Caller, descriptor: FlightDescriptor) -> Result<FlightInfo, Status> {
        let command = command_of(&descriptor)?;
        let (schema, ticket) = match &command {
            Command::CommandStatementQuery(query) => {
                outside_transaction(query.transaction_id.as_ref())?;
                let (statement_handle, statement) = self.prepare(Kind::Ticket, caller, &query.query).await?;
                let ticket = TicketStatementQuery { statement_handle }.as_any();
                (described(&statement).await?, ticket)
            }
            Command::CommandPreparedStatementQuery(query) => {
                let handle = query.prepared_statement_handle.clone();
                let statement = self.find(Kind::Prepared, caller, &handle)?;
                let ticket = CommandPreparedStatementQuery {
                    prepared_statement_handle: handle,
                };
                (described(&statement).await?, ticket.as_any())
            }
            command => {
                let schema = self.facts.schema(command).ok_or_else(|| not_a_query(command))?;
                // Listings are for those who may come in.
                drop(self.open(caller).map_err(|error| not_opened(&error))?);
                (schema, command.clone().into_any())
            }
        };
        let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec()));
        let info = FlightInfo::new()
            .try_with_schema(&schema)
            .map_err(|error| broken_schema(&error))?;
        Ok(info
            .with_endpoint(endpoint)
            .with_descriptor(descriptor)
            .with_ordered(true))
    }

    async fn schema_of(&self, caller: &Caller, descriptor: &FlightDescriptor) -> Result<Bytes, Status> {
        let command = command_of(descriptor)?;
        let schema = match &command {
            Command::CommandStatementQuery(query) => {
                outside_transaction(query.transaction_id.as_ref())?;
                self.statement(caller, &query.query).await?.schema().cloned()
            }
            Command::CommandPreparedStatementQuery(query) => {
                let statement = self.find(Kind::Prepared, caller, &query.prepared_statement_handle)?;
                statement.schema().cloned()
            }
            command => {
                drop(self.open(caller).map_err(|error| not_opened(&error))?);
                Some(self.facts.schema(command).ok_or_else(|| not_a_query(command))?)
            }
        };
        schema_bytes(&schema.unwrap_or_else(|| Arc::new(Schema::empty())))
    }

    async fn fetch(&self, caller: &Caller, ticket: &Ticket) -> Result<Messages, Status> {
        match decoded(&ticket.ticket)? {
            Command::TicketStatementQuery(ticket) => {
                let statement = self.find(Kind::Ticket, caller, &ticket.statement_handle)?;
                answer::rows(&statement).await
            }
            Command::CommandPreparedStatementQuery(query) => {
                let statement = self.find(Kind::Prepared, caller, &query.prepared_statement_handle)?;
                answer::rows(&statement).await
            }
            command => {
                let client = self.open(caller).map_err(|error| not_opened(&error))?;
                let batch = self.facts.answer(&command, &client).await;
                let batch = batch.map_err(|error| error::status(&error, None))?;
                batch.map(answer::single).ok_or_else(|| not_a_query(&command))
            }
        }
    }

    async fn put(&self, caller: &Caller, mut messages: Streaming<FlightData>) -> Result<Bytes, Status> {
        let first = messages
            .message()
            .await?
            .ok_or_else(|| error::malformed("the command is missing"))?;
        let descriptor = first.flight_descriptor.as_ref();
        let command = command_of(descriptor.ok_or_else(|| error::malformed("the command is missing"))?)?;
        match command {
            Command::CommandPreparedStatementQuery(query) => {
                let handle = query.prepared_statement_handle;
                let statement = self.find(Kind::Prepared, caller, &handle)?;
                bind(&statement, messages, first).await?;
                let result = DoPutPreparedStatementResult {
                    prepared_statement_handle: Some(handle),
                };
                Ok(result.encode_to_vec().into())
            }
            Command::CommandPreparedStatementUpdate(update) => {
                let statement = self.find(Kind::Prepared, caller, &update.prepared_statement_handle)?;
                bind(&statement, messages, first).await?;
                updated(&statement).await
            }
            Command::CommandStatementUpdate(update) => {
                outside_transaction(update.transaction_id.as_ref())?;
                let statement = self.statement(caller, &update.query).await?;
                updated(&statement).await
            }
            Command::CommandStatementIngest(_) => Err(error::unsupported(
                "bulk ingestion is not supported\nHINT:  This server reads; write tables with the engine that owns them.",
            )),
            command => Err(not_a_query(&command)),
        }
    }

    fn answered<T: Send + 'static>(items: Vec<T>) -> Response<BoxStream<'static, Result<T, Status>>> {
        Response::new(stream::iter(items.into_iter().map(Ok)).boxed())
    }
}

/// Receives the values of a statement's parameters.
async fn bind(statement: &Statement, messages: Streaming<FlightData>, first: FlightData) -> Result<(), Status> {
    let received = tokio::time::timeout(UPLOAD_TIMEOUT, parameters::receive(messages, first)).await;
    let received = received.map_err(|_| error::malformed("the values of a statement did not come in time"))??;
    if received.is_empty() {
        // Those that were bound before.
        return Ok(());
    }
    let batches = parameters::decode(received)?;
    statement.bind(batches).map_err(|error| error::status(&error, None))
}

/// The columns of a statement. One without rows is run here: clients do not always fetch an answer that they expect
/// to be empty.
async fn described(statement: &Statement) -> Result<Arc<Schema>, Status> {
    if let Some(schema) = statement.schema() {
        return Ok(Arc::clone(schema));
    }
    run_all(statement).await?;
    Ok(Arc::new(Schema::empty()))
}

async fn run_all(statement: &Statement) -> Result<(), Status> {
    for values in statement.values().map_err(|error| error::status(&error, None))? {
        let run = async { statement.run(values?).await };
        Box::pin(run).await.map_err(|error| error::status(&error, None))?;
    }
    Ok(())
}

/// Runs a statement for what it does. No statement here changes rows, but some give them: these are counted.
async fn updated(statement: &Statement) -> Result<Bytes, Status> {
    let mut record_count = 0;
    if statement.schema().is_none() {
        run_all(statement).await?;
    } else {
        for values in statement.values().map_err(|error| error::status(&error, None))? {
            let begun = async { statement.rows(values?).await };
            let begun = Box::pin(begun).await;
            let (mut rows, ctx) = begun.map_err(|error| error::status(&error, None))?;
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(|error| {
                    statement.fail();
                    error::status(&error, Some(ctx.id))
                })?;
                record_count += i64::try_from(batch.num_rows()).unwrap_or_default();
            }
        }
    }
    Ok(DoPutUpdateResult { record_count }.encode_to_vec().into())
}

fn command_of(descriptor: &FlightDescriptor) -> Result<Command, Status> {
    if !descriptor.path.is_empty() {
        return Err(error::malformed("a path names nothing here; send a Flight SQL command"));
    }
    decoded(&descriptor.cmd)
}

/// The command in a descriptor or ticket.
pub(crate) fn decoded(bytes: &[u8]) -> Result<Command, Status> {
    let malformed = || error::malformed("the command cannot be decoded");
    let any = Any::decode(bytes).map_err(|_| malformed())?;
    Command::try_from(any).map_err(|_| malformed())
}

/// Commands inside of transactions that only actions make.
pub(crate) fn outside_transaction(transaction: Option<&Bytes>) -> Result<(), Status> {
    match transaction.is_some_and(|id| !id.is_empty()) {
        true => Err(error::unsupported(
            "transactions are not supported\nHINT:  BEGIN in a session pins the versions of tables for its queries.",
        )),
        false => Ok(()),
    }
}

fn not_a_query(command: &Command) -> Status {
    match command {
        Command::CommandStatementSubstraitPlan(_) => error::unsupported("Substrait plans are not supported"),
        _ => error::malformed("the command cannot be used in this call"),
    }
}

/// Who is known and may not come in here is told so; who is unknown was told before.
fn not_opened(error: &Error) -> Status {
    let status = error::status(error, None);
    match error.kind() {
        ErrorKind::InvalidAuthorization => Status::with_metadata(
            Code::PermissionDenied,
            status.message().to_owned(),
            status.metadata().clone(),
        ),
        _ => status,
    }
}

/// A schema as clients decode it.
pub(crate) fn schema_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let options = IpcWriteOptions::default();
    let message: Result<IpcMessage, _> = SchemaAsIpc::new(schema, &options).try_into();
    message
        .map(|IpcMessage(bytes)| bytes)
        .map_err(|error| broken_schema(&error))
}

fn broken_schema(error: &arrow_schema::ArrowError) -> Status {
    error::status(&Error::internal(format!("a schema for the wire: {error}")), None)
}

/// Names a session in the answer, for clients that keep cookies.
pub(crate) fn set_cookie(metadata: &mut MetadataMap, name: &str) {
    if let Ok(value) = MetadataValue::try_from(format!("{SESSION_COOKIE}={name}")) {
        metadata.insert("set-cookie", value);
    }
}

#[tonic::async_trait]
impl FlightService for Door {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = std::pin::Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;

    async fn handshake(&self, request: Request<Streaming<HandshakeRequest>>) -> Answer<HandshakeResponse> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            let token = self.engine.issue_token(&caller.identity);
            let mut response = Self::answered(vec![HandshakeResponse {
                protocol_version: 0,
                payload: token.clone().into(),
            }]);
            let bearer = MetadataValue::try_from(format!("Bearer {token}")).map_err(|_| error::panicked())?;
            response.metadata_mut().insert("authorization", bearer);
            set_cookie(response.metadata_mut(), &actions::session_name());
            Ok(response)
        })
        .await
    }

    async fn list_flights(&self, request: Request<Criteria>) -> Answer<FlightInfo> {
        self.call(async {
            self.caller(request.metadata(), request.extensions()).await?;
            Ok(Self::answered(Vec::new()))
        })
        .await
    }

    async fn get_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            self.describe(&caller, request.into_inner()).await.map(Response::new)
        })
        .await
    }

    async fn poll_flight_info(&self, request: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            let info = self.describe(&caller, request.into_inner()).await?;
            let poll = PollInfo::new().with_info(info).try_with_progress(1.0);
            poll.map(Response::new).map_err(|error| broken_schema(&error))
        })
        .await
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            let schema = self.schema_of(&caller, request.get_ref()).await?;
            Ok(Response::new(SchemaResult { schema }))
        })
        .await
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            let messages = self.fetch(&caller, request.get_ref()).await?;
            let watched = Watched::new(messages, self.send_timeout, self.shutdown.cancel_all.clone());
            Ok(Response::new(Box::pin(watched) as Self::DoGetStream))
        })
        .await
    }

    async fn do_put(&self, request: Request<Streaming<FlightData>>) -> Answer<PutResult> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            let app_metadata = self.put(&caller, request.into_inner()).await?;
            Ok(Self::answered(vec![PutResult { app_metadata }]))
        })
        .await
    }

    async fn do_action(&self, request: Request<Action>) -> Answer<arrow_flight::Result> {
        self.call(async {
            let caller = self.caller(request.metadata(), request.extensions()).await?;
            let done = actions::act(self, caller, request.into_inner()).await?;
            let mut response = Self::answered(done.results);
            if let Some(session) = done.session {
                set_cookie(response.metadata_mut(), &session);
            }
            Ok(response)
        })
        .await
    }

    async fn list_actions(&self, request: Request<Empty>) -> Answer<ActionType> {
        self.call(async {
            self.caller(request.metadata(), request.extensions()).await?;
            Ok(Self::answered(actions::list()))
        })
        .await
    }

    async fn do_exchange(&self, request: Request<Streaming<FlightData>>) -> Answer<FlightData> {
        self.call(async {
            self.caller(request.metadata(), request.extensions()).await?;
            Err(error::unsupported("exchanges are not supported"))
        })
        .await
    }
}
