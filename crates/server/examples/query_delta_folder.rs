//! Queries a folder of Delta tables in this process: `cargo run --example query_delta_folder -- /srv/lake 'SELECT …'`.

use futures::StreamExt;
use lakegate::{DeltaFolder, DeltaOpener, DeltaOptions, Engine, EngineOptions, Outcome, SessionOptions};

#[tokio::main]
async fn main() -> lakegate::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = lakegate::folder_url(&arguments.next().unwrap_or_else(|| ".".to_owned()))?;
    let sql = arguments.next().unwrap_or_else(|| "SELECT 1 AS one".to_owned());

    let opener = DeltaOpener::new(DeltaOptions::default());
    let lake = DeltaFolder::new("lake", folder, Default::default(), "default", opener)?;
    let engine = Engine::builder(EngineOptions::default()).source(lake).build()?;
    let mut session = engine.open_session(engine.identity("me")?, SessionOptions::default())?;
    for statement in session.parse(&sql)? {
        let ctx = session.query_context();
        let prepared = session.prepare(statement, &[], &ctx).await?;
        if let Outcome::Rows { mut stream, .. } = session.execute(&prepared, Vec::new(), &ctx).await? {
            while let Some(batch) = stream.next().await {
                eprintln!("{}", arrow::util::pretty::pretty_format_batches(&[batch?])?);
            }
        }
    }
    Ok(())
}
