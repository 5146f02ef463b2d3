use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{Error, ErrorKind, Result, UserToken};
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::auth::{Credentials, Login, log_in_again};
use crate::clock::Clock;
use crate::http::{Call, Http, is_unauthorized};
use crate::outcome::{Failure, Refusal};
use crate::retry::Repeat;
use crate::secret::Secret;

/// What refusals of storage credentials are marked with although their status is that of a failed login. A new token
/// does not help.
pub(crate) const CREDENTIALS_DENIED: &str = "UNITY_CATALOG_EXTERNAL_GENERATE_TABLE_CREDENTIALS_DENIED";

/// The longest value that the secrets API keeps.
const SECRET_BYTES_MAX: usize = 128 << 10;

/// Where a workspace is and how to log in.
#[derive(Debug, Clone)]
pub struct WorkspaceOptions {
    /// The service's name in the configuration, for errors.
    pub service: String,
    /// Its address; path and query are ignored.
    pub url: Url,
    /// The workspace among those of its host (`?o=` of a warehouse's path), if the host has several.
    pub workspace_id: Option<String>,
    /// Who we are there.
    pub credentials: Credentials,
}

/// A Databricks workspace or a Unity Catalog server, seen as one principal. Clones share connections and token.
#[derive(Clone)]
pub struct Workspace(Arc<Inner>);

struct Inner {
    service: Arc<str>,
    base: Url,
    workspace_id: Option<HeaderValue>,
    http: Http,
    login: Login,
    principal: String,
    /// Whether the login is a user's own, who can log in again.
    of_user: bool,
    clock: Clock,
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace")
            .field("service", &self.0.service)
            .field("host", &self.0.base.host_str())
            .finish_non_exhaustive()
    }
}

impl Workspace {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// `Configuration` for an address that is none of HTTP or a value that cannot be sent.
    pub fn new(options: WorkspaceOptions) -> Result<Self> {
        let WorkspaceOptions {
            service,
            url,
            workspace_id,
            credentials,
        } = options;
        let wrong = |what: &str| Error::new(ErrorKind::Configuration, format!("service \"{service}\": {what}"));
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(wrong("the address must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("credentials do not belong in the address"));
        }
        let mut base = url;
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        let workspace_id = workspace_id
            .map(|id| HeaderValue::from_str(&id).map_err(|_| wrong("the workspace id cannot be sent")))
            .transpose()?;
        let http = Http::new()?;
        let clock = Clock::system();
        let principal = credentials.principal();
        let service: Arc<str> = service.into();
        let login = Login::new(credentials, &service, &base, http.clone(), clock.clone());
        Ok(Self(Arc::new(Inner {
            service,
            base,
            workspace_id,
            http,
            login,
            principal,
            of_user: false,
            clock,
        })))
    }

    /// The same workspace as a user sees it, by the token that it logged in with; `exchange` if that is one of its
    /// identity provider. Nothing is shared with others but connections.
    pub(crate) fn as_user(&self, token: &UserToken, exchange: bool) -> Self {
        let Inner {
            service,
            base,
            workspace_id,
            http,
            clock,
            ..
        } = &*self.0;
        let secret = Secret::new(token.expose());
        let credentials = match exchange {
            true => Credentials::Exchanged(secret),
            false => Credentials::Token(secret),
        };
        let digest: String = token.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        Self(Arc::new(Inner {
            service: Arc::clone(service),
            base: base.clone(),
            workspace_id: workspace_id.clone(),
            http: http.clone(),
            login: Login::new(credentials, service, base, http.clone(), clock.clone()),
            principal: format!("user {digest}"),
            of_user: true,
            clock: clock.clone(),
        }))
    }

    /// The same with a clock that a test moves.
    #[cfg(test)]
    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => Self(Arc::new(Inner { clock, ..inner })),
            Err(shared) => Self(shared),
        }
    }

    /// The service's name.
    pub fn service(&self) -> &str {
        &self.0.service
    }

    /// Whom its answers are for, as the configuration names it.
    pub(crate) fn principal(&self) -> &str {
        &self.0.principal
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn http(&self) -> &Http {
        &self.0.http
    }

    /// Whether it is spoken to without TLS, so that what it hands out may be too.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.base.scheme() == "http"
    }

    /// Whether it runs on this machine.
    pub(crate) fn is_local(&self) -> bool {
        match self.0.base.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// An address below the workspace's: each part of `path` is one segment, whatever it holds.
    pub(crate) fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.0.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, Failure> {
        self.call(Call::new(Method::GET, url)).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, url: Url, body: &Value, repeat: Repeat) -> Result<T, Failure> {
        self.call(Call::new(Method::POST, url).json(body).repeat(repeat)).await
    }

    pub(crate) async fn delete(&self, url: Url) -> Result<(), Failure> {
        self.call::<Value>(Call::new(Method::DELETE, url)).await.map(|_| ())
    }

    /// Makes a call with the token of now. A token that is not taken is renewed once.
    async fn call<T: DeserializeOwned>(&self, mut call: Call) -> Result<T, Failure> {
        if let Some(id) = &self.0.workspace_id {
            call.headers
                .insert(HeaderName::from_static("x-databricks-workspace-id"), id.clone());
        }
        let mut renewed = false;
        loop {
            let token = self.0.login.token().await.map_err(Failure::Other)?;
            if let Some(token) = &token {
                token.put(&mut call.headers);
            }
            let outcome = self.0.http.json(&call).await;
            match (outcome, &token) {
                (Err(failure), Some(token)) if !renewed && is_login_refused(&failure) => {
                    if !self.0.login.renew(token) {
                        return Err(self.judged(failure));
                    }
                    renewed = true;
                    call.headers.remove(AUTHORIZATION);
                }
                (outcome, _) => return outcome.map_err(|failure| self.judged(failure)),
            }
        }
    }

    /// Who is asked to do something about a login that is not accepted: a user is, for its own.
    fn judged(&self, failure: Failure) -> Failure {
        let unknown = |failure: &Failure| {
            let wrong_token = |refusal: &Refusal| refusal.status == 403 && refusal.code == "403";
            is_login_refused(failure) || failure.refusal().is_some_and(wrong_token)
        };
        match self.0.of_user && unknown(&failure) {
            true => Failure::Other(log_in_again(self.service()).with_source(failure.into_error(self.service()))),
            false => failure,
        }
    }

    /// The bearer token of now, for another protocol of the same workspace; none where no login is needed.
    ///
    /// # Errors
    /// Those of the login.
    pub async fn bearer(&self) -> Result<Option<Secret>> {
        let token = self.0.login.token().await?;
        Ok(token.map(|token| token.secret().clone()))
    }

    /// Lets go of a bearer token that another protocol of the workspace did not take. Whether another one can be had:
    /// who asked for the same one before may have let go of it already.
    pub async fn renew_bearer(&self, refused: &str) -> bool {
        match self.0.login.token().await {
            Ok(Some(token)) => token.secret().expose() != refused || self.0.login.renew(&token),
            _ => false,
        }
    }

    /// The value of `{{secrets/SCOPE/KEY}}`.
    ///
    /// <https://docs.databricks.com/api/workspace/secrets/getsecret>
    ///
    /// # Errors
    /// `Configuration` if there is none or it is no text, those of the service otherwise.
    pub async fn secret(&self, scope: &str, key: &str) -> Result<Secret> {
        #[derive(Deserialize)]
        struct Answer {
            value: Secret,
        }
        let service = self.service();
        let wrong = |what: &str| {
            Error::new(
                ErrorKind::Configuration,
                format!("service \"{service}\": the secret \"{key}\" of scope \"{scope}\" {what}"),
            )
        };
        let url = self.address(&["api", "2.0", "secrets", "get"], &[("scope", scope), ("key", key)]);
        let answer: Answer = match self.get(url).await {
            Ok(answer) => answer,
            Err(failure) if failure.refusal().is_some_and(|refusal| refusal.status == 404) => {
                return Err(wrong("does not exist"));
            }
            Err(failure) if failure.refusal().is_some_and(|refusal| refusal.status == 403) => {
                return Err(wrong("may not be read by the service's principal"));
            }
            Err(failure) => return Err(failure.into_error(service)),
        };
        let bytes = STANDARD
            .decode(answer.value.expose())
            .map_err(|_| wrong("is not encoded as it should be"))?;
        if bytes.len() > SECRET_BYTES_MAX {
            return Err(wrong("is too long"));
        }
        let text = String::from_utf8(bytes).map_err(|_| wrong("is no text"))?;
        Ok(Secret::new(text))
    }
}

fn is_login_refused(failure: &Failure) -> bool {
    is_unauthorized(failure)
        && failure
            .refusal()
            .is_some_and(|refusal| refusal.reason != CREDENTIALS_DENIED)
}
