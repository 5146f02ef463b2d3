//! Services that are read with the tokens of users, and who says whose a token is.

use std::sync::Arc;

use async_trait::async_trait;
use contract::{Error, ErrorKind, Result, UserToken};
use engine::TokenLogin;
use parking_lot::Mutex;
use source_databricks::{Credentials, UserWorkspaces};

use super::databricks::workspace_options;
use crate::config::{Config, DatabricksConfig, ServiceConfig, ServiceKind};

/// The workspaces of users, one for each service that has them. A service that stays as it is keeps its own over
/// reloads, and logins share it with what is read.
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<Vec<(ServiceConfig, Arc<UserWorkspaces>)>>);

impl Users {
    /// The workspace of a service, if users show it their own tokens.
    ///
    /// # Errors
    /// `Configuration` for a service that cannot be used as it is described.
    pub(super) fn of(&self, service: &ServiceConfig, config: &DatabricksConfig) -> Result<Option<Arc<UserWorkspaces>>> {
        if !config.is_passthrough() {
            if config.token_exchange {
                let message = format!(
                    "service \"{}\": token_exchange = true is about the tokens of users",
                    service.name
                );
                return Err(Error::new(ErrorKind::Configuration, message)
                    .with_hint("Write identity = \"passthrough\" beside it, or leave it out."));
            }
            return Ok(None);
        }
        let mut kept = self.0.lock();
        if let Some((_, workspaces)) = kept.iter().find(|(known, _)| known == service) {
            return Ok(Some(Arc::clone(workspaces)));
        }
        let options = workspace_options(service, config, Credentials::None)?;
        let workspaces = Arc::new(UserWorkspaces::new(options, config.token_exchange)?);
        kept.retain(|(known, _)| known.name != service.name);
        kept.push((service.clone(), Arc::clone(&workspaces)));
        Ok(Some(workspaces))
    }

    /// Who says whose a token is; nobody where no service is read with the tokens of users.
    ///
    /// # Errors
    /// `Configuration` if nobody could show a token, or one token would be shown to several workspaces.
    pub(super) fn login(&self, config: &Config) -> Result<Option<Arc<dyn TokenLogin>>> {
        let services = config.services.iter().filter_map(|service| match &service.kind {
            ServiceKind::Databricks(databricks) if databricks.is_passthrough() => Some((service, &**databricks)),
            _ => None,
        });
        let services: Vec<_> = services.collect();
        let Some((first, of_first)) = services.first() else {
            return Ok(None);
        };
        if config.access.is_none() {
            let message = format!(
                "service \"{}\": identity = \"passthrough\" needs users that log in with a token",
                first.name
            );
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_hint("Add [access] with an [[access.user]] without a password for each of them."));
        }
        let place = |config: &DatabricksConfig| (config.workspace_url.origin(), config.token_exchange);
        if let Some((other, _)) = services.iter().find(|(_, other)| place(other) != place(of_first)) {
            let message = format!(
                "services \"{}\" and \"{}\" would both be shown the one token of a user",
                first.name, other.name
            );
            return Err(Error::new(ErrorKind::Configuration, message).with_hint(
                "identity = \"passthrough\" is for one workspace: the same workspace_url and token_exchange everywhere.",
            ));
        }
        let workspaces = self.of(first, of_first)?;
        Ok(workspaces.map(|workspaces| Arc::new(WorkspaceLogin(workspaces)) as Arc<dyn TokenLogin>))
    }
}

/// The workspace itself says whose a token is.
#[derive(Debug)]
struct WorkspaceLogin(Arc<UserWorkspaces>);

#[async_trait]
impl TokenLogin for WorkspaceLogin {
    async fn owner(&self, token: &UserToken) -> Result<String> {
        self.0.owner(token).await
    }
}
