use std::fmt::{self, Write};

use datafusion::common::ScalarValue;

/// A statement for a remote engine: Spark's SQL with its values apart, as typed parameters.
///
/// Only this crate's writer makes one, piece by piece, so that no value and no name is ever taken for SQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct RemoteStatement {
    /// `parameters.len() + 1` texts, between which the parameters stand.
    texts: Vec<String>,
    parameters: Vec<ScalarValue>,
}

impl RemoteStatement {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self {
            texts: vec![String::new()],
            parameters: Vec::new(),
        }
    }

    /// Adds SQL that holds no value.
    pub fn push(&mut self, sql: &str) {
        match self.texts.last_mut() {
            Some(text) => text.push_str(sql),
            None => self.texts.push(sql.to_owned()),
        }
    }

    /// Adds a name, quoted.
    pub fn push_identifier(&mut self, name: &str) {
        self.push("`");
        self.push(&name.replace('`', "``"));
        self.push("`");
    }

    /// Adds a value, as a parameter.
    pub fn push_parameter(&mut self, value: ScalarValue) {
        self.parameters.push(value);
        self.texts.push(String::new());
    }

    /// Adds another statement, its parameters included.
    pub fn append(&mut self, other: Self) {
        let mut texts = other.texts.into_iter();
        self.push(&texts.next().unwrap_or_default());
        self.texts.extend(texts);
        self.parameters.extend(other.parameters);
    }

    /// The values, in the order of their places: the first is `:p1`.
    pub fn parameters(&self) -> &[ScalarValue] {
        &self.parameters
    }

    /// How long the text is, without its values.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.iter().map(String::len).sum()
    }

    /// The text with `:p1`, `:p2`, … where values belong. It holds no value and may be shown.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (index, piece) in self.texts.iter().enumerate() {
            if index > 0 {
                // Writing to a string does not fail.
                let _ = write!(text, ":p{index}");
            }
            text.push_str(piece);
        }
        text
    }

    /// The text with each value written by `literal`, for systems that take no parameters.
    ///
    /// # Errors
    /// Those of `literal`.
    pub fn inlined<E>(&self, mut literal: impl FnMut(&ScalarValue) -> Result<String, E>) -> Result<String, E> {
        let mut text = self.texts.first().cloned().unwrap_or_default();
        for (value, piece) in self.parameters.iter().zip(self.texts.iter().skip(1)) {
            text.push_str(&literal(value)?);
            text.push_str(piece);
        }
        Ok(text)
    }
}

impl fmt::Display for RemoteStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}
