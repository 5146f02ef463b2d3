//! `sql`: the engine in this process, behind a statement, a file or a prompt.

mod complete;
mod helper;
mod meta;
mod prompt;
mod runner;

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use contract::{Error, ErrorKind, Identity, Result};
use engine::{ClientSession, Engine, SessionOptions};
use tokio::runtime::Runtime;

use crate::command::{Progress, SqlArguments, print_error};
use crate::output::{Format, Target, is_broken_pipe};
use crate::wiring::Setup;

use runner::Runner;
pub(crate) use runner::rows_of;

/// A script beyond this is data, not statements.
const SCRIPT_BYTES_MAX: u64 = 64 << 20;

/// Where sessions come from.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    engine: Engine,
    pub(crate) user: Option<String>,
    pub(crate) catalog: Option<String>,
}

impl Door {
    /// Opens a session; without a user's name as the administrator, who this process' user is by reading its files.
    pub(crate) fn open(&self) -> Result<ClientSession> {
        let identity = match &self.user {
            Some(user) => self.engine.identity(user)?,
            None => Arc::new(Identity::administrator(
                std::env::var("USER").unwrap_or_else(|_| "lakegate".to_owned()),
            )),
        };
        let settings = vec![("application_name".to_owned(), "lakegate".to_owned())];
        self.engine.open_session(
            identity,
            SessionOptions {
                catalog: self.catalog.clone(),
                settings,
                ..SessionOptions::default()
            },
        )
    }
}

pub(crate) fn run(runtime: &Runtime, arguments: SqlArguments) -> Result<ExitCode> {
    let setup = {
        let progress = Progress::start();
        runtime.block_on(Setup::load(&arguments.origin, &|line| progress.line(line)))?
    };
    // The engine's sources may want the runtime.
    let _guard = runtime.enter();
    let door = Door {
        engine: setup.engine()?,
        user: arguments.user.clone(),
        catalog: arguments.catalog.clone(),
    };
    let session = door.open()?;
    let script = script(&arguments)?;
    let from_name = arguments.output.as_deref().and_then(format_of);
    let format = arguments.format.or(from_name).unwrap_or(Format::Table);
    let Some(script) = script else {
        return prompt::run(runtime, door, session, format, arguments.output.as_deref());
    };
    if format.is_binary() && arguments.output.is_none() && std::io::stdout().is_terminal() {
        let message = format!("{} is not for a terminal", format.name());
        return Err(Error::new(ErrorKind::InvalidParameter, message).with_hint("Name a file with -o."));
    }
    let mut runner = Runner::new(session, format);
    runner.show_progress = arguments.output.is_some() || !std::io::stdout().is_terminal();
    let mut target = arguments
        .output
        .as_deref()
        .map_or_else(|| Ok(Target::stdout()), Target::file)?;
    let done = runtime
        .block_on(runner.run(&script, &mut target))
        .and_then(|()| target.finish());
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            print_error(&error, Some(&script));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The statements to run; none if people are to type them.
fn script(arguments: &SqlArguments) -> Result<Option<String>> {
    let failed = |what: &str, error: std::io::Error| {
        Error::new(ErrorKind::Configuration, format!("cannot read {what}: {error}"))
    };
    let stdin = || {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(SCRIPT_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|error| failed("standard input", error))?;
        Ok(Some(text))
    };
    match (&arguments.command, &arguments.file) {
        (Some(command), _) => Ok(Some(command.clone())),
        (None, Some(file)) if file == Path::new("-") => stdin(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map(Some)
            .map_err(|error| failed(&file.display().to_string(), error)),
        (None, None) if std::io::stdin().is_terminal() => Ok(None),
        (None, None) => stdin(),
    }
}

/// The format that a file's name asks for.
fn format_of(path: &Path) -> Option<Format> {
    Some(match path.extension()?.to_str()? {
        "csv" => Format::Csv,
        "json" => Format::Json,
        "ndjson" | "jsonl" => Format::Ndjson,
        "arrow" | "arrows" => Format::Arrow,
        "parquet" => Format::Parquet,
        _ => return None,
    })
}
