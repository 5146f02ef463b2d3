use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use contract::Result;

use super::Arguments;
use crate::output::write_failed;

/// Prints the completion script of `shell`.
pub(crate) fn print(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "lakegate", &mut script);
    std::io::stdout().write_all(&script).map_err(write_failed)?;
    Ok(ExitCode::SUCCESS)
}
