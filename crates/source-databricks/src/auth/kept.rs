//! Credentials that a workspace keeps as a secret: somebody else's login reads them.

use std::fmt;
use std::sync::Arc;

use contract::Result;
use url::Url;

use super::{Credentials, Login, Token, TokenSource};
use crate::clock::{Clock, Moment};
use crate::http::Http;
use crate::renewing::Lease;
use crate::secret::Secret;
use crate::workspace::Workspace;

/// How often a secret is read again: it may have been replaced.
const LIFE_MS: Moment = 10 * 60 * 1000;

/// Where a secret is kept, and what credentials it is a part of.
#[derive(Clone)]
pub struct KeptSecret {
    reader: Workspace,
    scope: String,
    key: String,
    principal: String,
    make: Arc<dyn Fn(Secret) -> Credentials + Send + Sync>,
}

impl KeptSecret {
    /// The secret `key` of `scope`, which `reader` may read; `make` puts credentials together with it. `principal` is a
    /// name for whom they stand for.
    pub fn new(
        reader: Workspace,
        scope: &str,
        key: &str,
        principal: &str,
        make: impl Fn(Secret) -> Credentials + Send + Sync + 'static,
    ) -> Self {
        Self {
            reader,
            scope: scope.to_owned(),
            key: key.to_owned(),
            principal: principal.to_owned(),
            make: Arc::new(make),
        }
    }

    pub(super) fn principal(&self) -> &str {
        &self.principal
    }
}

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{{secrets/{}/{}}}}}", self.scope, self.key)
    }
}

/// Logs in with a kept secret.
pub(super) struct KeptLogin {
    kept: KeptSecret,
    service: Arc<str>,
    base: Url,
    http: Http,
}

impl KeptLogin {
    pub(super) fn new(kept: KeptSecret, service: Arc<str>, base: Url, http: Http) -> Self {
        Self {
            kept,
            service,
            base,
            http,
        }
    }
}

#[async_trait::async_trait]
impl TokenSource for KeptLogin {
    async fn fetch(&self, clock: &Clock) -> Result<Lease<Token>> {
        let secret = self.kept.reader.secret(&self.kept.scope, &self.kept.key).await?;
        let credentials = (self.kept.make)(secret);
        let login = Login::new(credentials, &self.service, &self.base, self.http.clone(), clock.clone());
        let token = login.lease(clock, LIFE_MS).await?;
        Ok(token)
    }
}
