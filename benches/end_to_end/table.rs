//! Tables on standard output, progress on standard error, and the middle of several runs.

use std::io::Write;
use std::time::Duration;

/// Lines that appear while it runs.
pub(crate) fn progress(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "end_to_end: {}", line.as_ref());
}

/// The middle value; of an even count the mean of the two in the middle. Not a number if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value below which that part of all values lies.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * sorted.len().saturating_sub(1) as f64;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
    at(place.floor()) + (at(place.ceil()) - at(place.floor())) * place.fract()
}

/// Milliseconds of each.
pub(crate) fn milliseconds(values: &[Duration]) -> Vec<f64> {
    values.iter().map(|value| value.as_secs_f64() * 1e3).collect()
}

/// A figure with three digits that mean something, a dash where there is none.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "-".to_owned(),
        size if size >= 100.0 || size == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Rows of texts under a headline.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            title: title.into(),
            rows: vec![columns.iter().map(|column| (*column).to_owned()).collect()],
            notes: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, figures: &[f64]) {
        let figures = figures.iter().map(|value| figure(*value));
        self.rows.push([name.into()].into_iter().chain(figures).collect());
    }

    /// A line below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Prints it; who does not read it is not told either.
    pub(crate) fn print(&self) {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let mut out = format!("\n{}\n", self.title);
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                out += &match column {
                    0 => format!("{cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                };
            }
            out = out.trim_end().to_owned() + "\n";
        }
        for note in &self.notes {
            out += &format!("  {note}\n");
        }
        let mut stdout = std::io::stdout();
        let _ = stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush());
    }
}
