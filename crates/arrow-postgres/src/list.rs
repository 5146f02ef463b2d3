//! Lists as PostgreSQL arrays: `{1,NULL,"a b"}` and the binary form with dimensions; as vectors; as JSON.

use arrow_array::{Array, FixedSizeListArray, LargeListArray, LargeListViewArray, ListArray, ListViewArray};
use arrow_schema::DataType;

use crate::column::{Column, Values, downcast};
use crate::error::Failure;
use crate::session::SessionFormat;
use crate::{oid, type_map};

/// PostgreSQL's MAXDIM.
const DIMENSIONS_MAX: usize = 6;

/// A column of lists.
#[derive(Debug)]
pub(crate) struct List<'a> {
    bounds: Bounds<'a>,
    items: Box<Column<'a>>,
    /// `int2vector` or `oidvector`: no braces, and the lower bound is zero.
    vector: bool,
}

#[derive(Debug)]
enum Bounds<'a> {
    Small(&'a [i32]),
    Large(&'a [i64]),
    Fixed(usize),
    SmallView(&'a [i32], &'a [i32]),
    LargeView(&'a [i64], &'a [i64]),
}

impl<'a> List<'a> {
    pub(crate) fn new(array: &'a dyn Array, oid: u32, session: &'a SessionFormat) -> Result<Self, Failure> {
        let (bounds, values) = match array.data_type() {
            DataType::List(_) => {
                let list = downcast::<ListArray>(array)?;
                (Bounds::Small(list.value_offsets()), list.values())
            }
            DataType::LargeList(_) => {
                let list = downcast::<LargeListArray>(array)?;
                (Bounds::Large(list.value_offsets()), list.values())
            }
            DataType::FixedSizeList(_, size) => {
                let list = downcast::<FixedSizeListArray>(array)?;
                (
                    Bounds::Fixed(usize::try_from(*size).map_err(|_| Failure::BrokenArray)?),
                    list.values(),
                )
            }
            DataType::ListView(_) => {
                let list = downcast::<ListViewArray>(array)?;
                (
                    Bounds::SmallView(list.value_offsets(), list.value_sizes()),
                    list.values(),
                )
            }
            DataType::LargeListView(_) => {
                let list = downcast::<LargeListViewArray>(array)?;
                (
                    Bounds::LargeView(list.value_offsets(), list.value_sizes()),
                    list.values(),
                )
            }
            _ => return Err(Failure::BrokenArray),
        };
        let item = type_map::list_item(array.data_type()).ok_or(Failure::BrokenArray)?;
        let element = match oid {
            oid::INT2VECTOR => oid::INT2,
            oid::OIDVECTOR => oid::OID,
            oid::JSON | oid::JSONB => type_map::resolve(item),
            _ => match oid::element(oid) {
                Some(facts) if !type_map::is_list(item.data_type()) || matches!(facts.oid, oid::JSON | oid::JSONB) => {
                    facts.oid
                }
                // A further dimension of the same array.
                _ => oid,
            },
        };
        Ok(Self {
            bounds,
            items: Box::new(Column::new(values.as_ref(), element, session)?),
            vector: matches!(oid, oid::INT2VECTOR | oid::OIDVECTOR),
        })
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        match &self.bounds {
            Bounds::Small(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Bounds::Large(offsets) => offsets[row] as usize..offsets[row + 1] as usize,
            Bounds::Fixed(size) => row * size..(row + 1) * size,
            Bounds::SmallView(offsets, sizes) => offsets[row] as usize..(offsets[row] + sizes[row]) as usize,
            Bounds::LargeView(offsets, sizes) => offsets[row] as usize..(offsets[row] + sizes[row]) as usize,
        }
    }

    /// The list below, if this is not the innermost dimension.
    fn inner(&self) -> Option<&List<'a>> {
        match &self.items.values {
            Values::List(list) if !matches!(self.items.oid, oid::JSON | oid::JSONB) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        out.push(b'[');
        let range = self.range(row);
        for item in range.clone() {
            if item != range.start {
                out.extend_from_slice(b", ");
            }
            if self.items.is_null(item) {
                out.extend_from_slice(b"null");
            } else {
                self.items.json(item, out)?;
            }
        }
        out.push(b']');
        Ok(())
    }

    pub(crate) fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.inner().is_some() && self.dimensions(row)?.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        self.text_level(row, out)
    }

    fn text_level(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let plain = self.items.is_plain();
        let inner = self.inner();
        let separator = if self.vector { b' ' } else { b',' };
        if !self.vector {
            out.push(b'{');
        }
        let range = self.range(row);
        for item in range.clone() {
            if item != range.start {
                out.push(separator);
            }
            match inner {
                Some(inner) => inner.text_level(item, out)?,
                None if self.items.is_null(item) => out.extend_from_slice(b"NULL"),
                None => {
                    let start = out.len();
                    self.items.text(item, out)?;
                    if !plain {
                        quote_element(out, start);
                    }
                }
            }
        }
        if !self.vector {
            out.push(b'}');
        }
        Ok(())
    }

    pub(crate) fn binary(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let dimensions = self.dimensions(row)?;
        let start = out.len();
        out.extend_from_slice(&(dimensions.len() as u32).to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.innermost().items.oid.to_be_bytes());
        for dimension in &dimensions {
            let length = i32::try_from(*dimension).map_err(|_| Failure::TooManyElements)?;
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&i32::from(!self.vector).to_be_bytes());
        }
        let has_null = if dimensions.is_empty() {
            false
        } else {
            self.binary_level(row, out)?
        };
        if let Some(flags) = out.get_mut(start + 4..start + 8) {
            flags.copy_from_slice(&u32::from(has_null).to_be_bytes());
        }
        Ok(())
    }

    fn innermost(&self) -> &List<'a> {
        self.inner().map_or(self, List::innermost)
    }

    fn binary_level(&self, row: usize, out: &mut Vec<u8>) -> Result<bool, Failure> {
        let mut has_null = false;
        for item in self.range(row) {
            match self.inner() {
                Some(inner) => has_null |= inner.binary_level(item, out)?,
                None => {
                    has_null |= self.items.is_null(item);
                    self.items.put(item, true, out)?;
                }
            }
        }
        Ok(has_null)
    }

    /// The length of each dimension; none if the array is empty. Fails where PostgreSQL has no such array.
    fn dimensions(&self, row: usize) -> Result<Vec<usize>, Failure> {
        let range = self.range(row);
        let mut dimensions = vec![range.len()];
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let Some(inner) = self.inner() else {
            return Ok(dimensions);
        };
        let mut below: Option<Vec<usize>> = None;
        for item in range {
            if self.items.is_null(item) {
                return Err(Failure::Ragged);
            }
            let found = inner.dimensions(item)?;
            if below.as_ref().is_some_and(|below| *below != found) {
                return Err(Failure::Ragged);
            }
            below = Some(found);
        }
        let below = below.unwrap_or_default();
        if below.is_empty() {
            return Ok(Vec::new());
        }
        dimensions.extend(below);
        if dimensions.len() > DIMENSIONS_MAX {
            Err(Failure::TooManyElements)
        } else {
            Ok(dimensions)
        }
    }
}

/// Puts the text from `start` on in double quotes if an array literal needs them.
fn quote_element(out: &mut Vec<u8>, start: usize) {
    let text = out.get(start..).unwrap_or_default();
    let mut escapes = 0;
    let mut special = text.is_empty() || text.eq_ignore_ascii_case(b"null");
    for byte in text {
        match byte {
            b'"' | b'\\' => escapes += 1,
            b'{' | b'}' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => special = true,
            _ => {}
        }
    }
    if escapes == 0 && !special {
        return;
    }
    escape_from(
        out,
        start,
        escapes,
        |byte| matches!(byte, b'"' | b'\\').then_some(b'\\'),
        Some(b'"'),
    );
}

/// Rewrites the text from `start` on in place: `escape` names the byte to put in front of a byte, and `around` goes on
/// both ends. `escapes` is how many bytes get one.
pub(crate) fn escape_from(
    out: &mut Vec<u8>,
    start: usize,
    escapes: usize,
    escape: impl Fn(u8) -> Option<u8>,
    around: Option<u8>,
) {
    let mut read = out.len();
    out.resize(read + escapes + if around.is_some() { 2 } else { 0 }, 0);
    let mut write = out.len();
    if let Some(mark) = around {
        write -= 1;
        out[write] = mark;
    }
    while read > start {
        read -= 1;
        write -= 1;
        let byte = out[read];
        out[write] = byte;
        if let Some(prefix) = escape(byte) {
            write -= 1;
            out[write] = prefix;
        }
    }
    if let Some(mark) = around {
        out[start] = mark;
    }
}
