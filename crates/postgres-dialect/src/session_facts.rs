use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use contract::{Error, ErrorKind, Result};

use crate::catalog::facts::unescape;
use crate::catalog::rows::Cell;
use crate::catalog::{CatalogSnapshot, DescribedTable, comment_of};

/// The PostgreSQL release whose behaviour and catalog are shown.
pub const SERVER_VERSION: &str = "15.18";
const SERVER_VERSION_NUMBER: &str = "150018";

/// What functions and catalog rows of one session depend on.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// `current_user`.
    pub user: String,
    /// `current_database()`.
    pub database: String,
    /// The schemas of `search_path` that exist, in order, `pg_catalog` not among them.
    pub search_path: Vec<String>,
    /// Settings that the session or the server changed, names in lower case; all others have PostgreSQL's defaults.
    pub settings: BTreeMap<String, String>,
    /// `pg_backend_pid()`.
    pub process_id: i32,
    /// Whether no rule applies to the user.
    pub superuser: bool,
    /// When the server started, in microseconds since 1970-01-01 UTC.
    pub started: i64,
    /// What the user sees. May be empty if [`needs_catalog`](crate::needs_catalog) is false for the statement.
    pub catalog: Arc<CatalogSnapshot>,
    /// The comments that the statement at hand came across.
    pub comments: Arc<KnownComments>,
}

/// The most that the comments of one statement may take, in bytes: those of some hundred thousand columns.
const COMMENT_BYTES_MAX: usize = 64 << 20;
/// What a comment takes beside its text.
const ENTRY_BYTES: usize = 64;

/// Comments on tables and columns. Filled in while a statement runs, by what describes tables for it, and read by its
/// functions.
#[derive(Debug, Default)]
pub struct KnownComments(RwLock<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the table's OID and the column's number, 0 for the table itself.
    comments: HashMap<(u32, i64), String>,
    bytes: usize,
}

impl KnownComments {
    /// Keeps the comments on a table and its columns.
    ///
    /// # Errors
    /// `MemoryExhausted` if there is no room for them.
    pub fn learn(&self, table: &DescribedTable) -> Result<()> {
        let of_table = table.comment.as_deref().map(|comment| (0, comment));
        let fields = table.columns.iter().flat_map(|columns| columns.fields());
        let of_columns = (1..)
            .zip(fields)
            .filter_map(|(number, field)| Some((number, comment_of(field)?)));
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (number, comment) in of_table.into_iter().chain(of_columns) {
            let place = (table.oid, number);
            if kept.comments.contains_key(&place) {
                continue;
            }
            kept.bytes += comment.len() + ENTRY_BYTES;
            if kept.bytes > COMMENT_BYTES_MAX {
                let message = "the comments that the statement asks for take too much memory";
                let hint = "Read pg_description, or ask for fewer tables.";
                return Err(Error::new(ErrorKind::MemoryExhausted, message).with_hint(hint));
            }
            kept.comments.insert(place, comment.to_owned());
        }
        Ok(())
    }

    /// The comment on a column, or on the table for the number 0.
    pub(crate) fn of(&self, table: u32, number: i64) -> Option<String> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kept.comments.get(&(table, number)).cloned()
    }
}

impl SessionFacts {
    /// A session of `user` in `database` with nothing in the catalog, no path and defaults.
    pub fn new(user: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            database: database.into(),
            search_path: Vec::new(),
            settings: BTreeMap::new(),
            process_id: 0,
            superuser: false,
            started: 0,
            catalog: CatalogSnapshot::new(Vec::new(), Vec::new(), Vec::new()),
            comments: Arc::default(),
        }
    }

    /// The value of a setting as SHOW prints it; `None` if there is no such setting.
    pub fn setting(&self, name: &str) -> Option<String> {
        let lower = name.to_lowercase();
        if let Some(value) = self.settings.get(&lower) {
            return Some(value.clone());
        }
        match lower.as_str() {
            "is_superuser" => return Some(if self.superuser { "on" } else { "off" }.to_owned()),
            "session_authorization" => return Some(self.user.clone()),
            "role" => return Some("none".to_owned()),
            _ => {}
        }
        setting_facts()
            .iter()
            .find(|fact| fact.name.eq_ignore_ascii_case(&lower))
            .map(SettingFact::shown)
    }

    /// All settings with name, value as SHOW prints it, and description, sorted: SHOW ALL.
    pub fn all_settings(&self) -> Vec<(String, String, String)> {
        let mut all: BTreeMap<String, (String, String, String)> = setting_facts()
            .iter()
            .map(|fact| {
                let value = self
                    .settings
                    .get(&fact.name.to_lowercase())
                    .cloned()
                    .unwrap_or_else(|| fact.shown());
                (
                    fact.name.to_lowercase(),
                    (fact.name.clone(), value, fact.description.clone()),
                )
            })
            .collect();
        for (name, value) in &self.settings {
            all.entry(name.clone())
                .or_insert_with(|| (name.clone(), value.clone(), String::new()));
        }
        all.into_values().collect()
    }

    /// The text of `version()`.
    pub fn version(&self) -> String {
        let version = self
            .setting("server_version")
            .unwrap_or_else(|| SERVER_VERSION.to_owned());
        format!(
            "PostgreSQL {version} (Lakegate) on {}-{}",
            std::env::consts::ARCH,
            std::env::consts::OS
        )
    }
}

/// A setting that PostgreSQL has.
#[derive(Debug)]
pub(crate) struct SettingFact {
    pub(crate) name: String,
    pub(crate) setting: String,
    unit: String,
    description: String,
    /// The row of `pg_settings`, in [`SETTING_COLUMNS`]' order.
    pub(crate) row: Vec<Cell>,
}

impl SettingFact {
    /// The value with its unit, in the largest that it fits.
    fn shown(&self) -> String {
        let number = self.setting.parse::<i64>().ok().filter(|number| *number > 0);
        match (self.unit.as_str(), number) {
            ("8kB", Some(pages)) => bytes_shown(pages * 8),
            ("kB", Some(kilobytes)) => bytes_shown(kilobytes),
            ("ms", Some(ms)) => time_shown(ms),
            ("s", Some(s)) => time_shown(s * 1000),
            ("min", Some(minutes)) => time_shown(minutes * 60_000),
            ("B", Some(bytes)) => format!("{bytes}B"),
            _ => self.setting.clone(),
        }
    }
}

fn bytes_shown(kilobytes: i64) -> String {
    match kilobytes {
        k if k % (1 << 30) == 0 => format!("{}TB", k >> 30),
        k if k % (1 << 20) == 0 => format!("{}GB", k >> 20),
        k if k % (1 << 10) == 0 => format!("{}MB", k >> 10),
        k => format!("{k}kB"),
    }
}

fn time_shown(ms: i64) -> String {
    match ms {
        t if t % 86_400_000 == 0 => format!("{}d", t / 86_400_000),
        t if t % 3_600_000 == 0 => format!("{}h", t / 3_600_000),
        t if t % 60_000 == 0 => format!("{}min", t / 60_000),
        t if t % 1_000 == 0 => format!("{}s", t / 1_000),
        t => format!("{t}ms"),
    }
}

/// The columns of the exported settings, in order.
pub(crate) const SETTING_COLUMNS: [&str; 15] = [
    "name",
    "setting",
    "unit",
    "category",
    "short_desc",
    "extra_desc",
    "context",
    "vartype",
    "source",
    "min_val",
    "max_val",
    "enumvals",
    "boot_val",
    "reset_val",
    "pending_restart",
];

/// Values that are ours, not those of the server that the facts were exported from.
const OWN_VALUES: [(&str, &str); 10] = [
    ("server_version", SERVER_VERSION),
    ("server_version_num", SERVER_VERSION_NUMBER),
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("TimeZone", "UTC"),
    ("DateStyle", "ISO, MDY"),
    ("lc_collate", "C"),
    ("lc_ctype", "C.UTF-8"),
    ("default_transaction_read_only", "off"),
    ("search_path", "\"$user\", public"),
];

pub(crate) fn setting_facts() -> &'static [SettingFact] {
    static FACTS: OnceLock<Vec<SettingFact>> = OnceLock::new();
    FACTS.get_or_init(|| {
        let text = include_str!("../data/pg_settings.tsv");
        text.lines()
            .skip(1)
            .map(|line| {
                let mut row: Vec<Cell> = line.split('\t').map(unescape).collect();
                let field = |row: &[Cell], at: usize| match row.get(at) {
                    Some(Cell::Text(text)) => text.clone(),
                    _ => String::new(),
                };
                let name = field(&row, 0);
                if let Some((_, own)) = OWN_VALUES.iter().find(|(own, _)| *own == name) {
                    for at in [1, 12, 13] {
                        if let Some(cell) = row.get_mut(at) {
                            *cell = Cell::Text((*own).to_owned());
                        }
                    }
                }
                SettingFact {
                    setting: field(&row, 1),
                    unit: field(&row, 2),
                    description: field(&row, 4),
                    name,
                    row,
                }
            })
            .collect()
    })
}
