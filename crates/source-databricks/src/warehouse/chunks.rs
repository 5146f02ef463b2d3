//! Parts of a result, fetched over signed links, or attached to an answer where they are small.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::DateTime;
use contract::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::as_text::AsText;
use super::decode::decode;
use super::model::{ChunkInfo, Link, ResultData, TextRow};
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
/// Parts whose links are known and not yet used. One answer holds a few.
const PARTS_KNOWN_MAX: usize = 10_000;

/// Fetches the parts of one statement's result.
#[derive(Debug)]
pub(super) struct Chunks {
    workspace: Workspace,
    service: Arc<str>,
    statement: Arc<str>,
    /// How rows are read that come as texts, where that was asked for.
    as_text: Option<AsText>,
    known: Mutex<HashMap<u64, Part>>,
}

/// How a part comes.
#[derive(Debug)]
enum Part {
    Linked(Link),
    Attached(Attachment),
    Rows(TextRows),
}

/// A body that came with an answer.
struct Attachment {
    /// In Base64.
    text: String,
    row_count: Option<u64>,
    byte_count: Option<u64>,
}

/// The rows themselves.
struct TextRows {
    rows: Vec<TextRow>,
    row_count: Option<u64>,
}

impl fmt::Debug for TextRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextRows").finish_non_exhaustive()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

impl Chunks {
    /// Begins with what came with the statement's success.
    pub(super) fn new(workspace: Workspace, statement: Arc<str>, result: ResultData, as_text: Option<AsText>) -> Self {
        let chunks = Self {
            service: workspace.service().into(),
            workspace,
            statement,
            as_text,
            known: Mutex::default(),
        };
        chunks.remember(result);
        chunks
    }

    fn remember(&self, data: ResultData) {
        let mut known = self.known.lock();
        let links = data.external_links.into_iter();
        for link in links.take(PARTS_KNOWN_MAX.saturating_sub(known.len())) {
            known.insert(link.chunk_index, Part::Linked(link));
        }
        if let Some(text) = data.attachment {
            let (row_count, byte_count) = (data.row_count, data.byte_count);
            let attachment = Attachment {
                text,
                row_count,
                byte_count,
            };
            known.insert(data.chunk_index, Part::Attached(attachment));
        } else if let Some(rows) = data.data_array {
            let row_count = data.row_count;
            known.insert(data.chunk_index, Part::Rows(TextRows { rows, row_count }));
        }
    }

    /// Fetches and decodes a part, again where it came damaged, its link ended or none was given.
    pub(super) async fn fetch(self: Arc<Self>, chunk: ChunkInfo) -> Result<Vec<RecordBatch>> {
        let mut tries = Tries::new(Repeat::Idempotent);
        let mut known = self.known(chunk.chunk_index);
        let mut fetches = 0;
        loop {
            let part = match known.take() {
                Some(part) => Some(part),
                None => self.ask(chunk.chunk_index).await?,
            };
            fetches += 1;
            let fetched = match part {
                Some(Part::Linked(link)) => self.fetch_once(&link, &chunk).await,
                Some(Part::Attached(attachment)) => self.unpack(attachment, &chunk).await,
                Some(Part::Rows(rows)) => self.read(rows, &chunk),
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

    /// A part that came with another answer, if its link is still good.
    fn known(&self, index: u64) -> Option<Part> {
        let part = self.known.lock().remove(&index)?;
        if let Part::Linked(link) = &part {
            let end = DateTime::parse_from_rfc3339(&link.expiration).ok()?;
            let left = end.timestamp_millis().saturating_sub(self.workspace.clock().now());
            return (left >= LINK_MARGIN_MS).then_some(part);
        }
        Some(part)
    }

    /// Asks for a part anew; `None` where the answer has none. Others that come with it are kept.
    async fn ask(&self, index: u64) -> Result<Option<Part>> {
        let number = index.to_string();
        let url = address(&self.workspace, &self.statement, &["result", "chunks", &number]);
        let data: ResultData = self.workspace.get(url).await.map_err(|failure| self.gone(failure))?;
        self.remember(data);
        Ok(self.known.lock().remove(&index))
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
        self.decoded(body, (link.byte_count, link.row_count), chunk).await
    }

    async fn unpack(&self, attachment: Attachment, chunk: &ChunkInfo) -> Result<Vec<RecordBatch>> {
        let body = BASE64
            .decode(&attachment.text)
            .map_err(|_| self.corrupted("is no Base64"))?;
        self.decoded(body.into(), (attachment.byte_count, attachment.row_count), chunk)
            .await
    }

    fn read(&self, rows: TextRows, chunk: &ChunkInfo) -> Result<Vec<RecordBatch>> {
        let Some(as_text) = &self.as_text else {
            return Err(self.corrupted("is text where Arrow was asked for"));
        };
        let announced = chunk.row_count.or(rows.row_count);
        as_text.decode(&self.service, &rows.rows, announced)
    }

    fn corrupted(&self, how: &str) -> Error {
        let message = format!("service \"{}\" sent a part of a result that {how}", self.service);
        Error::new(ErrorKind::DataCorrupted, message)
    }

    /// Decodes a body that was said to have so many bytes and rows.
    async fn decoded(
        &self,
        body: Bytes,
        (byte_count, row_count): (Option<u64>, Option<u64>),
        chunk: &ChunkInfo,
    ) -> Result<Vec<RecordBatch>> {
        if byte_count.is_some_and(|count| u64::try_from(body.len()) != Ok(count)) {
            return Err(self.corrupted("is cut"));
        }
        let rows = chunk.row_count.or(row_count);
        if row_count.is_some() && row_count != rows {
            return Err(self.corrupted("has another number of rows than was said before"));
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
