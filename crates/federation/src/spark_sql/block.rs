//! Query blocks: a statement with the columns `c0`, `c1`, …, which the next one has in its FROM.

use std::sync::Arc;

use policy::RemoteReads;

use super::NotWritten;
use super::data_type::SparkType;
use crate::{ComputeContext, RemoteEngine, RemoteStatement};

/// The most bytes of one statement: what is longer is cut into smaller pieces. Systems take at least this much.
pub(super) const STATEMENT_BYTES_MAX: usize = 1 << 20;
/// The most values of one statement. Each costs a message field and a walk of the remote planner.
pub(super) const PARAMETERS_MAX: usize = 10_000;

/// A sub-plan that is written.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) statement: RemoteStatement,
    /// The types of its columns. With none it has one column that means nothing.
    pub(crate) columns: Vec<SparkType>,
    /// How many blocks lie within one another: the number of the next alias.
    pub(crate) height: usize,
    pub(crate) reads: RemoteReads,
    /// Who runs it.
    pub(crate) engine: Arc<dyn RemoteEngine>,
}

impl Block {
    /// Whether rows below came through rules, so that nothing that can fail may stand above them.
    pub(crate) fn is_ruled(&self) -> bool {
        !self.reads.ruled.is_empty()
    }

    pub(crate) fn context(&self) -> &ComputeContext {
        self.engine.compute_context()
    }
}

/// Adds what `other` reads.
pub(super) fn add_reads(reads: &mut RemoteReads, other: &RemoteReads) {
    reads.open.extend(other.open.iter().cloned());
    for (table, count) in &other.ruled {
        *reads.ruled.entry(table.clone()).or_insert(0) += count;
    }
}

/// A block but for its inputs, which stand between its pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// One more than `order`.
    pub(super) pieces: Vec<RemoteStatement>,
    /// Which input stands at each place.
    pub(super) order: Vec<usize>,
    pub(super) columns: Vec<SparkType>,
    /// What subqueries in its expressions read.
    pub(super) reads: RemoteReads,
    /// How many blocks it adds to the height.
    pub(super) levels: usize,
}

impl Frame {
    /// A frame around one input.
    pub(super) fn around(before: RemoteStatement, after: RemoteStatement, columns: Vec<SparkType>) -> Self {
        Self {
            pieces: vec![before, after],
            order: vec![0],
            columns,
            reads: RemoteReads::default(),
            levels: 1,
        }
    }

    /// Puts the inputs in their places. They are all of one context.
    ///
    /// # Errors
    /// Gives the inputs back if the whole would be too long.
    pub(super) fn filled(self, inputs: Vec<Block>) -> Result<Block, (NotWritten, Vec<Block>)> {
        let bytes = |statement: &RemoteStatement| (statement.bytes(), statement.parameters().len());
        let sizes = self.pieces.iter().map(bytes);
        let sizes = sizes.chain(inputs.iter().map(|block| bytes(&block.statement)));
        let (length, parameters) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        if length > STATEMENT_BYTES_MAX || parameters > PARAMETERS_MAX {
            return Err((NotWritten::because("the statement would be too long"), inputs));
        }
        let Some(engine) = inputs.first().map(|block| Arc::clone(&block.engine)) else {
            return Err((NotWritten::because("a plan that reads no table"), inputs));
        };
        let height = inputs.iter().map(|block| block.height).max().unwrap_or(0) + self.levels;
        let mut reads = self.reads;
        for input in &inputs {
            add_reads(&mut reads, &input.reads);
        }
        let mut inputs: Vec<Option<RemoteStatement>> = inputs.into_iter().map(|block| Some(block.statement)).collect();
        let mut statement = RemoteStatement::new();
        let mut places = self.order.into_iter();
        for piece in self.pieces {
            statement.append(piece);
            if let Some(input) = places
                .next()
                .and_then(|place| inputs.get_mut(place))
                .and_then(Option::take)
            {
                statement.append(input);
            }
        }
        Ok(Block {
            statement,
            columns: self.columns,
            height,
            reads,
            engine,
        })
    }
}

/// Writes `SELECT` and the columns of `alias` that are named `c0` to `c{count - 1}`, under the same names.
pub(super) fn select_columns(out: &mut RemoteStatement, alias: &str, columns: impl Iterator<Item = usize>) {
    let mut list = SelectList::start(out);
    for (number, index) in columns.enumerate() {
        list.item(out);
        out.push(&format!("{alias}.c{index} AS c{number}"));
    }
    list.finish(out);
}

/// A list of columns that is being written. An empty one is not SQL, so it gets a column that means nothing.
#[derive(Debug)]
pub(super) struct SelectList {
    count: usize,
}

impl SelectList {
    pub(super) fn start(out: &mut RemoteStatement) -> Self {
        out.push("SELECT ");
        Self { count: 0 }
    }

    /// Says that an item follows.
    pub(super) fn item(&mut self, out: &mut RemoteStatement) {
        if self.count > 0 {
            out.push(", ");
        }
        self.count += 1;
    }

    pub(super) fn finish(self, out: &mut RemoteStatement) {
        if self.count == 0 {
            out.push("TRUE AS nothing");
        }
    }
}
