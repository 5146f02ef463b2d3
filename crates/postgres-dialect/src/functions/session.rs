//! Who, where, and with which settings.

use std::sync::Arc;

use contract::{Error, ErrorKind};

use super::scalar::{Declared, Give, Take, Value};
use crate::session_facts::SessionFacts;

pub(super) fn declare(facts: &Arc<SessionFacts>) -> Vec<Declared> {
    let mut all = Vec::new();
    let constant = |name: &str, give: Give, value: Value| Declared::new(name, &[], give, move |_, _| Ok(value.clone()));
    for name in ["current_user", "session_user", "user", "current_role"] {
        all.push(constant(name, Give::Name, Value::from(facts.user.as_str())));
    }
    for name in ["current_database", "current_catalog"] {
        all.push(constant(name, Give::Name, Value::from(facts.database.as_str())));
    }
    all.push(constant(
        "current_schema",
        Give::Name,
        Value::from(facts.search_path.first().map(String::as_str)),
    ));
    all.push(constant("version", Give::Text, Value::from(facts.version())));
    all.push(constant(
        "pg_backend_pid",
        Give::Int4,
        Value::from(i64::from(facts.process_id)),
    ));
    all.push(constant("pg_is_in_recovery", Give::Boolean, Value::from(false)));
    all.push(constant("pg_is_wal_replay_paused", Give::Boolean, Value::from(false)));
    all.push(constant("pg_my_temp_schema", Give::Oid, Value::from(0_u32)));
    all.push(constant("txid_current", Give::Int8, Value::from(1_i64)));
    all.push(constant("txid_current_if_assigned", Give::Int8, Value::Null));
    all.push(constant("pg_current_xact_id_if_assigned", Give::Text, Value::Null));
    all.push(constant("pg_advisory_unlock_all", Give::Void, Value::from("")));
    all.push(constant("inet_server_addr", Give::Text, Value::Null));
    all.push(constant("inet_client_addr", Give::Text, Value::Null));
    all.push(constant("inet_server_port", Give::Int4, Value::Null));
    all.push(constant("getdatabaseencoding", Give::Name, Value::from("UTF8")));
    all.push(constant("pg_client_encoding", Give::Name, Value::from("UTF8")));

    let path = facts.search_path.clone();
    all.push(Declared::new(
        "current_schemas",
        &[Take::Boolean],
        Give::NameList,
        move |arguments, _| {
            let implicit = arguments.first().and_then(Value::boolean).unwrap_or(false);
            let own = (implicit && !path.iter().any(|name| name == "pg_catalog")).then(|| "pg_catalog".to_owned());
            Ok(Value::TextList(
                own.into_iter().chain(path.iter().cloned()).map(Some).collect(),
            ))
        },
    ));

    let settings = Arc::clone(facts);
    all.push(
        Declared::new("current_setting", &[Take::Text], Give::Text, move |arguments, _| {
            let name = arguments.first().and_then(Value::text).unwrap_or_default();
            let missing_ok = arguments.get(1).and_then(Value::boolean).unwrap_or(false);
            match settings.setting(name) {
                Some(value) => Ok(Value::from(value)),
                None if missing_ok => Ok(Value::Null),
                None => Err(Error::new(
                    ErrorKind::UndefinedObject,
                    format!("unrecognized configuration parameter \"{name}\""),
                )
                .into()),
            }
        })
        .optional(&[Take::Boolean]),
    );
    // The setting itself changes before the statement runs, see `settings_written`; this is what it then is.
    all.push(
        Declared::new(
            "set_config",
            &[Take::Text, Take::Text, Take::Boolean],
            Give::Text,
            |arguments, _| Ok(Value::from(arguments.get(1).and_then(Value::text))),
        )
        .called_on_null(),
    );
    for name in ["pg_cancel_backend", "pg_terminate_backend"] {
        all.push(
            Declared::new(name, &[Take::Integer], Give::Boolean, |_, _| {
                Err(
                    Error::new(ErrorKind::PermissionDenied, "permission denied to end another session")
                        .with_hint("Send a cancel request over the protocol.")
                        .into(),
                )
            })
            .optional(&[Take::Integer])
            .volatile(),
        );
    }
    for name in [
        "pg_advisory_lock",
        "pg_advisory_xact_lock",
        "pg_advisory_unlock",
        "pg_try_advisory_lock",
    ] {
        let give = if name.contains("try") || name.contains("unlock") {
            Give::Boolean
        } else {
            Give::Void
        };
        all.push(
            Declared::new(name, &[Take::Integer], give, move |_, _| {
                Err(Error::unsupported("advisory locks are not supported").into())
            })
            .optional(&[Take::Integer])
            .volatile(),
        );
    }
    all
}
