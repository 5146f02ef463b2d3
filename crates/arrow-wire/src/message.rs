//! One message after another: the schema first, then dictionaries and batches.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_buffer::Buffer;
use arrow_ipc::{DictionaryBatch, Message, MessageHeader, MetadataVersion, root_as_message_with_opts};
use arrow_schema::{DataType, Field, Fields, SchemaRef};
use contract::{Error, Result};
use flatbuffers::VerifierOptions;

use crate::array::{Arrays, Dictionary};
use crate::buffers::{Budget, Buffers};
use crate::fault::{Fault, Sender};
use crate::limits::Limits;
use crate::schema::{self, Columns};

/// Tables of a head for each column: itself, its type, its dictionary and its key type, and some pairs of metadata.
const TABLES_OF_FIELD: usize = 16;
/// Tables of a head that belong to no column.
const TABLES_OF_HEAD: usize = 256;
/// A head's parts may be used more than once. Written out it may be larger than it came by this factor, which parts
/// that writers share (the layouts of its tables) do not reach.
const HEAD_RATIO_MAX: usize = 8;

const EMPTY: Fault = Fault::Malformed("its head is empty");

/// What a message held.
#[derive(Debug)]
pub enum Content {
    /// The columns of the batches to come.
    Schema(SchemaRef),
    /// Values that batches will point to.
    Dictionary,
    /// Rows.
    Batch(RecordBatch),
}

/// Decodes messages that are cut out already.
///
/// After an error the stream is of no use any more. No message makes it panic, and what it allocates is bounded by its
/// [`Limits`].
#[derive(Debug)]
pub struct MessageDecoder {
    limits: Limits,
    sender: Sender,
    columns: Option<Columns>,
    dictionaries: HashMap<i64, Dictionary>,
    /// What batches may still take, all together.
    total_left: usize,
}

impl MessageDecoder {
    /// Begins with no schema.
    pub fn new(limits: Limits, sender: Sender) -> Self {
        Self {
            total_left: limits.total_bytes,
            limits,
            sender,
            columns: None,
            dictionaries: HashMap::new(),
        }
    }

    /// The columns, once their message came.
    pub fn schema(&self) -> Option<&SchemaRef> {
        self.columns.as_ref().map(|columns| &columns.schema)
    }

    /// Decodes one message. Uncompressed arrays that are aligned in `body` keep it; others are copied.
    ///
    /// # Errors
    /// `ProtocolViolation` for a client and `DataCorrupted` for a source if it is malformed, `LimitExceeded` if it is
    /// too large, `Unsupported` for what is in Arrow's format and not taken here.
    pub fn decode(&mut self, head: &[u8], body: &Buffer) -> Result<Content> {
        // What is known to panic is checked; this is for what is not known.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decode_unguarded(head, body)));
        let decoded = decoded.unwrap_or_else(|_| Err(Fault::Broken("the decoder panicked".into())));
        decoded.map_err(|fault| self.error(fault))
    }

    pub(crate) fn error(&self, fault: Fault) -> Error {
        fault.into_error(&self.sender)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn decode_unguarded(&mut self, head: &[u8], body: &Buffer) -> Result<Content, Fault> {
        let message = self.head(head)?;
        match usize::try_from(message.bodyLength()) {
            Ok(length) if length <= body.len() => {}
            _ => return Err(Fault::Malformed("its body has another length than its head says")),
        }
        match message.header_type() {
            MessageHeader::Schema => {
                if self.columns.is_some() {
                    return Err(Fault::Malformed("there is a second schema"));
                }
                let columns = schema::columns(message.header_as_schema().ok_or(EMPTY)?, &self.limits)?;
                let schema = Arc::clone(&columns.schema);
                self.columns = Some(columns);
                Ok(Content::Schema(schema))
            }
            MessageHeader::DictionaryBatch => {
                self.dictionary(message.header_as_dictionary_batch().ok_or(EMPTY)?, body)?;
                Ok(Content::Dictionary)
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or(EMPTY)?;
                self.batch(batch, body).map(Content::Batch)
            }
            _ => Err(Fault::Malformed("it is of an unknown kind")),
        }
    }

    /// The head, all of whose offsets lie inside of it.
    pub(crate) fn head<'a>(&self, head: &'a [u8]) -> Result<Message<'a>, Fault> {
        if head.len() > self.limits.head_bytes {
            return Err(Fault::TooMuch("its head is too long"));
        }
        let options = VerifierOptions {
            max_tables: self.limits.fields.saturating_mul(TABLES_OF_FIELD) + TABLES_OF_HEAD,
            max_apparent_size: head.len().saturating_mul(HEAD_RATIO_MAX),
            ..VerifierOptions::default()
        };
        let message = root_as_message_with_opts(&options, head);
        let message = message.map_err(|_| Fault::Malformed("its head cannot be read"))?;
        match message.version() {
            MetadataVersion::V4 | MetadataVersion::V5 => Ok(message),
            // Older than Arrow 0.8, or no message at all: zeros say so too.
            _ => Err(Fault::Malformed("its version is not known")),
        }
    }

    fn columns(&self) -> Result<&Columns, Fault> {
        self.columns
            .as_ref()
            .ok_or(Fault::Malformed("there is no schema before it"))
    }

    fn dictionary(&mut self, dictionary: DictionaryBatch<'_>, body: &Buffer) -> Result<(), Fault> {
        if dictionary.isDelta() {
            // Each would copy the whole.
            return Err(Fault::Unsupported("dictionaries that grow are not taken"));
        }
        let id = dictionary.id();
        let columns = self.columns()?;
        let values = value_type(columns, id).ok_or(Fault::Malformed("a dictionary belongs to no column"))?;
        let batch = dictionary.data().ok_or(EMPTY)?;
        let others = self.dictionaries.iter().filter(|(other, _)| **other != id);
        let others = others.map(|(_, other)| other.bytes).sum();
        let budget = self.limits.dictionary_bytes.saturating_sub(others);
        let buffers = Buffers::new(batch, body, Budget::new(budget))?;
        let rows = self.rows(batch)?;
        let mut arrays = Arrays::new(batch, buffers, &self.dictionaries, &[], self.limits.rows)?;
        let array = arrays.column(&values, rows)?;
        arrays.end()?;
        let kept = Dictionary {
            values: array.to_data(),
            bytes: budget - arrays.buffers.budget.left(),
        };
        self.dictionaries.insert(id, kept);
        Ok(())
    }

    fn batch(&mut self, batch: arrow_ipc::RecordBatch<'_>, body: &Buffer) -> Result<RecordBatch, Fault> {
        let columns = self.columns()?;
        let budget = self.limits.batch_bytes.min(self.total_left);
        let buffers = Buffers::new(batch, body, Budget::new(budget))?;
        let rows = self.rows(batch)?;
        let ids = &columns.dictionaries;
        let mut arrays = Arrays::new(batch, buffers, &self.dictionaries, ids, self.limits.rows)?;
        let fields = columns.schema.fields().iter();
        let taken = fields.map(|field| arrays.column(field.data_type(), rows));
        let taken = taken.collect::<Result<Vec<_>, _>>()?;
        arrays.end()?;
        let used = budget - arrays.buffers.budget.left();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let decoded = RecordBatch::try_new_with_options(Arc::clone(&columns.schema), taken, &options)?;
        self.total_left -= used;
        Ok(decoded)
    }

    fn rows(&self, batch: arrow_ipc::RecordBatch<'_>) -> Result<usize, Fault> {
        match usize::try_from(batch.length()) {
            Ok(rows) if rows <= self.limits.rows => Ok(rows),
            Ok(_) => Err(Fault::TooMuch("a batch has too many rows")),
            Err(_) => Err(Fault::Malformed("a batch has a negative number of rows")),
        }
    }
}

/// The type of the values of a dictionary, from the first column that uses it.
fn value_type(columns: &Columns, id: i64) -> Option<DataType> {
    fn collect(fields: &Fields, found: &mut Vec<DataType>) {
        for field in fields {
            visit(field, found);
        }
    }
    fn visit(field: &Field, found: &mut Vec<DataType>) {
        match field.data_type() {
            DataType::Dictionary(_, values) => found.push(values.as_ref().clone()),
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::FixedSizeList(item, _)
            | DataType::Map(item, _) => visit(item, found),
            DataType::Struct(fields) => collect(fields, found),
            _ => {}
        }
    }
    let position = columns.dictionaries.iter().position(|one| *one == id)?;
    let mut found = Vec::with_capacity(columns.dictionaries.len());
    collect(columns.schema.fields(), &mut found);
    found.into_iter().nth(position)
}
