//! Scans: of a table as it is, and of one with rules, which are a closed block within.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::TableName;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, TableScan};
use datafusion::optimizer::simplify_expressions::{ExprSimplifier, SimplifyContext};
use policy::{Presented, PresentedTable, RemoteReads};

use super::NotWritten;
use super::block::{Block, Frame, SelectList};
use super::data_type::SparkType;
use super::expression::{ExpressionWriter, Names, Source};
use super::order::write_limit;
use super::relation::{Node, Strictness, check_types, projected, write_whole};
use crate::remote_table::remote_of;
use crate::{Capabilities, RemoteStatement, RemoteTable};

/// The alias of a table in its innermost block.
const TABLE_ALIAS: &str = "t0";

/// Whether a condition on a table's own columns is written.
pub(super) fn is_condition_written(expression: &Expr, schema: &Schema, capabilities: Capabilities) -> bool {
    let columns = types_of(schema);
    let source = [Source {
        names: Names::Table(schema),
        columns: &columns,
        alias: TABLE_ALIAS.to_owned(),
    }];
    let mut writer = ExpressionWriter::new(&source, capabilities, Strictness::default(), None);
    writer.boolean(expression, &mut RemoteStatement::new()).is_ok()
}

/// Writes a scan of a remote table.
pub(crate) fn write_scan(scan: &TableScan, strictness: Strictness) -> Result<Block, NotWritten> {
    let local = || NotWritten::because("a table of this engine");
    let provider = source_as_provider(&scan.source).map_err(|_| local())?;
    let block = match provider.downcast_ref::<PresentedTable>() {
        None => {
            let table = remote_of(provider.as_ref(), strictness.remotely).ok_or_else(local)?;
            table_block(table, table.name(), scan, strictness)?
        }
        Some(presented) => match presented.presented() {
            Presented::Full(inner) => {
                let table = remote_of(inner.as_ref(), strictness.remotely).ok_or_else(local)?;
                table_block(table, presented.name(), scan, strictness)?
            }
            Presented::Ruled { rows, columns, schema } => {
                if !scan.filters.iter().all(|filter| presented.admits(filter)) {
                    return Err(NotWritten::because("a filter that must not cross a table's rules"));
                }
                ruled_block(presented.name(), (rows, columns, schema), scan, strictness)?
            }
        },
    };
    check_types(&block.columns, &scan.projected_schema)?;
    Ok(block)
}

/// A table as it is: the innermost block.
fn table_block(
    table: &RemoteTable,
    name: &TableName,
    scan: &TableScan,
    strictness: Strictness,
) -> Result<Block, NotWritten> {
    let schema = datafusion::catalog::TableProvider::schema(table);
    let types = types_of(&schema);
    let source = [Source {
        names: Names::Table(&schema),
        columns: &types,
        alias: TABLE_ALIAS.to_owned(),
    }];
    let engine = table.engine();
    let mut writer = ExpressionWriter::new(
        &source,
        engine.capabilities(),
        strictness,
        Some(engine.compute_context()),
    );
    let mut statement = RemoteStatement::new();
    let columns = write_list(&source[0], &projection_of(scan, &schema), &mut statement)?;
    statement.push(" FROM ");
    for (index, part) in table.path().iter().enumerate() {
        statement.push(if index > 0 { "." } else { "" });
        statement.push_identifier(part);
    }
    statement.push(&format!(" AS {TABLE_ALIAS}"));
    write_conditions(&mut writer, &scan.filters, &mut statement)?;
    write_limit(0, scan.fetch, &mut statement)?;
    let mut reads = writer.into_reads();
    reads.open.insert(name.clone());
    Ok(Block {
        statement,
        columns,
        height: 1,
        reads,
        engine: Arc::clone(engine),
    })
}

/// A table with rules: its rows and masks as blocks of their own, and the scan's conditions above them. The rule may
/// be evaluated after those conditions or before, there as here; so it must have a value for every row.
fn ruled_block(
    name: &TableName,
    (rows, columns, schema): (&LogicalPlan, &[Expr], &SchemaRef),
    scan: &TableScan,
    strictness: Strictness,
) -> Result<Block, NotWritten> {
    let strictness = Strictness {
        total_only: true,
        ..strictness
    };
    let mut block = write_whole(&simplified_rows(rows)?, false, strictness)?;
    block.reads = RemoteReads {
        open: std::collections::BTreeSet::new(),
        ruled: BTreeMap::from([(name.clone(), 1)]),
    };

    let projection = projection_of(scan, schema);
    let needed = needed_columns(&projection, &scan.filters, schema)?;
    let visible = schema
        .project(&needed)
        .map_err(|_| NotWritten::because("a column that is not there"))?;
    let simplifier = simplifier(rows.schema());
    let masked = needed.iter().filter_map(|index| columns.get(*index));
    let masked = masked
        .map(|column| simplify(&simplifier, column))
        .collect::<Result<Vec<_>, _>>()?;
    let inputs = vec![block];
    let frame = projected(&masked, Names::Node(rows.schema()), &Node::over(&inputs, strictness)?)?;
    let block = frame.filled(inputs).map_err(|(why, _)| why)?;

    let inputs = vec![block];
    let node = Node::over(&inputs, strictness)?;
    let alias = node.alias();
    let sources = [node.source(0, Names::Scan(&visible), alias.clone())];
    let mut before = RemoteStatement::new();
    let places = projection.iter().filter_map(|index| needed.binary_search(index).ok());
    let types = write_list(&sources[0], &places.collect::<Vec<_>>(), &mut before)?;
    before.push(" FROM (");
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {alias}"));
    write_conditions(&mut node.writer(&sources), &scan.filters, &mut after)?;
    write_limit(0, scan.fetch, &mut after)?;
    Frame::around(before, after, types)
        .filled(inputs)
        .map_err(|(why, _)| why)
}

/// The rows of a rule with its constants computed: what stands for the identity is text that a rule casts.
fn simplified_rows(rows: &LogicalPlan) -> Result<LogicalPlan, NotWritten> {
    match rows {
        LogicalPlan::TableScan(_) => Ok(rows.clone()),
        LogicalPlan::Filter(filter) if matches!(filter.input.as_ref(), LogicalPlan::TableScan(_)) => {
            let predicate = simplify(&simplifier(rows.schema()), &filter.predicate)?;
            let filter = Filter::try_new(predicate, Arc::clone(&filter.input));
            Ok(LogicalPlan::Filter(
                filter.map_err(|_| NotWritten::because("a rule that is no condition"))?,
            ))
        }
        _ => Err(NotWritten::because("a rule that reads more than its table")),
    }
}

fn simplifier(schema: &Arc<DFSchema>) -> ExprSimplifier {
    ExprSimplifier::new(SimplifyContext::builder().with_schema(Arc::clone(schema)).build())
}

fn simplify(simplifier: &ExprSimplifier, expression: &Expr) -> Result<Expr, NotWritten> {
    let simplified = simplifier.simplify(expression.clone());
    simplified.map_err(|_| NotWritten::because("a rule that cannot be evaluated"))
}

/// Which columns a scan gives.
fn projection_of(scan: &TableScan, schema: &Schema) -> Vec<usize> {
    match &scan.projection {
        Some(projection) => projection.clone(),
        None => (0..schema.fields().len()).collect(),
    }
}

/// Which columns a scan needs, sorted: those that it gives and those that its filters use.
fn needed_columns(projection: &[usize], filters: &[Expr], schema: &Schema) -> Result<Vec<usize>, NotWritten> {
    let mut needed = projection.to_vec();
    for column in filters.iter().flat_map(Expr::column_refs) {
        let index = schema.index_of(&column.name);
        needed.push(index.map_err(|_| NotWritten::because("a column that is not there"))?);
    }
    needed.sort_unstable();
    needed.dedup();
    Ok(needed)
}

fn write_list(source: &Source<'_>, columns: &[usize], out: &mut RemoteStatement) -> Result<Vec<SparkType>, NotWritten> {
    let mut list = SelectList::start(out);
    let mut types = Vec::with_capacity(columns.len());
    for (number, index) in columns.iter().enumerate() {
        list.item(out);
        types.push(source.write_column(*index, out)?);
        out.push(&format!(" AS c{number}"));
    }
    list.finish(out);
    Ok(types)
}

fn write_conditions(
    writer: &mut ExpressionWriter<'_>,
    filters: &[Expr],
    out: &mut RemoteStatement,
) -> Result<(), NotWritten> {
    for (index, filter) in filters.iter().enumerate() {
        out.push(if index == 0 { " WHERE " } else { " AND " });
        writer.boolean(filter, out)?;
    }
    Ok(())
}

fn types_of(schema: &Schema) -> Vec<SparkType> {
    schema
        .fields()
        .iter()
        .map(|field| SparkType::of(field.data_type()))
        .collect()
}
