use contract::{Error, ErrorKind, Result};
use url::Url;

/// The location behind `text`: a path of this machine, or a URL such as `s3://bucket/lake`. Ends in `/`.
///
/// # Errors
/// `Configuration` if it is neither.
pub fn folder_url(text: &str) -> Result<Url> {
    crate::config::folder_url(text, std::path::Path::new(""))
        .map_err(|message| Error::new(ErrorKind::Configuration, message))
}
