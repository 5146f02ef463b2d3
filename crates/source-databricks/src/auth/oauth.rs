//! Client credentials at the workspace's own token endpoint.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use url::Url;

use super::TokenSource;
use super::token::{Granted, Token, login_error};
use crate::clock::Clock;
use crate::http::{Call, Http};
use crate::outcome::Failure;
use crate::renewing::Lease;
use crate::secret::Secret;

/// Where a workspace gives out tokens.
pub(super) struct TokenEndpoint {
    service: Arc<str>,
    base: Url,
    http: Http,
    found: Mutex<Option<Url>>,
}

#[derive(Deserialize)]
struct Discovery {
    token_endpoint: Url,
}

impl TokenEndpoint {
    pub(super) fn new(service: Arc<str>, base: Url, http: Http) -> Self {
        Self {
            service,
            base,
            http,
            found: Mutex::new(None),
        }
    }

    /// Its address, as the workspace says (RFC 8414), or where it usually is.
    pub(super) async fn address(&self) -> Result<Url> {
        if let Some(known) = &*self.found.lock() {
            return Ok(known.clone());
        }
        let discovery = self.at("/oidc/.well-known/oauth-authorization-server");
        let found = match self.http.json::<Discovery>(&Call::new(Method::GET, discovery)).await {
            Ok(found) => found.token_endpoint,
            Err(Failure::Refused(refusal)) if refusal.status == 404 => self.at("/oidc/v1/token"),
            Err(failure) => return Err(login_error(failure, &self.service)),
        };
        // The secret goes there: never from a protected address to an open one.
        if self.base.scheme() == "https" && found.scheme() != "https" {
            let message = format!("service \"{}\" names a token endpoint without TLS", self.service);
            return Err(Error::new(ErrorKind::SourceRejected, message)
                .with_hint("Check workspace_url: the secret is not sent over an open connection."));
        }
        *self.found.lock() = Some(found.clone());
        Ok(found)
    }

    /// Asks for a token.
    pub(super) async fn ask(&self, call: &Call) -> Granted {
        self.http.json(call).await
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }
}

/// Logs a service principal in with its secret.
///
/// <https://www.rfc-editor.org/rfc/rfc6749#section-4.4>
pub(super) struct MachineLogin {
    endpoint: TokenEndpoint,
    client_id: String,
    client_secret: Secret,
}

impl MachineLogin {
    pub(super) fn new(endpoint: TokenEndpoint, client_id: String, client_secret: Secret) -> Self {
        Self {
            endpoint,
            client_id,
            client_secret,
        }
    }
}

#[async_trait::async_trait]
impl TokenSource for MachineLogin {
    async fn fetch(&self, clock: &Clock) -> Result<Lease<Token>> {
        let mut call = Call::new(Method::POST, self.endpoint.address().await?)
            .form(&[("grant_type", "client_credentials"), ("scope", "all-apis")]);
        let pair = STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret.expose()));
        if let Ok(mut value) = HeaderValue::from_str(&format!("Basic {pair}")) {
            value.set_sensitive(true);
            call.headers.insert(AUTHORIZATION, value);
        }
        match self.endpoint.ask(&call).await {
            Ok(grant) => Ok(grant.lease(clock, Token::bearer)),
            Err(failure) => Err(login_error(failure, self.endpoint.service())),
        }
    }
}
