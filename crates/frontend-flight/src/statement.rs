//! Statements between the calls that they take: prepared or planned, given values, fetched, canceled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use contract::{Error, ErrorKind, Identity, QueryContext, Result};
use datafusion_common::ScalarValue;
use engine::{ClientSession, Outcome, PreparedStatement, ResultStream, StatementText};
use parking_lot::Mutex;
use tokio::sync::MutexGuard;
use tokio_util::sync::CancellationToken;

use crate::handles::Place;

/// A session that calls share. Statements on it begin one after another.
#[derive(Debug)]
pub(crate) struct Session {
    client: tokio::sync::Mutex<ClientSession>,
    /// A statement that did not come to its end: its transaction, if there is one, can only be ended.
    failed: AtomicBool,
    _place: Option<Place>,
}

impl Session {
    /// `place` for one that is held by name.
    pub(crate) fn new(client: ClientSession, place: Option<Place>) -> Self {
        Self {
            client: tokio::sync::Mutex::new(client),
            failed: AtomicBool::new(false),
            _place: place,
        }
    }

    /// The session, when it is this caller's turn.
    pub(crate) async fn client(&self) -> MutexGuard<'_, ClientSession> {
        let mut client = self.client.lock().await;
        if self.failed.swap(false, Ordering::AcqRel) {
            client.fail_transaction();
            client.end_of_batch();
        }
        client
    }

    /// To be called when an answer broke off.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Parses and prepares one statement.
    ///
    /// # Errors
    /// Those of the engine; `Syntax` for none or several.
    pub(crate) async fn prepare(&self, sql: &str) -> Result<Arc<PreparedStatement>> {
        let mut client = self.client().await;
        let prepared = match parse_one(&client, sql) {
            Ok(text) => {
                let ctx = client.query_context();
                Box::pin(client.prepare(text, &[], &ctx)).await
            }
            Err(error) => Err(error),
        };
        if prepared.is_err() {
            client.fail_transaction();
        }
        client.end_of_batch();
        drop(client.take_notices());
        prepared
    }

    /// Begins one execution.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn execute(
        &self,
        prepared: &Arc<PreparedStatement>,
        values: Vec<ScalarValue>,
        stop: &CancellationToken,
    ) -> Result<(Outcome, QueryContext)> {
        let mut client = self.client().await;
        let mut ctx = client.query_context();
        ctx.cancellation = stop.child_token();
        // Until it is known how it ended: this call may be dropped while it waits.
        self.fail();
        let outcome = Box::pin(client.execute(prepared, values, &ctx)).await;
        self.failed.store(false, Ordering::Release);
        if outcome.is_err() {
            client.fail_transaction();
        }
        client.end_of_batch();
        drop(client.take_notices());
        outcome.map(|outcome| (outcome, ctx))
    }
}

fn parse_one(client: &ClientSession, sql: &str) -> Result<StatementText> {
    let parsed = match client.parse(sql) {
        // JDBC and ADBC leave the parameters of their users as they are.
        Err(error) if sql.contains('?') => client.parse_question_marks(sql).map_err(|_| error)?,
        parsed => parsed?,
    };
    let mut statements = parsed.into_iter();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Ok(statement),
        (None, _) => Err(Error::new(ErrorKind::Syntax, "the statement is empty")),
        (Some(_), Some(_)) => Err(Error::new(
            ErrorKind::Syntax,
            "cannot insert multiple commands into a prepared statement",
        )
        .with_hint("Send each statement in a call of its own.")),
    }
}

/// A statement under a handle.
#[derive(Debug)]
pub(crate) struct Statement {
    owner: Arc<Identity>,
    session: Arc<Session>,
    prepared: Arc<PreparedStatement>,
    /// The columns as clients see them; none for a statement without rows.
    schema: Option<SchemaRef>,
    bound: Mutex<Arc<[RecordBatch]>>,
    stop: Mutex<CancellationToken>,
    _place: Place,
}

impl Statement {
    pub(crate) fn new(
        owner: Arc<Identity>,
        session: Arc<Session>,
        prepared: Arc<PreparedStatement>,
        place: Place,
    ) -> Self {
        Self {
            owner,
            session,
            schema: prepared.schema().map(|schema| engine::owned_schema(schema)),
            prepared,
            bound: Mutex::new(Arc::new([])),
            stop: Mutex::new(CancellationToken::new()),
            _place: place,
        }
    }

    pub(crate) fn owner(&self) -> &Arc<Identity> {
        &self.owner
    }

    pub(crate) fn prepared(&self) -> &PreparedStatement {
        &self.prepared
    }

    pub(crate) fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// Gives values for the executions to come: one for each row.
    ///
    /// # Errors
    /// `ProtocolViolation` if there is not one column for each parameter.
    pub(crate) fn bind(&self, batches: Vec<RecordBatch>) -> Result<()> {
        let expected = self.prepared.parameters().len();
        if let Some(batch) = batches.iter().find(|batch| batch.num_columns() != expected) {
            let message = format!(
                "bind message supplies {} parameters, but the statement requires {expected}",
                batch.num_columns()
            );
            return Err(Error::new(ErrorKind::ProtocolViolation, message));
        }
        *self.bound.lock() = batches.into();
        Ok(())
    }

    /// The values of each execution.
    ///
    /// # Errors
    /// `ProtocolViolation` if values are missing.
    pub(crate) fn values(&self) -> Result<Values> {
        let parameters = self.prepared.parameters().len();
        let batches = Arc::clone(&self.bound.lock());
        let rows = match parameters {
            0 => 1,
            _ => batches.iter().map(RecordBatch::num_rows).sum(),
        };
        if rows == 0 {
            let message = format!("the statement has {parameters} parameters, and no values were bound to them");
            return Err(Error::new(ErrorKind::ProtocolViolation, message));
        }
        Ok(Values {
            batches: if parameters == 0 { Arc::new([]) } else { batches },
            batch: 0,
            row: 0,
            without: parameters == 0,
        })
    }

    /// Stops what runs; the statement can be run again.
    pub(crate) fn cancel(&self) {
        std::mem::take(&mut *self.stop.lock()).cancel();
    }

    /// Runs a statement without rows.
    ///
    /// # Errors
    /// Those of the engine; `Unsupported` for COPY.
    pub(crate) async fn run(&self, values: Vec<ScalarValue>) -> Result<()> {
        match self.begin(values).await?.0 {
            Outcome::Command { .. } | Outcome::Empty => Ok(()),
            Outcome::Rows { .. } => Err(Error::internal("a statement without columns gave rows")),
            Outcome::CopyOut { .. } => Err(Error::unsupported("COPY TO is not supported through Flight SQL")
                .with_hint("Send the query itself; its answer is made of Arrow batches.")),
        }
    }

    /// Begins to answer a statement with rows.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn rows(&self, values: Vec<ScalarValue>) -> Result<(ResultStream, QueryContext)> {
        match self.begin(values).await? {
            (Outcome::Rows { stream, .. }, ctx) => Ok((stream, ctx)),
            _ => Err(Error::internal("a statement with columns gave no rows")),
        }
    }

    /// To be called when an answer broke off.
    pub(crate) fn fail(&self) {
        self.session.fail();
    }

    async fn begin(&self, values: Vec<ScalarValue>) -> Result<(Outcome, QueryContext)> {
        let stop = self.stop.lock().clone();
        Box::pin(self.session.execute(&self.prepared, values, &stop)).await
    }
}

/// Rows of values, one for each execution.
#[derive(Debug)]
pub(crate) struct Values {
    batches: Arc<[RecordBatch]>,
    batch: usize,
    row: usize,
    without: bool,
}

impl Iterator for Values {
    type Item = Result<Vec<ScalarValue>>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.without) {
            return Some(Ok(Vec::new()));
        }
        loop {
            let batch = self.batches.get(self.batch)?;
            if self.row < batch.num_rows() {
                let row = self.row;
                self.row += 1;
                let value =
                    |column: &arrow_array::ArrayRef| ScalarValue::try_from_array(column, row).map_err(Error::from);
                return Some(batch.columns().iter().map(value).collect());
            }
            self.batch += 1;
            self.row = 0;
        }
    }
}
