//! What plans over Delta tables look like: parallel, pruned, answered from statistics, and marked with their origin.

use std::sync::Arc;

use contract::ScanOrigin;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::prelude::SessionContext;

use crate::corpus::Corpus;
use crate::reading::{Reader, Rows, session};

async fn plan(ctx: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    ctx.sql(sql).await.unwrap().create_physical_plan().await.unwrap()
}

fn text(plan: &Arc<dyn ExecutionPlan>) -> String {
    displayable(plan.as_ref()).indent(true).to_string()
}

async fn open(corpus: &Corpus, id: &str) -> SessionContext {
    session(Reader::new().provider(&corpus.table(corpus.case(id))).await)
}

/// Every file of every scan below `plan`.
fn files(plan: &Arc<dyn ExecutionPlan>) -> Vec<datafusion::datasource::listing::PartitionedFile> {
    let mut found = Vec::new();
    if let Some(source) = plan.downcast_ref::<DataSourceExec>() {
        let config = source.data_source().downcast_ref::<FileScanConfig>().unwrap();
        found.extend(config.file_groups.iter().flat_map(|group| group.files().to_vec()));
    }
    found.extend(plan.children().into_iter().flat_map(files));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_vectors_keep_parallelism() {
    let Some(corpus) = Corpus::find() else { return };
    let ctx = open(&corpus, "kernel_golden/dv-partitioned-with-checkpoint").await;
    let plan = plan(&ctx, "SELECT * FROM t").await;
    assert!(
        plan.properties().output_partitioning().partition_count() > 1,
        "{}",
        text(&plan)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_says_where_it_comes_from() {
    let Some(corpus) = Corpus::find() else { return };
    for id in [
        "kernel_golden/dv-partitioned-with-checkpoint",
        "kernel_golden/basic-with-inserts-updates",
    ] {
        let plan = plan(&open(&corpus, id).await, "SELECT * FROM t").await;
        let files = files(&plan);
        assert!(!files.is_empty(), "{}", text(&plan));
        for file in files {
            assert_eq!(file.extension::<ScanOrigin>().unwrap().0.to_string(), "lake.default.t");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_needs_no_scan() {
    let Some(corpus) = Corpus::find() else { return };
    for id in [
        "kernel_golden/dv-partitioned-with-checkpoint",
        "kernel_golden/basic-with-inserts-updates",
    ] {
        let plan = text(&plan(&open(&corpus, id).await, "SELECT count(*) FROM t").await);
        assert!(!plan.contains("DataSourceExec"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_filter_is_decided_while_planning() {
    let Some(corpus) = Corpus::find() else { return };
    let ctx = open(&corpus, "kernel_golden/dv-partitioned-with-checkpoint").await;
    let all = files(&plan(&ctx, "SELECT * FROM t").await).len();
    let plan = plan(&ctx, "SELECT * FROM t WHERE part = 0").await;
    assert!(!text(&plan).contains("FilterExec"), "{}", text(&plan));
    assert!(files(&plan).len() < all, "{}", text(&plan));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_on_a_mapped_column_reaches_the_reader() {
    let Some(corpus) = Corpus::find() else { return };
    let ctx = open(&corpus, "kernel_golden/dv-with-columnmapping").await;
    let plan = text(&plan(&ctx, "SELECT * FROM t WHERE col1 = 5").await);
    assert!(plan.contains("predicate="), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_stops_early_and_counts_only_live_rows() {
    let Some(corpus) = Corpus::find() else { return };
    let ctx = open(&corpus, "kernel_golden/dv-partitioned-with-checkpoint").await;
    let all = Rows::of(&ctx, "SELECT * FROM t").await.unwrap().count();
    for limit in [0, 1, 3, all - 1, all, all + 5] {
        let read = Rows::of(&ctx, &format!("SELECT * FROM t LIMIT {limit}")).await.unwrap();
        assert_eq!(read.count(), limit.min(all));
    }
}
