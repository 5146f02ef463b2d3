//! deltalake as the other opinion: where it accepts a table, both must see the same rows.

use contract::TableVersion;
use datafusion::prelude::{SessionConfig, SessionContext};
use url::Url;

use crate::corpus::Corpus;
use crate::reading::{Reader, Rows, difference, session};

/// Where deltalake is the one that is wrong, and how that is known.
const KNOWN: [&str; 0] = [];

#[tokio::test(flavor = "multi_thread")]
async fn deltalake_sees_the_same_rows() {
    let Some(corpus) = Corpus::find() else { return };
    let reader = Reader::new();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in &corpus.cases {
        let folder = corpus.table(case);
        let Some(theirs) = theirs(&folder).await else { continue };
        let ours = match reader.open(&folder, TableVersion::Latest).await {
            Ok(Some(table)) => Rows::of(&session(table.provider.clone()), "SELECT * FROM t").await,
            Ok(None) => {
                wrong.push(format!("{}: only deltalake finds a table", case.id()));
                continue;
            }
            Err(error) => Err(error),
        };
        compared += 1;
        let difference = match ours {
            Ok(ours) => difference(&ours, &theirs),
            Err(error) => Some(format!("only deltalake reads it: {error}")),
        };
        if let Some(why) = difference.filter(|_| !KNOWN.contains(&case.id().as_str())) {
            wrong.push(format!("{}: {why}", case.id()));
        }
    }
    println!(
        "differential: {compared} tables compared with deltalake, {} differ",
        wrong.len()
    );
    assert!(compared > 100, "deltalake accepted only {compared} tables");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn theirs(folder: &std::path::Path) -> Option<Rows> {
    let table = deltalake::open_table(Url::from_directory_path(folder).unwrap())
        .await
        .ok()?;
    let mut config = SessionConfig::new();
    config.options_mut().execution.parquet.coerce_int96 = Some("us".to_owned());
    let ctx = SessionContext::new_with_config(config);
    let provider = table.table_provider().await.ok()?;
    ctx.register_table("t", provider).ok()?;
    Rows::of(&ctx, "SELECT * FROM t").await.ok()
}
