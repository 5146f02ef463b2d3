//! One statement at a server: its stream, however often that has to be attached to, until the server says that the
//! answer is complete.
//!
//! What the messages mean: <https://github.com/apache/spark/blob/master/sql/connect/common/src/main/protobuf/spark/connect/base.proto>
//! (`ExecutePlan`, `ReattachExecute`).

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_wire::{Limits, Sender, StreamDecoder};
use contract::{Error, ErrorKind};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use spark_connect_proto as proto;
use spark_connect_proto::execute_plan_request::RequestOption;
use spark_connect_proto::execute_plan_request::request_option::RequestOption as Choice;
use spark_connect_proto::execute_plan_response::{ArrowBatch, ResponseType};
use tokio::task::JoinHandle;
use tonic::Streaming;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::connection::{CLIENT_TYPE, Connection};
use crate::error::{Fate, Refusal};
use crate::release;
use crate::session::Session;
use crate::token::Token;

/// Bytes of batches after which the server is told that it need not keep them. It keeps some 10 MiB unasked.
const RELEASE_BYTES: usize = 8 << 20;

/// The same for answers, most of which are small.
const RELEASE_RESPONSES: usize = 64;

/// How often a statement of which nothing was handed on is begun again because the server lost it.
const RESTARTS_MAX: usize = 1;

/// What a message that waits is called where memory is short.
const WAITING: &str = "SparkAnswer";

/// Why the stream of a statement ended early.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The server lost the session, and nothing was handed on yet: in another session it may be begun again.
    SessionLost(Error),
    /// Anything else. The flag says that the session is lost as well.
    Failed(Error, SessionState),
}

/// Whether a session is of further use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionState {
    Kept,
    Lost,
}

/// What the server has of the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It was not sent.
    Unsent,
    /// It was sent, and may have arrived.
    Sent,
    /// It said that it has ended, well or not.
    Ended,
}

/// A running statement. Dropping it stops and releases it at the server.
#[derive(Debug)]
pub(crate) struct Execution {
    session: Arc<Session>,
    plan: proto::Plan,
    operation_id: String,
    standing: Standing,
    stream: Option<Streaming<proto::ExecutePlanResponse>>,
    last_response: Option<String>,
    backoff: Backoff,
    restarts: usize,
    pending: VecDeque<RecordBatch>,
    /// The engine's memory that `pending` is charged to. One message comes at a time, without which nothing would go
    /// on: so it is charged even where the pool is full, and others have less.
    waiting: MemoryReservation,
    /// Rows that came, handed on or not.
    rows: i64,
    handed_on: bool,
    complete: bool,
    unreleased_bytes: usize,
    unreleased_responses: usize,
    release: Option<JoinHandle<()>>,
}

impl Execution {
    /// Sends nothing yet.
    pub(crate) fn new(session: Arc<Session>, plan: proto::Plan, memory: &Arc<dyn MemoryPool>) -> Self {
        Self {
            waiting: MemoryConsumer::new(WAITING).register(memory),
            session,
            plan,
            operation_id: Uuid::new_v4().to_string(),
            standing: Standing::Unsent,
            stream: None,
            last_response: None,
            backoff: Backoff::default(),
            restarts: 0,
            pending: VecDeque::new(),
            rows: 0,
            handed_on: false,
            complete: false,
            unreleased_bytes: 0,
            unreleased_responses: 0,
            release: None,
        }
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The next batch that has rows; none when the server said that there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<RecordBatch>, Broken> {
        loop {
            if let Some(batch) = self.pending.pop_front() {
                self.handed_on = true;
                return Ok(Some(batch));
            }
            self.waiting.free();
            if self.complete {
                return Ok(None);
            }
            let response = self.response().await?;
            if let Err(refusal) = self.take(response) {
                return Err(self.broken(refusal));
            }
        }
    }

    /// The next message, over as many streams as it takes.
    async fn response(&mut self) -> Result<proto::ExecutePlanResponse, Broken> {
        loop {
            let refusal = match &mut self.stream {
                None => match self.attach().await {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        continue;
                    }
                    Err(refusal) => refusal,
                },
                Some(stream) => match stream.message().await {
                    Ok(Some(response)) => return Ok(response),
                    Ok(None) => Refusal::ended(),
                    Err(status) => Refusal::of(&status),
                },
            };
            self.stream = None;
            self.recover(refusal).await?;
        }
    }

    /// Begins the statement, or goes on behind the last message that came; once more where the token was not taken.
    async fn attach(&mut self) -> Result<Streaming<proto::ExecutePlanResponse>, Refusal> {
        let connection = Arc::clone(self.session.connection());
        let standing = self.standing;
        let token = connection.token().await?;
        let refusal = match self.attach_as(&connection, token.as_ref()).await {
            Ok(stream) => return Ok(stream),
            Err(refusal) => refusal,
        };
        if !connection.takes_another(&refusal, token.as_ref()).await {
            return Err(refusal);
        }
        // Whoever is not known has begun nothing.
        self.standing = standing;
        let token = connection.token().await?;
        self.attach_as(&connection, token.as_ref()).await
    }

    async fn attach_as(
        &mut self,
        connection: &Connection,
        token: Option<&Token>,
    ) -> Result<Streaming<proto::ExecutePlanResponse>, Refusal> {
        let id = self.session.id().to_owned();
        let mut client = connection.client()?;
        let answer = if self.standing == Standing::Unsent {
            let request = connection.request(&id, token, self.execute_request())?;
            self.standing = Standing::Sent;
            client.execute_plan(request).await
        } else {
            let request = connection.request(&id, token, self.reattach_request())?;
            client.reattach_execute(request).await
        };
        match answer {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(Refusal::of(&status)),
        }
    }

    fn execute_request(&self) -> proto::ExecutePlanRequest {
        let reattach = RequestOption {
            request_option: Some(Choice::ReattachOptions(proto::ReattachOptions { reattachable: true })),
        };
        proto::ExecutePlanRequest {
            session_id: self.session.id().to_owned(),
            client_observed_server_side_session_id: self.session.observed(),
            user_context: Some(self.session.connection().user_context()),
            operation_id: Some(self.operation_id.clone()),
            plan: Some(self.plan.clone()),
            client_type: Some(CLIENT_TYPE.to_owned()),
            request_options: vec![reattach],
            tags: Vec::new(),
        }
    }

    fn reattach_request(&self) -> proto::ReattachExecuteRequest {
        proto::ReattachExecuteRequest {
            session_id: self.session.id().to_owned(),
            client_observed_server_side_session_id: self.session.observed(),
            user_context: Some(self.session.connection().user_context()),
            operation_id: self.operation_id.clone(),
            client_type: Some(CLIENT_TYPE.to_owned()),
            last_response_id: self.last_response.clone(),
        }
    }

    /// Waits for the right moment to attach again, or says that this is the end.
    async fn recover(&mut self, refusal: Refusal) -> Result<(), Broken> {
        let fate = refusal.fate();
        let told = match fate {
            Fate::Again(told) => told,
            Fate::Detached | Fate::OperationExists => None,
            Fate::OperationGone if !self.handed_on && self.begin_again() => None,
            Fate::SessionLost | Fate::OperationGone => return Err(self.broken(refusal)),
            Fate::Final => {
                self.standing = Standing::Ended;
                let refusal = self.session.in_full(refusal).await;
                return Err(self.broken(refusal));
            }
        };
        match self.backoff.next(told) {
            Some(wait) => {
                tokio::time::sleep(wait).await;
                Ok(())
            }
            None => Err(self.broken(refusal)),
        }
    }

    /// Prepares to send the statement once more, nothing of which was handed on. Whether that is allowed.
    fn begin_again(&mut self) -> bool {
        if self.last_response.is_some() {
            if self.restarts == RESTARTS_MAX {
                return false;
            }
            self.restarts += 1;
            // The server has seen this operation, and an id is good for one.
            self.operation_id = Uuid::new_v4().to_string();
            self.last_response = None;
            self.rows = 0;
            self.pending.clear();
        }
        self.standing = Standing::Unsent;
        true
    }

    /// The end of the statement, with an error that nobody takes for its completion.
    fn broken(&mut self, refusal: Refusal) -> Broken {
        self.stream = None;
        self.pending.clear();
        let service = Arc::clone(self.session.service());
        let fate = refusal.fate();
        let state = match fate {
            Fate::SessionLost => SessionState::Lost,
            _ => SessionState::Kept,
        };
        let error = refusal.into_error(&service);
        match fate {
            Fate::SessionLost if !self.handed_on => Broken::SessionLost(error),
            Fate::Final => Broken::Failed(error, state),
            _ if self.handed_on => {
                let message = format!("the connection to service \"{service}\" was lost in the middle of the answer");
                let lost = Error::new(ErrorKind::SourceUnavailable, message).with_source(error);
                Broken::Failed(lost.with_hint("Run the statement again."), state)
            }
            _ => Broken::Failed(error, state),
        }
    }

    fn take(&mut self, response: proto::ExecutePlanResponse) -> Result<(), Refusal> {
        self.session.observe(&response.server_side_session_id)?;
        if !response.operation_id.is_empty() && response.operation_id != self.operation_id {
            return Err(self.torn("answered another statement").into());
        }
        if !response.response_id.is_empty() {
            // Whoever makes progress may lose the connection again.
            self.backoff.reset();
            self.last_response = Some(response.response_id);
        }
        match response.response_type {
            Some(ResponseType::ArrowBatch(batch)) => {
                self.unreleased_bytes += batch.data.len();
                self.decode(batch)?;
            }
            Some(ResponseType::ResultComplete(_)) => {
                self.complete = true;
                self.standing = Standing::Ended;
                self.stream = None;
                return Ok(());
            }
            // Progress, metrics, the schema, and what later servers add.
            _ => {}
        }
        self.release_some();
        Ok(())
    }

    fn decode(&mut self, batch: ArrowBatch) -> Result<(), Error> {
        if batch.num_chunks_in_batch.is_some_and(|chunks| chunks != 1) || batch.chunk_index.unwrap_or_default() != 0 {
            return Err(self.torn("sent a batch in pieces, which was not asked for"));
        }
        if batch.start_offset.is_some_and(|offset| offset != self.rows) {
            return Err(self.torn("left rows out, or sent them twice"));
        }
        let sender = Sender::Source(Arc::clone(self.session.service()));
        self.waiting.grow(batch.data.len());
        let mut decoder = StreamDecoder::new(Limits::default(), sender);
        let mut input = Buffer::from(batch.data);
        let mut rows: i64 = 0;
        while let Some(decoded) = decoder.decode(&mut input)? {
            rows = rows.saturating_add(i64::try_from(decoded.num_rows()).unwrap_or(i64::MAX));
            if decoded.num_rows() > 0 {
                self.pending.push_back(decoded);
            }
        }
        decoder.finish()?;
        if rows != batch.row_count {
            return Err(self.torn("sent another number of rows than it says"));
        }
        self.rows = self.rows.saturating_add(rows);
        Ok(())
    }

    fn torn(&self, what: &str) -> Error {
        let message = format!("service \"{}\" {what}", self.session.service());
        Error::new(ErrorKind::DataCorrupted, message)
    }

    /// Lets the server forget what came, now and then; never more than one such call is under way.
    fn release_some(&mut self) {
        self.unreleased_responses += 1;
        if self.unreleased_bytes < RELEASE_BYTES && self.unreleased_responses < RELEASE_RESPONSES {
            return;
        }
        if self.release.as_ref().is_some_and(|release| !release.is_finished()) {
            return;
        }
        if let Some(response) = &self.last_response {
            self.release = release::release_until(&self.session, &self.operation_id, response);
            self.unreleased_bytes = 0;
            self.unreleased_responses = 0;
        }
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        // Tasks of their own: they end by their own bounds.
        let _ = match self.standing {
            Standing::Unsent => None,
            Standing::Ended => release::release_all(&self.session, &self.operation_id),
            Standing::Sent => release::abandon(&self.session, &self.operation_id),
        };
    }
}
