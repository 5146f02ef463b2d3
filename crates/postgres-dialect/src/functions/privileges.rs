//! Functions that ask what a role may do, and for the comments on objects.

use std::sync::Arc;

use super::catalog_lookup::{missing, object};
use super::scalar::{Declared, Give, Take, Value};
use crate::catalog::{comment_of, relation};
use crate::session_facts::SessionFacts;

pub(super) fn declare(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = privileges(facts);
    all.extend(comments(facts));
    all
}

fn privileges(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = Vec::new();
    // What is visible may be read; nothing may be changed.
    // How many arguments from the end the table stands; 0 where the object is of another kind.
    for (name, reading, table) in [
        ("has_table_privilege", &["select"][..], 2),
        ("has_any_column_privilege", &["select"], 2),
        ("has_column_privilege", &["select"], 3),
        ("has_schema_privilege", &["usage"], 0),
        ("has_database_privilege", &["connect"], 0),
        ("has_function_privilege", &["execute"], 0),
        ("has_type_privilege", &["usage"], 0),
        ("has_language_privilege", &["usage"], 0),
        ("has_sequence_privilege", &["select", "usage"], 0),
        ("has_tablespace_privilege", &[], 0),
        ("has_server_privilege", &["usage"], 0),
        ("has_foreign_data_wrapper_privilege", &["usage"], 0),
    ] {
        let own = Arc::clone(facts);
        all.push(
            Declared::new(
                name,
                &[Take::Object, Take::Object],
                Give::Boolean,
                move |arguments, _| {
                    if table > 0
                        && let Some(argument) = arguments.len().checked_sub(table).and_then(|at| arguments.get(at))
                    {
                        let Some(oid) = object("regclass", argument, &own)? else {
                            return Err(missing("regclass", argument.text().unwrap_or_default()));
                        };
                        if relation::of_oid(oid).is_none() && own.catalog.table_of_oid(oid).is_none() {
                            return Ok(Value::Null);
                        }
                    }
                    let asked = arguments
                        .last()
                        .and_then(Value::text)
                        .unwrap_or_default()
                        .to_ascii_lowercase();
                    Ok(Value::from(asked.split(',').any(|one| reading.contains(&one.trim()))))
                },
            )
            .optional(&[Take::Object, Take::Object]),
        );
    }
    let own = Arc::clone(facts);
    all.push(
        Declared::new(
            "pg_has_role",
            &[Take::Object, Take::Object],
            Give::Boolean,
            move |arguments, _| {
                let (user, role) = match arguments {
                    [user, role, _] => (Some(user), role),
                    [role, _] => (None, role),
                    _ => return Ok(Value::Null),
                };
                let name = |value: &Value| match value {
                    Value::Integer(_) => value
                        .oid()
                        .and_then(|oid| own.catalog.role_name(oid))
                        .map(str::to_owned),
                    _ => value.text().map(str::to_owned),
                };
                let member = user.map_or_else(|| Some(own.user.clone()), name);
                let (Some(member), Some(role)) = (member, name(role)) else {
                    return Ok(Value::from(false));
                };
                let entry = own
                    .catalog
                    .roles()
                    .find(|(_, entry)| entry.name == member)
                    .map(|(_, entry)| entry);
                let superuser = entry.map_or(own.superuser && member == own.user, |entry| entry.superuser);
                let direct = entry.is_some_and(|entry| entry.member_of.contains(&role));
                Ok(Value::from(superuser || direct || member == role))
            },
        )
        .optional(&[Take::Object]),
    );
    all
}

fn comments(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = Vec::new();
    let own = Arc::clone(facts);
    all.push(
        Declared::new("obj_description", &[Take::Integer], Give::Text, move |arguments, _| {
            let oid = arguments.first().and_then(Value::oid).unwrap_or_default();
            if arguments
                .get(1)
                .and_then(Value::text)
                .is_some_and(|class| class != "pg_class")
            {
                return Ok(Value::Null);
            }
            let of_snapshot = || own.catalog.table_of_oid(oid)?.1.comment.clone();
            Ok(Value::from(own.comments.of(oid, 0).or_else(of_snapshot)))
        })
        .optional(&[Take::Text]),
    );
    all.push(Declared::new(
        "shobj_description",
        &[Take::Integer, Take::Text],
        Give::Text,
        |_, _| Ok(Value::Null),
    ));
    let own = Arc::clone(facts);
    all.push(Declared::new(
        "col_description",
        &[Take::Integer, Take::Integer],
        Give::Text,
        move |arguments, _| {
            let oid = arguments.first().and_then(Value::oid).unwrap_or_default();
            let number = arguments.get(1).and_then(Value::integer).unwrap_or_default();
            if number < 1 {
                return Ok(Value::Null);
            }
            let of_snapshot = || {
                let columns = own.catalog.table_of_oid(oid)?.1.columns.as_ref()?;
                let field = columns.fields().get(usize::try_from(number - 1).ok()?)?;
                comment_of(field).map(str::to_owned)
            };
            Ok(Value::from(own.comments.of(oid, number).or_else(of_snapshot)))
        },
    ));
    all
}
