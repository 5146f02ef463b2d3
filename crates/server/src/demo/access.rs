//! Who may look at the demo, and at what.

use std::collections::BTreeMap;

use contract::Result;
use engine::{AccessConfig, UnknownUsers, UserEntry};

use crate::api_key;

/// The demo's rules, as the file in the repository has them.
pub const DEMO_RULES: &str = include_str!("../../../../sql/demo/access.sql");
/// The file's name in errors.
pub const DEMO_RULES_FILE: &str = "sql/demo/access.sql";

/// Users, roles and rules of the demo: dana drives, ana analyses, pat is a partner, and every other name is the
/// administrator. From this machine nobody is asked for a password.
///
/// # Errors
/// `Configuration` if the rules do not parse.
pub fn access_config() -> Result<AccessConfig> {
    let rules = policy::parse_rules(&[(DEMO_RULES_FILE.to_owned(), DEMO_RULES.to_owned())]);
    let rules = rules.map_err(crate::wiring::rule_error)?;
    let user = |name: &str, role: &str, attributes: &[(&str, &str)]| UserEntry {
        name: name.to_owned(),
        verifier: None,
        api_keys: vec![api_key::hash(&format!("demo-{name}"))],
        roles: vec![role.to_owned()],
        attributes: attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        administrator: false,
    };
    Ok(AccessConfig {
        rules,
        users: vec![
            user("dana", "driver", &[("id", "17"), ("region", "north")]),
            user("ana", "analyst", &[]),
            user("pat", "partner", &[]),
        ],
        trust_loopback: true,
        unknown_users: UnknownUsers::Administrator,
    })
}
