//! Nodes of a plan, each a query block around those of its inputs.

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Distinct, Expr, FetchType, LogicalPlan, Union};
use policy::RemoteReads;

use super::block::{Block, Frame, SelectList, select_columns};
use super::data_type::SparkType;
use super::expression::{ExpressionWriter, Names, Source};
use super::order::{limited, limited_sort, sorted};
use super::{NotWritten, aggregate, join, scan, window};
use crate::{Capabilities, ComputeContext, RemoteStatement};

/// What may be written at some place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Strictness {
    /// Only what has a value for every row: a rule, and what stands above one.
    pub(crate) total_only: bool,
    /// Tables that can be read both ways are read remotely.
    pub(crate) remotely: bool,
}

/// What a node's frame is made over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) inputs: &'a [Block],
    pub(super) capabilities: Capabilities,
    pub(super) strictness: Strictness,
    context: Option<&'a ComputeContext>,
    /// The number of the next alias.
    pub(super) height: usize,
}

impl<'a> Node<'a> {
    /// # Errors
    /// If the inputs do not all run in one place.
    pub(super) fn over(inputs: &'a [Block], strictness: Strictness) -> Result<Self, NotWritten> {
        let Some((first, rest)) = inputs.split_first() else {
            return Err(NotWritten::because("a plan that reads no table"));
        };
        if rest.iter().any(|block| block.context() != first.context()) {
            return Err(NotWritten::because("tables of several systems"));
        }
        Ok(Self {
            inputs,
            capabilities: first.engine.capabilities(),
            strictness: Strictness {
                total_only: strictness.total_only || inputs.iter().any(Block::is_ruled),
                ..strictness
            },
            context: Some(first.context()),
            height: inputs.iter().map(|block| block.height).max().unwrap_or(0),
        })
    }

    /// The alias of the only input.
    pub(super) fn alias(&self) -> String {
        format!("t{}", self.height)
    }

    /// The input at `index`, whose columns go by `names`.
    pub(super) fn source(&self, index: usize, names: Names<'a>, alias: String) -> Source<'a> {
        let columns = self.inputs.get(index).map_or(&[][..], |block| &block.columns);
        Source { names, columns, alias }
    }

    pub(super) fn writer(&self, sources: &'a [Source<'a>]) -> ExpressionWriter<'a> {
        ExpressionWriter::new(sources, self.capabilities, self.strictness, self.context)
    }

    /// The types of the input at `index`.
    pub(super) fn columns(&self, index: usize) -> &'a [SparkType] {
        self.inputs.get(index).map_or(&[], |block| &block.columns)
    }
}

/// Writes `plan` and everything below it. `ordered` says that the order of its rows will matter, which a block within
/// another does not keep.
pub(super) fn write_whole(plan: &LogicalPlan, ordered: bool, strictness: Strictness) -> Result<Block, NotWritten> {
    if let LogicalPlan::TableScan(table) = plan {
        return scan::write_scan(table, strictness);
    }
    if ordered && (matches!(plan, LogicalPlan::Sort(_)) || limited_sort(plan).is_some()) {
        return Err(NotWritten::because("rows whose order would be lost"));
    }
    let below = match limited_sort(plan) {
        Some(sort) => vec![write_whole(&sort.input, false, strictness)?],
        None => {
            let inputs = plan.inputs().into_iter();
            let written = inputs.map(|input| write_whole(input, keeps_order(plan, ordered), strictness));
            written.collect::<Result<Vec<_>, _>>()?
        }
    };
    write_node(plan, below, strictness).map_err(|(why, _)| why)
}

/// `block` with those of `conditions` around it that are written, which name its columns `c0`, `c1`, …, and how many
/// values they hold; `None` if none is. Nothing that can fail is: rows may be hidden below.
pub(crate) fn narrowed(block: &Block, conditions: &[Expr]) -> Option<(RemoteStatement, usize)> {
    let names = (0..block.columns.len()).map(|index| Field::new(format!("c{index}"), DataType::Null, true));
    let names = Schema::new(names.collect::<Vec<_>>());
    let inputs = vec![block.clone()];
    let strictness = Strictness {
        total_only: true,
        ..Strictness::default()
    };
    let node = Node::over(&inputs, strictness).ok()?;
    let sources = [node.source(0, Names::Scan(&names), node.alias())];
    let mut writer = node.writer(&sources);
    let mut frame = passed_on(&node);
    let after = frame.pieces.last_mut()?;
    let mut values = 0;
    let mut word = " WHERE ";
    for condition in conditions {
        let mut written = RemoteStatement::new();
        if writer.boolean(condition, &mut written).is_ok() {
            values += written.parameters().len();
            after.push(word);
            after.append(written);
            word = " AND ";
        }
    }
    if word == " WHERE " {
        return None;
    }
    let narrowed = frame.filled(inputs).ok()?;
    Some((narrowed.statement, values))
}

/// Whether the order of rows of a node's inputs matters, if that of its own does or does not.
pub(crate) fn keeps_order(plan: &LogicalPlan, ordered: bool) -> bool {
    match plan {
        // Which rows are kept goes by it.
        LogicalPlan::Limit(_) | LogicalPlan::Distinct(Distinct::On(_)) => true,
        LogicalPlan::Sort(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Union(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(Distinct::All(_)) => false,
        _ => ordered,
    }
}

/// Writes one node around its inputs, of which a [`limited_sort`] has that of the sort.
///
/// # Errors
/// Why not, and the inputs.
pub(crate) fn write_node(
    plan: &LogicalPlan,
    mut inputs: Vec<Block>,
    strictness: Strictness,
) -> Result<Block, (NotWritten, Vec<Block>)> {
    // Another name changes nothing: columns go by number.
    if matches!(plan, LogicalPlan::SubqueryAlias(_))
        && let Some(block) = inputs.pop()
    {
        return Ok(block);
    }
    let frame = Node::over(&inputs, strictness).and_then(|node| frame(plan, &node));
    match frame {
        Ok(frame) => frame.filled(inputs),
        Err(why) => Err((why, inputs)),
    }
}

fn frame(plan: &LogicalPlan, node: &Node<'_>) -> Result<Frame, NotWritten> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let names = Names::Node(projection.input.schema());
            let frame = projected(&projection.expr, names, node)?;
            check_types(&frame.columns, &projection.schema)?;
            Ok(frame)
        }
        LogicalPlan::Filter(filter) => filtered(&filter.predicate, filter.input.schema(), node),
        LogicalPlan::Aggregate(aggregate) => {
            let frame = aggregate::frame(aggregate, node)?;
            check_types(&frame.columns, &aggregate.schema)?;
            Ok(frame)
        }
        LogicalPlan::Window(window) => {
            let frame = window::frame(window, node)?;
            check_types(&frame.columns, &window.schema)?;
            Ok(frame)
        }
        LogicalPlan::Join(join) => join::frame(join, node),
        LogicalPlan::Union(union) => united(union, node),
        LogicalPlan::Distinct(Distinct::All(_)) => distinct(node),
        LogicalPlan::Sort(sort) => match sort.fetch {
            Some(fetch) => sorted(sort, 0, Some(fetch), node),
            None => Err(NotWritten::because("a sort of all rows")),
        },
        LogicalPlan::Limit(limit) => limited(limit, node),
        other => Err(NotWritten::because(format!("a node of kind {}", kind(other)))),
    }
}

/// The first word that a node is displayed with, which holds nothing of a query.
fn kind(plan: &LogicalPlan) -> String {
    let shown = plan.display().to_string();
    shown.split([':', ' ', '(']).next().unwrap_or_default().to_owned()
}

/// Whether the columns are those that the plan says.
pub(super) fn check_types(columns: &[SparkType], schema: &DFSchema) -> Result<(), NotWritten> {
    let fields = schema.fields();
    let mut pairs = columns.iter().zip(fields);
    match pairs.find(|(column, field)| !column.gives(field.data_type())) {
        _ if columns.len() != fields.len() => Err(NotWritten::because("another number of columns")),
        Some((column, field)) => {
            let why = format!("a column of type {} that is {} there", field.data_type(), column.word());
            Err(NotWritten::because(why))
        }
        None => Ok(()),
    }
}

/// Some expressions of the only input.
pub(super) fn projected(expressions: &[Expr], names: Names<'_>, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let alias = node.alias();
    let sources = [node.source(0, names, alias.clone())];
    let mut writer = node.writer(&sources);
    let mut before = RemoteStatement::new();
    let mut list = SelectList::start(&mut before);
    let mut columns = Vec::with_capacity(expressions.len());
    for (index, expression) in expressions.iter().enumerate() {
        list.item(&mut before);
        columns.push(writer.write(expression, &mut before)?);
        before.push(&format!(" AS c{index}"));
    }
    list.finish(&mut before);
    before.push(" FROM (");
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {alias}"));
    Ok(Frame {
        reads: writer.into_reads(),
        ..Frame::around(before, after, columns)
    })
}

fn filtered(predicate: &Expr, schema: &DFSchema, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let alias = node.alias();
    let sources = [node.source(0, Names::Node(schema), alias.clone())];
    let mut writer = node.writer(&sources);
    let mut frame = passed_on(node);
    let mut condition = RemoteStatement::new();
    condition.push(" WHERE ");
    writer.boolean(predicate, &mut condition)?;
    if let Some(after) = frame.pieces.last_mut() {
        after.append(condition);
    }
    frame.reads = writer.into_reads();
    Ok(frame)
}

/// All columns of the only input.
pub(super) fn passed_on(node: &Node<'_>) -> Frame {
    let alias = node.alias();
    let columns = node.columns(0);
    let mut before = RemoteStatement::new();
    select_columns(&mut before, &alias, 0..columns.len());
    before.push(" FROM (");
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {alias}"));
    Frame::around(before, after, columns.to_vec())
}

fn distinct(node: &Node<'_>) -> Result<Frame, NotWritten> {
    let columns = node.columns(0);
    if columns.is_empty() {
        return Err(NotWritten::because("distinct rows without columns"));
    }
    if let Some(other) = columns.iter().find(|column| !column.is_key()) {
        return Err(NotWritten::because(format!("distinct values of {}", other.word())));
    }
    let alias = node.alias();
    let list = (0..columns.len()).map(|index| format!("{alias}.c{index} AS c{index}"));
    let mut before = RemoteStatement::new();
    before.push(&format!(
        "SELECT DISTINCT {} FROM (",
        list.collect::<Vec<_>>().join(", ")
    ));
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {alias}"));
    Ok(Frame::around(before, after, columns.to_vec()))
}

fn united(union: &Union, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let columns = node.columns(0);
    check_types(columns, &union.schema)?;
    if (0..node.inputs.len()).any(|index| node.columns(index) != columns) {
        return Err(NotWritten::because("a union of other types"));
    }
    let alias = node.alias();
    let mut pieces = Vec::with_capacity(node.inputs.len() + 1);
    let mut piece = RemoteStatement::new();
    for index in 0..node.inputs.len() {
        if index > 0 {
            piece.push(&format!(") AS {alias} UNION ALL "));
        }
        select_columns(&mut piece, &alias, 0..columns.len());
        piece.push(" FROM (");
        pieces.push(std::mem::take(&mut piece));
    }
    piece.push(&format!(") AS {alias}"));
    pieces.push(piece);
    Ok(Frame {
        pieces,
        order: (0..node.inputs.len()).collect(),
        columns: columns.to_vec(),
        reads: RemoteReads::default(),
        levels: 1,
    })
}

/// Whether a plan gives no more than one row.
pub(super) fn is_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::Projection(projection) => is_one_row(&projection.input),
        LogicalPlan::Filter(filter) => is_one_row(&filter.input),
        LogicalPlan::SubqueryAlias(alias) => is_one_row(&alias.input),
        LogicalPlan::Sort(sort) => sort.fetch.is_some_and(|fetch| fetch <= 1) || is_one_row(&sort.input),
        LogicalPlan::Limit(limit) => {
            matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1)))) || is_one_row(&limit.input)
        }
        LogicalPlan::TableScan(scan) => scan.fetch.is_some_and(|fetch| fetch <= 1),
        _ => false,
    }
}
