//! Secrets and references to them. Nothing here prints one.

use std::fmt;
use std::path::{Path, PathBuf};

use contract::{Error, ErrorKind, Result};

/// Files with a secret are short; more is a wrong path.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A secret, or where to find it. `Debug` shows which of the two, never the value.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Literal(SecretText),
    /// `env:NAME`.
    Environment(String),
    /// `file:PATH`.
    File(PathBuf),
    /// `{{secrets/SCOPE/KEY}}`, kept by the Databricks workspace of the service.
    Databricks {
        /// The scope.
        scope: String,
        /// The key in it.
        key: String,
    },
}

/// The value of a secret, without a `Display` and with a `Debug` that hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Wraps a value.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => text.fmt(f),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Databricks { scope, key } => write!(f, "{{{{secrets/{scope}/{key}}}}}"),
        }
    }
}

impl Secret {
    pub(crate) fn parse(text: &str, folder: &Path) -> std::result::Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let usable = !name.is_empty() && !name.contains(['=', '\0']);
            return if usable {
                Ok(Self::Environment(name.to_owned()))
            } else {
                Err("env: needs a name".to_owned())
            };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() {
                Err("file: needs a path".to_owned())
            } else {
                Ok(Self::File(folder.join(path)))
            };
        }
        if let Some(inner) = text.strip_prefix("{{secrets/").and_then(|rest| rest.strip_suffix("}}")) {
            return match inner.split_once('/') {
                Some((scope, key)) if !scope.is_empty() && !key.is_empty() => Ok(Self::Databricks {
                    scope: scope.to_owned(),
                    key: key.to_owned(),
                }),
                _ => Err("a secret of a workspace is written {{secrets/SCOPE/KEY}}".to_owned()),
            };
        }
        Ok(Self::Literal(SecretText::new(text)))
    }

    /// The file that the secret is read from, if it is.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            _ => None,
        }
    }

    /// Fetches the value. `what` names the key in errors.
    ///
    /// # Errors
    /// `Configuration` if the variable is not set, the file cannot be read, or the reference is of a kind that the key
    /// does not take.
    pub fn resolve(&self, what: &str) -> Result<SecretText> {
        let error = |message: String| Error::new(ErrorKind::Configuration, format!("{what}: {message}"));
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::Environment(name) => match std::env::var(name) {
                Ok(value) => Ok(SecretText(value)),
                Err(std::env::VarError::NotPresent) => Err(error(format!("environment variable {name} is not set"))),
                Err(std::env::VarError::NotUnicode(_)) => {
                    Err(error(format!("environment variable {name} is not UTF-8")))
                }
            },
            Self::File(path) => {
                let unreadable = |cause: std::io::Error| error(format!("cannot read {}: {cause}", path.display()));
                let length = std::fs::metadata(path).map_err(unreadable)?.len();
                if length > SECRET_BYTES_MAX {
                    return Err(error(format!("{} is too long for a secret", path.display())));
                }
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                Ok(SecretText(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
            Self::Databricks { .. } => Err(error(
                "secrets of a Databricks workspace are not available for this key".to_owned(),
            )),
        }
    }
}
