//! Sessions at a server: settled before the first statement, replaced when the server loses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use spark_connect_proto as proto;
use spark_connect_proto::analyze_plan_request::{self, Analyze};
use spark_connect_proto::config_request::operation::OpType;
use spark_connect_proto::config_request::{GetOption, Operation, Set};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::connection::{CLIENT_TYPE, Client, Connection};
use crate::engine::sql_plan;
use crate::error::Refusal;

/// How long an ending session is waited for; the server ends it by itself later.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the rest of an error's text is waited for.
const DETAILS_TIMEOUT: Duration = Duration::from_secs(5);

const ANSI: &str = "spark.sql.ansi.enabled";
const SUBSTITUTE: &str = "spark.sql.variable.substitute";
const TIME_ZONE: &str = "spark.sql.session.timeZone";
const ESCAPES: &str = "spark.sql.parser.escapedStringLiterals";
const TIMESTAMP: &str = "spark.sql.timestampType";
const CASE: &str = "spark.sql.caseSensitive";

/// What every statement of ours is written for. Each of these changes what a statement means.
const SETTINGS: [(&str, &str); 6] = [
    (ANSI, "true"),
    (SUBSTITUTE, "false"),
    (TIME_ZONE, "UTC"),
    (ESCAPES, "false"),
    (TIMESTAMP, "TIMESTAMP_LTZ"),
    (CASE, "true"),
];

/// What a server turned out to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ways {
    /// Overflow and failing casts raise.
    pub(crate) ansi: bool,
    /// Parameters of a statement are bound.
    pub(crate) binds: bool,
    /// `${…}` in a statement is replaced before it is parsed.
    pub(crate) substitutes: bool,
}

/// One session. Ends at the server when it is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Arc<Connection>,
    id: String,
    server_side_id: Mutex<Option<String>>,
    ways: Ways,
    lost: AtomicBool,
}

impl Session {
    fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            id: Uuid::new_v4().to_string(),
            server_side_id: Mutex::new(None),
            ways: Ways {
                ansi: true,
                binds: true,
                substitutes: false,
            },
            lost: AtomicBool::new(false),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(crate) fn service(&self) -> &Arc<str> {
        self.connection.service()
    }

    pub(crate) fn ways(&self) -> Ways {
        self.ways
    }

    /// Which server it was that answered, to be sent back with the next call.
    pub(crate) fn observed(&self) -> Option<String> {
        self.server_side_id.lock().clone()
    }

    /// Notes which server answered.
    ///
    /// # Errors
    /// A lost session, if it is another one than before: what was begun there is gone.
    pub(crate) fn observe(&self, server_side_id: &str) -> Result<(), Refusal> {
        if server_side_id.is_empty() {
            return Ok(());
        }
        let mut known = self.server_side_id.lock();
        match &*known {
            Some(known) if known != server_side_id => Err(Refusal::session_changed()),
            Some(_) => Ok(()),
            None => {
                *known = Some(server_side_id.to_owned());
                Ok(())
            }
        }
    }

    async fn config(&self, operation: OpType) -> Result<Vec<proto::KeyValue>, Refusal> {
        let request = proto::ConfigRequest {
            session_id: self.id.clone(),
            client_observed_server_side_session_id: self.observed(),
            user_context: Some(self.connection.user_context()),
            operation: Some(Operation {
                op_type: Some(operation),
            }),
            client_type: Some(CLIENT_TYPE.to_owned()),
        };
        let send = |mut client: Client, request| async move { Box::pin(client.config(request)).await };
        let answer = self.connection.call(&self.id, request, send).await?;
        self.observe(&answer.server_side_session_id)?;
        Ok(answer.pairs)
    }

    /// The columns that a plan has.
    pub(crate) async fn schema(&self, plan: proto::Plan) -> Result<proto::DataType, Refusal> {
        let request = proto::AnalyzePlanRequest {
            session_id: self.id.clone(),
            client_observed_server_side_session_id: self.observed(),
            user_context: Some(self.connection.user_context()),
            client_type: Some(CLIENT_TYPE.to_owned()),
            analyze: Some(Analyze::Schema(analyze_plan_request::Schema { plan: Some(plan) })),
        };
        let send = |mut client: Client, request| async move { Box::pin(client.analyze_plan(request)).await };
        let answer = match self.connection.call(&self.id, request, send).await {
            Ok(answer) => answer,
            Err(refusal) => return Err(self.in_full(refusal).await),
        };
        self.observe(&answer.server_side_session_id)?;
        match answer.result {
            Some(proto::analyze_plan_response::Result::Schema(schema)) => Ok(schema.schema.unwrap_or_default()),
            _ => Err(self.strange("did not say what columns a statement has").into()),
        }
    }

    /// Asks for the rest of what an error says, if it was cut.
    pub(crate) async fn in_full(&self, mut refusal: Refusal) -> Refusal {
        let Some(error_id) = refusal.cut_error_id() else {
            return refusal;
        };
        let request = proto::FetchErrorDetailsRequest {
            session_id: self.id.clone(),
            client_observed_server_side_session_id: self.observed(),
            user_context: Some(self.connection.user_context()),
            error_id: error_id.to_owned(),
            client_type: Some(CLIENT_TYPE.to_owned()),
        };
        let send = |mut client: Client, request| async move { Box::pin(client.fetch_error_details(request)).await };
        let details = self
            .connection
            .call_once(&self.id, request, DETAILS_TIMEOUT, send)
            .await;
        // Without the rest the beginning has to do.
        if let Ok(details) = details {
            refusal.complete(details);
        }
        refusal
    }

    fn strange(&self, what: &str) -> Error {
        let message = format!("service \"{}\" {what}", self.service());
        Error::new(ErrorKind::SourceRejected, message)
    }

    /// Makes the session mean what our statements mean, and finds out what the server does.
    async fn settle(&mut self) -> Result<(), Refusal> {
        let pair = |(key, value): (&str, &str)| proto::KeyValue {
            key: key.to_owned(),
            value: Some(value.to_owned()),
        };
        let set = |pairs| OpType::Set(Set { pairs, silent: None });
        if let Err(refusal) = self.config(set(SETTINGS.map(pair).to_vec())).await {
            if !refusal.is_about_the_call() {
                return Err(refusal);
            }
            // One of them cannot be set there. Which of the others took effect is read back below.
            for setting in SETTINGS {
                match self.config(set(vec![pair(setting)])).await {
                    Err(refusal) if !refusal.is_about_the_call() => return Err(refusal),
                    _ => {}
                }
            }
        }
        self.read_back().await?;
        self.probe().await
    }

    async fn read_back(&mut self) -> Result<(), Refusal> {
        let keys = SETTINGS.map(|(key, _)| key.to_owned()).to_vec();
        let values = self.config(OpType::GetOption(GetOption { keys })).await?;
        let holds = |setting: (&str, &str)| {
            let found = values.iter().find(|pair| pair.key == setting.0);
            let value = found.and_then(|pair| pair.value.as_deref());
            value.is_some_and(|value| value.eq_ignore_ascii_case(setting.1))
        };
        self.ways.substitutes = !holds((SUBSTITUTE, "false"));
        self.ways.ansi = holds((ANSI, "true"));
        for (key, value) in SETTINGS {
            // What is not said of case, a listing decides; what is not said of `${`, the writer of statements.
            if ![CASE, SUBSTITUTE, ANSI].contains(&key) && !holds((key, value)) {
                return Err(self.unusable(key, value).into());
            }
        }
        Ok(())
    }

    fn unusable(&self, key: &str, value: &str) -> Error {
        self.strange(&format!("does not take {key} = {value}"))
            .with_hint("Statements would mean something else there. Let the server's sessions set it.")
    }

    /// Two plans that are analysed and never run.
    async fn probe(&mut self) -> Result<(), Refusal> {
        let sail = match self.schema(sql_plan("SELECT lakegate_probe", [])).await {
            Err(refusal) if refusal.is_about_the_call() => refusal.is_of_sail(),
            Err(refusal) => return Err(refusal),
            Ok(_) => return Err(self.strange("finds a column that there is not").into()),
        };
        if sail {
            // It takes the setting, and its sums wrap all the same.
            self.ways.ansi = false;
        } else if !self.ways.ansi {
            return Err(self.unusable(ANSI, "true").into());
        }
        let one = crate::parameter::expression(&datafusion::common::ScalarValue::Int32(Some(1)))?;
        match self
            .schema(sql_plan("SELECT :p1 AS c0", [("p1".to_owned(), one)]))
            .await
        {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_about_the_call() => {
                tracing::debug!(
                    service = %self.service(),
                    class = refusal.class(),
                    "the server binds no parameters; values are sent as literals"
                );
                self.ways.binds = false;
                Ok(())
            }
            Err(refusal) => Err(refusal),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let known = self.server_side_id.get_mut().is_some();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !known || self.lost.load(Ordering::Relaxed) {
            return;
        }
        let connection = Arc::clone(&self.connection);
        let id = std::mem::take(&mut self.id);
        runtime.spawn(async move {
            let request = proto::ReleaseSessionRequest {
                session_id: id.clone(),
                user_context: Some(connection.user_context()),
                client_type: Some(CLIENT_TYPE.to_owned()),
                allow_reconnect: false,
            };
            let send = |mut client: Client, request| async move { Box::pin(client.release_session(request)).await };
            // A server that does not hear it ends the session when it has been idle for long.
            let _ = connection.call_once(&id, request, RELEASE_TIMEOUT, send).await;
        });
    }
}

/// The session of one server and principal that is current.
#[derive(Debug)]
pub(crate) struct Sessions {
    connection: Arc<Connection>,
    slot: Mutex<Arc<OnceCell<Arc<Session>>>>,
    /// The last failure to open one, for those who waited meanwhile.
    failure: Mutex<Option<(Instant, Error)>>,
    /// What planners were told of ANSI mode: see [`Self::ansi`].
    ansi: AtomicU8,
}

const ANSI_UNKNOWN: u8 = 0;
const ANSI_OFF: u8 = 1;
const ANSI_ON: u8 = 2;

impl Sessions {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
            slot: Mutex::default(),
            failure: Mutex::default(),
            ansi: AtomicU8::new(ANSI_UNKNOWN),
        }
    }

    pub(crate) fn service(&self) -> &Arc<str> {
        self.connection.service()
    }

    /// Whether the server is known to raise where ANSI mode does. Once that was said it stays so: plans may have been
    /// made by it, and a server that no longer does is refused.
    pub(crate) fn ansi(&self) -> bool {
        self.ansi.load(Ordering::Acquire) == ANSI_ON
    }

    /// The session; opened if there is none. All who want one wait for one opening, and hear of its failure together.
    pub(crate) async fn current(&self) -> Result<Arc<Session>> {
        let began = Instant::now();
        let slot = Arc::clone(&self.slot.lock());
        let session = slot.get_or_try_init(|| self.open(began)).await?;
        Ok(Arc::clone(session))
    }

    /// Forgets a session that the server no longer knows.
    pub(crate) fn forget(&self, session: &Arc<Session>) {
        session.lost.store(true, Ordering::Relaxed);
        let mut slot = self.slot.lock();
        if slot.get().is_some_and(|current| Arc::ptr_eq(current, session)) {
            *slot = Arc::default();
        }
    }

    async fn open(&self, began: Instant) -> Result<Arc<Session>> {
        if let Some((when, error)) = &*self.failure.lock()
            && *when >= began
        {
            return Err(error.duplicate());
        }
        let mut session = Session::new(Arc::clone(&self.connection));
        let opened = match session.settle().await {
            Ok(()) => self.agree(session.ways),
            Err(refusal) => Err(refusal.into_error(self.service())),
        };
        if let Err(error) = opened {
            *self.failure.lock() = Some((Instant::now(), error.duplicate()));
            return Err(error);
        }
        Ok(Arc::new(session))
    }

    fn agree(&self, ways: Ways) -> Result<()> {
        let found = if ways.ansi { ANSI_ON } else { ANSI_OFF };
        let known = self
            .ansi
            .compare_exchange(ANSI_UNKNOWN, found, Ordering::AcqRel, Ordering::Acquire);
        match known {
            Err(ANSI_ON) if found == ANSI_OFF => {
                let message = format!("service \"{}\" is a server of another kind than before", self.service());
                Err(Error::new(ErrorKind::SourceRejected, message)
                    .with_hint("Restart the gateway, or restore the server that was there."))
            }
            _ => Ok(()),
        }
    }
}
