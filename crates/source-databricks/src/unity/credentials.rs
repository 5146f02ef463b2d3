//! Storage credentials for one table's files: fetched when they are needed, renewed while scans go on.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use contract::Error;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use object_store::azure::AzureCredential;
use object_store::gcp::GcpCredential;

use super::client::UnityClient;
use super::legality::refusal_of_credentials;
use super::model::{AwsKeys, VendedAnswer};
use crate::clock::Moment;
use crate::outcome::Failure;
use crate::renewing::{Lease, Renewing, lease_until};
use crate::secret::Secret;

/// Keys without an end are asked for again after this time: they may have been replaced.
const LIFE_DEFAULT_MS: Moment = 60 * 60 * 1000;
/// A refusal is remembered this long, so that each query does not ask anew, and a grant is soon noticed.
const REFUSAL_MS: Moment = 60 * 1000;

/// What was given out for a table.
#[derive(Debug)]
pub(crate) enum Vended {
    /// Keys, and the folder that they are for if the catalog names one.
    Keys { keys: Keys, folder: Option<String> },
    /// Nothing: the table needs compute, because of this.
    Refused(&'static str),
}

/// The kinds of keys.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    /// Files of this machine need none.
    Local,
    Aws(AwsKeys),
    AzureSas(Secret),
    AzureToken(Secret),
    Gcp(Secret),
    R2(AwsKeys),
}

impl Vended {
    fn of(answer: VendedAnswer) -> Self {
        let is_local = answer.url.as_ref().is_some_and(|url| url.starts_with("file:"));
        let keys = if let Some(keys) = answer.aws_temp_credentials {
            Keys::Aws(keys)
        } else if let Some(sas) = answer.azure_user_delegation_sas {
            Keys::AzureSas(sas.sas_token)
        } else if let Some(token) = answer.azure_aad {
            Keys::AzureToken(token.aad_token)
        } else if let Some(token) = answer.gcp_oauth_token {
            Keys::Gcp(token.oauth_token)
        } else if let Some(keys) = answer.r2_temp_credentials {
            Keys::R2(keys)
        } else if is_local {
            Keys::Local
        } else {
            return Self::Refused("Unity Catalog answered without credentials for its files");
        };
        Self::Keys {
            keys,
            folder: answer.url.filter(|url| !url.is_empty()),
        }
    }
}

/// The credentials of one table, shared by all who read it.
pub(crate) fn vended(client: &Arc<UnityClient>, table_id: &str) -> Renewing<Vended> {
    let clock = client.workspace().clock().clone();
    let (client, table_id): (_, Arc<str>) = (Arc::clone(client), table_id.into());
    Renewing::new(
        clock,
        Box::new(move || {
            let (client, table_id) = (Arc::clone(&client), Arc::clone(&table_id));
            Box::pin(async move { fetch(&client, &table_id).await })
        }),
    )
}

async fn fetch(client: &UnityClient, table_id: &str) -> contract::Result<Lease<Vended>> {
    let clock = client.workspace().clock();
    match client.table_credentials(table_id).await {
        Ok(answer) => {
            let now = clock.now();
            let end = answer.expiration_time.unwrap_or(now.saturating_add(LIFE_DEFAULT_MS));
            match Vended::of(answer) {
                Vended::Refused(why) => Ok(refused(why, now)),
                keys => Ok(lease_until(keys, now, end)),
            }
        }
        Err(failure) => match failure.refusal().and_then(refusal_of_credentials) {
            Some(why) => Ok(refused(why, clock.now())),
            None => Err(failed(failure, client)),
        },
    }
}

fn refused(why: &'static str, now: Moment) -> Lease<Vended> {
    let ends_at = now.saturating_add(REFUSAL_MS);
    Lease {
        value: Vended::Refused(why),
        renew_at: ends_at,
        ends_at,
    }
}

fn failed(failure: Failure, client: &UnityClient) -> Error {
    failure.into_error(client.workspace().service())
}

/// Hands the keys of now to a store, at each of its requests.
pub(crate) struct Provider<C> {
    vended: Renewing<Vended>,
    pick: fn(&Keys) -> Option<C>,
}

impl<C> Provider<C> {
    pub(crate) fn new(vended: Renewing<Vended>, pick: fn(&Keys) -> Option<C>) -> Arc<Self> {
        Arc::new(Self { vended, pick })
    }
}

impl<C> fmt::Debug for Provider<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}

#[async_trait]
impl<C: fmt::Debug + Send + Sync + 'static> CredentialProvider for Provider<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        let vended = self.vended.get().await.map_err(|error| object_store::Error::Generic {
            store: "Unity Catalog",
            source: Box::new(error),
        })?;
        let denied = |why: &str| object_store::Error::PermissionDenied {
            path: "the table's folder".to_owned(),
            source: why.into(),
        };
        match &*vended {
            Vended::Keys { keys, .. } => (self.pick)(keys)
                .map(Arc::new)
                .ok_or_else(|| denied("Unity Catalog gives out keys of another kind than before")),
            Vended::Refused(why) => Err(denied(why)),
        }
    }
}

pub(crate) fn aws(keys: &Keys) -> Option<AwsCredential> {
    match keys {
        Keys::Aws(keys) | Keys::R2(keys) => Some(AwsCredential {
            key_id: keys.access_key_id.expose().to_owned(),
            secret_key: keys.secret_access_key.expose().to_owned(),
            token: keys.session_token.as_ref().map(|token| token.expose().to_owned()),
        }),
        _ => None,
    }
}

pub(crate) fn azure(keys: &Keys) -> Option<AzureCredential> {
    match keys {
        Keys::AzureSas(sas) => {
            let query = sas.expose().trim_start_matches('?').as_bytes();
            let pairs = url::form_urlencoded::parse(query).into_owned();
            Some(AzureCredential::SASToken(pairs.collect()))
        }
        Keys::AzureToken(token) => Some(AzureCredential::BearerToken(token.expose().to_owned())),
        _ => None,
    }
}

pub(crate) fn gcp(keys: &Keys) -> Option<GcpCredential> {
    match keys {
        Keys::Gcp(token) => Some(GcpCredential {
            bearer: token.expose().to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(answer: serde_json::Value) -> Vended {
        Vended::of(serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn each_kind_of_keys_is_read_and_none_is_shown() {
        let aws_keys = json!({"access_key_id": "AKID", "secret_access_key": "hidden", "session_token": "hidden"});
        let answers = [
            json!({"aws_temp_credentials": aws_keys, "url": "s3://b/t", "expiration_time": 5}),
            json!({"r2_temp_credentials": aws_keys}),
            json!({"azure_user_delegation_sas": {"sas_token": "sv=1&sig=hidden%3D"}}),
            json!({"azure_aad": {"aad_token": "hidden"}}),
            json!({"gcp_oauth_token": {"oauth_token": "hidden"}}),
        ];
        for answer in answers {
            let vended = of(answer);
            assert!(matches!(vended, Vended::Keys { .. }));
            assert!(!format!("{vended:?}").contains("hidden"));
        }
        let sas = azure(&Keys::AzureSas(Secret::new("?sv=1&sig=a%3D"))).unwrap();
        match sas {
            AzureCredential::SASToken(pairs) => assert_eq!(pairs[1], ("sig".to_owned(), "a=".to_owned())),
            _ => panic!("no signature"),
        }
    }

    #[test]
    fn no_keys_are_a_refusal_unless_the_files_are_local() {
        assert!(matches!(of(json!({"url": "s3://b/t"})), Vended::Refused(_)));
        assert!(matches!(of(json!({})), Vended::Refused(_)));
        assert!(matches!(
            of(json!({"url": "file:///srv/t", "aws_temp_credentials": null})),
            Vended::Keys { keys: Keys::Local, .. }
        ));
    }
}
