//! SQL through every door: our own suites, other people's corpora with their answers, and attacks.

mod attacks;
mod conformance;
mod logic_test;
mod pushdown;
mod rules_oracle;
mod suites;
mod tpch;
mod traps;

use system_tests::{data, lake};
