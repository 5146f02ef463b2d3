//! Repository rules that a paragraph would not hold: which crate may depend on which.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate of ours and the crates of ours that it may name. `contract` is open to all.
const ALLOWED: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("arrow-postgres", &[]),
    ("arrow-wire", &[]),
    ("policy", &[]),
    ("postgres-dialect", &[]),
    ("federation", &["policy"]),
    ("engine", &["policy", "federation", "postgres-dialect"]),
    ("source-delta", &["federation"]),
    ("source-databricks", &["federation", "arrow-wire"]),
    ("source-spark", &["federation", "arrow-wire"]),
    ("frontend-postgres", &["engine", "arrow-postgres"]),
    ("frontend-flight", &["engine", "arrow-wire"]),
    ("frontend-rest", &["engine", "arrow-postgres"]),
    (
        "lakegate",
        &[
            "policy",
            "federation",
            "postgres-dialect",
            "arrow-postgres",
            "engine",
            "source-delta",
            "source-databricks",
            "source-spark",
            "frontend-postgres",
            "frontend-flight",
            "frontend-rest",
        ],
    ),
];

/// Crates that may not open sockets or files: no dependency, however deep in ours, may bring these in directly.
const PURE: &[&str] = &["arrow-postgres", "arrow-wire", "policy", "postgres-dialect"];
const IMPURE: &[&str] = &[
    "tokio",
    "reqwest",
    "hyper",
    "object_store",
    "rustls",
    "tonic",
    "axum",
    "pgwire",
];

/// Protocol crates, each allowed in one place.
const PROTOCOLS: &[(&str, &[&str])] = &[
    ("pgwire", &["frontend-postgres"]),
    ("tonic", &["frontend-flight", "source-spark"]),
    ("axum", &["frontend-rest"]),
];

/// The direct, non-test dependencies of each crate of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let normal = package
                .dependencies
                .iter()
                .filter(|one| one.kind != DependencyKind::Development);
            (package.name.to_string(), normal.map(|one| one.name.clone()).collect())
        })
        .collect()
}

#[test]
fn arrows_point_down_only() {
    let all = dependencies();
    let ours: BTreeSet<&str> = all.keys().map(String::as_str).collect();
    for (name, dependencies) in &all {
        if matches!(name.as_str(), "system-tests" | "benches") {
            continue;
        }
        let allowed = ALLOWED
            .iter()
            .find(|(crate_name, _)| crate_name == name)
            .map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{name} has no place in the layering: add it to ALLOWED"));
        for dependency in dependencies.iter().filter(|one| ours.contains(one.as_str())) {
            assert!(
                dependency == "contract" || allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn pure_crates_do_no_io() {
    let all = dependencies();
    for name in PURE {
        for impure in IMPURE {
            assert!(
                !all[*name].contains(*impure),
                "{name} must stay pure: it names {impure}"
            );
        }
    }
}

#[test]
fn protocols_stay_in_their_front_end() {
    for (name, dependencies) in dependencies() {
        if matches!(name.as_str(), "system-tests" | "benches") {
            continue;
        }
        for (protocol, homes) in PROTOCOLS {
            assert!(
                !dependencies.contains(*protocol) || homes.contains(&name.as_str()),
                "{name} must not know {protocol}"
            );
        }
    }
}

#[test]
fn every_crate_follows_the_workspace() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    for package in metadata.workspace_packages() {
        assert_eq!(package.version.to_string(), "0.0.0", "{}", package.name);
        assert_eq!(
            package.publish,
            Some(Vec::new()),
            "{} must not be published",
            package.name
        );
        assert!(package.description.is_some(), "{} says nothing of itself", package.name);
    }
}
