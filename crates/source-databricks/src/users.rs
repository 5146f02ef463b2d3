//! One workspace as each of its users sees it.

use std::fmt;
use std::time::Duration;

use contract::{Error, ErrorKind, Result, UserToken};
use moka::sync::Cache;
use serde::Deserialize;

use crate::auth::{Credentials, log_in_again};
use crate::workspace::{Workspace, WorkspaceOptions};

/// Users whose logins are kept; the one that did nothing for longest comes anew when there are more.
const USERS_MAX: u64 = 4096;
/// How long the login of a user that does nothing is kept.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// A workspace to which each user shows a token of its own.
pub struct UserWorkspaces {
    nobody: Workspace,
    exchange: bool,
    kept: Cache<[u8; 32], Workspace>,
}

impl fmt::Debug for UserWorkspaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserWorkspaces")
            .field("workspace", &self.nobody)
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}

impl UserWorkspaces {
    /// Sends nothing yet. The credentials of `options` are not used. With `exchange`, tokens are those of the users'
    /// identity provider.
    ///
    /// # Errors
    /// `Configuration`, as for [`Workspace::new`], and for an address to which tokens would go in the clear.
    pub fn new(options: WorkspaceOptions, exchange: bool) -> Result<Self> {
        let nobody = Workspace::new(WorkspaceOptions {
            credentials: Credentials::None,
            ..options
        })?;
        if nobody.is_plain() && !nobody.is_local() {
            let message = format!(
                "service \"{}\": the tokens of users are sent over https only",
                nobody.service()
            );
            return Err(Error::new(ErrorKind::Configuration, message).with_hint("Begin workspace_url with https://."));
        }
        Ok(Self {
            nobody,
            exchange,
            kept: Cache::builder().max_capacity(USERS_MAX).time_to_idle(IDLE).build(),
        })
    }

    /// The workspace as the holder of the token sees it. Callers with equal tokens share one login.
    pub fn of(&self, token: &UserToken) -> Workspace {
        self.kept
            .get_with(token.digest(), || self.nobody.as_user(token, self.exchange))
    }

    /// The name of the user that the token belongs to, as the workspace says.
    ///
    /// <https://docs.databricks.com/api/workspace/currentuser/me>
    ///
    /// # Errors
    /// `InvalidAuthorization` if the workspace does not accept the token, or has locked the user; else its own.
    pub async fn owner(&self, token: &UserToken) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Me {
            user_name: String,
            #[serde(default)]
            active: Option<bool>,
        }
        let workspace = self.of(token);
        let service = workspace.service();
        let path = ["api", "2.0", "preview", "scim", "v2", "Me"];
        match workspace.get::<Me>(workspace.address(&path, &[])).await {
            Ok(me) if me.active != Some(false) && !me.user_name.is_empty() => Ok(me.user_name),
            Ok(_) => Err(log_in_again(service).with_source("the user is not active".to_owned())),
            // A token that may not even tell whose it is.
            Err(failure)
                if failure
                    .refusal()
                    .is_some_and(|refusal| matches!(refusal.status, 401 | 403)) =>
            {
                Err(log_in_again(service).with_source(failure.into_error(service)))
            }
            Err(failure) => Err(failure.into_error(service)),
        }
    }
}
