//! Functions over the catalog: OIDs to names and back, visibility, privileges, definitions.

use std::sync::Arc;

use arrow_schema::FieldRef;
use contract::{DataException, Error, ErrorKind};
use datafusion::common::{DataFusionError, Result};

use super::procedures::{function_arguments, function_result, procedures};
use super::scalar::{Declared, Give, Take, Value};
use crate::catalog::{self, PG_CATALOG_OID, format_type, relation, type_oid_of_name};
use crate::names::{quote_identifier, split_name};
use crate::session_facts::SessionFacts;

/// The name that PostgreSQL prints for an object number of one of the `reg…` types. `None` for types that print
/// their number and for numbers that are no object.
pub(crate) fn object_text(pg_type: &str, oid: u32, facts: &SessionFacts) -> Option<String> {
    if oid == 0 {
        return matches!(
            pg_type,
            "regclass" | "regtype" | "regproc" | "regprocedure" | "regnamespace" | "regrole"
        )
        .then(|| "-".to_owned());
    }
    match pg_type {
        "regclass" => class_text(oid, facts),
        "regtype" => format_type(oid, None),
        "regproc" | "regprocedure" => procedures().names.get(&oid).map(|name| quote_identifier(name)),
        "regnamespace" => facts.catalog.schema_name(oid).map(quote_identifier),
        "regrole" => facts.catalog.role_name(oid).map(quote_identifier),
        _ => None,
    }
}

fn class_text(oid: u32, facts: &SessionFacts) -> Option<String> {
    let (schema, name) = match relation::of_oid(oid) {
        Some(own) => (own.schema, own.name),
        None => {
            let (schema, table) = facts.catalog.table_of_oid(oid)?;
            (schema.name.as_str(), table.name.as_str())
        }
    };
    if is_visible(schema, name, facts) {
        return Some(quote_identifier(name));
    }
    Some(format!("{}.{}", quote_identifier(schema), quote_identifier(name)))
}

/// Whether the bare name finds the relation.
fn is_visible(schema: &str, name: &str, facts: &SessionFacts) -> bool {
    if schema == "pg_catalog" {
        return true;
    }
    if relation::find("pg_catalog", name).is_some() {
        return false;
    }
    let holder = facts
        .search_path
        .iter()
        .find(|path| facts.catalog.table_oid(path, name).is_some());
    match holder {
        Some(holder) => holder == schema,
        None => facts.search_path.iter().any(|path| path == schema) && relation::find(schema, name).is_some(),
    }
}

/// The number of the object that `text` names or is; `None` if there is none.
///
/// # Errors
/// If `text` is no name.
pub(crate) fn oid_of_text(pg_type: &str, text: &str, facts: &SessionFacts) -> contract::Result<Option<u32>> {
    if text == "-" {
        return Ok(Some(0));
    }
    if let Ok(number) = text.trim().parse::<u32>() {
        return Ok(Some(number));
    }
    if pg_type == "regtype" {
        return Ok(type_oid_of_name(text));
    }
    let bare = if pg_type == "regprocedure" {
        text.split('(').next().unwrap_or(text)
    } else {
        text
    };
    let parts = split_name(bare)
        .ok_or_else(|| Error::new(ErrorKind::InvalidName, format!("invalid name syntax: \"{text}\"")))?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(match (pg_type, parts.as_slice()) {
        ("regclass", [name]) => relation::find("pg_catalog", name).map(|own| own.oid).or_else(|| {
            facts.search_path.iter().find_map(|schema| {
                facts
                    .catalog
                    .table_oid(schema, name)
                    .or_else(|| relation::find(schema, name).map(|own| own.oid))
            })
        }),
        ("regclass", [schema, name]) => class_oid(schema, name, facts),
        ("regclass", [database, schema, name]) if *database == facts.database => class_oid(schema, name, facts),
        ("regproc" | "regprocedure", [name] | ["pg_catalog", name]) => procedures().oids.get(name).copied(),
        ("regnamespace", [name]) => facts.catalog.schema_oid(name),
        ("regrole", [name]) => facts.catalog.role_oid(name),
        _ => None,
    })
}

/// The number of the relation that a text names or is, as a cast to `regclass` finds it.
pub fn relation_oid(text: &str, facts: &SessionFacts) -> Option<u32> {
    oid_of_text("regclass", text, facts).ok().flatten()
}

fn class_oid(schema: &str, name: &str, facts: &SessionFacts) -> Option<u32> {
    relation::find(schema, name)
        .map(|own| own.oid)
        .or_else(|| facts.catalog.table_oid(schema, name))
}

/// An object given by number or by name.
pub(super) fn object(pg_type: &str, argument: &Value, facts: &SessionFacts) -> Result<Option<u32>> {
    match argument {
        Value::Integer(_) => Ok(argument.oid()),
        Value::Text(text) => Ok(oid_of_text(pg_type, text, facts)?),
        _ => Ok(None),
    }
}

pub(super) fn missing(pg_type: &str, text: &str) -> DataFusionError {
    match pg_type {
        "regclass" => Error::undefined_table(text),
        "regtype" => Error::new(ErrorKind::UndefinedObject, format!("type \"{text}\" does not exist")),
        "regproc" | "regprocedure" => Error::new(
            ErrorKind::UndefinedFunction,
            format!("function \"{text}\" does not exist"),
        ),
        "regnamespace" => Error::new(ErrorKind::UndefinedSchema, format!("schema \"{text}\" does not exist")),
        _ => Error::new(ErrorKind::UndefinedObject, format!("role \"{text}\" does not exist")),
    }
    .into()
}

pub(super) fn declare(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = object_types(facts);
    all.extend(names(facts));
    all
}

/// `to_regclass` and its kin, and the functions that casts to and from `reg…` types become.
fn object_types(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = Vec::new();
    for (pg_type, give) in [
        ("regclass", Give::RegClass),
        ("regtype", Give::RegType),
        ("regproc", Give::RegProc),
        ("regprocedure", Give::RegProc),
        ("regnamespace", Give::RegNamespace),
        ("regrole", Give::RegRole),
    ] {
        let own = Arc::clone(facts);
        all.push(Declared::new(
            &format!("to_{pg_type}"),
            &[Take::Text],
            give,
            move |arguments, _| {
                let text = arguments.first().and_then(Value::text).unwrap_or_default();
                Ok(Value::from(oid_of_text(pg_type, text, &own).ok().flatten()))
            },
        ));
        let own = Arc::clone(facts);
        all.push(Declared::new(
            &format!("lakegate_{pg_type}"),
            &[Take::Object],
            give,
            move |arguments, _| {
                let Some(argument) = arguments.first() else {
                    return Ok(Value::Null);
                };
                match object(pg_type, argument, &own)? {
                    Some(oid) => Ok(Value::from(oid)),
                    None => Err(missing(pg_type, argument.text().unwrap_or_default())),
                }
            },
        ));
        let own = Arc::clone(facts);
        all.push(Declared::new(
            &format!("lakegate_{pg_type}_text"),
            &[Take::Object],
            Give::Text,
            move |arguments, _| {
                let Some(argument) = arguments.first() else {
                    return Ok(Value::Null);
                };
                match object(pg_type, argument, &own)? {
                    Some(oid) => Ok(Value::from(
                        object_text(pg_type, oid, &own).unwrap_or_else(|| oid.to_string()),
                    )),
                    None => Err(missing(pg_type, argument.text().unwrap_or_default())),
                }
            },
        ));
    }
    all.push(Declared::new(
        "lakegate_oid",
        &[Take::Object],
        Give::Oid,
        |arguments, _| match arguments.first() {
            Some(Value::Integer(number)) => Ok(Value::Integer(*number)),
            Some(Value::Text(text)) => match text.trim().parse::<u32>() {
                Ok(number) => Ok(Value::from(number)),
                Err(_) => Err(Error::data(
                    DataException::InvalidTextRepresentation,
                    format!("invalid input syntax for type oid: \"{text}\""),
                )
                .into()),
            },
            _ => Ok(Value::Null),
        },
    ));
    all.push(Declared::new(
        "lakegate_name",
        &[Take::Text],
        Give::Name,
        |arguments, _| Ok(arguments.first().cloned().unwrap_or(Value::Null)),
    ));
    all.extend(told());
    all
}

/// `x::uuid`, `x::json` and `x::jsonb`: texts that a client is told to be of that type.
fn told() -> [Declared; 3] {
    let checked = |pg_type: &'static str, right: fn(&str) -> Option<String>| {
        move |arguments: &[Value], _: &[FieldRef]| match arguments.first().and_then(Value::text) {
            None => Ok(Value::Null),
            Some(text) => match right(text) {
                Some(value) => Ok(Value::from(value)),
                None => Err(Error::data(
                    DataException::InvalidTextRepresentation,
                    format!("invalid input syntax for type {pg_type}: \"{text}\""),
                )
                .into()),
            },
        }
    };
    let json = |text: &str| {
        serde_json::from_str::<serde_json::Value>(text)
            .is_ok()
            .then(|| text.to_owned())
    };
    [
        Declared::new("lakegate_uuid", &[Take::Text], Give::Uuid, checked("uuid", uuid)).immutable(),
        Declared::new("lakegate_json", &[Take::Text], Give::Json, checked("json", json)).immutable(),
        Declared::new("lakegate_jsonb", &[Take::Text], Give::Jsonb, checked("jsonb", json)).immutable(),
    ]
}

/// The usual spelling of a uuid: PostgreSQL reads it with braces, and with hyphens after any four digits, too.
fn uuid(text: &str) -> Option<String> {
    let inner = text.trim();
    let inner = match inner.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => inner,
    };
    let mut digits = String::with_capacity(32);
    for sign in inner.chars() {
        match sign {
            '-' if !digits.is_empty() && digits.len().is_multiple_of(4) => {}
            sign if sign.is_ascii_hexdigit() => digits.push(sign.to_ascii_lowercase()),
            _ => return None,
        }
    }
    if digits.len() != 32 {
        return None;
    }
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default());
    Some(parts.join("-"))
}

fn names(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = Vec::new();
    all.push(
        Declared::new(
            "format_type",
            &[Take::Integer, Take::Integer],
            Give::Text,
            |arguments, _| {
                let Some(oid) = arguments.first().and_then(Value::oid) else {
                    return Ok(Value::Null);
                };
                let modifier = arguments
                    .get(1)
                    .and_then(Value::integer)
                    .and_then(|number| i32::try_from(number).ok());
                Ok(Value::from(
                    format_type(oid, modifier).unwrap_or_else(|| "???".to_owned()),
                ))
            },
        )
        .called_on_null(),
    );
    let own = Arc::clone(facts);
    all.push(Declared::new(
        "pg_get_userbyid",
        &[Take::Integer],
        Give::Name,
        move |arguments, _| {
            let oid = arguments.first().and_then(Value::oid).unwrap_or_default();
            let name = own.catalog.role_name(oid).map(str::to_owned);
            Ok(Value::from(name.unwrap_or_else(|| format!("unknown (OID={oid})"))))
        },
    ));
    let own = Arc::clone(facts);
    all.push(Declared::new(
        "pg_table_is_visible",
        &[Take::Integer],
        Give::Boolean,
        move |arguments, _| {
            let oid = arguments.first().and_then(Value::oid).unwrap_or_default();
            let place = match relation::of_oid(oid) {
                Some(relation) => Some((relation.schema, relation.name)),
                None => own
                    .catalog
                    .table_of_oid(oid)
                    .map(|(schema, table)| (schema.name.as_str(), table.name.as_str())),
            };
            Ok(Value::from(place.map(|(schema, name)| is_visible(schema, name, &own))))
        },
    ));
    for name in [
        "pg_function_is_visible",
        "pg_operator_is_visible",
        "pg_collation_is_visible",
        "pg_opclass_is_visible",
        "pg_opfamily_is_visible",
        "pg_conversion_is_visible",
        "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible",
        "pg_ts_parser_is_visible",
        "pg_ts_template_is_visible",
        "pg_statistics_obj_is_visible",
    ] {
        all.push(Declared::new(name, &[Take::Integer], Give::Boolean, |_, _| {
            Ok(Value::from(true))
        }));
    }
    all.push(Declared::new(
        "pg_type_is_visible",
        &[Take::Integer],
        Give::Boolean,
        |arguments, _| {
            let fact = arguments.first().and_then(Value::oid).and_then(catalog::types::by_oid);
            Ok(Value::from(fact.map(|fact| fact.namespace == PG_CATALOG_OID)))
        },
    ));
    all.push(Declared::new(
        "pg_encoding_to_char",
        &[Take::Integer],
        Give::Name,
        |arguments, _| {
            let name = match arguments.first().and_then(Value::integer) {
                Some(0) => "SQL_ASCII",
                Some(6) => "UTF8",
                Some(8) => "LATIN1",
                _ => "",
            };
            Ok(Value::from(name))
        },
    ));
    all.push(Declared::new(
        "pg_char_to_encoding",
        &[Take::Text],
        Give::Int4,
        |arguments, _| {
            let name = arguments
                .first()
                .and_then(Value::text)
                .unwrap_or_default()
                .to_ascii_lowercase();
            Ok(Value::from(if matches!(name.as_str(), "utf8" | "utf-8" | "unicode") {
                6_i64
            } else {
                -1
            }))
        },
    ));
    for (name, result) in [
        ("pg_get_function_result", true),
        ("pg_get_function_arguments", false),
        ("pg_get_function_identity_arguments", false),
    ] {
        all.push(Declared::new(
            name,
            &[Take::Integer],
            Give::Text,
            move |arguments, _| {
                let oid = arguments.first().and_then(Value::oid).unwrap_or_default();
                Ok(Value::from(if result {
                    function_result(oid)
                } else {
                    function_arguments(oid)
                }))
            },
        ));
    }
    let own = Arc::clone(facts);
    all.push(
        Declared::new("pg_get_viewdef", &[Take::Object], Give::Text, move |arguments, _| {
            let oid = match arguments.first() {
                Some(argument) => object("regclass", argument, &own)?,
                None => None,
            };
            let table = oid.and_then(|oid| own.catalog.table_of_oid(oid));
            Ok(Value::from(table.and_then(|(_, table)| table.definition.clone())))
        })
        .optional(&[Take::Any]),
    );
    // Nothing of these kinds exists here, so there is no number to describe.
    for (name, most) in [
        ("pg_get_constraintdef", 2),
        ("pg_get_indexdef", 3),
        ("pg_get_triggerdef", 2),
        ("pg_get_ruledef", 2),
        ("pg_get_functiondef", 1),
        ("pg_get_function_sqlbody", 1),
        ("pg_get_partkeydef", 1),
        ("pg_get_statisticsobjdef", 1),
        ("pg_get_statisticsobjdef_columns", 1),
        ("pg_get_partition_constraintdef", 1),
        ("pg_tablespace_location", 1),
        ("pg_get_function_arg_default", 2),
    ] {
        let optional = vec![Take::Any; most - 1];
        all.push(Declared::new(name, &[Take::Any], Give::Text, |_, _| Ok(Value::Null)).optional(&optional));
    }
    all.push(
        Declared::new("pg_get_expr", &[Take::Any, Take::Any], Give::Text, |arguments, _| {
            Ok(arguments.first().cloned().unwrap_or(Value::Null))
        })
        .optional(&[Take::Any]),
    );
    all.push(Declared::new(
        "pg_get_serial_sequence",
        &[Take::Text, Take::Text],
        Give::Text,
        |_, _| Ok(Value::Null),
    ));
    for name in [
        "pg_relation_size",
        "pg_total_relation_size",
        "pg_table_size",
        "pg_indexes_size",
        "pg_database_size",
        "pg_tablespace_size",
    ] {
        // Sizes are not told: they would speak of rows that rules hide.
        all.push(Declared::new(name, &[Take::Any], Give::Int8, |_, _| Ok(Value::Null)).optional(&[Take::Text]));
    }
    all.push(Declared::new(
        "pg_relation_is_publishable",
        &[Take::Any],
        Give::Boolean,
        |_, _| Ok(Value::from(false)),
    ));
    all.push(Declared::new(
        "pg_relation_filenode",
        &[Take::Any],
        Give::Oid,
        |_, _| Ok(Value::Null),
    ));
    all.push(Declared::new(
        "pg_is_other_temp_schema",
        &[Take::Integer],
        Give::Boolean,
        |_, _| Ok(Value::from(false)),
    ));
    all.push(
        Declared::new("pg_relation_is_updatable", &[Take::Any], Give::Int4, |_, _| {
            Ok(Value::from(0_i64))
        })
        .optional(&[Take::Boolean]),
    );
    all.push(Declared::new(
        "pg_column_is_updatable",
        &[Take::Any, Take::Integer, Take::Boolean],
        Give::Boolean,
        |_, _| Ok(Value::from(false)),
    ));
    for name in [
        "pg_index_column_has_property",
        "pg_index_has_property",
        "pg_indexam_has_property",
    ] {
        all.push(
            Declared::new(name, &[Take::Any, Take::Any], Give::Boolean, |_, _| Ok(Value::Null)).optional(&[Take::Any]),
        );
    }
    for name in [
        "pg_stat_get_numscans",
        "pg_stat_get_live_tuples",
        "pg_stat_get_dead_tuples",
    ] {
        all.push(Declared::new(name, &[Take::Integer], Give::Int8, |_, _| {
            Ok(Value::from(0_i64))
        }));
    }
    // The access list that an object without one has: nothing is granted here.
    all.push(Declared::new(
        "acldefault",
        &[Take::Text, Take::Integer],
        Give::TextList,
        |_, _| Ok(Value::Null),
    ));
    // An array for set-returning functions over things that do not exist.
    all.push(
        Declared::new("lakegate_nothing", &[], Give::Int4List, |_, _| {
            Ok(Value::TextList(Vec::new()))
        })
        .variadic(Take::Any)
        .called_on_null(),
    );
    all.push(Declared::new(
        "pg_describe_object",
        &[Take::Integer, Take::Integer, Take::Integer],
        Give::Text,
        {
            let own = Arc::clone(facts);
            move |arguments, _| {
                let oid = arguments.get(1).and_then(Value::oid).unwrap_or_default();
                Ok(Value::from(class_text(oid, &own).map(|name| format!("table {name}"))))
            }
        },
    ));
    all.push(Declared::new(
        "oidvectortypes",
        &[Take::TextList],
        Give::Text,
        oid_vector_types,
    ));
    all
}

fn oid_vector_types(arguments: &[Value], _: &[arrow_schema::FieldRef]) -> Result<Value> {
    let Some(Value::TextList(items)) = arguments.first() else {
        return Ok(Value::Null);
    };
    let names = items
        .iter()
        .flatten()
        .filter_map(|text| format_type(text.parse().ok()?, None));
    Ok(Value::from(names.collect::<Vec<_>>().join(", ")))
}
