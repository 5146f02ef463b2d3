//! Files that nobody here wrote, and the lists of cases that are known not to pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::transport::Answer;

/// A folder of the conformance data; `None`, said aloud, where it is missing on a developer's machine.
pub fn folder(name: &str) -> Option<PathBuf> {
    let data = match std::env::var_os("LAKEGATE_CONFORMANCE_DATA") {
        Some(data) => PathBuf::from(data),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
    };
    let folder = data.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "the conformance data is missing at {}",
        folder.display()
    );
    println!(
        "SKIPPED: no conformance data at {} (set LAKEGATE_CONFORMANCE_DATA)",
        folder.display()
    );
    None
}

/// Cases that are known not to pass, with the reason.
#[derive(Debug)]
pub struct Expectations {
    known: BTreeMap<String, String>,
    seen: Vec<String>,
    wrong: Vec<String>,
    passed: usize,
}

impl Expectations {
    /// One section of a file in `tests/expectations`.
    pub fn read(text: &str, section: &str) -> Self {
        let mut sections: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text).unwrap();
        let known = sections.remove(section).unwrap_or_default();
        Self {
            known,
            seen: Vec::new(),
            wrong: Vec::new(),
            passed: 0,
        }
    }

    /// Takes note of how a case went.
    pub fn record(&mut self, case: &str, outcome: Result<(), String>) {
        self.seen.push(case.to_owned());
        self.passed += usize::from(outcome.is_ok());
        match (outcome, self.known.get(case)) {
            (Err(why), None) => self.wrong.push(format!("{case} fails: {why}")),
            (Ok(()), Some(reason)) => self
                .wrong
                .push(format!("{case} passes, though expected not to: {reason}")),
            (Err(_), Some(_)) | (Ok(()), None) => {}
        }
    }

    /// Prints the score; panics about what is not as listed.
    pub fn finish(self, board: &str) {
        println!("scoreboard {board}: {} of {} pass", self.passed, self.seen.len());
        for case in self.known.keys() {
            assert!(
                self.seen.contains(case),
                "{case} is in the list of failures but is no case"
            );
        }
        assert!(
            self.wrong.is_empty(),
            "{}:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
    }
}

/// A CSV file's header and rows.
pub fn read_csv(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = vec![Vec::new()];
    let mut value = String::new();
    let mut quoted = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => value.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => rows.last_mut().unwrap().push(std::mem::take(&mut value)),
            '\n' if !quoted => {
                rows.last_mut().unwrap().push(std::mem::take(&mut value));
                rows.push(Vec::new());
            }
            letter => value.push(letter),
        }
    }
    rows.retain(|row| !row.is_empty());
    let header = rows.remove(0);
    (header, rows)
}

/// Compares with the rows that DuckDB gave: decimals exactly, its doubles to 1e-9, quotients of decimals (for which
/// PostgreSQL and DuckDB choose different types) to 1e-6. `\N`, or nothing, is NULL.
pub fn compare(answer: &Answer, path: &Path) -> Result<(), String> {
    let (header, expected) = read_csv(path);
    let names = answer
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect::<Vec<_>>();
    // DuckDB names an expression by its text, PostgreSQL by its function.
    let shown = header
        .iter()
        .map(|name| name.split('(').next().unwrap_or_default().to_owned());
    if names != shown.collect::<Vec<_>>() {
        return Err(format!("columns {names:?} instead of {header:?}"));
    }
    if answer.rows.len() != expected.len() {
        return Err(format!("{} rows instead of {}", answer.rows.len(), expected.len()));
    }
    for (number, (row, expected)) in answer.rows.iter().zip(&expected).enumerate() {
        for ((value, expected), name) in row.iter().zip(expected).zip(&header) {
            if !same_value(value.as_deref(), expected, name) {
                return Err(format!("row {number}, {name}: {value:?} instead of {expected:?}"));
            }
        }
    }
    Ok(())
}

fn same_value(value: Option<&str>, expected: &str, name: &str) -> bool {
    let Some(value) = value else {
        return ["\\N", ""].contains(&expected);
    };
    if value == expected {
        return true;
    }
    let (Ok(number), Ok(wanted)) = (value.parse::<f64>(), expected.parse::<f64>()) else {
        return false;
    };
    let places = expected.split_once('.').map_or(0, |(_, places)| places.len());
    let quotient = name.starts_with("avg") || matches!(name, "mkt_share" | "promo_revenue");
    let tolerance = match (quotient, places) {
        (true, _) => 1e-6,
        (false, 7..) => 1e-9,
        // A decimal, perhaps with zeros at its end.
        (false, _) => return plain(value) == plain(expected),
    };
    (number - wanted).abs() <= tolerance * wanted.abs().max(if quotient { 1.0 } else { 0.0 })
}

fn plain(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}
