//! Listings that come in pages. An empty page may be followed by a full one; only a missing token ends them.

use futures::Stream;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::outcome::Failure;
use crate::workspace::Workspace;

/// Names that one listing may have. Workspaces of a hundred thousand tables exist.
const NAMES_MAX: usize = 1_000_000;
/// Pages that one listing may have: the smallest pages seen hold fifty names.
const PAGES_MAX: usize = 40_000;

/// Collects `member` of all pages; `address` makes the URL of a page from its token.
pub(crate) async fn all_pages<T: DeserializeOwned>(
    workspace: &Workspace,
    member: &str,
    address: impl Fn(Option<&str>) -> Url,
) -> Result<Vec<T>, Failure> {
    let mut pages = Pages::default();
    while pages.goes_on() {
        let page: Value = workspace.get(address(pages.token.as_deref())).await?;
        pages.add(page, member).map_err(Failure::Malformed)?;
    }
    Ok(pages.items)
}

/// The pages of `member` one after another; `address` makes the URL of a page from its token. Only one is held.
pub(crate) fn page_by_page<T: DeserializeOwned + Send + 'static>(
    workspace: Workspace,
    member: &'static str,
    address: impl Fn(Option<&str>) -> Url + Send + 'static,
) -> impl Stream<Item = Result<Vec<T>, Failure>> + Send + 'static {
    let begun = (Pages::<T>::default(), workspace, address);
    futures::stream::try_unfold(begun, move |(mut pages, workspace, address)| async move {
        if !pages.goes_on() {
            return Ok::<_, Failure>(None);
        }
        let url = address(pages.token.as_deref());
        let page: Value = workspace.get(url).await?;
        pages.add(page, member).map_err(Failure::Malformed)?;
        let items = std::mem::take(&mut pages.items);
        Ok(Some((items, (pages, workspace, address))))
    })
}

#[derive(Debug)]
struct Pages<T> {
    items: Vec<T>,
    token: Option<String>,
    count: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            token: None,
            count: 0,
        }
    }
}

impl<T: DeserializeOwned> Pages<T> {
    fn goes_on(&self) -> bool {
        self.count == 0 || self.token.is_some()
    }

    fn add(&mut self, mut page: Value, member: &str) -> Result<(), String> {
        let Some(page) = page.as_object_mut() else {
            return Err("a page of a listing is no object".to_owned());
        };
        let next = match page.get("next_page_token") {
            Some(Value::String(token)) if !token.is_empty() => Some(token.clone()),
            _ => None,
        };
        if next.is_some() && next == self.token {
            return Err("a page of a listing leads to itself".to_owned());
        }
        match page.remove(member) {
            Some(Value::Array(items)) => {
                for item in items {
                    self.items
                        .push(serde_json::from_value(item).map_err(|error| error.to_string())?);
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => return Err(format!("\"{member}\" of a listing is no list")),
        }
        self.count += 1;
        self.token = next;
        if self.items.len() > NAMES_MAX || self.count > PAGES_MAX {
            return Err("a listing does not end".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_pages_do_not_end_a_listing() {
        let mut pages = Pages::<Value>::default();
        for (page, goes_on) in [
            (json!({"tables": [], "next_page_token": "a"}), true),
            (json!({"next_page_token": "b"}), true),
            (json!({"tables": [{"name": "x"}], "next_page_token": ""}), false),
        ] {
            assert!(pages.goes_on());
            pages.add(page, "tables").unwrap();
            assert_eq!(pages.goes_on(), goes_on);
        }
        assert_eq!(pages.items.len(), 1);
    }

    #[test]
    fn pages_that_lead_nowhere_are_errors() {
        let mut pages = Pages::<Value>::default();
        pages.add(json!({"next_page_token": "a"}), "tables").unwrap();
        assert!(pages.add(json!({"next_page_token": "a"}), "tables").is_err());
        assert!(Pages::<Value>::default().add(json!([]), "tables").is_err());
        assert!(Pages::<Value>::default().add(json!({"tables": 1}), "tables").is_err());
    }
}
