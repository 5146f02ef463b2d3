//! The conversation after the login: one message after the other until Terminate, the last one, or a fatal error.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow_postgres::Format;
use engine::{ClientSession, Shutdown, StatementText, TransactionStatus};
use futures::FutureExt;
use pgwire::messages::response::{self, ReadyForQuery};

use crate::cancel::Entry;
use crate::decode::{self, Message};
use crate::error::{self, WireError};
use crate::frame::{Frame, Stage};
use crate::parameter_status::{self, FormatCache};
use crate::portal::{Portal, Statement};
use crate::wire::{Failure, Wire};

/// One client that is logged in.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) wire: Wire,
    pub(crate) session: ClientSession,
    pub(crate) entry: Entry,
    pub(crate) shutdown: Shutdown,
    pub(crate) statements: HashMap<String, Arc<Statement>>,
    pub(crate) portals: HashMap<String, Portal>,
    pub(crate) format: FormatCache,
    /// After an error in the extended protocol everything up to Sync is dropped.
    skip_until_sync: bool,
    /// Whether a message of the extended protocol came since the last ReadyForQuery.
    in_batch: bool,
}

/// Whether the conversation goes on.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Message,
    End,
}

impl Conversation {
    pub(crate) fn new(wire: Wire, session: ClientSession, entry: Entry, shutdown: Shutdown) -> Self {
        Self {
            wire,
            session,
            entry,
            shutdown,
            statements: HashMap::new(),
            portals: HashMap::new(),
            format: FormatCache::default(),
            skip_until_sync: false,
            in_batch: false,
        }
    }

    /// Talks until the end.
    pub(crate) async fn run(mut self) {
        if self.ready().await.is_err() {
            return;
        }
        loop {
            let frame = match self.next_frame().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(error) => return self.wire.close_with(&error).await,
            };
            // A bug must not take more than this connection, and the client should learn that it was one.
            let step = AssertUnwindSafe(self.step(frame)).catch_unwind().await;
            match step {
                Ok(Ok(Next::Message)) => {}
                Ok(Ok(Next::End) | Err(Failure::Gone)) => return,
                Ok(Err(Failure::Error(error))) => return self.wire.close_with(&error.fatal()).await,
                Err(_) => {
                    tracing::error!(process_id = self.entry.process_id(), "a statement panicked");
                    let error = contract::Error::internal("a statement panicked");
                    return self.wire.close_with(&WireError::of(&error, None).fatal()).await;
                }
            }
        }
    }

    async fn next_frame(&mut self) -> Result<Option<Frame>, WireError> {
        let idle = !self.in_batch
            && self.wire.reader.is_between_messages()
            && self.session.transaction_status() == TransactionStatus::Idle;
        let Shutdown {
            stop_accepting,
            cancel_all,
        } = self.shutdown.clone();
        tokio::select! {
            biased;
            () = cancel_all.cancelled() => Err(WireError::shutting_down()),
            () = stop_accepting.cancelled(), if idle => Err(WireError::shutting_down()),
            frame = self.wire.reader.frame(Stage::Ready) => frame,
        }
    }

    /// Answers one message. An error that the conversation survives is answered here.
    async fn step(&mut self, frame: Frame) -> Result<Next, Failure> {
        let extended = matches!(frame.kind, b'P' | b'B' | b'D' | b'E' | b'C' | b'H');
        if self.skip_until_sync && !matches!(frame.kind, b'S' | b'X') {
            return Ok(Next::Message);
        }
        self.in_batch |= extended;
        let outcome = match decode::decode(frame.kind, &frame.body) {
            Ok(Message::Terminate) => return Ok(Next::End),
            Ok(Message::Sync) => {
                self.skip_until_sync = false;
                return self.ready().await.map(|()| Next::Message);
            }
            Ok(message) => self.answer(message).await,
            Err(error) => Err(error.into()),
        };
        match outcome {
            Ok(()) => return Ok(Next::Message),
            Err(Failure::Gone) => return Err(Failure::Gone),
            Err(Failure::Error(error)) if error.is_fatal() => return Err(error.into()),
            Err(Failure::Error(error)) => self.fail(&error),
        }
        if extended {
            self.skip_until_sync = true;
            // Some clients wait for the error before they send Sync.
            self.flush().await?;
        } else {
            self.ready().await?;
        }
        Ok(Next::Message)
    }

    async fn answer(&mut self, message: Message<'_>) -> Result<(), Failure> {
        match message {
            Message::Query(sql) => self.simple_query(sql).await,
            Message::Parse { name, query, types } => self.parse(name, query, types).await,
            Message::Bind(bind) => self.bind(&bind),
            Message::Describe(target, name) => self.describe(target, name),
            Message::Close(target, name) => {
                self.close(target, name);
                Ok(())
            }
            Message::Execute { portal, rows_max } => self.execute(portal, rows_max).await,
            Message::Flush => self.flush().await,
            Message::FunctionCall => Err(WireError::new("0A000", "function calls by message are not supported")
                .with_hint("Call the function in a SELECT.")
                .into()),
            // PostgreSQL drops these too: they belong to a COPY that ended before the client knew.
            Message::CopyInput | Message::Sync | Message::Terminate => Ok(()),
        }
    }

    /// Tells the client of a failed statement, and lets the transaction fail.
    fn fail(&mut self, error: &WireError) {
        self.session.fail_transaction();
        self.portals.clear();
        self.put_notices();
        self.wire.writer.put(&error.response());
    }

    /// Ends a batch: the implicit transaction with its portals, what changed, and whose turn it is.
    pub(crate) async fn ready(&mut self) -> Result<(), Failure> {
        self.session.end_of_batch();
        self.in_batch = false;
        let status = match self.session.transaction_status() {
            TransactionStatus::Idle => {
                self.portals.clear();
                response::TransactionStatus::Idle
            }
            TransactionStatus::Open => response::TransactionStatus::Transaction,
            TransactionStatus::Failed => response::TransactionStatus::Error,
        };
        parameter_status::report_changes(&mut self.wire.writer, &mut self.session);
        self.wire.writer.put(&ReadyForQuery::new(status));
        self.flush().await
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        let cancel_all = self.shutdown.cancel_all.clone();
        tokio::select! {
            biased;
            done = self.wire.flush() => done,
            () = cancel_all.cancelled() => Err(Failure::Gone),
        }
    }

    pub(crate) fn put_notices(&mut self) {
        for notice in self.session.take_notices() {
            self.wire.writer.put(&error::notice(&notice));
        }
    }

    /// Follows up on a command that was done: `before` is the transaction's status before it.
    pub(crate) fn command_done(&mut self, tag: &str, before: TransactionStatus) {
        let ended = before != TransactionStatus::Idle && self.session.transaction_status() == TransactionStatus::Idle;
        if ended || tag == "CLOSE CURSOR ALL" {
            self.portals.clear();
        }
        if matches!(tag, "DEALLOCATE ALL" | "DISCARD ALL") {
            self.statements.clear();
        }
    }

    /// SQL's DEALLOCATE reaches the statements of the protocol as well: they share one set of names. Says whether that
    /// was all there was to do.
    pub(crate) fn deallocate(&mut self, statement: &StatementText) -> bool {
        statement.tag() == "DEALLOCATE"
            && self.session.transaction_status() != TransactionStatus::Failed
            && deallocated(statement.text()).is_some_and(|name| self.statements.remove(&name).is_some())
    }
}

/// The name in `DEALLOCATE [PREPARE] name`; none for `ALL`.
fn deallocated(sql: &str) -> Option<String> {
    let word = |text: &str, word: &str| -> Option<usize> {
        let head = text.get(..word.len())?;
        let after = text.get(word.len()..)?.chars().next()?;
        (head.eq_ignore_ascii_case(word) && after.is_whitespace()).then_some(word.len())
    };
    let mut rest = sql.trim();
    for keyword in ["deallocate", "prepare"] {
        if let Some(length) = word(rest, keyword) {
            rest = rest.get(length..).unwrap_or_default().trim_start();
        }
    }
    match rest.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')) {
        Some(quoted) => Some(quoted.replace("\"\"", "\"")),
        None if rest.eq_ignore_ascii_case("all") => None,
        None => Some(rest.to_lowercase()),
    }
}

/// One format for each of `columns` from the codes of a Bind message.
pub(crate) fn formats(codes: &[i16], columns: usize) -> Result<Vec<Format>, WireError> {
    let format = |code: &i16| match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(WireError::new("22023", format!("unsupported format code: {other}"))),
    };
    match codes {
        [] => Ok(vec![Format::Text; columns]),
        [one] => Ok(vec![format(one)?; columns]),
        each => each.iter().map(format).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_of_a_deallocate() {
        for (sql, name) in [
            ("DEALLOCATE S_1", Some("s_1")),
            ("deallocate prepare \"A \"\"b\"", Some("A \"b")),
            ("DEALLOCATE\tPREPARE ALL", None),
            ("deallocate all", None),
            ("deallocate \"all\"", Some("all")),
        ] {
            assert_eq!(deallocated(sql).as_deref(), name, "{sql}");
        }
    }

    #[test]
    fn expands_format_codes() {
        assert_eq!(formats(&[], 2).unwrap(), [Format::Text, Format::Text]);
        assert_eq!(formats(&[1], 2).unwrap(), [Format::Binary, Format::Binary]);
        assert_eq!(formats(&[1, 0], 2).unwrap(), [Format::Binary, Format::Text]);
        assert_eq!(formats(&[2], 2).unwrap_err().sqlstate(), "22023");
    }
}
