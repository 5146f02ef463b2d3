//! The recorded statements, and the list of those that are known not to be answered as PostgreSQL does.

use std::collections::BTreeMap;

use serde::Deserialize;
use system_tests::data::folder;

/// One statement as a client sent it, and what PostgreSQL answered.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Record {
    #[serde(skip)]
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) phase: String,
    pub(crate) protocol: String,
    pub(crate) category: String,
    pub(crate) sql: String,
    #[serde(default)]
    pub(crate) param_oids: Vec<u32>,
    #[serde(default)]
    pub(crate) param_format_codes: Vec<i16>,
    pub(crate) params: Option<Vec<Option<String>>>,
    #[serde(default)]
    pub(crate) result_format_codes: Vec<i16>,
    pub(crate) max_rows: Option<i32>,
    pub(crate) expected_columns: Option<Vec<RecordedColumn>>,
    pub(crate) rows_on_postgres: Option<usize>,
    pub(crate) result_sets: Option<Vec<RecordedResult>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) error: Option<RecordedError>,
    pub(crate) status_after: Option<char>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedColumn {
    pub(crate) name: String,
    pub(crate) oid: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedResult {
    pub(crate) rows: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedError {
    pub(crate) sqlstate: String,
}

impl Record {
    /// The parameters as bytes; none if the statement was not bound.
    pub(crate) fn parameters(&self) -> Option<Vec<Option<Vec<u8>>>> {
        let recorded = self.params.as_deref().unwrap_or_default();
        let bound = !self.tags.as_deref().unwrap_or_default().is_empty() || self.error.is_some();
        bound.then(|| recorded.iter().map(|value| value.as_deref().map(bytes)).collect())
    }
}

/// `hex:` marks a value that went in binary.
fn bytes(value: &str) -> Vec<u8> {
    let Some(digits) = value.strip_prefix("hex:") else {
        return value.as_bytes().to_vec();
    };
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// All records of a client; none, said aloud, where the data is missing on a developer's machine.
pub(crate) fn records(client: &str) -> Option<Vec<Record>> {
    let path = folder("pg_clients")?.join(format!("{client}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    let record = |(index, line): (usize, &str)| {
        let mut record: Record = serde_json::from_str(line).unwrap();
        record.id = format!("{client}/{}", index + 1);
        record
    };
    Some(text.lines().enumerate().map(record).collect())
}

/// The known failures of a client, each with its reason.
pub(crate) fn known_failures(client: &str) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Expectations {
        reasons: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
        cases: Vec<String>,
    }
    let text = include_str!("../expectations/pg_clients.toml");
    let expectations: Expectations = toml::from_str(text).unwrap();
    let mut failures = BTreeMap::new();
    for reason in expectations.reasons {
        for case in reason
            .cases
            .into_iter()
            .filter(|case| case.starts_with(&format!("{client}/")))
        {
            let twice = failures.insert(case.clone(), reason.reason.clone());
            assert_eq!(twice, None, "{case} has two reasons");
        }
    }
    failures
}
