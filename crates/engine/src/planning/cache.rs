//! Plans that are made once and executed often.

use std::sync::Arc;

use contract::{PushdownLimit, Route};
use datafusion::arrow::datatypes::DataType;
use policy::Stamp;

use super::pipeline::Planned;
use super::tables::PresentedTables;

/// Plans that are kept; one takes some tens of kilobytes.
const PLANS_MAX: u64 = 2048;
/// Longer texts are planned each time: they are generated, and rarely come twice.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// All that changes what a text means, apart from the tables' states, which are checked at each use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PlanKey {
    pub(crate) text: Arc<str>,
    /// Identity and rule version.
    pub(crate) stamp: Stamp,
    /// The version of the set of catalogs.
    pub(crate) sources: u64,
    pub(crate) catalog: String,
    pub(crate) search_path: String,
    pub(crate) time_zone: String,
    pub(crate) route: Route,
    pub(crate) pushdown: PushdownLimit,
    pub(crate) declared: Vec<Option<DataType>>,
}

/// Plans and bound rules of all sessions.
#[derive(Debug)]
pub(crate) struct PlanCache {
    plans: moka::sync::Cache<PlanKey, Arc<Planned>>,
    pub(crate) presented: PresentedTables,
}

impl PlanCache {
    pub(crate) fn new() -> Self {
        Self {
            plans: moka::sync::Cache::new(PLANS_MAX),
            presented: PresentedTables::new(),
        }
    }

    pub(crate) fn get(&self, key: &PlanKey) -> Option<Arc<Planned>> {
        self.plans.get(key)
    }

    pub(crate) fn insert(&self, key: PlanKey, planned: Arc<Planned>) {
        if key.text.len() <= TEXT_BYTES_MAX {
            self.plans.insert(key, planned);
        }
    }
}
