//! Queries derived from TPC-H under access rules, against the answers that DuckDB gives over tables that were filtered
//! and masked before.

use std::collections::BTreeMap;
use std::iter;

use engine::{AccessConfig, UnknownUsers, UserEntry};
use serde::Deserialize;
use system_tests::demo_tables;
use system_tests::transport_flight::Flight;
use system_tests::transport_rest::Rest;
use system_tests::transport_wire::wire_transports;

use crate::data::{Expectations, compare, folder};
use crate::tpch;

const EXPECTATIONS: &str = include_str!("../expectations/tpch.toml");
const TABLES: [&str; 8] = [
    "region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem",
];

#[derive(Debug, Deserialize)]
struct Set {
    #[serde(default)]
    row_filters: BTreeMap<String, String>,
    #[serde(default)]
    masks: BTreeMap<String, BTreeMap<String, String>>,
    visible_rows: BTreeMap<String, usize>,
}

impl Set {
    /// The set in our own SQL.
    fn rules(&self) -> String {
        let mut text = "CREATE ROLE reader; GRANT EXECUTE ON SERVICE postgres, flight, rest TO reader;\n".to_owned();
        for table in TABLES {
            text += &format!("GRANT SELECT ON samples.tpch.{table} TO reader;\n");
        }
        for (table, filter) in &self.row_filters {
            text += &format!("CREATE POLICY f ON samples.tpch.{table} FOR SELECT TO reader USING ({filter});\n");
        }
        for (table, masks) in &self.masks {
            for (column, mask) in masks {
                text += &format!("CREATE MASK {column} ON samples.tpch.{table} ({column}) TO reader USING ({mask});\n");
            }
        }
        text
    }

    fn access(&self) -> AccessConfig {
        let rules = policy::parse_rules(&[("oracle.sql".to_owned(), self.rules())]);
        let user = UserEntry {
            name: "rita".to_owned(),
            roles: vec!["reader".to_owned()],
            ..UserEntry::default()
        };
        AccessConfig {
            rules: rules.unwrap_or_else(|error| panic!("{error}\n{}", self.rules())),
            users: vec![user],
            trust_loopback: true,
            unknown_users: UnknownUsers::Refuse,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_user_gets_the_restricted_answers() {
    let (Some(oracle), Some(queries)) = (folder("rules_oracle"), folder("tpch")) else {
        return;
    };
    let sets = std::fs::read_to_string(oracle.join("policies.json")).unwrap();
    let sets: BTreeMap<String, Set> = serde_json::from_str(&sets).unwrap();
    let mut expectations = Expectations::read(EXPECTATIONS, "rules_oracle");
    for (name, set) in &sets {
        let server = tpch::serve(set.access()).await;
        let mut others = wire_transports(server.address, "rita").await.unwrap();
        let mut simple = others.remove(0);
        others.push(Box::new(Flight::open(&server.engine, "rita").await));
        others.push(Box::new(Rest::open(&server.engine, "rita").await));
        for table in TABLES {
            let sql = format!("SELECT count(*) FROM {table}");
            for door in iter::once(&mut simple).chain(&mut others) {
                let answer = door.run(&sql).await.unwrap();
                let visible = set.visible_rows[table].to_string();
                assert_eq!(answer.lines(), [visible], "{name} {table} {}", door.name());
            }
        }
        for number in 1..=22 {
            let sql = demo_tables::query(&queries, number);
            let answer = simple.run(&sql).await;
            for door in &mut others {
                let again = door.run(&sql).await;
                assert_eq!(answer, again, "{name} {number} {}", door.name());
            }
            let path = oracle.join(format!("answers/{name}/q{number:02}.csv"));
            let outcome = answer
                .map_err(|failure| failure.to_string())
                .and_then(|answer| compare(&answer, &path));
            expectations.record(&format!("{name}/q{number:02}"), outcome);
        }
    }
    assert_eq!(sets.len(), 5);
    expectations.finish("rules_oracle");
}
