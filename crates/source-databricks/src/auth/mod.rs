//! Bearer tokens of a workspace, by each of the ways to get one.

mod azure;
mod environment;
mod exchange;
mod kept;
mod oauth;
mod token;

use std::sync::Arc;

use contract::Result;
use url::Url;

pub use self::environment::environment_credentials;
pub(crate) use self::exchange::log_in_again;
pub use self::kept::KeptSecret;
pub(crate) use self::token::Token;

use self::azure::Entra;
use self::exchange::ExchangeLogin;
use self::kept::KeptLogin;
use self::oauth::{MachineLogin, TokenEndpoint};
use crate::clock::{Clock, Moment};
use crate::http::Http;
use crate::renewing::{Lease, Renewing, lease_until};
use crate::secret::Secret;

/// Who the service is at a workspace.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nobody: for servers that ask for no login.
    None,
    /// A personal access token, or a token of another kind that somebody else renews.
    Token(Secret),
    /// A service principal with a secret of Databricks.
    ///
    /// <https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m>
    Machine {
        /// Its application id.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
    },
    /// A service principal of Entra ID.
    ///
    /// <https://learn.microsoft.com/azure/databricks/dev-tools/auth/azure-sp>
    Entra {
        /// The tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its secret.
        client_secret: Secret,
        /// The workspace's resource id, for a principal that is not yet a user there.
        workspace_resource_id: Option<String>,
        /// Where Entra ID is; by the workspace's address if not given.
        login_url: Option<Url>,
    },
    /// The identity of the machine in Azure that this runs on.
    ManagedIdentity {
        /// Which one, if the machine has several.
        client_id: Option<String>,
        /// The workspace's resource id, for an identity that is not yet a user there.
        workspace_resource_id: Option<String>,
    },
    /// Any of the others, with a secret that a workspace keeps.
    Kept(Box<KeptSecret>),
    /// A user by a token of its identity provider, which the workspace exchanges for one of its own.
    Exchanged(Secret),
}

impl Credentials {
    /// A name for whom they stand for, without secrets: what is fetched with equal names may be shared.
    pub(crate) fn principal(&self) -> String {
        match self {
            Self::None => "nobody".to_owned(),
            Self::Token(_) => "token".to_owned(),
            Self::Machine { client_id, .. } | Self::Entra { client_id, .. } => client_id.clone(),
            Self::ManagedIdentity { client_id, .. } => {
                client_id.clone().unwrap_or_else(|| "managed identity".to_owned())
            }
            Self::Kept(kept) => kept.principal().to_owned(),
            Self::Exchanged(_) => "user".to_owned(),
        }
    }
}

/// The tokens of one service.
pub(crate) enum Login {
    None,
    /// Always the same.
    Fixed(Arc<Token>),
    /// Fetched and renewed.
    Renewed {
        source: Arc<dyn TokenSource>,
        tokens: Renewing<Token>,
    },
}

impl Login {
    pub(crate) fn new(credentials: Credentials, service: &Arc<str>, base: &Url, http: Http, clock: Clock) -> Self {
        let service = Arc::clone(service);
        match credentials {
            Credentials::None => Self::None,
            Credentials::Token(secret) => Self::Fixed(Arc::new(Token::bearer(secret))),
            Credentials::Machine {
                client_id,
                client_secret,
            } => {
                let endpoint = TokenEndpoint::new(service, base.clone(), http);
                Self::renewed(clock, Arc::new(MachineLogin::new(endpoint, client_id, client_secret)))
            }
            Credentials::Entra { .. } | Credentials::ManagedIdentity { .. } => {
                Self::renewed(clock, Arc::new(Entra::new(service, base, credentials, http)))
            }
            Credentials::Exchanged(subject) => {
                let endpoint = TokenEndpoint::new(service, base.clone(), http);
                Self::renewed(clock, Arc::new(ExchangeLogin::new(endpoint, subject)))
            }
            Credentials::Kept(kept) => {
                Self::renewed(clock, Arc::new(KeptLogin::new(*kept, service, base.clone(), http)))
            }
        }
    }

    fn renewed<S: TokenSource + 'static>(clock: Clock, source: Arc<S>) -> Self {
        let of_fetch = clock.clone();
        let tokens = Renewing::new(
            clock,
            Box::new({
                let source = Arc::clone(&source);
                move || {
                    let (source, clock) = (Arc::clone(&source), of_fetch.clone());
                    Box::pin(async move { source.fetch(&clock).await })
                }
            }),
        );
        Self::Renewed { source, tokens }
    }

    /// A token for somebody who keeps it himself, for `life_ms` at most.
    async fn lease(&self, clock: &Clock, life_ms: Moment) -> Result<Lease<Token>> {
        let limit = clock.now().saturating_add(life_ms);
        match self {
            Self::None => Ok(lease_until(Token::bearer(Secret::new("")), clock.now(), limit)),
            Self::Fixed(token) => Ok(lease_until(token.again(), clock.now(), limit)),
            Self::Renewed { source, .. } => {
                let lease = source.fetch(clock).await?;
                Ok(Lease {
                    renew_at: lease.renew_at.min(limit),
                    ..lease
                })
            }
        }
    }

    /// The token of now; none where no login is needed.
    pub(crate) async fn token(&self) -> Result<Option<Arc<Token>>> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(token) => Ok(Some(Arc::clone(token))),
            Self::Renewed { tokens, .. } => tokens.get().await.map(Some),
        }
    }

    /// Lets go of a token that was refused. False if there cannot be another one.
    pub(crate) fn renew(&self, token: &Arc<Token>) -> bool {
        match self {
            Self::None | Self::Fixed(_) => false,
            Self::Renewed { tokens, .. } => {
                tokens.discard(token);
                true
            }
        }
    }
}

/// A way to get a token.
#[async_trait::async_trait]
pub(crate) trait TokenSource: Send + Sync {
    async fn fetch(&self, clock: &Clock) -> Result<Lease<Token>>;
}
