//! One client's conversation with the engine, whatever door it came through.

mod commands;
mod cursor;
mod explain;
mod explain_json;
mod outcome;
mod procedure;
mod query;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use contract::{Error, ErrorKind, Identity, QueryContext, Result};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use federation::Warnings;
use postgres_dialect::{Command, SessionFacts};

use self::cursor::Cursor;
pub use self::outcome::Outcome;
use self::transaction::Transaction;
pub use self::transaction::TransactionStatus;
use crate::Engine;
use crate::frontend::FrontEnd;
use crate::metadata::{session_facts, session_state};
use crate::settings::Settings;
use crate::statement::{PreparedStatement, StatementText};

/// Statements kept by SQL's PREPARE and cursors kept by DECLARE, each; more is a leak of the client's.
const NAMED_OBJECTS_MAX: usize = 4096;

/// How a session begins.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// The catalog that short names mean; the engine's default when not given.
    pub catalog: Option<String>,
    /// Start-up settings, in order.
    pub settings: Vec<(String, String)>,
    /// The door.
    pub front_end: FrontEnd,
    /// What `pg_backend_pid()` answers.
    pub process_id: i32,
}

/// A session: identity, settings, transaction, prepared statements and cursors.
///
/// Statements run one after another; an answer that is still streaming does not block the next statement.
#[derive(Debug)]
pub struct ClientSession {
    engine: Engine,
    identity: Arc<Identity>,
    catalog: String,
    process_id: i32,
    settings: Settings,
    /// The state that statements are planned with: the template with this session's time zone and functions.
    state: Arc<SessionState>,
    /// What functions such as `current_setting` answer.
    facts: Arc<SessionFacts>,
    transaction: Transaction,
    prepared: HashMap<String, Arc<PreparedStatement>>,
    cursors: HashMap<String, Cursor>,
    notices: Vec<Error>,
    /// What plans that run have to say.
    warnings: Arc<Warnings>,
    reported: Vec<(String, String)>,
    limits: postgres_dialect::Limits,
}

impl ClientSession {
    pub(crate) fn open(engine: Engine, identity: Arc<Identity>, options: SessionOptions) -> Result<Self> {
        let access = engine.shared().access.load_full();
        if let Some(service) = options.front_end.service()
            && !identity.is_administrator()
            && !access.rules.may_use_service(&identity, service)
        {
            return Err(Error::new(
                ErrorKind::InvalidAuthorization,
                format!("user \"{}\" may not connect through this service", identity.user()),
            )
            .with_hint("A rule GRANT EXECUTE ON SERVICE … TO a role of the user opens it."));
        }
        let catalog = default_catalog(&engine, &identity, options.catalog)?;
        let mut settings = Settings::new(identity.user(), identity.is_administrator());
        let sources = engine.shared().sources.load_full();
        let of_catalog = sources.find(&catalog).and_then(|source| source.default_schema());
        let schema = of_catalog.unwrap_or(&engine.shared().options.default_schema);
        settings.set_initial("search_path", &postgres_dialect::quote_identifier(schema))?;
        for (name, value) in &options.settings {
            settings.set_initial(name, value)?;
        }
        let reported = settings.reported();
        let mut session = Self {
            state: Arc::new(engine.shared().template.clone()),
            facts: Arc::new(SessionFacts::new(identity.user(), &catalog)),
            engine,
            identity,
            catalog,
            process_id: options.process_id,
            settings,
            transaction: Transaction::default(),
            prepared: HashMap::new(),
            cursors: HashMap::new(),
            notices: Vec::new(),
            warnings: Arc::default(),
            reported,
            limits: postgres_dialect::Limits::default(),
        };
        session.renew_state()?;
        Ok(session)
    }

    /// Who the session belongs to.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// The catalog that short names mean (PostgreSQL: the database).
    pub fn catalog(&self) -> &str {
        &self.catalog
    }

    /// The context for one execution: a new id and token, and the deadline that settings and engine give.
    pub fn query_context(&self) -> QueryContext {
        let own = self.settings.timeout("statement_timeout");
        let shortest = own.into_iter().chain(self.engine.shared().options.query_timeout).min();
        let mut ctx = QueryContext::new(Arc::clone(&self.identity));
        ctx.deadline = shortest.map(|timeout| Instant::now() + timeout);
        ctx
    }

    /// Cuts a query string into statements and parses each; an empty string has none.
    ///
    /// # Errors
    /// `Syntax` with the place, `StatementTooComplex`.
    pub fn parse(&self, sql: &str) -> Result<Vec<StatementText>> {
        Ok(with_text(sql, postgres_dialect::parse(sql, &self.limits)?))
    }

    /// [`parse`](Self::parse) of a text whose parameters are written `?`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); `Syntax` also for `$n` beside `?`.
    pub fn parse_question_marks(&self, sql: &str) -> Result<Vec<StatementText>> {
        Ok(with_text(
            sql,
            postgres_dialect::parse_question_marks(sql, &self.limits)?,
        ))
    }

    /// Finds out a statement's parameters and columns. `declared` gives types of the first parameters, where known.
    ///
    /// # Errors
    /// Whatever is wrong with the statement, its names or its types; `InFailedTransaction`.
    pub async fn prepare(
        &mut self,
        statement: StatementText,
        declared: &[Option<DataType>],
        ctx: &QueryContext,
    ) -> Result<Arc<PreparedStatement>> {
        self.check_transaction(&statement)?;
        let planned = match &statement.parsed.command {
            Command::Query(query) => Some((&**query, &statement)),
            Command::CopyTo(copy) => match &copy.query.command {
                Command::Query(query) => Some((&**query, &statement)),
                _ => None,
            },
            Command::Declare(declare) => match &declare.query.command {
                Command::Query(query) => Some((&**query, &statement)),
                _ => None,
            },
            _ => None,
        };
        let has_rows = matches!(statement.parsed.command, Command::Query(_));
        if let Some((query, text)) = planned {
            let planned = Box::pin(self.plan(query, text, declared, ctx)).await?;
            return Ok(Arc::new(PreparedStatement {
                parameters: planned.parameters.clone(),
                schema: has_rows.then(|| Arc::clone(&planned.schema)),
                planned: Some(planned),
                statement,
            }));
        }
        let schema = self.command_schema(&statement)?;
        Ok(Arc::new(PreparedStatement {
            statement,
            parameters: Vec::new(),
            schema,
            planned: None,
        }))
    }

    /// Runs a statement. The rights, rules and table versions are those of now, whenever it was prepared.
    ///
    /// # Errors
    /// Whatever goes wrong before the first row; later errors come as the stream's last item.
    pub async fn execute(
        &mut self,
        statement: &Arc<PreparedStatement>,
        parameters: Vec<ScalarValue>,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        self.check_transaction(&statement.statement)?;
        ctx.check()?;
        self.transaction.statement_begins();
        match &statement.planned {
            Some(planned) => match &statement.statement.parsed.command {
                Command::Declare(declare) => {
                    Box::pin(self.declare(declare, &statement.statement, planned, parameters, ctx)).await
                }
                _ => Box::pin(self.execute_query(statement, planned, parameters, ctx)).await,
            },
            None => Box::pin(self.execute_command(&statement.statement, ctx)).await,
        }
    }

    /// The transaction's state.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction.status
    }

    /// To be called after an error: an open transaction can then only be ended.
    pub fn fail_transaction(&mut self) {
        self.transaction.fail();
    }

    /// To be called before the client is told that the server is ready: what was one implicit transaction ends.
    pub fn end_of_batch(&mut self) {
        if self.transaction.status == TransactionStatus::Idle {
            self.cursors.retain(|_, cursor| cursor.hold);
            self.transaction.end_of_batch();
        }
    }

    /// The value of a setting in force, by its name in any case.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).ok()
    }

    /// Every setting that PostgreSQL clients are told of at login.
    pub fn reported_settings(&self) -> Vec<(String, String)> {
        self.settings.reported()
    }

    /// The settings among them that changed since the last call.
    pub fn take_reported_changes(&mut self) -> Vec<(String, String)> {
        if !self.transaction.settings_touched {
            return Vec::new();
        }
        self.transaction.settings_touched = false;
        let now = self.settings.reported();
        let changed = now
            .iter()
            .filter(|pair| !self.reported.contains(pair))
            .cloned()
            .collect();
        self.reported = now;
        changed
    }

    /// Notices since the last call, oldest first.
    pub fn take_notices(&mut self) -> Vec<Error> {
        let mut notices = std::mem::take(&mut self.notices);
        notices.extend(self.warnings.take());
        notices
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn state(&self) -> &Arc<SessionState> {
        &self.state
    }

    pub(crate) fn facts(&self) -> &Arc<SessionFacts> {
        &self.facts
    }

    pub(crate) fn process_id(&self) -> i32 {
        self.process_id
    }

    pub(crate) fn route(&self) -> contract::Route {
        self.settings.route()
    }

    pub(crate) fn pushdown(&self) -> contract::PushdownLimit {
        self.settings.pushdown()
    }

    pub(crate) fn warnings(&self) -> &Arc<Warnings> {
        &self.warnings
    }

    pub(crate) fn search_path(&self) -> Vec<String> {
        self.settings.search_path()
    }

    pub(crate) fn all_settings(&self) -> Vec<(String, String)> {
        self.settings.all()
    }

    /// Rebuilds what depends on settings.
    fn renew_state(&mut self) -> Result<()> {
        self.facts = Arc::new(session_facts(self));
        self.state = Arc::new(session_state(self, &self.facts)?);
        Ok(())
    }

    fn check_transaction(&self, statement: &StatementText) -> Result<()> {
        if self.transaction.status == TransactionStatus::Failed && !statement.ends_transaction() {
            return Err(Error::new(
                ErrorKind::InFailedTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }
}

fn with_text(sql: &str, parsed: Vec<postgres_dialect::ParsedStatement>) -> Vec<StatementText> {
    let whole: Arc<str> = sql.into();
    let with_text = |parsed| StatementText {
        whole: Arc::clone(&whole),
        parsed: Arc::new(parsed),
    };
    parsed.into_iter().map(with_text).collect()
}

fn default_catalog(engine: &Engine, identity: &Identity, asked: Option<String>) -> Result<String> {
    let access = engine.shared().access.load();
    let sources = engine.shared().sources.load();
    let visible = |name: &str| identity.is_administrator() || access.rules.sees_catalog(identity, name);
    if let Some(name) = asked {
        if sources.find(&name).is_some() && visible(&name) {
            return Ok(name);
        }
        return Err(Error::new(
            ErrorKind::UndefinedCatalog,
            format!("database \"{name}\" does not exist"),
        ));
    }
    if let Some(name) = &engine.shared().options.default_catalog {
        return Ok(name.clone());
    }
    let first = sources
        .sources
        .iter()
        .map(|source| source.name())
        .find(|name| visible(name));
    Ok(first.unwrap_or("lakegate").to_owned())
}
