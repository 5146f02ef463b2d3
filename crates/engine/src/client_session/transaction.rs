use std::sync::Arc;

use chrono::{DateTime, Utc};
use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;

use crate::planning::{Moments, PinnedTables};
use crate::settings::Settings;

/// As PostgreSQL's ReadyForQuery tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TransactionStatus {
    /// None is open.
    #[default]
    Idle,
    /// One is open.
    Open,
    /// One is open and can only be ended.
    Failed,
}

/// A transaction block: the settings to go back to, and the versions of tables that were seen.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) status: TransactionStatus,
    /// The settings before the block.
    before: Option<Settings>,
    /// What SET LOCAL is undone to at the end, committed or not: name and value.
    local: Vec<(String, String)>,
    savepoints: Vec<(String, Settings)>,
    /// Each table is seen as it was at its first use in the block (outside a block: in the batch).
    pinned: Option<Arc<Mutex<PinnedTables>>>,
    /// When it began: the block, or outside of one the first statement of the batch.
    began: Option<DateTime<Utc>>,
    /// When the statement began that runs.
    statement_began: Option<DateTime<Utc>>,
    /// Whether a setting may have changed since clients were told.
    pub(crate) settings_touched: bool,
}

impl Transaction {
    /// To be called when a statement is about to run: it begins a transaction if none has begun.
    pub(crate) fn statement_begins(&mut self) {
        let now = Utc::now();
        self.statement_began = Some(now);
        self.began.get_or_insert(now);
    }

    /// The beginnings of transaction and statement; those of now for a statement that is only prepared.
    pub(crate) fn moments(&self) -> Moments {
        let statement = self.statement_began.unwrap_or_else(Utc::now);
        Moments {
            transaction: self.began.unwrap_or(statement),
            statement,
        }
    }

    pub(crate) fn begin(&mut self, settings: &Settings) {
        self.status = TransactionStatus::Open;
        self.began = self.began.or(self.statement_began);
        self.before = Some(settings.clone());
        self.pinned = Some(Arc::default());
    }

    pub(crate) fn fail(&mut self) {
        if self.status == TransactionStatus::Open {
            self.status = TransactionStatus::Failed;
        }
    }

    /// Ends what was one transaction without a block.
    pub(crate) fn end_of_batch(&mut self) {
        self.pinned = None;
        self.began = None;
    }

    pub(crate) fn pinned(&self) -> Option<Arc<Mutex<PinnedTables>>> {
        self.pinned.clone()
    }

    /// Ends the block; gives the settings to go on with if they are not those of now.
    pub(crate) fn end(&mut self, commit: bool, settings: &mut Settings) {
        let before = self.before.take();
        if !commit {
            if let Some(before) = before {
                *settings = before;
            }
        } else {
            for (name, value) in self.local.drain(..).rev() {
                // The value was valid when it was set.
                let _ = settings.set(&name, &value);
            }
        }
        self.settings_touched = true;
        self.local.clear();
        self.savepoints.clear();
        self.pinned = None;
        self.began = None;
        self.status = TransactionStatus::Idle;
    }

    /// Notes what SET LOCAL is about to overwrite.
    pub(crate) fn remember_local(&mut self, name: &str, value: String) {
        self.local.push((name.to_owned(), value));
    }

    pub(crate) fn savepoint(&mut self, name: String, settings: &Settings) {
        self.savepoints.push((name, settings.clone()));
    }

    pub(crate) fn release(&mut self, name: &str) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    pub(crate) fn roll_back_to(&mut self, name: &str, settings: &mut Settings) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at + 1);
        if let Some((_, saved)) = self.savepoints.get(at) {
            *settings = saved.clone();
        }
        self.settings_touched = true;
        self.status = TransactionStatus::Open;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.savepoints
            .iter()
            .rposition(|(saved, _)| saved == name)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidSavepoint,
                    format!("savepoint \"{name}\" does not exist"),
                )
            })
    }
}
