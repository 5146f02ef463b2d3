//! What a server is shown to let us in.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use contract::Result;

/// A bearer token. `Debug` hides it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Wraps a token.
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// The token itself, for whoever made it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Gives the token that is valid now. Asked before every call, so that it may be one that expires: implementors keep it
/// and renew it in time.
#[async_trait]
pub trait TokenSource: Debug + Send + Sync {
    /// The token.
    ///
    /// # Errors
    /// `SourceUnavailable` or `SourceRejected` if there is none to be had.
    async fn token(&self) -> Result<Token>;

    /// Lets go of a token that the server did not take. Whether another one can be had.
    async fn refused(&self, _token: &Token) -> bool {
        false
    }
}

#[async_trait]
impl TokenSource for Token {
    async fn token(&self) -> Result<Token> {
        Ok(self.clone())
    }
}
