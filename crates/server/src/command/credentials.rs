//! `hash-password` and `new-api-key`: what goes into the configuration instead of a secret.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use contract::{Error, ErrorKind, Result};
use engine::ScramVerifier;

use super::print_line;
use crate::api_key;

/// Costs an attacker with the file 25 times what PostgreSQL's default does, and a login some 30 ms of the client.
pub(crate) const ITERATIONS: u32 = 100_000;
/// As PostgreSQL's.
const SALT_BYTES: usize = 16;
/// A longer line is a wrong file.
const PASSWORD_BYTES_MAX: usize = 1024;

pub(crate) fn hash_password(iterations: u32) -> Result<ExitCode> {
    let password = read_password()?;
    if password.is_empty() {
        return Err(Error::new(ErrorKind::InvalidParameter, "the password is empty"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::InvalidParameter,
            format!("the password is longer than {PASSWORD_BYTES_MAX} bytes"),
        ));
    }
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| Error::internal("no random bytes"))?;
    print_line(&ScramVerifier::derive(&password, &salt, iterations).to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn read_password() -> Result<String> {
    let failed =
        |error: std::io::Error| Error::new(ErrorKind::Configuration, format!("cannot read the password: {error}"));
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut line = String::new();
        let limit = u64::try_from(PASSWORD_BYTES_MAX + 2).unwrap_or(u64::MAX);
        std::io::Read::take(stdin.lock(), limit)
            .read_line(&mut line)
            .map_err(failed)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let first = rpassword::prompt_password("Password: ").map_err(failed)?;
    let second = rpassword::prompt_password("Again: ").map_err(failed)?;
    if first != second {
        return Err(Error::new(ErrorKind::InvalidParameter, "the two passwords differ"));
    }
    Ok(first)
}

pub(crate) fn new_api_key() -> Result<ExitCode> {
    let key = api_key::generate()?;
    print_line(&format!("key:  {key}"))?;
    print_line(&format!("hash: {}", api_key::hash(&key)))?;
    Ok(ExitCode::SUCCESS)
}
