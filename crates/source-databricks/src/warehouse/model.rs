//! The API's answers, as far as they are used.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::secret::Secret;
use crate::unity::ColumnInfo;

/// A statement as it stands.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) statement_id: String,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) manifest: Option<Manifest>,
    #[serde(default)]
    pub(super) result: Option<ResultData>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    pub(super) state: String,
    #[serde(default)]
    pub(super) error: Option<StatusError>,
    #[serde(default)]
    pub(super) sql_state: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct StatusError {
    #[serde(default)]
    pub(super) error_code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// What a result is made of.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) schema: ManifestSchema,
    #[serde(default)]
    pub(super) total_chunk_count: u64,
    #[serde(default)]
    pub(super) chunks: Vec<ChunkInfo>,
    #[serde(default)]
    pub(super) total_row_count: u64,
    #[serde(default)]
    pub(super) truncated: bool,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ManifestSchema {
    #[serde(default)]
    pub(super) columns: Vec<ColumnInfo>,
}

/// One part of a result, as the manifest promises it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ChunkInfo {
    pub(super) chunk_index: u64,
    #[serde(default)]
    pub(super) row_offset: Option<u64>,
    #[serde(default)]
    pub(super) row_count: Option<u64>,
    /// Of the Arrow stream, unfolded.
    #[serde(default)]
    pub(super) byte_count: Option<u64>,
}

/// One row of a result that comes as texts.
pub(super) type TextRow = Vec<Option<String>>;

/// Parts of a result: by links, or one part itself.
#[derive(Default, Deserialize)]
pub(super) struct ResultData {
    #[serde(default)]
    pub(super) external_links: Vec<Link>,
    #[serde(default)]
    pub(super) chunk_index: u64,
    #[serde(default)]
    pub(super) row_count: Option<u64>,
    /// Of the attachment, before it was made text.
    #[serde(default)]
    pub(super) byte_count: Option<u64>,
    /// The body that a link would serve, in Base64.
    #[serde(default)]
    pub(super) attachment: Option<String>,
    /// The rows themselves.
    #[serde(default)]
    pub(super) data_array: Option<Vec<TextRow>>,
}

/// Without what is somebody's rows.
impl fmt::Debug for ResultData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultData")
            .field("chunk_index", &self.chunk_index)
            .field("external_links", &self.external_links.len())
            .field("attached", &self.attachment.is_some())
            .field("as_text", &self.data_array.is_some())
            .finish()
    }
}

/// Where one part is fetched. The address is signed, so it is a secret, and so are the headers.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Link {
    pub(super) chunk_index: u64,
    #[serde(default)]
    pub(super) row_count: Option<u64>,
    /// Of the body as it is stored, folded or not.
    #[serde(default)]
    pub(super) byte_count: Option<u64>,
    pub(super) external_link: Secret,
    /// RFC 3339.
    #[serde(default)]
    pub(super) expiration: String,
    #[serde(default)]
    pub(super) http_headers: Option<BTreeMap<String, Secret>>,
}

/// A warehouse as the workspace describes it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct WarehouseInfo {
    #[serde(default)]
    pub(super) name: String,
    /// `RUNNING`, `STARTING`, `STOPPED`, and what later services add.
    #[serde(default)]
    pub(super) state: String,
}

impl WarehouseInfo {
    /// For people: name and state, and what that means for the first statement.
    pub(super) fn in_words(&self) -> String {
        let name = crate::outcome::shortened(&self.name);
        let state = match self.state.as_str() {
            "RUNNING" => "is running".to_owned(),
            "STARTING" => "is starting".to_owned(),
            "STOPPED" | "STOPPING" => "is stopped and starts on first use".to_owned(),
            "DELETED" | "DELETING" => "is deleted".to_owned(),
            other => format!("is in the state {}", crate::outcome::shortened(other)),
        };
        format!("warehouse \"{name}\" {state}")
    }
}
