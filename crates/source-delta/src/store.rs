//! Stores made from a location and configured options.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use contract::{Error, ErrorKind, Result};
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreScheme};
use url::Url;

/// Makes the store for the whole bucket, container or file system of `location`, and the path of `location` in it.
///
/// `options` are object_store's own names (`aws_region`, `azure_storage_account_key`, `google_service_account`, …);
/// nothing is taken from the environment.
///
/// # Errors
/// `Configuration` for an unknown scheme or option and for options that do not fit together; no text holds a value.
pub fn build_store(location: &Url, options: &BTreeMap<String, String>) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let (scheme, path) = ObjectStoreScheme::parse(location).map_err(|error| unknown_location(location, error))?;
    for key in options.keys() {
        if !is_known(&scheme, key) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "the storage option \"{key}\" is unknown for locations of the scheme \"{}\"",
                    location.scheme()
                ),
            ));
        }
    }
    let pairs = options
        .iter()
        .map(|(key, value)| (key.to_ascii_lowercase(), value.clone()));
    let (store, _) = object_store::parse_url_opts(location, pairs).map_err(|error| {
        Error::new(ErrorKind::Configuration, "the storage options do not fit together").with_source(error)
    })?;
    Ok((Arc::from(store), path))
}

fn unknown_location(location: &Url, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("a location of the scheme \"{}\" cannot be read", location.scheme()),
    )
    .with_hint("Use file:///, s3://, abfss://, adl:// or gs://.")
    .with_source(error)
}

fn is_known(scheme: &ObjectStoreScheme, key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    match scheme {
        ObjectStoreScheme::AmazonS3 => AmazonS3ConfigKey::from_str(&key).is_ok(),
        ObjectStoreScheme::MicrosoftAzure => AzureConfigKey::from_str(&key).is_ok(),
        ObjectStoreScheme::GoogleCloudStorage => GoogleConfigKey::from_str(&key).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_built_per_scheme_and_unknown_options_are_named() {
        let none = BTreeMap::new();
        let (_, path) = build_store(&Url::parse("file:///srv/lake/").unwrap(), &none).unwrap();
        assert_eq!(path.as_ref(), "srv/lake");

        let s3 = Url::parse("s3://bucket/tables").unwrap();
        let options = BTreeMap::from([("aws_region".to_owned(), "eu-west-1".to_owned())]);
        assert_eq!(build_store(&s3, &options).unwrap().1.as_ref(), "tables");

        let wrong = BTreeMap::from([("aws_regoin".to_owned(), "secret".to_owned())]);
        let error = build_store(&s3, &wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains("aws_regoin") && !error.message().contains("secret"));

        let error = build_store(&Url::parse("ftp://host/x").unwrap(), &none).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
