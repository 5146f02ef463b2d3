//! Expressions that a clause names.

use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use policy::RemoteReads;

use super::NotWritten;
use super::block::{Frame, SelectList};
use super::data_type::SparkType;
use super::expression::Names;
use super::relation::Node;
use crate::RemoteStatement;

/// Expressions that a clause names: as they are if all are columns, else from a block below that computes them, since a
/// constant in such a clause would be taken for the number of a column.
#[derive(Debug)]
pub(super) struct Operands {
    pub(super) sql: Vec<RemoteStatement>,
    pub(super) types: Vec<SparkType>,
    /// The alias of what they come from.
    pub(super) alias: String,
    /// The list of the block below, if there is one.
    computed: Option<RemoteStatement>,
    /// The alias of the input.
    input: String,
    reads: RemoteReads,
}

impl Operands {
    /// Writes `expressions` over the only input; `with_columns` keeps its columns within reach.
    pub(super) fn write(
        expressions: &[&Expr],
        with_columns: bool,
        schema: &DFSchema,
        node: &Node<'_>,
    ) -> Result<Self, NotWritten> {
        let input = node.alias();
        let sources = [node.source(0, Names::Node(schema), input.clone())];
        let mut writer = node.writer(&sources);
        let mut sql = Vec::with_capacity(expressions.len());
        let mut types = Vec::with_capacity(expressions.len());
        for expression in expressions {
            let mut one = RemoteStatement::new();
            types.push(writer.write(expression, &mut one)?);
            sql.push(one);
        }
        let reads = writer.into_reads();
        if expressions
            .iter()
            .all(|expression| matches!(expression, Expr::Column(_)))
        {
            return Ok(Self {
                sql,
                types,
                alias: input.clone(),
                computed: None,
                input,
                reads,
            });
        }
        let alias = format!("t{}", node.height + 1);
        let mut computed = RemoteStatement::new();
        let mut list = SelectList::start(&mut computed);
        for index in 0..if with_columns { node.columns(0).len() } else { 0 } {
            list.item(&mut computed);
            computed.push(&format!("{input}.c{index} AS c{index}"));
        }
        let mut names = Vec::with_capacity(sql.len());
        for (index, one) in sql.into_iter().enumerate() {
            list.item(&mut computed);
            computed.append(one);
            computed.push(&format!(" AS k{index}"));
            let mut name = RemoteStatement::new();
            name.push(&format!("{alias}.k{index}"));
            names.push(name);
        }
        list.finish(&mut computed);
        Ok(Self {
            sql: names,
            types,
            alias,
            computed: Some(computed),
            input,
            reads,
        })
    }

    /// A frame of the list `before`, FROM, and the clauses `after`.
    pub(super) fn frame(self, mut before: RemoteStatement, after: RemoteStatement, columns: Vec<SparkType>) -> Frame {
        before.push(" FROM (");
        let mut end = RemoteStatement::new();
        let levels = match self.computed {
            Some(computed) => {
                before.append(computed);
                before.push(" FROM (");
                end.push(&format!(") AS {}) AS {}", self.input, self.alias));
                2
            }
            None => {
                end.push(&format!(") AS {}", self.input));
                1
            }
        };
        end.append(after);
        Frame {
            reads: self.reads,
            levels,
            ..Frame::around(before, end, columns)
        }
    }
}
