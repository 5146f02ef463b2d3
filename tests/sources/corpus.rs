//! The Delta corpus: tables that nobody here wrote, and what they must contain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One table of the manifest.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    suite: String,
    case: String,
    table: String,
    pub(crate) expected: Option<Expected>,
    #[serde(default)]
    pub(crate) expected_versions: Vec<ExpectedVersion>,
}

/// What a table must give.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Expected {
    pub(crate) kind: String,
    pub(crate) path: Option<String>,
    pub(crate) rows: Option<usize>,
}

/// What an older version must give.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ExpectedVersion {
    pub(crate) version: u64,
    pub(crate) path: String,
    pub(crate) rows: usize,
}

/// The corpus on disk.
#[derive(Debug)]
pub(crate) struct Corpus {
    root: PathBuf,
    pub(crate) cases: Vec<Case>,
}

impl Case {
    /// `suite/case`, as in the list of expected failures.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.suite, self.case)
    }

    /// Whether anything is known that the table must give.
    pub(crate) fn has_expectation(&self) -> bool {
        self.expected.as_ref().is_some_and(|expected| expected.kind != "none")
    }
}

impl Corpus {
    /// Finds the corpus; `None`, said aloud, where it is missing on a developer's machine.
    pub(crate) fn find() -> Option<Self> {
        let data = match std::env::var_os("LAKEGATE_CONFORMANCE_DATA") {
            Some(data) => PathBuf::from(data),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        };
        let root = data.join("delta");
        let Ok(text) = std::fs::read_to_string(root.join("manifest.json")) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "the conformance data is missing at {}",
                data.display()
            );
            println!(
                "SKIPPED: no conformance data at {} (set LAKEGATE_CONFORMANCE_DATA)",
                data.display()
            );
            return None;
        };
        let root = root.canonicalize().unwrap();
        Some(Self {
            root,
            cases: serde_json::from_str(&text).unwrap(),
        })
    }

    /// The folder of a case's table.
    pub(crate) fn table(&self, case: &Case) -> PathBuf {
        self.root.join(&case.table)
    }

    /// A path of the manifest.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The case of that id.
    pub(crate) fn case(&self, id: &str) -> &Case {
        self.cases.iter().find(|case| case.id() == id).unwrap()
    }
}

/// The cases that are known not to pass, with the reason.
pub(crate) fn expected_failures() -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Expectations {
        failures: BTreeMap<String, String>,
    }
    let text = include_str!("../expectations/delta.toml");
    toml::from_str::<Expectations>(text).unwrap().failures
}
