//! Facts about PostgreSQL's own functions: names, arguments, results.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::catalog::{self, format_type};
use crate::names::quote_identifier;

#[derive(Debug)]
pub(super) struct Procedures {
    pub(super) names: HashMap<u32, &'static str>,
    pub(super) oids: HashMap<&'static str, u32>,
    /// Argument types, result type, argument names, modes, all types, returns a set: as exported.
    rows: HashMap<u32, Vec<&'static str>>,
}

pub(super) fn procedures() -> &'static Procedures {
    static PROCEDURES: OnceLock<Procedures> = OnceLock::new();
    PROCEDURES.get_or_init(|| {
        let (mut names, mut oids, mut rows) = (HashMap::new(), HashMap::new(), HashMap::new());
        for line in catalog::facts::text_of("pg_proc").unwrap_or_default().lines().skip(1) {
            let fields: Vec<&'static str> = line.split('\t').collect();
            let (Some(Ok(oid)), Some(name)) = (fields.first().map(|oid| oid.parse::<u32>()), fields.get(1)) else {
                continue;
            };
            names.insert(oid, *name);
            oids.entry(*name).or_insert(oid);
            rows.insert(oid, fields);
        }
        Procedures { names, oids, rows }
    })
}

/// Fields of an exported function: result type and whether it is a set, arguments.
pub(super) fn function_result(oid: u32) -> Option<String> {
    let fields = procedures().rows.get(&oid)?;
    let result = format_type(fields.get(13)?.parse().ok()?, None)?;
    let modes = fields.get(16).copied().unwrap_or("\\N");
    if modes.contains('t') {
        let shown: Vec<String> = arguments_of(fields)
            .into_iter()
            .filter(|(mode, ..)| mode == "t")
            .map(|(_, name, kind)| format!("{name} {kind}"))
            .collect();
        return Some(format!("TABLE({})", shown.join(", ")));
    }
    Some(if fields.get(8) == Some(&"t") {
        format!("SETOF {result}")
    } else {
        result
    })
}

/// Mode, name and type of each argument.
fn arguments_of(fields: &[&str]) -> Vec<(String, String, String)> {
    let list = |at: usize| -> Vec<String> {
        match fields.get(at) {
            Some(&"\\N") | None => Vec::new(),
            Some(text) => catalog::rows::elements(text)
                .into_iter()
                .filter_map(|cell| match cell {
                    catalog::rows::Cell::Text(text) => Some(text),
                    _ => None,
                })
                .collect(),
        }
    };
    let (all, declared, modes, names) = (list(15), list(14), list(16), list(17));
    let types = if all.is_empty() { declared } else { all };
    types
        .iter()
        .enumerate()
        .map(|(at, oid)| {
            let kind = oid
                .parse()
                .ok()
                .and_then(|oid| format_type(oid, None))
                .unwrap_or_default();
            let mode = modes.get(at).cloned().unwrap_or_else(|| "i".to_owned());
            (mode, names.get(at).cloned().unwrap_or_default(), kind)
        })
        .collect()
}

pub(super) fn function_arguments(oid: u32) -> Option<String> {
    let fields = procedures().rows.get(&oid)?;
    let shown: Vec<String> = arguments_of(fields)
        .into_iter()
        .filter(|(mode, ..)| mode != "t")
        .map(|(mode, name, kind)| {
            let mode = match mode.as_str() {
                "o" => "OUT ",
                "b" => "INOUT ",
                "v" => "VARIADIC ",
                _ => "",
            };
            let name = if name.is_empty() {
                name
            } else {
                format!("{} ", quote_identifier(&name))
            };
            format!("{mode}{name}{kind}")
        })
        .collect();
    Some(shown.join(", "))
}
