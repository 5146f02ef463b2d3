//! Waiting for what a server does in its own time.

use std::time::Duration;

/// Longer than anything that is waited for, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often is asked meanwhile.
const STEP: Duration = Duration::from_millis(50);

/// Asks until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let mut steps = tokio::time::interval(STEP);
    let asking = async {
        loop {
            steps.tick().await;
            if is_so().await {
                return;
            }
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, asking).await;
    outcome.unwrap_or_else(|_| panic!("it never came true that {what}"));
}
