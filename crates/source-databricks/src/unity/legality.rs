//! Whether a table's files may be read here at all. Whatever is not plainly allowed needs compute.

use super::model::TableInfo;
use crate::outcome::Refusal;
use crate::workspace::CREDENTIALS_DENIED;

/// What a manifest of a table says if its files may be read from outside.
const READABLE: &str = "HAS_DIRECT_EXTERNAL_ENGINE_READ_SUPPORT";
/// Properties that mark a table whose newest commits only the catalog knows.
const CATALOG_MANAGED: &[&str] = &[
    "io.unitycatalog.tableId",
    "ucTableId",
    "delta.feature.catalogManaged",
    "delta.feature.catalogOwned-preview",
];

/// Why the table needs compute, by what the catalog says of it; none if its files may be asked for.
pub(crate) fn needs_compute(info: &TableInfo) -> Option<String> {
    let has = |value: &Option<serde_json::Value>| value.as_ref().is_some_and(|value| !value.is_null());
    if has(&info.row_filter) {
        return Some("it has a row filter in Unity Catalog".to_owned());
    }
    if let Some(column) = info.columns.iter().find(|column| has(&column.mask)) {
        return Some(format!("its column \"{}\" is masked in Unity Catalog", column.name));
    }
    let kind = match info.table_type.as_str() {
        "MANAGED" | "EXTERNAL" | "MANAGED_SHALLOW_CLONE" | "EXTERNAL_SHALLOW_CLONE" => None,
        "VIEW" => Some("it is a view".to_owned()),
        "MATERIALIZED_VIEW" => Some("it is a materialized view".to_owned()),
        "METRIC_VIEW" => Some("it is a metric view".to_owned()),
        "STREAMING_TABLE" => Some("it is a streaming table".to_owned()),
        "FOREIGN" => Some("its rows lie in a foreign system".to_owned()),
        other => Some(format!("it is of the kind \"{}\"", crate::outcome::shortened(other))),
    };
    if kind.is_some() {
        return kind;
    }
    if info.data_source_format != "DELTA" {
        let format = crate::outcome::shortened(&info.data_source_format);
        return Some(format!("its format is \"{format}\", not Delta"));
    }
    if CATALOG_MANAGED.iter().any(|key| info.properties.contains_key(*key)) {
        return Some("its commits are managed by the catalog".to_owned());
    }
    if info.browse_only {
        return Some("only its description may be read".to_owned());
    }
    let mut capabilities = info.manifest_capabilities.iter();
    let mut of_manifest = info.securable_kind_manifest.iter().flat_map(|kind| &kind.capabilities);
    let told = info.securable_kind_manifest.is_some() || !info.manifest_capabilities.is_empty();
    if told && !capabilities.any(|one| one == READABLE) && !of_manifest.any(|one| one == READABLE) {
        return Some("Unity Catalog does not let other engines read its files".to_owned());
    }
    if info.table_id.is_empty() || info.storage_location.is_empty() {
        return Some("Unity Catalog does not say where its files are".to_owned());
    }
    None
}

/// Why no credentials are given out for a table's files; none if the call failed for another reason.
///
/// Asked before any try again and before any new login: some of these have the status of a failed login.
pub(crate) fn refusal_of_credentials(refusal: &Refusal) -> Option<&'static str> {
    let words = refusal.message.to_lowercase();
    let says = |all: &[&str]| all.iter().any(|part| words.contains(part));
    if refusal.reason == CREDENTIALS_DENIED || refusal.status == 403 && refusal.code != "403" {
        return Some(if says(&["external use schema"]) {
            "the service's principal lacks EXTERNAL USE SCHEMA on its schema"
        } else if says(&["row filter", "column mask", "fine-grained", "policy"]) {
            "a row filter, a mask or a policy of Unity Catalog applies to it"
        } else if says(&["external access", "metastore"]) {
            "the metastore does not allow external access to its data"
        } else {
            "Unity Catalog gives out no credentials for its files"
        });
    }
    match refusal.status {
        400 | 409 | 501 => Some("Unity Catalog gives out no credentials for tables of its kind or storage"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn info(changes: serde_json::Value) -> TableInfo {
        let mut table = json!({
            "table_id": "t", "table_type": "MANAGED", "data_source_format": "DELTA", "storage_location": "s3://b/t",
            "columns": [{"name": "a", "type_text": "int"}],
        });
        table
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        serde_json::from_value(table).unwrap()
    }

    #[test]
    fn only_plain_delta_tables_are_read_directly() {
        assert_eq!(needs_compute(&info(json!({}))), None);
        assert_eq!(
            needs_compute(&info(json!({"row_filter": null, "properties": null}))),
            None
        );
        for changes in [
            json!({"row_filter": {"function_name": "f"}}),
            json!({"columns": [{"name": "a", "mask": {"function_name": "f"}}]}),
            json!({"table_type": "VIEW", "data_source_format": null}),
            json!({"table_type": "HOLOGRAPHIC_TABLE"}),
            json!({"table_type": null}),
            json!({"data_source_format": "PARQUET"}),
            json!({"properties": {"io.unitycatalog.tableId": "x"}}),
            json!({"securable_kind_manifest": {"capabilities": ["OTHER"]}}),
            json!({"browse_only": true}),
            json!({"storage_location": null}),
        ] {
            assert!(needs_compute(&info(changes.clone())).is_some(), "{changes}");
        }
        for changes in [
            json!({"securable_kind_manifest": {"capabilities": [READABLE]}}),
            json!({"manifest_capabilities": [READABLE]}),
        ] {
            assert_eq!(needs_compute(&info(changes)), None);
        }
    }

    #[test]
    fn refusals_are_told_from_trouble() {
        let refused = |status, body: serde_json::Value| {
            refusal_of_credentials(&Refusal::new(status, body.to_string().as_bytes(), None))
        };
        let denied =
            json!({"error_code": "PERMISSION_DENIED", "message": "User does not have external use SCHEMA on x"});
        assert!(refused(403, denied).unwrap().contains("EXTERNAL USE SCHEMA"));
        let off = json!({"error_code": "UNAUTHENTICATED", "message": "x", "details": [{"reason": CREDENTIALS_DENIED}]});
        assert!(refused(401, off).is_some());
        assert!(refused(400, json!({"error_code": "FAILED_PRECONDITION"})).is_some());
        assert_eq!(refused(401, json!({"error_code": "UNAUTHENTICATED"})), None);
        assert_eq!(
            refused(403, json!({"error_code": 403, "message": "Invalid access token."})),
            None
        );
        assert_eq!(refused(503, json!({})), None);
        assert_eq!(refused(404, json!({})), None);
    }
}
