//! `check`: whether the configuration would do, without serving anything.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use contract::{Error, Identity, QueryContext, Result};
use federation::Source;
use serde_json::json;

use super::{CheckArguments, Progress, print_line};
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

pub(crate) async fn check(arguments: CheckArguments) -> Result<ExitCode> {
    match inspect(&arguments).await {
        Ok((summary, attempts)) => {
            let success = attempts.iter().all(|attempt| attempt.result.is_ok());
            if arguments.json {
                let services: Vec<_> = attempts.iter().map(attempt_json).collect();
                let mut answer = json!({ "success": success, "message": summary });
                if let (true, Some(answer)) = (arguments.connect, answer.as_object_mut()) {
                    answer.insert("services".to_owned(), services.into());
                }
                print_line(&answer.to_string())?;
            } else {
                print_line(&summary)?;
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

async fn inspect(arguments: &CheckArguments) -> Result<(String, Vec<Attempt>)> {
    let setup = {
        let progress = Progress::start();
        Setup::load(&arguments.origin, &|line| progress.line(line)).await?
    };
    check_addresses(&setup)?;
    // Building the engine checks services, rules and users together.
    setup.engine()?;
    let sources = setup.sources(&setup.config)?;
    let users = setup.access(&setup.config)?.users.len();
    let summary = format!("configuration ok: {} services, {users} users", sources.len());
    let mut attempts = Vec::new();
    if arguments.connect {
        for source in sources {
            attempts.push(attempt(&*source).await);
        }
    }
    Ok((summary, attempts))
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
