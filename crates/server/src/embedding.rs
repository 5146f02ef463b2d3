//! What a program that embeds the engine takes from a configuration.

use std::path::Path;

use contract::Result;
use engine::Engine;

use crate::wiring::Setup;

/// The engine that the configuration `file` describes: its services, limits, users and rules. Opens no door, writes no
/// audit, and does not follow later changes of the file.
///
/// # Errors
/// `Configuration`, with the place and what would be right there.
pub fn engine_from_file(file: &Path) -> Result<Engine> {
    let config = crate::config::load(Some(file))?;
    Setup::of(config).engine()
}
