//! Services of type `spark`.

use std::path::Path;
use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use source_spark::{SparkAddress, SparkEngine, Token};

use crate::config::Secret;

/// What the configuration says of one Spark Connect server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server<'a> {
    /// The service's name.
    pub(super) service: &'a str,
    /// The key that holds its address.
    pub(super) key: &'static str,
    /// `sc://…`.
    pub(super) address: &'a Secret,
    /// A token, if it is not in the address.
    pub(super) token: Option<&'a Secret>,
    /// Authorities of its certificate.
    pub(super) ca: Option<&'a Path>,
}

impl Server<'_> {
    /// The server as an engine. Connects to nothing.
    ///
    /// # Errors
    /// `Configuration` if the address, the token or the file of authorities cannot be used.
    pub(super) fn engine(self) -> Result<Arc<SparkEngine>> {
        let what = |key: &str| format!("service \"{}\": {key}", self.service);
        let text = self.address.resolve(&what(self.key))?;
        let named = |error: Error| {
            let named = Error::new(error.kind(), format!("{}: {}", what(self.key), error.message()));
            match error.hint() {
                Some(hint) => named.with_hint(hint),
                None => named,
            }
        };
        let mut address = SparkAddress::parse(text.expose()).map_err(named)?;
        if let Some(token) = self.token {
            let token = token.resolve(&what("access_token"))?;
            address = address
                .with_token(Arc::new(Token::new(token.expose())))
                .map_err(named)?;
        }
        if let Some(path) = self.ca {
            let pem = std::fs::read(path).map_err(|error| {
                let message = format!("{}: cannot read {}: {error}", what("ca"), path.display());
                Error::new(ErrorKind::Configuration, message)
            })?;
            address = address.with_authority(pem);
        }
        Ok(SparkEngine::new(self.service, address))
    }
}
