//! Aggregates that have an equal there, and the node that has them.
//!
//! Not listed: sums, averages and deviations of floating point, which depend on the order of rows; its extremes, which
//! of two zeros are either; averages of decimals, whose last digit is cut here and rounded there; percentiles, which are
//! interpolated by other steps; whatever keeps the order of rows (`listagg` is missing in systems that are in use).

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, Expr};

use super::block::{Frame, SelectList};
use super::data_type::{DECIMAL_DIGITS_MAX, SparkType};
use super::operands::Operands;
use super::relation::Node;
use super::{NotWritten, grouping_sets};
use crate::RemoteStatement;

/// What a sum adds to the digits of a decimal, here and there.
const SUM_ADDS: u8 = 10;

/// What an aggregate is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over<'a> {
    Rows,
    Values(&'a Expr),
}

/// A call whose own parts are on the list, apart from the type of its argument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    name: &'static str,
    pub(super) over: Over<'a>,
}

impl<'a> Call<'a> {
    /// The call of the aggregate `name` over `arguments`.
    pub(super) fn of(name: &str, arguments: &'a [Expr]) -> Result<Self, NotWritten> {
        let unlisted = || NotWritten::because(format!("the aggregate {name}"));
        let [argument] = arguments else {
            return Err(unlisted());
        };
        let values = Over::Values(argument);
        let (name, over) = match (name, argument) {
            ("count", Expr::Literal(value, _)) if !value.is_null() => ("count", Over::Rows),
            ("count", _) => ("count", values),
            ("sum", _) => ("sum", values),
            ("min", _) => ("min", values),
            ("max", _) => ("max", values),
            ("bit_and", _) => ("bit_and", values),
            ("bit_or", _) => ("bit_or", values),
            ("bit_xor", _) => ("bit_xor", values),
            ("bool_and", _) => ("bool_and", values),
            ("bool_or", _) => ("bool_or", values),
            // Whole numbers, made floating point to be added up: exact up to numbers of rows beyond all tables.
            ("avg", Expr::Cast(cast)) if *cast.field.data_type() == DataType::Float64 => {
                ("avg", Over::Values(&cast.expr))
            }
            _ => return Err(unlisted()),
        };
        Ok(Self { name, over })
    }

    /// The type of the call over values of a type; `None` stands for rows.
    pub(super) fn result(&self, argument: Option<&SparkType>) -> Result<SparkType, NotWritten> {
        let Some(argument) = argument else {
            return Ok(SparkType::Long);
        };
        let unlisted = || NotWritten::because(format!("{} of {}", self.name, argument.word()));
        match (self.name, argument) {
            ("count", _) => Ok(SparkType::Long),
            ("sum", SparkType::Byte | SparkType::Short | SparkType::Integer | SparkType::Long) => Ok(SparkType::Long),
            ("sum", SparkType::Decimal(precision, scale)) if precision + SUM_ADDS <= DECIMAL_DIGITS_MAX => {
                Ok(SparkType::Decimal(precision + SUM_ADDS, *scale))
            }
            ("min" | "max", argument) if argument.is_ordered() => Ok(argument.clone()),
            ("bit_and" | "bit_or" | "bit_xor", integer) if integer.is_integer() => Ok(integer.clone()),
            ("avg", SparkType::Byte | SparkType::Short | SparkType::Integer) => Ok(SparkType::Double),
            ("bool_and" | "bool_or", SparkType::Boolean) => Ok(SparkType::Boolean),
            _ => Err(unlisted()),
        }
    }

    /// Writes the call around its argument.
    pub(super) fn write(&self, argument: Option<&RemoteStatement>, distinct: bool, out: &mut RemoteStatement) {
        out.push(self.name);
        match argument {
            None => out.push("(*)"),
            Some(argument) => {
                out.push(if distinct { "(DISTINCT " } else { "(" });
                out.append(argument.clone());
                out.push(")");
            }
        }
    }
}

/// The frame of an aggregation: its groups, then its aggregates. Whatever is not a column is computed in a block below,
/// since a constant in GROUP BY would be taken for the number of a column.
pub(super) fn frame(aggregate: &Aggregate, node: &Node<'_>) -> Result<Frame, NotWritten> {
    if let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() {
        return grouping_sets::frame(aggregate, sets, node);
    }
    if aggregate.group_expr.is_empty() && aggregate.aggr_expr.is_empty() {
        return Err(NotWritten::because("an aggregation of nothing"));
    }
    let calls = Calls::of(aggregate)?;
    let operands = aggregate.group_expr.iter().chain(calls.values()).collect::<Vec<_>>();
    let operands = Operands::write(&operands, false, aggregate.input.schema(), node)?;
    let mut next = operands.sql.iter().zip(&operands.types);

    let mut before = RemoteStatement::new();
    let mut list = SelectList::start(&mut before);
    let mut columns = Vec::new();
    let mut groups = Vec::new();
    for (sql, data_type) in next.by_ref().take(aggregate.group_expr.len()) {
        check_key(data_type)?;
        list.item(&mut before);
        before.append(sql.clone());
        before.push(&format!(" AS c{}", columns.len()));
        groups.push(sql);
        columns.push(data_type.clone());
    }
    calls.write(next, None, &mut list, &mut before, &mut columns)?;
    list.finish(&mut before);
    let mut after = RemoteStatement::new();
    for (index, group) in groups.into_iter().enumerate() {
        after.push(if index == 0 { " GROUP BY " } else { ", " });
        after.append(group.clone());
    }
    Ok(operands.frame(before, after, columns))
}

/// Whether rows can be grouped by values of this type.
pub(super) fn check_key(data_type: &SparkType) -> Result<(), NotWritten> {
    match data_type.is_key() {
        true => Ok(()),
        false => Err(NotWritten::because(format!("groups of {}", data_type.word()))),
    }
}

/// The aggregates of a node, all of which are on the list but for the types of their arguments.
#[derive(Debug)]
pub(super) struct Calls<'a>(Vec<(Call<'a>, &'a AggregateFunctionParams)>);

impl<'a> Calls<'a> {
    pub(super) fn of(aggregate: &'a Aggregate) -> Result<Self, NotWritten> {
        let calls = aggregate.aggr_expr.iter().map(listed);
        Ok(Self(calls.collect::<Result<_, _>>()?))
    }

    /// What they are over: of each its argument, if it is not over rows, then its condition, if it has one.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a Expr> {
        self.0.iter().flat_map(|(call, params)| {
            let value = match call.over {
                Over::Rows => None,
                Over::Values(value) => Some(value),
            };
            value.into_iter().chain(params.filter.as_deref())
        })
    }

    /// Writes them as items of `list` over their [`Self::values`] as they are written; `rows` counts rows where that is
    /// not `count(*)`.
    pub(super) fn write<'b>(
        &self,
        mut values: impl Iterator<Item = (&'b RemoteStatement, &'b SparkType)>,
        rows: Option<&str>,
        list: &mut SelectList,
        out: &mut RemoteStatement,
        columns: &mut Vec<SparkType>,
    ) -> Result<(), NotWritten> {
        for (call, params) in &self.0 {
            let operand = match call.over {
                Over::Rows => None,
                Over::Values(_) => Some(values.next().ok_or_else(lost)?),
            };
            let (sql, data_type) = operand.unzip();
            list.item(out);
            check_distinct(call, params, data_type)?;
            match (rows, sql) {
                (Some(rows), None) => out.push(rows),
                _ => call.write(sql, params.distinct, out),
            }
            if params.filter.is_some() {
                let (condition, condition_type) = values.next().ok_or_else(lost)?;
                if *condition_type != SparkType::Boolean {
                    return Err(NotWritten::because("a filter that is no condition"));
                }
                out.push(" FILTER (WHERE ");
                out.append(condition.clone());
                out.push(")");
            }
            out.push(&format!(" AS c{}", columns.len()));
            columns.push(call.result(data_type)?);
        }
        Ok(())
    }
}

fn lost() -> NotWritten {
    NotWritten::because("an operand that was lost")
}

/// An aggregate expression, if all but its types is on the list.
fn listed(expression: &Expr) -> Result<(Call<'_>, &AggregateFunctionParams), NotWritten> {
    match expression {
        Expr::Alias(alias) => listed(&alias.expr),
        Expr::AggregateFunction(AggregateFunction { func, params }) => {
            if !params.order_by.is_empty() || params.null_treatment.is_some() {
                return Err(NotWritten::because("an aggregate that goes by the order of rows"));
            }
            Ok((Call::of(func.name(), &params.args)?, params))
        }
        other => Err(NotWritten::because(format!(
            "an aggregate of kind {}",
            other.variant_name()
        ))),
    }
}

/// Not of bits, of which `bit_xor` fails here.
fn check_distinct(
    call: &Call<'_>,
    params: &AggregateFunctionParams,
    argument: Option<&SparkType>,
) -> Result<(), NotWritten> {
    match (params.distinct, argument) {
        (false, _) => Ok(()),
        (true, Some(argument)) if argument.is_equatable() && !call.name.starts_with("bit_") => Ok(()),
        (true, _) => Err(NotWritten::because("an aggregate of distinct values")),
    }
}
