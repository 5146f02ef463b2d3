//! Parts of a result, fetched over signed links.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use chrono::DateTime;
use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::decode::decode;
use super::model::{ChunkInfo, Link, ResultData};
use super::statement::address;
use crate::clock::Moment;
use crate::http::Call;
use crate::outcome::Failure;
use crate::retry::{Repeat, Tries, Trouble};
use crate::workspace::Workspace;

/// How often one part is fetched, with a new link each time. A body that is damaged twice stays so.
const FETCHES_MAX: usize = 4;
/// A link that ends sooner is not used: fetching takes its time.
const LINK_MARGIN_MS: Moment = 60_000;
/// The body of one part, as it is stored. Parts have some megabytes.
const BODY_BYTES_MAX: usize = 256 << 20;
/// Links that are known and not yet used. One answer holds a few.
const LINKS_MAX: usize = 10_000;

/// Fetches the parts of one statement's result.
#[derive(Debug)]
pub(super) struct Chunks {
    workspace: Workspace,
    service: Arc<str>,
    statement: Arc<str>,
    links: Mutex<HashMap<u64, Link>>,
}

impl Chunks {
    /// Begins with the links that came with the statement's success.
    pub(super) fn new(workspace: Workspace, statement: Arc<str>, result: ResultData) -> Self {
        let chunks = Self {
            service: workspace.service().into(),
            workspace,
            statement,
            links: Mutex::default(),
        };
        chunks.remember(result.external_links);
        chunks
    }

    fn remember(&self, links: Vec<Link>) {
        let mut known = self.links.lock();
        for link in links.into_iter().take(LINKS_MAX.saturating_sub(known.len())) {
            known.insert(link.chunk_index, link);
        }
    }

    /// Fetches and decodes a part, again where it came damaged, its link ended or none was given.
    pub(super) async fn fetch(self: Arc<Self>, chunk: ChunkInfo) -> Result<Vec<RecordBatch>> {
        let mut tries = Tries::new(Repeat::Idempotent);
        let mut known = self.known(chunk.chunk_index);
        let mut fetches = 0;
        loop {
            let link = match known.take() {
                Some(link) => Some(link),
                None => self.ask(chunk.chunk_index).await?,
            };
            fetches += 1;
            let fetched = match link {
                Some(link) => self.fetch_once(&link, &chunk).await,
                None => {
                    let message = format!("service \"{}\" gives no link to a part of a result", self.service);
                    Err(Error::new(ErrorKind::DataCorrupted, message))
                }
            };
            let error = match fetched {
                Ok(batches) => return Ok(batches),
                Err(error) => error,
            };
            tracing::debug!(
                service = %self.service, statement = %self.statement, chunk = chunk.chunk_index, error = %error,
                "a part of a result did not come"
            );
            match tries.pause(Trouble::Broken) {
                Some(pause) if fetches < FETCHES_MAX => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    /// A link that came with another answer, if it is still good.
    fn known(&self, index: u64) -> Option<Link> {
        let link = self.links.lock().remove(&index)?;
        let end = DateTime::parse_from_rfc3339(&link.expiration).ok()?;
        let left = end.timestamp_millis().saturating_sub(self.workspace.clock().now());
        (left >= LINK_MARGIN_MS).then_some(link)
    }

    /// Asks for a new link; `None` where the answer has none. Others that come with it are kept.
    async fn ask(&self, index: u64) -> Result<Option<Link>> {
        let number = index.to_string();
        let url = address(&self.workspace, &self.statement, &["result", "chunks", &number]);
        let mut data: ResultData = self.workspace.get(url).await.map_err(|failure| self.gone(failure))?;
        let place = data.external_links.iter().position(|link| link.chunk_index == index);
        let link = place.map(|place| data.external_links.swap_remove(place));
        data.external_links.retain(|other| other.chunk_index != index);
        self.remember(data.external_links);
        Ok(link)
    }

    fn gone(&self, failure: Failure) -> Error {
        let refused = failure
            .refusal()
            .is_some_and(|refusal| matches!(refusal.status, 400 | 404));
        let error = failure.into_error(&self.service);
        if !refused {
            return error;
        }
        let message = format!("service \"{}\" has let go of a result while it was read", self.service);
        Error::new(ErrorKind::SourceUnavailable, message)
            .with_hint("Run the query again.")
            .with_source(error.causes())
    }

    async fn fetch_once(&self, link: &Link, chunk: &ChunkInfo) -> Result<Vec<RecordBatch>> {
        let body = match self.workspace.http().once(&self.call(link)?, BODY_BYTES_MAX).await {
            Ok(body) => body,
            Err(failure) => return Err(self.not_fetched(failure)),
        };
        if link
            .byte_count
            .is_some_and(|count| u64::try_from(body.len()) != Ok(count))
        {
            let message = format!("service \"{}\" sent a part of a result that is cut", self.service);
            return Err(Error::new(ErrorKind::DataCorrupted, message));
        }
        let rows = chunk.row_count.or(link.row_count);
        if link.row_count.is_some() && link.row_count != rows {
            let message = format!(
                "service \"{}\" contradicts itself about a part of a result",
                self.service
            );
            return Err(Error::new(ErrorKind::DataCorrupted, message));
        }
        let service = Arc::clone(&self.service);
        // Unfolding and checking some dozen megabytes would keep a thread of the runtime from others.
        tokio::task::spawn_blocking(move || decode(&service, body, rows))
            .await
            .map_err(|error| Error::internal("decoding a part of a result broke off").with_source(error))?
    }

    /// The call of a link: its own headers, and nothing of ours. Storage refuses tokens of others, and must not see them.
    fn call(&self, link: &Link) -> Result<Call> {
        let wrong = || {
            let message = format!("service \"{}\" gives a link that cannot be used", self.service);
            Error::new(ErrorKind::SourceRejected, message)
        };
        let url = Url::parse(link.external_link.expose()).map_err(|_| wrong())?;
        let as_safe = url.scheme() == "https" || self.workspace.is_plain() && url.scheme() == "http";
        if !as_safe {
            return Err(wrong());
        }
        let mut call = Call::new(Method::GET, url);
        for (name, value) in link.http_headers.iter().flatten() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong())?;
            value.set_sensitive(true);
            call.headers.insert(name, value);
        }
        Ok(call)
    }

    fn not_fetched(&self, failure: Failure) -> Error {
        let message = format!("a part of a result of service \"{}\" cannot be fetched", self.service);
        // The storage's own words may hold the address.
        let why = match &failure {
            Failure::Refused(refusal) => format!("the storage answered {}", refusal.status),
            Failure::Unreachable { what, .. } => format!("the storage {what}"),
            Failure::Malformed(what) => what.clone(),
            Failure::Other(error) => error.to_string(),
        };
        Error::new(ErrorKind::SourceUnavailable, message)
            .with_hint("Check that the storage of the workspace's results can be reached from here.")
            .with_source(why)
    }
}
