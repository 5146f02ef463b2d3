//! Tokens of Entra ID: for an application with a secret, and for the machine that this runs on.

use std::sync::Arc;

use contract::Result;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::token::{Grant, Granted, Token, login_error};
use super::{Credentials, TokenSource};
use crate::clock::Clock;
use crate::http::{Call, Http};
use crate::outcome::Failure;
use crate::renewing::Lease;
use crate::secret::Secret;

/// The application that stands for Databricks in every tenant.
const DATABRICKS: &str = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d";
/// Where a machine in Azure asks for its own tokens.
const MACHINE_ENDPOINT: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const MANAGEMENT_TOKEN: &str = "x-databricks-azure-sp-management-token";
const WORKSPACE_RESOURCE: &str = "x-databricks-azure-workspace-resource-id";

/// The hosts of one of Azure's clouds.
struct Cloud {
    login: &'static str,
    management: &'static str,
}

/// By how the workspace's host ends.
fn cloud(host: &str) -> Cloud {
    if host.ends_with(".databricks.azure.us") {
        return Cloud {
            login: "https://login.microsoftonline.us/",
            management: "https://management.core.usgovcloudapi.net/",
        };
    }
    if host.ends_with(".databricks.azure.cn") {
        return Cloud {
            login: "https://login.chinacloudapi.cn/",
            management: "https://management.core.chinacloudapi.cn/",
        };
    }
    Cloud {
        login: "https://login.microsoftonline.com/",
        management: "https://management.core.windows.net/",
    }
}

/// Gets tokens of Entra ID.
pub(super) struct Entra {
    service: Arc<str>,
    cloud: Cloud,
    credentials: Credentials,
    http: Http,
}

impl Entra {
    pub(super) fn new(service: Arc<str>, base: &Url, credentials: Credentials, http: Http) -> Self {
        Self {
            service,
            cloud: cloud(base.host_str().unwrap_or_default()),
            credentials,
            http,
        }
    }

    /// A token for `resource`.
    async fn grant(&self, resource: &str) -> Granted {
        match &self.credentials {
            Credentials::Entra {
                tenant_id,
                client_id,
                client_secret,
                login_url,
                ..
            } => {
                let call = Call::new(Method::POST, self.login_endpoint(login_url.as_ref(), tenant_id)?).form(&[
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_secret", client_secret.expose()),
                    ("scope", &format!("{resource}/.default")),
                ]);
                self.http.json(&call).await
            }
            Credentials::ManagedIdentity { client_id, .. } => {
                let mut url = endpoint(MACHINE_ENDPOINT)?;
                url.query_pairs_mut()
                    .append_pair("api-version", "2021-10-01")
                    .append_pair("resource", resource);
                if let Some(client_id) = client_id {
                    url.query_pairs_mut().append_pair("client_id", client_id);
                }
                let mut call = Call::new(Method::GET, url);
                call.headers
                    .insert(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
                self.http.json(&call).await
            }
            _ => Err(Failure::Malformed("no credentials of Entra ID".to_owned())),
        }
    }

    fn login_endpoint(&self, login_url: Option<&Url>, tenant_id: &str) -> Result<Url, Failure> {
        let mut url = match login_url {
            Some(url) => url.clone(),
            None => endpoint(self.cloud.login)?,
        };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([tenant_id, "oauth2", "v2.0", "token"]);
        }
        Ok(url)
    }

    fn workspace_resource_id(&self) -> Option<&str> {
        match &self.credentials {
            Credentials::Entra {
                workspace_resource_id, ..
            }
            | Credentials::ManagedIdentity {
                workspace_resource_id, ..
            } => workspace_resource_id.as_deref(),
            _ => None,
        }
    }
}

#[async_trait::async_trait]
impl TokenSource for Entra {
    async fn fetch(&self, clock: &Clock) -> Result<Lease<Token>> {
        let failed = |failure| login_error(failure, &self.service);
        let grant: Grant = self.grant(DATABRICKS).await.map_err(failed)?;
        // A principal that is not yet a user of the workspace is taken in because it manages the workspace.
        let besides = match self.workspace_resource_id() {
            Some(id) => {
                let management = self.grant(self.cloud.management).await.map_err(failed)?;
                Some((management.into_secret(), Secret::new(id)))
            }
            None => None,
        };
        Ok(grant.lease(clock, |bearer| {
            let token = Token::bearer(bearer);
            match besides {
                Some((management, id)) => token.with(MANAGEMENT_TOKEN, management).with(WORKSPACE_RESOURCE, id),
                None => token,
            }
        }))
    }
}

fn endpoint(address: &str) -> Result<Url, Failure> {
    Url::parse(address).map_err(|error| Failure::Malformed(error.to_string()))
}
