//! `check`: whether the configuration would do, without serving anything.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use contract::{Error, Identity, QueryContext, Result};
use federation::Source;
use serde_json::json;

use super::{CheckArguments, Progress, print_line};
use crate::config::{Config, ServiceKind};
use crate::rule_check::{self, Warning};
use crate::serve::check_addresses;
use crate::wiring::Setup;

/// How long a service may take to list its schemas.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What trying one service gave.
struct Attempt {
    service: String,
    connection_type: &'static str,
    /// What was seen.
    result: Result<String>,
    latency: Duration,
}

/// What a check found.
struct Findings {
    summary: String,
    /// Names in the rules that nothing answers to: worth a look, but no failure.
    warnings: Vec<Warning>,
    attempts: Vec<Attempt>,
}

pub(crate) async fn check(arguments: CheckArguments) -> Result<ExitCode> {
    match inspect(&arguments).await {
        Ok(findings) => {
            let Findings {
                summary,
                warnings,
                attempts,
            } = findings;
            let success = attempts.iter().all(|attempt| attempt.result.is_ok());
            if arguments.json {
                let services: Vec<_> = attempts.iter().map(attempt_json).collect();
                let warnings: Vec<_> = warnings.iter().map(warning_json).collect();
                let mut answer = json!({ "success": success, "message": summary, "warnings": warnings });
                if let (true, Some(answer)) = (arguments.connect, answer.as_object_mut()) {
                    answer.insert("services".to_owned(), services.into());
                }
                print_line(&answer.to_string())?;
            } else {
                print_line(&summary)?;
                for warning in &warnings {
                    print_line(&format!("warning: {warning}"))?;
                }
                for attempt in &attempts {
                    print_line(&attempt_line(attempt))?;
                }
            }
            Ok(ExitCode::from(u8::from(!success)))
        }
        Err(error) if arguments.json => {
            let answer = json!({ "success": false, "message": error.message(), "hint": error.hint() });
            print_line(&answer.to_string())?;
            Ok(ExitCode::from(2))
        }
        Err(error) => Err(error),
    }
}

async fn inspect(arguments: &CheckArguments) -> Result<Findings> {
    let setup = {
        let progress = Progress::start();
        Setup::load(&arguments.origin, &|line| progress.line(line)).await?
    };
    check_addresses(&setup)?;
    // Building the engine checks services, rules and users together.
    let engine = setup.engine()?;
    let sources = engine.sources();
    let access = setup.access(&setup.config)?;
    let (services, users) = (sources.len(), access.users.len());
    let summary = format!("configuration ok: {services} services, {users} users");
    let warnings = rule_check::compare(&access, &engine).await;
    let mut attempts = Vec::new();
    if arguments.connect {
        for source in sources {
            let config = &setup.config;
            attempts.push(match is_of_users(config, source.name()) {
                true => Attempt {
                    service: source.name().to_owned(),
                    connection_type: connection_type(config, source.name()),
                    result: Ok("not tried, for it is read with the tokens of users".to_owned()),
                    latency: Duration::ZERO,
                },
                false => attempt(&*source, connection_type(config, source.name())).await,
            });
        }
    }
    Ok(Findings {
        summary,
        warnings,
        attempts,
    })
}

/// The type of the service that mounts a catalog. What no service mounts is the demo's folder of Delta tables.
fn connection_type(config: &Config, catalog: &str) -> &'static str {
    let service = config.services.iter().find(|service| service.mounts(catalog));
    service.map_or("delta", |service| service.kind.word())
}

/// Whether a catalog is read with the tokens of users, of which there is none here.
fn is_of_users(config: &Config, catalog: &str) -> bool {
    let service = config.services.iter().find(|service| service.mounts(catalog));
    service.is_some_and(|service| match &service.kind {
        ServiceKind::Databricks(workspace) => workspace.is_passthrough(),
        ServiceKind::Delta { .. } | ServiceKind::Unity { .. } | ServiceKind::Spark { .. } => false,
    })
}

async fn attempt(source: &dyn Source, connection_type: &'static str) -> Attempt {
    let mut ctx = QueryContext::new(std::sync::Arc::new(Identity::administrator("lakegate check")));
    let start = Instant::now();
    ctx.deadline = Some(start + CONNECT_TIMEOUT);
    let result = ctx.race(tried(source, &ctx)).await.and_then(|tried| tried);
    Attempt {
        service: source.name().to_owned(),
        connection_type,
        result,
        latency: start.elapsed(),
    }
}

/// Lists its schemas, and asks in which state its compute is: that starts nothing, and costs nothing.
async fn tried(source: &dyn Source, ctx: &QueryContext) -> Result<String> {
    let schemas = source.schemas(ctx).await?.len();
    Ok(match source.compute_state(ctx).await? {
        Some(state) => format!("{schemas} schemas; {state}"),
        None => format!("{schemas} schemas"),
    })
}

fn failure(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{}. {hint}", error.message()),
        None => error.message().to_owned(),
    }
}

fn warning_json(warning: &Warning) -> serde_json::Value {
    json!({ "message": warning.message, "hint": warning.hint })
}

fn attempt_json(attempt: &Attempt) -> serde_json::Value {
    let message = match &attempt.result {
        Ok(seen) => seen.clone(),
        Err(error) => failure(error),
    };
    json!({
        "service": attempt.service,
        "success": attempt.result.is_ok(),
        "message": message,
        "connection_type": attempt.connection_type,
        "latency_ms": u64::try_from(attempt.latency.as_millis()).unwrap_or(u64::MAX),
    })
}

fn attempt_line(attempt: &Attempt) -> String {
    let Attempt {
        service,
        connection_type,
        result,
        latency,
    } = attempt;
    match result {
        Ok(seen) => format!("{service}: ok, {seen}, {connection_type}, {} ms", latency.as_millis()),
        Err(error) => format!(
            "{service}: failed, {connection_type}, {} ms: {}",
            latency.as_millis(),
            failure(error)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use contract::{ErrorKind, TableName, TableVersion};
    use federation::{SourceTable, TableSummary};

    use super::*;

    /// A source with two schemas whose compute says this, or cannot be asked.
    #[derive(Debug)]
    struct Told(Option<Option<&'static str>>);

    #[async_trait]
    impl Source for Told {
        fn name(&self) -> &str {
            "lake"
        }

        async fn compute_state(&self, _: &QueryContext) -> Result<Option<String>> {
            let away = || Error::new(ErrorKind::SourceUnavailable, "it is away");
            self.0.map(|state| state.map(str::to_owned)).ok_or_else(away)
        }

        async fn schemas(&self, _: &QueryContext) -> Result<Vec<String>> {
            Ok(vec!["one".to_owned(), "other".to_owned()])
        }

        async fn tables(&self, _: &str, _: &QueryContext) -> Result<Vec<TableSummary>> {
            Ok(Vec::new())
        }

        async fn table(&self, _: &TableName, _: TableVersion, _: &QueryContext) -> Result<Option<Arc<SourceTable>>> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn a_service_is_as_well_as_its_compute() {
        let line = async |told: Told| attempt_line(&attempt(&told, "databricks").await);
        let running = line(Told(Some(Some("warehouse \"w\" is running")))).await;
        assert!(
            running.starts_with("lake: ok, 2 schemas; warehouse \"w\" is running, databricks, "),
            "{running}"
        );
        let without = line(Told(Some(None))).await;
        assert!(without.starts_with("lake: ok, 2 schemas, databricks, "), "{without}");
        let away = line(Told(None)).await;
        assert!(
            away.starts_with("lake: failed, databricks, ") && away.ends_with(": it is away"),
            "{away}"
        );
    }
}
