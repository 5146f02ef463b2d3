//! Where a statement reads the tables that can be read both from their files and by a remote engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use contract::{PushdownLimit, PushdownMode, Route, TableName};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use policy::{Presented, PresentedTable};

use crate::{RemoteTable, RoutedTable};

/// What one thread of ours reads of Parquet files in a second, in bytes of the files.
const HERE_BYTES_PER_SECOND: f64 = 50e6;
/// The same for a remote engine, which has many.
const THERE_BYTES_PER_SECOND: f64 = 1e9;
/// What comes back from a remote engine in a second.
const BACK_BYTES_PER_SECOND: f64 = 60e6;

/// What was decided for one statement, and why.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RouteChoice {
    /// Whether tables that can be read both ways are read remotely.
    pub(crate) remotely: bool,
    /// Such tables.
    tables: BTreeSet<TableName>,
    reason: String,
    /// How many rows such tables have, where the session asks for a limit and the files say it for certain.
    pub(crate) rows: BTreeMap<TableName, u64>,
}

impl RouteChoice {
    /// Decides for `plan`, in the session that asks: `SET lakegate.route` wins, within what there is.
    ///
    /// # Errors
    /// Those of planning scans of files.
    pub(crate) async fn of(plan: &LogicalPlan, session: &dyn Session) -> Result<Self> {
        let scans = routed_scans(plan)?;
        let tables = scans.iter().map(|scan| scan.name.clone()).collect();
        let asked = asked_route(session);
        if scans.is_empty() {
            return Ok(Self::default());
        }
        let rows = known_rows(&scans, session).await?;
        let choice = |remotely: bool, reason: String| Self {
            remotely,
            tables,
            reason,
            rows,
        };
        Ok(match asked {
            Route::Direct => choice(false, "lakegate.route says so".to_owned()),
            Route::Warehouse | Route::Spark if scans.iter().all(|scan| scan.takes(asked)) => {
                choice(true, "lakegate.route says so".to_owned())
            }
            Route::Warehouse | Route::Spark => choice(false, format!("there is no {asked} for these tables")),
            Route::Auto => {
                let estimate = Estimate::of(plan, &scans, session).await?;
                choice(estimate.there() < estimate.here(), estimate.reason())
            }
        })
    }

    fn line(&self, way: &str) -> String {
        let names: Vec<_> = self.tables.iter().map(ToString::to_string).collect();
        format!("Route: {way} for {}, because {}", names.join(", "), self.reason)
    }
}

/// The rows of tables that are scanned, by their files; nothing if the session sets no limit.
async fn known_rows(scans: &[RoutedScan], session: &dyn Session) -> Result<BTreeMap<TableName, u64>> {
    let limit = session.config().get_extension::<PushdownLimit>();
    let mut rows = BTreeMap::new();
    if limit.is_none_or(|limit| limit.mode == PushdownMode::Auto) {
        return Ok(rows);
    }
    for scan in scans {
        let plan = scan.direct.scan(session, Some(&Vec::new()), &[], None).await?;
        let statistics = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new())?;
        if let Precision::Exact(count) = statistics.num_rows {
            // Of two states of one table the smaller counts: nothing is refused for what it might have.
            let count = count as u64;
            let known = rows.entry(scan.name.clone()).or_insert(count);
            *known = count.min(*known);
        }
    }
    Ok(rows)
}

/// The route that a session asks for.
pub(crate) fn asked_route(session: &dyn Session) -> Route {
    session
        .config()
        .get_extension::<Route>()
        .map_or(Route::Auto, |route| *route)
}

/// Says for each table of `plan` that has a choice, or had none, which way it is read and why: lines for EXPLAIN.
///
/// # Errors
/// As for planning.
pub async fn explain_routes(plan: &LogicalPlan, session: &dyn Session) -> contract::Result<Vec<String>> {
    let choice = RouteChoice::of(plan, session).await.map_err(contract::Error::from)?;
    let mut lines = Vec::new();
    if !choice.tables.is_empty() {
        lines.push(choice.line(if choice.remotely { "remote" } else { "direct" }));
    }
    for_each_scan(plan, &mut |name, provider, _| {
        if let Some(RoutedTable::RemoteOnly { remote, reason }) = provider.downcast_ref::<RoutedTable>() {
            let route = remote.engine().capabilities().route;
            let line = format!("Route: {route} for {name}, because {reason}");
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    })
    .map_err(contract::Error::from)?;
    Ok(lines)
}

/// A scan of a table that can be read both ways.
struct RoutedScan {
    name: TableName,
    direct: Arc<dyn TableProvider>,
    remote: RemoteTable,
    scan: TableScan,
}

impl RoutedScan {
    fn takes(&self, route: Route) -> bool {
        self.remote.engine().capabilities().route == route
    }

    /// Bytes of the files that are left after pruning, as far as their columns are read.
    async fn bytes(&self, session: &dyn Session) -> Result<f64> {
        let (projection, filters) = (self.scan.projection.as_ref(), &self.scan.filters);
        let plan = self.direct.scan(session, projection, filters, self.scan.fetch).await?;
        let all = self.direct.schema().fields().len().max(1);
        let read = projection.map_or(all, Vec::len).max(1);
        Ok(file_bytes(&plan) * read as f64 / all as f64)
    }
}

fn file_bytes(plan: &Arc<dyn ExecutionPlan>) -> f64 {
    let own = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|source| source.data_source().downcast_ref::<FileScanConfig>())
        .map_or(0.0, |files| {
            let all = files.file_groups.iter().flat_map(|group| group.iter());
            all.map(|file| file.object_meta.size as f64).sum()
        });
    own + plan.children().into_iter().map(file_bytes).sum::<f64>()
}

/// What a statement costs here and there.
struct Estimate {
    bytes: f64,
    threads: f64,
    /// Until the remote engine begins to answer.
    start: Duration,
    /// Whether fewer rows come out than go in.
    reduces: bool,
    there_is: String,
}

impl Estimate {
    async fn of(plan: &LogicalPlan, scans: &[RoutedScan], session: &dyn Session) -> Result<Self> {
        let mut bytes = 0.0;
        for scan in scans {
            bytes += scan.bytes(session).await?;
        }
        let engines = scans.iter().map(|scan| scan.remote.engine());
        let slowest = engines.max_by_key(|engine| engine.meter().start());
        Ok(Self {
            bytes,
            threads: session.config().target_partitions().max(1) as f64,
            start: slowest.map(|engine| engine.meter().start()).unwrap_or_default(),
            reduces: reduces(plan)?,
            there_is: slowest.map_or_else(String::new, |engine| engine.compute_context().to_string()),
        })
    }

    fn here(&self) -> f64 {
        self.bytes / (HERE_BYTES_PER_SECOND * self.threads)
    }

    fn there(&self) -> f64 {
        let back = if self.reduces {
            0.0
        } else {
            self.bytes / BACK_BYTES_PER_SECOND
        };
        self.start.as_secs_f64() + self.bytes / THERE_BYTES_PER_SECOND + back
    }

    fn reason(&self) -> String {
        format!(
            "{:.0} bytes are left after pruning: about {:.3} s here and {:.3} s at {}",
            self.bytes,
            self.here(),
            self.there(),
            self.there_is
        )
    }
}

/// Whether an aggregation or a limit stands above the tables.
fn reduces(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= matches!(
            node,
            LogicalPlan::Aggregate(_) | LogicalPlan::Limit(_) | LogicalPlan::Distinct(_)
        );
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

fn routed_scans(plan: &LogicalPlan) -> Result<Vec<RoutedScan>> {
    let mut scans = Vec::new();
    for_each_scan(plan, &mut |name, provider, scan| {
        if let Some(RoutedTable::Either { direct, remote }) = provider.downcast_ref::<RoutedTable>() {
            scans.push(RoutedScan {
                name: name.clone(),
                direct: Arc::clone(direct),
                remote: remote.clone(),
                scan: scan.clone(),
            });
        }
    })?;
    Ok(scans)
}

/// Calls `visit` with each scan of a presented table and what stands behind it, below rules too.
fn for_each_scan(
    plan: &LogicalPlan,
    visit: &mut dyn FnMut(&TableName, &dyn TableProvider, &TableScan),
) -> Result<(), DataFusionError> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            let provider = source_as_provider(&scan.source)?;
            if let Some(presented) = provider.downcast_ref::<PresentedTable>() {
                match presented.presented() {
                    Presented::Full(inner) => visit(presented.name(), inner.as_ref(), scan),
                    // The rule's own scan: its filters are not the user's.
                    Presented::Ruled { rows, .. } => rows
                        .apply_with_subqueries(|node| {
                            if let LogicalPlan::TableScan(own) = node {
                                visit(presented.name(), source_as_provider(&own.source)?.as_ref(), own);
                            }
                            Ok(TreeNodeRecursion::Continue)
                        })
                        .map(|_| ())?,
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
