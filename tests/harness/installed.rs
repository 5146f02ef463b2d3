//! What the scripts `install.sh` put into the user's cache, and tests that go without it.

use std::path::{Path, PathBuf};

/// The folder of an install script: the value of `variable`, or else `name` in the product's cache folder.
pub fn folder(variable: &str, name: &str) -> PathBuf {
    let value = |name: &str| std::env::var_os(name).map(PathBuf::from);
    value(variable).unwrap_or_else(|| {
        let cache = value("XDG_CACHE_HOME").or_else(|| Some(value("HOME")?.join(".cache")));
        cache.unwrap_or_default().join("lakegate").join(name)
    })
}

/// Whether `path` is there. Says aloud that a test is skipped where it is not; on CI that is a failure.
pub fn present(path: &Path, script: &str) -> bool {
    if path.exists() {
        return true;
    }
    eprintln!("SKIPPED: no {} (run {script})", path.display());
    assert!(std::env::var_os("CI").is_none(), "CI must have what {script} installs");
    false
}
