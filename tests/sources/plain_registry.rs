//! Hazard 3c: why the Delta opener keeps its own way to stores. `stores::tables_of_one_url_read_through_their_own_stores`
//! is the half about ours.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use url::Url;

/// The plain registry knows a store by scheme and host: whoever registers last lends their credentials to all tables of
/// the bucket.
#[test]
fn a_session_has_one_store_for_a_bucket() {
    let environment = RuntimeEnv::default();
    let [mine, theirs] = ["mine", "theirs"].map(|folder| Url::parse(&format!("s3://bucket/{folder}/")).unwrap());
    let (my_store, their_store): (Arc<dyn ObjectStore>, Arc<dyn ObjectStore>) =
        (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    environment.register_object_store(&mine, Arc::clone(&my_store));
    environment.register_object_store(&theirs, Arc::clone(&their_store));
    let found = environment.object_store_registry.get_store(&mine).unwrap();
    assert!(Arc::ptr_eq(&found, &their_store), "the hazard is mended");
    assert!(!Arc::ptr_eq(&found, &my_store));
}
