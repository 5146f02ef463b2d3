//! A store for one table's files, with the keys that were given out for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, ErrorKind, Result};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::credentials::{Keys, Provider, Vended, aws, azure, gcp};
use super::model::AwsKeys;
use super::prefix_store::PrefixStore;
use crate::renewing::Renewing;

/// How long one request of a file's range may take. Ranges have some megabytes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are made again because one failed: storage that is away is soon told, one that stumbles is not.
const RETRIES_MAX: usize = 5;
/// How long one request is made again. A listing of tables waits for the slowest of their stores.
const RETRY_TIME: Duration = Duration::from_secs(30);
/// Where S3 is looked for if neither the configuration nor the metastore tells.
const REGION_DEFAULT: &str = "us-east-1";

/// What the configuration says of storage, besides the keys that Unity Catalog gives out.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageOptions {
    /// An S3 service other than Amazon's.
    pub(crate) aws_endpoint: Option<Url>,
    pub(crate) aws_region: Option<String>,
}

impl StorageOptions {
    /// Reads the configured options by their names.
    ///
    /// # Errors
    /// `Configuration` for an unknown name or a value that is none.
    pub(crate) fn new(service: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let wrong = |what: String| {
            Error::new(
                ErrorKind::Configuration,
                format!("service \"{service}\": storage.{what}"),
            )
        };
        let mut read = Self::default();
        for (key, value) in options {
            match key.as_str() {
                "aws_endpoint" => {
                    let url = Url::parse(value).map_err(|_| wrong(format!("{key} is no URL")))?;
                    read.aws_endpoint = Some(url);
                }
                "aws_region" => read.aws_region = Some(value.clone()),
                _ => {
                    let hint = "Unity Catalog gives out the keys; aws_endpoint and aws_region may be set.";
                    return Err(wrong(format!("{key} is not an option of this type of service")).with_hint(hint));
                }
            }
        }
        Ok(read)
    }
}

/// A table's folder and the store that reads it.
#[derive(Debug)]
pub(crate) struct TableStore {
    pub(crate) root: Url,
    pub(crate) store: Arc<dyn ObjectStore>,
}

/// What a store is made of.
pub(crate) struct Ingredients<'a> {
    /// Where the catalog says that the table is.
    pub(crate) location: &'a str,
    pub(crate) keys: &'a Keys,
    /// Where the catalog says that the keys are for.
    pub(crate) folder: Option<&'a str>,
    pub(crate) vended: Renewing<Vended>,
    pub(crate) options: &'a StorageOptions,
    /// S3's region, as far as it is known.
    pub(crate) region: Option<String>,
    /// Whether the catalog runs on this machine, so that it can mean this machine's files.
    pub(crate) local: bool,
}

impl Ingredients<'_> {
    /// Makes the store; or says why the table needs compute instead.
    pub(crate) fn build(self) -> std::result::Result<TableStore, String> {
        let root = Url::parse(self.location).map_err(|_| "its location is no URL".to_owned())?;
        let folder = match self.folder {
            Some(folder) => narrower(&root, folder)?,
            None => path_of(&root)?,
        };
        let inner = self.inner(&root)?;
        let store = Arc::new(PrefixStore::new(inner, folder, self.vended));
        Ok(TableStore { root, store })
    }

    fn inner(&self, root: &Url) -> std::result::Result<Arc<dyn ObjectStore>, String> {
        let unfit = |error: object_store::Error| {
            tracing::debug!(error = %crate::outcome::shortened(&error.to_string()), "no store for a table");
            "its location does not fit the credentials for it".to_owned()
        };
        match (root.scheme(), self.keys) {
            ("file", Keys::Local) if self.local => Ok(Arc::new(LocalFileSystem::new())),
            ("file", Keys::Local) => Err("its files are on the catalog's own machine".to_owned()),
            ("s3" | "s3a", Keys::Aws(keys)) => Ok(Arc::new(self.s3(root, keys)?.build().map_err(unfit)?)),
            ("r2", Keys::R2(_)) => {
                let bucket = root.username();
                let host = root.host_str().unwrap_or_default();
                let builder = s3_builder(bucket, false)
                    .with_region("auto")
                    .with_endpoint(format!("https://{host}"))
                    .with_credentials(Provider::new(self.vended.clone(), aws));
                Ok(Arc::new(builder.build().map_err(unfit)?))
            }
            ("abfss" | "abfs" | "adl" | "wasbs", Keys::AzureSas(_) | Keys::AzureToken(_)) => {
                let builder = MicrosoftAzureBuilder::new()
                    .with_url(root.as_str())
                    .with_client_options(client_options(false))
                    .with_retry(retry())
                    .with_credentials(Provider::new(self.vended.clone(), azure));
                Ok(Arc::new(builder.build().map_err(unfit)?))
            }
            ("gs", Keys::Gcp(_)) => {
                let builder = GoogleCloudStorageBuilder::new()
                    .with_bucket_name(root.host_str().unwrap_or_default())
                    .with_client_options(client_options(false))
                    .with_retry(retry())
                    .with_credentials(Provider::new(self.vended.clone(), gcp));
                Ok(Arc::new(builder.build().map_err(unfit)?))
            }
            (scheme, _) => Err(format!(
                "no credentials of its kind of storage (\"{scheme}\") were given out"
            )),
        }
    }

    fn s3(&self, root: &Url, keys: &AwsKeys) -> std::result::Result<AmazonS3Builder, String> {
        let bucket = root.host_str().unwrap_or_default();
        let provider = Provider::new(self.vended.clone(), aws);
        if let Some(endpoint) = &self.options.aws_endpoint {
            let builder = s3_builder(bucket, endpoint.scheme() == "http")
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_region(self.region_or_default())
                .with_credentials(provider);
            return Ok(builder);
        }
        if let Some(point) = keys.access_point.as_deref().filter(|point| !point.is_empty()) {
            let AccessPoint { host, region } = AccessPoint::parse(point)?;
            let builder = s3_builder(bucket, false)
                .with_endpoint(format!("https://{host}"))
                .with_virtual_hosted_style_request(true)
                .with_region(region)
                .with_credentials(provider);
            return Ok(builder);
        }
        let builder = s3_builder(bucket, false)
            .with_region(self.region_or_default())
            .with_credentials(provider);
        Ok(builder)
    }

    fn region_or_default(&self) -> String {
        self.region.clone().unwrap_or_else(|| REGION_DEFAULT.to_owned())
    }
}

fn s3_builder(bucket: &str, http: bool) -> AmazonS3Builder {
    AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_client_options(client_options(http))
        .with_retry(retry())
}

fn retry() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME,
        ..RetryConfig::default()
    }
}

fn client_options(http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_allow_http(http)
}

/// An access point of S3, which has a host of its own.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html>
#[derive(Debug, PartialEq, Eq)]
struct AccessPoint {
    host: String,
    region: String,
}

impl AccessPoint {
    fn parse(name: &str) -> std::result::Result<Self, String> {
        let parts: Vec<_> = name.split([':', '/']).collect();
        let is_plain =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match parts.as_slice() {
            ["arn", partition, "s3", region, account, "accesspoint", point]
                if [*region, *account, *point].into_iter().all(is_plain) =>
            {
                let suffix = match *partition {
                    "aws-cn" => "amazonaws.com.cn",
                    _ => "amazonaws.com",
                };
                Ok(Self {
                    host: format!("{point}-{account}.s3-accesspoint.{region}.{suffix}"),
                    region: (*region).to_owned(),
                })
            }
            _ => Err("its storage has an access point of an unknown form".to_owned()),
        }
    }
}

fn path_of(url: &Url) -> std::result::Result<Path, String> {
    Path::from_url_path(url.path()).map_err(|_| "its location holds an invalid path".to_owned())
}

/// The path of the inner one of two folders of one bucket, of which one must lie in the other.
fn narrower(root: &Url, folder: &str) -> std::result::Result<Path, String> {
    let elsewhere = || "the credentials for it are for another folder".to_owned();
    let folder = Url::parse(folder).map_err(|_| elsewhere())?;
    let bucket = |url: &Url| {
        let scheme = if url.scheme() == "s3a" { "s3" } else { url.scheme() }.to_owned();
        (scheme, url.username().to_owned(), url.host_str().map(str::to_owned))
    };
    let (of_table, of_keys) = (path_of(root)?, path_of(&folder)?);
    if bucket(root) != bucket(&folder) {
        return Err(elsewhere());
    }
    if of_table.prefix_matches(&of_keys) {
        return Ok(of_table);
    }
    match of_keys.prefix_matches(&of_table) {
        true => Ok(of_keys),
        false => Err(elsewhere()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_of_two_folders_is_kept_and_other_folders_are_refused() {
        let inner =
            |root: &str, folder: &str| narrower(&Url::parse(root).unwrap(), folder).map(|path| path.to_string());
        assert_eq!(inner("s3://b/a/t", "s3://b/a").unwrap(), "a/t");
        assert_eq!(inner("s3://b/a/t", "s3a://b/a/t/x/").unwrap(), "a/t/x");
        assert_eq!(inner("s3://b/parts of/t", "s3://b/parts%20of/t").unwrap(), "parts of/t");
        for elsewhere in ["s3://b/a/t2", "s3://c/a/t", "gs://b/a/t", "nothing"] {
            assert!(inner("s3://b/a/t", elsewhere).is_err(), "{elsewhere}");
        }
        let azure = "abfss://one@account.dfs.core.windows.net/t";
        assert!(inner(azure, "abfss://two@account.dfs.core.windows.net/t").is_err());
    }

    #[test]
    fn access_points_have_hosts_of_their_own() {
        let point = AccessPoint::parse("arn:aws:s3:eu-west-1:123456789012:accesspoint/lake").unwrap();
        assert_eq!(point.host, "lake-123456789012.s3-accesspoint.eu-west-1.amazonaws.com");
        assert_eq!(point.region, "eu-west-1");
        assert!(AccessPoint::parse("arn:aws:s3:eu-west-1:1:accesspoint/a.evil.com/x").is_err());
        assert!(AccessPoint::parse("https://evil.example.com").is_err());
    }

    #[test]
    fn unknown_options_are_named() {
        let options = BTreeMap::from([("aws_access_key_id".to_owned(), "hidden".to_owned())]);
        let error = StorageOptions::new("s", &options).unwrap_err();
        assert!(error.message().contains("aws_access_key_id") && !error.message().contains("hidden"));
    }
}
