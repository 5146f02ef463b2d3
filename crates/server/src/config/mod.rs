//! `lakegate.toml` and the `LAKEGATE_…` variables laid over it.
//!
//! Unknown keys are errors that name the place and the nearest right key; secrets never print. Start at [`load`].

mod model;
mod node;
mod read;
mod restart;
mod secret;
mod section;
#[cfg(test)]
mod tests;
mod units;

use std::path::Path;

use contract::{Error, ErrorKind, Result};

pub use model::{
    AccessSection, AuditConfig, AzureConfig, Config, DatabricksConfig, EngineConfig, JwtConfig, ServerConfig,
    ServiceConfig, ServiceKind, TlsConfig, UserConfig,
};
pub(crate) use read::folder_url;
pub(crate) use restart::changed_keys;
pub use secret::{Secret, SecretText};
pub use units::{AddressRange, Listen, ListenAddress};

/// Reads the file, if one is given, and lays the environment over it.
///
/// # Errors
/// `Configuration`, with the place and what would be right there.
pub fn load(file: Option<&Path>) -> Result<Config> {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let Some(path) = file else {
        return parse("lakegate.toml", Path::new(""), "", variables);
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::new(
            ErrorKind::Configuration,
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut config = parse(&path.display().to_string(), folder, &text, variables)?;
    config.file = Some(path.to_owned());
    Ok(config)
}

/// Reads a configuration from a text. `file` is its name in errors, `folder` where relative paths start, `variables`
/// the environment.
///
/// # Errors
/// As [`load`].
pub fn parse(
    file: &str,
    folder: &Path,
    text: &str,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config> {
    let mut root = node::parse(file, text)?;
    node::overlay(&mut root, variables);
    let place = section::Place { file, folder };
    read::config(section::Section::new(place, "", node::Origin::Line(1), root))
}
