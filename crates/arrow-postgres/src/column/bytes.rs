//! Byte strings in Arrow's layouts, and their copy into a field.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryViewArray, StringViewArray};
use arrow_schema::DataType;

use super::VALUE_BYTES_MAX;
use crate::error::Failure;

/// Byte strings in any of Arrow's layouts.
#[derive(Debug)]
pub(crate) enum Bytes<'a> {
    Small(&'a [i32], &'a [u8]),
    Large(&'a [i64], &'a [u8]),
    TextView(&'a StringViewArray),
    ByteView(&'a BinaryViewArray),
    Fixed(usize, &'a [u8]),
}

impl<'a> Bytes<'a> {
    #[inline]
    fn bounds(&self, row: usize) -> Option<(&'a [u8], usize, usize)> {
        match self {
            Self::Small(offsets, data) => Some((data, offsets[row] as usize, offsets[row + 1] as usize)),
            Self::Large(offsets, data) => Some((data, offsets[row] as usize, offsets[row + 1] as usize)),
            Self::Fixed(width, data) => Some((data, row * width, (row + 1) * width)),
            Self::TextView(_) | Self::ByteView(_) => None,
        }
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> &'a [u8] {
        match self {
            Self::TextView(array) => array.value(row).as_bytes(),
            Self::ByteView(array) => array.value(row),
            _ => self
                .bounds(row)
                .and_then(|(data, start, end)| data.get(start..end))
                .unwrap_or_default(),
        }
    }

    /// Appends length and value.
    #[inline]
    pub(super) fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let view = match self {
            Self::TextView(array) => array.views()[row],
            Self::ByteView(array) => array.views()[row],
            _ => {
                let Some((data, start, end)) = self.bounds(row) else {
                    return Err(Failure::BrokenArray);
                };
                return put_slice(out, data, start, end - start);
            }
        };
        let length = view as u32;
        if length <= 12 {
            // A short view is the value behind its length: turn the length round and it is the field.
            let mut field = view.to_le_bytes();
            field[..4].copy_from_slice(&length.to_be_bytes());
            let start = out.len();
            out.extend_from_slice(&field);
            out.truncate(start + 4 + length as usize);
            return Ok(());
        }
        // The value is read out of its buffer, not through the view, so that a block may reach beyond its end.
        let buffers = match self {
            Self::TextView(array) => array.data_buffers(),
            Self::ByteView(array) => array.data_buffers(),
            _ => return Err(Failure::BrokenArray),
        };
        let buffer = buffers.get((view >> 64) as u32 as usize).ok_or(Failure::BrokenArray)?;
        put_slice(out, buffer, (view >> 96) as usize, length as usize)
    }

    pub(super) fn average_length(&self, rows: usize) -> usize {
        let total = match self {
            Self::Small(offsets, _) => offsets
                .last()
                .zip(offsets.first())
                .map_or(0, |(end, start)| (end - start) as usize),
            Self::Large(offsets, _) => offsets
                .last()
                .zip(offsets.first())
                .map_or(0, |(end, start)| (end - start) as usize),
            Self::Fixed(width, _) => return *width,
            Self::TextView(_) | Self::ByteView(_) => return 16,
        };
        total / rows.max(1)
    }
}

/// Short values are copied as a block of one of these sizes, which is cheaper than copying the right number of bytes.
const BLOCK: usize = 28;
const LONG_BLOCK: usize = 60;

#[inline]
fn put_slice(out: &mut Vec<u8>, data: &[u8], start: usize, length: usize) -> Result<(), Failure> {
    if length <= LONG_BLOCK {
        let rest = data.get(start..).unwrap_or_default();
        let position = out.len();
        if length <= BLOCK
            && let Some(block) = rest.first_chunk::<BLOCK>()
        {
            let mut field = [0; 4 + BLOCK];
            field[..4].copy_from_slice(&(length as u32).to_be_bytes());
            field[4..].copy_from_slice(block);
            out.extend_from_slice(&field);
            out.truncate(position + 4 + length);
            return Ok(());
        }
        if let Some(block) = rest.first_chunk::<LONG_BLOCK>() {
            let mut field = [0; 4 + LONG_BLOCK];
            field[..4].copy_from_slice(&(length as u32).to_be_bytes());
            field[4..].copy_from_slice(block);
            out.extend_from_slice(&field);
            out.truncate(position + 4 + length);
            return Ok(());
        }
    }
    if length > VALUE_BYTES_MAX {
        return Err(Failure::ValueTooLong);
    }
    out.extend_from_slice(&(length as u32).to_be_bytes());
    out.extend_from_slice(data.get(start..start + length).ok_or(Failure::BrokenArray)?);
    Ok(())
}

pub(super) fn byte_strings(array: &dyn Array) -> Result<Bytes<'_>, Failure> {
    Ok(match array.data_type() {
        DataType::Utf8 => {
            let array = array.as_string_opt::<i32>().ok_or(Failure::BrokenArray)?;
            Bytes::Small(array.value_offsets(), array.value_data())
        }
        DataType::LargeUtf8 => {
            let array = array.as_string_opt::<i64>().ok_or(Failure::BrokenArray)?;
            Bytes::Large(array.value_offsets(), array.value_data())
        }
        DataType::Utf8View => Bytes::TextView(array.as_string_view_opt().ok_or(Failure::BrokenArray)?),
        DataType::Binary => {
            let array = array.as_binary_opt::<i32>().ok_or(Failure::BrokenArray)?;
            Bytes::Small(array.value_offsets(), array.value_data())
        }
        DataType::LargeBinary => {
            let array = array.as_binary_opt::<i64>().ok_or(Failure::BrokenArray)?;
            Bytes::Large(array.value_offsets(), array.value_data())
        }
        DataType::BinaryView => Bytes::ByteView(array.as_binary_view_opt().ok_or(Failure::BrokenArray)?),
        DataType::FixedSizeBinary(width) => {
            let array = array.as_fixed_size_binary_opt().ok_or(Failure::BrokenArray)?;
            Bytes::Fixed(
                usize::try_from(*width).map_err(|_| Failure::BrokenArray)?,
                array.value_data(),
            )
        }
        _ => return Err(Failure::BrokenArray),
    })
}
