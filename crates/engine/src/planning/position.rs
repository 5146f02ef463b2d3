//! Where in the text an error lies, as PostgreSQL counts: 1-based, in characters, over the whole query string.

use contract::Error;
use datafusion::common::DataFusionError;

/// Turns an error of the planner into ours, with its place in `text` if the planner knows it.
pub(crate) fn located(error: DataFusionError, text: &str) -> Error {
    let position = span_start(&error).and_then(|(line, column)| character_position(text, line, column));
    let error = Error::from(error);
    match position {
        Some(position) if error.position().is_none() => error.with_position(position),
        _ => error,
    }
}

fn span_start(error: &DataFusionError) -> Option<(u64, u64)> {
    let located = match error {
        DataFusionError::Collection(errors) => return errors.first().and_then(span_start),
        other => other.diagnostic()?,
    };
    let span = located.span?;
    Some((span.start.line, span.start.column))
}

/// The place of a line and column, both 1-based, in characters from the start.
pub(crate) fn character_position(text: &str, line: u64, column: u64) -> Option<usize> {
    if line == 0 || column == 0 {
        return None;
    }
    let mut before = 0;
    for (number, content) in (1..).zip(text.split_inclusive('\n')) {
        if number == line {
            return usize::try_from(column).ok().map(|column| before + column);
        }
        before += content.chars().count();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_over_lines() {
        assert_eq!(character_position("select é,\n x", 2, 2), Some(12));
        assert_eq!(character_position("select", 1, 1), Some(1));
        assert_eq!(character_position("select", 0, 0), None);
        assert_eq!(character_position("select", 3, 1), None);
    }
}
