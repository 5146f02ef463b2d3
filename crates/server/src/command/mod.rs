//! The command line: what is said is parsed here and handed on; what comes back becomes an exit code.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

mod check;
mod completions;
mod credentials;
mod report;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use contract::{ErrorKind, Result};
use tracing_subscriber::EnvFilter;

pub(crate) use report::{Progress, print_error, print_line};

use crate::config::Listen;
use crate::output::Format;
use crate::wiring::Origin;

/// Stacks of worker threads: deep plans recurse. The planner's limits on terms and depth are the guard, this is room.
const STACK_BYTES: usize = 64 << 20;

/// A SQL gateway in front of a lakehouse
#[derive(Debug, Parser)]
#[command(
    name = "lakegate",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the catalogs to PostgreSQL clients
    Serve(ServeArguments),
    /// Run SQL in this process: a statement, a file, standard input, or a prompt
    Sql(SqlArguments),
    /// Check the configuration, and the rules against what the services have
    Check(CheckArguments),
    /// Read a password and print its SCRAM-SHA-256 verifier
    HashPassword {
        /// Rounds of hashing; more cost every login more
        #[arg(long, default_value_t = credentials::ITERATIONS, value_parser = clap::value_parser!(u32).range(4096..=1_000_000))]
        iterations: u32,
    },
    /// Print a new API key and the hash that the configuration keeps
    NewApiKey,
    /// Work with rules
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Print a completion script
    Completions {
        /// The shell that it is for
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Run files of expectations about who sees what
    #[command(long_about = crate::policy_test::HELP)]
    Test(PolicyTestArguments),
}

/// Arguments of `serve`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) origin: Origin,
    /// Where PostgreSQL clients connect [default: 127.0.0.1:5432]
    #[arg(long, value_name = "HOST:PORT|off", value_parser = str::parse::<Listen>)]
    pub(crate) postgres: Option<Listen>,
    /// Where Flight SQL clients connect [default: 127.0.0.1:50051]
    #[arg(long, value_name = "HOST:PORT|off", value_parser = str::parse::<Listen>)]
    pub(crate) flight: Option<Listen>,
    /// Where REST clients connect [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT|off", value_parser = str::parse::<Listen>)]
    pub(crate) rest: Option<Listen>,
}

/// Arguments of `sql`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SqlArguments {
    #[command(flatten)]
    pub(crate) origin: Origin,
    /// As whom; without this as the administrator
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// The catalog that short names mean
    #[arg(long, short = 'd', value_name = "CATALOG")]
    pub(crate) catalog: Option<String>,
    /// Statements to run
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "file")]
    pub(crate) command: Option<String>,
    /// A file of statements; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How results are written [default: table, to a file by its extension]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Where results go; the file appears when they are complete
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) origin: Origin,
    /// Try each service
    #[arg(long)]
    pub(crate) connect: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `policy test`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct PolicyTestArguments {
    #[command(flatten)]
    pub(crate) origin: Origin,
    /// Files of expectations
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// The `lakegate` command: parses the arguments of this process and does what they say.
pub fn main() -> ExitCode {
    // Two crypto providers are linked; the first user of TLS would not know which to take.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_filter(&arguments)));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match run(arguments) {
        Ok(code) => code,
        Err(error) if crate::output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error, None);
            tracing::debug!(causes = error.causes(), "the command failed");
            ExitCode::from(if error.kind() == ErrorKind::Configuration { 2 } else { 1 })
        }
    }
}

/// A server tells of its life; a tool is quiet. The kernels log a table that is not there as an error; what fails
/// comes back to us as an error anyway.
fn default_filter(arguments: &Arguments) -> &'static str {
    match arguments.command {
        Command::Serve(_) => "info,datafusion=warn,deltalake_core=warn,delta_kernel=off,buoyant_kernel=off",
        _ => "error,delta_kernel=off,buoyant_kernel=off",
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    let command = match arguments.command {
        Command::HashPassword { iterations } => return credentials::hash_password(iterations),
        Command::NewApiKey => return credentials::new_api_key(),
        Command::Completions { shell } => return completions::print(shell),
        command => command,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    let runtime = runtime.map_err(|error| contract::Error::internal(format!("no runtime: {error}")))?;
    let code = match command {
        Command::Serve(arguments) => runtime.block_on(crate::serve::serve(arguments)),
        Command::Sql(arguments) => crate::sql::run(&runtime, arguments),
        Command::Check(arguments) => runtime.block_on(check::check(arguments)),
        Command::Policy {
            command: PolicyCommand::Test(arguments),
        } => runtime.block_on(crate::policy_test::run(arguments)),
        Command::HashPassword { .. } | Command::NewApiKey | Command::Completions { .. } => Ok(ExitCode::SUCCESS),
    };
    // What still blocks a thread (a stalled disk) must not hold up the exit.
    runtime.shutdown_background();
    code
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_are_checked_while_parsing() {
        let parse = |arguments: &[&str]| Arguments::try_parse_from(arguments);
        assert!(parse(&["lakegate", "serve", "--postgres", "127.0.0.1:0", "--flight", "off"]).is_ok());
        assert!(
            parse(&["lakegate", "serve", "--postgres", "5432"])
                .unwrap_err()
                .to_string()
                .contains("neither HOST:PORT nor off")
        );
        assert!(parse(&["lakegate", "serve", "--demo", "--config", "x"]).is_err());
        assert!(parse(&["lakegate", "serve", "--demo-scale", "1"]).is_err());
    }
}
