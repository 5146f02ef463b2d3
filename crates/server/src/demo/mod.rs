//! The demo: a lakehouse of real Delta tables made on first start, users and rules to look at it with.
//!
//! The tables are the same on every machine for a given scale. [`prepare`] makes what is missing, table by table: an
//! interrupted start is completed by the next.

mod access;
mod deletion_vector;
mod folder;
mod logistics;
mod nyctaxi;
mod table;
#[cfg(test)]
mod tests;
mod tpch;
mod write;

use std::path::{Path, PathBuf};

use contract::{Error, ErrorKind, Result};
use futures::{StreamExt, TryStreamExt};

pub use access::{DEMO_RULES, DEMO_RULES_FILE, access_config};
pub use folder::DemoFolder;

/// The catalog that the demo mounts.
pub const CATALOG: &str = "samples";
/// The scale if nothing is said: TPC-H with 600,000 line items, ready within seconds.
pub const SCALE: f64 = 0.1;
/// Beyond this the demo is no demo; TPC-H scale 100 is 100 GB.
const SCALE_MAX: f64 = 100.0;
/// Tables written at once; each holds one row group in memory.
const TABLES_AT_ONCE: usize = 2;

/// Where the demo's data lies if nothing is said: below the user's data folder.
///
/// # Errors
/// `Configuration` if neither `XDG_DATA_HOME` nor `HOME` is set.
pub fn default_folder() -> Result<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    let data = data.ok_or_else(|| {
        Error::new(ErrorKind::Configuration, "neither XDG_DATA_HOME nor HOME is set")
            .with_hint("Say where the demo's data goes with --data-dir.")
    })?;
    Ok(data.join("lakegate/demo"))
}

/// Makes sure that the demo's tables of `scale` lie in `folder`, and keeps the folder in use until the result is
/// dropped. `progress` is told what is being made.
///
/// Safe to interrupt and to run from several processes at once.
///
/// # Errors
/// `Configuration` if the folder holds something else or is in use with another scale, `DiskFull` and
/// `SourceUnavailable` if writing fails.
pub async fn prepare(folder: &Path, scale: f64, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<DemoFolder> {
    if !(scale.is_finite() && scale > 0.0 && scale <= SCALE_MAX) {
        let message = format!("the demo's scale must be above 0 and at most {SCALE_MAX}");
        return Err(Error::new(ErrorKind::Configuration, message));
    }
    let mut tables = tpch::tables(scale);
    tables.push(nyctaxi::trips());
    tables.extend(logistics::tables(scale));
    let folder = DemoFolder::open(folder, scale, &tables)?;
    if folder.is_complete() {
        return folder.share();
    }
    let total = tables.len();
    let missing: Vec<_> = tables.into_iter().filter(|table| !folder.has(table)).collect();
    let made = std::sync::atomic::AtomicUsize::new(total - missing.len());
    futures::stream::iter(missing)
        .map(|table| {
            let (folder, made) = (&folder, &made);
            async move {
                let temporary = folder.temporary()?;
                write::table(&table, temporary.path()).await?;
                folder.keep(temporary, &table)?;
                let count = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
                progress(&format!(
                    "demo data: {count} of {total} tables ({CATALOG}.{}.{})",
                    table.schema, table.name
                ));
                Ok::<_, Error>(())
            }
        })
        .buffer_unordered(TABLES_AT_ONCE)
        .try_collect::<Vec<()>>()
        .await?;
    folder.share()
}
