//! Queries derived from TPC-H under access rules, against the answers that DuckDB gives over tables that were filtered
//! and masked before.

use std::iter;

use system_tests::demo_tables;
use system_tests::rules_oracle::{TABLES, USER, sets};
use system_tests::transport_flight::Flight;
use system_tests::transport_rest::Rest;
use system_tests::transport_wire::wire_transports;

use crate::data::{Expectations, compare, folder};
use crate::tpch;

const EXPECTATIONS: &str = include_str!("../expectations/tpch.toml");

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_user_gets_the_restricted_answers() {
    let (Some(oracle), Some(queries)) = (folder("rules_oracle"), folder("tpch")) else {
        return;
    };
    let mut expectations = Expectations::read(EXPECTATIONS, "rules_oracle");
    for (name, set) in &sets(&oracle) {
        let server = tpch::serve(set.access("samples.tpch")).await;
        let mut others = wire_transports(server.address, USER).await.unwrap();
        let mut simple = others.remove(0);
        others.push(Box::new(Flight::open(&server.engine, USER).await));
        others.push(Box::new(Rest::open(&server.engine, USER).await));
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
    expectations.finish("rules_oracle");
}
