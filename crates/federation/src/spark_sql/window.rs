//! Window functions that have an equal there.
//!
//! Not listed: RANGE frames with a distance, which raise at the ends of a type on one side only.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, SortExpr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};

use super::NotWritten;
use super::aggregate::{Call, Over};
use super::block::Frame;
use super::data_type::SparkType;
use super::expression::{ExpressionWriter, Names};
use super::order::write_direction;
use super::relation::Node;
use super::text::whole_number;
use crate::RemoteStatement;

/// The frame of a node that adds window functions to its input's columns.
pub(super) fn frame(window: &Window, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let alias = node.alias();
    let sources = [node.source(0, Names::Node(window.input.schema()), alias.clone())];
    let mut writer = node.writer(&sources);
    let mut columns = node.columns(0).to_vec();
    let mut before = RemoteStatement::new();
    before.push("SELECT ");
    for index in 0..columns.len() {
        before.push(&format!("{alias}.c{index} AS c{index}, "));
    }
    for (index, expression) in window.window_expr.iter().enumerate() {
        if index > 0 {
            before.push(", ");
        }
        let data_type = write_function(&mut writer, called(expression)?, &mut before)?;
        before.push(&format!(" AS c{}", columns.len()));
        columns.push(data_type);
    }
    before.push(" FROM (");
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {alias}"));
    Ok(Frame {
        reads: writer.into_reads(),
        ..Frame::around(before, after, columns)
    })
}

fn called(expression: &Expr) -> Result<&WindowFunction, NotWritten> {
    match expression {
        Expr::Alias(alias) => called(&alias.expr),
        Expr::WindowFunction(function) => Ok(function),
        other => Err(NotWritten::because(format!(
            "a window of kind {}",
            other.variant_name()
        ))),
    }
}

fn write_function(
    writer: &mut ExpressionWriter<'_>,
    function: &WindowFunction,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    let params = &function.params;
    if params.filter.is_some() || params.distinct || params.null_treatment.is_some() {
        return Err(NotWritten::because(
            "a window function with a filter, DISTINCT or IGNORE NULLS",
        ));
    }
    match &function.fun {
        WindowFunctionDefinition::AggregateUDF(aggregate) => write_aggregate(writer, aggregate.name(), params, out),
        WindowFunctionDefinition::WindowUDF(window) => match window.name() {
            name @ ("row_number" | "rank" | "dense_rank") => write_rank(writer, name, params, out),
            name @ ("lag" | "lead") => write_offset(writer, name, params, out),
            name @ ("first_value" | "last_value" | "nth_value") => write_value(writer, name, params, out),
            // A quotient of two counts, the same on both sides.
            name @ ("percent_rank" | "cume_dist") => {
                needs_order(params)?;
                out.push(&format!("{name}()"));
                write_window(writer, params, None, out)?;
                Ok(SparkType::Double)
            }
            other => Err(NotWritten::because(format!("the window function {other}"))),
        },
    }
}

/// A rank is 32 bits wide there, and a count of rows here.
fn write_rank(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    params: &WindowFunctionParams,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    needs_order(params)?;
    out.push(&format!("CAST({name}()"));
    write_window(writer, params, None, out)?;
    out.push(" AS BIGINT)");
    Ok(SparkType::Rank)
}

fn write_offset(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    params: &WindowFunctionParams,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    needs_order(params)?;
    let [value, rest @ ..] = params.args.as_slice() else {
        return Err(NotWritten::because(format!("{name} of nothing")));
    };
    out.push(&format!("{name}("));
    let data_type = writer.write(value, out)?;
    let offset = match rest.first() {
        None => Some(1),
        Some(Expr::Literal(ScalarValue::Int64(Some(offset)), _)) => i32::try_from(*offset).ok(),
        Some(Expr::Literal(ScalarValue::Int32(Some(offset)), _)) => Some(*offset),
        Some(_) => None,
    };
    let offset = offset.filter(|offset| *offset >= 0);
    let offset = offset.ok_or_else(|| NotWritten::because(format!("the distance of {name}")))?;
    out.push(&format!(", {offset}"));
    if let Some(otherwise) = rest.get(1) {
        if !matches!(otherwise, Expr::Literal(..)) {
            return Err(NotWritten::because(format!("the default of {name}")));
        }
        out.push(", ");
        if writer.write(otherwise, out)? != data_type {
            return Err(NotWritten::because(format!(
                "a default of another type than that of {name}"
            )));
        }
    }
    out.push(")");
    write_window(writer, params, None, out)?;
    Ok(data_type)
}

fn write_value(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    params: &WindowFunctionParams,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    needs_order(params)?;
    let refused = || NotWritten::because(format!("{name} of several values"));
    let (value, place) = match (name, params.args.as_slice()) {
        ("first_value" | "last_value", [value]) => (value, None),
        ("nth_value", [value, place]) => {
            let place = whole_number(place).and_then(|place| i32::try_from(place).ok());
            (value, Some(place.filter(|place| *place > 0).ok_or_else(refused)?))
        }
        _ => return Err(refused()),
    };
    out.push(&format!("{name}("));
    let data_type = writer.write(value, out)?;
    if let Some(place) = place {
        out.push(&format!(", {place}"));
    }
    out.push(")");
    write_window(writer, params, frame_clause(params)?, out)?;
    Ok(data_type)
}

fn write_aggregate(
    writer: &mut ExpressionWriter<'_>,
    name: &str,
    params: &WindowFunctionParams,
    out: &mut RemoteStatement,
) -> Result<SparkType, NotWritten> {
    let call = Call::of(name, &params.args)?;
    let argument = match call.over {
        Over::Rows => None,
        Over::Values(value) => {
            let mut sql = RemoteStatement::new();
            let data_type = writer.write(value, &mut sql)?;
            Some((sql, data_type))
        }
    };
    let (sql, data_type) = argument.as_ref().map(|(sql, data_type)| (sql, data_type)).unzip();
    let result = call.result(data_type)?;
    call.write(sql, false, out);
    write_window(writer, params, frame_clause(params)?, out)?;
    Ok(result)
}

/// What goes by the order of rows is arbitrary without one, and refused there.
fn needs_order(params: &WindowFunctionParams) -> Result<(), NotWritten> {
    match params.order_by.is_empty() {
        true => Err(NotWritten::because("a window function that goes by no order")),
        false => Ok(()),
    }
}

fn write_window(
    writer: &mut ExpressionWriter<'_>,
    params: &WindowFunctionParams,
    frame: Option<String>,
    out: &mut RemoteStatement,
) -> Result<(), NotWritten> {
    out.push(" OVER (");
    let mut space = "";
    for (index, key) in params.partition_by.iter().enumerate() {
        out.push(if index == 0 { "PARTITION BY " } else { ", " });
        writer.key(key, out)?;
        space = " ";
    }
    for (index, key) in params.order_by.iter().enumerate() {
        match index {
            0 => out.push(&format!("{space}ORDER BY ")),
            _ => out.push(", "),
        }
        write_key(writer, key, out)?;
        space = " ";
    }
    if let Some(frame) = frame {
        out.push(&format!("{space}{frame}"));
    }
    out.push(")");
    Ok(())
}

fn write_key(writer: &mut ExpressionWriter<'_>, key: &SortExpr, out: &mut RemoteStatement) -> Result<(), NotWritten> {
    let data_type = writer.write(&key.expr, out)?;
    write_direction(key, &data_type, out)
}

/// The rows that a function sees; `None` for all of a partition, which is what no clause means there.
fn frame_clause(params: &WindowFunctionParams) -> Result<Option<String>, NotWritten> {
    let WindowFrame {
        units,
        start_bound,
        end_bound,
        ..
    } = &params.window_frame;
    let unlisted = || NotWritten::because("this window frame");
    if params.order_by.is_empty() {
        let whole = matches!(start_bound, WindowFrameBound::Preceding(rows) if rows.is_null())
            && matches!(end_bound, WindowFrameBound::Following(rows) if rows.is_null());
        return if whole { Ok(None) } else { Err(unlisted()) };
    }
    let unit = match units {
        WindowFrameUnits::Rows => "ROWS",
        WindowFrameUnits::Range => "RANGE",
        WindowFrameUnits::Groups => return Err(unlisted()),
    };
    let bound = |bound: &WindowFrameBound| {
        let (rows, word) = match bound {
            WindowFrameBound::CurrentRow => return Some("CURRENT ROW".to_owned()),
            WindowFrameBound::Preceding(rows) => (rows, "PRECEDING"),
            WindowFrameBound::Following(rows) => (rows, "FOLLOWING"),
        };
        match (rows, units) {
            (rows, _) if rows.is_null() => Some(format!("UNBOUNDED {word}")),
            (ScalarValue::UInt64(Some(rows)), WindowFrameUnits::Rows) => {
                i32::try_from(*rows).ok().map(|rows| format!("{rows} {word}"))
            }
            _ => None,
        }
    };
    let (start, end) = (bound(start_bound), bound(end_bound));
    let (Some(start), Some(end)) = (start, end) else {
        return Err(unlisted());
    };
    Ok(Some(format!("{unit} BETWEEN {start} AND {end}")))
}
