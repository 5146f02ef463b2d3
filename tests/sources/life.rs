//! Tables that change while an opener holds them, and folders that come and go.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use contract::{ErrorKind, TableName, TableVersion};
use deltalake::DeltaTable;
use federation::Source;
use source_delta::{DeltaFolder, DeltaOpener, DeltaOptions};
use tempfile::TempDir;
use url::Url;

use crate::reading::{Reader, Rows, context, session};

fn numbers(values: &[i64]) -> RecordBatch {
    let schema = Schema::new(vec![Field::new("id", DataType::Int64, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
}

pub(crate) async fn append(folder: &Path, values: &[i64]) {
    std::fs::create_dir_all(folder).unwrap();
    let table = DeltaTable::try_from_url(Url::from_directory_path(folder).unwrap())
        .await
        .unwrap();
    table.write(vec![numbers(values)]).await.unwrap();
}

async fn count(reader: &Reader, folder: &Path, version: TableVersion) -> usize {
    let table = reader.open(folder, version).await.unwrap().expect("no table");
    let ctx = session(table.provider.clone());
    let read = Rows::of(&ctx, "SELECT * FROM t").await.unwrap().count();
    let counted = Rows::of(&ctx, "SELECT count(*) FROM t").await.unwrap().number();
    assert_eq!(usize::try_from(counted), Ok(read));
    read
}

fn log_file(folder: &Path, version: u64) -> std::path::PathBuf {
    folder.join("_delta_log").join(format!("{version:020}.json"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_table_sees_every_commit() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("t");
    let reader = Reader::new();
    assert!(reader.open(&folder, TableVersion::Latest).await.unwrap().is_none());
    let mut states = Vec::new();
    for round in 1..=12 {
        append(&folder, &[round, -round]).await;
        let table = reader.open(&folder, TableVersion::Latest).await.unwrap().unwrap();
        assert_eq!(
            count(&reader, &folder, TableVersion::Latest).await,
            usize::try_from(round * 2).unwrap()
        );
        let again = reader.open(&folder, TableVersion::Latest).await.unwrap().unwrap();
        assert_eq!(table.state, again.state, "nothing was committed in between");
        assert!(!states.contains(&table.state));
        states.push(table.state);
    }
    for version in 0..12_u64 {
        let rows = usize::try_from(version + 1).unwrap() * 2;
        assert_eq!(count(&reader, &folder, TableVersion::Version(version)).await, rows);
    }
    let error = reader.open(&folder, TableVersion::Version(12)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_share_one_snapshot_and_none_reads_an_old_one() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("t");
    append(&folder, &[1]).await;
    let reader = Arc::new(Reader::new());
    for round in 2..=6_usize {
        append(&folder, &[0]).await;
        let clients = (0..16).map(|_| {
            let (reader, folder) = (Arc::clone(&reader), folder.clone());
            tokio::spawn(async move { reader.open(&folder, TableVersion::Latest).await.unwrap().unwrap().state })
        });
        let states = futures::future::join_all(clients)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<_>>();
        assert!(states.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(count(&reader, &folder, TableVersion::Latest).await, round);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn travel_by_time_follows_the_commits() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("t");
    for version in 0..3_u64 {
        append(&folder, &[1]).await;
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 * (version + 1));
        let file = std::fs::File::options()
            .write(true)
            .open(log_file(&folder, version))
            .unwrap();
        file.set_modified(at).unwrap();
    }
    let reader = Reader::new();
    for (at_s, rows) in [(1_000_000, 1), (1_500_000, 1), (2_000_000, 2), (9_000_000, 3)] {
        assert_eq!(
            count(&reader, &folder, TableVersion::Timestamp(at_s * 1_000)).await,
            rows,
            "at {at_s} s"
        );
    }
    let error = reader.open(&folder, TableVersion::Timestamp(5_000)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UndefinedObject);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_anew_is_noticed() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("t");
    let reader = Reader::new();
    for _ in 0..4 {
        append(&folder, &[1, 2, 3]).await;
    }
    assert_eq!(count(&reader, &folder, TableVersion::Latest).await, 12);
    let before = reader.open(&folder, TableVersion::Latest).await.unwrap().unwrap().state;
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(reader.open(&folder, TableVersion::Latest).await.unwrap().is_none());
    for _ in 0..4 {
        append(&folder, &[7]).await;
    }
    assert_eq!(count(&reader, &folder, TableVersion::Latest).await, 4);
    assert_ne!(
        reader.open(&folder, TableVersion::Latest).await.unwrap().unwrap().state,
        before
    );
    // Without a look in between, at the same version as before.
    std::fs::remove_dir_all(&folder).unwrap();
    for _ in 0..4 {
        append(&folder, &[8, 9]).await;
    }
    assert_eq!(count(&reader, &folder, TableVersion::Latest).await, 8);
    assert_eq!(count(&reader, &folder, TableVersion::Version(1)).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_names_the_file() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("t");
    for _ in 0..3 {
        append(&folder, &[1]).await;
    }
    let text = std::fs::read_to_string(log_file(&folder, 1)).unwrap();
    std::fs::write(log_file(&folder, 1), &text[..text.len() / 2]).unwrap();
    let reader = Reader::new();
    let error = match reader.open(&folder, TableVersion::Latest).await {
        Err(error) => error,
        Ok(table) => Rows::of(&session(table.unwrap().provider.clone()), "SELECT * FROM t")
            .await
            .unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{error}");
    assert!(
        error.message().contains("_delta_log/00000000000000000001.json"),
        "{error}"
    );
    std::fs::write(log_file(&folder, 1), text).unwrap();
    assert_eq!(count(&reader, &folder, TableVersion::Latest).await, 3);
    std::fs::remove_file(log_file(&folder, 1)).unwrap();
    let error = Reader::new().open(&folder, TableVersion::Latest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataCorrupted, "{error}");
    assert!(
        error.message().contains("_delta_log/00000000000000000001.json"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuumed_file_is_named_and_no_row_is_skipped() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("t");
    append(&folder, &[1]).await;
    append(&folder, &[2]).await;
    let reader = Reader::new();
    let provider = reader.provider(&folder).await;
    let data = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let gone = data
        .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
        .min()
        .unwrap();
    std::fs::remove_file(&gone).unwrap();
    let error = Rows::of(&session(provider), "SELECT * FROM t").await.unwrap_err();
    let name = gone.file_name().unwrap().to_str().unwrap();
    assert!(
        error.message().contains(name) && error.message().ends_with("is gone"),
        "{error}"
    );
    assert!(!error.message().contains(directory.path().to_str().unwrap()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsupported_feature_is_listed_and_named() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("odd");
    append(&folder, &[1]).await;
    let log = log_file(&folder, 0);
    let lines = std::fs::read_to_string(&log).unwrap();
    let protocol = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timeMachine"],"writerFeatures":["timeMachine"]}}"#;
    let lines = lines.lines().map(|line| {
        if line.starts_with("{\"protocol\"") {
            protocol
        } else {
            line
        }
    });
    std::fs::write(&log, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let lake = lake(directory.path());
    let tables = lake.tables("default", &context()).await.unwrap();
    assert_eq!(
        tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["odd"]
    );
    let name = TableName::new("lake", "default", "odd");
    let error = lake.table(&name, TableVersion::Latest, &context()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.message(),
        "table \"odd\" uses the Delta feature \"timeMachine\", which cannot be read directly"
    );
}

fn lake(folder: &Path) -> Arc<DeltaFolder> {
    let location = Url::from_directory_path(folder).unwrap();
    let opener = DeltaOpener::new(DeltaOptions::default());
    DeltaFolder::new("lake", location, BTreeMap::new(), "default", opener).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_appear_and_vanish() {
    let directory = TempDir::new().unwrap();
    let ctx = context();
    let lake = lake(directory.path());
    assert_eq!(lake.schemas(&ctx).await.unwrap(), ["default"]);
    append(&directory.path().join("top"), &[1]).await;
    append(&directory.path().join("sales").join("with space"), &[1, 2]).await;
    std::fs::create_dir_all(directory.path().join("empty").join("no table")).unwrap();
    assert_eq!(lake.schemas(&ctx).await.unwrap(), ["default", "sales"]);
    let tables = lake.tables("sales", &ctx).await.unwrap();
    assert_eq!(
        tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["with space"]
    );
    let name = TableName::new("lake", "sales", "with space");
    let table = lake.table(&name, TableVersion::Latest, &ctx).await.unwrap().unwrap();
    assert_eq!(
        Rows::of(&session(table.provider.clone()), "SELECT * FROM t")
            .await
            .unwrap()
            .count(),
        2
    );
    for (schema, table) in [
        ("sales", ".."),
        ("..", "top"),
        ("default", "Top"),
        ("nowhere", "top"),
        ("default", ""),
    ] {
        let name = TableName::new("lake", schema, table);
        assert!(
            lake.table(&name, TableVersion::Latest, &ctx).await.unwrap().is_none(),
            "{name}"
        );
    }
    std::fs::remove_dir_all(directory.path().join("sales")).unwrap();
    assert_eq!(lake.schemas(&ctx).await.unwrap(), ["default"]);
    assert!(lake.table(&name, TableVersion::Latest, &ctx).await.unwrap().is_none());
    std::fs::remove_dir_all(directory.path()).unwrap();
    let error = lake.schemas(&ctx).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SourceUnavailable);
}
