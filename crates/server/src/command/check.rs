//! `check`: whether the configuration would do, without serving anything.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use contract::{Error, Identity, QueryContext, Result};
use federation::Source;
use serde_json::json;

use super::{CheckArguments, Progress, print_line};
use crate::rule_check::{self, Warning};
use crate::serve::check_addresses;
use crate::wiring::Setup;

/// How long a service may take to list its schemas.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What trying one service gave.
struct Attempt {
    service: String,
    connection_type: &'static str,
    result: Result<usize>,
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
            attempts.push(attempt(&*source).await);
        }
    }
    Ok(Findings {
        summary,
        warnings,
        attempts,
    })
}

async fn attempt(source: &dyn Source) -> Attempt {
    let mut ctx = QueryContext::new(std::sync::Arc::new(Identity::administrator("lakegate check")));
    let start = Instant::now();
    ctx.deadline = Some(start + CONNECT_TIMEOUT);
    let result = match ctx.race(source.schemas(&ctx)).await {
        Ok(schemas) => schemas.map(|schemas| schemas.len()),
        Err(error) => Err(error),
    };
    Attempt {
        service: source.name().to_owned(),
        connection_type: "delta",
        result,
        latency: start.elapsed(),
    }
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
        Ok(schemas) => format!("{schemas} schemas"),
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
        Ok(schemas) => format!(
            "{service}: ok, {schemas} schemas, {connection_type}, {} ms",
            latency.as_millis()
        ),
        Err(error) => format!(
            "{service}: failed, {connection_type}, {} ms: {}",
            latency.as_millis(),
            failure(error)
        ),
    }
}
