//! Strings of JSON.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryViewArray, StringViewArray};
use arrow_schema::DataType;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Failure;

/// Byte strings in any of Arrow's layouts.
#[derive(Debug)]
pub(super) enum Bytes<'a> {
    Small(&'a [i32], &'a [u8]),
    Large(&'a [i64], &'a [u8]),
    TextView(&'a StringViewArray),
    ByteView(&'a BinaryViewArray),
    Fixed(usize, &'a [u8]),
}

impl<'a> Bytes<'a> {
    pub(super) fn new(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => {
                let array = array.as_string_opt::<i32>()?;
                Self::Small(array.value_offsets(), array.value_data())
            }
            DataType::LargeUtf8 => {
                let array = array.as_string_opt::<i64>()?;
                Self::Large(array.value_offsets(), array.value_data())
            }
            DataType::Utf8View => Self::TextView(array.as_string_view_opt()?),
            DataType::Binary => {
                let array = array.as_binary_opt::<i32>()?;
                Self::Small(array.value_offsets(), array.value_data())
            }
            DataType::LargeBinary => {
                let array = array.as_binary_opt::<i64>()?;
                Self::Large(array.value_offsets(), array.value_data())
            }
            DataType::BinaryView => Self::ByteView(array.as_binary_view_opt()?),
            DataType::FixedSizeBinary(width) => {
                let array = array.as_fixed_size_binary_opt()?;
                Self::Fixed(usize::try_from(*width).ok()?, array.value_data())
            }
            _ => return None,
        })
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> &'a [u8] {
        let (data, start, end) = match self {
            Self::Small(offsets, data) => (data, offsets[row] as usize, offsets[row + 1] as usize),
            Self::Large(offsets, data) => (data, offsets[row] as usize, offsets[row + 1] as usize),
            Self::Fixed(width, data) => (data, row * width, (row + 1) * width),
            Self::TextView(array) => return array.value(row).as_bytes(),
            Self::ByteView(array) => return array.value(row),
        };
        data.get(start..end).unwrap_or_default()
    }

    /// Appends the value as a string; it must be text.
    #[inline]
    pub(super) fn put_string(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let (data, start, length) = match self {
            Self::Small(offsets, data) => (*data, offsets[row] as usize, (offsets[row + 1] - offsets[row]) as usize),
            Self::Large(offsets, data) => (*data, offsets[row] as usize, (offsets[row + 1] - offsets[row]) as usize),
            Self::TextView(array) => {
                let view = array.views()[row];
                let length = view as u32;
                if length <= 12 {
                    put_inline(view, out);
                    return Ok(());
                }
                // The value is read out of its buffer, not through the view, so that a block may reach beyond its end.
                let buffer = array.data_buffers().get((view >> 64) as u32 as usize);
                let buffer = buffer.ok_or(Failure::BrokenArray)?;
                (buffer.as_slice(), (view >> 96) as usize, length as usize)
            }
            Self::ByteView(_) | Self::Fixed(..) => {
                push_string(out, self.get(row));
                return Ok(());
            }
        };
        let rest = data.get(start..).ok_or(Failure::BrokenArray)?;
        if length <= BLOCK
            && let Some(block) = rest.first_chunk::<BLOCK>()
            && !contains_special(block)
        {
            let mut quoted = [b'"'; BLOCK + 2];
            quoted[1..=BLOCK].copy_from_slice(block);
            quoted[length + 1] = b'"';
            let start = out.len();
            out.extend_from_slice(&quoted);
            out.truncate(start + length + 2);
            return Ok(());
        }
        push_string(out, rest.get(..length).ok_or(Failure::BrokenArray)?);
        Ok(())
    }

    /// About how many bytes a value takes, to reserve room.
    pub(super) fn average_length(&self, rows: usize) -> usize {
        let total = match self {
            Self::Small(offsets, _) => span(offsets, |offset| *offset as usize),
            Self::Large(offsets, _) => span(offsets, |offset| *offset as usize),
            Self::Fixed(width, _) => return *width,
            Self::TextView(_) | Self::ByteView(_) => return 16,
        };
        total / rows.max(1)
    }
}

fn span<T>(offsets: &[T], position: impl Fn(&T) -> usize) -> usize {
    offsets
        .first()
        .zip(offsets.last())
        .map_or(0, |(first, last)| position(last).saturating_sub(position(first)))
}

/// Short values are looked at and copied as one block of this size, together with what happens to lie behind them.
const BLOCK: usize = 32;

/// A view that is its own value: at most twelve bytes behind the length, the rest zero.
#[inline]
fn put_inline(view: u128, out: &mut Vec<u8>) {
    let length = view as u32 as usize;
    let value = view >> 32;
    // Zeros behind the value would count as control characters.
    let padding = 0x2020_2020_2020_2020_2020_2020_u128 << (8 * length);
    let padded = value | padding;
    let bytes = value.to_le_bytes();
    if is_special(padded as u64) || is_special((padded >> 64) as u64 | 0x2020_2020_0000_0000) {
        return push_string(out, bytes.get(..length).unwrap_or_default());
    }
    let mut quoted = [b'"'; 16];
    quoted[1..14].copy_from_slice(&bytes[..13]);
    if let Some(end) = quoted.get_mut(length + 1) {
        *end = b'"';
    }
    let start = out.len();
    out.extend_from_slice(&quoted);
    out.truncate(start + length + 2);
}

/// Whether one of eight bytes needs an escape: the classic tests for a byte below a bound and for a zero byte.
#[inline]
fn is_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & TOPS;
    let control = below(word, 0x20);
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    (control | quote | backslash) != 0
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || matches!(byte, b'"' | b'\\')
}

/// Looks at every byte without stopping at the first hit, so that it compiles to vector code.
#[inline]
fn contains_special(text: &[u8]) -> bool {
    text.iter().fold(0, |found, byte| found | u8::from(needs_escape(*byte))) != 0
}

/// Appends `text` as a string of JSON.
pub(super) fn push_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if contains_special(text) {
        push_escaped(out, text);
    } else {
        out.extend_from_slice(text);
    }
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    while let Some(position) = rest.iter().position(|byte| needs_escape(*byte)) {
        let (clean, special) = rest.split_at(position);
        out.extend_from_slice(clean);
        let Some((byte, behind)) = special.split_first() else {
            break;
        };
        let short = match byte {
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            control if *control < 0x20 => {
                let digits = b"0123456789abcdef";
                let (high, low) = (digits[usize::from(control >> 4)], digits[usize::from(control & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                rest = behind;
                continue;
            }
            other => *other,
        };
        out.extend_from_slice(&[b'\\', short]);
        rest = behind;
    }
    out.extend_from_slice(rest);
}

/// Appends bytes as base64 in quotes.
pub(super) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Failure> {
    out.push(b'"');
    let start = out.len();
    let length = base64::encoded_len(bytes.len(), true).ok_or(Failure::BrokenArray)?;
    out.resize(start + length, 0);
    let target = out.get_mut(start..).unwrap_or_default();
    STANDARD.encode_slice(bytes, target).map_err(|_| Failure::BrokenArray)?;
    out.push(b'"');
    Ok(())
}
