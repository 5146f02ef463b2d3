//! GROUPING SETS, ROLLUP and CUBE.
//!
//! Over no rows the empty set has one row all the same, here; there it has none. So one more row goes in that is no
//! row: all of it is NULL, no aggregate sees it, and of what it adds only the empty set's row is kept.

use datafusion::logical_expr::{Aggregate, Expr, GroupingSet};

use super::NotWritten;
use super::aggregate::{Calls, check_key};
use super::block::{Frame, SelectList, select_columns};
use super::data_type::SparkType;
use super::expression::Names;
use super::relation::Node;
use crate::RemoteStatement;

/// How many keys may take part: a bit of the set's number is kept for each.
const KEYS_MAX: usize = 8;
/// How many sets there may be: each row is read once for each.
const SETS_MAX: usize = 64;

/// The frame of an aggregation by several sets of keys: its keys, the number of the set, and its aggregates.
pub(super) fn frame(aggregate: &Aggregate, grouping: &GroupingSet, node: &Node<'_>) -> Result<Frame, NotWritten> {
    let keys = grouping.distinct_expr();
    let sets = sets(grouping, &keys)?;
    let with_marker = sets.iter().any(Vec::is_empty);
    let calls = Calls::of(aggregate)?;

    let input = node.alias();
    let alias = format!("t{}", node.height + 1);
    let sources = [node.source(0, Names::Node(aggregate.input.schema()), input.clone())];
    let mut writer = node.writer(&sources);
    let mut below = RemoteStatement::new();
    let mut list = SelectList::start(&mut below);
    let mut marker = " UNION ALL SELECT ".to_owned();
    let mut operands = Vec::new();
    for expression in keys.iter().copied().chain(calls.values()) {
        list.item(&mut below);
        let data_type = writer.write(expression, &mut below)?;
        below.push(&format!(" AS k{}", operands.len()));
        let spelling = data_type.spelling();
        let spelling =
            spelling.ok_or_else(|| NotWritten::because(format!("grouping sets over {}", data_type.word())))?;
        marker.push_str(&format!("CAST(NULL AS {spelling}), "));
        let mut name = RemoteStatement::new();
        name.push(&format!("{alias}.k{}", operands.len()));
        operands.push((name, data_type));
    }
    list.item(&mut below);
    below.push("TRUE AS is_row");
    list.finish(&mut below);
    marker.push_str("CAST(NULL AS BOOLEAN)");

    let mut before = RemoteStatement::new();
    let mut list = SelectList::start(&mut before);
    let mut columns = Vec::new();
    let mut number = "(".to_owned();
    for (index, (_, data_type)) in operands.iter().take(keys.len()).enumerate() {
        check_key(data_type)?;
        list.item(&mut before);
        before.push(&format!("{alias}.k{index} AS c{index}"));
        columns.push(data_type.clone());
        let bit = 1_u32 << (keys.len() - 1 - index);
        let plus = if index > 0 { " + " } else { "" };
        number.push_str(&format!("{plus}{bit} * CAST(grouping({alias}.k{index}) AS BIGINT)"));
    }
    number.push(')');
    list.item(&mut before);
    before.push(&format!("{number} AS c{}", columns.len()));
    columns.push(SparkType::Opaque(Aggregate::grouping_id_type(keys.len(), 0)));
    let rows = with_marker.then(|| format!("count({alias}.is_row)"));
    let values = operands
        .iter()
        .skip(keys.len())
        .map(|(sql, data_type)| (sql, data_type));
    calls.write(values, rows.as_deref(), &mut list, &mut before, &mut columns)?;
    if let Some(rows) = &rows {
        list.item(&mut before);
        before.push(&format!("{rows} AS is_row"));
    }
    list.finish(&mut before);

    before.push(" FROM (");
    before.append(below);
    before.push(" FROM (");
    let mut after = RemoteStatement::new();
    after.push(&format!(") AS {input}"));
    if with_marker {
        after.push(&marker);
    }
    after.push(&format!(") AS {alias} GROUP BY GROUPING SETS ("));
    for (index, set) in sets.iter().enumerate() {
        let names = set.iter().map(|key| format!("{alias}.k{key}")).collect::<Vec<_>>();
        after.push(&format!("{}({})", if index > 0 { ", " } else { "" }, names.join(", ")));
    }
    after.push(")");
    if with_marker {
        // HAVING does not find the keys there.
        let outer = format!("t{}", node.height + 2);
        let mut kept = RemoteStatement::new();
        select_columns(&mut kept, &outer, 0..columns.len());
        kept.push(" FROM (");
        kept.append(before);
        before = kept;
        let (number, all) = (keys.len(), (1_u32 << keys.len()) - 1);
        after.push(&format!(
            ") AS {outer} WHERE {outer}.is_row > 0 OR {outer}.c{number} = {all}"
        ));
    }
    Ok(Frame {
        reads: writer.into_reads(),
        levels: 3,
        ..Frame::around(before, after, columns)
    })
}

/// The places of each set's keys among `keys`.
fn sets(grouping: &GroupingSet, keys: &[&Expr]) -> Result<Vec<Vec<usize>>, NotWritten> {
    let refused = || NotWritten::because("grouping sets that are too many or come twice");
    let distinct = keys
        .iter()
        .enumerate()
        .all(|(index, key)| !keys.iter().skip(index + 1).any(|other| other == key));
    if keys.is_empty() || keys.len() > KEYS_MAX || !distinct {
        return Err(refused());
    }
    let mut sets: Vec<Vec<usize>> = match grouping {
        GroupingSet::Rollup(_) => (0..=keys.len()).rev().map(|length| (0..length).collect()).collect(),
        GroupingSet::Cube(_) => {
            let chosen = |bits: usize| (0..keys.len()).filter(|key| bits & (1 << key) != 0).collect();
            (0..1 << keys.len()).map(chosen).collect()
        }
        GroupingSet::GroupingSets(sets) => {
            let place = |key: &Expr| keys.iter().position(|one| *one == key);
            let places = sets.iter().map(|set| set.iter().filter_map(place).collect());
            places.collect()
        }
    };
    for set in &mut sets {
        set.sort_unstable();
        set.dedup();
    }
    let distinct = sets
        .iter()
        .enumerate()
        .all(|(index, set)| !sets.iter().skip(index + 1).any(|other| other == set));
    if sets.len() > SETS_MAX || !distinct {
        return Err(refused());
    }
    Ok(sets)
}
