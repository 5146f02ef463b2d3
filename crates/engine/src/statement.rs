use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, FieldRef, SchemaRef};
use postgres_dialect::{Command, ParsedStatement};

use crate::planning::Planned;

/// One statement of a query string, parsed.
#[derive(Clone)]
pub struct StatementText {
    /// The whole query string: positions of errors count from its start.
    pub(crate) whole: Arc<str>,
    pub(crate) parsed: Arc<ParsedStatement>,
}

impl StatementText {
    /// The statement's own text, without surrounding blanks and semicolon.
    pub fn text(&self) -> &str {
        self.whole.get(self.parsed.text.clone()).unwrap_or(&self.whole)
    }

    /// [`text`](Self::text) to keep; the query string itself where it holds nothing else.
    pub(crate) fn text_shared(&self) -> Arc<str> {
        match self.text().len() == self.whole.len() {
            true => Arc::clone(&self.whole),
            false => self.text().into(),
        }
    }

    /// The tag of the statement's kind, as in `SELECT` or `BEGIN`.
    pub fn tag(&self) -> &'static str {
        self.parsed.command.tag()
    }

    /// Whether it may run in a failed transaction: whatever ends or unwinds it.
    pub(crate) fn ends_transaction(&self) -> bool {
        matches!(
            self.parsed.command,
            Command::Commit { .. } | Command::Rollback { .. } | Command::RollbackTo(_)
        )
    }
}

impl fmt::Debug for StatementText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatementText").field(&self.tag()).finish()
    }
}

/// A statement whose parameters and columns are known. Holds no right: each execution checks again.
#[derive(Debug)]
pub struct PreparedStatement {
    pub(crate) statement: StatementText,
    pub(crate) parameters: Vec<FieldRef>,
    pub(crate) schema: Option<SchemaRef>,
    /// The plan, for a query.
    pub(crate) planned: Option<Arc<Planned>>,
}

impl PreparedStatement {
    /// The parameters, `$1` first: as declared, or as inferred.
    pub fn parameters(&self) -> impl ExactSizeIterator<Item = &Field> {
        self.parameters.iter().map(|field| &**field)
    }

    /// The columns of the answer; none if the statement has no rows.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// Whether the text holds no statement at all.
    pub fn is_empty(&self) -> bool {
        matches!(self.statement.parsed.command, Command::Empty)
    }

    /// The statement.
    pub fn statement(&self) -> &StatementText {
        &self.statement
    }
}
