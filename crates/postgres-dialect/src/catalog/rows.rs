//! Rows of a system relation, and the batch that they become.

use std::sync::Arc;

use arrow_array::builder::{
    ArrayBuilder, BinaryBuilder, BooleanBuilder, Decimal128Builder, Float32Builder, Float64Builder, Int16Builder,
    Int32Builder, Int64Builder, IntervalMonthDayNanoBuilder, ListBuilder, StringBuilder, TimestampMicrosecondBuilder,
    UInt32Builder, make_builder,
};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::DataType;
use contract::{Error, Result};

use super::relation::{Column, Relation};
use super::types;

/// A value of a system relation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Integer(i64),
    Text(String),
    List(Vec<Cell>),
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<i16> for Cell {
    fn from(value: i16) -> Self {
        Self::Integer(i64::from(value))
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Cell>> From<Vec<T>> for Cell {
    fn from(value: Vec<T>) -> Self {
        Self::List(value.into_iter().map(Into::into).collect())
    }
}

/// Collects rows that state some columns of a relation. A column that is not stated is NULL, or nothing (`0`, false,
/// no text) where PostgreSQL has no NULL.
#[derive(Debug)]
pub(crate) struct Rows {
    relation: &'static Relation,
    /// For each column of the relation, which of a row's cells it takes.
    source: Vec<Option<usize>>,
    rows: Vec<Vec<Cell>>,
}

impl Rows {
    pub(crate) fn new(relation: &'static Relation, columns: &[&str]) -> Self {
        debug_assert!(
            columns.iter().all(|name| relation.position(name).is_some()),
            "{} {columns:?}",
            relation.name
        );
        let source = relation
            .columns
            .iter()
            .map(|own| columns.iter().position(|name| *name == own.name))
            .collect();
        Self {
            relation,
            source,
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    pub(crate) fn finish(self) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.relation.columns.len());
        for ((column, source), field) in self
            .relation
            .columns
            .iter()
            .zip(&self.source)
            .zip(self.relation.arrow.fields())
        {
            let mut builder = make_builder(field.data_type(), self.rows.len());
            let default = default_of(column);
            for row in &self.rows {
                let cell = source.and_then(|at| row.get(at)).unwrap_or(&default);
                append(builder.as_mut(), field.data_type(), cell)?;
            }
            arrays.push(builder.finish());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows.len()));
        Ok(RecordBatch::try_new_with_options(
            Arc::clone(&self.relation.arrow),
            arrays,
            &options,
        )?)
    }
}

fn default_of(column: &Column) -> Cell {
    if !column.not_null {
        return Cell::Null;
    }
    match types::arrow_type(types::base_of(column.fact)) {
        DataType::Boolean => Cell::Bool(false),
        DataType::Utf8 => Cell::Text(String::new()),
        DataType::List(_) => Cell::List(Vec::new()),
        DataType::Timestamp(..) | DataType::Interval(_) | DataType::Binary => Cell::Null,
        _ => Cell::Integer(0),
    }
}

fn append(builder: &mut dyn ArrayBuilder, data_type: &DataType, cell: &Cell) -> Result<()> {
    macro_rules! number {
        ($builder:ty) => {
            with::<$builder>(builder)?.append_option(match cell {
                Cell::Integer(value) => Some((*value).try_into().map_err(|_| mismatch(data_type))?),
                Cell::Text(text) => Some(text.parse().map_err(|_| mismatch(data_type))?),
                Cell::Null => None,
                _ => return Err(mismatch(data_type)),
            })
        };
    }
    macro_rules! float {
        ($builder:ty, $type:ty) => {
            with::<$builder>(builder)?.append_option(match cell {
                Cell::Integer(value) => Some(*value as $type),
                Cell::Text(text) => Some(text.parse().map_err(|_| mismatch(data_type))?),
                _ => None,
            })
        };
    }
    match data_type {
        DataType::Boolean => with::<BooleanBuilder>(builder)?.append_option(match cell {
            Cell::Bool(value) => Some(*value),
            Cell::Text(text) => Some(text == "t" || text == "true"),
            Cell::Null => None,
            _ => return Err(mismatch(data_type)),
        }),
        DataType::Int16 => number!(Int16Builder),
        DataType::Int32 => number!(Int32Builder),
        DataType::Int64 => number!(Int64Builder),
        DataType::UInt32 => number!(UInt32Builder),
        DataType::Float32 => float!(Float32Builder, f32),
        DataType::Float64 => float!(Float64Builder, f64),
        DataType::Utf8 => with::<StringBuilder>(builder)?.append_option(match cell {
            Cell::Text(text) => Some(text.clone()),
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Bool(value) => Some(if *value { "t" } else { "f" }.to_owned()),
            Cell::Null => None,
            Cell::List(_) => return Err(mismatch(data_type)),
        }),
        DataType::Decimal128(..) => with::<Decimal128Builder>(builder)?.append_option(match cell {
            Cell::Integer(value) => Some(i128::from(*value)),
            _ => None,
        }),
        DataType::Timestamp(..) => with::<TimestampMicrosecondBuilder>(builder)?.append_option(match cell {
            Cell::Integer(value) => Some(*value),
            _ => None,
        }),
        DataType::Interval(_) => with::<IntervalMonthDayNanoBuilder>(builder)?.append_null(),
        DataType::Binary => with::<BinaryBuilder>(builder)?.append_null(),
        DataType::List(item) => {
            let list = with::<ListBuilder<Box<dyn ArrayBuilder>>>(builder)?;
            match cell {
                Cell::Null => list.append(false),
                Cell::List(cells) => {
                    for one in cells {
                        append(list.values().as_mut(), item.data_type(), one)?;
                    }
                    list.append(true);
                }
                Cell::Text(text) => {
                    for one in elements(text) {
                        append(list.values().as_mut(), item.data_type(), &one)?;
                    }
                    list.append(true);
                }
                _ => return Err(mismatch(data_type)),
            }
        }
        _ => return Err(mismatch(data_type)),
    }
    Ok(())
}

fn with<B: 'static>(builder: &mut dyn ArrayBuilder) -> Result<&mut B> {
    builder
        .as_any_mut()
        .downcast_mut::<B>()
        .ok_or_else(|| Error::internal("a builder of another type"))
}

fn mismatch(data_type: &DataType) -> Error {
    Error::internal(format!("a system relation's cell does not fit {data_type}"))
}

/// The elements of an array as PostgreSQL prints it (`{a,"b c",NULL}`), or of a vector (`1 2 3`).
pub(crate) fn elements(text: &str) -> Vec<Cell> {
    let Some(inner) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return text.split_ascii_whitespace().map(Cell::from).collect();
    };
    if inner.is_empty() {
        return Vec::new();
    }
    let (mut cells, mut current, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut characters = inner.chars();
    let mut finish = |current: &mut String, was_quoted: &mut bool| {
        let word = std::mem::take(current);
        cells.push(if !*was_quoted && word.eq_ignore_ascii_case("null") {
            Cell::Null
        } else {
            Cell::Text(word)
        });
        *was_quoted = false;
    };
    while let Some(character) = characters.next() {
        match character {
            '"' => (quoted, was_quoted) = (!quoted, true),
            '\\' => current.extend(characters.next()),
            ',' if !quoted => finish(&mut current, &mut was_quoted),
            other => current.push(other),
        }
    }
    finish(&mut current, &mut was_quoted);
    cells
}
