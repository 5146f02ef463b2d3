//! Batches as CopyData messages of `COPY … TO STDOUT`, one message per row.

use std::ops::Range;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::column::Column;
use crate::error::{EncodeError, Failure};
use crate::list::escape_from;
use crate::row::{bind_columns, finish_message, reserve};
use crate::session::SessionFormat;
use crate::type_map;

/// The format of a COPY and its options. [`CopyFormat::text`] and [`CopyFormat::csv`] give PostgreSQL's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// Values behind backslash escapes.
    Text {
        /// Between columns.
        delimiter: u8,
        /// What stands for null.
        null: String,
        /// Whether the first line names the columns.
        header: bool,
    },
    /// Comma-separated values.
    Csv {
        /// Between columns.
        delimiter: u8,
        /// What stands for null, never quoted.
        null: String,
        /// Around values that need it.
        quote: u8,
        /// In front of a quote or escape within a quoted value.
        escape: u8,
        /// Whether the first line names the columns.
        header: bool,
        /// Which columns are always quoted.
        force_quote: ForceQuote,
    },
    /// PostgreSQL's binary file format.
    Binary,
}

/// `FORCE_QUOTE`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ForceQuote {
    /// Only what needs quotes has them.
    #[default]
    None,
    /// `FORCE_QUOTE *`.
    All,
    /// The columns at these positions, counted from zero.
    Columns(Vec<usize>),
}

impl CopyFormat {
    /// `FORMAT text` as it is without options.
    pub fn text() -> Self {
        Self::Text {
            delimiter: b'\t',
            null: "\\N".to_owned(),
            header: false,
        }
    }

    /// `FORMAT csv` as it is without options.
    pub fn csv() -> Self {
        Self::Csv {
            delimiter: b',',
            null: String::new(),
            quote: b'"',
            escape: b'"',
            header: false,
            force_quote: ForceQuote::None,
        }
    }
}

/// Writes one COPY. Call [`header`](Self::header) once, [`encode`](Self::encode) for each batch, then
/// [`trailer`](Self::trailer); or, for a file, [`file_header`](Self::file_header),
/// [`encode_file`](Self::encode_file) and [`file_trailer`](Self::file_trailer).
#[derive(Debug, Clone)]
pub struct CopyEncoder {
    oids: Vec<u32>,
    names: Vec<String>,
    format: CopyFormat,
    session: SessionFormat,
}

/// The signature, no flags, no header extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

impl CopyEncoder {
    /// An encoder for results of `schema`.
    pub fn new(schema: &Schema, format: CopyFormat, session: &SessionFormat) -> Self {
        Self {
            oids: schema.fields().iter().map(|field| type_map::resolve(field)).collect(),
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            format,
            session: session.clone(),
        }
    }

    /// Whether rows are written in binary.
    pub fn is_binary(&self) -> bool {
        self.format == CopyFormat::Binary
    }

    /// Appends what stands before the first row, if anything.
    pub fn header(&self, out: &mut Vec<u8>) {
        let start = out.len();
        begin_message(out);
        let empty = out.len();
        self.file_header(out);
        if out.len() == empty {
            return out.truncate(start);
        }
        // Column names do not fill a gibibyte.
        let _ = finish_message(out, start);
    }

    /// As [`header`](Self::header), as a file has it: without the message around it.
    pub fn file_header(&self, out: &mut Vec<u8>) {
        match &self.format {
            CopyFormat::Binary => out.extend_from_slice(BINARY_HEADER),
            CopyFormat::Text {
                delimiter,
                header: true,
                ..
            } => {
                for (position, name) in self.names.iter().enumerate() {
                    separate(out, position, *delimiter);
                    let value = out.len();
                    out.extend_from_slice(name.as_bytes());
                    escape_text(out, value, *delimiter);
                }
                out.push(b'\n');
            }
            CopyFormat::Csv {
                delimiter,
                null,
                quote,
                escape,
                header: true,
                ..
            } => {
                let style = CsvStyle {
                    delimiter: *delimiter,
                    null: null.as_bytes(),
                    quote: *quote,
                    escape: *escape,
                };
                for (position, name) in self.names.iter().enumerate() {
                    separate(out, position, *delimiter);
                    let value = out.len();
                    out.extend_from_slice(name.as_bytes());
                    style.quote_value(out, value, false, self.names.len() == 1);
                }
                out.push(b'\n');
            }
            CopyFormat::Text { .. } | CopyFormat::Csv { .. } => {}
        }
    }

    /// Appends what stands behind the last row, if anything.
    pub fn trailer(&self, out: &mut Vec<u8>) {
        if self.format == CopyFormat::Binary {
            let start = out.len();
            begin_message(out);
            self.file_trailer(out);
            let _ = finish_message(out, start);
        }
    }

    /// As [`trailer`](Self::trailer), without the message around it.
    pub fn file_trailer(&self, out: &mut Vec<u8>) {
        if self.format == CopyFormat::Binary {
            out.extend_from_slice(&(-1_i16).to_be_bytes());
        }
    }

    /// Appends the rows `rows` of `batch`, one message each. Of a failing row nothing stays in `out`.
    ///
    /// # Errors
    /// As [`RowEncoder::encode_data_rows`](crate::RowEncoder::encode_data_rows).
    pub fn encode(&self, batch: &RecordBatch, rows: Range<usize>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_rows::<true>(batch, rows, out)
    }

    /// As [`encode`](Self::encode), as a file has the rows: without the messages around them.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_file(&self, batch: &RecordBatch, rows: Range<usize>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.encode_rows::<false>(batch, rows, out)
    }

    fn encode_rows<const FRAMED: bool>(
        &self,
        batch: &RecordBatch,
        rows: Range<usize>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let columns = bind_columns(&self.oids, batch, &self.session)?;
        let rows = rows.start..rows.end.min(batch.num_rows());
        reserve(out, &columns, rows.len(), batch.num_rows());
        let columns: Vec<(Column<'_>, bool)> = columns
            .into_iter()
            .map(|column| {
                let clean = self.is_clean(&column);
                (column, clean)
            })
            .collect();
        for row in rows {
            let start = out.len();
            if FRAMED {
                begin_message(out);
            }
            let written = match &self.format {
                CopyFormat::Binary => binary_row(out, &columns, row),
                CopyFormat::Text { delimiter, null, .. } => text_row(out, &columns, row, *delimiter, null.as_bytes()),
                CopyFormat::Csv {
                    delimiter,
                    null,
                    quote,
                    escape,
                    force_quote,
                    ..
                } => {
                    let style = CsvStyle {
                        delimiter: *delimiter,
                        null: null.as_bytes(),
                        quote: *quote,
                        escape: *escape,
                    };
                    style.row(out, &columns, row, force_quote)
                }
            };
            let finished = written.and_then(|()| if FRAMED { finish_message(out, start) } else { Ok(()) });
            if let Err(failure) = finished {
                out.truncate(start);
                return Err(failure.into_error());
            }
        }
        Ok(())
    }
}

impl CopyEncoder {
    /// Whether no value of the column ever needs an escape or a quote.
    fn is_clean(&self, column: &Column<'_>) -> bool {
        column.is_plain_or_spaced()
            && match &self.format {
                CopyFormat::Text { delimiter, .. } => is_harmless(*delimiter),
                CopyFormat::Csv {
                    delimiter, null, quote, ..
                } => is_harmless(*delimiter) && null.is_empty() && matches!(quote, b'"' | b'\''),
                CopyFormat::Binary => true,
            }
    }
}

fn begin_message(out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'd', 0, 0, 0, 0]);
}

fn separate(out: &mut Vec<u8>, position: usize, delimiter: u8) {
    if position != 0 {
        out.push(delimiter);
    }
}

fn binary_row(out: &mut Vec<u8>, columns: &[(Column<'_>, bool)], row: usize) -> Result<(), Failure> {
    let count = i16::try_from(columns.len()).map_err(|_| Failure::RowTooLong)?;
    out.extend_from_slice(&count.to_be_bytes());
    columns.iter().try_for_each(|(column, _)| column.put(row, true, out))
}

/// A delimiter that no number, UUID, date or time contains.
fn is_harmless(delimiter: u8) -> bool {
    matches!(delimiter, b'\t' | b',' | b'|' | b';')
}

fn text_row(
    out: &mut Vec<u8>,
    columns: &[(Column<'_>, bool)],
    row: usize,
    delimiter: u8,
    null: &[u8],
) -> Result<(), Failure> {
    for (position, (column, clean)) in columns.iter().enumerate() {
        separate(out, position, delimiter);
        if column.is_null(row) {
            out.extend_from_slice(null);
            continue;
        }
        let start = out.len();
        column.text(row, out)?;
        if !clean {
            escape_text(out, start, delimiter);
        }
    }
    out.push(b'\n');
    Ok(())
}

/// Looks at every byte without stopping at the first hit, so that it compiles to vector code.
#[inline]
fn contains(value: &[u8], special: impl Fn(u8) -> bool) -> bool {
    value.iter().fold(0, |found, byte| found | u8::from(special(*byte))) != 0
}

/// Puts backslashes into the value that begins at `start`.
fn escape_text(out: &mut Vec<u8>, start: usize, delimiter: u8) {
    let special = |byte: u8| byte == delimiter || matches!(byte, 0x08..=0x0d | b'\\');
    let value = out.get(start..).unwrap_or_default();
    if !contains(value, special) {
        return;
    }
    let escapes = value.iter().filter(|byte| special(**byte)).count();
    escape_from(out, start, escapes, |byte| special(byte).then_some(b'\\'), None);
    // What follows a backslash is a letter for control characters, else the character itself.
    let mut escaped = false;
    for byte in out.get_mut(start..).unwrap_or_default() {
        if escaped {
            *byte = match *byte {
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0b => b'v',
                0x0c => b'f',
                b'\r' => b'r',
                other => other,
            };
            escaped = false;
        } else {
            escaped = *byte == b'\\';
        }
    }
}

struct CsvStyle<'a> {
    delimiter: u8,
    null: &'a [u8],
    quote: u8,
    escape: u8,
}

impl CsvStyle<'_> {
    fn row(
        &self,
        out: &mut Vec<u8>,
        columns: &[(Column<'_>, bool)],
        row: usize,
        force_quote: &ForceQuote,
    ) -> Result<(), Failure> {
        for (position, (column, clean)) in columns.iter().enumerate() {
            separate(out, position, self.delimiter);
            if column.is_null(row) {
                out.extend_from_slice(self.null);
                continue;
            }
            let force = match force_quote {
                ForceQuote::None => false,
                ForceQuote::All => true,
                ForceQuote::Columns(positions) => positions.contains(&position),
            };
            let start = out.len();
            column.text(row, out)?;
            if force || !clean {
                self.quote_value(out, start, force, columns.len() == 1);
            }
        }
        out.push(b'\n');
        Ok(())
    }

    fn quote_value(&self, out: &mut Vec<u8>, start: usize, force: bool, only_column: bool) {
        let value = out.get(start..).unwrap_or_default();
        let needed = force
            || value == self.null
            || (only_column && value == b"\\.")
            || contains(value, |byte| {
                byte == self.delimiter || byte == self.quote || matches!(byte, b'\n' | b'\r')
            });
        if !needed {
            return;
        }
        let special = |byte: u8| byte == self.quote || byte == self.escape;
        let escapes = value.iter().filter(|byte| special(**byte)).count();
        escape_from(
            out,
            start,
            escapes,
            |byte| special(byte).then_some(self.escape),
            Some(self.quote),
        );
    }
}
