//! Sets of access rules over the tables of TPC-H, with the answers that a restricted user must get: `rules_oracle` of the
//! conformance data.

use std::collections::BTreeMap;
use std::path::Path;

use engine::{AccessConfig, UnknownUsers, UserEntry};
use serde::Deserialize;

/// The tables that the rules are about.
pub const TABLES: [&str; 8] = [
    "region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem",
];
/// The user whom they restrict.
pub const USER: &str = "rita";
/// For whom no rule applies.
pub const ADMINISTRATOR: &str = "root";

/// Filters and masks, and how many rows they leave of each table.
#[derive(Debug, Deserialize)]
pub struct Set {
    #[serde(default)]
    row_filters: BTreeMap<String, String>,
    #[serde(default)]
    masks: BTreeMap<String, BTreeMap<String, String>>,
    /// Rows of each table that [`USER`] sees.
    pub visible_rows: BTreeMap<String, usize>,
    answers_differing_from_unrestricted: Vec<String>,
}

/// The sets in the folder of the data, by their names.
///
/// # Panics
/// If they cannot be read.
pub fn sets(folder: &Path) -> BTreeMap<String, Set> {
    let text = std::fs::read_to_string(folder.join("policies.json")).unwrap();
    let sets: BTreeMap<String, Set> = serde_json::from_str(&text).unwrap();
    assert_eq!(sets.len(), 5);
    sets
}

impl Set {
    /// The numbers of the queries that [`USER`] gets another answer to than the administrator.
    ///
    /// # Panics
    /// If the data names no query so.
    pub fn differing(&self) -> Vec<usize> {
        let number = |name: &String| name.strip_prefix('q').and_then(|digits| digits.parse().ok());
        let numbers = self.answers_differing_from_unrestricted.iter().map(number);
        numbers.collect::<Option<Vec<_>>>().expect("names of queries")
    }

    /// The set in our own SQL, for tables in `schema`, `catalog.schema` as a rule names it.
    pub fn rules(&self, schema: &str) -> String {
        let mut text = "CREATE ROLE reader; GRANT EXECUTE ON SERVICE postgres, flight, rest TO reader;\n".to_owned();
        for table in TABLES {
            text += &format!("GRANT SELECT ON {schema}.{table} TO reader;\n");
        }
        for (table, filter) in &self.row_filters {
            text += &format!("CREATE POLICY f ON {schema}.{table} FOR SELECT TO reader USING ({filter});\n");
        }
        for (table, masks) in &self.masks {
            for (column, mask) in masks {
                text += &format!("CREATE MASK {column} ON {schema}.{table} ({column}) TO reader USING ({mask});\n");
            }
        }
        text
    }

    /// The rules, with [`USER`] and [`ADMINISTRATOR`].
    ///
    /// # Panics
    /// If they are no rules.
    pub fn access(&self, schema: &str) -> AccessConfig {
        let rules = policy::parse_rules(&[("oracle.sql".to_owned(), self.rules(schema))]);
        let user = |name: &str, roles: &[&str]| UserEntry {
            name: name.to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            administrator: name == ADMINISTRATOR,
            ..UserEntry::default()
        };
        AccessConfig {
            rules: rules.unwrap_or_else(|error| panic!("{error}\n{}", self.rules(schema))),
            users: vec![user(USER, &["reader"]), user(ADMINISTRATOR, &[])],
            trust_loopback: true,
            unknown_users: UnknownUsers::Refuse,
        }
    }
}
