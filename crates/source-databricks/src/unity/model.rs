//! What Unity Catalog says of its objects. No list of words is closed: services add to theirs.
//!
//! <https://docs.databricks.com/api/workspace/tables/get>

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::spark_type::SparkType;
use crate::secret::Secret;

/// A catalog or a schema in a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct NamedInfo {
    pub(crate) name: String,
}

/// A table in a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TableLine {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) full_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) table_type: String,
    #[serde(default)]
    pub(crate) owner: Option<String>,
}

/// What a principal has on an object, by itself or from above.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Assignment {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) privileges: Vec<EffectivePrivilege>,
}

/// One privilege. Where it comes from is told too, and does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct EffectivePrivilege {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) privilege: String,
}

/// A table as the catalog describes it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct TableInfo {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) schema_name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) table_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) table_type: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) data_source_format: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) columns: Vec<ColumnInfo>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) storage_location: String,
    #[serde(default)]
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) comment: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) properties: Map<String, Value>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) updated_at: i64,
    #[serde(default)]
    pub(crate) row_filter: Option<Value>,
    #[serde(default)]
    pub(crate) securable_kind_manifest: Option<Manifest>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) manifest_capabilities: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) browse_only: bool,
}

/// What a table can do, where the service says so.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Manifest {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) capabilities: Vec<String>,
}

/// One column.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ColumnInfo {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) nullable: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) position: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) type_text: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) type_json: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) comment: String,
    #[serde(default)]
    pub(crate) mask: Option<Value>,
}

impl ColumnInfo {
    /// Its type: what the text says, unless only the JSON can be read, or says what the text leaves out.
    pub(crate) fn spark_type(&self) -> Option<SparkType> {
        let of_text = SparkType::parse(&self.type_text);
        let of_json = SparkType::parse_json(&self.type_json);
        match (of_text, of_json) {
            (Some(SparkType::String) | None, Some(json)) => Some(json),
            (text, _) => text,
        }
    }
}

/// Storage credentials for one table. At most one of the five is there.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct VendedAnswer {
    #[serde(default)]
    pub(crate) aws_temp_credentials: Option<AwsKeys>,
    #[serde(default)]
    pub(crate) azure_user_delegation_sas: Option<AzureSas>,
    #[serde(default)]
    pub(crate) azure_aad: Option<AzureToken>,
    #[serde(default)]
    pub(crate) gcp_oauth_token: Option<GcpToken>,
    #[serde(default)]
    pub(crate) r2_temp_credentials: Option<AwsKeys>,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub(crate) expiration_time: Option<i64>,
    /// The folder that they are for.
    #[serde(default)]
    pub(crate) url: Option<String>,
}

/// Keys of S3, or of a store that speaks its protocol.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AwsKeys {
    pub(crate) access_key_id: Secret,
    pub(crate) secret_access_key: Secret,
    #[serde(default)]
    pub(crate) session_token: Option<Secret>,
    /// The access point that stands for the bucket.
    #[serde(default)]
    pub(crate) access_point: Option<String>,
}

/// A shared access signature.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AzureSas {
    pub(crate) sas_token: Secret,
}

/// A token of Entra ID.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AzureToken {
    pub(crate) aad_token: Secret,
}

/// A token of Google.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct GcpToken {
    pub(crate) oauth_token: Secret,
}

/// Null is nothing, as a missing key is.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
