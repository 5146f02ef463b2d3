//! Plans as text, with no more in it than the reader may know.

use std::fmt::{self, Write};
use std::sync::Arc;

use contract::ScanOrigin;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};

use crate::barrier::BarrierExec;
use crate::remote_scan::RemoteScanExec;

/// A logical plan as indented lines. It holds the user's own expressions only: rules are planned inside the scan.
pub fn render_logical(plan: &LogicalPlan) -> String {
    plan.display_indent().to_string()
}

/// A physical plan as indented lines. An `administrator` sees everything, also below barriers; others see of a leaf
/// only which table it reads: no path, no number of files, no pruning predicate.
pub fn render_physical(plan: &Arc<dyn ExecutionPlan>, administrator: bool) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_node(plan, 0, administrator, &mut text);
    text
}

fn write_node(plan: &Arc<dyn ExecutionPlan>, depth: usize, administrator: bool, text: &mut String) -> fmt::Result {
    write!(text, "{:width$}", "", width = depth * 2)?;
    let children = plan.children();
    match plan.downcast_ref::<DataSourceExec>() {
        Some(source) if !administrator => write!(text, "DataSourceExec{}", table_of(source))?,
        _ => write!(text, "{}", Line(plan.as_ref()))?,
    }
    text.push('\n');
    if let (Some(barrier), true) = (plan.downcast_ref::<BarrierExec>(), administrator) {
        write_node(barrier.input(), depth + 1, administrator, text)?;
    }
    // A statement that carries rules tells what they are.
    if let Some(remote) = plan.downcast_ref::<RemoteScanExec>()
        && (administrator || remote.reads().ruled.is_empty())
    {
        write_node(remote.input(), depth + 1, administrator, text)?;
    }
    children
        .into_iter()
        .try_for_each(|child| write_node(child, depth + 1, administrator, text))
}

fn table_of(source: &DataSourceExec) -> String {
    let files = source.data_source().downcast_ref::<FileScanConfig>();
    let first = files.and_then(|files| files.file_groups.iter().flat_map(|group| group.iter()).next());
    let origin = first.and_then(|file| file.extensions.get::<ScanOrigin>());
    origin.map_or_else(String::new, |origin| format!(": table={}", origin.0))
}

struct Line<'a>(&'a dyn ExecutionPlan);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DisplayAs::fmt_as(self.0, DisplayFormatType::Default, f)
    }
}
