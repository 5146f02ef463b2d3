//! Joins by equal keys. One that has none multiplies rows, and what multiplies is better done where the rows are
//! wanted; except with a single row.

use datafusion::common::{JoinType, NullEquality};
use datafusion::logical_expr::Join;

use super::NotWritten;
use super::block::{Frame, SelectList};
use super::expression::Names;
use super::relation::{Node, check_types, is_one_row};
use crate::RemoteStatement;

/// Which sides a join gives, and how it is said.
struct Shape {
    words: &'static str,
    /// The left side's columns are among the output.
    left: bool,
    right: bool,
    /// The right side is said first.
    swapped: bool,
}

fn shape(join_type: JoinType) -> Option<Shape> {
    let shape = |words, left, right, swapped| {
        Some(Shape {
            words,
            left,
            right,
            swapped,
        })
    };
    match join_type {
        JoinType::Inner => shape("INNER JOIN", true, true, false),
        JoinType::Left => shape("LEFT OUTER JOIN", true, true, false),
        JoinType::Right => shape("RIGHT OUTER JOIN", true, true, false),
        JoinType::Full => shape("FULL OUTER JOIN", true, true, false),
        JoinType::LeftSemi => shape("LEFT SEMI JOIN", true, false, false),
        JoinType::LeftAnti => shape("LEFT ANTI JOIN", true, false, false),
        JoinType::RightSemi => shape("LEFT SEMI JOIN", false, true, true),
        JoinType::RightAnti => shape("LEFT ANTI JOIN", false, true, true),
        JoinType::LeftMark | JoinType::RightMark => None,
    }
}

/// The frame of a join.
pub(super) fn frame(join: &Join, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let shape = shape(join.join_type)
        .filter(|_| !join.null_aware)
        .ok_or_else(|| NotWritten::because(format!("a join of kind {}", join.join_type)))?;
    let with_one_row = join.join_type == JoinType::Inner && (is_one_row(&join.left) || is_one_row(&join.right));
    if join.on.is_empty() && !with_one_row {
        return Err(NotWritten::because("a join without equal keys"));
    }
    let aliases = [format!("l{}", node.height), format!("r{}", node.height)];
    let [left_alias, right_alias] = &aliases;

    let mut before = RemoteStatement::new();
    let mut list = SelectList::start(&mut before);
    let mut columns = Vec::new();
    for (index, (alias, is_given)) in aliases.iter().zip([shape.left, shape.right]).enumerate() {
        for (position, column) in node.columns(index).iter().enumerate().filter(|_| is_given) {
            list.item(&mut before);
            before.push(&format!("{alias}.c{position} AS c{}", columns.len()));
            columns.push(column.clone());
        }
    }
    list.finish(&mut before);
    before.push(" FROM (");
    check_types(&columns, &join.schema)?;

    let (first, second) = match shape.swapped {
        false => (left_alias, right_alias),
        true => (right_alias, left_alias),
    };
    let mut between = RemoteStatement::new();
    between.push(&format!(") AS {first} {} (", shape.words));
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {second}"));
    let mut frame = Frame {
        order: if shape.swapped { vec![1, 0] } else { vec![0, 1] },
        columns,
        levels: 1,
        ..Frame::default()
    };
    write_condition(join, node, &aliases, &mut after, &mut frame)?;
    frame.pieces = vec![before, between, after];
    Ok(frame)
}

fn write_condition(
    join: &Join,
    node: &Node<'_>,
    aliases: &[String; 2],
    out: &mut RemoteStatement,
    frame: &mut Frame,
) -> Result<(), NotWritten> {
    let [left_alias, right_alias] = aliases;
    // A key is a side's own, even if both sides have a column of that name.
    let left = [node.source(0, Names::Node(join.left.schema()), left_alias.clone())];
    let right = [node.source(1, Names::Node(join.right.schema()), right_alias.clone())];
    let both = [
        node.source(0, Names::Node(join.left.schema()), left_alias.clone()),
        node.source(1, Names::Node(join.right.schema()), right_alias.clone()),
    ];
    let (mut left, mut right, mut filter) = (node.writer(&left), node.writer(&right), node.writer(&both));
    let equal = match join.null_equality {
        NullEquality::NullEqualsNothing => " = ",
        NullEquality::NullEqualsNull => " <=> ",
    };
    let mut word = " ON ";
    for (left_key, right_key) in &join.on {
        out.push(&format!("{word}("));
        let left_type = left.write(left_key, out)?;
        out.push(equal);
        let right_type = right.write(right_key, out)?;
        out.push(")");
        if left_type != right_type || !left_type.is_key() {
            let why = format!("a join of {} with {}", left_type.word(), right_type.word());
            return Err(NotWritten::because(why));
        }
        word = " AND ";
    }
    if let Some(condition) = &join.filter {
        out.push(word);
        filter.boolean(condition, out)?;
        word = " AND ";
    }
    if word == " ON " {
        out.push(" ON TRUE");
    }
    for writer in [left, right, filter] {
        super::block::add_reads(&mut frame.reads, &writer.into_reads());
    }
    Ok(())
}
