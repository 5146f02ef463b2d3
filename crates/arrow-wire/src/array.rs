//! Arrays out of the nodes and buffers of one message, in the order that the schema gives.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};
use arrow_array::{ArrayRef, PrimitiveArray, make_array};
use arrow_buffer::Buffer;
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_ipc::FieldNode;
use arrow_schema::{ArrowError, DataType};
use flatbuffers::{Vector, VectorIter};

use crate::buffers::Buffers;
use crate::fault::Fault;

/// Longer arrays are no batches; sums and products of lengths below it stay far from an overflow.
const LENGTH_MAX: usize = i32::MAX as usize;
/// Texts up to this length lie in their view and not elsewhere.
const INLINE_BYTES_MAX: u32 = 12;

/// Values that came before the batches that point to them.
#[derive(Debug)]
pub(crate) struct Dictionary {
    pub(crate) values: ArrayData,
    /// What the values were charged.
    pub(crate) bytes: usize,
}

#[derive(Clone, Copy)]
struct Node {
    length: usize,
    nulls: usize,
}

pub(crate) struct Arrays<'a> {
    nodes: VectorIter<'a, FieldNode>,
    pub(crate) buffers: Buffers<'a>,
    /// How many buffers each column of views has.
    view_buffers: Option<VectorIter<'a, i64>>,
    dictionaries: &'a HashMap<i64, Dictionary>,
    dictionary_ids: std::slice::Iter<'a, i64>,
    rows_max: usize,
}

impl<'a> Arrays<'a> {
    pub(crate) fn new(
        batch: arrow_ipc::RecordBatch<'a>,
        buffers: Buffers<'a>,
        dictionaries: &'a HashMap<i64, Dictionary>,
        dictionary_ids: &'a [i64],
        rows_max: usize,
    ) -> Result<Self, Fault> {
        let nodes = batch.nodes().ok_or(Fault::Malformed("a batch has no arrays"))?;
        let view_buffers = batch.variadicBufferCounts();
        Ok(Self {
            nodes: nodes.iter(),
            buffers,
            view_buffers: view_buffers.as_ref().map(Vector::iter),
            dictionaries,
            dictionary_ids: dictionary_ids.iter(),
            rows_max,
        })
    }

    /// The next column, which must have `rows` values.
    pub(crate) fn column(&mut self, data_type: &DataType, rows: usize) -> Result<ArrayRef, Fault> {
        let data = self.array(data_type)?;
        match data.len() == rows {
            true => Ok(make_array(data)),
            false => Err(Fault::Malformed("columns of one batch differ in length")),
        }
    }

    /// # Errors
    /// `Malformed` if the message holds more than its columns.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        let counts = self.view_buffers.as_ref().map_or(0, ExactSizeIterator::len);
        match self.nodes.len() + self.buffers.left() + counts {
            0 => Ok(()),
            _ => Err(Fault::Malformed("a batch has more buffers than its columns")),
        }
    }

    fn array(&mut self, data_type: &DataType) -> Result<ArrayData, Fault> {
        let node = self.node(data_type)?;
        let builder = ArrayData::builder(data_type.clone()).len(node.length);
        let data = match data_type {
            DataType::Null => builder.build()?,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => {
                let builder = self.validity(builder, node)?;
                let builder = builder.add_buffer(self.numbers(offset_width(data_type))?);
                built(builder.add_buffer(self.buffers.next()?))?
            }
            DataType::Utf8View | DataType::BinaryView => {
                let builder = self.validity(builder, node)?;
                let views = self.numbers(size_of::<u128>())?;
                self.charge_views(&views, node.length)?;
                let mut builder = builder.add_buffer(views);
                for _ in 0..self.view_buffers()? {
                    builder = builder.add_buffer(self.buffers.next()?);
                }
                built(builder)?
            }
            DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
                let builder = self.validity(builder, node)?;
                let builder = builder.add_buffer(self.numbers(offset_width(data_type))?);
                built(builder.add_child_data(self.array(item.data_type())?))?
            }
            DataType::FixedSizeList(item, _) => {
                let builder = self.validity(builder, node)?;
                built(builder.add_child_data(self.array(item.data_type())?))?
            }
            DataType::Struct(fields) => {
                let mut builder = self.validity(builder, node)?;
                for field in fields {
                    builder = builder.add_child_data(self.array(field.data_type())?);
                }
                built(builder)?
            }
            DataType::Dictionary(keys, values) => {
                let builder = self.validity(builder, node)?;
                let builder = builder.add_buffer(self.numbers(keys.primitive_width().unwrap_or(1))?);
                self.pointing(builder, values, node)?
            }
            DataType::Union(_, _)
            | DataType::RunEndEncoded(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => {
                return Err(Fault::Unsupported("a column has a type that is not taken"));
            }
            _ => {
                let builder = self.validity(builder, node)?;
                let data = built(builder.add_buffer(self.buffers.next()?))?;
                digits_within(&data)?;
                data
            }
        };
        Ok(data)
    }

    fn node(&mut self, data_type: &DataType) -> Result<Node, Fault> {
        let node = self.nodes.next().ok_or(Fault::Malformed("a column is missing"))?;
        let (Ok(length), Ok(nulls)) = (usize::try_from(node.length()), usize::try_from(node.null_count())) else {
            return Err(Fault::Malformed("an array has a negative length"));
        };
        if nulls > length {
            return Err(Fault::Malformed("an array has more nulls than values"));
        }
        // The bytes that a column takes bound its length, if it takes any.
        if length > LENGTH_MAX || length > self.rows_max && !takes_bytes(data_type) {
            return Err(Fault::TooMuch("an array has too many values"));
        }
        Ok(Node { length, nulls })
    }

    fn validity(&mut self, builder: ArrayDataBuilder, node: Node) -> Result<ArrayDataBuilder, Fault> {
        if node.nulls == 0 {
            self.buffers.skip()?;
            return Ok(builder);
        }
        let bits = self.buffers.next()?;
        match bits.len() < node.length.div_ceil(8) {
            true => Err(Fault::Malformed("an array does not say which values are null")),
            false => Ok(builder.null_bit_buffer(Some(bits)).null_count(node.nulls)),
        }
    }

    /// The next buffer, as numbers of `width` bytes. Validation panics on a part of one behind the last.
    fn numbers(&mut self, width: usize) -> Result<Buffer, Fault> {
        let bytes = self.buffers.next()?;
        Ok(bytes.slice_with_length(0, bytes.len() / width * width))
    }

    /// How many buffers belong to the next column of views.
    fn view_buffers(&mut self) -> Result<usize, Fault> {
        let count = self.view_buffers.as_mut().and_then(Iterator::next);
        match count.map(usize::try_from) {
            Some(Ok(count)) if count <= self.buffers.left() => Ok(count),
            _ => Err(Fault::Malformed("an array has an impossible number of buffers")),
        }
    }

    /// Views may all point to the same bytes. They are charged for what they stand for: whoever writes them out, or
    /// only looks at each, works as hard as if the bytes had come.
    fn charge_views(&mut self, views: &Buffer, length: usize) -> Result<(), Fault> {
        let lengths = views.as_chunks::<16>().0.iter().take(length).map(view_length);
        let elsewhere = lengths.filter(|length| *length > INLINE_BYTES_MAX);
        let bytes: u64 = elsewhere.map(u64::from).sum();
        self.buffers.budget.charge(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    fn pointing(&mut self, builder: ArrayDataBuilder, values: &DataType, node: Node) -> Result<ArrayData, Fault> {
        let id = self.dictionary_ids.next();
        let id = id.ok_or(Fault::Malformed("a column has no dictionary"))?;
        let values = match self.dictionaries.get(id) {
            Some(dictionary) if dictionary.values.data_type() == values => dictionary.values.clone(),
            Some(_) => {
                return Err(Fault::Malformed(
                    "a dictionary has values of another type than its column",
                ));
            }
            // One that is not needed need not be sent.
            None if node.nulls == node.length => ArrayData::new_empty(values),
            None => return Err(Fault::Malformed("a dictionary is missing")),
        };
        let data = built(builder.add_child_data(values.clone()))?;
        // As with views: many may point to one long text.
        let longest = value_lengths(&values).max().unwrap_or(0);
        if node.length.saturating_mul(longest) > self.buffers.budget.left() {
            let lengths = value_lengths(&values).collect::<Vec<_>>();
            let array = make_array(data.clone());
            let keys = array.as_any_dictionary().normalized_keys();
            let meant = keys.iter().map(|key| lengths.get(*key).copied().unwrap_or(0));
            self.buffers.budget.charge(meant.fold(0, usize::saturating_add))?;
        }
        Ok(data)
    }
}

/// Copies what is not aligned, and validates all of it.
fn built(builder: ArrayDataBuilder) -> Result<ArrayData, Fault> {
    Ok(builder.align_buffers(true).build()?)
}

/// Decimals have no more digits than their type says; arrays are not validated for that.
fn digits_within(data: &ArrayData) -> Result<(), ArrowError> {
    match data.data_type() {
        DataType::Decimal32(digits, _) => {
            PrimitiveArray::<Decimal32Type>::from(data.clone()).validate_decimal_precision(*digits)
        }
        DataType::Decimal64(digits, _) => {
            PrimitiveArray::<Decimal64Type>::from(data.clone()).validate_decimal_precision(*digits)
        }
        DataType::Decimal128(digits, _) => {
            PrimitiveArray::<Decimal128Type>::from(data.clone()).validate_decimal_precision(*digits)
        }
        DataType::Decimal256(digits, _) => {
            PrimitiveArray::<Decimal256Type>::from(data.clone()).validate_decimal_precision(*digits)
        }
        _ => Ok(()),
    }
}

fn offset_width(data_type: &DataType) -> usize {
    match data_type {
        DataType::LargeUtf8 | DataType::LargeBinary | DataType::LargeList(_) => size_of::<i64>(),
        _ => size_of::<i32>(),
    }
}

fn takes_bytes(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null => false,
        DataType::FixedSizeList(item, size) => *size > 0 && takes_bytes(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| takes_bytes(field.data_type())),
        _ => true,
    }
}

fn view_length(view: &[u8; 16]) -> u32 {
    let [first, second, third, fourth, ..] = *view;
    u32::from_le_bytes([first, second, third, fourth])
}

/// The bytes of each value whose length is its own. `values` are valid.
fn value_lengths(values: &ArrayData) -> Box<dyn Iterator<Item = usize> + '_> {
    fn between<T: arrow_buffer::ArrowNativeType>(values: &ArrayData) -> Box<dyn Iterator<Item = usize> + '_> {
        // An empty array may have no offsets at all.
        if values.is_empty() {
            return Box::new(std::iter::empty());
        }
        let offsets = values.buffer::<T>(0).windows(2).take(values.len());
        Box::new(offsets.map(|pair| match pair {
            [start, end] => end.as_usize().saturating_sub(start.as_usize()),
            _ => 0,
        }))
    }
    match values.data_type() {
        DataType::Utf8 | DataType::Binary => between::<i32>(values),
        DataType::LargeUtf8 | DataType::LargeBinary => between::<i64>(values),
        DataType::Utf8View | DataType::BinaryView => {
            let views = values.buffers().first().map(|views| views.as_chunks::<16>().0);
            let views = views.unwrap_or_default().iter().take(values.len());
            Box::new(views.map(|view| usize::try_from(view_length(view)).unwrap_or(usize::MAX)))
        }
        // Wide ones are as wide as their type says, for each row of which bytes of a key came.
        DataType::FixedSizeBinary(width) => {
            let width = usize::try_from(*width).unwrap_or(0);
            Box::new(std::iter::repeat_n(width, values.len()))
        }
        _ => Box::new(std::iter::empty()),
    }
}
