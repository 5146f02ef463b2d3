//! What people read: errors as PostgreSQL's clients show them, and progress.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use contract::Error;
use indicatif::{ProgressBar, ProgressStyle};

/// Characters of a long line shown on each side of the place that an error points at.
const CONTEXT_CHARACTERS: usize = 60;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// Writes an error to standard error. `sql` is the text that the error's position counts in.
pub(crate) fn print_error(error: &Error, sql: Option<&str>) {
    // If even standard error is gone, nobody is left to tell.
    let _ = std::io::stderr().write_all(error_text(error, sql).as_bytes());
}

/// An error as psql prints it: message, the line with a caret, detail, hint.
pub(crate) fn error_text(error: &Error, sql: Option<&str>) -> String {
    let mut text = format!("ERROR:  {}\n", error.message());
    if let (Some(sql), Some(position)) = (sql, error.position()) {
        text.push_str(&pointer(sql, position).unwrap_or_default());
    }
    if let Some(detail) = error.detail() {
        text.push_str(&format!("DETAIL:  {detail}\n"));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("HINT:  {hint}\n"));
    }
    text
}

/// The line that holds the character at `position` (from 1), and a caret below it.
fn pointer(sql: &str, position: usize) -> Option<String> {
    let offset = position.checked_sub(1)?;
    let before: String = sql.chars().take(offset).collect();
    let line_number = before.matches('\n').count() + 1;
    let line = sql.split('\n').nth(line_number - 1)?.trim_end_matches('\r');
    let column = before.chars().rev().take_while(|character| *character != '\n').count();
    let start = column.saturating_sub(CONTEXT_CHARACTERS);
    let shown: String = line.chars().skip(start).take(2 * CONTEXT_CHARACTERS).collect();
    let shown: String = shown
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let dots = |cut: bool| if cut { "..." } else { "" };
    let head = format!("LINE {line_number}: {}", dots(start > 0));
    let tail = dots(line.chars().count() > start + 2 * CONTEXT_CHARACTERS);
    let indent = " ".repeat(head.chars().count() + column - start);
    Some(format!("{head}{shown}{tail}\n{indent}^\n"))
}

/// Writes a line to standard output.
pub(crate) fn print_line(line: &str) -> contract::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(crate::output::write_failed)
}

/// Progress on standard error: on a terminal a spinner with the newest line, elsewhere line after line. Gone from the
/// terminal when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Shows itself at once.
    pub(crate) fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// Says how far it is.
    pub(crate) fn line(&self, line: &str) {
        match &self.0 {
            Some(bar) => bar.set_message(line.to_owned()),
            None => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    /// Counts rows, on a terminal.
    pub(crate) fn rows(&self, rows: usize) {
        if let Some(bar) = &self.0 {
            bar.set_message(format!("{rows} rows"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::ErrorKind;

    use super::*;

    #[test]
    fn errors_read_as_in_psql() {
        let error = Error::new(ErrorKind::UndefinedColumn, "column \"x\" does not exist")
            .with_position(12)
            .with_hint("Look.");
        assert_eq!(
            error_text(&error, Some("SELECT\n ä, x\nFROM t")),
            "ERROR:  column \"x\" does not exist\nLINE 2:  ä, x\n            ^\nHINT:  Look.\n"
        );
        let long = format!("SELECT {} x", "y, ".repeat(100));
        let error = Error::new(ErrorKind::Syntax, "m").with_position(309);
        let text = error_text(&error, Some(&long));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1].chars().nth(lines[2].find('^').unwrap()), Some('x'), "{text}");
        assert_eq!(error_text(&error, None), "ERROR:  m\n");
    }
}
