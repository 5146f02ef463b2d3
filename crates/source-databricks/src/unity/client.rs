//! Calls of Unity Catalog's REST API, the same on Databricks and on the open-source server.
//!
//! <https://docs.databricks.com/api/workspace/catalogs>, <https://github.com/unitycatalog/unitycatalog>

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::Stream;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::model::{Assignment, NamedInfo, TableInfo, TableLine, VendedAnswer};
use super::paging::{all_pages, page_by_page};
use crate::outcome::Failure;
use crate::retry::Repeat;
use crate::workspace::Workspace;

/// Names in one page of the bulk listing: the most that the service gives.
const SUMMARIES_PER_PAGE: &str = "10000";
/// Asks for pages of the server's own size. Without it some servers answer with everything at once.
const PAGE_OF_SERVER: &str = "0";

/// One Unity Catalog, as one principal sees it.
#[derive(Debug)]
pub(crate) struct UnityClient {
    workspace: Workspace,
    /// Whether the bulk listing is not offered.
    without_summaries: AtomicBool,
}

impl UnityClient {
    pub(crate) fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            without_summaries: AtomicBool::new(false),
        }
    }

    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    fn address(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let path = [&["api", "2.1", "unity-catalog"], path].concat();
        self.workspace.address(&path, query)
    }

    fn page(&self, path: &[&str], query: &[(&str, &str)], token: Option<&str>) -> Url {
        let token = token.map(|token| ("page_token", token));
        let query: Vec<_> = query.iter().copied().chain(token).collect();
        self.address(path, &query)
    }

    /// The schemas of a catalog.
    pub(crate) async fn schemas(&self, catalog: &str) -> Result<Vec<NamedInfo>, Failure> {
        let query = [("catalog_name", catalog), ("max_results", PAGE_OF_SERVER)];
        all_pages(&self.workspace, "schemas", |token| {
            self.page(&["schemas"], &query, token)
        })
        .await
    }

    /// All tables of a catalog in few calls; none if the server does not offer that.
    pub(crate) async fn summaries(&self, catalog: &str) -> Result<Option<Vec<TableLine>>, Failure> {
        if self.without_summaries.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let query = [("catalog_name", catalog), ("max_results", SUMMARIES_PER_PAGE)];
        let pages = all_pages(&self.workspace, "tables", |token| {
            self.page(&["table-summaries"], &query, token)
        });
        match pages.await {
            Ok(lines) => Ok(Some(lines)),
            // A server that lacks the call says so in its own words, unlike one that lacks the catalog.
            Err(Failure::Refused(refusal)) if is_call_missing(refusal.status, &refusal.code) => {
                self.without_summaries.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// The tables of a schema, without their columns.
    pub(crate) async fn tables(&self, catalog: &str, schema: &str) -> Result<Vec<TableLine>, Failure> {
        let query = [
            ("catalog_name", catalog),
            ("schema_name", schema),
            ("max_results", PAGE_OF_SERVER),
            ("omit_columns", "true"),
            ("omit_properties", "true"),
        ];
        let pages = all_pages(&self.workspace, "tables", |token| self.page(&["tables"], &query, token));
        match pages.await {
            Err(failure) if is_missing(&failure) => Ok(Vec::new()),
            outcome => outcome,
        }
    }

    /// The tables of a schema as their own calls would describe them, page by page, without properties; without
    /// columns, too, if they are not asked for.
    pub(crate) fn descriptions(
        self: Arc<Self>,
        catalog: Arc<str>,
        schema: &str,
        with_columns: bool,
    ) -> impl Stream<Item = Result<Vec<TableInfo>, Failure>> + Send + 'static + use<> {
        let (workspace, schema) = (self.workspace.clone(), schema.to_owned());
        page_by_page(workspace, "tables", move |token| {
            let query = [
                ("catalog_name", &*catalog),
                ("schema_name", &schema),
                ("max_results", PAGE_OF_SERVER),
                ("omit_columns", if with_columns { "false" } else { "true" }),
                ("omit_properties", "true"),
            ];
            self.page(&["tables"], &query, token)
        })
    }

    /// A table; none if there is none of exactly that name, or its name has a part that no call can express.
    ///
    /// Databricks finds a table in any case of letters. Rules are about exact names: one that is spelled otherwise is
    /// another table, which does not exist.
    pub(crate) async fn table(&self, parts: [&str; 3]) -> Result<Option<TableInfo>, Failure> {
        if parts.iter().any(|part| part.is_empty() || part.contains('.')) {
            return Ok(None);
        }
        let query = [("include_manifest_capabilities", "true")];
        let address = self.address(&["tables", &parts.join(".")], &query);
        let [_, schema, table] = parts;
        match self.workspace.get::<TableInfo>(address).await {
            Ok(info) => Ok(Some(info).filter(|info| info.schema_name == schema && info.name == table)),
            Err(failure) if is_missing(&failure) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What `principal` has on an object, by itself, through its groups and from above. Nothing on what does not exist,
    /// and nothing for a principal that does not exist.
    pub(crate) async fn effective_privileges(
        &self,
        kind: &str,
        full_name: &str,
        principal: &str,
    ) -> Result<Vec<Assignment>, Failure> {
        let query = [("principal", principal), ("max_results", PAGE_OF_SERVER)];
        let pages = all_pages(&self.workspace, "privilege_assignments", |token| {
            self.page(&["effective-permissions", kind, full_name], &query, token)
        });
        match pages.await {
            Err(Failure::Refused(refusal))
                if refusal.status == 404 && !is_call_missing(refusal.status, &refusal.code) =>
            {
                Ok(Vec::new())
            }
            outcome => outcome,
        }
    }

    /// Who owns a catalog or schema, if it exists and the service tells.
    pub(crate) async fn owner(&self, kind: &str, full_name: &str) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Owned {
            #[serde(default)]
            owner: Option<String>,
        }
        let collection = match kind {
            "catalog" => "catalogs",
            _ => "schemas",
        };
        match self
            .workspace
            .get::<Owned>(self.address(&[collection, full_name], &[]))
            .await
        {
            Ok(found) => Ok(found.owner),
            Err(failure) if is_missing(&failure) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Credentials to read a table's files. A second call gives other ones, which is no harm.
    pub(crate) async fn table_credentials(&self, table_id: &str) -> Result<VendedAnswer, Failure> {
        let address = self.address(&["temporary-table-credentials"], &[]);
        let body = json!({ "table_id": table_id, "operation": "READ" });
        self.workspace.post(address, &body, Repeat::Idempotent).await
    }

    /// The region of the metastore's cloud, if it tells.
    pub(crate) async fn region(&self) -> Result<Option<String>, Failure> {
        #[derive(Deserialize)]
        struct Summary {
            #[serde(default)]
            cloud: Option<String>,
            #[serde(default)]
            region: Option<String>,
        }
        let summary: Summary = self.workspace.get(self.address(&["metastore_summary"], &[])).await?;
        let is_aws = summary.cloud.is_none_or(|cloud| cloud.eq_ignore_ascii_case("aws"));
        Ok(summary.region.filter(|region| is_aws && !region.is_empty()))
    }
}

/// Whether what was asked for does not exist. Services differ in the word, not in the status.
pub(super) fn is_missing(failure: &Failure) -> bool {
    failure.refusal().is_some_and(|refusal| refusal.status == 404)
}

fn is_call_missing(status: u16, code: &str) -> bool {
    let of_an_object =
        code.ends_with("_DOES_NOT_EXIST") || code.ends_with("_NOT_FOUND") && code != "ENDPOINT_NOT_FOUND";
    matches!(status, 404 | 405 | 501) && !of_an_object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_call_is_not_a_missing_catalog() {
        assert!(is_call_missing(404, ""));
        assert!(is_call_missing(404, "ENDPOINT_NOT_FOUND"));
        assert!(!is_call_missing(404, "CATALOG_DOES_NOT_EXIST"));
        assert!(!is_call_missing(404, "CATALOG_NOT_FOUND"));
        assert!(!is_call_missing(403, "PERMISSION_DENIED"));
    }
}
