//! Everything that is no query: transactions, settings, prepared statements by SQL.

use std::sync::Arc;

use contract::{Error, ErrorKind, QueryContext, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::sql::sqlparser::ast;
use futures::StreamExt;
use postgres_dialect::{Command, DiscardKind, OtherKind, ParsedStatement, TransactionModes};

use super::explain::explain_schema;
use super::outcome::text_schema;
use super::{ClientSession, NAMED_OBJECTS_MAX, Outcome, TransactionStatus};
use crate::statement::{PreparedStatement, StatementText};

impl ClientSession {
    /// The columns of a statement that is no query; none if it has no rows.
    pub(super) fn command_schema(&self, statement: &StatementText) -> Result<Option<SchemaRef>> {
        Ok(match &statement.parsed.command {
            Command::Show(Some(name)) => Some(text_schema(&[self.settings.shown_name(name)?])),
            Command::Show(None) => Some(text_schema(&["name", "setting", "description"])),
            Command::Explain(explain) => {
                self.explainable(explain)?;
                Some(explain_schema(explain))
            }
            Command::Fetch { cursor, .. } => Some(self.cursor_schema(cursor)?),
            Command::Execute { name, .. } => self.named(name)?.schema.clone(),
            _ => None,
        })
    }

    pub(super) async fn execute_command(&mut self, statement: &StatementText, ctx: &QueryContext) -> Result<Outcome> {
        let parsed = Arc::clone(&statement.parsed);
        match &parsed.command {
            Command::Empty => Ok(Outcome::Empty),
            Command::Query(_) | Command::CopyTo(_) | Command::Declare(_) => {
                Err(Error::internal("a query without a plan"))
            }
            Command::Explain(explain) => self.explain(explain, statement, ctx).await,
            Command::Set { local, name, value } => self.set(*local, name, value.as_deref()),
            Command::SetTransaction { session, modes } => self.set_transaction(*session, *modes),
            Command::SetConstraints => Ok(Outcome::command("SET CONSTRAINTS")),
            Command::Show(name) => self.show(name.as_deref()),
            Command::Reset(name) => self.reset(name.as_deref()),
            Command::Begin { modes, tag } => self.begin(*modes, tag),
            Command::Commit { chain } => self.end_transaction(true, *chain),
            Command::Rollback { chain } => self.end_transaction(false, *chain),
            Command::Savepoint(name) => {
                self.need_transaction("SAVEPOINT")?;
                self.transaction.savepoint(name.clone(), &self.settings);
                Ok(Outcome::command("SAVEPOINT"))
            }
            Command::Release(name) => {
                self.need_transaction("RELEASE SAVEPOINT")?;
                self.transaction.release(name)?;
                Ok(Outcome::command("RELEASE"))
            }
            Command::RollbackTo(name) => {
                self.need_transaction("ROLLBACK TO SAVEPOINT")?;
                self.transaction.roll_back_to(name, &mut self.settings)?;
                self.renew_state()?;
                Ok(Outcome::command("ROLLBACK"))
            }
            Command::Prepare {
                name,
                types,
                statement: inner,
            } => self.prepare_named(name, types, inner, statement, ctx).await,
            Command::Execute { name, arguments } => self.execute_named(name, arguments, &statement.whole, ctx).await,
            Command::Deallocate(name) => self.deallocate(name.as_deref()),
            Command::Discard(kind) => self.discard(*kind),
            Command::Fetch { cursor, direction } => self.fetch(cursor, *direction, ctx),
            Command::Move { cursor, direction } => self.move_cursor(cursor, *direction, ctx).await,
            Command::Close(name) => self.close(name.as_deref()),
            // Nobody can notify: listening waits for nothing, and a lock has nothing to keep out.
            Command::Listen(_) | Command::Unlisten(_) | Command::Lock(_) => Ok(Outcome::command(parsed.command.tag())),
            Command::Notify { .. } => Err(Error::unsupported("NOTIFY is not supported")),
            Command::Call { procedure, arguments } => self.call(procedure, arguments, &statement.whole, ctx).await,
            Command::Other { tag, kind } => Err(self.refuse(tag, *kind)),
        }
    }

    /// What a statement that is not offered is answered with.
    fn refuse(&self, tag: &str, kind: OtherKind) -> Error {
        if !self.identity.is_administrator() {
            return Error::new(
                ErrorKind::PermissionDenied,
                format!("permission denied to execute {tag}"),
            );
        }
        match kind {
            OtherKind::Write | OtherKind::Definition => Error::new(
                ErrorKind::ReadOnly,
                format!("cannot execute {tag} in a read-only transaction"),
            )
            .with_hint("Tables are served for reading only."),
            OtherKind::Access => Error::unsupported(format!("{tag} is not supported"))
                .with_hint("Roles and grants are read from the rule files of the server."),
            OtherKind::Server | OtherKind::Maintenance | OtherKind::TwoPhase => {
                Error::unsupported(format!("{tag} is not supported"))
            }
        }
    }

    pub(super) fn set(&mut self, local: bool, name: &str, value: Option<&str>) -> Result<Outcome> {
        if name.eq_ignore_ascii_case("role") {
            return match value {
                None => Ok(Outcome::command("SET")),
                Some(role) if role.eq_ignore_ascii_case("none") || role == self.identity.user() => {
                    Ok(Outcome::command("SET"))
                }
                Some(role) => Err(Error::new(
                    ErrorKind::PermissionDenied,
                    format!("permission denied to set role \"{role}\""),
                )),
            };
        }
        let before = self.settings.get(name)?;
        match value {
            Some(value) => self.settings.set(name, value)?,
            None => self.settings.reset(name)?,
        }
        if local {
            if self.transaction.status == TransactionStatus::Idle {
                self.settings.set(name, &before)?;
                self.notices
                    .push(warning("SET LOCAL can only be used in transaction blocks"));
                return Ok(Outcome::command("SET"));
            }
            self.transaction.remember_local(name, before);
        }
        self.settings_changed()?;
        Ok(Outcome::command("SET"))
    }

    fn settings_changed(&mut self) -> Result<()> {
        self.transaction.settings_touched = true;
        self.renew_state()
    }

    fn set_transaction(&mut self, session: bool, modes: TransactionModes) -> Result<Outcome> {
        let names = match session {
            true => [
                "default_transaction_isolation",
                "default_transaction_read_only",
                "default_transaction_deferrable",
            ],
            false => [
                "transaction_isolation",
                "transaction_read_only",
                "transaction_deferrable",
            ],
        };
        if !session && self.transaction.status == TransactionStatus::Idle {
            self.notices
                .push(warning("SET TRANSACTION can only be used in transaction blocks"));
            return Ok(Outcome::command("SET"));
        }
        self.apply_modes(names, modes)?;
        Ok(Outcome::command("SET"))
    }

    fn apply_modes(&mut self, [isolation, read_only, deferrable]: [&str; 3], modes: TransactionModes) -> Result<()> {
        let on_off = |on: bool| if on { "on" } else { "off" };
        if let Some(level) = modes.isolation {
            self.settings.set(isolation, level.name())?;
        }
        if let Some(on) = modes.read_only {
            self.settings.set(read_only, on_off(on))?;
        }
        if let Some(on) = modes.deferrable {
            self.settings.set(deferrable, on_off(on))?;
        }
        self.transaction.settings_touched = true;
        Ok(())
    }

    fn show(&self, name: Option<&str>) -> Result<Outcome> {
        let Some(name) = name else {
            let (names, values): (Vec<_>, Vec<_>) = self.settings.all().into_iter().unzip();
            let descriptions = vec![String::new(); names.len()];
            let schema = text_schema(&["name", "setting", "description"]);
            return Outcome::lines(schema, vec![names, values, descriptions], "SHOW");
        };
        let value = self.settings.get(name)?;
        Outcome::lines(
            text_schema(&[self.settings.shown_name(name)?]),
            vec![vec![value]],
            "SHOW",
        )
    }

    fn reset(&mut self, name: Option<&str>) -> Result<Outcome> {
        match name {
            Some(name) if name.eq_ignore_ascii_case("role") || name.eq_ignore_ascii_case("session authorization") => {}
            Some(name) => self.settings.reset(name)?,
            None => self.settings.reset_all(),
        }
        self.settings_changed()?;
        Ok(Outcome::command("RESET"))
    }

    fn begin(&mut self, modes: TransactionModes, tag: &str) -> Result<Outcome> {
        if self.transaction.status != TransactionStatus::Idle {
            self.notices.push(warning("there is already a transaction in progress"));
            return Ok(Outcome::command(tag));
        }
        self.transaction.begin(&self.settings);
        for (to, from) in [
            ("transaction_isolation", "default_transaction_isolation"),
            ("transaction_read_only", "default_transaction_read_only"),
            ("transaction_deferrable", "default_transaction_deferrable"),
        ] {
            let value = self.settings.value(from);
            self.transaction.remember_local(to, self.settings.value(to));
            self.settings.set(to, &value)?;
        }
        self.apply_modes(
            [
                "transaction_isolation",
                "transaction_read_only",
                "transaction_deferrable",
            ],
            modes,
        )?;
        Ok(Outcome::command(tag))
    }

    fn end_transaction(&mut self, commit: bool, chain: bool) -> Result<Outcome> {
        let status = self.transaction.status;
        if status == TransactionStatus::Idle {
            self.notices.push(warning("there is no transaction in progress"));
            return Ok(Outcome::command(if commit { "COMMIT" } else { "ROLLBACK" }));
        }
        let commit = commit && status == TransactionStatus::Open;
        self.transaction.end(commit, &mut self.settings);
        self.cursors.retain(|_, cursor| cursor.hold && commit);
        self.renew_state()?;
        if chain {
            self.transaction.begin(&self.settings);
        }
        Ok(Outcome::command(if commit { "COMMIT" } else { "ROLLBACK" }))
    }

    fn need_transaction(&self, what: &str) -> Result<()> {
        match self.transaction.status {
            TransactionStatus::Idle => Err(Error::new(
                ErrorKind::NoActiveTransaction,
                format!("{what} can only be used in transaction blocks"),
            )),
            _ => Ok(()),
        }
    }

    async fn prepare_named(
        &mut self,
        name: &str,
        types: &[ast::DataType],
        inner: &ParsedStatement,
        statement: &StatementText,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        if self.prepared.contains_key(name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(ErrorKind::DuplicatePreparedStatement, message));
        }
        if self.prepared.len() >= NAMED_OBJECTS_MAX {
            return Err(Error::new(ErrorKind::LimitExceeded, "too many prepared statements")
                .with_hint("DEALLOCATE those that are no longer needed."));
        }
        let mut declared = Vec::with_capacity(types.len());
        for data_type in types {
            declared.push(Some(self.type_of(data_type, &statement.whole, ctx).await?));
        }
        let inner = StatementText {
            whole: Arc::clone(&statement.whole),
            parsed: Arc::new(inner.clone()),
        };
        let prepared = self.prepare_query(inner, &declared, ctx).await?;
        self.prepared.insert(name.to_owned(), prepared);
        Ok(Outcome::command("PREPARE"))
    }

    /// [`prepare`](Self::prepare) for a query only, as PREPARE and EXPLAIN need it.
    pub(super) async fn prepare_query(
        &mut self,
        statement: StatementText,
        declared: &[Option<DataType>],
        ctx: &QueryContext,
    ) -> Result<Arc<PreparedStatement>> {
        let Command::Query(query) = &statement.parsed.command else {
            return Err(match &statement.parsed.command {
                Command::Other { tag, kind } => self.refuse(tag, *kind),
                _ => Error::new(ErrorKind::Syntax, "only a query can be prepared"),
            });
        };
        let planned = self.plan(query, &statement, declared, ctx).await?;
        Ok(Arc::new(PreparedStatement {
            parameters: planned.parameters.clone(),
            schema: Some(Arc::clone(&planned.schema)),
            planned: Some(planned),
            statement,
        }))
    }

    pub(super) fn named(&self, name: &str) -> Result<&Arc<PreparedStatement>> {
        self.prepared.get(name).ok_or_else(|| {
            let message = format!("prepared statement \"{name}\" does not exist");
            Error::new(ErrorKind::UndefinedPreparedStatement, message)
        })
    }

    async fn execute_named(
        &mut self,
        name: &str,
        arguments: &[ast::Expr],
        whole: &str,
        ctx: &QueryContext,
    ) -> Result<Outcome> {
        let prepared = Arc::clone(self.named(name)?);
        if arguments.len() != prepared.parameters.len() {
            return Err(Error::new(
                ErrorKind::Syntax,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .with_detail(format!(
                "Expected {} parameters but got {}.",
                prepared.parameters.len(),
                arguments.len()
            )));
        }
        let values = self.evaluate(arguments, whole, ctx).await?;
        let Some(planned) = &prepared.planned else {
            return Err(Error::internal("a prepared statement without a plan"));
        };
        self.execute_query(&prepared, planned, values, ctx).await
    }

    /// The values of constant expressions.
    pub(super) async fn evaluate(
        &self,
        expressions: &[ast::Expr],
        whole: &str,
        ctx: &QueryContext,
    ) -> Result<Vec<ScalarValue>> {
        if expressions.is_empty() {
            return Ok(Vec::new());
        }
        let batch = self.one_row(expressions.to_vec(), whole, ctx).await?;
        let values = batch
            .columns()
            .iter()
            .map(|column| ScalarValue::try_from_array(column, 0));
        Ok(values.collect::<Result<_, _>>()?)
    }

    async fn type_of(&self, data_type: &ast::DataType, whole: &str, ctx: &QueryContext) -> Result<DataType> {
        let null = ast::Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(ast::Expr::Value(ast::Value::Null.into())),
            data_type: data_type.clone(),
            array: false,
            format: None,
        };
        let batch = self.one_row(vec![null], whole, ctx).await?;
        Ok(batch.schema().field(0).data_type().clone())
    }

    /// Runs a SELECT of `expressions`, put together as a tree: an expression that is written and read again need not
    /// stay what it was (sqlparser leaves a quote behind a backslash as it is).
    async fn one_row(&self, expressions: Vec<ast::Expr>, whole: &str, ctx: &QueryContext) -> Result<RecordBatch> {
        let no_query = || Error::internal("a SELECT that is no query");
        let mut parsed = self
            .parse("SELECT NULL")?
            .into_iter()
            .next()
            .ok_or_else(no_query)?
            .parsed;
        let Command::Query(query) = &mut Arc::make_mut(&mut parsed).command else {
            return Err(no_query());
        };
        let ast::Statement::Query(tree) = &mut **query else {
            return Err(no_query());
        };
        let ast::SetExpr::Select(select) = &mut *tree.body else {
            return Err(no_query());
        };
        select.projection = expressions.into_iter().map(ast::SelectItem::UnnamedExpr).collect();
        let query = query.clone();
        // Errors point into the statement that the client sent; plans are told apart by what follows it.
        let key = format!("{whole}\n{query:?}");
        Arc::make_mut(&mut parsed).text = whole.len() + 1..key.len();
        let statement = StatementText {
            whole: key.into(),
            parsed,
        };
        let (_, mut stream) = self.start(&query, &statement, ctx).await?;
        let batch = stream
            .next()
            .await
            .ok_or_else(|| Error::internal("a SELECT of constants without a row"))??;
        Ok(batch)
    }

    fn deallocate(&mut self, name: Option<&str>) -> Result<Outcome> {
        match name {
            Some(name) => {
                self.named(name)?;
                self.prepared.remove(name);
                Ok(Outcome::command("DEALLOCATE"))
            }
            None => {
                self.prepared.clear();
                Ok(Outcome::command("DEALLOCATE ALL"))
            }
        }
    }

    fn discard(&mut self, kind: DiscardKind) -> Result<Outcome> {
        if kind == DiscardKind::All {
            if self.transaction.status != TransactionStatus::Idle {
                return Err(Error::new(
                    ErrorKind::ActiveTransaction,
                    "DISCARD ALL cannot run inside a transaction block",
                ));
            }
            self.prepared.clear();
            self.cursors.clear();
            self.settings.reset_all();
            self.settings_changed()?;
        }
        Ok(Outcome::command(Command::Discard(kind).tag()))
    }
}

fn warning(message: &str) -> Error {
    Error::new(ErrorKind::NoActiveTransaction, message)
}
