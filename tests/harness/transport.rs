//! One statement through any door, and its answer in a form that can be compared between doors.
//!
//! A new front end joins all suites by one implementation of [`Transport`].

use std::fmt;

use async_trait::async_trait;

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its PostgreSQL type, where the door tells one.
    pub type_oid: Option<u32>,
}

/// What a statement brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The columns; none for a statement without rows.
    pub columns: Vec<Column>,
    /// The values as PostgreSQL's texts, `None` for NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// How a statement failed, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The five letters.
    pub sqlstate: String,
    /// The message.
    pub message: String,
    /// Detail and hint, where there are any.
    pub more: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)?;
        self.more.iter().try_for_each(|more| write!(f, " ({more})"))
    }
}

impl std::error::Error for Failure {}

/// One session of a client that comes through some door.
#[async_trait]
pub trait Transport: Send {
    /// Which door, for messages.
    fn name(&self) -> &'static str;

    /// Whether a statement finds what those before it left: settings, prepared statements, cursors, a transaction.
    fn keeps_session(&self) -> bool {
        true
    }

    /// Runs one statement to its end.
    async fn run(&mut self, sql: &str) -> Result<Answer, Failure>;
}

impl Answer {
    /// One text per row, NULL as `∅`, in the order in which they came.
    pub fn lines(&self) -> Vec<String> {
        let line = |row: &Vec<Option<String>>| {
            let values = row.iter().map(|value| value.as_deref().unwrap_or("∅"));
            values.collect::<Vec<_>>().join("|")
        };
        self.rows.iter().map(line).collect()
    }

    /// [`lines`](Self::lines) sorted: equal for equal multisets.
    pub fn sorted(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.sort_unstable();
        lines
    }
}

/// The rows of a `COPY … TO STDOUT` in text format.
pub fn copied_rows(data: &[u8]) -> Vec<Vec<Option<String>>> {
    let text = std::str::from_utf8(data).expect("COPY data is text");
    let value = |value: &str| (value != "\\N").then(|| unescaped(value));
    text.lines().map(|line| line.split('\t').map(value).collect()).collect()
}

fn unescaped(value: &str) -> String {
    let mut out = String::new();
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.push(match letters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('v') => '\u{b}',
                other => other.expect("something is escaped"),
            }),
            letter => out.push(letter),
        }
    }
    out
}
