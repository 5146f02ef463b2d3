//! Places in a query string: lines and columns, bytes, and PostgreSQL's character positions.

use datafusion::sql::sqlparser::tokenizer::Location;

/// Translates the tokenizer's lines and columns. Each answer takes constant time, so that a text of many short
/// statements stays linear.
#[derive(Debug)]
pub(crate) struct Places<'t> {
    pub(crate) text: &'t str,
    /// The character number at which each line starts.
    lines: Vec<usize>,
    /// The byte at which each character starts; `None` if all are ASCII.
    bytes: Option<Vec<usize>>,
    length: usize,
}

impl<'t> Places<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut lines = vec![0];
        let mut length = 0;
        for character in text.chars() {
            length += 1;
            if character == '\n' {
                lines.push(length);
            }
        }
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(byte, _)| byte).collect());
        Self {
            text,
            lines,
            bytes,
            length,
        }
    }

    /// The number of characters before `location`.
    pub(crate) fn character(&self, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(usize::MAX).saturating_sub(1);
        let column = usize::try_from(location.column).unwrap_or(usize::MAX).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.length);
        start.saturating_add(column).min(self.length)
    }

    /// The byte at which `location` lies.
    pub(crate) fn byte(&self, location: Location) -> usize {
        let character = self.character(location);
        match &self.bytes {
            None => character,
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.text.len()),
        }
    }

    /// PostgreSQL's position of the end of the text.
    pub(crate) fn end(&self) -> usize {
        self.length + 1
    }
}
