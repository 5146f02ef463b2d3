//! After a log could not be read: finds the file to blame, so that an operator need not.

use std::collections::BTreeMap;

use contract::{Error, ErrorKind, TableName};
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};
use parquet::file::metadata::ParquetMetaDataReader;

use crate::log_tip::commit_version;

/// More files of a log than these are not looked at.
const FILES_MAX: usize = 10_000;

/// A file larger than this is not read for a diagnosis.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Names the damaged file in `error` if one is found; otherwise hands it back as it is.
pub(crate) async fn name_the_file(error: Error, store: &dyn ObjectStore, log: &Path, table: &TableName) -> Error {
    if error.kind() != ErrorKind::DataCorrupted {
        return error;
    }
    match find(store, log).await {
        Ok(Some((file, what))) => {
            let message = format!(
                "the log of table \"{}\" is damaged: file \"_delta_log/{file}\" {what}",
                table.table
            );
            Error::new(ErrorKind::DataCorrupted, message).with_source(error)
        }
        Ok(None) | Err(_) => error,
    }
}

async fn find(store: &dyn ObjectStore, log: &Path) -> object_store::Result<Option<(String, &'static str)>> {
    let mut commits = BTreeMap::new();
    let mut checkpoints: BTreeMap<u64, Vec<ObjectMeta>> = BTreeMap::new();
    let mut listing = store.list(Some(log));
    let mut seen = 0;
    while let Some(meta) = listing.try_next().await? {
        seen += 1;
        if seen > FILES_MAX {
            return Ok(None);
        }
        if meta.location.parts_count() != log.parts_count() + 1 {
            continue;
        }
        if let Some(version) = commit_version(&meta.location) {
            commits.insert(version, meta);
        } else if let Some(version) = checkpoint_version(&meta.location) {
            checkpoints.entry(version).or_default().push(meta);
        }
    }
    let mut first = 0;
    for (version, parts) in checkpoints.iter().rev().take(1) {
        for part in parts {
            if let Some(what) = checkpoint_damage(store, part).await? {
                return Ok(Some((name(part), what)));
            }
        }
        first = *version;
    }
    let Some((&last, _)) = commits.last_key_value() else {
        return Ok(None);
    };
    for version in first..=last {
        match commits.get(&version) {
            Some(commit) => {
                if let Some(what) = json_damage(store, commit).await? {
                    return Ok(Some((name(commit), what)));
                }
            }
            None if version > first || checkpoints.is_empty() => {
                return Ok(Some((format!("{version:020}.json"), "is missing")));
            }
            None => {}
        }
    }
    Ok(None)
}

fn name(meta: &ObjectMeta) -> String {
    meta.location.filename().unwrap_or_default().to_owned()
}

fn checkpoint_version(path: &Path) -> Option<u64> {
    let (version, rest) = path.filename()?.split_once('.')?;
    (version.len() == 20 && rest.starts_with("checkpoint."))
        .then(|| version.parse().ok())
        .flatten()
}

async fn json_damage(store: &dyn ObjectStore, meta: &ObjectMeta) -> object_store::Result<Option<&'static str>> {
    if meta.size > FILE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = match store.get(&meta.location).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(Some("is missing")),
        Err(error) => return Err(error),
    };
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .peekable();
    if lines.peek().is_none() {
        return Ok(Some("is empty"));
    }
    let valid =
        lines.all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok_and(|value| value.is_object()));
    Ok((!valid).then_some("is not valid JSON"))
}

async fn checkpoint_damage(store: &dyn ObjectStore, meta: &ObjectMeta) -> object_store::Result<Option<&'static str>> {
    if meta.location.as_ref().ends_with(".json") {
        return json_damage(store, meta).await;
    }
    if meta.size > FILE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = store.get(&meta.location).await?.bytes().await?;
    let read = ParquetMetaDataReader::new().parse_and_finish(&bytes);
    Ok(read.is_err().then_some("is not a valid Parquet file"))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    async fn find_in(files: &[(&str, &str)]) -> Option<(String, &'static str)> {
        let store = InMemory::new();
        for (file, text) in files {
            store
                .put(&Path::from(format!("t/_delta_log/{file}")), (*text).to_owned().into())
                .await
                .unwrap();
        }
        find(&store, &Path::from("t/_delta_log")).await.unwrap()
    }

    #[tokio::test]
    async fn the_damaged_file_is_found() {
        let zero = ("00000000000000000000.json", "{\"protocol\":{}}\n");
        let half = ("00000000000000000001.json", "{\"add\":{\"pa");
        assert_eq!(find_in(&[zero]).await, None);
        assert_eq!(
            find_in(&[zero, half]).await,
            Some((half.0.to_owned(), "is not valid JSON"))
        );
        let two = ("00000000000000000002.json", "{}");
        assert_eq!(find_in(&[zero, two]).await, Some((half.0.to_owned(), "is missing")));
        let checkpoint = ("00000000000000000002.checkpoint.parquet", "PAR");
        assert_eq!(
            find_in(&[two, checkpoint]).await,
            Some((checkpoint.0.to_owned(), "is not a valid Parquet file"))
        );
    }
}
