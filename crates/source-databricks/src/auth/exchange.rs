//! A user's token of its own identity provider, exchanged for one of the workspace.
//!
//! <https://www.rfc-editor.org/rfc/rfc8693>,
//! <https://docs.databricks.com/aws/en/dev-tools/auth/oauth-federation-exchange>

use contract::{Error, ErrorKind, Result};
use reqwest::Method;

use super::TokenSource;
use super::oauth::TokenEndpoint;
use super::token::Token;
use crate::clock::Clock;
use crate::http::Call;
use crate::outcome::{Failure, shortened};
use crate::renewing::Lease;
use crate::secret::Secret;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SUBJECT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// What endpoints answer when it is the user's token that they do not take, or not any more.
const OF_THE_TOKEN: [&str; 3] = ["invalid_grant", "invalid_request", "access_denied"];

/// Stands for one user. The workspace judges the token, by the federation policy of its account.
pub(super) struct ExchangeLogin {
    endpoint: TokenEndpoint,
    subject: Secret,
}

impl ExchangeLogin {
    pub(super) fn new(endpoint: TokenEndpoint, subject: Secret) -> Self {
        Self { endpoint, subject }
    }
}

#[async_trait::async_trait]
impl TokenSource for ExchangeLogin {
    async fn fetch(&self, clock: &Clock) -> Result<Lease<Token>> {
        let call = Call::new(Method::POST, self.endpoint.address().await?).form(&[
            ("grant_type", GRANT),
            ("subject_token", self.subject.expose()),
            ("subject_token_type", SUBJECT),
            ("scope", "all-apis"),
        ]);
        match self.endpoint.ask(&call).await {
            Ok(grant) => Ok(grant.lease(clock, Token::bearer)),
            Err(failure) => Err(refused(failure, self.endpoint.service())),
        }
    }
}

/// Whose fault it is: the user's token, the workspace's settings, or that it is in trouble.
fn refused(failure: Failure, service: &str) -> Error {
    let Some(refusal) = failure.refusal() else {
        return failure.into_error(service);
    };
    let said = format!(
        "status {} {}: {}",
        refusal.status,
        shortened(&refusal.code),
        shortened(&refusal.message)
    );
    if OF_THE_TOKEN.contains(&refusal.code.as_str()) {
        return log_in_again(service).with_source(said);
    }
    if (400..500).contains(&refusal.status) && refusal.status != 429 {
        let message = format!("service \"{service}\" does not exchange the tokens of users");
        return Error::new(ErrorKind::SourceRejected, message)
            .with_hint("token_exchange = true needs a federation policy in the account of the workspace.")
            .with_source(said);
    }
    failure.into_error(service)
}

/// The user's own token is not accepted, or not any more.
pub(crate) fn log_in_again(service: &str) -> Error {
    let message = format!("your token is not accepted by service \"{service}\", or not any more");
    Error::new(ErrorKind::InvalidAuthorization, message).with_hint("Log in again, with a token that is valid there.")
}
