//! Time travel: which table factors of a statement name a version.

use std::ops::ControlFlow;

use contract::{Error, ErrorKind, Result};
use datafusion::sql::sqlparser::ast::{
    Expr, ObjectName, Statement, TableFactor, TableVersion, Value, VisitMut, VisitorMut,
};

/// The state of a table that a query asks for, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub enum VersionAsked {
    /// `VERSION AS OF n`.
    Number(u64),
    /// `TIMESTAMP AS OF expression`: a constant expression, which only the engine can evaluate.
    Timestamp(Box<Expr>),
}

/// Takes the version off each table of `statement`, in the order of the text, subqueries included. `rename` may give
/// the table another name, under which it is then planned; an alias with the old name is added, so that the columns
/// are still found.
///
/// # Errors
/// [`ErrorKind::InvalidParameter`] if a version is no number; what `rename` fails with.
pub fn take_table_versions(
    statement: &mut Statement,
    rename: &mut dyn FnMut(&ObjectName, VersionAsked) -> Result<ObjectName>,
) -> Result<()> {
    struct Taker<'r> {
        rename: &'r mut dyn FnMut(&ObjectName, VersionAsked) -> Result<ObjectName>,
    }
    impl VisitorMut for Taker<'_> {
        type Break = Error;

        fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
            let TableFactor::Table {
                name, alias, version, ..
            } = factor
            else {
                return ControlFlow::Continue(());
            };
            let Some(taken) = version.take() else {
                return ControlFlow::Continue(());
            };
            match asked(taken).and_then(|asked| (self.rename)(name, asked)) {
                Ok(renamed) => {
                    if alias.is_none() && renamed != *name {
                        *alias = name.0.last().and_then(|part| part.as_ident()).map(|last| {
                            datafusion::sql::sqlparser::ast::TableAlias {
                                explicit: true,
                                name: last.clone(),
                                columns: Vec::new(),
                                at: None,
                            }
                        });
                    }
                    *name = renamed;
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        }
    }
    match statement.visit(&mut Taker { rename }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

fn asked(version: TableVersion) -> Result<VersionAsked> {
    match version {
        TableVersion::VersionAsOf(Expr::Value(value)) => match &value.value {
            Value::Number(digits, _) => digits.parse().map(VersionAsked::Number).map_err(|_| {
                Error::new(
                    ErrorKind::InvalidParameter,
                    format!("invalid table version \"{digits}\""),
                )
                .with_hint("A version is a whole number from 0.")
            }),
            _ => Err(Error::unsupported("a table version must be a number")),
        },
        TableVersion::TimestampAsOf(expr) | TableVersion::ForSystemTimeAsOf(expr) => {
            Ok(VersionAsked::Timestamp(Box::new(expr)))
        }
        TableVersion::VersionAsOf(_) => Err(Error::unsupported("a table version must be a number")),
        TableVersion::Function(_) | TableVersion::Changes { .. } => {
            Err(Error::new(ErrorKind::Syntax, "syntax error in the version of a table")
                .with_hint("Write VERSION AS OF n or TIMESTAMP AS OF '…'."))
        }
    }
}
