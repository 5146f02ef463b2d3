//! Aligned columns as psql prints them. Widths need the rows first, so a page of them is held.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use comfy_table::{CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use contract::Result;

use super::cells::Cells;
use super::{Style, write_failed};

/// Rows that are aligned together; a longer result is several tables, each with its header.
const PAGE_ROWS: usize = 1000;

const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction('|'))
    .header_separator(LineStyle::none().fill('-').junction('+'))
    .content_lines(ContentLineStyle::none().junction('|'));

pub(crate) struct TableWriter<'w> {
    cells: Cells,
    names: Vec<String>,
    right_aligned: Vec<bool>,
    expanded: bool,
    page: Vec<Vec<Option<String>>>,
    pages: usize,
    rows: usize,
    out: &'w mut (dyn Write + Send),
}

impl<'w> TableWriter<'w> {
    pub(crate) fn new(style: &Style, schema: &SchemaRef, out: &'w mut (dyn Write + Send)) -> Self {
        let fields = schema.fields();
        Self {
            cells: Cells::new(schema, &style.session),
            names: fields.iter().map(|field| printable(field.name())).collect(),
            right_aligned: fields.iter().map(|field| is_number(field.data_type())).collect(),
            expanded: style.expanded,
            page: Vec::new(),
            pages: 0,
            rows: 0,
            out,
        }
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for row in 0..batch.num_rows() {
            let cells = self.cells.row(batch, row)?;
            self.rows += 1;
            if self.expanded {
                self.record(&cells)?;
                continue;
            }
            self.page.push(cells);
            if self.page.len() >= PAGE_ROWS {
                self.print_page()?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        if !self.expanded && (self.pages == 0 || !self.page.is_empty()) {
            self.print_page()?;
        }
        let plural = if self.rows == 1 { "row" } else { "rows" };
        writeln!(self.out, "({} {plural})\n", self.rows).map_err(write_failed)
    }

    fn print_page(&mut self) -> Result<()> {
        let mut table = Table::new();
        table
            .load_style(STYLE)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(&self.names);
        for cells in self.page.drain(..) {
            table.add_row(
                cells
                    .into_iter()
                    .map(|cell| cell.map_or_else(String::new, |text| printable(&text))),
            );
        }
        for (column, right) in table.column_iter_mut().zip(&self.right_aligned) {
            if *right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        self.pages += 1;
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end()).map_err(write_failed)?;
        }
        Ok(())
    }

    fn record(&mut self, cells: &[Option<String>]) -> Result<()> {
        writeln!(self.out, "-[ RECORD {} ]{}", self.rows, "-".repeat(20)).map_err(write_failed)?;
        let width = self
            .names
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or_default();
        for (name, cell) in self.names.iter().zip(cells) {
            let text = printable(cell.as_deref().unwrap_or_default());
            let line = format!("{name:width$} | {text}");
            writeln!(self.out, "{}", line.trim_end()).map_err(write_failed)?;
        }
        Ok(())
    }
}

/// Values must not steer the terminal: control characters other than line breaks are spelled out.
fn printable(text: &str) -> String {
    let harmless = |character: char| !character.is_control() || character == '\n';
    if text.chars().all(harmless) {
        return text.to_owned();
    }
    text.chars()
        .fold(String::with_capacity(text.len()), |mut spelled, character| {
            match character {
                '\t' => spelled.push_str("\\t"),
                '\r' => spelled.push_str("\\r"),
                other if harmless(other) => spelled.push(other),
                other => spelled.push_str(&format!("\\x{:02X}", u32::from(other))),
            }
            spelled
        })
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}
